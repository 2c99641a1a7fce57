// What is left of a charge. Derived from its refunds every time, never kept as a counter: a counter can drift.
import { holdsMoney, type Refund } from "../refunds/refund.ts";
import type { Charge } from "./charge.ts";

/** Amounts in minor units of the charge's currency. */
export interface Balance {
  /** Succeeded refunds and what was refunded elsewhere. */
  refunded: number;
  /** Refunds whose outcome is open. */
  pending: number;
  /** What a new refund may take at most; never below 0. */
  refundable: number;
}

export function balanceOf(
  charge: Pick<Charge, "amount" | "refundedElsewhere" | "disputed">,
  refunds: Iterable<Pick<Refund, "state" | "amount">>,
): Balance {
  let refunded = charge.refundedElsewhere;
  let pending = 0;
  for (const refund of refunds) {
    if (!holdsMoney(refund)) continue;
    if (refund.state === "succeeded") refunded += refund.amount;
    else pending += refund.amount;
  }
  const refundable = Math.max(0, charge.amount - refunded - pending - charge.disputed);
  return { refunded, pending, refundable };
}
