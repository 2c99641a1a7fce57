// The port every payment channel implements. A channel decides whether money moved; this service only asks.
// A connector never throws for what the channel said: it translates every answer into a verdict, and what it
// cannot place is `unknown`. It keeps no state of its own: `memory` travels with the refund instead.
import type { Random } from "../ids.ts";
import type { Attention, FailureCode } from "../refunds/refund.ts";

/** What the channel is asked to do. The number never changes for a refund: it is the only fence against paying twice. */
export interface RefundOrder {
  /** The refund's number at the channel; connectors shape it to their alphabet by a pure function. */
  number: string;
  /** Minor units of `currency`. */
  amount: number;
  currency: string;
  /** The whole charge, minor units. */
  chargeAmount: number;
  charge: string;
  chargeOrderNo: string;
  /** The channel's serial number of the payment. */
  transactionNo: string | null;
  channel: string;
  livemode: boolean;
  description: string;
  fundingSource: string | null;
  /** How often this number has been submitted, this time included. */
  attempt: number;
  /** When it was first submitted, ms since the epoch; null before the first time. */
  submittedAt: number | null;
  /** When the refund was created, Unix seconds. */
  created: number;
  /** What the connector asked to be remembered with the last verdict. */
  memory: string | null;
}

/** An account at a channel, pinned on the refund at its first send. `credentials` stay sealed until a connector opens them. */
export interface ChannelAccount {
  app: string;
  livemode: boolean;
  channel: string;
  id: string;
  revision: number;
  /** Who the merchant is at the channel. */
  merchant: string;
  credentials: string;
}

interface VerdictFacts {
  /** The number, amount and currency the channel speaks of; amount and currency are null where it does not say. */
  number: string;
  amount: number | null;
  currency: string | null;
  /** When the channel was asked (ms): a verdict older than the last one applied is dropped. */
  askedAt: number;
  /** Replaces the refund's `memory` when given. */
  memory?: string;
}

/** What a channel says of a refund. Only `declined` releases money, and only when no earlier attempt is in doubt. */
export type Verdict = VerdictFacts &
  (
    | {
        kind: "succeeded";
        transactionNo: string | null /** Unix seconds; now when absent. */;
        succeededAt?: number;
      }
    | {
        kind: "declined";
        /** The channel's own code and words, kept in `extra`. */
        code: string;
        words: string;
        failureCode?: FailureCode;
        /** Nothing was ever sent to the channel under this number. */
        unsent?: true;
        /** The channel could not read what we sent: a mistake of ours, which an operator must hear of. */
        malformed?: true;
      }
    | {
        kind: "accepted";
        transactionNo?: string | null;
        attention?: Attention;
        /** A page the merchant must open. */
        url?: string;
        /** ms since the epoch. */
        askAgainAt?: number;
      }
    /** Certainly not sent; `retryAt` in ms since the epoch. */
    | { kind: "notSent"; reason: "throttled" | "configuration"; retryAt: number }
    /** `missing`: later keys of its account do not find it, and those it was sent with cannot be asked with any more. */
    | { kind: "unknown"; failureCode?: FailureCode; words?: string; missing?: true }
    | { kind: "notFound" }
  );

export interface ChannelFacts {
  /** The channel refunds a charge once, whole, or not at all. */
  fullRefundOnly: boolean;
  /** How long after payment the channel still refunds, in seconds. */
  windowSeconds: number;
  /** The smallest gap between two refunds of a charge. */
  spacingMs: number;
  /** How long after a submission a "not found" begins to mean that it never arrived. */
  settlingMs: number;
  /** Refunds are paid by a person, who claims them first. */
  byHand?: true;
  /** Keys of another merchant could not pass for this one's: any revision of an account speaks for all of its refunds. */
  keysProveMerchant?: true;
}

/** `signal` fires when the asker has stopped listening; whatever comes later is lost and must be asked for again. */
export interface Channel {
  facts(order: { channel: string; description: string }): ChannelFacts;
  refund(
    order: RefundOrder,
    account: ChannelAccount | null,
    now: number,
    signal: AbortSignal,
  ): Promise<Verdict>;
  query(
    order: RefundOrder,
    account: ChannelAccount | null,
    now: number,
    signal: AbortSignal,
  ): Promise<Verdict>;
  /** Confirms a payment before its first live refund, where the channel can be asked. */
  verifyPayment?(
    payment: Payment,
    account: ChannelAccount,
    now: number,
    signal: AbortSignal,
  ): Promise<PaymentCheck>;
  /** Proves the credentials without moving money, where the channel allows it. */
  check?(account: ChannelAccount, now: number, signal: AbortSignal): Promise<AccountCheck>;
  /** Reads what the channel sent by itself. `now` in ms. */
  readNotice?(notice: Notice, account: ChannelAccount, now: number): Promise<NoticeReading>;
  /** What the channel wants to hear about a notice. */
  noticeAnswer?(outcome: "kept" | "refused" | "failed"): NoticeAnswer;
  /** What the credentials of an account must look like. Throws a `CredentialsError` that names the field and why. */
  readCredentials?(credentials: unknown): Promise<AccountFacts>;
}

/** A payment as it was recorded. */
export interface Payment {
  transactionNo: string | null;
  orderNo: string;
  amount: number;
  currency: string;
}

/** `mismatch` says in which fact the channel's books differ. */
export type PaymentCheck =
  | { kind: "paid"; transactionNo: string | null }
  | { kind: "mismatch"; fact: "amount" | "currency" | "number" | "unpaid" | "not_found" }
  | { kind: "unknown" };

export type AccountCheck =
  | { kind: "ok" }
  | { kind: "refused"; code: string; words: string }
  | { kind: "unknown"; words: string };

/** What is public about an account: who the merchant is at the channel, and short names of its keys. */
export interface AccountFacts {
  /** The merchant's id at the channel; never changes for an account. */
  merchant: string;
  /** Names of what verifies notices and answers, never the keys themselves; two can be live at once. */
  noticeKeys: string[];
}

/** Credentials that cannot be used; names the field, never its value. */
export class CredentialsError extends Error {
  readonly field: string;
  readonly reason: readonly [zh: string, en: string];

  constructor(field: string, zh: string, en: string) {
    super(`${field}: ${en}`);
    this.field = field;
    this.reason = [zh, en];
  }
}

/** A request of the channel's, exactly as it came. */
export interface Notice {
  headers: Headers;
  body: Uint8Array<ArrayBuffer>;
}

export type NoticeReading =
  /** `charge` where the notice itself names our charge; else its address does. */
  | { kind: "verdict"; verdict: Verdict; charge?: string }
  /** A payment is disputed, or a dispute of it has ended. Amount in minor units. */
  | {
      kind: "dispute";
      dispute: { id: string; status: "opened" | "won" | "lost"; amount: number; currency: string };
      charge?: string;
      /** The payment's serial numbers, any of which it may have been recorded under. */
      transactionNos: string[];
    }
  /** Signed, and about something that is no refund of ours to book. */
  | { kind: "ignored"; about: string }
  | { kind: "refused"; reason: "malformed" | "stale" | "serial" | "signature" };

export interface NoticeAnswer {
  status: number;
  body: string | null;
  contentType?: string;
}

/** What a live connector stands on. */
export interface ConnectorPorts {
  /** The channel's address, without a trailing slash. */
  baseUrl: string;
  fetch(url: string, init: RequestInit): Promise<Response>;
  random: Random;
  /** Opens an account's sealed credentials; throws when they cannot be opened. */
  credentials(account: ChannelAccount): Promise<unknown>;
  /** Where the channel is to send notices about refunds of a charge; null while the service has no public address. */
  notifyUrl(account: ChannelAccount, charge: string): Promise<string | null>;
}

const DAY = 86_400;
const WINDOWS: [prefix: string, days: number][] = [
  ["alipay", 90],
  ["wx", 365],
  ["upacp", 330],
];

/** The channels that refund only the whole amount, at once (in-app quick pay). */
const FULL_REFUND_ONLY = new Set(["cnp_u", "cnp_f"]);

/** What holds for a channel name in both modes, before a connector says otherwise. */
export function channelRules(channel: string): Pick<ChannelFacts, "fullRefundOnly" | "windowSeconds"> {
  const days = WINDOWS.find(([prefix]) => channel.startsWith(prefix))?.[1] ?? 365;
  return { fullRefundOnly: FULL_REFUND_ONLY.has(channel), windowSeconds: days * DAY };
}
