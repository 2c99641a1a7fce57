// How a refund is put to WeChat Pay: the body of a submission, and the paths of all that is asked.

import type { Payment, RefundOrder } from "../channel.ts";
import { cutToBytes } from "../cut-text.ts";

export const REFUNDS_PATH = "/v3/refund/domestic/refunds";
const REASON_BYTES_MAX = 80;

/**
 * Where the money comes from. Only merchants on WeChat's old flow of funds can choose, and `AVAILABLE` is the one
 * choice: without it they refund from unsettled funds. (`UNSETTLED` exists too, for the deposits of travel alone;
 * WeChat refuses what it does not expect here as PARAM_ERROR.)
 */
const FUNDS_ACCOUNTS: Record<string, string | undefined> = {
  recharge_funds: "AVAILABLE",
  unsettled_funds: undefined,
};

/** The body of a submission. Nothing in it depends on time or attempt: a repeat of the number says the same. */
export function submissionOf(order: RefundOrder, notifyUrl: string | null): string {
  const reason = cutReason(order.description);
  return JSON.stringify({
    ...(order.transactionNo === null
      ? { out_trade_no: order.chargeOrderNo }
      : { transaction_id: order.transactionNo }),
    // 24 of [0-9A-Za-z], all of which WeChat allows.
    out_refund_no: order.number,
    reason: reason === "" ? undefined : reason,
    notify_url: notifyUrl ?? undefined,
    funds_account: order.fundingSource === null ? undefined : FUNDS_ACCOUNTS[order.fundingSource],
    amount: { refund: order.amount, total: order.chargeAmount, currency: "CNY" },
  });
}

export function refundPath(number: string): string {
  return `${REFUNDS_PATH}/${encodeURIComponent(number)}`;
}

export function paymentPath(payment: Payment, mchid: string): string {
  const [by, number] =
    payment.transactionNo === null ? ["out-trade-no", payment.orderNo] : ["id", payment.transactionNo];
  return `/v3/pay/transactions/${by}/${encodeURIComponent(number)}?mchid=${mchid}`;
}

/** The description as WeChat takes it: 80 bytes. */
export function cutReason(description: string): string {
  return cutToBytes(description, REASON_BYTES_MAX);
}
