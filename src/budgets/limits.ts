// What an app may refund within 24 hours, in each mode: how many refunds, and how much of each currency.
import type { AppSettings } from "../apps/schema.ts";

export interface Limits {
  /** Null for any number. */
  count: number | null;
  /** Minor units by currency; `*` is the limit of each currency that is not named, and without it they have none. */
  amounts: Readonly<Record<string, number>>;
}

/** Refunds and what they come to, minor units by currency. */
export interface Sums {
  count: number;
  amounts: Readonly<Record<string, number>>;
}

/** What is asked for: one refund, of so much of a currency. */
export interface Need {
  currency: string;
  amount: number;
}

/** The limit that stands in the way, what it leaves, and when that may be more: ms, null when it never will. */
export interface Exceeded {
  limit: { kind: "count" } | { kind: "amount"; currency: string };
  max: number;
  left: number;
  roomAt: number | null;
}

export const WINDOW_SECONDS = 86_400;

/** Null for an app without daily limits. */
export function limitsOf({
  daily_refunds_max: count,
  daily_amount_max: amounts,
}: Pick<AppSettings, "daily_refunds_max" | "daily_amount_max">): Limits | null {
  return count === null && Object.keys(amounts).length === 0 ? null : { count, amounts };
}

/** What may be refunded of a currency; null for any amount. */
export function maxOf({ amounts }: Limits, currency: string): number | null {
  return own(amounts, currency) ?? own(amounts, "*") ?? null;
}

/** The entry for a currency; 0 when there is none. */
export function amountOf({ amounts }: Sums, currency: string): number {
  return own(amounts, currency) ?? 0;
}

/** The first, and so much more of it: `times` is 1 or -1. */
export function plus(sums: Sums, other: Sums, times: 1 | -1 = 1): Sums {
  const amounts: Record<string, number> = { ...sums.amounts };
  for (const [currency, amount] of Object.entries(other.amounts)) {
    amounts[currency] = (amounts[currency] ?? 0) + times * amount;
  }
  return { count: sums.count + times * other.count, amounts };
}

export const NOTHING: Sums = { count: 0, amounts: {} };

export function isNothing({ count, amounts }: Sums): boolean {
  return count === 0 && Object.values(amounts).every((amount) => amount === 0);
}

export function asSums({ currency, amount }: Need): Sums {
  return { count: 1, amounts: { [currency]: amount } };
}

export function sumOf(all: readonly Sums[]): Sums {
  return all.reduce((sum, one) => plus(sum, one), NOTHING);
}

/** An allowance that lets no refund be made: what exists is found all the same. */
export const NO_ALLOWANCE: Readonly<Record<string, number>> = { "*": 0 };

/**
 * What a ledger may make of a part that was taken: as much as was taken of its currency, nothing of the other limited
 * ones, and any amount of those without a limit.
 */
export function allowanceFor(limits: Limits, part: Need): Record<string, number> {
  const none = Object.fromEntries(Object.keys(limits.amounts).map((currency) => [currency, 0]));
  return maxOf(limits, part.currency) === null ? none : { ...none, [part.currency]: part.amount };
}

function own(amounts: Readonly<Record<string, number>>, currency: string): number | undefined {
  return Object.hasOwn(amounts, currency) ? amounts[currency] : undefined;
}
