// What one isolate may let out of an app's daily limits: the lease it takes parts from, what is on its way under earlier
// ones, and what it has still to account for. A part is taken and comes back between two awaits, so that no two requests
// take the same. Nothing here is ever waited for: requests share values and no promises.
import type { Lease, MadeRefund, Report } from "./budget-calls.ts";
import {
  amountOf,
  type Exceeded,
  isNothing,
  type Limits,
  maxOf,
  type Need,
  NOTHING,
  plus,
  type Sums,
} from "./limits.ts";

/** Currencies a lease covers beside the one it is asked for. */
const CURRENCIES_MAX = 8;
/** How long a refusal is taken for granted: a key that is over its limit costs the budget a question a second. */
const REFUSED_MS = 1_000;

/** What a request took; `lease` is null if nothing of it is limited. */
export interface Part extends Need {
  lease: string | null;
  /** 1 if the number of refunds is limited, else 0. */
  count: number;
}

/** One refund of so much; null for all that is left of its charge, which only its ledger knows. */
export interface Wish {
  currency: string;
  amount: number | null;
}

interface Held {
  id: string;
  /** Until when it gives, ms. */
  until: number;
  /** What nobody has taken. */
  free: Sums;
  /** What is on its way. */
  taken: Sums;
}

export class Allowance {
  /** The last one gives; of the others something is on its way. */
  #leases: Held[] = [];
  readonly #made = new Map<string, MadeRefund>();
  #lately: readonly Need[] = [];
  #refused: { exceeded: Exceeded; need: Need; until: number } | null = null;
  /** Until when, at the latest, another request is asking for a lease, and another is telling what was made; ms. */
  askingUntil = 0;
  tellingUntil = 0;
  /** How many requests have come to wait since a lease was last asked for. */
  waiting = 0;

  /** The last refund in each currency, the latest first. */
  get lately(): readonly Need[] {
    return this.#lately;
  }

  /** Whether refunds were made that the budget has not heard of. */
  get hasNews(): boolean {
    return this.#made.size > 0;
  }

  meet(need: Need): void {
    const others = this.#lately.filter(({ currency }) => currency !== need.currency);
    this.#lately = [need, ...others].slice(0, CURRENCIES_MAX);
  }

  /**
   * A part for one refund; null if what is held is not enough. For all that is left of a charge it is twice what the last
   * refund came to, and at most half of what is free: enough for most, and something for whoever comes meanwhile.
   */
  take(limits: Limits, wish: Wish, now: number): Part | null {
    const { currency } = wish;
    const isLimited = maxOf(limits, currency) !== null;
    if (!isLimited && limits.count === null) return { lease: null, currency, amount: 0, count: 0 };
    const held = this.#leases.at(-1);
    if (held === undefined || now >= held.until) return null;
    const free = amountOf(held.free, currency);
    const last = this.#lately.find((need) => need.currency === currency)?.amount ?? free;
    const guess = Math.min(last * 2, Math.ceil(free / 2));
    const amount = isLimited ? (wish.amount ?? guess) : 0;
    const count = limits.count === null ? 0 : 1;
    if (count > held.free.count || amount > free || (isLimited && amount === 0)) return null;
    const part = { lease: held.id, currency, amount, count };
    held.free = plus(held.free, sumsOf(part), -1);
    held.taken = plus(held.taken, sumsOf(part));
    return part;
  }

  /** What became of a part: the refund that was made of it, or may have been; null for none. */
  settle(part: Part, made: MadeRefund | null): void {
    if (made === null) this.#refused = null;
    if (part.lease === null) return;
    // Counted whether or not the lease it came from is still known here.
    if (made !== null) this.#made.set(made.refund, made);
    const held = this.#leases.find(({ id }) => id === part.lease);
    if (held === undefined) return;
    held.taken = plus(held.taken, sumsOf(part), -1);
    // One in a currency without a limit used nothing of an amount that was taken for another.
    const used = made?.currency === part.currency ? made.amount : 0;
    const left = { ...part, count: made === null ? part.count : 0, amount: Math.max(0, part.amount - used) };
    // Of a lease that no longer gives, nothing is free: the budget hears that it is back.
    if (held === this.#leases.at(-1)) held.free = plus(held.free, sumsOf(left));
  }

  /** Counts a refund for what it has turned out to come to. */
  count(made: MadeRefund): void {
    this.#made.set(made.refund, made);
  }

  /** What nobody has taken is given up: the next report tells it. */
  giveUp(): void {
    const held = this.#leases.at(-1);
    if (held !== undefined) held.free = NOTHING;
  }

  receive({ id, count, amounts }: Lease, until: number): void {
    this.giveUp();
    this.#leases.push({ id, until, free: { count, amounts }, taken: NOTHING });
    this.#refused = null;
  }

  /** Remembers for a moment that there is no room. */
  refuse(exceeded: Exceeded, need: Need, now: number): void {
    this.#refused = { exceeded, need, until: now + REFUSED_MS };
  }

  /** Why as much was refused a moment ago; null if it was not. */
  refusalOf(need: Need, now: number): Exceeded | null {
    if (this.#refused === null || now >= this.#refused.until) return null;
    const { exceeded, need: earlier } = this.#refused;
    const same = earlier.currency === need.currency && earlier.amount <= need.amount;
    return exceeded.limit.kind === "count" || same ? exceeded : null;
  }

  report(): Report {
    const leases = this.#leases.map(({ id, free, taken }) => ({ id, ...plus(free, taken) }));
    return { leases, made: [...this.#made.values()] };
  }

  /** The budget has heard a report. */
  told(report: Report): void {
    // What was counted otherwise meanwhile is still to be told.
    for (const made of report.made) if (this.#made.get(made.refund) === made) this.#made.delete(made.refund);
    const over = new Set(report.leases.filter(isNothing).map(({ id }) => id));
    this.#leases = this.#leases.filter(({ id }) => !over.has(id));
  }
}

function sumsOf({ count, currency, amount }: Part): Sums {
  return { count, amounts: { [currency]: amount } };
}
