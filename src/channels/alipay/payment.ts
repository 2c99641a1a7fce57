// Whether a payment at Alipay is what it was recorded as here.
import type { Payment, PaymentCheck } from "../channel.ts";
import { parseAmount } from "./amount.ts";

export interface PaymentWords {
  tradeNo: string;
  outTradeNo: string;
  status: string;
  amount: string | number;
  currency: string;
  paidAt: string | null;
}

/** The first difference counts. */
export function paymentCheckOf(payment: Payment, said: PaymentWords): PaymentCheck {
  const isAnother = payment.transactionNo !== null && payment.transactionNo !== said.tradeNo;
  if (isAnother || said.outTradeNo !== payment.orderNo) return { kind: "mismatch", fact: "number" };
  switch (said.status) {
    case "TRADE_SUCCESS":
    case "TRADE_FINISHED":
      break;
    case "TRADE_CLOSED":
      // Never paid, or paid and refunded whole: the time of the payment tells which.
      if (said.paidAt === null) return { kind: "mismatch", fact: "unpaid" };
      break;
    case "WAIT_BUYER_PAY":
      return { kind: "mismatch", fact: "unpaid" };
    default:
      return { kind: "unknown" };
  }
  if (said.currency !== payment.currency) return { kind: "mismatch", fact: "currency" };
  const amount = parseAmount(said.amount, payment.currency);
  if (amount === null) return { kind: "unknown" };
  if (amount !== payment.amount) return { kind: "mismatch", fact: "amount" };
  return { kind: "paid", transactionNo: said.tradeNo };
}
