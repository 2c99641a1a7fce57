// Refunds across all charges of an app and mode, from D1: which index leads to those that the filters ask for.
import { and, eq, sql } from "drizzle-orm";
import { charges } from "../charges/table.ts";
import type { Database } from "../db/client.ts";
import type { Page } from "../http/pagination.ts";
import { describedBy, type SearchedTable } from "../search/repository.ts";
import {
  type Condition,
  findRows,
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
import type { Refund, Status } from "./refund.ts";
import type { RefundFilter } from "./search-query.ts";
import { refunds } from "./table.ts";

export const SEARCHED_REFUNDS: SearchedTable = {
  ...refunds,
  object: "refund",
  name: sql`refunds`,
  ids: sql`refunds_id`,
};

/** A refund that was found, and where it stands. */
export interface FoundRefund {
  refund: Refund;
  charge: { id: string; orderNo: string; app: string };
  /** The charge's. */
  channel: string;
  currency: string;
  position: SearchPosition;
}

interface Row extends SearchPosition {
  doc: string;
  charge: string;
  orderNo: string;
  channel: string;
  currency: string;
}

const COLUMNS = sql`${refunds.doc} as doc, ${refunds.charge} as charge, ${refunds.channel} as channel,
  ${refunds.currency} as currency, ${refunds.amount} as amount, ${refunds.created} as created, ${refunds.seq} as seq,
  ${refunds.id} as id, (select paid.order_no from charges as paid where paid.app = ${refunds.app}
    and paid.livemode = ${refunds.livemode} and paid.id = ${refunds.charge}) as orderNo`;

const { amount, created, seq, id } = refunds;
const BY_CREATION = { by: "created", order: { created, seq, id } } as const;
const BY_AMOUNT = { by: "amount", order: { amount, created, seq, id } } as const;

/** The refunds nearest to the cursor in the direction of travel, one more than the page holds. */
export async function findRefunds(
  db: Database,
  app: string,
  plan: Plan,
  page: Pick<Page, "limit" | "endingBefore">,
  cursor: SearchPosition | null,
): Promise<FoundRefund[]> {
  const rows = await findRows<Row>(db, plan, COLUMNS, page, cursor);
  return rows.map(({ doc, charge, orderNo, channel, currency, ...position }) => ({
    refund: JSON.parse(doc),
    charge: { id: charge, orderNo, app },
    channel,
    currency,
    position,
  }));
}

/** The `limit` refunds behind a position in the direction of the sort; those at the start of the list when it is null. */
export async function findRefundsBehind(
  db: Database,
  app: string,
  plan: Plan,
  position: SearchPosition | null,
  limit: number,
): Promise<FoundRefund[]> {
  return (await findRefunds(db, app, plan, { limit, endingBefore: null }, position)).slice(0, limit);
}

/** Where a refund stands in every list of its app and mode. */
export async function findRefundPosition(
  db: Database,
  app: string,
  livemode: boolean,
  refund: string,
): Promise<SearchPosition | null> {
  const [found] = await db
    .select({ amount, created, seq, id })
    .from(refunds)
    .where(and(eq(refunds.app, app), eq(refunds.livemode, livemode), eq(refunds.id, refund)));
  return found ?? null;
}

/** The search that a filter and a sort ask for, and the index it goes along. */
export async function planRefunds(
  db: Database,
  app: string,
  livemode: boolean,
  filter: RefundFilter,
  sort: Sort,
): Promise<Plan> {
  const { along, list } = indexesOf("refunds", refunds, app, livemode);
  const ofOrder = (orderNo: string): Condition => ({
    where: sql`${refunds.charge} in (select paid.id from charges as paid indexed by charges_order
      where paid.app = ${app} and paid.livemode = ${livemode ? 1 : 0} and paid.order_no = ${orderNo})`,
    way: {
      from: sql`charges indexed by charges_order cross join refunds indexed by refunds_charge
        on ${refunds.app} = ${charges.app} and ${refunds.livemode} = ${charges.livemode}
        and ${refunds.charge} = ${charges.id}`,
      where: sql`${charges.app} = ${app} and ${charges.livemode} = ${livemode ? 1 : 0}
        and ${charges.orderNo} = ${orderNo}`,
      sorted: null,
      reach: "few",
    },
  });
  const ofStatus = (status: Status): Condition =>
    status === "succeeded"
      ? { where: sql`${refunds.status} = 'succeeded'` }
      : // The excluded status is spelt out: only so does SQLite see that the partial index covers the question.
        along(
          "refunds_unsettled",
          sql`${refunds.status} = ${status} and ${refunds.status} <> 'succeeded'`,
          BY_CREATION,
        );
  const withAttention = (attention: string) =>
    along(
      "refunds_attention",
      attention === "any" ? sql`${refunds.attention} is not null` : sql`${refunds.attention} = ${attention}`,
      BY_CREATION,
    );
  return planSearch(db, {
    lists: { created: list("refunds_created", BY_CREATION), amount: list("refunds_amount", BY_AMOUNT) },
    sort: orderedBy(sort, filter.amount),
    ranges: { created: filter.created, amount: rangeBesides(filter.amount) },
    conditions: [
      given(filter.refundNo, (no) => along("refunds_number", sql`${refunds.refundNo} = ${no}`, null, "few")),
      given(filter.transactionNo, (no) =>
        along("refunds_transaction", sql`${refunds.transactionNo} = ${no}`, null, "few"),
      ),
      given(filter.charge, (charge) =>
        along("refunds_charge", sql`${refunds.charge} = ${charge}`, null, "few"),
      ),
      given(filter.orderNo, ofOrder),
      given(filter.batch, (batch) => along("refunds_batch", sql`${refunds.batch} = ${batch}`, null, "few")),
      await describedBy(db, SEARCHED_REFUNDS, { app, livemode }, filter),
      given(filter.attention, withAttention),
      given(filter.approval, (approval) =>
        along("refunds_approval", sql`${refunds.approval} = ${approval}`, BY_CREATION),
      ),
      given(filter.status, ofStatus),
      given(oneOf(filter.amount), (one) =>
        along("refunds_amount", sql`${refunds.amount} = ${one}`, BY_CREATION),
      ),
      given(filter.channel, (channel) =>
        along("refunds_channel", sql`${refunds.channel} = ${channel}`, BY_CREATION, "many"),
      ),
      given(filter.currency, (currency) =>
        along("refunds_currency", sql`${refunds.currency} = ${currency}`, BY_CREATION, "many"),
      ),
    ].filter((condition) => condition !== null),
  });
}
