// The one place where an answer becomes a Response. All of its headers are known by then: to set another one later costs
// as much as to give all of them at once.
import type { Context } from "hono";
import { type Rate, rateHeaders } from "../auth/rate-limit.ts";
import { RESPONSE_SIGNATURE_HEADER, signAnswer } from "../auth/response-signature.ts";
import { serverTiming } from "../operation/server-timing.ts";
import type { Answer, AppEnv } from "./registry.ts";

const NO_HEADERS: Record<string, string> = {};

/** Answers a request, and signs the answer if the app wants it. */
export function respond(c: Context<AppEnv>, answer: Answer): Response | Promise<Response> {
  const rate: Rate | undefined = c.get("rate");
  const headers: Record<string, string> = {
    ...answer.headers,
    "Request-Id": c.get("requestId"),
    "Cache-Control": "no-store",
    ...(c.req.path.startsWith("/v1/") ? { "Server-Timing": timing(c) } : NO_HEADERS),
    ...(rate === undefined ? NO_HEADERS : rateHeaders(rate)),
  };
  const { body, status } = answer;
  // What is not JSON is an export, which is made while it is sent: it is never held whole, and so never signed.
  const isWhole = typeof body === "string" && headers["Content-Type"]?.startsWith("application/json");
  const principal = c.get("principal");
  if (!isWhole || !principal?.settings.response_signing) return new Response(body, { status, headers });
  return signAnswer(principal, body, c.env.MASTER_KEYS).then((signature) => {
    if (signature !== null) headers[RESPONSE_SIGNATURE_HEADER] = signature;
    return new Response(body, { status, headers });
  });
}

function timing(c: Context<AppEnv>): string {
  return serverTiming(c.get("startedAt"), c.get("admittedAt"), Date.now());
}
