// The parts of Stripe's objects that are read; whatever else they carry is left alone.
import * as z from "zod";

const id = z.string().regex(/^[a-z]+_[0-9A-Za-z_]{1,250}$/);
const metadata = z.record(z.string(), z.string()).nullish();

export const refundSchema = z.object({
  object: z.literal("refund"),
  id,
  amount: z.int(),
  currency: z.string(),
  /** A string, because a word that is new at Stripe must not hide the rest. */
  status: z.string().nullish(),
  failure_reason: z.string().nullish(),
  charge: id.nullish(),
  payment_intent: id.nullish(),
  created: z.int(),
  metadata,
});
export type StripeRefund = z.infer<typeof refundSchema>;

export const refundListSchema = z.object({
  object: z.literal("list"),
  data: z.array(refundSchema),
  has_more: z.boolean(),
});

export const errorSchema = z.object({
  error: z.object({
    type: z.string(),
    code: z.string().nullish(),
    message: z.string().nullish(),
    param: z.string().nullish(),
  }),
});
export type StripeError = z.infer<typeof errorSchema>["error"];

export const chargeSchema = z.object({
  object: z.literal("charge"),
  id,
  amount: z.int(),
  amount_captured: z.int(),
  captured: z.boolean(),
  paid: z.boolean(),
  currency: z.string(),
});

export const paymentIntentSchema = z.object({
  object: z.literal("payment_intent"),
  id,
  amount_received: z.int(),
  currency: z.string(),
  status: z.string(),
});

export const disputeSchema = z.object({
  object: z.literal("dispute"),
  id,
  /** A negative one would raise what can be refunded. */
  amount: z.int().min(0),
  currency: z.string(),
  status: z.string(),
  charge: id.nullish(),
  payment_intent: id.nullish(),
});

export const eventSchema = z.object({
  object: z.literal("event"),
  id,
  type: z.string(),
  livemode: z.boolean(),
  /** Unix seconds; when the thing happened. */
  created: z.int(),
  /** Whose event it is, where one platform hears for many accounts. */
  account: id.nullish(),
  data: z.object({ object: z.unknown() }),
});
export type StripeEvent = z.infer<typeof eventSchema>;
