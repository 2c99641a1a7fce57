// What Stripe is sent about a refund. The same order gives the same form for ever: Stripe compares a repeat with the
// first request under the key, and refuses one that differs.
import type { RefundOrder } from "../channel.ts";

/** Stripe's limit for one value of metadata, in characters. */
const METADATA_VALUE_MAX = 500;
const REFUND_ID = /^re_([0-9A-Za-z]{24})$/;

/** Our refund's id: the `Idempotency-Key`, and what a refund at Stripe is recognised by. */
export function refundIdOf(number: string): string {
  return `re_${number}`;
}

/** The number in one of our refund ids; null for anything else. */
export function numberIn(refundId: string | undefined): string | null {
  return REFUND_ID.exec(refundId ?? "")?.[1] ?? null;
}

/** By which parameter Stripe knows a payment; null when its serial number is not one of Stripe's. */
export function paymentIn(
  transactionNo: string | null,
): { name: "charge" | "payment_intent"; id: string } | null {
  const id = transactionNo ?? "";
  if (/^(ch|py)_[0-9A-Za-z_]{1,250}$/.test(id)) return { name: "charge", id };
  return /^pi_[0-9A-Za-z_]{1,250}$/.test(id) ? { name: "payment_intent", id } : null;
}
export type StripePayment = NonNullable<ReturnType<typeof paymentIn>>;

/** The body of the submission; `amount` in Stripe's minor units. */
export function refundForm(
  order: RefundOrder,
  payment: StripePayment,
  amount: number,
): Record<string, string> {
  return { [payment.name]: payment.id, amount: String(amount), ...metadataForm(order) };
}

/** What a refund at Stripe says of us. `reason` is a closed list there, so the description travels as metadata. */
export function metadataForm(order: RefundOrder): Record<string, string> {
  const description = cut(order.description, METADATA_VALUE_MAX);
  return {
    "metadata[refund_id]": refundIdOf(order.number),
    "metadata[charge_id]": order.charge,
    // An empty value would mean "remove this".
    ...(description === "" ? {} : { "metadata[description]": description }),
  };
}

/** The longest beginning of at most `max` UTF-16 units that breaks no character, nor what a reader takes for one. */
export function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  let end = 0;
  for (const { index, segment } of new Intl.Segmenter("en").segment(text)) {
    if (index + segment.length > max) break;
    end = index + segment.length;
  }
  if (end > 0) return text.slice(0, end);
  // One single "character" longer than all there is room for: whole code points of it.
  for (const point of text) {
    if (end + point.length > max) break;
    end += point.length;
  }
  return text.slice(0, end);
}
