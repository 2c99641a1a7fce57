// The charge on the wire: what a client records, and what it sees.
import * as z from "zod";
import {
  givenMetadataSchema,
  hashSchema,
  listObject,
  listSchema,
  metadataSchema,
  plainText,
} from "../http/wire.ts";
import type { Refund } from "../refunds/refund.ts";
import { refundObject, refundSchema } from "../refunds/schema.ts";
import { type Balance, balanceOf } from "./balance.ts";
import type { Charge } from "./charge.ts";

/** How many refunds a charge carries with it. */
export const EMBEDDED_REFUNDS = 10;

const timestamp = z.int().min(0).max(253_402_300_799);
const optionalTime = timestamp.nullish();
const transactionNo = z
  .string()
  .regex(/^[\x21-\x7e]{1,128}$/)
  .nullish();
const amount = z.int().min(1).max(Number.MAX_SAFE_INTEGER);

/** Ping++ sends `app[id]` as a nested hash, and returns `app` as a string in a charge object. */
const appReference = z.union([z.string(), z.object({ id: z.string() })]).nullish();

/** Body of a record; unknown fields are ignored, so that a whole Ping++ charge object is a valid body. */
export const recordChargeSchema = z.object({
  id: z.string().optional(),
  app: appReference,
  order_no: plainText(1, 64),
  channel: z.string().regex(/^[a-z0-9_]{1,32}$/),
  amount,
  client_ip: plainText(0, 64).nullish(),
  currency: z
    .string()
    .regex(/^[A-Za-z]{3}$/)
    .transform((code) => code.toLowerCase())
    .default("cny"),
  subject: plainText(0, 32).nullish(),
  body: plainText(0, 128).nullish(),
  extra: hashSchema,
  time_expire: optionalTime,
  time_settle: optionalTime,
  metadata: metadataSchema,
  description: plainText(0, 255).nullish(),
  amount_settle: z.int().min(0).max(Number.MAX_SAFE_INTEGER).nullish(),
  created: optionalTime,
  paid: z.boolean().optional(),
  reversed: z.boolean().optional(),
  time_paid: optionalTime,
  transaction_no: transactionNo,
  amount_refunded: z.int().min(0).max(Number.MAX_SAFE_INTEGER).nullish(),
});
export type RecordChargeBody = z.output<typeof recordChargeSchema>;

/** Body of an update. */
export const updateChargeSchema = z.strictObject({
  metadata: givenMetadataSchema,
  description: plainText(0, 255).nullish(),
  paid: z.boolean().optional(),
  time_paid: timestamp.optional(),
  transaction_no: z
    .string()
    .regex(/^[\x21-\x7e]{1,128}$/)
    .optional(),
});
export type UpdateChargeBody = z.output<typeof updateChargeSchema>;

export const chargeSchema = z.object({
  id: z.string().length(27),
  object: z.literal("charge"),
  created: z.int(),
  livemode: z.boolean(),
  paid: z.boolean(),
  refunded: z.boolean(),
  reversed: z.boolean(),
  app: z.string(),
  channel: z.string(),
  order_no: z.string(),
  client_ip: z.string().nullable(),
  amount: z.int(),
  amount_settle: z.int(),
  currency: z.string(),
  subject: z.string(),
  body: z.string(),
  extra: z.record(z.string(), z.unknown()),
  time_paid: z.int().nullable(),
  time_expire: z.int().nullable(),
  time_settle: z.int().nullable(),
  transaction_no: z.string().nullable(),
  refunds: listSchema(refundSchema),
  amount_refunded: z.int(),
  failure_code: z.string().nullable(),
  failure_msg: z.string().nullable(),
  metadata: z.record(z.string(), z.string()),
  credential: z.object({}),
  description: z.string().nullable(),
  amount_refundable: z.int(),
  amount_pending_refund: z.int(),
});
export type ChargeObject = z.output<typeof chargeSchema>;

export function refundListUrl(charge: string): string {
  return `/v1/charges/${charge}/refunds`;
}

/** Renders a charge with all its refunds at hand, in the order of creation. */
export function chargeObject(charge: Charge, refunds: readonly Refund[]): ChargeObject {
  const newest = refunds.slice(-EMBEDDED_REFUNDS).reverse();
  return chargeObjectFrom(charge, balanceOf(charge, refunds), newest, refunds.length);
}

/** Renders a charge from its balance, its newest refunds (newest first) and their number in all. */
export function chargeObjectFrom(
  charge: Charge,
  balance: Balance,
  newest: readonly Refund[],
  refundCount: number,
): ChargeObject {
  return {
    id: charge.id,
    object: "charge",
    created: charge.created,
    livemode: charge.livemode,
    paid: charge.paid,
    refunded: refundCount > 0 || charge.refundedElsewhere > 0,
    reversed: charge.reversed,
    app: charge.app,
    channel: charge.channel,
    order_no: charge.orderNo,
    client_ip: charge.clientIp,
    amount: charge.amount,
    amount_settle: charge.amountSettle,
    currency: charge.currency,
    subject: charge.subject,
    body: charge.body,
    extra: charge.extra,
    time_paid: charge.timePaid,
    time_expire: charge.timeExpire,
    time_settle: charge.timeSettle,
    transaction_no: charge.transactionNo,
    refunds: listObject(
      refundListUrl(charge.id),
      newest.map((refund) => refundObject(refund, charge)),
      refundCount > newest.length,
    ),
    amount_refunded: balance.refunded,
    failure_code: null,
    failure_msg: null,
    metadata: charge.metadata,
    credential: {},
    description: charge.description,
    amount_refundable: balance.refundable,
    amount_pending_refund: balance.pending,
  };
}
