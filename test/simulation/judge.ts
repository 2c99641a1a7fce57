// I13: a refusal is held against the books at the very moment it is spoken, with the sums added up here; and what was
// decided must be so, and have been decided by somebody who may.
import type { CreateCall, DecideCall, LedgerSurface } from "../../src/charges/ledger-calls.ts";
import type { Refund } from "../../src/refunds/refund.ts";
import type { Refusal } from "../../src/refunds/refusal.ts";
import type { Seen } from "./observer.ts";

/** What is wrong with an answer; null when nothing is. */
export function judge(
  verb: keyof LedgerSurface,
  call: unknown,
  answer: object,
  { cover, refunds }: Seen,
): string | null {
  if (verb === "decide") return judgeDecision(call as DecideCall, answer, refunds);
  if (verb !== "create" || !("refusal" in answer) || cover === null) return null;
  const { amount, reverses } = (call as CreateCall).command;
  const { code } = answer.refusal as Refusal;
  let left = cover.charge.amount - cover.charge.refundedElsewhere - cover.charge.disputed;
  const whole = cover.charge.amount;
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
  if (code === "charge_not_reversible" && (!reverses || left === whole)) {
    return `I13: ${left} of ${whole} were left, and it could not be reversed`;
  }
  if (code === "charge_reversed" && !isReversed(refunds)) return "I13: it was not reversed";
  return null;
}

function isReversed(refunds: Seen["refunds"]): boolean {
  return [...refunds.values()].some(({ reverses, state }) => reverses && state === "succeeded");
}

function judgeDecision(
  { decision, decider, refund: id }: DecideCall,
  answer: object,
  refunds: Seen["refunds"],
): string | null {
  const refund = refunds.get(id);
  if ("refusal" in answer) {
    const { code } = answer.refusal as Refusal;
    if (
      refund === undefined
        ? code === "unknown_refund" || code === "unsupported"
        : isTrue(code, refund, decider.apiKey)
    ) {
      return null;
    }
    return `I13: ${decision} of ${id} was refused with ${code}: ${JSON.stringify(refund)}`;
  }
  if (!("ok" in answer)) return null;
  const { state, failureCode, approval, apiKey } = refund ?? {};
  const isSo = {
    cancel: state === "failed" && failureCode === "refund_canceled",
    approve: approval?.status === "approved",
    reject: approval?.status === "rejected",
  }[decision];
  const isOwn = decision !== "cancel" && decider.apiKey === apiKey;
  return isSo && !isOwn ? null : `${decision} of ${id} by ${decider.apiKey} left ${JSON.stringify(refund)}`;
}

/** Whether what a decision was refused with is so; what refuses refunds altogether is the create's to judge. */
function isTrue(code: Refusal["code"], refund: Refund, key: string): boolean {
  const { state, attempts, approval } = refund;
  const isFinal = state === "failed" || state === "succeeded";
  const waits = approval?.status === "required" && !isFinal;
  switch (code) {
    case "illegal_transition":
      return state === "failed";
    case "refund_already_sent":
      return state !== "failed" && (attempts > 0 || state !== "waiting");
    case "refund_not_awaiting_approval":
      return !waits;
    case "approval_by_creator":
      return waits && key === refund.apiKey;
    case "unknown_refund":
      return false;
    default:
      return true;
  }
}
