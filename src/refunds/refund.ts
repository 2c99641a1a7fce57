// A refund: its states, the words a client sees for them, and the record the ledger keeps of it.
import type { Metadata } from "../charges/charge.ts";

/** The ledger's states. Cancelling is possible from `waiting` alone: nothing has been sent yet. */
export const STATES = ["waiting", "submitting", "unknown", "accepted", "succeeded", "failed"] as const;
export type State = (typeof STATES)[number];

/** What a client sees; no fourth word, because shops switch on these three. */
export const STATUSES = ["pending", "succeeded", "failed"] as const;
export type Status = (typeof STATUSES)[number];

/** Every legal move. Leaving `succeeded` or `failed` also needs a query begun after the contradiction was heard. */
export const TRANSITIONS: Record<State, readonly State[]> = {
  waiting: ["submitting", "failed"],
  submitting: ["waiting", "unknown", "accepted", "succeeded", "failed"],
  unknown: ["submitting", "accepted", "succeeded", "failed"],
  accepted: ["succeeded", "failed"],
  succeeded: ["failed"],
  failed: ["succeeded"],
};

/** Reasons why a person is needed: a flag beside the state, never a state. */
export const ATTENTIONS = [
  "channel_abnormal",
  "conflict",
  "overdue",
  "amount_mismatch",
  "operator_url",
  "already_refunded",
  "configuration",
] as const;
export type Attention = (typeof ATTENTIONS)[number];

/** Ping++'s failure codes, and two of ours for refunds that a person stopped. */
export const FAILURE_CODES = [
  "refund_refused_msg",
  "refund_refused",
  "refund_retry",
  "refund_failed",
  "refund_pending",
  "refund_wait_operation",
  "refund_manual_intervention",
  "refund_unexpected_status",
  "refund_not_found",
  "refund_info_from_channel",
  "channel_connection_error",
  "channel_request_error",
  "channel_parse_error",
  "channel_sign_error",
  "refund_canceled",
  "refund_rejected",
] as const;
export type FailureCode = (typeof FAILURE_CODES)[number];

/** Where the approval of a refund above the app's limit stands. */
export const APPROVALS = ["required", "approved", "rejected"] as const;

/** Who decided, with which key and why; `at` in ms. All null until then. */
export interface Approval {
  status: (typeof APPROVALS)[number];
  by: string | null;
  apiKey: string | null;
  reason: string | null;
  at: number | null;
}

/** Why a refund changed. */
export const CAUSES = [
  "created",
  /** Promised to the client before its ledger could refuse it. */
  "refused",
  "sent",
  /** The channel's answer to a submission, to a question, or what it said by itself. */
  "answered",
  "queried",
  "notified",
  "moved",
  "canceled",
  "approved",
  "rejected",
  "claimed",
  "resolved",
  "updated",
  /** Its ledger was lost, and took it over from D1. */
  "restored",
  /** It is due, and kept: unapproved for seven days, or its charge has not the money for it any more. */
  "held",
  /** An operator lifted the freeze of its charge. */
  "adopted",
] as const;
export type Cause = (typeof CAUSES)[number];

/** Who changed it: the channel, the service itself, an API key, or a person who used one. */
export interface Actor {
  type: "channel" | "system" | "key" | "person";
  /** The key's id. */
  key?: string;
  /** The person's name as given. */
  by?: string;
}

/** One thing that happened to a refund, as it is kept: short, because ledgers are small. */
export interface TimelineEntry {
  version: number;
  /** ms. */
  at: number;
  state: State;
  cause: Cause;
  actor: Actor;
  /** The channel's code and words, or a person's reason. */
  code?: string;
  words?: string;
  attention?: Attention;
}

export const FUNDING_SOURCES = ["unsettled_funds", "recharge_funds"] as const;
export type FundingSource = (typeof FUNDING_SOURCES)[number];

export const LANGUAGES = ["zh", "en"] as const;
export type Language = (typeof LANGUAGES)[number];

/** What tells a client's repeat of a request without keys from a second, equal refund. */
export interface Fingerprints {
  apiKey: string;
  /** SHA-256 of the raw body. */
  body: string;
  /** The verified `Pingplusplus-Signature`, if one was sent. */
  signature: string | null;
  /** `Pingplusplus-Request-Timestamp`, Unix seconds, if one was sent. */
  timestamp: number | null;
  /** Whether an official SDK sent it: those repeat POSTs by themselves. */
  pingpp: boolean;
}

/** A decline heard while an earlier attempt was in doubt: it ends the refund once a later query confirms it. */
export interface ProvisionalDecline {
  code: string;
  words: string;
  failureCode: FailureCode | null;
}

/** One refund as its ledger keeps it. Times in ms since the epoch unless they are the wire's (seconds). */
export interface Refund {
  id: string;
  /** Position within the charge, from 1: the order of creation. */
  seq: number;
  /** Minor units of the charge's currency. */
  amount: number;
  /** Unix seconds. */
  created: number;
  description: string;
  metadata: Metadata;
  fundingSource: FundingSource | null;
  /** The caller's own `extra`. */
  extra: Record<string, unknown>;
  refundNo: string | null;
  idempotencyKey: string | null;
  /** SHA-256 of the canonical parameters; null for a refund made without request keys. */
  fingerprint: string | null;
  repeats: Fingerprints | null;
  /** The creating request, and when it came, ms by its Worker's clock. */
  request: string;
  requestedAt: number;
  /** How long the creating request was ready to wait for a verdict. */
  waitMs: number;
  apiKey: string;
  language: Language;

  state: State;
  /** Grows by one with every change. */
  version: number;
  /** The version D1 is known to have. */
  synced: number;
  /** When D1 should have the current version; null when it has it. */
  syncDueAt: number | null;
  /** When the ledger must act next; null when nothing is left to do. */
  dueAt: number | null;
  /** Until when a call to the channel may still be under way. */
  leaseUntil: number | null;
  /** The next step is to submit the number; otherwise the channel is asked about it first. */
  clearToSubmit: boolean;
  /** Submissions of the number so far. */
  attempts: number;
  firstSubmittedAt: number | null;
  lastSubmittedAt: number | null;
  /** How many times in a row the channel left the outcome open; picks the next delay. */
  openAnswers: number;
  /** An attempt's outcome is unknown: it may still land. */
  inDoubt: boolean;
  provisional: ProvisionalDecline | null;
  /** A final state was contradicted at this time: only a query begun later may leave it. */
  contradictedAt: number | null;
  /** When the last applied verdict was asked for. */
  askedAt: number | null;
  account: { id: string; revision: number } | null;
  /** What the connector asked to be remembered. */
  memory: string | null;

  /** Unix seconds. */
  timeSucceed: number | null;
  transactionNo: string | null;
  failureCode: FailureCode | null;
  failureMsg: string | null;
  channelCode: string | null;
  channelMessage: string | null;
  attention: Attention | null;

  /** The payment is to be confirmed at the channel before this refund is sent, unless that has been done. */
  verifies?: true;
  /** Who is at it by hand: two people must not pay the same refund. */
  claim?: { by: string; at: number };
  /** It is sent only once somebody has approved it. */
  approval?: Approval;
  /** Not sent before, ms: the app's delay. */
  notBefore?: number;
  /** It takes back the whole payment: its charge is reversed while this has succeeded. */
  reverses?: true;
  /** The batch it was made by. */
  batch?: string;
  /** What the channel was told as description, where that has changed since. */
  sentDescription?: string;
  /** The version in which description or metadata changed last; absent for the first. */
  described?: number;
  /** What happened to it, oldest first; the oldest may be in D1 alone. */
  timeline?: TimelineEntry[];
  /** A person ended it. */
  resolution?: Resolution;
  /** Until when the channel is asked daily whether it agrees with that, ms. */
  watchUntil?: number;
}

/** What a refund has as null until something says more. */
export const NOTHING_YET = {
  fundingSource: null,
  refundNo: null,
  idempotencyKey: null,
  fingerprint: null,
  repeats: null,
  syncDueAt: null,
  dueAt: null,
  leaseUntil: null,
  firstSubmittedAt: null,
  lastSubmittedAt: null,
  provisional: null,
  contradictedAt: null,
  askedAt: null,
  account: null,
  memory: null,
  timeSucceed: null,
  transactionNo: null,
  failureCode: null,
  failureMsg: null,
  channelCode: null,
  channelMessage: null,
  attention: null,
} as const satisfies Partial<Refund>;

/** What a person decided, who and why; `at` in ms. */
export interface Resolution {
  outcome: "succeeded" | "failed";
  by: string;
  reason: string;
  at: number;
}

/** The client's word for a state. */
export function statusOf(state: State): Status {
  return state === "succeeded" || state === "failed" ? state : "pending";
}

/** Whether the amount is still taken from what can be refunded: only a failure gives it back. */
export function holdsMoney(refund: Pick<Refund, "state">): boolean {
  return refund.state !== "failed";
}

/** Whether the refund has ended, as far as anybody knows. */
export function isFinal(refund: Pick<Refund, "state">): boolean {
  return refund.state === "succeeded" || refund.state === "failed";
}

/** Whether the channel may have seen the refund's number. */
export function wasSent({ attempts, state }: Pick<Refund, "attempts" | "state">): boolean {
  // One that was taken over from D1 may have been sent since D1 heard of it last.
  return attempts > 0 || (state !== "waiting" && state !== "failed");
}

/** The number made by us, which is also the root of the number the channel sees. */
export function refundOrderNo(id: string): string {
  return id.slice("re_".length);
}

/** What a client reads when the channel said no; clients match the Chinese text. */
export function channelRefusalText(channel: string, words: string, language: Language): string {
  return language === "en"
    ? `Channel ${channel} refused the refund. The channel's words: ${words}`
    : `退款 ${channel} 已被支付渠道拒绝。来自渠道的信息：${words}`;
}

/** What a client reads when a person ended the refund. */
export function resolvedText(reason: string, language: Language): string {
  return language === "en" ? `Ended by hand: ${reason}` : `已由人工终止：${reason}`;
}

/** What a client reads when a refund was canceled, or not approved. */
export function stoppedText(
  code: "refund_canceled" | "refund_rejected",
  reason: string | null,
  language: Language,
): string {
  const [zh, en] = code === "refund_canceled" ? ["退款已取消", "Canceled"] : ["退款未获批准", "Not approved"];
  if (reason === null) return language === "en" ? `${en}.` : `${zh}。`;
  return language === "en" ? `${en}: ${reason}` : `${zh}：${reason}`;
}

/** What a client reads in a promised refund whose request had been made as another refund meanwhile. */
export function madeAsText(refund: string, language: Language): string {
  return language === "en"
    ? `The same request was made as refund ${refund}; no money moved for this one.`
    : `同一请求已作为退款 ${refund} 完成，本笔未退款。`;
}
