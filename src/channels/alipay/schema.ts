// What Alipay answers, as far as it is read. Alipay leaves out what it has nothing to say of; what an answer must say
// to mean something is decided by `verdict.ts` and `payment.ts`.
import * as z from "zod";

const text = z.string().max(256);
/** A string in the protocol, a bare number in some of Alipay's samples. */
const amount = z.union([text, z.number()]);

export const refundAnswerSchema = z.looseObject({
  trade_no: text.nullish(),
  out_trade_no: text.nullish(),
  fund_change: text.nullish(),
  gmt_refund_pay: text.nullish(),
});

export const queryAnswerSchema = z.looseObject({
  trade_no: text.nullish(),
  out_trade_no: text.nullish(),
  out_request_no: text.nullish(),
  refund_status: text.nullish(),
  refund_amount: amount.nullish(),
  gmt_refund_pay: text.nullish(),
});

export const paymentAnswerSchema = z.looseObject({
  trade_no: text,
  out_trade_no: text,
  trade_status: text,
  total_amount: amount,
  /** The currency of `total_amount`; left out for CNY. */
  trans_currency: text.nullish(),
  send_pay_date: text.nullish(),
});
export type PaymentAnswer = z.infer<typeof paymentAnswerSchema>;

export const errorSchema = z.looseObject({ code: text.min(1), message: z.string().nullish() });

/** Where a notice says what it is about. The signature covers every other parameter as well. */
export const noticeSchema = z.looseObject({
  app_id: text,
  seller_id: text.optional(),
  notify_time: text,
  trade_no: text,
  /** In a notice about a refund: its `out_request_no`. */
  out_biz_no: text.optional(),
});
