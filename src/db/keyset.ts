// Keyset pagination over D1: the WHERE and ORDER BY of a page beside a cursor. Reads `limit + 1` rows from there on,
// however long the list is and however deep the page: what bounds the walk is never left to a filter. Where the last column
// is a table's own row id, SQLite starts at the cursor's second, and passes by what else happened in it.
import { type AnyColumn, and, asc, desc, gte, lte, type SQL, type SQLWrapper, sql } from "drizzle-orm";
import type { Page, Range } from "../http/pagination.ts";

/** The columns a list is sorted by, the most significant first; an index must end in them, in this order. */
export type Order<Key extends string = string> = Readonly<Record<Key, AnyColumn>>;

/** The values of those columns for one item: where it stands in the list. */
export type PositionIn<Key extends string> = Readonly<Record<Key, number | string>>;

/** Where an item stands in a list by time; a tie is broken by a sequence of creation, or an id where there is none. */
export type Position = PositionIn<"created" | "seq">;

/**
 * `cursor` is the position of the item that the page names as its cursor; null for the first page. `range` bounds the
 * first column. Lists are sorted from high to low unless `ascending`.
 */
export function keyset<Key extends string>(
  order: Order<Key>,
  page: Pick<Page, "limit" | "endingBefore">,
  cursor: PositionIn<Key> | null,
  range: Range,
  ascending = false,
) {
  const keys = Object.keys(order) as Key[];
  const columns = keys.map((key) => order[key]);
  const [firstKey] = keys as [Key];
  const first = order[firstKey];
  const isUpwards = ascending !== (page.endingBefore !== null);
  // Of two bounds at the end where the walk starts SQLite takes either, and passes by all that lies between them: only
  // the narrower one is said.
  const start = isUpwards ? range.from : range.to;
  const isOutside =
    cursor !== null &&
    start !== null &&
    (isUpwards ? Number(cursor[firstKey]) < start : Number(cursor[firstKey]) > start);
  const startsAtCursor = cursor !== null && !isOutside;
  const where: SQL | undefined = and(
    startsAtCursor
      ? sql`${tuple(columns)} ${sql.raw(isUpwards ? ">" : "<")} ${tuple(keys.map((key) => sql`${cursor[key]}`))}`
      : undefined,
    range.from === null || (isUpwards && startsAtCursor) ? undefined : gte(first, range.from),
    range.to === null || (!isUpwards && startsAtCursor) ? undefined : lte(first, range.to),
  );
  const direction = isUpwards ? asc : desc;
  return { where, orderBy: columns.map((column) => direction(column)), limit: page.limit + 1 };
}

function tuple(parts: readonly SQLWrapper[]): SQL {
  return sql`(${sql.join([...parts], sql`, `)})`;
}
