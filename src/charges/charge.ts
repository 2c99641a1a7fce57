// A charge: one payment that somebody else collected and this service refunds.
import type { Disputes } from "../disputes/dispute.ts";
import { isId } from "../ids.ts";

/** Pairs the merchant keeps beside an object. */
export type Metadata = Record<string, string>;

/** The facts of a charge. Amounts in minor units of `currency`, times in Unix seconds. */
export interface Charge {
  id: string;
  app: string;
  livemode: boolean;
  created: number;
  paid: boolean;
  reversed: boolean;
  channel: string;
  orderNo: string;
  clientIp: string | null;
  amount: number;
  amountSettle: number;
  currency: string;
  subject: string;
  body: string;
  extra: Record<string, unknown>;
  timePaid: number | null;
  timeExpire: number | null;
  timeSettle: number | null;
  transactionNo: string | null;
  /** Refunded elsewhere before the charge was recorded; held for ever. */
  refundedElsewhere: number;
  /** Under an open or lost dispute; not refundable. */
  disputed: number;
  /** By the channel's id; absent until there is one. */
  disputes?: Disputes;
  metadata: Metadata;
  description: string | null;
  /** The version in which description or metadata changed last; absent for the first. */
  described?: number;
  /** Grows with every change, the refunds' included; guards the projection. */
  version: number;
}

/** Why a charge takes no new refunds: money contradicts the books, or its ledger was lost. */
export type Freeze = "conflict" | "lost";

/** The name of a charge's ledger, for ever: `{app}/{test|live}/{charge id}`. */
export function ledgerName(app: string, livemode: boolean, charge: string): string {
  return `${app}/${livemode ? "live" : "test"}/${charge}`;
}

export const isChargeId = (id: string): boolean => isId("charge", id);
