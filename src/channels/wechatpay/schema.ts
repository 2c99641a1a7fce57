// What of WeChat Pay's messages is read. Everything else in them is left alone: WeChat adds fields without notice.
import * as z from "zod";

const amount = z.object({
  /** Fen, of this refund. */
  refund: z.int().nonnegative().nullish(),
  currency: z.string().max(16).nullish(),
});

const refund = z.object({
  out_refund_no: z.string().min(1).max(64),
  refund_id: z.string().max(64).nullish(),
  success_time: z.string().max(64).nullish(),
  amount: amount.nullish(),
});

/** A refund as the answers to a submission and to a query carry it. */
export const refundAnswerSchema = refund.extend({ status: z.string().max(64).nullish() });

/** A refund as a notice carries it, decrypted. The word for the status has another name here. */
export const refundNoticeSchema = refund.extend({
  mchid: z.string().max(32),
  refund_status: z.string().max(64).nullish(),
});

/** A notice before it is decrypted. */
export const noticeSchema = z.object({
  event_type: z.string().min(1).max(64),
  resource: z.object({
    algorithm: z.literal("AEAD_AES_256_GCM"),
    ciphertext: z.string().min(1),
    nonce: z.string().min(1).max(32),
    associated_data: z.string().max(64).nullish(),
  }),
});

/** A payment as a query answers it. */
export const paymentAnswerSchema = z.object({
  mchid: z.string().max(32),
  out_trade_no: z.string().max(64),
  transaction_id: z.string().max(64).nullish(),
  trade_state: z.string().max(64),
  amount: z
    .object({ total: z.int().nonnegative().nullish(), currency: z.string().max(16).nullish() })
    .nullish(),
});
export type PaymentAnswer = z.infer<typeof paymentAnswerSchema>;

/** The body of an error. */
export const errorSchema = z.object({
  code: z.string().regex(/^[0-9A-Z_]{1,64}$/),
  message: z.string().nullish(),
});
