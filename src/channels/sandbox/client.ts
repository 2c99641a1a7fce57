// The sandbox over HTTP: the same behaviours behind a real connection, with books at the other end. Used by the
// simulations and by development alone. What is not exactly as expected is `unknown`: it may have worked.
import * as z from "zod";
import { ATTENTIONS, FAILURE_CODES } from "../../refunds/refund.ts";
import type { Channel, RefundOrder, Verdict } from "../channel.ts";
import { type Said, sandboxAnswer } from "./behaviour.ts";
import { sandboxFacts } from "./sandbox.ts";

const answerFacts = {
  number: z.string(),
  amount: z.int(),
  currency: z.string(),
};

/** The body of a 200. */
export const sandboxAnswerSchema = z.discriminatedUnion("status", [
  z.strictObject({
    ...answerFacts,
    status: z.literal("succeeded"),
    transaction_no: z.string().nullable(),
    succeeded_at: z.int(),
  }),
  z.strictObject({
    ...answerFacts,
    status: z.literal("processing"),
    attention: z.enum(ATTENTIONS).optional(),
    url: z.string().optional(),
    ask_again_at: z.int().optional(),
  }),
  z.strictObject({
    ...answerFacts,
    status: z.literal("declined"),
    code: z.string(),
    message: z.string(),
    failure_code: z.enum(FAILURE_CODES).optional(),
  }),
]);
export type SandboxAnswer = z.infer<typeof sandboxAnswerSchema>;

/** The body of a 404 that means "no such number"; any other 404 means nothing. */
export const sandboxNotFoundSchema = z.strictObject({ status: z.literal("not_found"), number: z.string() });

/** The body of a submission. */
export const sandboxOrderSchema = z.strictObject({
  number: z.string(),
  amount: z.int().positive(),
  currency: z.string(),
  charge_amount: z.int().positive(),
  charge: z.string(),
  channel: z.string(),
  description: z.string(),
  created: z.int(),
});
export type SandboxOrder = z.infer<typeof sandboxOrderSchema>;

const THROTTLED_SECONDS = 1;

/** `baseUrl`: where the sandbox listens, without a trailing slash. */
export function sandboxOverHttp(baseUrl: string): Channel {
  const ask = async (
    asked: "refund" | "query",
    order: RefundOrder,
    now: number,
    signal: AbortSignal,
  ): Promise<Verdict> => {
    // What a test helper forced is known to the refund alone: the sandbox at the other end never heard of it.
    if (order.memory?.startsWith("forced:")) return sandboxAnswer(asked, order, now).verdict;
    let status: number;
    let body: string;
    let retryAfter: string | null;
    try {
      const response = await fetch(
        asked === "refund" ? `${baseUrl}/refunds` : `${baseUrl}/refunds/${encodeURIComponent(order.number)}`,
        { ...(asked === "refund" ? submission(order) : { method: "GET" }), redirect: "manual", signal },
      );
      status = response.status;
      retryAfter = response.headers.get("retry-after");
      body = await response.text();
    } catch {
      return verdict(order, now, { kind: "unknown", failureCode: "channel_connection_error" });
    }
    return translate(asked, order, now, status, body, retryAfter);
  };
  return {
    facts: sandboxFacts,
    refund: (order, _account, now, signal) => ask("refund", order, now, signal),
    query: (order, _account, now, signal) => ask("query", order, now, signal),
  };
}

function submission(order: RefundOrder): RequestInit {
  const body: SandboxOrder = {
    number: order.number,
    amount: order.amount,
    currency: order.currency,
    charge_amount: order.chargeAmount,
    charge: order.charge,
    channel: order.channel,
    description: order.description,
    created: order.created,
  };
  return {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
}

/** What an answer of the sandbox means for the order it was given to. */
export function translate(
  asked: "refund" | "query",
  order: RefundOrder,
  now: number,
  status: number,
  body: string,
  retryAfter: string | null,
): Verdict {
  if (status === 429 && asked === "refund") {
    const seconds = /^\d{1,5}$/.test(retryAfter ?? "") ? Number(retryAfter) : THROTTLED_SECONDS;
    return verdict(order, now, { kind: "notSent", reason: "throttled", retryAt: now + seconds * 1000 });
  }
  if (status === 404 && asked === "query") {
    const notFound = sandboxNotFoundSchema.safeParse(parsed(body));
    if (notFound.success && notFound.data.number === order.number) {
      return verdict(order, now, { kind: "notFound" });
    }
  }
  if (status !== 200) return verdict(order, now, { kind: "unknown", failureCode: "channel_request_error" });
  const read = sandboxAnswerSchema.safeParse(parsed(body));
  if (!read.success || read.data.number !== order.number) {
    return verdict(order, now, { kind: "unknown", failureCode: "channel_parse_error" });
  }
  const answer = read.data;
  const facts = { number: answer.number, amount: answer.amount, currency: answer.currency, askedAt: now };
  switch (answer.status) {
    case "succeeded":
      return {
        ...facts,
        kind: "succeeded",
        transactionNo: answer.transaction_no,
        succeededAt: answer.succeeded_at,
      };
    case "processing":
      return {
        ...facts,
        kind: "accepted",
        attention: answer.attention,
        url: answer.url,
        askAgainAt: answer.ask_again_at,
      };
    case "declined":
      return {
        ...facts,
        kind: "declined",
        code: answer.code,
        words: answer.message,
        failureCode: answer.failure_code,
      };
  }
}

/** A verdict in which the channel says nothing of an amount. */
function verdict(order: RefundOrder, now: number, said: Said): Verdict {
  return { ...said, number: order.number, amount: null, currency: null, askedAt: now };
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
