// What D1 says of an app's refunds of one mode: one look, along an index that holds all of it, and only the refunds that
// are asked for by name in their rows' own index.
import { and, count, eq, gt, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { refunds } from "../refunds/table.ts";
import type { Usage } from "./budget.ts";
import type { Owner } from "./budget-calls.ts";

/** The refunds made after `since` (Unix seconds) that have not failed, and which of those in `named` exist at all. */
export async function readUsage(
  db: Database,
  { app, livemode }: Owner,
  since: number,
  named: readonly string[],
): Promise<Usage> {
  const own = and(eq(refunds.app, app), eq(refunds.livemode, livemode));
  const holds = sql`${refunds.status} <> 'failed'`;
  // One batch is one transaction: a refund that is found is one that is counted.
  const [currencies, found] = await db.batch([
    db
      .select({
        currency: refunds.currency,
        scanned: count(),
        holding: sql<number>`sum(${holds})`.as("holding"),
        amount: sql<number>`sum(case when ${holds} then ${refunds.amount} else 0 end)`.as("held"),
        oldest: sql<number | null>`min(case when ${holds} then ${refunds.created} end)`.as("oldest"),
      })
      .from(refunds)
      .where(and(own, gt(refunds.created, since)))
      .groupBy(refunds.currency),
    db
      .select({ id: refunds.id })
      .from(refunds)
      .where(and(own, sql`${refunds.id} in (select value from json_each(${JSON.stringify(named)}))`)),
  ]);
  const sum = (of: (row: (typeof currencies)[number]) => number) =>
    currencies.reduce((total, row) => total + of(row), 0);
  const ages = currencies.flatMap(({ oldest }) => (oldest === null ? [] : [oldest]));
  return {
    count: sum(({ holding }) => holding),
    amounts: Object.fromEntries(currencies.map(({ currency, amount }) => [currency, amount])),
    scanned: sum(({ scanned }) => scanned),
    oldest: ages.length === 0 ? null : Math.min(...ages),
    found: found.map(({ id }) => id),
  };
}
