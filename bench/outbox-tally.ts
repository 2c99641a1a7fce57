// What queued-worker.ts counts, and how it is asked for it.

export interface OutboxTally {
  ledgerCalls: number;
  alarms: number;
  /** What an operator would have heard, as of D1 that could not be told. */
  alerts: number;
  d1Batches: number;
  d1RowsRead: number;
  d1RowsWritten: number;
  messages: number;
  /** Batches that no message can hold. */
  tooLarge: number;
  consumerRuns: number;
  /** When D1 had a refund, ms since the epoch, by its id. */
  toldAt: Record<string, number>;
}

/** Each answer is what was counted since the last one. */
export interface OutboxControl {
  /** So many of the next messages never arrive. */
  lose?: number;
}
