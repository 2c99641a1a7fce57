// Which errors a route can answer with, by status, and how each reads: what any route can, and what is its own. Every
// rendering comes from the one place that renders errors for clients.
import { type Problem, renderProblem } from "../../src/http/problem.ts";
import type { Route } from "../../src/http/registry.ts";
import type { Language } from "../../src/refunds/refund.ts";
import { OPERATIONS } from "./operations.ts";
import { type Code, SAMPLES } from "./problem-samples.ts";
import { hasFields } from "./schemas.ts";

type NotFound = Extract<Problem, { code: "not_found" }>;

/** What the last id of a path names. */
const OBJECTS: Record<string, [object: NotFound["object"], prefix: string]> = {
  charge: ["charge", "ch"],
  batch: ["batch_refund", "br"],
  event: ["event", "evt"],
  account: ["channel_account", "ca"],
  endpoint: ["webhook_endpoint", "we"],
  delivery: ["webhook_delivery", "dlv"],
  dead_letter: ["dead_letter", "dl"],
  app: ["app", "app"],
  key: ["api_key", "key"],
};

export const nameOf = (route: Route) => `${route.method} ${route.path}`;

/** The names in a path, in order. */
export const paramsOf = (path: string) => [...path.matchAll(/:(\w+)/g)].map((match) => match[1] as string);

/** What a body names. */
const NAMED_IN_BODY: Record<string, string> = {
  "/v1/batch_refunds": "charge",
  "/v1/events/:event/resend": "endpoint",
};

function notFound(path: string): [name: string, problem: Problem][] {
  const inBody = NAMED_IN_BODY[path];
  return [...paramsOf(path), ...(inBody === undefined ? [] : [inBody])].map((param) => {
    if (param === "refund") return ["unknown_refund", SAMPLES.unknown_refund[0]];
    const [object, prefix] = OBJECTS[param] ?? [];
    if (object === undefined) throw new Error(`what does :${param} of ${path} name?`);
    return [`not_found_${object}`, { code: "not_found", object, id: `${prefix}_0123456789ABCDEFGHIJKLMN` }];
  });
}

/** The errors of a route, each rendering with a name that is its own among all. */
function problemsOf(route: Route): [name: string, problem: Problem][] {
  const changes = route.method !== "GET";
  const takes = route.query !== undefined || (route.body !== undefined && hasFields(route.body));
  const codes: Code[] = [
    "bad_key",
    "signature_invalid",
    "scope_missing",
    "ip_not_allowed",
    "rate_limited",
    "unavailable",
  ];
  if (takes) codes.push("invalid_parameter");
  if (changes) codes.push("malformed_body", "body_too_large", "unsupported_media_type");
  if ((route.own && route.body !== undefined) || route.path.endsWith("/export"))
    codes.push("unknown_parameter");
  if (changes && route.foreign !== true) codes.push("wrong_namespace");
  codes.push(...(OPERATIONS[nameOf(route)]?.problems ?? []));
  const samples = codes.flatMap((code) =>
    SAMPLES[code].map((problem, i) => [i === 0 ? code : `${code}_${i + 1}`, problem] as [string, Problem]),
  );
  return 404 in route.answers ? [...samples, ...notFound(route.path)] : samples;
}

export interface NamedProblem {
  name: string;
  problem: Problem;
}

/** The errors of a route by status: those it declares, and those that any route has. */
export function errorsOf(route: Route): Map<number, NamedProblem[]> {
  const byStatus = new Map<number, NamedProblem[]>();
  for (const [name, problem] of problemsOf(route)) {
    const { status } = renderProblem(problem, "en");
    byStatus.set(status, [...(byStatus.get(status) ?? []), { name, problem }]);
  }
  return new Map([...byStatus].sort(([a], [b]) => a - b));
}

/** What stands in an error's body. */
export function renderedError(problem: Problem, language: Language): { error: Record<string, string> } {
  return JSON.parse(renderProblem(problem, language).body);
}

/** A table of every error there is, in Markdown. */
export function errorTable(language: Language): string {
  const head = language === "en" ? "status | code | message" : "状态码 | code | message";
  const rows = Object.values(SAMPLES)
    .flat()
    .map((problem: Problem) => {
      const { status } = renderProblem(problem, language);
      const { code = "–", message = "" } = renderedError(problem, language).error;
      return { status, code, line: `| ${status} | ${code} | ${message.replaceAll("|", "\\|")} |` };
    })
    .sort((a, b) => a.status - b.status || (a.code < b.code ? -1 : a.code > b.code ? 1 : 0));
  return [`| ${head} |`, "| --- | --- | --- |", ...rows.map(({ line }) => line)].join("\n");
}
