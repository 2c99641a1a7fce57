// The refund on the wire: what a client sends, and what it sees.
import * as z from "zod";
import type { Charge } from "../charges/charge.ts";
import { hashSchema, metadataSchema, plainText } from "../http/wire.ts";
import {
  ATTENTIONS,
  CAUSES,
  FAILURE_CODES,
  FUNDING_SOURCES,
  isFinal,
  type Refund,
  refundOrderNo,
  STATES,
  STATUSES,
  statusOf,
  type TimelineEntry,
} from "./refund.ts";

/** Body of a create; `amount` in minor units of the charge's currency. */
export const createRefundSchema = z.object({
  amount: z.int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
  description: plainText(1, 255),
  metadata: metadataSchema,
  funding_source: z.enum(FUNDING_SOURCES).optional(),
  extra: hashSchema,
  refund_no: z
    .string()
    .regex(/^[0-9A-Za-z_\-|*@]{1,64}$/)
    .optional(),
});
export type CreateRefundBody = z.output<typeof createRefundSchema>;

export const refundSchema = z.object({
  id: z.string().length(27),
  object: z.literal("refund"),
  order_no: z.string(),
  amount: z.int().min(1),
  created: z.int(),
  succeed: z.boolean(),
  status: z.enum(STATUSES),
  time_succeed: z.int().nullable(),
  description: z.string(),
  failure_code: z.enum(FAILURE_CODES).nullable(),
  failure_msg: z.string().nullable(),
  metadata: z.record(z.string(), z.string()),
  charge: z.string(),
  charge_order_no: z.string(),
  transaction_no: z.string().nullable(),
  funding_source: z.enum(FUNDING_SOURCES).optional(),
  extra: z.record(z.string(), z.unknown()),
  app: z.string(),
  refund_no: z.string().optional(),
  attention: z.enum(ATTENTIONS).optional(),
});
export type RefundObject = z.output<typeof refundSchema>;

/** The names of `extra` that no client writes. */
const OWN_EXTRA = [
  "channel_code",
  "channel_message",
  "claimed_by",
  "resolution",
  "approval",
  "sent_after",
  "batch_refund",
] as const;

/** Renders a refund; the order of the keys is part of the contract. */
export function refundObject(refund: Refund, charge: Pick<Charge, "id" | "orderNo" | "app">): RefundObject {
  const extra: Record<string, unknown> = { ...refund.extra };
  // What stands under our names is ours.
  for (const name of OWN_EXTRA) delete extra[name];
  if (refund.channelCode !== null) extra.channel_code = refund.channelCode;
  if (refund.channelMessage !== null) extra.channel_message = refund.channelMessage;
  if (refund.claim !== undefined) extra.claimed_by = refund.claim.by;
  if (refund.resolution !== undefined) {
    const { outcome, by, reason, at } = refund.resolution;
    extra.resolution = { outcome, by, reason, at: Math.floor(at / 1000) };
  }
  // What ended undecided waits for nobody.
  if (refund.approval !== undefined && !(isFinal(refund) && refund.approval.status === "required")) {
    const { status, by, reason, at } = refund.approval;
    extra.approval = { status, by, reason, at: at === null ? null : Math.floor(at / 1000) };
  }
  if (refund.notBefore !== undefined && refund.state === "waiting")
    extra.sent_after = Math.ceil(refund.notBefore / 1000);
  if (refund.batch !== undefined) extra.batch_refund = refund.batch;
  return {
    id: refund.id,
    object: "refund",
    order_no: refundOrderNo(refund.id),
    amount: refund.amount,
    created: refund.created,
    succeed: refund.state === "succeeded",
    status: statusOf(refund.state),
    time_succeed: refund.timeSucceed,
    description: refund.description,
    failure_code: refund.failureCode,
    failure_msg: refund.failureMsg,
    metadata: refund.metadata,
    charge: charge.id,
    charge_order_no: charge.orderNo,
    transaction_no: refund.transactionNo,
    ...(refund.fundingSource === null ? {} : { funding_source: refund.fundingSource }),
    extra,
    app: charge.app,
    ...(refund.refundNo === null ? {} : { refund_no: refund.refundNo }),
    ...(refund.attention === null ? {} : { attention: refund.attention }),
  };
}

export const timelineEntrySchema = z.object({
  object: z.literal("timeline_entry"),
  /** Unix seconds; and milliseconds, because several things happen within a second. */
  created: z.int(),
  created_ms: z.int(),
  status: z.enum(STATUSES),
  state: z.enum(STATES),
  /** Null at the beginning. */
  from: z.enum(STATES).nullable(),
  cause: z.enum(CAUSES),
  actor: z.object({
    type: z.enum(["channel", "system", "key", "person"]),
    key: z.string().nullable(),
    by: z.string().nullable(),
  }),
  code: z.string().nullable(),
  message: z.string().nullable(),
  attention: z.enum(ATTENTIONS).nullable(),
});

/** Renders a timeline, oldest first. */
export function timelineObjects(entries: readonly TimelineEntry[]): z.output<typeof timelineEntrySchema>[] {
  return entries.map(({ at, state, cause, actor, code, words, attention }, i) => ({
    object: "timeline_entry",
    created: Math.floor(at / 1000),
    created_ms: at,
    status: statusOf(state),
    state,
    from: entries[i - 1]?.state ?? null,
    cause,
    actor: { type: actor.type, key: actor.key ?? null, by: actor.by ?? null },
    code: code ?? null,
    message: words ?? null,
    attention: attention ?? null,
  }));
}
