// Refunds that are held back, by the app's delay or for approval, on a clock that only moves when told.
import { describe, expect, it } from "vitest";
import { CALL, type CreateCommand, type DecideCall } from "../../src/charges/ledger-calls.ts";
import { Bench } from "./ledger-bench.ts";
import { aCommand, anAccount } from "./refund-fixture.ts";

const MINUTE = 60_000;
const DAY = 86_400_000;
const { rules } = aCommand();
const MAKER = aCommand().apiKey;
const CHECKER = "key_checkercheckercheckerch";

const delayed = (delayMs: number): Partial<CreateCommand> => ({ rules: { ...rules, delayMs }, waitMs: 8000 });
const limited = (cny: number, more: object = {}): Partial<CreateCommand> => ({
  rules: { ...rules, approvalLimits: { cny }, ...more },
});

function decision(refund: string, changes: Partial<DecideCall> = {}): DecideCall {
  const decider = { apiKey: CHECKER, by: "Wang" };
  const accounts = { alipay: anAccount() };
  const fixed = { ...CALL, refund, decider, reason: null, waitMs: 8000, accounts, rules };
  return { ...fixed, decision: "approve", ...changes };
}

/** When each refund was sent, ms. */
function sendings(bench: Bench): { number: string; at: number }[] {
  const sent: { number: string; at: number }[] = [];
  const answer = bench.onSubmission;
  bench.onSubmission = () => {
    sent.push({ number: bench.submissions.at(-1)?.number ?? "", at: bench.clock.time });
    return answer();
  };
  return sent;
}

function withSpacing(bench: Bench, spacingMs: number): void {
  const channel = bench.ports.channel("alipay", true);
  if (channel === null) throw new Error("the bench has a channel");
  const spaced = { ...channel, facts: (order: never) => ({ ...channel.facts(order), spacingMs }) };
  bench.ports.channel = () => spaced as typeof channel;
}

const eventsOf = (bench: Bench, type: string) =>
  bench.flushes.flatMap(({ events }) => events).filter((event) => event.type === type);

describe("a delayed refund", () => {
  it("is answered at once, goes out when its time has come, and no sync, poke or restart hastens it", async () => {
    const bench = new Bench();
    const sent = sendings(bench);
    const asked = bench.clock.time;
    const { id, notBefore, state } = await bench.refund(delayed(10 * MINUTE));
    expect({ state, notBefore, waited: bench.clock.time - asked }).toEqual({
      state: "waiting",
      notBefore: asked + 10 * MINUTE,
      waited: 0,
    });
    for (let minute = 1; minute <= 9; minute++) {
      await bench.pass(MINUTE);
      await bench.finish(bench.ledger.sync({ ...CALL, refund: id }));
      await bench.finish(bench.ledger.poke({ ...CALL }));
      if (minute === 5) bench.restart();
    }
    await bench.pass(MINUTE - 1);
    expect({ sent, asked: bench.queries }).toEqual({ sent: [], asked: [] });
    await bench.pass(1000);
    expect(sent).toEqual([{ number: id.slice(3), at: asked + 10 * MINUTE }]);
    expect(await bench.stored(id)).toMatchObject({ state: "succeeded", attempts: 1 });
  });

  it("goes out after those before it, as far apart as the channel wants them", async () => {
    const bench = new Bench();
    withSpacing(bench, MINUTE);
    const sent = sendings(bench);
    const begun = bench.clock.time;
    const made = [];
    for (const i of [1, 2, 3]) {
      made.push(await bench.refund({ ...delayed(10 * MINUTE), amount: 1000, description: `Part ${i}` }));
      await bench.pass(1000);
    }
    await bench.pass(20 * MINUTE);
    expect(sent).toEqual(made.map(({ id }, i) => ({ number: id.slice(3), at: begun + (10 + i) * MINUTE })));
  });

  it("can be canceled also after the channel had no room for it: nothing was sent", async () => {
    const bench = new Bench();
    bench.onSubmission = () => ({ kind: "notSent", reason: "throttled", retryAt: bench.clock.time + MINUTE });
    const { id, state } = await bench.refund();
    expect(state).toBe("waiting");
    const asked = bench.submissions.length;
    const cancel = decision(id, { decision: "cancel", decider: { apiKey: MAKER, by: null } });
    expect(await bench.finish(bench.ledger.decide(cancel))).toHaveProperty("ok");
    await bench.pass(DAY);
    expect(bench.submissions).toHaveLength(asked);
    expect(await bench.stored(id)).toMatchObject({ state: "failed", failureCode: "refund_canceled" });
  });

  it("keeps nobody waiting who comes after it without a delay", async () => {
    const bench = new Bench();
    withSpacing(bench, MINUTE);
    await bench.refund({ ...delayed(10 * MINUTE), amount: 1000 });
    const { state } = await bench.refund({ amount: 1000, description: "Now" });
    expect(state).toBe("succeeded");
  });

  it("sends what was canceled never, however late the alarm comes", async () => {
    const bench = new Bench();
    const { id } = await bench.refund(delayed(MINUTE));
    await bench.pass(MINUTE - 1);
    const cancel = decision(id, { decision: "cancel", decider: { apiKey: MAKER, by: null } });
    expect(await bench.finish(bench.ledger.decide(cancel))).toHaveProperty("ok");
    bench.restart();
    await bench.pass(60 * DAY);
    expect(bench.submissions).toEqual([]);
    expect(bench.queries).toEqual([]);
    expect(await bench.stored(id)).toMatchObject({ state: "failed", failureCode: "refund_canceled" });
  });
});

describe("a refund that needs approval", () => {
  it("waits for ever, and from day 7 on somebody is told so once", async () => {
    const bench = new Bench();
    const { id, approval } = await bench.refund(limited(0));
    expect(approval).toMatchObject({ status: "required" });
    await bench.pass(7 * DAY - 1000);
    expect(await bench.stored(id)).toMatchObject({ state: "waiting", attention: null });
    await bench.pass(2000);
    expect(await bench.stored(id)).toMatchObject({ state: "waiting", attention: "overdue" });
    expect(eventsOf(bench, "refund.updated")).toHaveLength(1);
    const writes = bench.flushes.length;
    bench.restart();
    await bench.pass(90 * DAY);
    await bench.finish(bench.ledger.poke({ ...CALL }));
    await bench.finish(bench.ledger.sync({ ...CALL, refund: id }));
    expect(bench.submissions).toEqual([]);
    expect(bench.flushes.length - writes).toBeLessThanOrEqual(1);
    expect(eventsOf(bench, "refund.updated")).toHaveLength(1);
    expect(await bench.stored(id)).toMatchObject({ state: "waiting", attention: "overdue", dueAt: null });

    await bench.finish(bench.ledger.decide(decision(id)));
    expect(await bench.stored(id)).toMatchObject({ state: "succeeded", attention: null });
    expect(bench.submissions).toHaveLength(1);
  });

  it("needs it for what comes above the limit together with those of the last 24 hours", async () => {
    const bench = new Bench();
    const limit = limited(3000);
    expect((await bench.refund({ ...limit, amount: 2000 })).state).toBe("succeeded");
    await bench.pass(DAY - 10_000);
    expect((await bench.refund({ ...limit, amount: 1001, description: "2" })).approval).toBeDefined();
    expect((await bench.refund({ ...limit, amount: 1000, description: "3" })).approval).toBeDefined();
    await bench.pass(11_000);
    // The first is a day old; the other two, of which none was sent, count.
    expect((await bench.refund({ ...limit, amount: 999, description: "4" })).approval).toBeUndefined();
    expect((await bench.refund({ ...limit, amount: 1, description: "5" })).approval).toBeDefined();
  });

  it("is sent once, however often the same key approves it while the channel thinks", async () => {
    const bench = new Bench();
    bench.answersIn = 5000;
    const { id } = await bench.refund(limited(0));
    const answers = await bench.finish(
      Promise.all(Array.from({ length: 10 }, () => bench.ledger.decide(decision(id)))),
    );
    for (const answer of answers) {
      expect(JSON.parse("ok" in answer ? answer.ok.refund : "{}")).toMatchObject({ status: "succeeded" });
    }
    expect(bench.submissions).toHaveLength(1);
    expect(await bench.stored(id)).toMatchObject({ state: "succeeded", attempts: 1 });
  });

  it("is not sent again by a repeated approval while nobody knows whether it was sent", async () => {
    const bench = new Bench();
    bench.onSubmission = () => ({ kind: "unknown" });
    bench.onQuery = () => ({ kind: "unknown" });
    const { id } = await bench.refund(limited(0));
    await bench.finish(bench.ledger.decide(decision(id)));
    for (let repeat = 0; repeat < 5; repeat++) {
      await bench.finish(bench.ledger.decide(decision(id)));
      bench.restart();
      await bench.finish(bench.ledger.decide(decision(id, { accounts: {} })));
    }
    expect(bench.submissions).toHaveLength(1);
    bench.onQuery = () => ({ kind: "succeeded", transactionNo: "R1" });
    await bench.pass(10 * MINUTE);
    expect(await bench.stored(id)).toMatchObject({ state: "succeeded", attention: null });
    expect(bench.submissions).toHaveLength(1);
  });

  it("is not sent again by a repeated approval after the instance that was sending it is gone", async () => {
    const bench = new Bench();
    bench.answersIn = 100_000;
    bench.onQuery = () => ({ kind: "succeeded", transactionNo: "R1" });
    const { id } = await bench.refund(limited(0));
    const sending = bench.ledger.decide(decision(id, { waitMs: 1 }));
    await bench.finish(sending);
    bench.restart();
    await bench.finish(bench.ledger.decide(decision(id, { waitMs: 1 })));
    expect(bench.submissions).toHaveLength(1);
  });

  it("also waits for its delay: approved before its end it goes out at its end, approved after it at once", async () => {
    for (const [approvedAfter, sentAfter] of [
      [MINUTE, 10 * MINUTE],
      [30 * MINUTE, 30 * MINUTE],
    ] as const) {
      const bench = new Bench();
      const sent = sendings(bench);
      const begun = bench.clock.time;
      const { id } = await bench.refund(limited(0, { delayMs: 10 * MINUTE }));
      await bench.pass(approvedAfter);
      expect(sent).toEqual([]);
      const answer = await bench.finish(bench.ledger.decide(decision(id)));
      const status = sentAfter > approvedAfter ? "pending" : "succeeded";
      expect(JSON.parse("ok" in answer ? answer.ok.refund : "{}")).toMatchObject({
        status,
        extra: { approval: { status: "approved", by: "Wang" } },
      });
      await bench.pass(DAY);
      expect(sent).toEqual([{ number: id.slice(3), at: begun + sentAfter }]);
    }
  });

  it("keeps the channel's spacing when several are approved at once", async () => {
    const bench = new Bench();
    withSpacing(bench, MINUTE);
    const sent = sendings(bench);
    const made = [];
    for (const i of [1, 2, 3]) {
      made.push(await bench.refund({ ...limited(0), amount: 1000, description: `Part ${i}` }));
    }
    await bench.finish(Promise.all(made.map(({ id }) => bench.ledger.decide(decision(id)))));
    await bench.pass(10 * MINUTE);
    const begun = sent[0]?.at ?? 0;
    expect(sent.map(({ at }) => at - begun)).toEqual([0, MINUTE, 2 * MINUTE]);
    expect(new Set(sent.map(({ number }) => number)).size).toBe(3);
  });

  it("goes out once the channel has room when its approval met none", async () => {
    const bench = new Bench();
    bench.onSubmission = () => ({ kind: "notSent", reason: "throttled", retryAt: bench.clock.time + 5000 });
    const { id } = await bench.refund(limited(0));
    await bench.finish(bench.ledger.decide(decision(id)));
    expect(await bench.stored(id)).toMatchObject({ state: "waiting", attempts: 0 });
    bench.onSubmission = () => ({ kind: "succeeded", transactionNo: "R1" });
    await bench.pass(MINUTE);
    expect(await bench.stored(id)).toMatchObject({ state: "succeeded", approval: { status: "approved" } });
  });
});
