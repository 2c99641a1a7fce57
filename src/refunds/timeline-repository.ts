// Timelines in D1, where they are whole: ledgers keep the newest of each.
import { and, eq, sql } from "drizzle-orm";
import type { Charge } from "../charges/charge.ts";
import type { Database } from "../db/client.ts";
import type { Refund, TimelineEntry } from "./refund.ts";
import { refundTimeline } from "./table.ts";

/** So many entries are bound at once, and no more: D1 takes 2 MB of them. */
const INSERTED_AT_ONCE = 500;

/**
 * Statements for all that the ledger keeps of these refunds' timelines: one as a rule. What is there is never changed, and
 * what D1 forgot in a restore is told again.
 */
export function insertTimeline(
  db: Database,
  { app, livemode }: Pick<Charge, "app" | "livemode">,
  refunds: readonly Refund[],
) {
  const entries = refunds.flatMap(({ id, timeline = [] }) =>
    timeline.map((entry) => ({ refund: id, entry })),
  );
  const inserts = [];
  for (let start = 0; start < entries.length; start += INSERTED_AT_ONCE) {
    const page = JSON.stringify(entries.slice(start, start + INSERTED_AT_ONCE));
    inserts.push(
      db
        .insert(refundTimeline)
        .select(
          sql`select ${app}, ${livemode ? 1 : 0}, value ->> '$.refund', value ->> '$.entry.version',
            value ->> '$.entry.at', value -> '$.entry' from json_each(${page}) where true`,
        )
        .onConflictDoNothing(),
    );
  }
  return inserts;
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
