// Stripe's events. All of an account's come to one address, so each must say itself which refund it is about: by the
// refund's metadata. An event that carries no number of ours is about somebody else's refund, and is ignored.
import { isId } from "../../ids.ts";
import type { Notice, NoticeReading } from "../channel.ts";
import { fromStripeAmount } from "./amount.ts";
import type { StripeCredentials } from "./credentials.ts";
import { numberIn } from "./refund-form.ts";
import { disputeSchema, eventSchema, refundSchema, type StripeEvent } from "./schema.ts";
import { checkSignature } from "./signature.ts";
import { readRefund } from "./verdict.ts";

/** An event with a dispute's evidence is some ten thousand bytes. */
const BODY_MAX = 256 * 1024;

const REFUND_EVENTS = new Set(["refund.created", "refund.updated", "refund.failed", "charge.refund.updated"]);
const DISPUTE_EVENTS = new Set([
  "charge.dispute.created",
  "charge.dispute.updated",
  "charge.dispute.closed",
  "charge.dispute.funds_withdrawn",
  "charge.dispute.funds_reinstated",
]);

/** An inquiry (`warning_…`) takes no money and can still be answered with a refund: it is no dispute yet. */
const DISPUTE_STATUSES = {
  needs_response: "opened",
  under_review: "opened",
  won: "won",
  lost: "lost",
} as const;

/** `now` in ms. The signature is over the raw bytes and goes before everything else. */
export async function readStripeNotice(
  notice: Notice,
  credentials: StripeCredentials,
  livemode: boolean,
  now: number,
): Promise<NoticeReading> {
  if (notice.body.length > BODY_MAX) return { kind: "refused", reason: "malformed" };
  const header = notice.headers.get("stripe-signature");
  const signed = await checkSignature(header, notice.body, credentials.webhook_secrets, now);
  if (signed !== "ok") return { kind: "refused", reason: signed };
  const event = eventSchema.safeParse(parsed(notice.body));
  if (!event.success) return { kind: "refused", reason: "malformed" };
  const { type, id, account } = event.data;
  if (event.data.livemode !== livemode) return { kind: "ignored", about: `${type} ${id}: the other mode` };
  if (credentials.account !== undefined && account !== credentials.account) {
    return { kind: "ignored", about: `${type} ${id}: another account` };
  }
  if (REFUND_EVENTS.has(type)) return aboutRefund(event.data, now);
  if (DISPUTE_EVENTS.has(type)) return aboutDispute(event.data);
  return { kind: "ignored", about: `${type.slice(0, 64)} ${id}` };
}

function aboutRefund(event: StripeEvent, now: number): NoticeReading {
  const read = refundSchema.safeParse(event.data.object);
  if (!read.success) return { kind: "refused", reason: "malformed" };
  const refund = read.data;
  const number = numberIn(refund.metadata?.refund_id);
  if (number === null) return { kind: "ignored", about: `${event.type} ${refund.id}: no number of ours` };
  const charge = refund.metadata?.charge_id ?? "";
  return {
    kind: "verdict",
    verdict: readRefund(refund, number, now, event.created),
    ...(isId("charge", charge) ? { charge } : {}),
  };
}

function aboutDispute(event: StripeEvent): NoticeReading {
  const read = disputeSchema.safeParse(event.data.object);
  if (!read.success) return { kind: "refused", reason: "malformed" };
  const { id, status, charge, payment_intent } = read.data;
  const currency = read.data.currency.toLowerCase();
  if (!Object.hasOwn(DISPUTE_STATUSES, status)) {
    return { kind: "ignored", about: `${event.type} ${id}: ${status.slice(0, 64)}` };
  }
  return {
    kind: "dispute",
    dispute: {
      id,
      status: DISPUTE_STATUSES[status as keyof typeof DISPUTE_STATUSES],
      amount: fromStripeAmount(read.data.amount, currency),
      currency,
    },
    transactionNos: [charge, payment_intent].filter((id) => typeof id === "string"),
  };
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(body));
  } catch {
    return undefined;
  }
}
