import { describe, expect, it } from "vitest";
import type { RefundOrder, Verdict } from "../../src/channels/channel.ts";
import { channelFor } from "../../src/channels/channels.ts";
import {
  BEHAVIOURS,
  circumstancesOf,
  FORCED_MOVES,
  forcedVerdict,
  MODIFIERS,
  sandboxAnswer,
} from "../../src/channels/sandbox/behaviour.ts";
import { translate } from "../../src/channels/sandbox/client.ts";
import { sandbox } from "../../src/channels/sandbox/sandbox.ts";

const CREATED = 1_800_000_000;
const START = CREATED * 1000 + 250;

/** A first submission, about to be made. */
const first: RefundOrder = {
  number: "0123456789ABCDEFGHIJKLMN",
  amount: 100,
  currency: "cny",
  chargeAmount: 10_000,
  charge: "ch_0123456789ABCDEFGHIJKLMN",
  chargeOrderNo: "order 1",
  transactionNo: "4200001",
  channel: "alipay",
  livemode: false,
  description: "a jacket that does not fit",
  fundingSource: null,
  attempt: 1,
  submittedAt: null,
  created: CREATED,
  memory: null,
};
const submitted = (description: string, changes: Partial<RefundOrder> = {}): RefundOrder => ({
  ...first,
  description,
  submittedAt: START,
  ...changes,
});

/** A verdict without the facts that all of them carry. */
function said(verdict: Verdict): object {
  const { number, amount, currency, askedAt, ...rest } = verdict;
  expect({ number, amount, currency }).toEqual({
    number: first.number,
    amount: first.amount,
    currency: "cny",
  });
  expect(askedAt).toBeTypeOf("number");
  return rest;
}
const refund = (description: string, afterMs = 0, changes: Partial<RefundOrder> = {}) =>
  said(sandboxAnswer("refund", submitted(description, changes), START + afterMs).verdict);
const query = (description: string, afterMs = 0, changes: Partial<RefundOrder> = {}) =>
  said(sandboxAnswer("query", submitted(description, changes), START + afterMs).verdict);

const success = { kind: "succeeded", transactionNo: `sandbox_${first.number}`, succeededAt: CREATED };
const declined = (code: string) => ({
  kind: "declined",
  code,
  words: expect.any(String),
  failureCode: "refund_refused_msg",
});
const unanswered = { kind: "unknown", failureCode: "channel_connection_error", words: expect.any(String) };

describe("the triggers of the sandbox", () => {
  it.each(["no trigger", "[sandbox:succeed]"])(
    "%s succeeds at once, in the second of its creation",
    (words) => {
      expect(refund(words)).toEqual(success);
      expect(query(words, 9000)).toEqual(success);
    },
  );

  it("pending is accepted, and succeeded N seconds later", () => {
    const accepted = { kind: "accepted", askAgainAt: START + 7000 };
    expect(refund("[sandbox:pending:7]")).toEqual(accepted);
    expect(query("[sandbox:pending:7]", 6999)).toEqual(accepted);
    expect(query("[sandbox:pending:7]", 7000)).toEqual({ ...success, succeededAt: CREATED + 7 });
  });

  it("pending_fails is accepted, and declined N seconds later", () => {
    expect(refund("[sandbox:pending_fails:7]")).toEqual({ kind: "accepted", askAgainAt: START + 7000 });
    expect(query("[sandbox:pending_fails:7]", 7000)).toEqual(declined("CLOSED"));
  });

  it("pending_forever is accepted for ever", () => {
    expect(refund("[sandbox:pending_forever]")).toEqual({ kind: "accepted" });
    expect(query("[sandbox:pending_forever]", 400 * 86_400_000)).toEqual({ kind: "accepted" });
  });

  it("declined and balance_too_small are declined with the channel's code (E31)", () => {
    expect(refund("[sandbox:declined]")).toEqual(declined("TRADE_NOT_ALLOW_REFUND"));
    expect(query("[sandbox:declined]")).toEqual(declined("TRADE_NOT_ALLOW_REFUND"));
    expect(refund("[sandbox:balance_too_small]")).toEqual(declined("NOT_ENOUGH"));
  });

  it("timeout_succeeded leaves the submission unanswered and is found by a query", () => {
    expect(refund("[sandbox:timeout_succeeded]")).toEqual(unanswered);
    expect(query("[sandbox:timeout_succeeded]")).toEqual(success);
  });

  it("timeout_lost is not found until a second submission succeeds", () => {
    expect(refund("[sandbox:timeout_lost]")).toEqual(unanswered);
    expect(query("[sandbox:timeout_lost]", 9000)).toEqual({ kind: "notFound" });
    expect(refund("[sandbox:timeout_lost]", 9000, { attempt: 2 })).toEqual(success);
    expect(query("[sandbox:timeout_lost]", 9000, { attempt: 2 })).toEqual(success);
  });

  it("error answers N submissions with a 5xx and has done nothing", () => {
    const error = { kind: "unknown", failureCode: "channel_request_error", words: "HTTP 500" };
    expect(refund("[sandbox:error:2]")).toEqual(error);
    expect(refund("[sandbox:error:2]", 0, { attempt: 2 })).toEqual(error);
    expect(query("[sandbox:error:2]", 0, { attempt: 2 })).toEqual({ kind: "notFound" });
    expect(refund("[sandbox:error:2]", 0, { attempt: 3 })).toEqual(success);
  });

  it("late_landing declines the second submission, after which the first one lands (E14b)", () => {
    expect(refund("[sandbox:late_landing]")).toEqual(unanswered);
    expect(query("[sandbox:late_landing]", 3000)).toEqual({ kind: "notFound" });
    expect(refund("[sandbox:late_landing]", 3000, { attempt: 2 })).toEqual(declined("NOT_ENOUGH"));
    expect(query("[sandbox:late_landing]", 6000, { attempt: 2 })).toEqual(success);
  });

  it("late_failure succeeds, and N seconds later a query says that the money came back (E13)", () => {
    expect(refund("[sandbox:late_failure:3]")).toEqual(success);
    expect(query("[sandbox:late_failure:3]", 2999)).toEqual(success);
    expect(query("[sandbox:late_failure:3]", 3000)).toEqual(declined("RETURNED"));
  });

  it("abnormal and operator_url are accepted and need a person (E11)", () => {
    expect(refund("[sandbox:abnormal]")).toEqual({ kind: "accepted", attention: "channel_abnormal" });
    expect(refund("[sandbox:operator_url]")).toEqual({
      kind: "accepted",
      attention: "operator_url",
      url: `https://sandbox.example/refunds/${first.number}`,
    });
  });

  it("throttled is certainly not sent, once, and remembers that (E38)", () => {
    expect(refund("[sandbox:throttled:4]")).toEqual({
      kind: "notSent",
      reason: "throttled",
      retryAt: START + 4000,
      memory: "throttled",
    });
    expect(query("[sandbox:throttled:4]")).toEqual({ kind: "notFound" });
    expect(refund("[sandbox:throttled:4]", 4000, { memory: "throttled" })).toEqual(success);
  });

  it("silent never says a status (E7)", () => {
    const silent = {
      kind: "unknown",
      failureCode: "refund_unexpected_status",
      words: expect.any(String),
    };
    expect(refund("[sandbox:silent]")).toEqual(silent);
    expect(query("[sandbox:silent]", 40 * 86_400_000, { attempt: 9 })).toEqual(silent);
  });
});

describe("how triggers are read", () => {
  it("in any case, anywhere in the description", () => {
    expect(refund("please [SandBox:DECLINED] this")).toEqual(declined("TRADE_NOT_ALLOW_REFUND"));
  });

  it("a misspelt one is declined instead of succeeding", () => {
    for (const words of [
      "[sandbox:pendign]",
      "[sandbox:]",
      "[sandbox:pending:soon]",
      "[sandbox:pending:-1]",
    ]) {
      expect(refund(words)).toEqual(declined("SANDBOX_TRIGGER_UNKNOWN"));
    }
  });

  it("every behaviour has an amount of its own, and a word goes before it", () => {
    const amounts = BEHAVIOURS.map((behaviour) => behaviour.amount);
    expect(new Set(amounts).size).toBe(BEHAVIOURS.length);
    for (const { word, amount } of BEHAVIOURS) {
      for (const asked of ["refund", "query"] as const) {
        const byWord = sandboxAnswer(asked, submitted(`[sandbox:${word}]`), START + 1);
        const byAmount = sandboxAnswer(asked, submitted("no word", { amount }), START + 1);
        expect(byAmount.verdict, word).toEqual({ ...byWord.verdict, amount });
        expect(byAmount.afterMs).toBe(byWord.afterMs);
      }
    }
    const both = submitted("[sandbox:succeed]", { amount: 40005 });
    expect(sandboxAnswer("refund", both, START).verdict.kind).toBe("succeeded");
  });

  it("words are unique, and modifiers go together with a behaviour", () => {
    const words = [...BEHAVIOURS, ...MODIFIERS].map(({ word }) => word);
    expect(new Set(words).size).toBe(words.length);
    const description = "[sandbox:slow:120] [sandbox:declined] [sandbox:settling:300] [sandbox:spacing:700]";
    expect(sandboxAnswer("refund", submitted(description), START)).toMatchObject({
      verdict: { kind: "declined" },
      afterMs: 120,
    });
    expect(sandboxAnswer("query", submitted(description), START).afterMs).toBe(0);
    expect(circumstancesOf({ description })).toEqual({ settlingMs: 300, spacingMs: 700 });
    expect(circumstancesOf({ description: "none" })).toEqual({ settlingMs: 2000, spacingMs: 0 });
  });

  it("a question asked twice is answered the same", () => {
    for (const { word } of BEHAVIOURS) {
      const order = submitted(`[sandbox:${word}]`);
      expect(sandboxAnswer("query", order, START + 5)).toEqual(sandboxAnswer("query", order, START + 5));
    }
  });
});

describe("a refund moved by a test helper", () => {
  it.each(FORCED_MOVES)("%s: the next query says what the helper said", (move) => {
    const order = submitted("[sandbox:pending:3600]");
    const forced = forcedVerdict(move, order, START + 5000);
    expect(forced.kind).toBe(
      { succeed: "succeeded", fail: "declined", reverse: "declined", abnormal: "accepted" }[move],
    );
    const { memory, ...facts } = forced;
    const later = sandboxAnswer("query", { ...order, memory: memory ?? null }, START + 9000);
    expect(later).toEqual({ verdict: { ...facts, askedAt: START + 9000 }, afterMs: 0 });
  });

  it("succeeds in the second in which it was moved", () => {
    expect(forcedVerdict("succeed", first, START + 5000)).toMatchObject({ succeededAt: CREATED + 5 });
  });
});

describe("the sandbox in the Worker", () => {
  const never = new AbortController().signal;

  it("keeps the channel's window and its rule for partial refunds", () => {
    const channel = sandbox(async () => {});
    expect(channel.facts({ channel: "cnp_u", description: "" })).toEqual({
      fullRefundOnly: true,
      windowSeconds: 365 * 86_400,
      spacingMs: 0,
      settlingMs: 2000,
    });
  });

  it("waits as long as the trigger asks, and no longer than its asker", async () => {
    const waits: number[] = [];
    const channel = sandbox(async (ms) => void waits.push(ms));
    const order = submitted("[sandbox:slow:20000]");
    expect((await channel.refund(order, null, START, never)).kind).toBe("succeeded");
    expect((await channel.refund(submitted("[sandbox:timeout_lost]"), null, START, never)).kind).toBe(
      "unknown",
    );
    expect(waits).toEqual([20_000, 50]);

    const hanging = sandbox(() => new Promise(() => {}));
    const asker = new AbortController();
    const answer = hanging.refund(order, null, START, asker.signal);
    asker.abort();
    expect(await answer).toMatchObject({ kind: "unknown", failureCode: "channel_connection_error" });
  });

  const keys = { MASTER_KEYS: "{}" };

  it("speaks for every name in test mode, and in live mode for none", () => {
    const trigger = (name: string) => ({ channel: name, description: "[sandbox:spacing:7]" });
    for (const name of ["alipay", "wx_pub", "stripe", "manual", "anything"]) {
      expect(channelFor(name, false, keys)?.facts(trigger(name)).spacingMs).toBe(7);
      const env = { ...keys, LOCAL_DEV: "true", SANDBOX_URL: "http://127.0.0.1:1" };
      expect(channelFor(name, true, env)?.facts(trigger(name)).spacingMs ?? 0).not.toBe(7);
    }
    expect(channelFor("anything", true, keys)).toBeNull();
  });

  it("is reached over HTTP on loopback in local development alone", () => {
    const url = "http://127.0.0.1:9";
    expect(channelFor("alipay", false, { ...keys, LOCAL_DEV: "true", SANDBOX_URL: url })).not.toBeNull();
    expect(() => channelFor("alipay", false, { ...keys, SANDBOX_URL: url })).toThrow("LOCAL_DEV");
    for (const elsewhere of ["http://sandbox.example", "https://127.0.0.1", "http://127.0.0.1.example"]) {
      expect(() =>
        channelFor("alipay", false, { ...keys, LOCAL_DEV: "true", SANDBOX_URL: elsewhere }),
      ).toThrow("loopback");
    }
  });
});

describe("an answer of the sandbox over HTTP", () => {
  const facts = { number: first.number, amount: 100, currency: "cny" };
  const ok = JSON.stringify({ ...facts, status: "succeeded", transaction_no: "t", succeeded_at: CREATED });
  const read = (asked: "refund" | "query", status: number, body: string, retryAfter: string | null = null) =>
    translate(asked, first, START, status, body, retryAfter);

  it("is believed when it is exactly as expected", () => {
    expect(read("refund", 200, ok)).toEqual({
      ...facts,
      kind: "succeeded",
      transactionNo: "t",
      succeededAt: CREATED,
      askedAt: START,
    });
    const notFound = JSON.stringify({ status: "not_found", number: first.number });
    expect(read("query", 404, notFound).kind).toBe("notFound");
    expect(read("refund", 429, "", "3")).toMatchObject({ kind: "notSent", retryAt: START + 3000 });
  });

  it.each<[string, "refund" | "query", number, string]>([
    ["an error", "refund", 500, ok],
    ["a redirect", "refund", 302, ok],
    ["not JSON", "refund", 200, "<html>"],
    ["no status", "query", 200, JSON.stringify(facts)],
    ["an unknown status", "query", 200, ok.replace("succeeded", "done")],
    ["another number", "query", 200, ok.replace(first.number, "other")],
    ["an unknown field", "query", 200, ok.replace("{", '{"but":1,')],
    ["a proxy's own 404", "query", 404, "<html>"],
    ["a 404 for another number", "query", 404, '{"status":"not_found","number":"other"}'],
    ["a 404 to a submission", "refund", 404, `{"status":"not_found","number":"${first.number}"}`],
    ["too many queries", "query", 429, ""],
  ])("is unknown when it is %s", (_, asked, status, body) => {
    expect(read(asked, status, body).kind).toBe("unknown");
  });
});
