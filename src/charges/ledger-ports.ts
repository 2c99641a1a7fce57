// What a ledger's logic needs from outside. In a Worker these are the Durable Object's storage, timers and D1;
// in a simulation they are `node:sqlite`, a virtual clock and seeded dice.
import type { Channel, ChannelAccount } from "../channels/channel.ts";
import type { Sleep } from "../deadline.ts";
import type { Event } from "../events/event.ts";
import type { Random } from "../ids.ts";
import type { Refund } from "../refunds/refund.ts";
import type { Balance } from "./balance.ts";
import type { Charge, Freeze } from "./charge.ts";
import type { Hydration } from "./ledger-calls.ts";

export type SqlValue = string | number | null;

/** Synchronous SQL of one object's own database. */
export interface LedgerStorage {
  sql: { exec(query: string, ...bindings: SqlValue[]): { toArray(): Record<string, SqlValue>[] } };
  /** Runs `work` atomically: if it throws, nothing of it happened, the alarm included. */
  transactionSync<T>(work: () => T): T;
  /** Replaces the one alarm of this object; ms since the epoch. */
  setAlarm(at: number): void;
  /** There is none any more. */
  deleteAlarm(): void;
}

/** What the ledger tells D1. Everything in it is already durable in the ledger. */
export interface FlushBatch {
  charge: Charge;
  /** The charge's own version that D1 has. */
  synced: number;
  /** Grows with every change of the charge or its refunds: guards the charge's row. */
  version: number;
  balance: Balance;
  freeze: Freeze | null;
  highestSeq: number;
  /** Whether any refund record exists. */
  refunded: boolean;
  refunds: Refund[];
  events: Event[];
  now: number;
}

/**
 * What D1 holds of the charge. More than the ledger knows of means that the ledger was rolled back; less than it was told,
 * that D1 was. Rows alone say so, and never lose a version: what a lost answer would have shown, the next one shows.
 */
export interface FlushReceipt {
  /** The charge's version and those of its refunds as its row had them before; 0 when D1 did not have the charge. */
  version: number;
  /** The versions of its refunds in all, after the batch. */
  versions: number;
}

export interface LedgerPorts {
  storage: LedgerStorage;
  /** ms since the epoch. */
  now(): number;
  random: Random;
  sleep: Sleep;
  /** Null when no connector speaks for the channel. */
  channel(name: string, livemode: boolean): Channel | null;
  /** The pinned revision, or the newest of the pinned account, or the current account; null when there is none. */
  account(
    charge: Charge,
    pinned: { id: string; revision: number } | null,
    newest: boolean,
  ): Promise<ChannelAccount | null>;
  /** Claims a payment at the channel for a live charge, across apps; false when it is another charge's. */
  claimPayment(charge: Charge, account: ChannelAccount, transactionNo: string): Promise<boolean>;
  /** Whether an account's budget of calls has room for another; `again` for questions that were put before. */
  mayCall(account: ChannelAccount, again: boolean): Promise<boolean>;
  flush(batch: FlushBatch): Promise<FlushReceipt>;
  /** D1's view of this charge, for a ledger that finds itself behind it. */
  projection(charge: Charge): Promise<Hydration | null>;
  /** Says something an operator must hear. Never a secret, never a customer's text. */
  alert(kind: string, facts: Record<string, string | number | boolean | null>): void;
}
