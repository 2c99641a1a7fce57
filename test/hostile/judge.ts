// What every answer is held against, whatever was asked: no failure of ours, the contract's problem and nothing else
// beside what the route declares, nothing of anybody else's, nothing of how it works inside.
import type { Route } from "../../src/http/registry.ts";
import type { HostileRequest } from "./draft.ts";

export interface GivenAnswer {
  status: number;
  headers: Headers;
  text: string;
}

/** What the judge must know of the world. */
export interface Facts {
  /** Words that the caller must not read. */
  forbidden: readonly string[];
  /** Ids that the caller may see only where the request says them. */
  foreignIds: readonly string[];
  /** What nobody is told, except by a route that makes one. */
  secrets: readonly string[];
}

export interface Violation {
  rule: string;
  detail: string;
}

/** Statuses of refusals; 402 is a channel without an account, 403 and 429 are limits. */
const REFUSALS = new Set([400, 401, 402, 404, 405, 413, 415]);
const TYPES = ["invalid_request_error", "api_error", "channel_error"];
const JSON_TYPE = "application/json; charset=utf-8";
/** Of routes whose answer is declared as text. */
const TEXT_TYPES = [
  "application/x-ndjson; charset=utf-8",
  "text/csv; charset=utf-8; header=present",
  "text/plain; version=0.0.4; charset=utf-8",
];
const pathnameOf = ({ target }: HostileRequest) =>
  decodeURIComponent(new URL(`http://host/${target.replace(/^\/+/, "")}`).pathname);
/** Keys are told where they are minted, and nowhere else. */
const mintsKeys = (request: HostileRequest) =>
  request.method === "POST" && /^\/v1\/apps(\/[^/]+\/keys(\/[^/]+\/rotate)?)?\/?$/.test(pathnameOf(request));
/** An error says what is wrong; it does not give the request back. */
const ERROR_CHARACTERS_MAX = 8192;

/** How this looks from inside; what the fuzzer sends contains none of it. */
const INSIDES =
  /<html|<!doctype|\.ts:\d|node_modules|\bat \w+ \(|sqlite|d1_|select |insert |drizzle|undefined|\[object |TypeError|RangeError|SyntaxError|Durable/i;

export function judge(request: HostileRequest, answer: GivenAnswer, facts: Facts): Violation[] {
  const found: Violation[] = [];
  const violation = (rule: string, detail: string) => void found.push({ rule, detail });
  const { status, headers, text } = answer;

  if (status >= 500) violation("never 5xx", `${status} ${text.slice(0, 300)}`);
  else if (status !== 200 && !REFUSALS.has(status)) violation("only the contract's statuses", String(status));
  if (!/^iar_[0-9A-Za-z]{24}$/.test(headers.get("Request-Id") ?? "")) violation("Request-Id", "missing");
  if (headers.get("Cache-Control") !== "no-store") violation("Cache-Control", "not no-store");
  const type = headers.get("Content-Type") ?? "none";
  // A trick with the path may reach one of them without naming it.
  const isText = status === 200 && TEXT_TYPES.includes(type) && /metrics|export/.test(pathnameOf(request));
  if (!isText && type !== JSON_TYPE) violation("JSON always", type);
  for (const [name, value] of headers) {
    if (/^(access-control-|set-cookie|location|x-injected|server$|x-powered)/i.test(name)) {
      violation("no such header", `${name}: ${value}`);
    }
  }

  if (request.method.toUpperCase() === "HEAD") {
    if (text !== "") violation("HEAD has no body", text.slice(0, 100));
  } else {
    const body = isText ? text : parsed(text);
    if (status >= 400) judgeProblem(answer, body, violation);
    else if (request.route !== null && isRoutes(request, request.route)) {
      const schema = request.route.answers[status];
      const read = schema?.safeParse(body);
      if (read?.success === false) {
        violation("an answer as declared", JSON.stringify(read.error.issues[0]));
      }
    }
    if (!text.isWellFormed() || !isWellFormedDeep(body)) violation("well-formed Unicode", text.slice(0, 200));
  }

  judgeLeaks(request, answer, facts, violation);
  return found;
}

type Report = (rule: string, detail: string) => void;

function judgeProblem({ status, headers, text }: GivenAnswer, body: unknown, violation: Report): void {
  const error = (body as { error?: Record<string, unknown> } | null)?.error;
  if (typeof error !== "object" || error === null || Object.keys(body as object).join() !== "error") {
    violation("a problem as the contract has it", text.slice(0, 200));
    return;
  }
  const keys = Object.keys(error);
  if (keys.some((key) => !["type", "message", "code", "param"].includes(key))) {
    violation("a problem has type, message, code and param", keys.join());
  }
  const { param, ...others } = error;
  // The name of a parameter may be empty: the request's was.
  const isNamed = param === undefined ? !("param" in error) : typeof param === "string";
  if (!isNamed || Object.values(others).some((value) => typeof value !== "string" || value === "")) {
    violation("a problem's values are texts", text.slice(0, 200));
  }
  if (!TYPES.includes(String(error.type))) violation("a problem's type", String(error.type));
  if (status < 500 && status !== 402 && error.type !== "invalid_request_error") {
    violation("a refusal is an invalid_request_error", String(error.type));
  }
  if (status === 405 && !headers.has("Allow")) violation("405 carries Allow", "missing");
  if (status === 401 && error.code === undefined && !headers.has("WWW-Authenticate")) {
    violation("401 says how", "no WWW-Authenticate");
  }
  if (text.length > ERROR_CHARACTERS_MAX) violation("a refusal is short", `${text.length} characters`);
  const inside = INSIDES.exec(text);
  if (inside !== null) violation("nothing of the inside", `${inside[0]} in ${text.slice(0, 300)}`);
}

function judgeLeaks(
  request: HostileRequest,
  { status, headers, text }: GivenAnswer,
  { forbidden, foreignIds, secrets }: Facts,
  violation: Report,
): void {
  const whole = `${text}\n${[...headers].map(([name, value]) => `${name}: ${value}`).join("\n")}`;
  for (const word of forbidden) {
    if (whole.includes(word))
      violation("nothing of anybody else's", `${word} (${status}) ${around(whole, word)}`);
  }
  for (const secret of secrets) {
    if (whole.includes(secret)) violation("no secret", around(whole, secret));
  }
  const isKeyTold = /sk_(test|live)_[0-9A-Za-z]{20}/.test(
    whole.replaceAll("sk_test_000000000000000000000000", ""),
  );
  if (isKeyTold && !(status === 200 && mintsKeys(request))) {
    violation("no key", text.slice(0, 200));
  }
  for (const id of foreignIds) {
    if (whole.includes(id) && !said(request).includes(id)) violation("nobody else's ids", around(whole, id));
  }
}

const said = ({ target, body }: HostileRequest) =>
  decoded(target) + (body === null ? "" : new TextDecoder().decode(body));

function decoded(target: string): string {
  try {
    return target + decodeURIComponent(target);
  } catch {
    return target;
  }
}

function around(text: string, word: string): string {
  const at = text.indexOf(word);
  return text.slice(Math.max(0, at - 80), at + word.length + 40);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isWellFormedDeep(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value !== "object" || value === null) return true;
  return Object.entries(value).every(([key, inner]) => key.isWellFormed() && isWellFormedDeep(inner));
}

/** Whether the request still is to its route: a broken path or method may lead to another one. */
function isRoutes({ method, target }: HostileRequest, route: Route): boolean {
  const path = target.split(/[?#]/, 1)[0] ?? "";
  const pattern = new RegExp(`^${route.path.replaceAll(/:\w+/g, "[^/]+")}$`);
  return method.toUpperCase() === route.method && pattern.test(path);
}
