// What crosses between the Worker's isolates and an app's budget. Every call may arrive twice, late or not at all: leases
// and refunds go by their ids, what is open of a lease only ever shrinks, and a refund is what it was said to be at most.
import type { Exceeded, Limits, Need, Sums } from "./limits.ts";

/** How long an isolate may take from a lease, from before it asked for it. */
export const LEASE_MS = 60_000;

/** Whose budget it is: one per app and mode. */
export interface Owner {
  app: string;
  livemode: boolean;
}

export function budgetName({ app, livemode }: Owner): string {
  return `${app}/${livemode ? "live" : "test"}`;
}

/** What may be let out under one lease: the part that nobody has taken, and what was taken and is on its way. */
export interface Lease extends Sums {
  id: string;
}

/** A refund that was made, or that may have been, because its ledger's answer was lost. */
export interface MadeRefund extends Need {
  refund: string;
}

/** Everything an isolate has to account for: what is still open of its leases, and what was made of the rest. */
export interface Report {
  leases: Lease[];
  made: MadeRefund[];
}

export interface ReportCall {
  owner: Owner;
  report: Report;
}

/** Of refunds that have room, this is all that can still be made: minor units; 0 for one that certainly never will be. */
export interface UnbookCall {
  owner: Owner;
  refunds: readonly { refund: string; amount: number }[];
}

/** Asks for a lease for so many refunds of about that size, one at least, and of those in other currencies as they come. */
export interface LeaseCall extends ReportCall {
  limits: Limits;
  /** The id of the lease, minted by who asks. */
  lease: string;
  need: Need;
  others: readonly Need[];
  refunds: number;
}

/** Asks for room for these very refunds, all of them or none; they count from now on, whoever makes them and when. */
export interface BookCall extends ReportCall {
  limits: Limits;
  refunds: readonly MadeRefund[];
}

/** `unavailable`: D1 has never been read yet, or there is room only if it says so, and it cannot be asked. */
export type BudgetAnswer<Ok> = { ok: Ok } | { exceeded: Exceeded } | { unavailable: true };

export interface BudgetSurface {
  lease(call: LeaseCall): Promise<BudgetAnswer<Lease>>;
  book(call: BookCall): Promise<BudgetAnswer<null>>;
  unbook(call: UnbookCall): Promise<null>;
  report(call: ReportCall): Promise<null>;
  /** What the refunds of the last 24 hours come to. */
  used(call: ReportCall): Promise<BudgetAnswer<Sums>>;
}
