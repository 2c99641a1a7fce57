// A charge of 10000 and a refund of 4000 in each of its states, all valid; a test changes the one thing it is about.
import type { ChannelAccount, Verdict } from "../../src/channels/channel.ts";
import type { Charge } from "../../src/charges/charge.ts";
import type { CreateCommand } from "../../src/charges/ledger-calls.ts";
import { type Refund, refundOrderNo, type State } from "../../src/refunds/refund.ts";

/** ms; a whole second, so that it equals itself in the wire's seconds. */
export const NOW = Date.UTC(2026, 4, 20, 12);
export const SETTLING_MS = 60_000;
const ID = "re_0123456789ABCDEFGHIJKLMN";

export function aCharge(changes: Partial<Charge> = {}): Charge {
  return {
    id: "ch_0123456789ABCDEFGHIJKLMN",
    app: "app_0123456789ABCDEFGHIJKLMN",
    livemode: false,
    created: NOW / 1000 - 7200,
    paid: true,
    reversed: false,
    channel: "alipay",
    orderNo: "order-1",
    clientIp: null,
    amount: 10_000,
    amountSettle: 0,
    currency: "cny",
    subject: "A pair of shoes",
    body: "Brown, size 42",
    extra: {},
    timePaid: NOW / 1000 - 3600,
    timeExpire: null,
    timeSettle: null,
    transactionNo: "T1",
    refundedElsewhere: 0,
    disputed: 0,
    metadata: {},
    description: null,
    version: 1,
    ...changes,
  };
}

/** A command without any key: whoever repeats it makes a second refund. */
export function anAccount(changes: Partial<ChannelAccount> = {}): ChannelAccount {
  return {
    app: "app_1",
    livemode: true,
    channel: "alipay",
    id: "ca_1",
    revision: 1,
    merchant: "m_1",
    credentials: "sealed",
    ...changes,
  };
}

export function aCommand(changes: Partial<CreateCommand> = {}): CreateCommand {
  const charge = aCharge();
  return {
    app: charge.app,
    livemode: false,
    charge: charge.id,
    refund: "re_commandcommandcommandcom",
    amount: 4000,
    description: "The shoes do not fit.",
    metadata: {},
    fundingSource: null,
    extra: {},
    refundNo: null,
    idempotencyKey: null,
    fingerprint: null,
    repeats: null,
    waitMs: 8000,
    language: "zh",
    apiKey: "key_0123456789ABCDEFGHIJKLM",
    request: "iar_0123456789ABCDEFGHIJKLM",
    requestedAt: NOW,
    accounts: {},
    rules: { windows: {}, refundsMax: 50, refundAttemptsMax: 200, duplicateWindowMs: 15_000 },
    ...changes,
  };
}

/** What is true of a refund in each state. */
const IN_STATE: Record<State, Partial<Refund>> = {
  waiting: { dueAt: NOW },
  submitting: { attempts: 1, dueAt: NOW - 1000, leaseUntil: NOW + 19_000, clearToSubmit: false },
  unknown: { attempts: 1, dueAt: NOW, clearToSubmit: false, inDoubt: true, openAnswers: 1 },
  accepted: { attempts: 1, dueAt: NOW, clearToSubmit: false, openAnswers: 1 },
  succeeded: {
    attempts: 1,
    clearToSubmit: false,
    timeSucceed: NOW / 1000 - 60,
    transactionNo: "R1",
  },
  failed: {
    attempts: 1,
    clearToSubmit: false,
    failureCode: "refund_refused_msg",
    failureMsg: "退款 alipay 已被支付渠道拒绝。来自渠道的信息：No.",
    channelCode: "NO",
    channelMessage: "No.",
  },
};

/** A refund made an hour ago whose number, where it was sent, was submitted a second before `NOW`. */
export function aRefund(state: State, changes: Partial<Refund> = {}): Refund {
  const sent = state !== "waiting";
  return {
    id: ID,
    seq: 1,
    amount: 4000,
    created: NOW / 1000 - 3600,
    description: "The shoes do not fit.",
    metadata: {},
    fundingSource: null,
    extra: {},
    refundNo: null,
    idempotencyKey: null,
    fingerprint: null,
    repeats: null,
    request: "iar_anotherrequestanotherreq",
    requestedAt: NOW - 3_600_000,
    waitMs: 8000,
    apiKey: "key_0123456789ABCDEFGHIJKLM",
    language: "zh",
    state,
    version: 3,
    synced: 3,
    syncDueAt: null,
    dueAt: null,
    leaseUntil: null,
    clearToSubmit: true,
    attempts: 0,
    firstSubmittedAt: sent ? NOW - 1000 : null,
    lastSubmittedAt: sent ? NOW - 1000 : null,
    openAnswers: 0,
    inDoubt: false,
    provisional: null,
    contradictedAt: null,
    askedAt: state === "waiting" || state === "submitting" ? null : NOW - 1000,
    account: null,
    memory: null,
    timeSucceed: null,
    transactionNo: null,
    failureCode: null,
    failureMsg: null,
    channelCode: null,
    channelMessage: null,
    attention: null,
    ...IN_STATE[state],
    ...changes,
  };
}

type DistributiveOmit<Union, Keys extends string> = Union extends unknown ? Omit<Union, Keys> : never;

/** What a channel says, without the facts that every verdict carries. */
export type Words = DistributiveOmit<Verdict, "number" | "amount" | "currency" | "askedAt">;

/** The words as a verdict about the fixture's refund, asked for at `NOW`. */
export function aVerdict(
  words: Words,
  facts: Partial<Pick<Verdict, "amount" | "currency" | "askedAt">> = {},
): Verdict {
  return { ...words, number: refundOrderNo(ID), amount: 4000, currency: "cny", askedAt: NOW, ...facts };
}
