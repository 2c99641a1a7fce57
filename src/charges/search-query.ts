// The query string of a search for charges: its filters.
import * as z from "zod";
import { createdQuery, createdRangeOf, type Range, rangeOf } from "../http/pagination.ts";
import { describedQuery, type RawQuery, wantedPairs, wantedWords } from "../search/query.ts";
import type { Description } from "../search/repository.ts";

const flag = z
  .enum(["true", "false"])
  .transform((text) => text === "true")
  .optional();

/** The query keys of the filters, to be spread into a route's query schema. */
export const chargeFilterQuery = {
  ...createdQuery,
  ...describedQuery,
  paid: flag,
  refunded: flag,
  frozen: flag,
};

const filterSchema = z.object(chargeFilterQuery);

/** Which charges are asked for: all that meet each filter; null, or empty, where there is none. */
export interface ChargeFilter extends Description {
  channel: string | null;
  currency: string | null;
  /** Minor units. */
  amount: Range;
  /** Unix seconds. */
  created: Range;
  orderNo: string | null;
  transactionNo: string | null;
  paid: boolean | null;
  refunded: boolean | null;
  /** Whether it takes no new refunds until an operator has looked. */
  frozen: boolean | null;
}

/** `raw` is the whole query string, as `c.req.queries()` has it. Throws a problem for a filter that cannot be. */
export function chargeFilterOf(query: z.output<typeof filterSchema>, raw: RawQuery): ChargeFilter {
  return {
    channel: query.channel ?? null,
    currency: query.currency ?? null,
    amount: rangeOf("amount", query),
    created: createdRangeOf(query),
    words: wantedWords(query.description),
    pairs: wantedPairs(raw),
    orderNo: query.order_no ?? null,
    transactionNo: query.transaction_no ?? null,
    paid: query.paid ?? null,
    refunded: query.refunded ?? null,
    frozen: query.frozen ?? null,
  };
}
