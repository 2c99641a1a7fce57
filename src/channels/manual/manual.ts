// The channel that is a person: a refund waits until an operator claims it, pays it by hand and records the outcome.
// Nothing is sent anywhere, so nothing is ever in doubt, and nothing but the person's word ends it.
import * as z from "zod";
import {
  type Channel,
  type ConnectorPorts,
  CredentialsError,
  channelRules,
  type RefundOrder,
  type Verdict,
} from "../channel.ts";

/** Nobody but the person who pays can move it, and that is told, not asked. */
const ASK_AGAIN_MS = 86_400_000;
const NOTE_MAX = 200;

/** The note is for the people who pay: whose task it is, from which account. */
const credentialsSchema = z.strictObject({ note: z.string().trim().min(1).max(NOTE_MAX) });

export function manual(_ports: ConnectorPorts): Channel {
  return {
    facts: ({ channel }) => ({ ...channelRules(channel), spacingMs: 0, settlingMs: 0, byHand: true }),
    refund: async (order, _account, now) => waiting(order, now),
    query: async (order, _account, now) => waiting(order, now),
    check: async () => ({ kind: "ok" }),
    readCredentials: async (credentials) => {
      if (!credentialsSchema.safeParse(credentials).success) {
        throw new CredentialsError(
          "note",
          `必须是 1 至 ${NOTE_MAX} 字的说明，且没有其他字段`,
          `must be a text of 1 to ${NOTE_MAX} characters, and the only field`,
        );
      }
      return { merchant: "manual", noticeKeys: [] };
    },
  };
}

function waiting(order: RefundOrder, now: number): Verdict {
  return {
    number: order.number,
    amount: order.amount,
    currency: order.currency,
    askedAt: now,
    kind: "accepted",
    attention: "operator_url",
    askAgainAt: now + ASK_AGAIN_MS,
  };
}
