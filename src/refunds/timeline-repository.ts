// Timelines in D1, where they are whole: ledgers keep the newest of each.
import { and, eq } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { FixedStatement, parametersOf, rowsOf } from "../db/fixed-statement.ts";
import type { Tenant } from "../db/tenant.ts";
import type { Refund, TimelineEntry } from "./refund.ts";
import { refundTimeline } from "./table.ts";

const INSERT = new FixedStatement((db) =>
  db.insert(refundTimeline).select(rowsOf(refundTimeline)).onConflictDoNothing(),
);

/**
 * Statements for all that ledgers keep of these refunds' timelines: one as a rule. What is there is never changed, and what
 * D1 forgot in a restore is told again.
 */
export function insertTimeline(
  db: Database,
  told: readonly { tenant: Tenant; refund: Refund }[],
): D1PreparedStatement[] {
  const rows = told.flatMap(({ tenant: { app, livemode }, refund: { id, timeline = [] } }) =>
    timeline.map((entry) => ({ app, livemode, refund: id, version: entry.version, at: entry.at, entry })),
  );
  return parametersOf(refundTimeline, rows).map((page) => INSERT.bind(db, { rows: page }));
}

/** Everything that D1 was told of a refund, oldest first. */
export async function listTold(
  db: Database,
  app: string,
  livemode: boolean,
  refund: string,
): Promise<TimelineEntry[]> {
  const rows = await db
    .select({ entry: refundTimeline.entry })
    .from(refundTimeline)
    .where(
      and(
        eq(refundTimeline.app, app),
        eq(refundTimeline.livemode, livemode),
        eq(refundTimeline.refund, refund),
      ),
    )
    .orderBy(refundTimeline.version, refundTimeline.at);
  return rows.map(({ entry }) => entry);
}
