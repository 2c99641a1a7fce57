// What the counting Worker counts, and how it is asked for it: see counting-worker.ts.

export const COUNTERS = [
  "ledger calls",
  "ledger commits",
  "ledger statements",
  "ledger rows read",
  "ledger rows written",
  "alarms set",
  "alarms deleted",
  "alarm runs",
  "D1 calls",
  "D1 statements",
  "D1 rows read",
  "D1 rows written",
  "queue sends",
  "queue messages",
  "queue consumer runs",
] as const;
export type Counter = (typeof COUNTERS)[number];
export type Counts = Record<Counter, number>;

/** The header of every answer: what the request had done when it was answered. */
export const HEADER = "Counts";

export interface Control {
  /** Holds back what ledgers send, or lets it go. */
  hold?: boolean;
  /** Starts again at zero. */
  clear?: boolean;
  /** The name of a ledger whose alarm shall ring, if one is set. */
  ring?: string;
  /** The name of a ledger that shall leave memory. */
  evict?: string;
  /** The name of a ledger to look into. */
  look?: string;
}

export interface Controlled {
  /** Since zero. */
  counts: Counts;
  /** Messages that were sent and not yet consumed. */
  travelling: number;
  /** Whether D1 has been told everything that the ledger knows. */
  told: boolean;
  /** What the ledger occupies. */
  bytes: number;
}
