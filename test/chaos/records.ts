// What is known of a storm from outside once it is over: what clients asked and heard, what the channels and the
// receivers wrote into their own books, and what lies on the disk of the runtime that was killed. Nothing here was
// told by the code under test about itself, except its answers. The checks read this and nothing else.
import type { Export } from "../../src/charges/ledger-calls.ts";

export interface Shop {
  app: string;
  livemode: boolean;
  key: string;
}

/** A payment that a client has recorded, or is trying to. */
export interface RecordedCharge {
  id: string;
  app: string;
  livemode: boolean;
  channel: string;
  amount: number;
  currency: string;
  orderNo: string;
  transactionNo: string | null;
  /** When the first 200 came, ms; null while nobody said that it is recorded. */
  acknowledgedAt: number | null;
}

/** One request as it went over the wire, and what came back. */
export interface Attempt {
  /** ms. */
  begunAt: number;
  endedAt: number;
  /** Null: no answer, because the connection broke or the client left. */
  status: number | null;
  /** The answer's `Request-Id`. */
  request: string | null;
  replayed: string | null;
  body: unknown;
  /** Ledgers could fail meanwhile, so that a refund may have been promised before its ledger knew of it. */
  ledgersFail: boolean;
}

/** One thing a client wants, repeated until it is answered. */
export interface RefundWish {
  /** Stands in the refund's description. */
  token: string;
  shop: Shop;
  charge: string;
  /** Null: everything that is left. */
  amount: number | null;
  description: string;
  refundNo: string | null;
  idempotencyKey: string | null;
  /** The key belongs to this other wish, which had another amount. */
  reuses: string | null;
  attempts: Attempt[];
}

/** What somebody read, and when. */
export type Reading = { begunAt: number; endedAt: number; shop: Shop; ledgersFail: boolean } & (
  | { kind: "refund"; charge: string; refund: string; status: number; body: unknown }
  | { kind: "charge"; charge: string; status: number; body: unknown }
  /** All pages of a charge's refunds, one after another; `from` the newest, or the oldest. */
  | { kind: "pages"; charge: string; from: "newest" | "oldest"; ids: string[] }
  /** All pages of a shop's charges. */
  | { kind: "charges"; ids: string[] }
  /** Something other than what was wanted: a list, or a charge to be recorded. */
  | { kind: "refused"; path: string; status: number; body: unknown }
  /** Something of another shop's. */
  | { kind: "foreign"; path: string; status: number; body: unknown }
);

/** What a channel's own book says of one number. */
export interface BookedNumber {
  channel: string;
  /** As the refund's order_no. */
  number: string;
  /** The charge, for the sandbox; else the payment's serial number. */
  payment: string;
  amount: number;
  /** How often money set out under this number. */
  effects: number;
  moved: boolean;
  /** The channel itself says that it has not ended. */
  open: boolean;
}

/** A delivery as it arrived. */
export interface Receipt {
  path: string;
  id: string;
  body: string;
}

export interface EndpointRecord {
  id: string;
  shop: Shop;
  path: string;
  events: string[];
  /** Never fails: what is lost on the way to it is lost by the sender. */
  healthy: boolean;
}

export type Row = Record<string, string | number | null>;

export interface Rows {
  charges: Row[];
  refunds: Row[];
  events: Row[];
  deliveries: Row[];
  endpoints: Row[];
  commands: Row[];
  /** What D1 saw of writes that must not be. */
  sightings: Row[];
}

export interface Records {
  charges: RecordedCharge[];
  wishes: RefundWish[];
  readings: Reading[];
  booked: BookedNumber[];
  /** What the channels saw that must never happen. */
  channelViolations: string[];
  receipts: Receipt[];
  endpoints: EndpointRecord[];
  /** From the disk, by charge. */
  ledgers: Map<string, Export>;
  rows: Rows;
  /** What was still at work when patience ended; empty at rest. */
  restless: string[];
}

export interface Violation {
  /** I1 to I16, or "answer" for one that the contract does not allow. */
  rule: string;
  words: string;
  /** Whose story tells how it came to that. */
  charge: string | null;
}

/** The refund in a 200, as the client saw it. */
export interface SeenRefund {
  id: string;
  order_no: string;
  amount: number;
  status: "pending" | "succeeded" | "failed";
  succeed: boolean;
  time_succeed: number | null;
  description: string;
  charge: string;
  app: string;
}

export function answersOf(wish: RefundWish): { attempt: Attempt; refund: SeenRefund }[] {
  return wish.attempts
    .filter(({ status }) => status === 200)
    .map((attempt) => ({ attempt, refund: attempt.body as SeenRefund }));
}

/** Whether the client knows how it ended: a refund, or a no. */
export function isDefinite({ status }: Pick<Attempt, "status">): boolean {
  return status !== null && status < 500 && status !== 429;
}
