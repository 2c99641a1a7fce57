// The one way to the service. What is safe to repeat is repeated when no answer comes: reads, deletions, and the writes
// that say of themselves that they are. Any other write is sent once, and when its answer is lost, what is said is that
// it may have happened. A refusal is thrown as it was worded; a rate limit holds back all requests of this process.
import type { KeyObject } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { CommandError, RefusedError, UnknownOutcomeError, UnreachableError, UsageError } from "./outcome.ts";
import { signatureHeaders } from "./signing.ts";

/** Pauses before another try when no answer came. */
const NETWORK_PAUSES_MS = [200, 500, 1000];
/** How often an answer that says "later" is believed. */
const LATER_TRIES = 10;
const LATER_MS_MAX = 60_000;
const TIMEOUT_MS = 45_000;
/** The request cannot have left: there was no connection. */
const NEVER_SENT = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ENETUNREACH",
  "EHOSTUNREACH",
  "bad port",
]);

interface Read {
  method?: "GET" | "DELETE";
}

interface Write {
  method: "POST";
  /** "repeat" when once more changes nothing; else where to see whether it happened. */
  whenLost: "repeat" | { lookWith: string };
}

export type Call = (Read | Write) & {
  path: string;
  query?: Record<string, string | undefined>;
  body?: unknown;
  headers?: Record<string, string>;
  /** Also ended by the person, or by the first error of a run. */
  signal?: AbortSignal;
};

export class Client {
  readonly url: string;
  readonly #key: string;
  readonly #privateKey: KeyObject | null;
  /** Epoch milliseconds before which nothing is sent. */
  #notBefore = 0;

  constructor(url: string, key: string, privateKey: KeyObject | null = null) {
    this.url = checkedUrl(url, key);
    this.#key = key;
    this.#privateKey = privateKey;
  }

  get livemode(): boolean {
    return this.#key.startsWith("sk_live_");
  }

  /** Tells clients of different services or keys apart; nothing of the key can be read off it. */
  get identity(): string {
    return `${this.url}\n${this.#key}`;
  }

  async call<Answer>(call: Call): Promise<Answer> {
    const once = call.method === "POST" && call.whenLost !== "repeat" ? call.whenLost : null;
    let networkTries = 0;
    let timestamp = 0;
    for (let tries = 1; ; tries++) {
      await this.#turn(call.signal);
      // A signature works once, and the same second would give the same one.
      timestamp = Math.max(timestamp + 1, Math.floor(Date.now() / 1000));
      let answer: { response: Response; text: string };
      try {
        answer = await this.#send(call, timestamp);
      } catch (error) {
        call.signal?.throwIfAborted();
        const reason = reasonOf(error);
        if (once !== null && !NEVER_SENT.has(reason)) throw new UnknownOutcomeError(reason, once.lookWith);
        const pause = NETWORK_PAUSES_MS[networkTries++];
        if (pause === undefined) throw new UnreachableError(this.url, reason);
        await sleep(pause, undefined, { signal: call.signal });
        continue;
      }
      const { response, text } = answer;
      const body = jsonOf(text);
      if (response.ok && body !== undefined) return body as Answer;
      const refused = body === undefined ? notJson(this.url, response) : refusalOf(response, body);
      // A frozen charge waits for a person.
      const isLater =
        (refused.code === "rate_limited" || [429, 502, 503, 504].includes(refused.status)) &&
        refused.code !== "charge_frozen";
      if (once !== null && (response.status >= 500 || response.ok)) {
        throw new UnknownOutcomeError(refused.message, once.lookWith);
      }
      if (networkTries > 0 && call.method === "DELETE" && refused.status === 404) {
        throw new CommandError(`${refused.message}\nA try whose answer was lost has probably deleted it.`);
      }
      if (!isLater || tries >= LATER_TRIES) throw refused;
      const seconds = Number(response.headers.get("Retry-After") ?? Number.NaN);
      const pauseMs = Number.isFinite(seconds) ? seconds * 1000 : 250 * 2 ** tries;
      this.#notBefore = Math.max(
        this.#notBefore,
        Date.now() + Math.min(Math.max(pauseMs, 100), LATER_MS_MAX),
      );
    }
  }

  async #turn(signal: AbortSignal | undefined): Promise<void> {
    for (let pause = this.#notBefore - Date.now(); pause > 0; pause = this.#notBefore - Date.now()) {
      await sleep(pause, undefined, { signal });
    }
  }

  async #send({ method = "GET", path, query = {}, body, headers, signal }: Call, timestamp: number) {
    const url = new URL(`${this.url}${path}`);
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) url.searchParams.append(name, value);
    const text = body === undefined ? undefined : JSON.stringify(body);
    const signature =
      this.#privateKey === null || method === "GET"
        ? {}
        : signatureHeaders(this.#privateKey, { method, url, body: text, timestamp });
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(url, {
      method,
      redirect: "manual",
      headers: {
        Authorization: `Bearer ${this.#key}`,
        "Accept-Language": "en",
        "User-Agent": "edge-refunds-cli",
        ...(text === undefined ? {} : { "Content-Type": "application/json" }),
        ...signature,
        ...headers,
      },
      body: text,
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    });
    return { response, text: await response.text() };
  }
}

/** Undefined for what is not JSON. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function notJson(url: string, { status }: Response): RefusedError {
  const message = `${url} answered with something that is not JSON. Is it the base URL of edge-refunds, without /v1?`;
  return new RefusedError(status, message, null, null, null);
}

/** The base URL without `/v1` and the slash at its end. A live key never goes over the network unencrypted. */
function checkedUrl(text: string, key: string): string {
  if (!/^sk_(test|live)_[0-9A-Za-z]{24}$/.test(key)) {
    throw new UsageError(
      "no usable API key: set EDGE_REFUNDS_KEY to one (sk_test_… or sk_live_…), or give it with --key",
    );
  }
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new UsageError(`--url: "${text}" is no http or https URL`);
  const local = ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname);
  if (url.protocol === "http:" && !local && key.startsWith("sk_live_")) {
    throw new UsageError("--url: a live key is only sent over https");
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, "").replace(/\/v1$/, "")}`;
}

function refusalOf(response: Response, body: unknown): RefusedError {
  const { error } = (body ?? {}) as { error?: { message?: string; code?: string; param?: string } };
  return new RefusedError(
    response.status,
    error?.message ?? "the service refused without saying why",
    error?.code ?? null,
    error?.param ?? null,
    response.headers.get("Request-Id"),
  );
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof Error) return (cause as NodeJS.ErrnoException).code ?? cause.message;
  return error.name === "TimeoutError" ? `no answer within ${TIMEOUT_MS / 1000} s` : error.message;
}
