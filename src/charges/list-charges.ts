// Charges across an app, from D1: as they were searched for, each with the first page of its refunds.
import { and, desc, eq, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { cutPage, type Page, positionOf } from "../http/pagination.ts";
import type { Refund } from "../refunds/refund.ts";
import { refunds } from "../refunds/table.ts";
import { findRows, type Sort, type Total, totalOf } from "../search/search.ts";
import type { Charge } from "./charge.ts";
import { type ChargeObject, chargeObjectFrom, EMBEDDED_REFUNDS } from "./schema.ts";
import { findChargePosition, planCharges } from "./search.ts";
import type { ChargeFilter } from "./search-query.ts";
import { charges } from "./table.ts";

export interface ListCall {
  app: string;
  livemode: boolean;
  filter: ChargeFilter;
  sort: Sort;
  page: Page;
  /** Whether to count what the filter finds. */
  counts: boolean;
}

interface Row {
  id: string;
  doc: string;
  amount: number;
  amountRefunded: number;
  amountPending: number;
  refunded: number;
  highestSeq: number;
}

const COLUMNS = sql`${charges.id} as id, ${charges.doc} as doc, ${charges.amount} as amount,
  ${charges.amountRefunded} as amountRefunded, ${charges.amountPending} as amountPending,
  ${charges.refunded} as refunded, ${charges.highestSeq} as highestSeq`;

export async function listCharges(
  db: Database,
  { app, livemode, filter, sort, page, counts }: ListCall,
): Promise<{ items: ChargeObject[]; hasMore: boolean; total: Total | null }> {
  const cursor = await positionOf(page, (id) => findChargePosition(db, app, livemode, id));
  const plan = await planCharges(db, app, livemode, filter, sort);
  const { items, hasMore } = cutPage(await findRows<Row>(db, plan, COLUMNS, page, cursor), page);
  const newest = await newestRefunds(
    db,
    app,
    livemode,
    items.filter((row) => row.refunded === 1).map((row) => row.id),
  );
  return {
    hasMore,
    total: counts ? await totalOf(db, plan) : null,
    items: items.map((row) => {
      const charge: Charge = JSON.parse(row.doc);
      const held = row.amountRefunded + row.amountPending + charge.disputed;
      const refundable = Math.max(0, row.amount - held);
      const balance = { refunded: row.amountRefunded, pending: row.amountPending, refundable };
      return chargeObjectFrom(charge, balance, newest.get(row.id) ?? [], row.highestSeq);
    }),
  };
}

/** The newest refunds of each charge, newest first. */
async function newestRefunds(
  db: Database,
  app: string,
  livemode: boolean,
  ids: string[],
): Promise<Map<string, Refund[]>> {
  const found = new Map<string, Refund[]>();
  if (ids.length === 0) return found;
  const rows = await db
    .select({ charge: refunds.charge, doc: refunds.doc })
    .from(refunds)
    .where(
      and(
        eq(refunds.app, app),
        eq(refunds.livemode, livemode),
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
