// What of an HTTP request matters to the refund it asks for.
import type { Context } from "hono";
import { TIMESTAMP_HEADER } from "../auth/request-signature.ts";
import { waitMsOf } from "../http/prefer.ts";
import { invalid } from "../http/problem.ts";
import type { AppEnv } from "../http/registry.ts";
import { readIdempotencyKey } from "../idempotency/request-key.ts";
import type { RefundRequest } from "./refund-command.ts";
import type { CreateRefundBody } from "./schema.ts";

/** Throws `invalid_parameter` for an Idempotency-Key that cannot be one. */
export function readRefundRequest(c: Context<AppEnv>, charge: string, body: CreateRefundBody): RefundRequest {
  const key = readIdempotencyKey(c.req.header("Idempotency-Key"));
  if ("malformed" in key) {
    throw invalid(
      "Idempotency-Key",
      "必须为 1 到 255 个可见 ASCII 字符",
      "it must be 1 to 255 visible ASCII characters",
    );
  }
  const timestamp = c.req.header(TIMESTAMP_HEADER);
  return {
    charge,
    body,
    idempotencyKey: key.key,
    rawBody: c.get("rawBody"),
    signature: c.get("signature"),
    timestamp: timestamp !== undefined && /^\d{1,12}$/.test(timestamp) ? Number(timestamp) : null,
    pingpp: /^Pingpp\b/i.test(c.req.header("User-Agent") ?? ""),
    waitMs: waitMsOf(c.req.header("Prefer")),
    language: c.get("language"),
    requestId: c.get("requestId"),
    requestedAt: Date.now(),
  };
}
