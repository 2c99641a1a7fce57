// What every verdict does to a refund in every state (design.md §4). `refund-histories` holds what no sequence
// of verdicts may ever do.
import { describe, expect, it } from "vitest";
import type { Verdict } from "../../src/channels/channel.ts";
import type { Refund, State } from "../../src/refunds/refund.ts";
import { BACKOFF_MS, type Circumstances, OVERDUE_MS, settleRefund } from "../../src/refunds/settle-refund.ts";
import { aRefund, aVerdict, NOW, SETTLING_MS, type Words } from "./refund-fixture.ts";

const CIRCUMSTANCES: Omit<Circumstances, "asked"> = {
  now: NOW,
  channel: "alipay",
  currency: "cny",
  fits: true,
  settlingMs: SETTLING_MS,
};

type Asked = Circumstances["asked"];
type Facts = Partial<Pick<Verdict, "amount" | "currency" | "askedAt">>;

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
const longAgo = { firstSubmittedAt: NOW - 2 * SETTLING_MS, lastSubmittedAt: NOW - 2 * SETTLING_MS };

function settle(from: Refund, asked: Asked, verdict: Verdict, at: Partial<Circumstances> = {}) {
  return settleRefund(from, verdict, { ...CIRCUMSTANCES, asked, ...at });
}

/** What becomes of the refund: `dueIn` in ms from now; `null` when nothing is left to do. */
type Outcome = { state: State; events: string[]; dueIn: number | null; conflict?: true } & Partial<
  Omit<Refund, "state" | "dueAt">
>;

/** One row of the table; `null`: nothing changes at all. */
function becomes(
  claim: string,
  from: Refund,
  asked: Asked,
  words: Words,
  outcome: Outcome | null,
  { fits = true, ...facts }: Facts & { fits?: boolean } = {},
): void {
  it(claim, () => {
    const settlement = settle(from, asked, aVerdict(words, facts), { fits });
    if (outcome === null) {
      expect(settlement).toBeNull();
      return;
    }
    const { events, state, dueIn, conflict = false, ...rest } = outcome;
    const dueAt = dueIn === null ? null : NOW + dueIn;
    expect(settlement).toMatchObject({
      refund: { state, dueAt, version: from.version + 1, leaseUntil: null, attention: null, ...rest },
      events,
      conflict,
    });
  });
}

describe("a refund that was just submitted", () => {
  const from = aRefund("submitting");
  becomes(
    "succeeds when the channel says so",
    from,
    "submit",
    { ...yes, transactionNo: "R7", succeededAt: 1_700_000_000 },
    {
      state: "succeeded",
      events: ["refund.succeeded"],
      dueIn: null,
      timeSucceed: 1_700_000_000,
      transactionNo: "R7",
    },
  );
  becomes(
    "has succeeded now when the channel does not say when, and may have no serial number",
    from,
    "submit",
    { kind: "succeeded", transactionNo: null },
    {
      state: "succeeded",
      events: ["refund.succeeded"],
      dueIn: null,
      timeSucceed: NOW / 1000,
      transactionNo: null,
    },
    { amount: null, currency: null },
  );
  becomes(
    "E31: fails at once when its only attempt is declined, with the channel's own code kept apart",
    from,
    "submit",
    { kind: "declined", code: "NOT_ENOUGH", words: "The balance is too small." },
    {
      state: "failed",
      events: ["refund.failed"],
      dueIn: null,
      timeSucceed: null,
      failureCode: "refund_refused_msg",
      failureMsg: "退款 alipay 已被支付渠道拒绝。来自渠道的信息：The balance is too small.",
      channelCode: "NOT_ENOUGH",
      channelMessage: "The balance is too small.",
    },
  );
  becomes(
    "fails with the connector's failure code where it names one",
    from,
    "submit",
    { ...no, failureCode: "channel_sign_error" },
    { state: "failed", events: ["refund.failed"], dueIn: null, failureCode: "channel_sign_error" },
  );
  becomes(
    "E33: is accepted and asked about in a second",
    from,
    "submit",
    { kind: "accepted", transactionNo: "R2" },
    { state: "accepted", events: [], dueIn: 1000, transactionNo: "R2", inDoubt: false },
  );
  becomes(
    "is asked about when the channel wishes, if that is later",
    from,
    "submit",
    { kind: "accepted", askAgainAt: NOW + 5 * minute },
    { state: "accepted", events: [], dueIn: 5 * minute },
  );
  becomes(
    "is not asked about at once because the channel names a moment that has passed",
    from,
    "submit",
    { kind: "accepted", askAgainAt: NOW - minute },
    { state: "accepted", events: [], dueIn: 1000 },
  );
  becomes(
    "E11: abnormal is pending with attention, the money held",
    from,
    "submit",
    { kind: "accepted", attention: "channel_abnormal" },
    { state: "accepted", events: ["refund.updated"], dueIn: 1000, attention: "channel_abnormal" },
  );
  becomes(
    "E30: already refunded at the channel is attention, never a plain failure",
    from,
    "submit",
    { kind: "accepted", attention: "already_refunded" },
    { state: "accepted", events: ["refund.updated"], dueIn: 1000, attention: "already_refunded" },
  );
  becomes(
    "waits for the merchant to open a page",
    from,
    "submit",
    { kind: "accepted", url: "https://channel.example/1" },
    {
      state: "accepted",
      events: ["refund.updated"],
      dueIn: 1000,
      attention: "operator_url",
      failureCode: "refund_wait_operation",
      failureMsg: "https://channel.example/1",
    },
  );
  becomes(
    "E4: a time-out leaves it unknown, to be asked about in a second, by the same number",
    from,
    "submit",
    silence,
    { state: "unknown", events: [], dueIn: 1000, inDoubt: true, clearToSubmit: false },
    { amount: null, currency: null },
  );
  becomes(
    "E8: an answer that decides nothing is left to the query",
    from,
    "submit",
    { kind: "unknown", failureCode: "refund_unexpected_status" },
    { state: "unknown", events: [], dueIn: 1000, clearToSubmit: false },
  );
  becomes(
    "E38: throttled before it was sent waits again, its number unused, its account free",
    aRefund("submitting", { account: { id: "ca_1", revision: 2 } }),
    "submit",
    throttled,
    {
      state: "waiting",
      events: [],
      dueIn: 5000,
      clearToSubmit: true,
      attempts: 0,
      firstSubmittedAt: null,
      lastSubmittedAt: null,
      account: null,
    },
  );
  becomes(
    "is never retried within a second, whatever the channel says",
    from,
    "submit",
    { kind: "notSent", reason: "throttled", retryAt: 0 },
    { state: "waiting", events: [], dueIn: 1000 },
  );
  becomes("without a usable account waits, and a person hears of it", from, "submit", unconfigured, {
    state: "waiting",
    events: ["refund.updated"],
    dueIn: 3_600_000,
    attention: "configuration",
  });
  becomes("E18: succeeds by a notice that comes before the channel's own answer", from, "told", yes, {
    state: "succeeded",
    events: ["refund.succeeded"],
    dueIn: null,
  });
  becomes("E14b: is not failed by a notice while its own answer is still to come", from, "told", no, {
    state: "unknown",
    events: [],
    dueIn: SETTLING_MS - 1000,
    provisional: { code: "NO", words: "No.", failureCode: null },
  });
  becomes("E6: not found right after a crash means nothing yet", from, "query", nothing, {
    state: "unknown",
    events: [],
    dueIn: SETTLING_MS - 1000,
    inDoubt: true,
    clearToSubmit: false,
  });
});

describe("a refund whose outcome is unknown", () => {
  const from = aRefund("unknown");
  becomes("E4: succeeds when the query finds it done", from, "query", yes, {
    state: "succeeded",
    events: ["refund.succeeded"],
    dueIn: null,
    inDoubt: false,
  });
  becomes(
    "is accepted when the query finds it on the channel's books, and no longer in doubt",
    aRefund("unknown", { provisional: heardNo }),
    "query",
    taken,
    { state: "accepted", events: [], dueIn: 3000, inDoubt: false, provisional: null },
  );
  becomes("E7: stays unknown on another silence, asked again after a longer while", from, "query", silence, {
    state: "unknown",
    events: [],
    dueIn: 3000,
    openAnswers: 2,
    clearToSubmit: false,
  });
  becomes(
    "E5, E7: after a week is shown to a person, and asked about for ever",
    aRefund("unknown", { created: (NOW - OVERDUE_MS) / 1000, openAnswers: 40 }),
    "query",
    silence,
    {
      state: "unknown",
      events: ["refund.updated"],
      dueIn: 86_400_000,
      attention: "overdue",
      clearToSubmit: false,
    },
  );
  becomes(
    "E7: is not overdue a second before the week is over",
    aRefund("unknown", { created: (NOW - OVERDUE_MS) / 1000 + 1 }),
    "query",
    silence,
    { state: "unknown", events: [], dueIn: 3000 },
  );
  becomes(
    "says overdue once",
    aRefund("unknown", { created: (NOW - 9 * 86_400_000) / 1000, attention: "overdue" }),
    "query",
    silence,
    { state: "unknown", events: [], dueIn: 3000, attention: "overdue" },
  );
  becomes(
    "E6: not found before the settling time is asked again when that is over",
    aRefund("unknown", { lastSubmittedAt: NOW - 10 * 1000 }),
    "query",
    nothing,
    { state: "unknown", events: [], dueIn: 50 * 1000, clearToSubmit: false },
  );
  becomes(
    "E6: not found one ms before the settling time is still too early",
    aRefund("unknown", { lastSubmittedAt: NOW - SETTLING_MS + 1 }),
    "query",
    nothing,
    { state: "unknown", events: [], dueIn: 3000, clearToSubmit: false },
  );
  becomes(
    "E6: not found at the settling time clears the same number for another submission",
    aRefund("unknown", { lastSubmittedAt: NOW - SETTLING_MS }),
    "query",
    nothing,
    { state: "unknown", events: [], dueIn: 0, clearToSubmit: true, inDoubt: true },
  );
  becomes(
    "E6: a query begun before the settling time proves nothing, however late its answer is",
    aRefund("unknown", { lastSubmittedAt: NOW - SETTLING_MS - 5000, askedAt: NOW - SETTLING_MS }),
    "query",
    nothing,
    { state: "unknown", events: [], dueIn: 3000, clearToSubmit: false },
    { askedAt: NOW - 5001 },
  );
  becomes(
    "E14b: a no is provisional, also long after the settling time, and keeps the money held",
    aRefund("unknown", longAgo),
    "query",
    no,
    {
      state: "unknown",
      events: [],
      dueIn: 3000,
      provisional: { code: "NO", words: "No.", failureCode: null },
    },
  );
  becomes(
    "E14b: a second no before the settling time confirms nothing",
    aRefund("unknown", { provisional: heardNo }),
    "query",
    no,
    { state: "unknown", events: [], dueIn: SETTLING_MS - 1000 },
  );
  becomes(
    "E14b: a second no past the settling time ends it, in the words heard last",
    aRefund("unknown", { ...longAgo, provisional: heardNo }),
    "query",
    no,
    { state: "failed", events: ["refund.failed"], dueIn: null, channelCode: "NO" },
  );
  becomes(
    "E14b: not found after a no ends it in the no's words instead of submitting once more",
    aRefund("unknown", { ...longAgo, provisional: heardNo }),
    "query",
    nothing,
    { state: "failed", events: ["refund.failed"], dueIn: null, channelCode: "FIRST", clearToSubmit: false },
  );
  becomes(
    "E14b: succeeds after a no when the first attempt lands late",
    aRefund("unknown", { ...longAgo, provisional: heardNo }),
    "query",
    yes,
    { state: "succeeded", events: ["refund.succeeded"], dueIn: null, provisional: null },
  );
  becomes(
    "E14b: a second submission's no is provisional too",
    aRefund("submitting", { attempts: 2, inDoubt: true }),
    "submit",
    no,
    {
      state: "unknown",
      events: [],
      dueIn: SETTLING_MS - 1000,
      provisional: { code: "NO", words: "No.", failureCode: null },
    },
  );
  becomes(
    "E38: a second submission that was throttled leaves the first one in doubt: the query decides",
    aRefund("submitting", { attempts: 2, inDoubt: true }),
    "submit",
    throttled,
    { state: "unknown", events: [], dueIn: 5000, attempts: 2, inDoubt: true, clearToSubmit: false },
  );
  becomes("E38: a query that was throttled is put off and says nothing", from, "query", throttled, {
    state: "unknown",
    events: [],
    dueIn: 5000,
    openAnswers: 1,
  });
  becomes(
    "a query without a usable account is put off, and a person hears of it",
    from,
    "query",
    unconfigured,
    { state: "unknown", events: ["refund.updated"], dueIn: 3_600_000, attention: "configuration" },
  );
  becomes(
    "another amount under its number is a person's business and no transition",
    from,
    "query",
    yes,
    {
      state: "unknown",
      events: ["refund.updated"],
      dueIn: 3000,
      attention: "amount_mismatch",
      timeSucceed: null,
    },
    { amount: 4001 },
  );
  becomes(
    "another currency is the same",
    from,
    "query",
    no,
    {
      state: "unknown",
      events: ["refund.updated"],
      dueIn: 3000,
      attention: "amount_mismatch",
      provisional: null,
    },
    { currency: "usd" },
  );
  becomes(
    "keeps what the connector wants remembered",
    aRefund("unknown", { memory: "old" }),
    "query",
    { ...silence, memory: "new" },
    { state: "unknown", events: [], dueIn: 3000, memory: "new" },
  );
  becomes(
    "E19: stores the channel's serial number that only a notice tells",
    from,
    "told",
    { kind: "accepted", transactionNo: "R9" },
    { state: "accepted", events: [], dueIn: 3000, transactionNo: "R9" },
  );
});

describe("an accepted refund", () => {
  const from = aRefund("accepted", { transactionNo: "R2" });
  becomes(
    "succeeds",
    from,
    "query",
    { kind: "succeeded", transactionNo: null },
    { state: "succeeded", events: ["refund.succeeded"], dueIn: null, transactionNo: "R2" },
  );
  becomes(
    "E10: closed by the channel fails and releases the money",
    from,
    "query",
    { kind: "declined", code: "CLOSED", words: "Closed." },
    { state: "failed", events: ["refund.failed"], dueIn: null, channelCode: "CLOSED" },
  );
  becomes(
    "E10: closed by a notice is the same",
    from,
    "told",
    { kind: "declined", code: "CLOSED", words: "Closed." },
    { state: "failed", events: ["refund.failed"], dueIn: null },
  );
  becomes(
    "E11: abnormal clears by success",
    aRefund("accepted", { attention: "channel_abnormal" }),
    "told",
    yes,
    { state: "succeeded", events: ["refund.succeeded"], dueIn: null },
  );
  becomes(
    "E11: abnormal that the channel mends is told as cleared",
    aRefund("accepted", { attention: "channel_abnormal" }),
    "query",
    taken,
    { state: "accepted", events: ["refund.updated"], dueIn: 3000 },
  );
  becomes(
    "E11: abnormal once more is told once",
    aRefund("accepted", { attention: "channel_abnormal" }),
    "query",
    { kind: "accepted", attention: "channel_abnormal" },
    { state: "accepted", events: [], dueIn: 3000, attention: "channel_abnormal" },
  );
  becomes("stays accepted through a silence", from, "query", silence, {
    state: "accepted",
    events: [],
    dueIn: 3000,
    inDoubt: false,
  });
  becomes(
    "stays accepted when a replica of the channel does not find it, and is not sent again",
    aRefund("accepted", longAgo),
    "query",
    nothing,
    { state: "accepted", events: [], dueIn: 3000, clearToSubmit: false },
  );
  becomes(
    "drops the words of a page once the merchant has opened it",
    aRefund("accepted", {
      attention: "operator_url",
      failureCode: "refund_wait_operation",
      failureMsg: "https://channel.example/1",
    }),
    "query",
    taken,
    { state: "accepted", events: ["refund.updated"], dueIn: 3000, failureCode: null, failureMsg: null },
  );
  becomes(
    "E11, E5: a day's silence about an abnormal refund does not hide why a person is needed",
    aRefund("accepted", { created: (NOW - OVERDUE_MS) / 1000, attention: "channel_abnormal" }),
    "query",
    silence,
    { state: "accepted", events: [], dueIn: 3000, attention: "channel_abnormal" },
  );
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
  becomes(
    "E15: a notice older than what was heard last is dropped",
    aRefund("accepted"),
    "told",
    no,
    null,
    older,
  );
  becomes(
    "E18: our own answer is dropped when a notice asked later was applied first",
    aRefund("succeeded"),
    "submit",
    no,
    null,
    older,
  );
  becomes(
    "E18: our own answer, overtaken while it held the lease, gives the lease back and asks again",
    aRefund("submitting", { askedAt: NOW - 1000 }),
    "submit",
    no,
    { state: "submitting", events: [], dueIn: 1000 },
    older,
  );
  becomes("E15: processing after success is ignored", aRefund("succeeded"), "told", taken, null);
  becomes("E15: processing after failure is ignored", aRefund("failed"), "told", taken, null);
  becomes("E17: success once more changes nothing", aRefund("succeeded"), "told", yes, null);
  becomes("E17: a failure once more changes nothing", aRefund("failed"), "told", no, null);
  becomes(
    "E19: success once more may bring the serial number, without an event",
    aRefund("succeeded", { transactionNo: null }),
    "told",
    { kind: "succeeded", transactionNo: "R9" },
    { state: "succeeded", events: [], dueIn: null, transactionNo: "R9", timeSucceed: NOW / 1000 - 60 },
  );
  becomes(
    "a serial number that is known is not replaced",
    aRefund("succeeded", { transactionNo: "R1" }),
    "told",
    { kind: "succeeded", transactionNo: "R9" },
    null,
  );
  becomes("a silence about a final state is no news", aRefund("succeeded"), "query", silence, null);
  becomes("not found about a success is no news", aRefund("succeeded"), "query", nothing, null);
  becomes(
    "another amount for a final state is a person's business",
    aRefund("succeeded"),
    "told",
    yes,
    { state: "succeeded", events: ["refund.updated"], dueIn: null, attention: "amount_mismatch" },
    { amount: 1 },
  );
  becomes(
    "E17: and is told once",
    aRefund("succeeded", { attention: "amount_mismatch" }),
    "told",
    yes,
    null,
    { amount: 1 },
  );
  becomes(
    "and is over once the channel, asked, speaks of the amount in the books",
    aRefund("succeeded", { attention: "amount_mismatch" }),
    "query",
    yes,
    { state: "succeeded", events: ["refund.updated"], dueIn: null, attention: null },
    { amount: 4000 },
  );
  becomes("or, of a failed one, says no", aRefund("failed", { attention: "amount_mismatch" }), "query", no, {
    state: "failed",
    events: ["refund.updated"],
    dueIn: null,
    attention: null,
  });
  for (const [asked, amount] of [
    ["query", null],
    ["told", 4000],
  ] as const) {
    becomes(
      `and stays by a yes that was ${asked} with the amount ${amount}`,
      aRefund("succeeded", { attention: "amount_mismatch" }),
      asked,
      yes,
      null,
      { amount },
    );
  }
  becomes(
    "and does not hide a conflict, which says why the charge is frozen",
    aRefund("failed", { attention: "conflict" }),
    "told",
    yes,
    null,
    { amount: 1 },
  );
});

describe("a final state that the channel contradicts", () => {
  const contradicted = { contradictedAt: NOW - 10, dueAt: NOW - 10 };
  becomes(
    "E13: failed after success is believed by nobody's word: the channel is asked first",
    aRefund("succeeded"),
    "told",
    no,
    { state: "succeeded", events: [], dueIn: 0, contradictedAt: NOW },
  );
  becomes("E13: success after failure is the same", aRefund("failed"), "told", yes, {
    state: "failed",
    events: [],
    dueIn: 0,
    contradictedAt: NOW,
  });
  becomes(
    "E16: a query that contradicts a final state began before that was heard: it is asked anew",
    aRefund("succeeded"),
    "query",
    no,
    { state: "succeeded", events: [], dueIn: 0, contradictedAt: NOW },
  );
  becomes(
    "E13: fails after success once a fresh query says so",
    aRefund("succeeded", contradicted),
    "query",
    no,
    {
      state: "failed",
      events: ["refund.failed"],
      dueIn: null,
      timeSucceed: null,
      contradictedAt: null,
      failureCode: "refund_refused_msg",
    },
  );
  becomes(
    "E13, E16: succeeds after failure once a fresh query says so, if it still fits",
    aRefund("failed", contradicted),
    "query",
    yes,
    {
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
  );
  becomes(
    "E14c: success after failure that no longer fits is a conflict: frozen, attention, still failed",
    aRefund("failed", contradicted),
    "query",
    yes,
    {
      state: "failed",
      events: ["refund.updated"],
      dueIn: null,
      conflict: true,
      attention: "conflict",
      contradictedAt: null,
      timeSucceed: null,
    },
    { fits: false },
  );
  becomes(
    "E14c: the same conflict once more is told once",
    aRefund("failed", { ...contradicted, attention: "conflict" }),
    "query",
    yes,
    { state: "failed", events: [], dueIn: null, conflict: true, attention: "conflict" },
    { fits: false },
  );
  becomes(
    "E13: a query begun before the contradiction was heard is not fresh",
    aRefund("succeeded", contradicted),
    "query",
    no,
    { state: "succeeded", events: [], dueIn: 0, contradictedAt: NOW },
    { askedAt: NOW - 11 },
  );
  becomes(
    "E13: another notice is no query, however often it comes",
    aRefund("succeeded", contradicted),
    "told",
    no,
    { state: "succeeded", events: [], dueIn: 0, contradictedAt: NOW },
  );
  becomes(
    "stays succeeded, at rest, when a fresh query says so",
    aRefund("succeeded", contradicted),
    "query",
    yes,
    { state: "succeeded", events: [], dueIn: null, contradictedAt: null },
  );
  becomes("stays failed, at rest, when a fresh query says so", aRefund("failed", contradicted), "query", no, {
    state: "failed",
    events: [],
    dueIn: null,
    contradictedAt: null,
  });
  becomes(
    "stays failed, at rest, when a fresh query finds nothing",
    aRefund("failed", contradicted),
    "query",
    nothing,
    { state: "failed", events: [], dueIn: null, contradictedAt: null },
  );
  becomes("is asked about again after a silence", aRefund("succeeded", contradicted), "query", silence, {
    state: "succeeded",
    events: [],
    dueIn: 1000,
    contradictedAt: NOW - 10,
  });
  becomes(
    "is asked about again after a longer while the next time",
    aRefund("failed", { ...contradicted, openAnswers: 3 }),
    "query",
    silence,
    { state: "failed", events: [], dueIn: 30_000, contradictedAt: NOW - 10 },
  );
  becomes(
    "is asked about again while the channel says that it is still working",
    aRefund("succeeded", contradicted),
    "query",
    taken,
    { state: "succeeded", events: [], dueIn: 1000, contradictedAt: NOW - 10 },
  );
  becomes(
    "is asked about again when the channel does not find a success",
    aRefund("succeeded", contradicted),
    "query",
    nothing,
    { state: "succeeded", events: [], dueIn: 1000, contradictedAt: NOW - 10 },
  );
  becomes(
    "is asked about later when the question was throttled",
    aRefund("failed", contradicted),
    "query",
    throttled,
    { state: "failed", events: [], dueIn: 5000, contradictedAt: NOW - 10 },
  );
  becomes(
    "E17: a repeated failure does not call the question off",
    aRefund("failed", contradicted),
    "told",
    no,
    null,
  );
});

describe("what a verdict may never do", () => {
  const refundAfter = (from: Refund, asked: Asked, words: Words, facts: Facts = {}) =>
    settle(from, asked, aVerdict(words, facts))?.refund ?? from;
  const contradicted = { contradictedAt: NOW - 10, dueAt: NOW - 10 };

  it.each([no, nothing])("E14b: a notice confirms no provisional no, only a query does: %j", (words) => {
    const from = aRefund("unknown", { ...longAgo, provisional: heardNo });
    expect(refundAfter(from, "told", words).state).toBe("unknown");
  });

  it("F20: an answer to a question asked by a clock that went back does not leave it due at once", () => {
    const from = aRefund("unknown", { askedAt: NOW + 5000 });
    expect(refundAfter(from, "query", yes).dueAt).toBeGreaterThan(NOW);
  });

  it.each(["succeeded", "failed"] as const)("not sent leaves a %s refund at rest", (state) => {
    expect(refundAfter(aRefund(state), "submit", throttled).dueAt).toBeNull();
  });

  it("F7: a submission that a notice overtook does not take an accepted refund back to waiting", () => {
    const from = aRefund("accepted", { attempts: 2, askedAt: NOW });
    expect(refundAfter(from, "submit", throttled)).toMatchObject({ state: "accepted", clearToSubmit: false });
  });

  it.each([
    ["succeeded", yes],
    ["failed", no],
    ["failed", nothing],
  ] as const)("E17: a repeat of the old news does not call off the question about %s: %j", (state, words) => {
    const from = aRefund(state, contradicted);
    expect(refundAfter(from, "told", words)).toMatchObject(contradicted);
  });

  it("E19: a serial number that comes meanwhile does not call off the question", () => {
    const from = aRefund("succeeded", { ...contradicted, transactionNo: null });
    expect(refundAfter(from, "told", yes).contradictedAt).not.toBeNull();
  });

  it("E19: a notice that repeats accepted stores the serial number it brings", () => {
    const told = refundAfter(aRefund("accepted"), "told", { ...taken, transactionNo: "R9" });
    expect(told.transactionNo).toBe("R9");
  });

  it.each([
    ["accepted", taken],
    ["unknown", no],
  ] as const)("E17: news of %s that notices repeat does not put our own question off: %j", (state, words) => {
    const provisional = state === "unknown" ? heardNo : null;
    const from = aRefund(state, { ...longAgo, provisional, openAnswers: 5, dueAt: NOW + 5000 });
    expect(refundAfter(from, "told", words)).toMatchObject({ dueAt: NOW + 5000, openAnswers: 5 });
  });

  it("another amount in a notice does not call off the question", () => {
    const from = aRefund("succeeded", contradicted);
    expect(refundAfter(from, "told", yes, { amount: 1 }).contradictedAt).not.toBeNull();
  });

  it.each([
    ["succeeded", yes],
    ["failed", no],
    ["failed", nothing],
  ] as const)(
    "E13: a question begun before the contradiction does not put %s to rest: %j",
    (state, words) => {
      const then = refundAfter(aRefund(state, contradicted), "query", words, { askedAt: NOW - 11 });
      expect(then.contradictedAt).not.toBeNull();
      expect(then.dueAt).not.toBeNull();
    },
  );
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
