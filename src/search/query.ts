// The query string of a search: what all searched lists share. What is malformed is refused by its name; what is unknown
// is ignored, as everywhere.
import * as z from "zod";
import { rangeQuery } from "../http/pagination.ts";
import { invalid } from "../http/problem.ts";
import { isStorable } from "../http/storable.ts";
import { listSchema, plainText } from "../http/wire.ts";
import type { Sort, SortKey } from "./search.ts";
import { wordsOf } from "./terms.ts";

const PAIRS_MAX = 3;

const minorUnits = z
  .string()
  .regex(/^\d{1,16}$/)
  .transform(Number)
  .pipe(z.int().max(Number.MAX_SAFE_INTEGER))
  .optional();

/** Text that storage would keep: no other can be found. */
export function storedText(max: number) {
  return plainText(1, max).refine(isStorable, { error: "not_storable" });
}

/** The query keys of what objects are described by, and of their amount; `metadata[…]` has any key and is read apart. */
export const describedQuery = {
  channel: z.string().max(32).refine(isStorable).optional(),
  currency: z
    .string()
    .regex(/^[A-Za-z]{3}$/)
    .transform((code) => code.toLowerCase())
    .optional(),
  ...rangeQuery("amount", minorUnits),
  order_no: storedText(64).optional(),
  transaction_no: z
    .string()
    .regex(/^[\x21-\x7e]{1,128}$/)
    .optional(),
  description: storedText(255).optional(),
};

export const sortQuery = {
  sort: z.enum(["-created", "created", "-amount", "amount"]).default("-created"),
};

const included = z.enum(["total_count"]);
const inclusion = z.union([included, z.array(included).max(10)]).optional();

/** With it a list tells how many objects the filters find in all. */
export const includeQuery = { include: inclusion, "include[]": inclusion };

/** A list object around any schema, with the total if it was asked for. */
export function foundListSchema<Item extends z.ZodType>(item: Item) {
  return listSchema(item).extend({
    total_count: z.int().optional(),
    /** There are more than were counted. */
    total_count_capped: z.boolean().optional(),
  });
}

/** Every value of every name in the query string. */
export type RawQuery = Readonly<Record<string, readonly string[]>>;

export function wantsTotal(query: { include?: unknown; "include[]"?: unknown }): boolean {
  return query.include !== undefined || query["include[]"] !== undefined;
}

export function sortOf({ sort }: { sort: string }): Sort {
  return { by: sort.replace("-", "") as SortKey, ascending: !sort.startsWith("-") };
}

/** The words that a description must hold. Throws a problem when the text has none to look for. */
export function wantedWords(description: string | undefined): string[] {
  if (description === undefined) return [];
  const words = wordsOf(description);
  if (words.length > 0) return words;
  throw invalid(
    "description",
    "至少需要一个单词或两个相连的汉字",
    "it must hold a word, or two characters in a row of a script without spaces",
  );
}

/** The pairs that metadata must hold: `metadata[key]=value`, up to three. */
export function wantedPairs(raw: RawQuery): [key: string, value: string][] {
  const pairs: [string, string][] = [];
  for (const [name, values] of Object.entries(raw)) {
    if (name !== "metadata" && !name.startsWith("metadata[")) continue;
    const key = /^metadata\[(.+)\]$/su.exec(name)?.[1];
    if (key === undefined || !isStorable(key)) {
      throw invalid(name, "格式应为 metadata[键]=值", "it must read metadata[key]=value");
    }
    const [value, ...others] = values;
    if (value === undefined || others.length > 0 || !isStorable(value)) {
      throw invalid(name, "每个键只能有一个值", "a key takes one value");
    }
    pairs.push([key, value]);
    if (pairs.length > PAIRS_MAX) {
      throw invalid(name, `最多 ${PAIRS_MAX} 个键值对`, `there may be ${PAIRS_MAX} pairs at most`);
    }
  }
  return pairs;
}
