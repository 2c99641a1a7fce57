// The query string of a search for refunds: its filters, for every route that takes them.
import * as z from "zod";
import { isChargeId } from "../charges/charge.ts";
import { createdQuery, createdRangeOf, type Range, rangeOf } from "../http/pagination.ts";
import { isId } from "../ids.ts";
import { describedQuery, type RawQuery, wantedPairs, wantedWords } from "../search/query.ts";
import type { Description } from "../search/repository.ts";
import { APPROVALS, ATTENTIONS, type Attention, STATUSES, type Status } from "./refund.ts";

/** The query keys of the filters, to be spread into a route's query schema. */
export const refundFilterQuery = {
  ...createdQuery,
  ...describedQuery,
  status: z.enum(STATUSES).optional(),
  refund_no: z
    .string()
    .regex(/^[0-9A-Za-z_\-|*@]{1,64}$/)
    .optional(),
  attention: z.enum(["any", ...ATTENTIONS]).optional(),
  approval: z.enum(APPROVALS).optional(),
  charge: z.string().refine(isChargeId).optional(),
  batch: z
    .string()
    .refine((id) => isId("batch", id))
    .optional(),
};

const filterSchema = z.object(refundFilterQuery);
export type RefundFilterQuery = z.output<typeof filterSchema>;

/** Which refunds are asked for: all that meet each filter; null, or empty, where there is none. */
export interface RefundFilter extends Description {
  status: Status | null;
  channel: string | null;
  currency: string | null;
  /** Minor units. */
  amount: Range;
  /** Unix seconds. */
  created: Range;
  refundNo: string | null;
  /** The merchant's number of the charge. */
  orderNo: string | null;
  transactionNo: string | null;
  attention: "any" | Attention | null;
  approval: (typeof APPROVALS)[number] | null;
  charge: string | null;
  batch: string | null;
}

/** `raw` is the whole query string, as `c.req.queries()` has it. Throws a problem for a filter that cannot be. */
export function refundFilterOf(query: RefundFilterQuery, raw: RawQuery): RefundFilter {
  return {
    status: query.status ?? null,
    channel: query.channel ?? null,
    currency: query.currency ?? null,
    amount: rangeOf("amount", query),
    created: createdRangeOf(query),
    words: wantedWords(query.description),
    pairs: wantedPairs(raw),
    refundNo: query.refund_no ?? null,
    orderNo: query.order_no ?? null,
    transactionNo: query.transaction_no ?? null,
    attention: query.attention ?? null,
    approval: query.approval ?? null,
    charge: query.charge ?? null,
    batch: query.batch ?? null,
  };
}
