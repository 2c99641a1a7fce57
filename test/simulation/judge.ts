// I13: a refusal is held against the books at the very moment it is spoken, with the sums added up here.
import type { CreateCall, LedgerSurface } from "../../src/charges/ledger-calls.ts";
import type { Refusal } from "../../src/refunds/refusal.ts";
import type { Seen } from "./observer.ts";

/** What is wrong with an answer; null when nothing is. */
export function judge(
  verb: keyof LedgerSurface,
  call: unknown,
  answer: object,
  { cover, refunds }: Seen,
): string | null {
  if (verb !== "create" || !("refusal" in answer) || cover === null) return null;
  const { amount } = (call as CreateCall).command;
  const { code } = answer.refusal as Refusal;
  let left = cover.charge.amount - cover.charge.refundedElsewhere - cover.charge.disputed;
  let open = false;
  for (const refund of refunds.values()) {
    if (refund.state === "failed") continue;
    left -= refund.amount;
    if (refund.state !== "succeeded") open = true;
  }
  const fits = (amount ?? 1) <= left;
  if (code === "refund_amount_exceeded" && fits) return `I13: ${amount} was too much, but ${left} were left`;
  if (code === "charge_disputed" && (cover.charge.disputed === 0 || fits)) {
    return `I13: a dispute was in the way of ${amount}, but ${left} were left`;
  }
  if (code === "fully_refunded" && (open || left > 0)) return `I13: fully refunded, but ${left} were left`;
  if (code === "charge_not_paid" && cover.charge.paid) return "I13: not paid, but it was";
  return null;
}
