// A dispute: the payer takes money back over the heads of merchant and channel. While it is open, and once it is lost,
// its amount is not there to be refunded. Channels tell its steps in any order and more than once.

export const DISPUTE_STATUSES = ["opened", "won", "lost"] as const;
export type DisputeStatus = (typeof DISPUTE_STATUSES)[number];

/** One dispute under the channel's own id. Amount in minor units of the charge's currency, `at` in Unix seconds. */
export interface Dispute {
  status: DisputeStatus;
  amount: number;
  at: number;
}

export type Disputes = Readonly<Record<string, Dispute>>;

/** Disputes a charge may have. */
export const DISPUTES_MAX = 50;

/**
 * The disputes with one more thing heard; the same object when it brings nothing new, null when there are too many. That
 * a dispute was opened is old news once it has ended; of two ends the one heard last holds. `at` in Unix seconds.
 */
export function withDispute(
  disputes: Disputes,
  id: string,
  heard: { status: DisputeStatus; amount: number },
  at: number,
): Disputes | null {
  const known = Object.hasOwn(disputes, id) ? disputes[id] : undefined;
  if (known === undefined && Object.keys(disputes).length >= DISPUTES_MAX) return null;
  if (known !== undefined) {
    if (known.status !== "opened" && heard.status === "opened") return disputes;
    if (known.status === heard.status && known.amount === heard.amount) return disputes;
  }
  return { ...disputes, [id]: { ...heard, at } };
}

/** What is not refundable because of them, minor units. */
export function disputedAmount(disputes: Disputes): number {
  let amount = 0;
  for (const dispute of Object.values(disputes)) if (dispute.status !== "won") amount += dispute.amount;
  return amount;
}

/** What two books know together: of the same dispute the later word. */
export function mergedDisputes(
  ours: Disputes | undefined,
  theirs: Disputes | undefined,
): Disputes | undefined {
  if (ours === undefined || theirs === undefined) return ours ?? theirs;
  let merged: Disputes = theirs;
  for (const [id, dispute] of Object.entries(ours)) {
    const known = Object.hasOwn(merged, id) ? merged[id] : undefined;
    // Never by assignment: `__proto__` is an id like others.
    if (known === undefined || known.at <= dispute.at) merged = { ...merged, [id]: dispute };
  }
  return merged;
}
