// Charges across an app, from D1: newest first, each with the first page of its refunds.
import { and, desc, eq, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { keyset } from "../db/keyset.ts";
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
  const ofApp = and(eq(charges.app, filter.app), eq(charges.livemode, filter.livemode));
  const cursor = cursorOf(page);
  const [position] =
    cursor === null
      ? []
      : await db
          .select({ created: charges.created, seq: charges.seq })
          .from(charges)
          .where(and(ofApp, eq(charges.id, cursor.id)));
  if (cursor !== null && position === undefined) throw unknownCursor(cursor.param, cursor.id);
  const { where, orderBy, limit } = keyset(charges, page, position ?? null, filter.created);
  const rows = await db
    .select()
    .from(charges)
    .where(
      and(
        ofApp,
        filter.channel === null ? undefined : eq(charges.channel, filter.channel),
        filter.paid === null ? undefined : eq(charges.paid, filter.paid),
        filter.refunded === null ? undefined : eq(charges.refunded, filter.refunded),
        where,
      ),
    )
    .orderBy(...orderBy)
    .limit(limit);
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
