// How a list is searched in D1: along one index, which the filters choose and the statement names, so that SQLite cannot
// take another. An index that has the order of the list is walked from the cursor on, and a page costs the same at any
// depth. One that has not is taken only for few rows, which are sorted; whether they are few is counted up to a bound.
import { type AnyColumn, and, type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { keyset, type Order, type PositionIn } from "../db/keyset.ts";
import { type Page, type Range, UNBOUNDED } from "../http/pagination.ts";

export type SortKey = "created" | "amount";

export interface Sort {
  by: SortKey;
  ascending: boolean;
}

/** The values that a row's place in every sort is told by. */
export type SearchPosition = PositionIn<"amount" | "created" | "seq" | "id">;

/** An index that leads to rows. */
export interface Way {
  /** Its tables, each with the index to take: `refunds indexed by refunds_channel`. */
  from: SQL;
  /** What its first columns are. */
  where: SQL;
  /** What the rest of it is sorted by, if that is a sort of ours. */
  sorted: SortedBy | null;
  /** How far it leads by its nature: to few rows, which can be sorted, or to many, if nothing narrower is there. */
  reach?: "few" | "many";
}

interface SortedBy {
  by: SortKey;
  order: Order;
}

/** The way along all rows, by the columns of the table itself. */
export type List = Way & { sorted: SortedBy };

/** One filter: what it asks of a row, and the index that has the rows it asks for, where there is one. */
export interface Condition {
  where: SQL;
  way?: Way | undefined;
}

export interface Search {
  /** What it can be sorted by. */
  lists: { created: List; amount?: List };
  ranges: { created: Range; amount?: Range };
  /** Those with a way in the order of preference. */
  conditions: readonly Condition[];
  sort: Sort;
}

/** The ways into a table whose indexes all begin with app and mode. */
export function indexesOf(
  table: string,
  columns: { app: AnyColumn; livemode: AnyColumn },
  app: string,
  livemode: boolean,
) {
  const mine = sql`${columns.app} = ${app} and ${columns.livemode} = ${livemode ? 1 : 0}`;
  const from = (index: string) => sql.raw(`${table} indexed by ${index}`);
  return {
    list: (index: string, sorted: SortedBy): List => ({ from: from(index), where: mine, sorted }),
    along: (index: string, where: SQL, sorted: SortedBy | null, reach?: Way["reach"]): Condition => ({
      where,
      way: { from: from(index), where: sql`${mine} and ${where}`, sorted, ...(reach && { reach }) },
    }),
  };
}

/** A filter that may not have been given. */
export function given<Value>(value: Value | null, condition: (value: Value) => Condition): Condition | null {
  return value === null ? null : condition(value);
}

/** The one number that a range leaves, which an index leads to in the order of creation; null when there are more. */
export function oneOf({ from, to }: Range): number | null {
  return from === to ? from : null;
}

/** The range, unless it leaves one number alone: that is a condition like others. */
export function rangeBesides(range: Range): Range {
  return oneOf(range) === null ? range : UNBOUNDED;
}

/** All of one amount are sorted by creation, whichever sort was asked for: it is the same order. */
export function orderedBy(sort: Sort, amount: Range): Sort {
  return oneOf(amount) === null ? sort : { ...sort, by: "created" };
}

/** A search and the way that was chosen for it. */
export interface Plan extends Search {
  way: Way;
}

/** What a list object says of how many it finds. */
export interface Total {
  total_count: number;
  /** There are more than were counted. */
  total_count_capped: boolean;
}

/** So many rows are sorted for a page, and not more. */
export const SORTED_MAX = 1000;
/** So far is counted. */
export const COUNTED_MAX = 10_000;

/**
 * Takes the first way that has the order of the list, or few rows. A range of what the list is not sorted by is a way too:
 * the largest refunds of today are found among today's.
 */
export async function planSearch(db: Database, search: Search): Promise<Plan> {
  const { ranges, conditions, sort } = search;
  const ways = conditions.map(({ way }) => way).filter((way) => way !== undefined);
  const other = sort.by === "created" ? "amount" : "created";
  const inPreference = [
    ...ways.filter(({ reach }) => reach !== "many"),
    ...(isBounded(ranges[other]) ? [listBy(search, other)] : []),
    ...ways.filter(({ reach }) => reach === "many"),
    listBy(search, sort.by),
  ];
  const first = inPreference.findIndex(({ sorted, reach }) => reach === "few" || sorted?.by === sort.by);
  const unsorted = inPreference.slice(0, first);
  const counts = await countAlong(db, unsorted, ranges);
  const few = unsorted.find((_, i) => Number(counts[i]) <= SORTED_MAX);
  return { ...search, way: few ?? (inPreference[first] as Way) };
}

/**
 * The rows nearest to the cursor in the direction of travel, one more than the page holds; `columns` as they follow
 * SELECT.
 */
export async function findRows<Row>(
  db: Database,
  plan: Plan,
  columns: SQL,
  page: Pick<Page, "limit" | "endingBefore">,
  cursor: PositionIn<string> | null,
): Promise<Row[]> {
  const { way, ranges, sort } = plan;
  const order = orderAlong(plan, sort.by);
  const { where, orderBy, limit } = keyset(order, page, cursor, ranges[sort.by] ?? UNBOUNDED, sort.ascending);
  return db.all<Row>(sql`select ${columns} from ${way.from}
    where ${and(way.where, where, ...otherRanges(plan, sort.by), ...otherConditions(plan))}
    order by ${sql.join(orderBy, sql`, `)} limit ${limit}`);
}

/** How many rows there are, for a list object: exact up to a bound, and no more is counted. */
export async function totalOf(db: Database, plan: Plan): Promise<Total> {
  const [row] = await db.all<{ count: number }>(
    sql`select count(*) as count from (select 1 ${allRows(plan)} limit ${COUNTED_MAX + 1})`,
  );
  const count = row?.count ?? 0;
  return { total_count: Math.min(count, COUNTED_MAX), total_count_capped: count > COUNTED_MAX };
}

/** All rows in no order, as what follows a SELECT and its columns. */
export function allRows(plan: Plan): SQL {
  const { way } = plan;
  const where = and(way.where, ...otherRanges(plan, null), ...otherConditions(plan));
  return sql`from ${way.from} where ${where}`;
}

/** How many rows each way leads to by itself, counted as far as they could be sorted. */
async function countAlong(db: Database, ways: readonly Way[], ranges: Search["ranges"]): Promise<number[]> {
  if (ways.length === 0) return [];
  const counts = ways.map(({ from, where, sorted }) => {
    const range = sorted === null ? undefined : within(sorted.order, ranges[sorted.by]);
    return sql`(select count(*) from (select 1 from ${from} where ${and(where, range)} limit ${SORTED_MAX + 1}))`;
  });
  const [row] = await db.all<{ counts: string }>(
    sql`select json_array(${sql.join(counts, sql`, `)}) as counts`,
  );
  return JSON.parse(row?.counts ?? "[]");
}

/** The columns to sort by: those of the way, if it is sorted so, else those of the table. */
function orderAlong(plan: Plan, by: SortKey): Order {
  const { sorted } = plan.way;
  return sorted?.by === by ? sorted.order : listBy(plan, by).sorted.order;
}

function listBy({ lists }: Search, by: SortKey): List {
  return lists[by] ?? lists.created;
}

/** The ranges that the sort does not bound. */
function otherRanges(plan: Plan, sortedBy: SortKey | null): (SQL | undefined)[] {
  const keys = (["created", "amount"] as const).filter((key) => key !== sortedBy);
  return keys.map((key) => within(orderAlong(plan, key), plan.ranges[key]));
}

/** The range of the first column. */
export function within(order: Order, range: Range = UNBOUNDED): SQL | undefined {
  return keyset(order, { limit: 0, endingBefore: null }, null, range).where;
}

function isBounded(range: Range | undefined): boolean {
  return range !== undefined && (range.from !== null || range.to !== null);
}

function otherConditions({ way, conditions }: Plan): SQL[] {
  return conditions.filter((condition) => condition.way !== way).map(({ where }) => where);
}
