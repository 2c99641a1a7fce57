// What keeps a refund from going out although it is due. Looked at where its number is submitted, so that no way leads
// round it. Pure; times in ms.
import { balanceOf } from "../charges/balance.ts";
import type { Charge, Freeze } from "../charges/charge.ts";
import type { Attention, Refund } from "./refund.ts";
import { overdueAt } from "./reserve-refund.ts";

/** How often a refund is looked at again whose charge does not have the money for it. */
const LOOK_AGAIN_MS = 3_600_000;

/** Until when it is kept, null for until somebody decides; and what a person must look at. */
export interface Hold {
  dueAt: number | null;
  attention: Attention | null;
}

/**
 * Null when it may go out. Nothing does without the approval it needs, and from day 7 on somebody is told that it is
 * missing. And what was never sent stays while its money may have gone another way: the charge is frozen or reversed, or
 * disputed since. What was sent before is submitted again in any case: it may have been paid.
 */
export function holdOf(
  refund: Refund,
  book: { charge: Charge; freeze: Freeze | null; refunds: readonly Refund[] },
  now: number,
): Hold | null {
  if (refund.approval?.status === "required") {
    const isOverdue = now >= overdueAt(refund);
    const attention = refund.attention ?? (isOverdue ? "overdue" : null);
    return { attention, dueAt: isOverdue ? null : overdueAt(refund) };
  }
  if (refund.state !== "waiting") return null;
  const { charge, freeze, refunds } = book;
  const others = refunds.filter(({ id }) => id !== refund.id);
  const isCovered =
    freeze === null && !charge.reversed && refund.amount <= balanceOf(charge, others).refundable;
  if (isCovered) return null;
  return { attention: "conflict", dueAt: now + LOOK_AGAIN_MS };
}
