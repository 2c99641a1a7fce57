// Charges of an app and mode, from D1: which index leads to those that the filters ask for.
import { and, eq, type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { describedBy, type SearchedTable } from "../search/repository.ts";
import {
  type Condition,
  given,
  indexesOf,
  oneOf,
  orderedBy,
  type Plan,
  planSearch,
  rangeBesides,
  type SearchPosition,
  type Sort,
} from "../search/search.ts";
import type { ChargeFilter } from "./search-query.ts";
import { charges } from "./table.ts";

export const SEARCHED_CHARGES: SearchedTable = {
  ...charges,
  object: "charge",
  name: sql`charges`,
  ids: sql`charges_id`,
};

const { amount, created, seq, id } = charges;
const BY_CREATION = { by: "created", order: { created, seq } } as const;
const BY_AMOUNT = { by: "amount", order: { amount, created, seq } } as const;

/** Where a charge stands in every list of its app and mode. */
export async function findChargePosition(
  db: Database,
  app: string,
  livemode: boolean,
  charge: string,
): Promise<SearchPosition | null> {
  const [found] = await db
    .select({ amount, created, seq, id })
    .from(charges)
    .where(and(eq(charges.app, app), eq(charges.livemode, livemode), eq(charges.id, charge)));
  return found ?? null;
}

/** The search that a filter and a sort ask for, and the index it goes along. */
export async function planCharges(
  db: Database,
  app: string,
  livemode: boolean,
  filter: ChargeFilter,
  sort: Sort,
): Promise<Plan> {
  const { along, list } = indexesOf("charges", charges, app, livemode);
  const isFlag = (column: SQL) => (flag: boolean) => ({ where: sql`${column} = ${flag ? 1 : 0}` });
  const isFrozen = (frozen: boolean): Condition =>
    frozen
      ? along("charges_frozen", sql`${charges.freeze} is not null`, BY_CREATION)
      : { where: sql`${charges.freeze} is null` };
  return planSearch(db, {
    lists: { created: list("charges_created", BY_CREATION), amount: list("charges_amount", BY_AMOUNT) },
    sort: orderedBy(sort, filter.amount),
    ranges: { created: filter.created, amount: rangeBesides(filter.amount) },
    conditions: [
      given(filter.transactionNo, (no) =>
        along("charges_transaction", sql`${charges.transactionNo} = ${no}`, null, "few"),
      ),
      given(filter.orderNo, (no) => along("charges_order", sql`${charges.orderNo} = ${no}`, null, "few")),
      await describedBy(db, SEARCHED_CHARGES, { app, livemode }, filter),
      given(filter.frozen, isFrozen),
      given(oneOf(filter.amount), (one) =>
        along("charges_amount", sql`${charges.amount} = ${one}`, BY_CREATION),
      ),
      given(filter.channel, (channel) =>
        along("charges_channel", sql`${charges.channel} = ${channel}`, BY_CREATION, "many"),
      ),
      given(filter.currency, (currency) =>
        along("charges_currency", sql`${charges.currency} = ${currency}`, BY_CREATION, "many"),
      ),
      given(filter.paid, isFlag(sql`${charges.paid}`)),
      given(filter.refunded, isFlag(sql`${charges.refunded}`)),
    ].filter((condition) => condition !== null),
  });
}
