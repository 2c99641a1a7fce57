// What may still be stopped is stopped when the charge turns out not to have the money for it.
import { describe, expect, it } from "vitest";
import { CALL, type CreateCommand, type DecideCall } from "../../src/charges/ledger-calls.ts";
import { refundOrderNo } from "../../src/refunds/refund.ts";
import { Bench } from "./ledger-bench.ts";
import { aCharge, aCommand, anAccount, aRefund } from "./refund-fixture.ts";

const MINUTE = 60_000;
const DAY = 86_400_000;
const { rules } = aCommand();
const delayed = (delayMs: number): Partial<CreateCommand> => ({ rules: { ...rules, delayMs }, waitMs: 8000 });

describe("a delayed refund that nobody has sent yet", () => {
  it("is not sent while its charge is frozen, because an earlier refund has taken the money after all", async () => {
    const bench = new Bench();
    bench.onSubmission = () => ({ kind: "declined", code: "NO", words: "no" });
    const first = await bench.refund({ amount: 10_000 });
    expect(first.state).toBe("failed");
    bench.onSubmission = () => ({ kind: "succeeded", transactionNo: "R2" });
    const second = await bench.refund({ ...delayed(DAY), amount: 10_000, description: "again" });
    expect(second.state).toBe("waiting");
    // The channel had paid the first one after all.
    bench.onQuery = () => ({ kind: "succeeded", transactionNo: "R1" });
    const facts = {
      number: refundOrderNo(first.id),
      amount: 10_000,
      currency: "cny",
      askedAt: bench.clock.time,
    };
    await bench.finish(
      bench.ledger.apply({
        ...CALL,
        refund: first.id,
        verdict: { ...facts, kind: "succeeded", transactionNo: "R1" },
        source: "notice",
      }),
    );
    await bench.pass(MINUTE);
    expect(await bench.ledger.export()).toMatchObject({ ok: { freeze: "conflict" } });
    const before = bench.submissions.length;
    await bench.pass(2 * DAY);
    // 10,000 went out as the first refund: nothing is left for the second.
    expect(bench.submissions.length - before).toBe(0);
  });

  it("is not sent after the whole charge was charged back", async () => {
    const bench = new Bench();
    await bench.refund({ ...delayed(DAY), amount: 10_000 });
    const told = await bench.ledger.dispute({ ...CALL, id: "dp_1", status: "lost", amount: 10_000 } as never);
    expect(told).toMatchObject({ ok: { refundable: 0 } });
    await bench.pass(2 * DAY);
    expect(bench.submissions).toHaveLength(0);
  });
});

describe("an approved refund with a delay", () => {
  it("is not sent after the charge was charged back in between", async () => {
    const bench = new Bench();
    const limits = { ...rules, delayMs: 10 * DAY, approvalLimits: { cny: 1000 } };
    const { id } = await bench.refund({ rules: limits, amount: 10_000, waitMs: 0 });
    const call: DecideCall = {
      ...CALL,
      refund: id,
      decision: "approve",
      decider: { apiKey: "key_checkercheckercheckerch", by: "Wang" },
      reason: null,
      waitMs: 0,
      accounts: { alipay: anAccount() },
      rules: limits,
    };
    expect(await bench.finish(bench.ledger.decide(call))).toHaveProperty("ok");
    await bench.ledger.dispute({ ...CALL, id: "dp_1", status: "lost", amount: 10_000 } as never);
    await bench.pass(20 * DAY);
    expect(bench.submissions).toHaveLength(0);
  });
});

describe("a delayed refund whose ledger was lost", () => {
  it("is not sent while the charge is frozen: it may have been canceled since", async () => {
    const bench = new Bench();
    bench.onQuery = () => ({ kind: "notFound" });
    const refund = aRefund("waiting", {
      notBefore: bench.clock.time + 10 * MINUTE,
      dueAt: bench.clock.time + 10 * MINUTE,
    });
    const hydration = { charge: aCharge({ livemode: true }), refunds: [refund], freeze: null, opened: true };
    await bench.finish(bench.ledger.poke({ ...CALL, hydration }));
    await bench.pass(DAY);
    expect(await bench.ledger.export()).toMatchObject({ ok: { freeze: "lost" } });
    expect(bench.submissions).toHaveLength(0);
  });
});
