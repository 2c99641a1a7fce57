// What the simulated channel has on its books, and what it says of it.
import type { RefundOrder, Verdict } from "../../src/channels/channel.ts";

export interface Book {
  number: string;
  /** The merchant's number of the order that was paid. */
  orderNo: string;
  amount: number;
  chargeAmount: number;
  currency: string;
  state: "nothing" | "processing" | "abnormal" | "succeeded" | "declined" | "returned";
  /** How often money moved: never more than once for a number. */
  effects: number;
  landings: number;
  /** From when on queries find it, ms of real time. */
  visibleAt: number;
  /** A submission was taken: every later one of the number is the same refund. */
  taken: boolean;
  /** The channel moved money after it had said a final no, or after it had left the refund to a person. */
  lied: boolean;
  /** It is stuck until a person decides. */
  leftToPerson: boolean;
  /** It was stuck at some time. */
  wasStuck: boolean;
  /** A question about it was answered wrongly once, or a notice was wrong. */
  misread: boolean;
  /** The account's revision it was taken from. */
  revision: number;
}

export type Named = Pick<RefundOrder, "number" | "amount" | "currency">;

export function facts(order: Named, askedAt: number) {
  return { number: order.number, amount: order.amount, currency: order.currency, askedAt };
}

export function truth(book: Book, order: Named, askedAt: number): Verdict {
  switch (book.state) {
    case "nothing":
      return say("notFound", order, askedAt);
    case "processing":
    case "abnormal":
      return say("accepted", order, askedAt, book);
    case "succeeded":
      return say("succeeded", order, askedAt);
    case "declined":
    case "returned":
      return say("declined", order, askedAt);
  }
}

export function say(kind: Verdict["kind"], order: Named, askedAt: number, book?: Book): Verdict {
  const about = facts(order, askedAt);
  switch (kind) {
    case "succeeded":
      return { ...about, kind, transactionNo: `t${order.number}` };
    case "declined":
      return { ...about, kind, code: "NO", words: "no" };
    case "accepted":
      return { ...about, kind, ...(book?.state === "abnormal" ? { attention: "channel_abnormal" } : {}) };
    case "notFound":
      return { ...about, kind, amount: null, currency: null };
    default:
      return { ...about, kind: "unknown", amount: null, currency: null };
  }
}
