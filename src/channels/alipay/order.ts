// How a refund is put to Alipay: the bodies of what is asked. They depend on the order alone, so that a repeat says
// the same.

import type { RefundOrder } from "../channel.ts";
import { cutToBytes } from "../cut-text.ts";
import { formatAmount } from "./amount.ts";

export const REFUND_PATH = "/v3/alipay/trade/refund";
export const REFUND_QUERY_PATH = "/v3/alipay/trade/fastpay/refund/query";
export const PAYMENT_QUERY_PATH = "/v3/alipay/trade/query";

/** Null for a currency that Alipay does not have. The number, 24 of [0-9A-Za-z], is within Alipay's 64. */
export function submissionOf(order: RefundOrder): string | null {
  const amount = formatAmount(order.amount, order.currency);
  if (amount === null) return null;
  const reason = refundReason(order.description);
  return JSON.stringify({
    ...tradeKey(order.transactionNo, order.chargeOrderNo),
    out_request_no: order.number,
    refund_amount: amount,
    refund_reason: reason === "" ? undefined : reason,
  });
}

export function refundQueryOf(order: RefundOrder): string {
  return JSON.stringify({
    ...tradeKey(order.transactionNo, order.chargeOrderNo),
    out_request_no: order.number,
    query_options: ["gmt_refund_pay"],
  });
}

export function paymentQueryOf(transactionNo: string | null, orderNo: string): string {
  return JSON.stringify(tradeKey(transactionNo, orderNo));
}

/** One of the two; Alipay would take its own before ours. */
function tradeKey(transactionNo: string | null, orderNo: string) {
  return transactionNo === null ? { out_trade_no: orderNo } : { trade_no: transactionNo };
}

/** Alipay's own limit is 256 without a unit. Bytes are the strictest reading, and a reason too long is an error. */
const BYTES_MAX = 256;

/** The description as Alipay takes it. */
export function refundReason(description: string): string {
  return cutToBytes(description, BYTES_MAX);
}
