// A batch: up to a hundred charges refunded by one request. It is kept whole before any refund of it is made, and what
// it comes to follows from its refunds alone.
import type { Freeze, Metadata } from "../charges/charge.ts";
import { type FundingSource, isFinal, type State } from "../refunds/refund.ts";
import type { Refusal } from "../refunds/refusal.ts";

/** How many charges one batch may name. */
export const BATCH_MAX = 100;

/** As it is kept: a batch is processed until every refund of it has ended. */
export const BATCH_STATES = ["processing", "succeeded", "failed", "partially_succeeded"] as const;
export type BatchState = (typeof BATCH_STATES)[number];

/** Ping++'s words for clients: a batch is `created` until the first refund is made, and `pending` from then on. */
export const BATCH_STATUSES = ["created", "pending", "succeeded", "failed", "partially_succeeded"] as const;
export type BatchStatus = (typeof BATCH_STATUSES)[number];

/** One charge of a batch, and the refund that is made of it. */
export interface BatchItem {
  charge: string;
  orderNo: string;
  refund: string;
  /** Minor units of the charge's currency. */
  amount: number;
  /** The batch's own when absent. */
  description?: string;
  fundingSource?: FundingSource;
}

export interface Batch {
  id: string;
  app: string;
  livemode: boolean;
  batchNo: string;
  description: string;
  metadata: Metadata;
  items: readonly BatchItem[];
  state: BatchState;
  /** Unix seconds. */
  created: number;
  timeSucceeded: number | null;
}

/** What the batch has come to, given those of its refunds that were made; null while one of them may still change that. */
export function outcomeOf(
  batch: Pick<Batch, "items">,
  refunds: readonly { state: State }[],
): Exclude<BatchState, "processing"> | null {
  if (refunds.length < batch.items.length || !refunds.every(isFinal)) return null;
  const succeeded = refunds.filter(({ state }) => state === "succeeded").length;
  if (succeeded === refunds.length) return "succeeded";
  return succeeded === 0 ? "failed" : "partially_succeeded";
}

/** The client's word for it; `made` is how many of its refunds their ledgers have. */
export function batchStatusOf(batch: Pick<Batch, "state">, made: number): BatchStatus {
  if (batch.state !== "processing") return batch.state;
  return made === 0 ? "created" : "pending";
}

/** A charge as D1 knows it. Amounts in minor units. */
export interface KnownCharge {
  id: string;
  orderNo: string;
  amount: number;
  paid: boolean;
  reversed: boolean;
  freeze: Freeze | null;
  refunded: number;
  pending: number;
  disputed: number;
  /** How many refunds were made of it, failed ones included. */
  attempts: number;
}

/** What D1 believes can still be refunded. */
export function leftOf(charge: KnownCharge): number {
  return Math.max(0, charge.amount - charge.refunded - charge.pending - charge.disputed);
}

/**
 * Why a charge cannot be in a batch, as far as D1 knows, in the order in which its ledger would say so. What only the
 * ledger knows is left to it, and comes too late for the request.
 */
export function refusalOf(
  charge: KnownCharge,
  amount: number | undefined,
  attemptsMax: number,
): Refusal | null {
  const { id, freeze } = charge;
  if (freeze !== null) return { code: "charge_frozen", freeze, charge: id };
  if (!charge.paid) return { code: "charge_not_paid", charge: id };
  if (charge.reversed) return { code: "charge_reversed", charge: id };
  if (charge.refunded >= charge.amount)
    return { code: "fully_refunded", charge: id, orderNo: charge.orderNo };
  // A promise is always kept, if only as a refund that has failed: here is where they are bounded.
  if (charge.attempts >= attemptsMax) return { code: "too_many_refunds", limit: attemptsMax };
  const refundable = leftOf(charge);
  if (refundable > 0 && (amount ?? refundable) <= refundable) return null;
  const undisputed = charge.amount - charge.refunded - charge.pending;
  if (charge.disputed > 0 && undisputed > 0 && (amount ?? 0) <= undisputed) {
    return { code: "charge_disputed", refundable };
  }
  return { code: "refund_amount_exceeded", refundable };
}
