// Decides whether a create command finds a refund that exists, makes a new one, or is refused. Pure and synchronous:
// the ledger calls it inside the transaction that stores what it returns, so that nothing can come between the check
// and the write. The order of the checks is the order of `refusal.ts`.

import { type ChannelAccount, type ChannelFacts, channelRules } from "../channels/channel.ts";
import { balanceOf } from "../charges/balance.ts";
import type { Charge, Freeze } from "../charges/charge.ts";
import type { CreateCommand, RefundRules, Replayed } from "../charges/ledger-calls.ts";
import { type Approval, holdsMoney, NOTHING_YET, type Refund } from "./refund.ts";
import type { Refusal } from "./refusal.ts";
import { OVERDUE_MS } from "./settle-refund.ts";

/** How long a call to the channel may take before somebody else may ask about it. Longer than any call's time-out. */
export const LEASE_MS = 20_000;
/** How soon D1 should know of a change. */
export const SYNC_WITHIN_MS = 2_000;
/** How long a repeated `Pingplusplus-Request-Timestamp` joins the first refund. */
const TIMESTAMP_JOINS_MS = 600_000;
const TIMESTAMP_SKEW_MS = 300_000;
/** Within what time the refunds of a charge count together towards the limit above which one needs approval. */
const APPROVAL_DAY_MS = 86_400_000;
/** How long a Worker goes on trying to reach a ledger. */
export const TRIES_MS = 15_000;

/** What the ledger knows when the command arrives. */
export interface Situation {
  charge: Charge;
  freeze: Freeze | null;
  /** In the order of creation. */
  refunds: readonly Refund[];
  /** Null when no connector speaks for the charge's channel. */
  facts: ChannelFacts | null;
  /** Whether a call to the channel may start at once. */
  slotFree: boolean;
  /** When a refund's creating request was answered, ms; null while it runs or when nobody remembers. */
  answeredAt: (refund: Refund) => number | "running" | null;
  now: number;
}

export type Reservation =
  | { kind: "existing"; refund: Refund; replayed: Replayed }
  | { kind: "refused"; refusal: Refusal }
  | { kind: "reserved"; refund: Refund };

export function reserveRefund(command: CreateCommand, situation: Situation): Reservation {
  const earlier = findEarlier(command, situation);
  if (earlier !== null) return earlier;
  const refusal = refuse(command, situation);
  if (refusal !== null) return { kind: "refused", refusal };
  return { kind: "reserved", refund: newRefund(command, situation) };
}

function findEarlier(command: CreateCommand, situation: Situation): Reservation | null {
  const { refunds } = situation;
  const own = refunds.find((refund) => refund.id === command.refund);
  // A request with keys has an id that follows from them, so another request may come with the same one.
  if (own?.request === command.request) return { kind: "existing", refund: own, replayed: false };

  if (command.reverses) {
    const reversal = refunds.findLast((refund) => refund.reverses && holdsMoney(refund));
    if (reversal !== undefined) return { kind: "existing", refund: reversal, replayed: true };
  }
  const byKey =
    command.idempotencyKey !== null && refunds.find((r) => r.idempotencyKey === command.idempotencyKey);
  const byNumber = command.refundNo !== null && refunds.find((r) => r.refundNo === command.refundNo);
  if (byKey && byNumber && byKey.id !== byNumber.id) {
    return { kind: "refused", refusal: { code: "request_keys_disagree" } };
  }
  const hit = byKey || byNumber || own;
  if (hit) {
    const isSame = hit.fingerprint === command.fingerprint && hit.reverses === command.reverses;
    if (isSame) return { kind: "existing", refund: hit, replayed: true };
    const code = byKey || command.refundNo === null ? "idempotency_key_reused" : "refund_no_reused";
    return { kind: "refused", refusal: { code, refund: hit.id } };
  }
  const repeated = refunds.findLast((refund) => isRepeatOf(command, refund, situation));
  return repeated === undefined ? null : { kind: "existing", refund: repeated, replayed: "inferred" };
}

/** Whether a request without keys is the same request once more, sent by an SDK on its own account. */
function isRepeatOf(command: CreateCommand, refund: Refund, situation: Situation): boolean {
  const now = command.repeats;
  const then = refund.repeats;
  if (now === null || then === null || now.apiKey !== then.apiKey || now.body !== then.body) return false;
  if (now.signature !== null && now.signature === then.signature) return true;
  const apart = Math.abs(command.requestedAt - refund.requestedAt);
  if (
    now.timestamp !== null &&
    now.timestamp === then.timestamp &&
    Math.abs(command.requestedAt - now.timestamp * 1000) <= TIMESTAMP_SKEW_MS &&
    apart <= TIMESTAMP_JOINS_MS
  ) {
    return true;
  }
  if (!now.pingpp) return false;
  const windowMs = command.rules.duplicateWindowMs;
  if (command.requestedAt < refund.requestedAt) {
    // The command is the earlier request, replayed: its client had an answer after its wait and every try, at the latest.
    return refund.requestedAt - (command.requestedAt + command.waitMs + TRIES_MS) <= windowMs;
  }
  const answeredAt = situation.answeredAt(refund);
  if (answeredAt === "running") return true;
  // After a restart nobody remembers the moment of the answer; it was given by the end of the wait at the latest.
  const answeredBy = answeredAt ?? refund.requestedAt + refund.waitMs;
  return command.requestedAt - answeredBy <= windowMs;
}

/** What of a command decides whether a refund may be made, or be sent once it is approved. */
export type Terms = Pick<CreateCommand, "amount" | "rules" | "accounts" | "reverses" | "allowance">;

/** Why a refund on these terms may not be made beside those there are; null when it may. */
export function refuse(command: Terms, situation: Situation): Refusal | null {
  const { charge, freeze, refunds, facts, now } = situation;
  const { rules } = command;
  const balance = balanceOf(charge, refunds);
  if (freeze !== null) return { code: "charge_frozen", freeze, charge: charge.id };
  if (!charge.paid) return { code: "charge_not_paid", charge: charge.id };
  if (charge.reversed) return { code: "charge_reversed", charge: charge.id };
  if (command.reverses && balance.refunded + balance.pending + charge.disputed > 0) {
    return { code: "charge_not_reversible", charge: charge.id };
  }
  if (balance.refunded >= charge.amount) {
    return { code: "fully_refunded", charge: charge.id, orderNo: charge.orderNo };
  }
  const channel = { ...channelRules(charge.channel), ...facts };
  const windowDays = ownValue(rules.windows, charge.channel);
  const windowSeconds = windowDays === undefined ? channel.windowSeconds : windowDays * 86_400;
  const windowEndsAt = ((charge.timePaid ?? charge.created) + windowSeconds) * 1000;
  if (now > windowEndsAt) return { code: "refund_window_closed", channel: charge.channel };
  if (refunds.length >= rules.refundAttemptsMax) {
    return { code: "too_many_refunds", limit: rules.refundAttemptsMax };
  }
  if (refunds.filter(holdsMoney).length >= rules.refundsMax) {
    return { code: "too_many_refunds", limit: rules.refundsMax };
  }
  const amount = amountOf(command, charge, balance.refundable);
  const exceeds = balance.refundable === 0 || amount > balance.refundable;
  const undisputed = charge.amount - balance.refunded - balance.pending;
  if (exceeds && charge.disputed > 0 && undisputed > 0 && amount <= undisputed) {
    return { code: "charge_disputed", refundable: balance.refundable };
  }
  const partial = command.amount === null ? amount > 0 && amount < charge.amount : amount !== charge.amount;
  if (channel.fullRefundOnly && partial) {
    return { code: "partial_refund_unsupported", channel: charge.channel, amount: charge.amount };
  }
  if (exceeds) return { code: "refund_amount_exceeded", refundable: balance.refundable };
  if (facts === null || (charge.livemode && accountFor(command, charge.channel) === undefined)) {
    return { code: "channel_not_configured", channel: charge.channel };
  }
  const allowed = amountFor(command.allowance, charge.currency);
  if (allowed !== null && amount > allowed) {
    return { code: "allowance_exceeded", amount, currency: charge.currency };
  }
  return null;
}

/** What is asked for; a reversal takes everything, also one that was promised while D1 believed that less is left. */
function amountOf({ amount, reverses }: Terms, charge: Charge, refundable: number): number {
  return reverses ? charge.amount : (amount ?? refundable);
}

function newRefund(command: CreateCommand, situation: Situation): Refund {
  const { charge, refunds, facts, slotFree, now } = situation;
  const { rules } = command;
  const amount = amountOf(command, charge, balanceOf(charge, refunds).refundable);
  const account = accountFor(command, charge.channel);
  const blank = blankRefund(command, nextSeq(refunds), now);
  const approval = needsApproval(amount, rules, situation) ? { approval: UNDECIDED } : {};
  const delayed = rules.delayMs === undefined ? {} : { notBefore: now + rules.delayMs };
  const sendableAt = Math.max(now, spacedAfter(refunds, facts?.spacingMs ?? 0, now), delayed.notBefore ?? 0);
  const sendsNow = slotFree && sendableAt <= now && approval.approval === undefined;
  return {
    ...blank,
    ...approval,
    ...delayed,
    amount,
    dueAt: approval.approval === undefined ? sendableAt : overdueAt(blank),
    ...(sendsNow ? submission(blank, now) : {}),
    account: account === undefined ? null : { id: account.id, revision: account.revision },
    ...(charge.livemode && rules.verifyPayments !== false ? { verifies: true as const } : {}),
    ...(command.reverses ? { reverses: true as const } : {}),
  };
}

const UNDECIDED: Approval = { status: "required", by: null, apiKey: null, reason: null, at: null };

/** Whether the charge's refunds of a day, this one included, come to more than may go out without a second key. */
function needsApproval(amount: number, rules: RefundRules, { charge, refunds, now }: Situation): boolean {
  const limit = amountFor(rules.approvalLimits, charge.currency);
  if (limit === null) return false;
  const sameDay = refunds.filter(
    (refund) => holdsMoney(refund) && refund.created * 1000 > now - APPROVAL_DAY_MS,
  );
  return sameDay.reduce((sum, refund) => sum + refund.amount, amount) > limit;
}

/** When somebody must hear that a refund is still open, ms. */
export function overdueAt({ created }: Pick<Refund, "created">): number {
  return created * 1000 + OVERDUE_MS;
}

/** The entry for a currency, or for all that are not named; null when there is neither. */
function amountFor(amounts: Readonly<Record<string, number>> | undefined, currency: string): number | null {
  return amounts === undefined ? null : (ownValue(amounts, currency) ?? ownValue(amounts, "*") ?? null);
}

function nextSeq(refunds: readonly Refund[]): number {
  return Math.max(0, ...refunds.map(({ seq }) => seq)) + 1;
}

/** From when on another refund may be sent, ms: each one queues behind those sent and those waiting to be. */
function spacedAfter(refunds: readonly Refund[], spacingMs: number, now: number): number {
  if (spacingMs === 0) return 0;
  const waits = refunds
    .filter(({ state, approval, notBefore = 0 }) => {
      // One that is held back queues when its time comes.
      return state === "waiting" && approval?.status !== "required" && notBefore <= now;
    })
    .map(({ dueAt }) => (dueAt ?? 0) + spacingMs);
  return Math.max(sendableFrom(refunds, spacingMs), ...waits);
}

/** From when on the channel takes another refund of the charge, ms: a gap after the last one that was sent. */
export function sendableFrom(refunds: readonly Refund[], spacingMs: number): number {
  return Math.max(
    0,
    ...refunds.map(({ lastSubmittedAt }) => (lastSubmittedAt === null ? 0 : lastSubmittedAt + spacingMs)),
  );
}

/** The account a command brings for a channel. */
export function accountFor(
  command: Pick<CreateCommand, "accounts">,
  channel: string,
): ChannelAccount | undefined {
  return ownValue(command.accounts, channel);
}

/** A channel may be called `constructor`: only a record's own keys count. */
function ownValue<Value>(record: Readonly<Record<string, Value>>, key: string): Value | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

/** The changes that claim the next submission of a refund's number. */
export function submission(
  refund: Pick<Refund, "attempts" | "firstSubmittedAt">,
  now: number,
): Pick<
  Refund,
  "state" | "leaseUntil" | "attempts" | "firstSubmittedAt" | "lastSubmittedAt" | "clearToSubmit" | "dueAt"
> {
  return {
    state: "submitting",
    clearToSubmit: false,
    dueAt: now,
    leaseUntil: now + LEASE_MS,
    attempts: refund.attempts + 1,
    firstSubmittedAt: refund.firstSubmittedAt ?? now,
    lastSubmittedAt: now,
  };
}

/** A refund that was promised to the client before its ledger could refuse it: it comes to exist as failed. */
export function refusedRefund(
  command: CreateCommand,
  charge: Charge,
  seq: number,
  words: string,
  now: number,
): Refund {
  return {
    ...blankRefund(command, seq, now),
    // The keys, if any, belong to the refund that was found under them.
    refundNo: null,
    idempotencyKey: null,
    repeats: null,
    amount: command.amount ?? charge.amount,
    state: "failed",
    failureCode: "refund_failed",
    failureMsg: words,
    clearToSubmit: false,
  };
}

/** What a client is told of a refund whose ledger has not answered: that it is pending, under this id. */
export function promisedRefund(command: CreateCommand, chargeAmount: number, now: number): Refund {
  return { ...blankRefund(command, 0, now), amount: command.amount ?? chargeAmount };
}

function blankRefund(command: CreateCommand, seq: number, now: number): Refund {
  return {
    ...NOTHING_YET,
    id: command.refund,
    seq,
    amount: 0,
    created: Math.floor(now / 1000),
    description: command.description,
    metadata: command.metadata,
    fundingSource: command.fundingSource,
    extra: command.extra,
    refundNo: command.refundNo,
    idempotencyKey: command.idempotencyKey,
    fingerprint: command.fingerprint,
    repeats: command.repeats,
    request: command.request,
    requestedAt: command.requestedAt,
    waitMs: command.waitMs,
    apiKey: command.apiKey,
    language: command.language,
    state: "waiting",
    version: 1,
    synced: 0,
    syncDueAt: now + SYNC_WITHIN_MS,
    clearToSubmit: true,
    attempts: 0,
    openAnswers: 0,
    inDoubt: false,
    ...(command.batch === undefined ? {} : { batch: command.batch }),
  };
}
