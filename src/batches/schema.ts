// The batch on the wire: what a client sends, and what it sees.
import * as z from "zod";
import { createdQuery, pageQuery } from "../http/pagination.ts";
import { listObject, listSchema, metadataSchema, plainText } from "../http/wire.ts";
import { FUNDING_SOURCES, type Refund, STATUSES } from "../refunds/refund.ts";
import { promisedRefund } from "../refunds/reserve-refund.ts";
import { type RefundObject, refundObject, refundSchema } from "../refunds/schema.ts";
import { BATCH_MAX, BATCH_STATUSES, type Batch, type BatchItem, batchStatusOf } from "./batch.ts";
import { itemCommand, type Sender } from "./item-command.ts";

/** How many refunds a batch in a list carries with it; one that is retrieved has all of them. */
export const LISTED_REFUNDS = 10;

/** A charge's id alone stands for everything that is left of it. A misspelt `amout` would, too, so it is refused. */
const itemSchema = z.preprocess(
  (given) => (typeof given === "string" ? { charge: given } : given),
  z.strictObject({
    charge: z.string().min(1).max(64),
    amount: z.int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
    description: plainText(1, 255).optional(),
    funding_source: z.enum(FUNDING_SOURCES).optional(),
  }),
);

export const createBatchSchema = z.object({
  app: z.union([z.string(), z.object({ id: z.string() })]).nullish(),
  batch_no: z.string().refine((no) => /^[0-9A-Za-z]{3,24}$/.test(no), { error: "batch_no" }),
  charges: z.array(itemSchema).min(1).max(BATCH_MAX, { error: "too_many_charges" }),
  description: plainText(1, 255),
  metadata: metadataSchema,
});
export type CreateBatchBody = z.output<typeof createBatchSchema>;

/** Ping++ counts pages; a cursor stays where it is while batches are added. */
export const batchListQuery = z.object({
  ...pageQuery(100, 10),
  ...createdQuery,
  page: z
    .string()
    .regex(/^\d{1,4}$/)
    .transform(Number)
    .pipe(z.int().min(1).max(1000))
    .optional(),
  per_page: z
    .string()
    .regex(/^\d{1,9}$/)
    .transform(Number)
    .pipe(z.int().min(1).max(100))
    .optional(),
});

export const batchSchema = z.object({
  id: z.string(),
  object: z.literal("batch_refund"),
  app: z.string(),
  livemode: z.boolean(),
  created: z.int(),
  batch_no: z.string(),
  description: z.string(),
  metadata: z.record(z.string(), z.string()),
  charges: z.array(
    z.object({
      charge: z.string(),
      refund: z.string(),
      status: z.enum(["created", ...STATUSES]),
      failure_msg: z.string().nullable(),
      amount: z.int(),
      description: z.string(),
      funding_source: z.enum(FUNDING_SOURCES).optional(),
    }),
  ),
  refunds: listSchema(refundSchema).extend({ url: z.null() }),
  refund_url: z.null(),
  status: z.enum(BATCH_STATUSES),
  time_succeeded: z.int().nullable(),
});
export type BatchObject = z.output<typeof batchSchema>;

/** A refund of a batch as far as D1 has it. */
export interface MadeRefund {
  id: string;
  status: (typeof STATUSES)[number];
  failureMsg: string | null;
  /** Null where it is not to be shown. */
  doc: Refund | null;
}

/** Renders a batch with those of its refunds that are made, and no more than `shown` of all. */
export function batchObject(
  batch: Batch,
  refunds: readonly MadeRefund[],
  shown: number = BATCH_MAX,
): BatchObject {
  const made = new Map(refunds.map((refund) => [refund.id, refund]));
  const { items } = batch;
  return {
    id: batch.id,
    object: "batch_refund",
    app: batch.app,
    livemode: batch.livemode,
    created: batch.created,
    batch_no: batch.batchNo,
    description: batch.description,
    metadata: batch.metadata,
    charges: items.map((item) => {
      const refund = made.get(item.refund);
      return {
        charge: item.charge,
        refund: item.refund,
        status: refund?.status ?? "created",
        failure_msg: refund?.failureMsg ?? null,
        amount: item.amount,
        description: item.description ?? batch.description,
        ...(item.fundingSource === undefined ? {} : { funding_source: item.fundingSource }),
      };
    }),
    refunds: {
      ...listObject(
        "",
        items.slice(0, shown).map((item) => itemRefund(batch, item, made.get(item.refund)?.doc ?? null)),
        items.length > shown,
      ),
      url: null,
    },
    refund_url: null,
    status: batchStatusOf(batch, refunds.length),
    time_succeeded: batch.timeSucceeded,
  };
}

/** What the sender of a batch knew shows in no refund. */
const ANYBODY: Sender = {
  apiKey: "",
  language: "zh",
  request: "",
  requestedAt: 0,
  accounts: {},
  rules: { windows: {}, refundsMax: 0, refundAttemptsMax: 0, duplicateWindowMs: 0 },
};

/** The refund as it is, or as it was promised while its ledger has not made it. */
function itemRefund(batch: Batch, item: BatchItem, made: Refund | null): RefundObject {
  const promised = () => promisedRefund(itemCommand(batch, item, ANYBODY), item.amount, batch.created * 1000);
  return refundObject(made ?? promised(), { id: item.charge, orderNo: item.orderNo, app: batch.app });
}
