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

/** Bounds of a number, both inclusive; null where there is none. */
export interface Range {
  from: number | null;
  to: number | null;
}

/** Of `created`, in Unix seconds. */
export type CreatedRange = Range;

export const UNBOUNDED: Range = { from: null, to: null };

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

/** What a range is asked for by: the value itself, or bounds of it. */
type RangeKey<Name extends string> = Name | `${Name}[${"gt" | "gte" | "lt" | "lte"}]`;

/** The query keys of a range, to be spread into a route's query schema. */
export function rangeQuery<Name extends string, Bound extends z.ZodType<number | undefined>>(
  name: Name,
  bound: Bound,
) {
  const keys = [name, `${name}[gt]`, `${name}[gte]`, `${name}[lt]`, `${name}[lte]`];
  return Object.fromEntries(keys.map((key) => [key, bound])) as Record<RangeKey<Name>, Bound>;
}

/** The query keys of a range of `created`. */
export const createdQuery = rangeQuery("created", seconds);

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

/** The range a validated query asks for; several bounds hold together. */
export function rangeOf<Name extends string>(
  name: Name,
  query: { [Key in RangeKey<Name>]?: number | undefined },
): Range {
  const given = query as Record<string, number | undefined>;
  const [is, gt, gte, lt, lte] = ["", "[gt]", "[gte]", "[lt]", "[lte]"].map((bound) => given[name + bound]);
  const from = [is, gt === undefined ? undefined : gt + 1, gte].filter((bound) => bound !== undefined);
  const to = [is, lt === undefined ? undefined : lt - 1, lte].filter((bound) => bound !== undefined);
  return {
    from: from.length === 0 ? null : Math.max(...from),
    to: to.length === 0 ? null : Math.min(...to),
  };
}

export function createdRangeOf(query: { [Key in RangeKey<"created">]?: number | undefined }): CreatedRange {
  return rangeOf("created", query);
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

/**
 * The position of the item that the page names as its cursor, null for the first page; `find` looks it up in the list.
 * Throws a problem when it is not there.
 */
export async function positionOf<Found>(
  page: Page,
  find: (id: string) => Promise<Found | null>,
): Promise<Found | null> {
  const cursor = cursorOf(page);
  if (cursor === null) return null;
  const position = await find(cursor.id);
  if (position === null) throw unknownCursor(cursor.param, cursor.id);
  return position;
}
