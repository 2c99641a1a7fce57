// What every verdict does to a refund in every state (design.md §4), and what no sequence of verdicts may ever do.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Verdict } from "../../src/channels/channel.ts";
import {
  ATTENTIONS,
  holdsMoney,
  type Refund,
  STATES,
  type State,
  statusOf,
  TRANSITIONS,
} from "../../src/refunds/refund.ts";
import { submission } from "../../src/refunds/reserve-refund.ts";
import {
  BACKOFF_MS,
  type Circumstances,
  OVERDUE_MS,
  type Settlement,
  settleRefund,
} from "../../src/refunds/settle-refund.ts";
import { aRefund, aVerdict, NOW, SETTLING_MS, type Words } from "./refund-fixture.ts";

const CIRCUMSTANCES: Omit<Circumstances, "asked"> = {
  now: NOW,
  channel: "alipay",
  currency: "cny",
  fits: true,
  settlingMs: SETTLING_MS,
};

type Asked = Circumstances["asked"];

const yes: Words = { kind: "succeeded", transactionNo: "R1" };
const no: Words = { kind: "declined", code: "NO", words: "No." };
const taken: Words = { kind: "accepted" };
const silence: Words = { kind: "unknown" };
const nothing: Words = { kind: "notFound" };
const throttled: Words = { kind: "notSent", reason: "throttled", retryAt: NOW + 5000 };
const unconfigured: Words = { kind: "notSent", reason: "configuration", retryAt: NOW + 3_600_000 };

const heardNo = { code: "FIRST", words: "A first no.", failureCode: null };
const minute = 60_000;
/** Later than the settling time after the fixture's submission. */
const settled = NOW - 2 * SETTLING_MS;

function settle(from: Refund, asked: Asked, verdict: Verdict, at: Partial<Circumstances> = {}) {
  return settleRefund(from, verdict, { ...CIRCUMSTANCES, asked, ...at });
}

interface Row {
  claim: string;
  from: Refund;
  asked: Asked;
  says: Verdict;
  at?: Partial<Circumstances>;
  /** `null`: nothing changes at all. `dueIn` in ms from now; `null` when nothing is left to do. */
  then:
    | null
    | ({ events: string[]; state: State; dueIn: number | null; conflict?: true } & Partial<
        Omit<Refund, "state" | "dueAt">
      >);
}

function table(rows: Row[]): void {
  for (const { claim, from, asked, says, at = {}, then } of rows) {
    it(claim, () => {
      const settlement = settle(from, asked, says, at);
      if (then === null) {
        expect(settlement).toBeNull();
        return;
      }
      const { events, state, dueIn, conflict = false, ...rest } = then;
      const dueAt = dueIn === null ? null : (at.now ?? NOW) + dueIn;
      expect(settlement).toMatchObject({
        refund: { state, dueAt, version: from.version + 1, leaseUntil: null, attention: null, ...rest },
        events,
        conflict,
      });
    });
  }
}

describe("a refund that was just submitted", () => {
  const from = aRefund("submitting");
  table([
    {
      claim: "succeeds when the channel says so",
      from,
      asked: "submit",
      says: aVerdict({ ...yes, transactionNo: "R7", succeededAt: 1_700_000_000 }),
      then: {
        state: "succeeded",
        events: ["refund.succeeded"],
        dueIn: null,
        timeSucceed: 1_700_000_000,
        transactionNo: "R7",
      },
    },
    {
      claim: "has succeeded now when the channel does not say when, and may have no serial number",
      from,
      asked: "submit",
      says: aVerdict({ kind: "succeeded", transactionNo: null }, { amount: null, currency: null }),
      then: {
        state: "succeeded",
        events: ["refund.succeeded"],
        dueIn: null,
        timeSucceed: NOW / 1000,
        transactionNo: null,
      },
    },
    {
      claim: "E31: fails at once when its only attempt is declined, with the channel's own code kept apart",
      from,
      asked: "submit",
      says: aVerdict({ kind: "declined", code: "NOT_ENOUGH", words: "The balance is too small." }),
      then: {
        state: "failed",
        events: ["refund.failed"],
        dueIn: null,
        timeSucceed: null,
        failureCode: "refund_refused_msg",
        failureMsg: "退款 alipay 已被支付渠道拒绝。来自渠道的信息：The balance is too small.",
        channelCode: "NOT_ENOUGH",
        channelMessage: "The balance is too small.",
      },
    },
    {
      claim: "fails with the connector's failure code where it names one",
      from,
      asked: "submit",
      says: aVerdict({ ...no, failureCode: "channel_sign_error" }),
      then: {
        state: "failed",
        events: ["refund.failed"],
        dueIn: null,
        failureCode: "channel_sign_error",
      },
    },
    {
      claim: "E33: is accepted and asked about in a second",
      from,
      asked: "submit",
      says: aVerdict({ kind: "accepted", transactionNo: "R2" }),
      then: { state: "accepted", events: [], dueIn: 1000, transactionNo: "R2", inDoubt: false },
    },
    {
      claim: "is asked about when the channel wishes, if that is later",
      from,
      asked: "submit",
      says: aVerdict({ kind: "accepted", askAgainAt: NOW + 5 * minute }),
      then: { state: "accepted", events: [], dueIn: 5 * minute },
    },
    {
      claim: "is not asked about at once because the channel names a moment that has passed",
      from,
      asked: "submit",
      says: aVerdict({ kind: "accepted", askAgainAt: NOW - minute }),
      then: { state: "accepted", events: [], dueIn: 1000 },
    },
    {
      claim: "E11: abnormal is pending with attention, the money held",
      from,
      asked: "submit",
      says: aVerdict({ kind: "accepted", attention: "channel_abnormal" }),
      then: {
        state: "accepted",
        events: ["refund.updated"],
        dueIn: 1000,
        attention: "channel_abnormal",
      },
    },
    {
      claim: "E30: already refunded at the channel is attention, never a plain failure",
      from,
      asked: "submit",
      says: aVerdict({ kind: "accepted", attention: "already_refunded" }),
      then: {
        state: "accepted",
        events: ["refund.updated"],
        dueIn: 1000,
        attention: "already_refunded",
      },
    },
    {
      claim: "waits for the merchant to open a page",
      from,
      asked: "submit",
      says: aVerdict({ kind: "accepted", url: "https://channel.example/1" }),
      then: {
        state: "accepted",
        events: ["refund.updated"],
        dueIn: 1000,
        attention: "operator_url",
        failureCode: "refund_wait_operation",
        failureMsg: "https://channel.example/1",
      },
    },
    {
      claim: "E4: a time-out leaves it unknown, to be asked about in a second, by the same number",
      from,
      asked: "submit",
      says: aVerdict(silence, { amount: null, currency: null }),
      then: { state: "unknown", events: [], dueIn: 1000, inDoubt: true, clearToSubmit: false },
    },
    {
      claim: "E8: an answer that decides nothing is left to the query",
      from,
      asked: "submit",
      says: aVerdict({ kind: "unknown", failureCode: "refund_unexpected_status" }),
      then: { state: "unknown", events: [], dueIn: 1000, clearToSubmit: false },
    },
    {
      claim: "E38: throttled before it was sent waits again, its number unused, its account free",
      from: aRefund("submitting", { account: { id: "ca_1", revision: 2 } }),
      asked: "submit",
      says: aVerdict(throttled),
      then: {
        state: "waiting",
        events: [],
        dueIn: 5000,
        clearToSubmit: true,
        attempts: 0,
        firstSubmittedAt: null,
        lastSubmittedAt: null,
        account: null,
      },
    },
    {
      claim: "is never retried within a second, whatever the channel says",
      from,
      asked: "submit",
      says: aVerdict({ kind: "notSent", reason: "throttled", retryAt: 0 }),
      then: { state: "waiting", events: [], dueIn: 1000 },
    },
    {
      claim: "without a usable account waits, and a person hears of it",
      from,
      asked: "submit",
      says: aVerdict(unconfigured),
      then: {
        state: "waiting",
        events: ["refund.updated"],
        dueIn: 3_600_000,
        attention: "configuration",
      },
    },
    {
      claim: "E18: succeeds by a notice that comes before the channel's own answer",
      from,
      asked: "told",
      says: aVerdict(yes),
      then: { state: "succeeded", events: ["refund.succeeded"], dueIn: null },
    },
    {
      claim: "E14b: is not failed by a notice while its own answer is still to come",
      from,
      asked: "told",
      says: aVerdict(no),
      then: {
        state: "unknown",
        events: [],
        dueIn: SETTLING_MS - 1000,
        provisional: { code: "NO", words: "No.", failureCode: null },
      },
    },
    {
      claim: "E6: not found right after a crash means nothing yet",
      from,
      asked: "query",
      says: aVerdict(nothing),
      then: {
        state: "unknown",
        events: [],
        dueIn: SETTLING_MS - 1000,
        inDoubt: true,
        clearToSubmit: false,
      },
    },
  ]);
});

describe("a refund whose outcome is unknown", () => {
  const from = aRefund("unknown");
  const old = { firstSubmittedAt: settled, lastSubmittedAt: settled };
  table([
    {
      claim: "E4: succeeds when the query finds it done",
      from,
      asked: "query",
      says: aVerdict(yes),
      then: { state: "succeeded", events: ["refund.succeeded"], dueIn: null, inDoubt: false },
    },
    {
      claim: "is accepted when the query finds it on the channel's books, and no longer in doubt",
      from: aRefund("unknown", { provisional: heardNo }),
      asked: "query",
      says: aVerdict(taken),
      then: { state: "accepted", events: [], dueIn: 3000, inDoubt: false, provisional: null },
    },
    {
      claim: "E7: stays unknown on another silence, asked again after a longer while",
      from,
      asked: "query",
      says: aVerdict(silence),
      then: { state: "unknown", events: [], dueIn: 3000, openAnswers: 2, clearToSubmit: false },
    },
    {
      claim: "E5, E7: after a week is shown to a person, and asked about for ever",
      from: aRefund("unknown", { created: (NOW - OVERDUE_MS) / 1000, openAnswers: 40 }),
      asked: "query",
      says: aVerdict(silence),
      then: {
        state: "unknown",
        events: ["refund.updated"],
        dueIn: 86_400_000,
        attention: "overdue",
        clearToSubmit: false,
      },
    },
    {
      claim: "E7: is not overdue a second before the week is over",
      from: aRefund("unknown", { created: (NOW - OVERDUE_MS) / 1000 + 1 }),
      asked: "query",
      says: aVerdict(silence),
      then: { state: "unknown", events: [], dueIn: 3000 },
    },
    {
      claim: "says overdue once",
      from: aRefund("unknown", { created: (NOW - 9 * 86_400_000) / 1000, attention: "overdue" }),
      asked: "query",
      says: aVerdict(silence),
      then: { state: "unknown", events: [], dueIn: 3000, attention: "overdue" },
    },
    {
      claim: "E6: not found before the settling time is asked again when that is over",
      from: aRefund("unknown", { lastSubmittedAt: NOW - 10 * 1000 }),
      asked: "query",
      says: aVerdict(nothing),
      then: { state: "unknown", events: [], dueIn: 50 * 1000, clearToSubmit: false },
    },
    {
      claim: "E6: not found one ms before the settling time is still too early",
      from: aRefund("unknown", { lastSubmittedAt: NOW - SETTLING_MS + 1 }),
      asked: "query",
      says: aVerdict(nothing),
      then: { state: "unknown", events: [], dueIn: 3000, clearToSubmit: false },
    },
    {
      claim: "E6: not found at the settling time clears the same number for another submission",
      from: aRefund("unknown", { lastSubmittedAt: NOW - SETTLING_MS }),
      asked: "query",
      says: aVerdict(nothing),
      then: { state: "unknown", events: [], dueIn: 0, clearToSubmit: true, inDoubt: true },
    },
    {
      claim: "E6: a query begun before the settling time proves nothing, however late its answer is",
      from: aRefund("unknown", { lastSubmittedAt: NOW - SETTLING_MS - 5000, askedAt: NOW - SETTLING_MS }),
      asked: "query",
      says: aVerdict(nothing, { askedAt: NOW - 5001 }),
      then: { state: "unknown", events: [], dueIn: 3000, clearToSubmit: false },
    },
    {
      claim: "E14b: a no is provisional, also long after the settling time, and keeps the money held",
      from: aRefund("unknown", old),
      asked: "query",
      says: aVerdict(no),
      then: {
        state: "unknown",
        events: [],
        dueIn: 3000,
        provisional: { code: "NO", words: "No.", failureCode: null },
      },
    },
    {
      claim: "E14b: a second no before the settling time confirms nothing",
      from: aRefund("unknown", { provisional: heardNo }),
      asked: "query",
      says: aVerdict(no),
      then: { state: "unknown", events: [], dueIn: SETTLING_MS - 1000 },
    },
    {
      claim: "E14b: a second no past the settling time ends it, in the words heard last",
      from: aRefund("unknown", { ...old, provisional: heardNo }),
      asked: "query",
      says: aVerdict(no),
      then: { state: "failed", events: ["refund.failed"], dueIn: null, channelCode: "NO" },
    },
    {
      claim: "E14b: not found after a no ends it in the no's words instead of submitting once more",
      from: aRefund("unknown", { ...old, provisional: heardNo }),
      asked: "query",
      says: aVerdict(nothing),
      then: {
        state: "failed",
        events: ["refund.failed"],
        dueIn: null,
        channelCode: "FIRST",
        clearToSubmit: false,
      },
    },
    {
      claim: "E14b: succeeds after a no when the first attempt lands late",
      from: aRefund("unknown", { ...old, provisional: heardNo }),
      asked: "query",
      says: aVerdict(yes),
      then: { state: "succeeded", events: ["refund.succeeded"], dueIn: null, provisional: null },
    },
    {
      claim: "E14b: a notice repeated past the settling time is no confirmation: only a query is",
      from: aRefund("unknown", { ...old, provisional: heardNo }),
      asked: "told",
      says: aVerdict(no),
      then: { state: "unknown", events: [], dueIn: 3000 },
    },
    {
      claim: "E14b: a second submission's no is provisional too",
      from: aRefund("submitting", { attempts: 2, inDoubt: true }),
      asked: "submit",
      says: aVerdict(no),
      then: {
        state: "unknown",
        events: [],
        dueIn: SETTLING_MS - 1000,
        provisional: { code: "NO", words: "No.", failureCode: null },
      },
    },
    {
      claim: "E38: a second submission that was throttled leaves the first one in doubt: the query decides",
      from: aRefund("submitting", { attempts: 2, inDoubt: true }),
      asked: "submit",
      says: aVerdict(throttled),
      then: {
        state: "unknown",
        events: [],
        dueIn: 5000,
        attempts: 2,
        inDoubt: true,
        clearToSubmit: false,
      },
    },
    {
      claim: "E38: a query that was throttled is put off and says nothing",
      from,
      asked: "query",
      says: aVerdict(throttled),
      then: { state: "unknown", events: [], dueIn: 5000, openAnswers: 1 },
    },
    {
      claim: "a query without a usable account is put off, and a person hears of it",
      from,
      asked: "query",
      says: aVerdict(unconfigured),
      then: {
        state: "unknown",
        events: ["refund.updated"],
        dueIn: 3_600_000,
        attention: "configuration",
      },
    },
    {
      claim: "another amount under its number is a person's business and no transition",
      from,
      asked: "query",
      says: aVerdict(yes, { amount: 4001 }),
      then: {
        state: "unknown",
        events: ["refund.updated"],
        dueIn: 3000,
        attention: "amount_mismatch",
        timeSucceed: null,
      },
    },
    {
      claim: "another currency is the same",
      from,
      asked: "query",
      says: aVerdict(no, { currency: "usd" }),
      then: {
        state: "unknown",
        events: ["refund.updated"],
        dueIn: 3000,
        attention: "amount_mismatch",
        provisional: null,
      },
    },
    {
      claim: "keeps what the connector wants remembered",
      from: aRefund("unknown", { memory: "old" }),
      asked: "query",
      says: aVerdict({ ...silence, memory: "new" }),
      then: { state: "unknown", events: [], dueIn: 3000, memory: "new" },
    },
    {
      claim: "E19: stores the channel's serial number that only a notice tells",
      from,
      asked: "told",
      says: aVerdict({ kind: "accepted", transactionNo: "R9" }),
      then: { state: "accepted", events: [], dueIn: 3000, transactionNo: "R9" },
    },
  ]);
});

describe("an accepted refund", () => {
  const from = aRefund("accepted", { transactionNo: "R2" });
  table([
    {
      claim: "succeeds",
      from,
      asked: "query",
      says: aVerdict({ kind: "succeeded", transactionNo: null }),
      then: {
        state: "succeeded",
        events: ["refund.succeeded"],
        dueIn: null,
        transactionNo: "R2",
      },
    },
    {
      claim: "E10: closed by the channel fails and releases the money",
      from,
      asked: "query",
      says: aVerdict({ kind: "declined", code: "CLOSED", words: "Closed." }),
      then: {
        state: "failed",
        events: ["refund.failed"],
        dueIn: null,
        channelCode: "CLOSED",
      },
    },
    {
      claim: "E10: closed by a notice is the same",
      from,
      asked: "told",
      says: aVerdict({ kind: "declined", code: "CLOSED", words: "Closed." }),
      then: { state: "failed", events: ["refund.failed"], dueIn: null },
    },
    {
      claim: "E11: abnormal clears by success",
      from: aRefund("accepted", { attention: "channel_abnormal" }),
      asked: "told",
      says: aVerdict(yes),
      then: { state: "succeeded", events: ["refund.succeeded"], dueIn: null },
    },
    {
      claim: "E11: abnormal that the channel mends is told as cleared",
      from: aRefund("accepted", { attention: "channel_abnormal" }),
      asked: "query",
      says: aVerdict(taken),
      then: { state: "accepted", events: ["refund.updated"], dueIn: 3000 },
    },
    {
      claim: "E11: abnormal once more is told once",
      from: aRefund("accepted", { attention: "channel_abnormal" }),
      asked: "query",
      says: aVerdict({ kind: "accepted", attention: "channel_abnormal" }),
      then: { state: "accepted", events: [], dueIn: 3000, attention: "channel_abnormal" },
    },
    {
      claim: "stays accepted through a silence",
      from,
      asked: "query",
      says: aVerdict(silence),
      then: { state: "accepted", events: [], dueIn: 3000, inDoubt: false },
    },
    {
      claim: "stays accepted when a replica of the channel does not find it, and is not sent again",
      from: aRefund("accepted", { lastSubmittedAt: settled }),
      asked: "query",
      says: aVerdict(nothing),
      then: { state: "accepted", events: [], dueIn: 3000, clearToSubmit: false },
    },
    {
      claim: "drops the words of a page once the merchant has opened it",
      from: aRefund("accepted", {
        attention: "operator_url",
        failureCode: "refund_wait_operation",
        failureMsg: "https://channel.example/1",
      }),
      asked: "query",
      says: aVerdict(taken),
      then: {
        state: "accepted",
        events: ["refund.updated"],
        dueIn: 3000,
        failureCode: null,
        failureMsg: null,
      },
    },
    {
      claim: "E11, E5: a day's silence about an abnormal refund does not hide why a person is needed",
      from: aRefund("accepted", {
        created: (NOW - OVERDUE_MS) / 1000,
        attention: "channel_abnormal",
      }),
      asked: "query",
      says: aVerdict(silence),
      then: { state: "accepted", events: [], dueIn: 3000, attention: "channel_abnormal" },
    },
  ]);
});

describe("a refund that was never sent", () => {
  it.each([yes, no, taken, silence, nothing])(
    "takes no notice: %j speaks of somebody else's number",
    (words) => {
      expect(settle(aRefund("waiting"), "told", aVerdict(words))).toBeNull();
    },
  );
});

describe("a verdict that is late or stale", () => {
  const older = { askedAt: NOW - 1001 };
  table([
    {
      claim: "E15: a notice older than what was heard last is dropped",
      from: aRefund("accepted"),
      asked: "told",
      says: aVerdict(no, older),
      then: null,
    },
    {
      claim: "E18: our own answer is dropped when a notice asked later was applied first",
      from: aRefund("succeeded"),
      asked: "submit",
      says: aVerdict(no, older),
      then: null,
    },
    {
      claim: "E18: our own answer, overtaken while it held the lease, gives the lease back and asks again",
      from: aRefund("submitting", { askedAt: NOW - 1000 }),
      asked: "submit",
      says: aVerdict(no, older),
      then: { state: "submitting", events: [], dueIn: 1000 },
    },
    {
      claim: "F20: our own question asked by a clock that went back is put off, not asked again at once",
      from: aRefund("unknown", { askedAt: NOW + 5000 }),
      asked: "query",
      says: aVerdict(yes),
      then: { state: "unknown", events: [], dueIn: 1000 },
    },
    {
      claim: "E15: processing after success is ignored",
      from: aRefund("succeeded"),
      asked: "told",
      says: aVerdict(taken),
      then: null,
    },
    {
      claim: "E15: processing after failure is ignored",
      from: aRefund("failed"),
      asked: "told",
      says: aVerdict(taken),
      then: null,
    },
    {
      claim: "E17: success once more changes nothing",
      from: aRefund("succeeded"),
      asked: "told",
      says: aVerdict(yes),
      then: null,
    },
    {
      claim: "E17: a failure once more changes nothing",
      from: aRefund("failed"),
      asked: "told",
      says: aVerdict(no),
      then: null,
    },
    {
      claim: "E19: success once more may bring the serial number, without an event",
      from: aRefund("succeeded", { transactionNo: null }),
      asked: "told",
      says: aVerdict({ kind: "succeeded", transactionNo: "R9" }),
      then: {
        state: "succeeded",
        events: [],
        dueIn: null,
        transactionNo: "R9",
        timeSucceed: NOW / 1000 - 60,
      },
    },
    {
      claim: "a serial number that is known is not replaced",
      from: aRefund("succeeded", { transactionNo: "R1" }),
      asked: "told",
      says: aVerdict({ kind: "succeeded", transactionNo: "R9" }),
      then: null,
    },
    {
      claim: "a silence about a final state is no news",
      from: aRefund("succeeded"),
      asked: "query",
      says: aVerdict(silence),
      then: null,
    },
    {
      claim: "not found about a success is no news",
      from: aRefund("succeeded"),
      asked: "query",
      says: aVerdict(nothing),
      then: null,
    },
    {
      claim: "not sent about a final state is no news",
      from: aRefund("succeeded"),
      asked: "submit",
      says: aVerdict(throttled),
      then: null,
    },
    {
      claim: "another amount for a final state is a person's business",
      from: aRefund("succeeded"),
      asked: "told",
      says: aVerdict(yes, { amount: 1 }),
      then: {
        state: "succeeded",
        events: ["refund.updated"],
        dueIn: null,
        attention: "amount_mismatch",
      },
    },
    {
      claim: "E17: and is told once",
      from: aRefund("succeeded", { attention: "amount_mismatch" }),
      asked: "told",
      says: aVerdict(yes, { amount: 1 }),
      then: null,
    },
    {
      claim: "F7: a submission that a notice overtook does not take an accepted refund back to waiting",
      from: aRefund("accepted", { attempts: 2, askedAt: NOW }),
      asked: "submit",
      says: aVerdict(throttled),
      then: { state: "accepted", events: [], dueIn: 5000, clearToSubmit: false, attempts: 2 },
    },
  ]);
});

describe("a final state that the channel contradicts", () => {
  const contradicted = { contradictedAt: NOW - 10, dueAt: NOW - 10 };
  table([
    {
      claim: "E13: failed after success is believed by nobody's word: the channel is asked first",
      from: aRefund("succeeded"),
      asked: "told",
      says: aVerdict(no),
      then: { state: "succeeded", events: [], dueIn: 0, contradictedAt: NOW },
    },
    {
      claim: "E13: success after failure is the same",
      from: aRefund("failed"),
      asked: "told",
      says: aVerdict(yes),
      then: { state: "failed", events: [], dueIn: 0, contradictedAt: NOW },
    },
    {
      claim:
        "E16: a query on a final state that contradicts it is a contradiction too: it began before it was heard",
      from: aRefund("succeeded"),
      asked: "query",
      says: aVerdict(no),
      then: { state: "succeeded", events: [], dueIn: 0, contradictedAt: NOW },
    },
    {
      claim: "E13: fails after success once a fresh query says so",
      from: aRefund("succeeded", contradicted),
      asked: "query",
      says: aVerdict(no),
      then: {
        state: "failed",
        events: ["refund.failed"],
        dueIn: null,
        timeSucceed: null,
        contradictedAt: null,
        failureCode: "refund_refused_msg",
      },
    },
    {
      claim: "E13, E16: succeeds after failure once a fresh query says so, if it still fits",
      from: aRefund("failed", contradicted),
      asked: "query",
      says: aVerdict(yes),
      then: {
        state: "succeeded",
        events: ["refund.succeeded"],
        dueIn: null,
        timeSucceed: NOW / 1000,
        contradictedAt: null,
        failureCode: null,
        failureMsg: null,
        channelCode: null,
        channelMessage: null,
      },
    },
    {
      claim: "E14c: success after failure that no longer fits is a conflict: frozen, attention, still failed",
      from: aRefund("failed", contradicted),
      asked: "query",
      says: aVerdict(yes),
      at: { fits: false },
      then: {
        state: "failed",
        events: ["refund.updated"],
        dueIn: null,
        conflict: true,
        attention: "conflict",
        contradictedAt: null,
        timeSucceed: null,
      },
    },
    {
      claim: "E14c: the same conflict once more is told once",
      from: aRefund("failed", { ...contradicted, attention: "conflict" }),
      asked: "query",
      says: aVerdict(yes),
      at: { fits: false },
      then: { state: "failed", events: [], dueIn: null, conflict: true, attention: "conflict" },
    },
    {
      claim: "E13: a query begun before the contradiction was heard is not fresh",
      from: aRefund("succeeded", contradicted),
      asked: "query",
      says: aVerdict(no, { askedAt: NOW - 11 }),
      then: { state: "succeeded", events: [], dueIn: 0, contradictedAt: NOW },
    },
    {
      claim: "E13: another notice is no query, however often it comes",
      from: aRefund("succeeded", contradicted),
      asked: "told",
      says: aVerdict(no),
      then: { state: "succeeded", events: [], dueIn: 0, contradictedAt: NOW },
    },
    {
      claim: "stays succeeded, at rest, when a fresh query says so",
      from: aRefund("succeeded", contradicted),
      asked: "query",
      says: aVerdict(yes),
      then: { state: "succeeded", events: [], dueIn: null, contradictedAt: null },
    },
    {
      claim: "stays failed, at rest, when a fresh query says so",
      from: aRefund("failed", contradicted),
      asked: "query",
      says: aVerdict(no),
      then: { state: "failed", events: [], dueIn: null, contradictedAt: null },
    },
    {
      claim: "stays failed, at rest, when a fresh query finds nothing",
      from: aRefund("failed", contradicted),
      asked: "query",
      says: aVerdict(nothing),
      then: { state: "failed", events: [], dueIn: null, contradictedAt: null },
    },
    {
      claim: "is asked about again after a silence",
      from: aRefund("succeeded", contradicted),
      asked: "query",
      says: aVerdict(silence),
      then: { state: "succeeded", events: [], dueIn: 1000, contradictedAt: NOW - 10 },
    },
    {
      claim: "is asked about again after a longer while the next time",
      from: aRefund("failed", { ...contradicted, openAnswers: 3 }),
      asked: "query",
      says: aVerdict(silence),
      then: { state: "failed", events: [], dueIn: 30_000, contradictedAt: NOW - 10 },
    },
    {
      claim: "is asked about again while the channel says that it is still working",
      from: aRefund("succeeded", contradicted),
      asked: "query",
      says: aVerdict(taken),
      then: { state: "succeeded", events: [], dueIn: 1000, contradictedAt: NOW - 10 },
    },
    {
      claim: "is asked about again when the channel does not find a success",
      from: aRefund("succeeded", contradicted),
      asked: "query",
      says: aVerdict(nothing),
      then: { state: "succeeded", events: [], dueIn: 1000, contradictedAt: NOW - 10 },
    },
    {
      claim: "is asked about later when the question was throttled",
      from: aRefund("failed", contradicted),
      asked: "query",
      says: aVerdict(throttled),
      then: { state: "failed", events: [], dueIn: 5000, contradictedAt: NOW - 10 },
    },
    {
      claim: "E17: a repeat of the old news does not call the question off",
      from: aRefund("succeeded", contradicted),
      asked: "told",
      says: aVerdict(yes),
      then: null,
    },
    {
      claim: "E17: nor does a repeated failure",
      from: aRefund("failed", contradicted),
      asked: "told",
      says: aVerdict(no),
      then: null,
    },
    {
      claim: "E19: the serial number that comes meanwhile does not call the question off",
      from: aRefund("succeeded", { ...contradicted, transactionNo: null }),
      asked: "told",
      says: aVerdict({ kind: "succeeded", transactionNo: "R9" }),
      then: {
        state: "succeeded",
        events: [],
        dueIn: -10,
        contradictedAt: NOW - 10,
        transactionNo: "R9",
      },
    },
  ]);

  it.each([
    ["succeeded", yes],
    ["failed", no],
    ["failed", nothing],
  ] as const)("%s is not put to rest by a question begun before the contradiction: %j", (state, words) => {
    const from = aRefund(state, contradicted);
    const settlement = settle(from, "query", aVerdict(words, { askedAt: NOW - 11 }));
    expect((settlement?.refund ?? from).contradictedAt).not.toBeNull();
    expect((settlement?.refund ?? from).dueAt).not.toBeNull();
  });
});

describe("the delay between questions", () => {
  it("is 1 s, 3 s, 10 s, 30 s, 1 m, 5 m, 15 m, 1 h, 6 h, then daily for ever", () => {
    const delays: number[] = [];
    let refund = aRefund("submitting");
    let now = NOW;
    for (let answer = 0; answer < 13; answer++) {
      const verdict = aVerdict(silence, { askedAt: now });
      const settlement = settle(refund, answer === 0 ? "submit" : "query", verdict, { now });
      refund = settlement?.refund as Refund;
      delays.push(((refund.dueAt ?? 0) - now) / 1000);
      now = refund.dueAt ?? 0;
    }
    const day = 86_400;
    expect(delays).toEqual([1, 3, 10, 30, 60, 300, 900, 3600, 21_600, day, day, day, day]);
    expect(BACKOFF_MS).toHaveLength(10);
  });
});

describe("a channel's no", () => {
  it("speaks the language of the request that made the refund", () => {
    const settlement = settle(aRefund("submitting", { language: "en" }), "submit", aVerdict(no));
    expect(settlement?.refund.failureMsg).toBe("Channel alipay refused the refund. The channel's words: No.");
  });
});

/** What can happen to a refund next. Times in ms. */
type Step =
  | { step: "wait"; ms: number }
  /** The ledger asks when it is due to. */
  | { step: "ask" }
  /** The answer to the question under way. */
  | { step: "answer"; words: Words; mismatch: boolean }
  /** A notice, an operator or a test helper speaks up. */
  | { step: "told"; words: Words; mismatch: boolean }
  /** The instance is gone, and with it the question under way. */
  | { step: "crash" };

interface Moment {
  before: Refund;
  after: Refund;
  asked: Asked;
  verdict: Verdict;
  now: number;
  settlement: Settlement | null;
  /** Submissions that never got an answer which settles them, this one not counted. */
  doubts: number;
}

const yesOrNo: fc.Arbitrary<Words> = fc.oneof(
  fc.record({ kind: fc.constant("succeeded" as const), transactionNo: fc.constantFrom(null, "R1") }),
  fc.record({
    kind: fc.constant("declined" as const),
    code: fc.constantFrom("NO", "CLOSED"),
    words: fc.constant("No."),
  }),
);
const open: fc.Arbitrary<Words> = fc.oneof(
  fc.record(
    {
      kind: fc.constant("accepted" as const),
      attention: fc.constantFrom(...ATTENTIONS),
      url: fc.constant("https://channel.example"),
      askAgainAt: fc.integer({ min: NOW - 1000, max: NOW + 1_000_000 }),
    },
    { requiredKeys: ["kind"] },
  ),
  fc.constant({ kind: "unknown" as const }),
  fc.constant({ kind: "notFound" as const }),
);
const notSent: fc.Arbitrary<Words> = fc.record({
  kind: fc.constant("notSent" as const),
  reason: fc.constantFrom("throttled" as const, "configuration" as const),
  retryAt: fc.integer({ min: NOW - 1000, max: NOW + 1_000_000 }),
});

const mismatch = fc.integer({ min: 0, max: 19 }).map((dice) => dice === 0);
const ask = fc.constant({ step: "ask" as const });
const answer = fc.record({
  step: fc.constant("answer" as const),
  words: fc.oneof(yesOrNo, open, notSent),
  mismatch,
});
const told = fc.record({ step: fc.constant("told" as const), words: fc.oneof(yesOrNo, open), mismatch });
const wait = fc.record({
  step: fc.constant("wait" as const),
  ms: fc.oneof(
    fc.integer({ min: 0, max: 20_000 }),
    fc.constantFrom(1, 999, SETTLING_MS, 3_600_000, OVERDUE_MS),
  ),
});
const crash = fc.constant({ step: "crash" as const });

const steps: fc.Arbitrary<Step[]> = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: fc.tuple(ask, answer) },
      { weight: 1, arbitrary: fc.tuple(ask) },
      { weight: 1, arbitrary: fc.tuple(answer) },
      { weight: 2, arbitrary: fc.tuple(told) },
      { weight: 1, arbitrary: fc.tuple(wait) },
      { weight: 1, arbitrary: fc.tuple(crash) },
    ),
    { maxLength: 20, size: "max" },
  )
  .map((parts) => parts.flat());

/** Plays the steps as a ledger would, one ms apart at least, and tells of every verdict that was applied. */
function play(history: Step[], fits: boolean): Moment[] {
  const moments: Moment[] = [];
  let now = NOW;
  let refund = aRefund("waiting", { created: NOW / 1000, version: 1 });
  let question: { asked: "submit" | "query"; askedAt: number } | null = null;
  let doubts = 0;
  const hear = (asked: Asked, words: Words, mismatch: boolean, askedAt: number) => {
    const facts = mismatch ? { amount: 1, askedAt } : { askedAt };
    const verdict = aVerdict(words, facts);
    const before = refund;
    const settlement = settle(before, asked, verdict, { now, fits });
    refund = settlement?.refund ?? before;
    moments.push({ before, after: refund, asked, verdict, now, settlement, doubts });
  };
  for (const next of history) {
    now += 1;
    switch (next.step) {
      case "wait":
        now += next.ms;
        break;
      case "ask": {
        if (question !== null || refund.dueAt === null) break;
        now = Math.max(now, refund.dueAt, refund.leaseUntil ?? 0);
        if (refund.clearToSubmit) {
          refund = { ...refund, ...submission(refund, now), version: refund.version + 1 };
          question = { asked: "submit", askedAt: now };
        } else {
          question = { asked: "query", askedAt: now };
        }
        break;
      }
      case "answer": {
        if (question === null) break;
        const { asked, askedAt } = question;
        question = null;
        hear(asked, next.words, next.mismatch, askedAt);
        const definite = next.words.kind === "declined" || next.words.kind === "succeeded";
        if (asked === "submit" && next.words.kind !== "notSent" && (!definite || next.mismatch)) doubts++;
        break;
      }
      case "told":
        hear("told", next.words, next.mismatch, now);
        break;
      case "crash":
        if (question?.asked === "submit") doubts++;
        question = null;
        break;
    }
  }
  return moments;
}

const isFinal = ({ state }: Refund) => state === "succeeded" || state === "failed";

/** Checks a claim at every moment of many histories. */
function always(claim: (moment: Moment) => void): void {
  fc.assert(
    fc.property(steps, fc.boolean(), (history, fits) => {
      for (const moment of play(history, fits)) claim(moment);
    }),
    { numRuns: 1000 },
  );
}

describe("whatever a channel says, in whatever order", () => {
  it("I11: a refund makes legal moves alone", () => {
    always(({ before, after }) => {
      if (before.state !== after.state) expect(TRANSITIONS[before.state]).toContain(after.state);
    });
  });

  it("I11: its version grows by exactly one with every change, and nothing else is a change", () => {
    always(({ before, after, settlement }) => {
      expect(after.version).toBe(settlement === null ? before.version : before.version + 1);
    });
  });

  it("I15: it has succeeded exactly when it has a time of success", () => {
    always(({ after }) => expect(after.timeSucceed !== null).toBe(after.state === "succeeded"));
  });

  it("I9: its events are exactly its public transitions, and changes of attention", () => {
    always(({ before, after, settlement }) => {
      const status = statusOf(after.state);
      const moved = status !== statusOf(before.state);
      const events = moved
        ? [`refund.${status}`]
        : after.attention !== before.attention
          ? ["refund.updated"]
          : [];
      expect(settlement?.events ?? []).toEqual(events);
      if (moved) expect(status).not.toBe("pending");
    });
  });

  it("I12: its id, number, amount and creation never change", () => {
    always(({ before, after }) => {
      const facts = ({ id, seq, amount, created, refundNo, fingerprint }: Refund) => [
        id,
        seq,
        amount,
        created,
        refundNo,
        fingerprint,
      ];
      expect(facts(after)).toEqual(facts(before));
    });
  });

  it("E5: only a definite no releases money: no silence, no throttling, no age", () => {
    always(({ before, after, verdict }) => {
      if (!holdsMoney(before) || holdsMoney(after)) return;
      const confirms = verdict.kind === "notFound" && before.provisional !== null;
      expect(verdict.kind === "declined" || confirms).toBe(true);
      expect(verdict.amount).toBe(before.amount);
    });
  });

  it("E14b: a no about a refund in doubt releases nothing before a query past the settling time confirms it", () => {
    always(({ before, after, verdict, asked, doubts }) => {
      if (after.state !== "failed" || isFinal(before) || before.state === "accepted") return;
      const onlyAttempt = asked === "submit" && before.state === "submitting" && doubts === 0;
      if (onlyAttempt) return;
      expect(before.provisional).not.toBeNull();
      expect(asked).toBe("query");
      expect(verdict.askedAt).toBeGreaterThanOrEqual((before.lastSubmittedAt ?? 0) + SETTLING_MS);
    });
  });

  it("E13: a final state is only left after a query begun once the contradiction was heard", () => {
    always(({ before, after, verdict, asked }) => {
      if (!isFinal(before) || before.state === after.state) return;
      expect(asked).toBe("query");
      expect(before.contradictedAt).not.toBeNull();
      expect(verdict.askedAt).toBeGreaterThanOrEqual(before.contradictedAt ?? Number.POSITIVE_INFINITY);
    });
  });

  it("E13: a contradiction, once heard, rests only after a query begun later was answered", () => {
    always(({ before, after, verdict, asked }) => {
      if (before.contradictedAt === null || after.contradictedAt !== null) return;
      expect(asked).toBe("query");
      expect(verdict.askedAt).toBeGreaterThanOrEqual(before.contradictedAt);
    });
  });

  it("I8: an open refund is always due at some time, a final one only while it is contradicted", () => {
    always(({ after }) => {
      expect(after.dueAt !== null).toBe(!isFinal(after) || after.contradictedAt !== null);
    });
  });

  it("I8: what changes is due now or later, never in the past", () => {
    always(({ before, after, now, settlement }) => {
      if (settlement === null || after.dueAt === null || after.dueAt === before.dueAt) return;
      expect(after.dueAt).toBeGreaterThanOrEqual(now);
    });
  });

  it("I8: no answer to our own question leaves the same question due at once", () => {
    always(({ before, after, now, asked, verdict }) => {
      if (asked === "told" || after.dueAt === null || after.dueAt > now) return;
      const toSubmit = verdict.kind === "notFound" && after.clearToSubmit;
      // A contradiction is heard at this very moment, or it was heard while the question was under way.
      const freshNews = after.contradictedAt !== null && after.contradictedAt > verdict.askedAt;
      const mayAsk = toSubmit || freshNews || (before.askedAt ?? 0) > verdict.askedAt;
      expect(mayAsk).toBe(true);
    });
  });

  it("an answer to our own question gives its lease back", () => {
    always(({ after, asked }) => {
      if (asked !== "told") expect(after.leaseUntil).toBeNull();
    });
  });

  it("E6: a number is cleared for another submission only by not found past the settling time, or unsent", () => {
    always(({ before, after, verdict, asked }) => {
      if (before.clearToSubmit || !after.clearToSubmit) return;
      const unsent = verdict.kind === "notSent" && asked === "submit" && after.state === "waiting";
      const lost =
        verdict.kind === "notFound" &&
        before.provisional === null &&
        verdict.askedAt >= (before.lastSubmittedAt ?? 0) + SETTLING_MS;
      expect(unsent || lost).toBe(true);
    });
  });

  it("another amount never moves a refund to another public status", () => {
    always(({ before, after, verdict }) => {
      if (verdict.amount !== before.amount) expect(statusOf(after.state)).toBe(statusOf(before.state));
    });
  });

  it("E14c: a conflict is only seen where a success no longer fits", () => {
    always(({ before, after, verdict, settlement }) => {
      if (settlement?.conflict !== true) return;
      expect([before.state, after.state, verdict.kind]).toEqual(["failed", "failed", "succeeded"]);
      expect(after.attention).toBe("conflict");
    });
  });
});

describe("the histories", () => {
  it("reach every state and every move, so that the claims above claim something", () => {
    const seen = new Set<string>();
    for (const [history, fits] of fc.sample(fc.tuple(steps, fc.boolean()), 2000)) {
      for (const { before, after } of play(history, fits)) {
        if (before.state !== after.state) seen.add(`${before.state} → ${after.state}`);
      }
    }
    const moves = STATES.flatMap((from) => TRANSITIONS[from].map((to) => `${from} → ${to}`));
    // A submission is claimed, and a waiting refund canceled, outside of what a verdict does.
    const claimed = ["waiting → submitting", "unknown → submitting", "waiting → failed"];
    expect(moves.filter((move) => !seen.has(move)).sort()).toEqual(claimed.sort());
  });
});
