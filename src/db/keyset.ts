// Keyset pagination over D1: the WHERE and ORDER BY of a page in a list that is sorted by (created, seq), newest first.
// Reads `limit + 1` rows beside the cursor, however long the list is.
import { type AnyColumn, and, asc, desc, gte, lte, type SQL, sql } from "drizzle-orm";
import type { CreatedRange, Page } from "../http/pagination.ts";

/** The columns a list is sorted by; an index must end in them, in this order. */
export interface SortColumns {
  created: AnyColumn;
  seq: AnyColumn;
}

/** Where an item stands in the list. */
export interface Position {
  created: number;
  /** What breaks a tie: a sequence of creation, or an id where there is none. */
  seq: number | string;
}

/** `cursor` is the position of the item that the page names as its cursor; null for the first page. */
export function keyset(columns: SortColumns, page: Page, cursor: Position | null, range: CreatedRange) {
  const { created, seq } = columns;
  const backwards = page.endingBefore !== null;
  const beside =
    cursor === null
      ? undefined
      : sql`(${created}, ${seq}) ${sql.raw(backwards ? ">" : "<")} (${cursor.created}, ${cursor.seq})`;
  const where: SQL | undefined = and(
    beside,
    range.from === null ? undefined : gte(created, range.from),
    range.to === null ? undefined : lte(created, range.to),
  );
  const direction = backwards ? asc : desc;
  return { where, orderBy: [direction(created), direction(seq)], limit: page.limit + 1 };
}
