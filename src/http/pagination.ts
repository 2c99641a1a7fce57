// Pages of a list, newest first, and the query string that asks for one. Ties of `created` are broken by the sequence
// of creation. `starting_after` goes on to older items, `ending_before` back to newer ones; either way the page is
// adjacent to its cursor and `has_more` tells of more in the direction of travel.
import * as z from "zod";
import { invalid } from "./problem.ts";

export interface Page {
  limit: number;
  startingAfter: string | null;
  endingBefore: string | null;
}

/** Bounds of `created` in Unix seconds, both inclusive; null where there is none. */
export interface CreatedRange {
  from: number | null;
  to: number | null;
}

/** Unix seconds up to the year 9999. */
const seconds = z
  .string()
  .regex(/^\d{1,12}$/)
  .transform(Number)
  .optional();

/** The query keys of a page, to be spread into a route's query schema. */
export function pageQuery(limitMax: number, limitDefault: number) {
  return {
    limit: z
      .string()
      .regex(/^\d{1,9}$/)
      .transform(Number)
      .pipe(z.int().min(1).max(limitMax))
      .default(limitDefault),
    starting_after: z.string().min(1).max(64).optional(),
    ending_before: z.string().min(1).max(64).optional(),
  };
}

/** The query keys of a range of `created`, to be spread into a route's query schema. */
export const createdQuery = {
  created: seconds,
  "created[gt]": seconds,
  "created[gte]": seconds,
  "created[lt]": seconds,
  "created[lte]": seconds,
};

/** The page a validated query asks for. Throws a problem when it names both cursors. */
export function pageOf(query: { limit: number; starting_after?: string; ending_before?: string }): Page {
  if (query.starting_after !== undefined && query.ending_before !== undefined) {
    throw invalid(
      "ending_before",
      "不能同时使用 starting_after 和 ending_before",
      "give either starting_after or ending_before, not both",
    );
  }
  return {
    limit: query.limit,
    startingAfter: query.starting_after ?? null,
    endingBefore: query.ending_before ?? null,
  };
}

type CreatedQuery = { [Key in keyof typeof createdQuery]?: number };

/** The range a validated query asks for; several bounds hold together. */
export function createdRangeOf(query: CreatedQuery): CreatedRange {
  const from: number[] = [];
  const to: number[] = [];
  const { created, "created[gt]": gt, "created[gte]": gte, "created[lt]": lt, "created[lte]": lte } = query;
  if (created !== undefined) {
    from.push(created);
    to.push(created);
  }
  if (gt !== undefined) from.push(gt + 1);
  if (gte !== undefined) from.push(gte);
  if (lt !== undefined) to.push(lt - 1);
  if (lte !== undefined) to.push(lte);
  return {
    from: from.length === 0 ? null : Math.max(...from),
    to: to.length === 0 ? null : Math.min(...to),
  };
}

/** The name of the cursor a page starts from, for the problem that it is unknown; null for the first page. */
export function cursorOf(page: Page): { param: "starting_after" | "ending_before"; id: string } | null {
  if (page.startingAfter !== null) return { param: "starting_after", id: page.startingAfter };
  if (page.endingBefore !== null) return { param: "ending_before", id: page.endingBefore };
  return null;
}

/** Refuses a cursor that names nothing in this list. */
export function unknownCursor(param: string, id: string) {
  return invalid(param, `未找到 ${id}`, `there is no ${id} in this list`);
}

/**
 * Makes a page of the items nearest to its cursor in the direction of travel, of which one more than `limit` were
 * asked for.
 */
export function cutPage<Item>(nearest: readonly Item[], page: Page): { items: Item[]; hasMore: boolean } {
  const items = nearest.slice(0, page.limit);
  if (page.endingBefore !== null) items.reverse();
  return { items, hasMore: nearest.length > page.limit };
}
