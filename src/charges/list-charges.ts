// Charges across an app, from D1: newest first, each with the first page of its refunds.
import { and, asc, desc, eq, gt, gte, lt, lte, or, type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import type { CreatedRange, Page } from "../http/pagination.ts";
import { cursorOf, cutPage, unknownCursor } from "../http/pagination.ts";
import type { Refund } from "../refunds/refund.ts";
import { refunds } from "../refunds/table.ts";
import { type ChargeObject, chargeObjectFrom, EMBEDDED_REFUNDS } from "./schema.ts";
import { charges } from "./table.ts";

export interface ChargeFilter {
  app: string;
  livemode: boolean;
  channel: string | null;
  paid: boolean | null;
  refunded: boolean | null;
  created: CreatedRange;
}

export async function listCharges(
  db: Database,
  filter: ChargeFilter,
  page: Page,
): Promise<{ items: ChargeObject[]; hasMore: boolean }> {
  const { app, livemode } = filter;
  const older = page.endingBefore === null;
  const cursor = cursorOf(page);
  const wanted: (SQL | undefined)[] = [
    eq(charges.app, app),
    eq(charges.livemode, livemode),
    filter.channel === null ? undefined : eq(charges.channel, filter.channel),
    filter.paid === null ? undefined : eq(charges.paid, filter.paid),
    filter.refunded === null ? undefined : eq(charges.refunded, filter.refunded),
    filter.created.from === null ? undefined : gte(charges.created, filter.created.from),
    filter.created.to === null ? undefined : lte(charges.created, filter.created.to),
  ];
  if (cursor !== null) {
    const [at] = await db
      .select({ created: charges.created, seq: charges.seq })
      .from(charges)
      .where(and(eq(charges.app, app), eq(charges.livemode, livemode), eq(charges.id, cursor.id)));
    if (at === undefined) throw unknownCursor(cursor.param, cursor.id);
    const beyond = older ? lt : gt;
    wanted.push(
      or(
        beyond(charges.created, at.created),
        and(eq(charges.created, at.created), beyond(charges.seq, at.seq)),
      ),
    );
  }
  const order = older ? [desc(charges.created), desc(charges.seq)] : [asc(charges.created), asc(charges.seq)];
  const rows = await db
    .select()
    .from(charges)
    .where(and(...wanted))
    .orderBy(...order)
    .limit(page.limit + 1);
  const { items, hasMore } = cutPage(rows, page);
  const newest = await newestRefunds(
    db,
    filter,
    items.filter((row) => row.refunded).map((row) => row.id),
  );
  return {
    hasMore,
    items: items.map((row) => {
      const held = row.amountRefunded + row.amountPending + row.doc.disputed;
      const refundable = Math.max(0, row.amount - held);
      const balance = { refunded: row.amountRefunded, pending: row.amountPending, refundable };
      return chargeObjectFrom(row.doc, balance, newest.get(row.id) ?? [], row.highestSeq);
    }),
  };
}

/** The newest refunds of each charge, newest first. */
async function newestRefunds(
  db: Database,
  filter: ChargeFilter,
  ids: string[],
): Promise<Map<string, Refund[]>> {
  const found = new Map<string, Refund[]>();
  if (ids.length === 0) return found;
  const rows = await db
    .select({ charge: refunds.charge, doc: refunds.doc })
    .from(refunds)
    .where(
      and(
        eq(refunds.app, filter.app),
        eq(refunds.livemode, filter.livemode),
        sql`${refunds.charge} in (select value from json_each(${JSON.stringify(ids)}))`,
        sql`${refunds.seq} > (select highest_seq from charges c where c.app = ${refunds.app}
          and c.livemode = ${refunds.livemode} and c.id = ${refunds.charge}) - ${EMBEDDED_REFUNDS}`,
      ),
    )
    .orderBy(desc(refunds.seq));
  for (const { charge, doc } of rows) {
    const list = found.get(charge);
    if (list === undefined) found.set(charge, [doc]);
    else list.push(doc);
  }
  return found;
}
