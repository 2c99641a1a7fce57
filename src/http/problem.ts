// Every error a client can get, and the only place that renders one; `problem-texts.ts` says how each reads.
// `code` and `param` are left out when they do not apply: a null panics the Go SDK.
import type { Language } from "../refunds/refund.ts";
import type { Refusal } from "../refunds/refusal.ts";
import { describe } from "./problem-texts.ts";

export type ErrorType = "invalid_request_error" | "api_error" | "channel_error";

/** Everything that can go wrong, with the facts its text names. */
export type Problem =
  | Refusal
  | { code: "invalid_parameter"; param: string; reason: [zh: string, en: string] }
  | { code: "unknown_parameter"; param: string }
  | { code: "malformed_body"; reason: "json" | "form" | "utf8" | "not_an_object" | "cut_off" }
  | { code: "body_too_large" }
  | { code: "unsupported_media_type" }
  | { code: "bad_key"; key: string | null }
  | { code: "signature_invalid"; reason: "missing" | "stale" | "mismatch" | "used" | "malformed" }
  | { code: "scope_missing"; scope: string }
  | { code: "ip_not_allowed" }
  | { code: "live_key_required" }
  /** `param`: in what a key would be more than the one that asks for it. */
  | { code: "key_too_broad"; param: "scopes" | "expires_at" | "allowed_ips" }
  | { code: "key_limit"; limit: number }
  | { code: "key_ended"; key: string }
  | {
      code: "not_found";
      object:
        | "charge"
        | "refund"
        | "event"
        | "webhook_endpoint"
        | "webhook_delivery"
        | "dead_letter"
        | "channel_account"
        | "batch_refund"
        | "app"
        | "api_key";
      id: string;
    }
  | { code: "no_such_route"; path: string }
  | { code: "method_not_allowed"; method: string; allow: string[] }
  | { code: "transaction_no_used" }
  /** A batch with other parameters has this number. */
  | { code: "batch_no_used"; batchNo: string; batch: string }
  /** A charge refuses the whole batch. */
  | { code: "batch_refused"; charge: string; refusal: Refusal }
  | { code: "checkout_call" }
  | { code: "endpoint_limit"; limit: number }
  | { code: "channel_account_exists"; channel: string }
  | { code: "channel_account_retired"; account: string }
  | { code: "channel_account_merchant"; merchant: string }
  | { code: "endpoint_disabled"; endpoint: string }
  | { code: "too_many_secrets"; limit: number; freeAt: number }
  | { code: "delivery_not_resendable"; delivery: string; status: "pending" | "delivered" }
  | { code: "dead_letter_unreadable"; letter: string }
  | { code: "too_many_charges_of_order" }
  /** `currency`: null when it is the number of refunds; `roomAt`: ms, null when it will never be enough. */
  | {
      code: "daily_limit_exceeded";
      currency: string | null;
      max: number;
      left: number;
      roomAt: number | null;
    }
  | { code: "rate_limited"; status: 403 | 429; perSecond: number }
  | { code: "unavailable"; retryAfterSeconds: number }
  | { code: "wrong_namespace" }
  | { code: "internal" };

const V8_ERROR = Error as ErrorConstructor & { stackTraceLimit: number };

/**
 * Thrown anywhere below a route; rendered by the app's error handler. It has no stack: a problem is an answer, whose place
 * in the code nobody asks for, and to note that place costs more than most refusals do.
 */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    const { stackTraceLimit } = V8_ERROR;
    V8_ERROR.stackTraceLimit = 0;
    super(problem.code);
    V8_ERROR.stackTraceLimit = stackTraceLimit;
    this.problem = problem;
  }
}

/** A parameter that is wrong, said in both languages. */
export function invalid(param: string, zh: string, en: string): ProblemError {
  return new ProblemError({ code: "invalid_parameter", param, reason: [zh, en] });
}

const MESSAGE_MAX = 1000;
const PARAM_MAX = 200;

/**
 * Names and paths of the request are given back in its error, but not without end: a few bytes of a request can be six
 * times as many of JSON. A lone surrogate would make the whole answer unreadable to some clients (PHP's `json_decode`).
 */
function echoed(text: string, max: number): string {
  return (text.length <= max ? text : `${text.slice(0, max)}…`).toWellFormed();
}

/** Renders a problem as `{status, body, headers}`; the body is the exact text to send. */
export function renderProblem(
  problem: Problem,
  language: Language,
): { status: number; body: string; headers: Record<string, string> } {
  const rendering = describe(problem);
  const error: Record<string, string> = {
    type: rendering.type ?? "invalid_request_error",
    message: echoed(language === "en" ? rendering.en : rendering.zh, MESSAGE_MAX),
  };
  if (rendering.code !== undefined) error.code = rendering.code;
  if (rendering.param !== undefined) error.param = echoed(rendering.param, PARAM_MAX);
  return { status: rendering.status, body: JSON.stringify({ error }), headers: rendering.headers ?? {} };
}

/** The text of a refusal for a refund that exists because it was promised before it could be refused. */
export function refusalText(refusal: Refusal, language: Language): string {
  const { zh, en } = describe(refusal);
  return language === "en" ? en : zh;
}
