// What may change on a recorded charge. A repeat of its recording may only turn unpaid into paid; a correction may also
// mend facts that money depends on, as long as no refund was ever sent to the channel.

import { isFinal, type Refund, wasSent } from "../refunds/refund.ts";
import type { Refusal } from "../refunds/refusal.ts";
import type { Result } from "../result.ts";
import type { Charge } from "./charge.ts";
import type { ChargeChange } from "./ledger-calls.ts";

/** The changed charge; the same object when nothing changes. `now` in Unix seconds. */
export function changeCharge(
  charge: Charge,
  change: ChargeChange,
  correct: boolean,
  refunds: readonly Refund[],
  now: number,
): Result<Charge, Refusal> {
  const next: Charge = { ...charge };
  const sent = refunds.some(wasSent);
  if (change.metadata !== undefined) next.metadata = change.metadata;
  if (change.description !== undefined) next.description = change.description;

  const { transactionNo } = change;
  if (transactionNo !== undefined && transactionNo !== charge.transactionNo) {
    if (charge.transactionNo !== null) {
      if (!correct) return { refusal: { code: "another_payment", transactionNo: charge.transactionNo } };
      if (sent || refunds.some(isHeldBack)) {
        return { refusal: { code: "charge_facts_final", param: "transaction_no" } };
      }
    }
    next.transactionNo = transactionNo;
  }
  if (change.paid === true && !charge.paid) {
    next.paid = true;
    next.timePaid = change.timePaid ?? now;
  } else if (correct && change.paid === false && charge.paid) {
    if (refunds.length > 0) return { refusal: { code: "charge_facts_final", param: "paid" } };
    next.paid = false;
    next.timePaid = null;
  } else if (correct && charge.paid && change.timePaid !== undefined && change.timePaid !== charge.timePaid) {
    if (sent) return { refusal: { code: "charge_facts_final", param: "time_paid" } };
    next.timePaid = change.timePaid;
  }
  const isDescribed = change.metadata !== undefined || change.description !== undefined;
  const same = JSON.stringify(next) === JSON.stringify(charge);
  if (same) return { ok: charge };
  return { ok: isDescribed ? { ...next, described: charge.version + 1 } : next };
}

/** One that was held back was asked for, and maybe approved, for this very payment: it must not go to another. */
function isHeldBack(refund: Refund): boolean {
  return !isFinal(refund) && (refund.approval !== undefined || refund.notBefore !== undefined);
}
