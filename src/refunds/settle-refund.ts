// What a verdict does to a refund. Pure: the ledger applies the result in one transaction.
// Two rules rule all the others: unknown is never no, and a final state is only left after a query begun once the
// contradiction was heard.
import type { Verdict } from "../channels/channel.ts";
import type { EventType } from "../events/event.ts";
import {
  type Attention,
  channelRefusalText,
  type ProvisionalDecline,
  type Refund,
  type State,
  statusOf,
  TRANSITIONS,
} from "./refund.ts";

/** Delays between questions about an open outcome, in ms; the last one repeats for ever. A refund never fails by age. */
export const BACKOFF_MS = [
  1_000, 3_000, 10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000, 21_600_000, 86_400_000,
] as const;

/** From this age on an open refund is shown to a person. */
export const OVERDUE_MS = 7 * 86_400_000;

export interface Circumstances {
  /** Whether the channel was asked to refund, asked about it, or spoke up by itself. */
  asked: "submit" | "query" | "told";
  /** ms since the epoch. */
  now: number;
  /** The charge's. */
  channel: string;
  currency: string;
  /** Whether the amount, given back by a failure, can still be taken again. */
  fits: boolean;
  settlingMs: number;
}

export interface Settlement {
  refund: Refund;
  /** The public events of this change, in order. */
  events: EventType[];
  /** The channel contradicts a final state and the books cannot follow: the charge must be frozen. */
  conflict: boolean;
}

/** Applies a verdict; null when it changes nothing at all. */
export function settleRefund(refund: Refund, verdict: Verdict, at: Circumstances): Settlement | null {
  // A notice about a number that was never sent: the channel's answer to the submission will tell.
  if (at.asked === "told" && refund.state === "waiting") return null;
  if (refund.askedAt !== null && verdict.askedAt < refund.askedAt) {
    if (at.asked !== "told") return freed(refund, at);
    // Clocks differ: what opposes a final state is not believed, but it is worth a question.
    return isOpposite(refund.state, verdict) ? contradicted(refund, refund.memory, at) : null;
  }
  if (verdict.amount !== null && verdict.amount !== refund.amount) return mismatch(refund, verdict, at);
  if (verdict.currency !== null && verdict.currency !== at.currency) return mismatch(refund, verdict, at);
  const heard: Refund = {
    ...refund,
    askedAt: verdict.askedAt,
    leaseUntil: null,
    memory: verdict.memory ?? refund.memory,
  };
  switch (verdict.kind) {
    case "succeeded":
      return succeeded(refund, heard, verdict, at);
    case "declined":
      return declined(refund, heard, verdict, at);
    case "accepted":
      return accepted(refund, heard, verdict, at);
    case "notSent":
      return notSent(refund, heard, verdict, at);
    case "unknown":
      if (isFinal(refund.state)) return stillContradicted(refund, heard, at);
      return at.asked === "told" ? null : stillOpen(refund, heard, at);
    case "notFound":
      return notFound(refund, heard, verdict, at);
  }
}

function succeeded(
  refund: Refund,
  heard: Refund,
  verdict: Extract<Verdict, { kind: "succeeded" }>,
  at: Circumstances,
): Settlement | null {
  if (refund.state === "succeeded") {
    // A repeat may still tell the serial number that the first answer left out.
    const news = verdict.transactionNo !== null && refund.transactionNo === null;
    const told = news ? { ...refund, transactionNo: verdict.transactionNo } : refund;
    // A yes without its amount takes nothing back.
    const attention = verdict.amount === null ? refund.attention : attentionAfter(refund, at);
    const confirmed = reasked(told, { ...heard, attention }, verdict, at);
    if (confirmed !== null) return confirmed;
    return news || attention !== refund.attention ? changed(refund, { ...told, attention }) : null;
  }
  const success: Refund = {
    ...ended(heard, "succeeded"),
    timeSucceed: verdict.succeededAt ?? Math.floor(at.now / 1000),
    transactionNo: verdict.transactionNo ?? refund.transactionNo,
    failureCode: null,
    failureMsg: null,
    channelCode: null,
    channelMessage: null,
  };
  if (refund.state !== "failed") return changed(refund, success);
  if (!mayLeaveFinal(refund, verdict, at)) return contradicted(refund, heard.memory, at);
  if (at.fits) return changed(refund, success);
  return {
    ...changed(refund, { ...heard, contradictedAt: null, dueAt: null, attention: "conflict" }),
    conflict: true,
  };
}

function declined(
  refund: Refund,
  heard: Refund,
  verdict: Extract<Verdict, { kind: "declined" }>,
  at: Circumstances,
): Settlement | null {
  if (refund.state === "failed") {
    const attention = attentionAfter(refund, at);
    const confirmed = reasked(refund, { ...heard, attention }, verdict, at);
    return confirmed ?? (attention === refund.attention ? null : changed(refund, { ...refund, attention }));
  }
  if (refund.state === "succeeded" && !mayLeaveFinal(refund, verdict, at)) {
    return contradicted(refund, heard.memory, at);
  }
  const decline = { code: verdict.code, words: verdict.words, failureCode: verdict.failureCode ?? null };
  const confirmed =
    refund.provisional !== null && at.asked === "query" && verdict.askedAt >= settledAt(refund, at);
  // A submission whose own answer was never heard is in doubt as well.
  const inDoubt = refund.inDoubt || (refund.state === "submitting" && at.asked !== "submit");
  if (refund.state !== "succeeded" && inDoubt && !confirmed) {
    // The same no once more, from the channel's side: our own question stays where it is.
    if (at.asked === "told" && refund.provisional !== null) return null;
    return stillOpen(refund, { ...heard, provisional: decline }, at, settledAt(refund, at));
  }
  const end = failed(heard, decline, at);
  return changed(refund, verdict.unsent && refund.attempts <= 1 ? { ...end, ...UNSENT } : end);
}

/** What a refund is that the channel never saw. */
const UNSENT = { attempts: 0, firstSubmittedAt: null, lastSubmittedAt: null, account: null } as const;

function accepted(
  refund: Refund,
  heard: Refund,
  verdict: Extract<Verdict, { kind: "accepted" }>,
  at: Circumstances,
): Settlement | null {
  if (isFinal(refund.state)) {
    // Where a person has decided, a channel that still waits for one contradicts nothing.
    const decided = refund.resolution !== undefined;
    return decided ? reasked(refund, heard, verdict, at) : stillContradicted(refund, heard, at);
  }
  // The channel says again what it said: our own next question stays where it is.
  const repeated = refund.state === "accepted" && at.asked === "told";
  const attention = verdict.attention ?? (verdict.url === undefined ? null : "operator_url");
  const url = verdict.url ?? null;
  if (repeated && attention === refund.attention && url === refund.failureMsg) {
    const { memory } = heard;
    const transactionNo = verdict.transactionNo ?? refund.transactionNo;
    const news = transactionNo !== refund.transactionNo || memory !== refund.memory;
    return news ? changed(refund, { ...refund, transactionNo, memory }) : null;
  }
  return stillOpen(
    refund,
    {
      ...heard,
      state: "accepted",
      // The channel has the number on its books: whatever arrives late is the same refund.
      inDoubt: false,
      clearToSubmit: false,
      provisional: null,
      attention,
      transactionNo: verdict.transactionNo ?? refund.transactionNo,
      failureCode: attention === "operator_url" ? "refund_wait_operation" : null,
      failureMsg: url,
    },
    at,
    verdict.askAgainAt,
  );
}

function notSent(
  refund: Refund,
  heard: Refund,
  verdict: Extract<Verdict, { kind: "notSent" }>,
  at: Circumstances,
): Settlement | null {
  const dueAt = Math.max(verdict.retryAt, at.now + 1_000);
  if (isFinal(refund.state)) {
    return refund.contradictedAt === null ? null : changed(refund, { ...refund, dueAt });
  }
  const flagged = refund.attention ?? (isOverdue(refund, at) ? "overdue" : null);
  const attention: Attention | null = verdict.reason === "configuration" ? "configuration" : flagged;
  // Only a submission that nothing has overtaken is undone.
  if (at.asked !== "submit" || refund.state !== "submitting")
    return changed(refund, { ...heard, dueAt, attention });
  if (refund.inDoubt) {
    return changed(refund, { ...heard, state: "unknown", clearToSubmit: false, dueAt, attention });
  }
  // This submission did not happen; the number is still unused.
  const first = refund.attempts <= 1;
  return changed(refund, {
    ...heard,
    state: "waiting",
    clearToSubmit: true,
    attempts: refund.attempts - 1,
    firstSubmittedAt: first ? null : refund.firstSubmittedAt,
    lastSubmittedAt: first ? null : refund.lastSubmittedAt,
    account: first ? null : refund.account,
    dueAt,
    attention,
  });
}

function notFound(
  refund: Refund,
  heard: Refund,
  verdict: Extract<Verdict, { kind: "notFound" }>,
  at: Circumstances,
): Settlement | null {
  // A number that is not found must have been asked for.
  if (at.asked === "told") return null;
  if (refund.state === "failed") return reasked(refund, heard, verdict, at);
  if (refund.state === "succeeded") return stillContradicted(refund, heard, at);
  if (refund.state === "accepted") return stillOpen(refund, heard, at);
  const settled = settledAt(refund, at);
  if (verdict.askedAt < settled) return stillOpen(refund, heard, at, settled);
  if (refund.provisional !== null) return changed(refund, failed(heard, refund.provisional, at));
  return changed(refund, { ...heard, state: "unknown", inDoubt: true, clearToSubmit: true, dueAt: at.now });
}

/** The outcome stays open: ask again after the next delay, or at `notBefore` if that is later. */
function stillOpen(refund: Refund, heard: Refund, at: Circumstances, notBefore = 0): Settlement {
  const inDoubt = heard.state !== "accepted";
  return changed(refund, {
    ...heard,
    state: inDoubt ? "unknown" : "accepted",
    inDoubt,
    clearToSubmit: false,
    openAnswers: refund.openAnswers + 1,
    dueAt: Math.max(at.now + backoffMs(refund.openAnswers), notBefore),
    attention: heard.attention ?? (isOverdue(refund, at) ? "overdue" : null),
  });
}

function isOverdue(refund: Refund, at: Circumstances): boolean {
  return at.now - refund.created * 1000 >= OVERDUE_MS;
}

/** A stale answer frees the refund from its lease and says nothing else; the question is put again a little later. */
function freed(refund: Refund, at: Circumstances): Settlement | null {
  const isDue = refund.dueAt !== null && refund.dueAt <= at.now;
  if (refund.leaseUntil === null && !isDue) return null;
  const dueAt = refund.dueAt === null ? null : Math.max(refund.dueAt, at.now + backoffMs(0));
  return changed(refund, { ...refund, leaseUntil: null, dueAt });
}

/** The channel speaks of another sum under our number: a person must look, the state stays as it is. */
function mismatch(refund: Refund, verdict: Verdict, at: Circumstances): Settlement | null {
  // A conflict is the graver reason to look, and says why the charge is frozen.
  const attention = refund.attention === "conflict" ? "conflict" : "amount_mismatch";
  if (at.asked === "told" && refund.attention === attention) return null;
  const heard: Refund = { ...refund, askedAt: verdict.askedAt, leaseUntil: null, attention };
  if (!isFinal(refund.state)) return stillOpen(refund, heard, at);
  return stillContradicted(refund, heard, at) ?? changed(refund, { ...refund, attention });
}

/** The channel says the same of a final state as before: that ends a contradiction if it was asked after it. */
function reasked(refund: Refund, heard: Refund, verdict: Verdict, at: Circumstances): Settlement | null {
  if (refund.contradictedAt === null || at.asked === "told") return null;
  if (!mayLeaveFinal(refund, verdict, at)) return freed(refund, at);
  const { transactionNo } = refund;
  return changed(refund, { ...heard, transactionNo, contradictedAt: null, dueAt: null, openAnswers: 0 });
}

/** The channel, asked, says of a final state what the books say: that it spoke of another sum before is over. */
function attentionAfter({ attention }: Refund, at: Circumstances): Attention | null {
  return at.asked === "query" && attention === "amount_mismatch" ? null : attention;
}

/** Something contradicts a final state: ask the channel before believing it. */
function contradicted(refund: Refund, memory: string | null, at: Circumstances): Settlement {
  return changed(refund, {
    ...refund,
    memory,
    contradictedAt: at.now,
    dueAt: at.now,
    openAnswers: 0,
  });
}

/** The question about a contradicted final state brought no answer: it is asked again. */
function stillContradicted(refund: Refund, heard: Refund, at: Circumstances): Settlement | null {
  if (refund.contradictedAt === null || at.asked === "told") return null;
  return changed(refund, {
    ...heard,
    openAnswers: refund.openAnswers + 1,
    dueAt: at.now + backoffMs(refund.openAnswers),
  });
}

function mayLeaveFinal(refund: Refund, verdict: Verdict, at: Circumstances): boolean {
  return at.asked === "query" && refund.contradictedAt !== null && verdict.askedAt >= refund.contradictedAt;
}

function failed(heard: Refund, decline: ProvisionalDecline, at: Circumstances): Refund {
  return {
    ...ended(heard, "failed"),
    timeSucceed: null,
    failureCode: decline.failureCode ?? "refund_refused_msg",
    failureMsg: channelRefusalText(at.channel, decline.words, heard.language),
    channelCode: decline.code,
    channelMessage: decline.words,
  };
}

function ended(heard: Refund, state: "succeeded" | "failed"): Refund {
  return {
    ...heard,
    state,
    dueAt: null,
    clearToSubmit: false,
    inDoubt: false,
    provisional: null,
    contradictedAt: null,
    openAnswers: 0,
    attention: null,
  };
}

/** From when on a "not found" means that the last submission never arrived, ms. */
function settledAt(refund: Refund, at: Circumstances): number {
  return (refund.lastSubmittedAt ?? 0) + at.settlingMs;
}

function backoffMs(openAnswers: number): number {
  return BACKOFF_MS[Math.min(openAnswers, BACKOFF_MS.length - 1)] as number;
}

function isOpposite(state: State, { kind }: Verdict): boolean {
  return (state === "succeeded" && kind === "declined") || (state === "failed" && kind === "succeeded");
}

function isFinal(state: State): boolean {
  return state === "succeeded" || state === "failed";
}

/** Names the events between two versions of a refund. */
function changed(before: Refund, after: Refund): Settlement {
  // No verdict leads here; should one ever, an unbooked verdict and an alert are better than a move that is not legal.
  if (after.state !== before.state && !TRANSITIONS[before.state].includes(after.state)) {
    throw new Error(`illegal move of ${before.id}: ${before.state} to ${after.state}`);
  }
  const events: EventType[] = [];
  const status = statusOf(after.state);
  if (status !== statusOf(before.state) && status !== "pending") events.push(`refund.${status}`);
  else if (after.attention !== before.attention) events.push("refund.updated");
  return { refund: { ...after, version: before.version + 1 }, events, conflict: false };
}
