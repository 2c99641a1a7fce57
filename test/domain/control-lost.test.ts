// A ledger that was lost while a refund was held back: what D1 knew of the hold holds, and people can still decide.
import { describe, expect, it } from "vitest";
import { CALL, type DecideCall } from "../../src/charges/ledger-calls.ts";
import type { Approval, Refund } from "../../src/refunds/refund.ts";
import { Bench, type Words } from "./ledger-bench.ts";
import { aCharge, aCommand, anAccount, aRefund, NOW, SETTLING_MS } from "./refund-fixture.ts";

const DAY = 86_400_000;
const NOT_FOUND: Words = { kind: "notFound" };
const REQUIRED: Approval = { status: "required", by: null, apiKey: null, reason: null, at: null };

/** A lost ledger that is handed one refund as D1 knew it last. */
async function lostWith(refund: Refund, livemode = false): Promise<Bench> {
  const bench = new Bench();
  bench.onQuery = () => NOT_FOUND;
  const hydration = { charge: aCharge({ livemode }), refunds: [refund], freeze: null, opened: true };
  await bench.finish(bench.ledger.poke({ ...CALL, hydration }));
  return bench;
}

const held = (changes: Partial<Refund> = {}) =>
  aRefund("waiting", { approval: REQUIRED, dueAt: NOW + 7 * DAY, version: 3, ...changes });

function decide(bench: Bench, { id }: Refund, changes: Partial<DecideCall> = {}) {
  const decider = { apiKey: "key_checkercheckercheckerch", by: "Wang" };
  const { rules } = aCommand();
  const accounts = { alipay: anAccount() };
  const call = { ...CALL, refund: id, decider, reason: "No such return", waitMs: 8000, accounts, rules };
  return bench.finish(bench.ledger.decide({ ...call, decision: "approve", ...changes }));
}

describe("a ledger that was lost while a refund waited for approval", () => {
  it("never sends it unapproved, and has it shown to a person from day 7 on", async () => {
    const refund = held();
    const bench = await lostWith(refund);
    await bench.pass(60 * DAY);
    bench.restart();
    await bench.finish(bench.ledger.sync({ ...CALL, refund: refund.id }));
    await bench.pass(60 * DAY);
    expect(bench.submissions).toEqual([]);
    expect(await bench.stored(refund.id)).toMatchObject({
      attention: "overdue",
      approval: { status: "required" },
      attempts: 0,
    });
  });

  it.each([
    ["at once", 0],
    ["after the channel has said that it knows nothing of it", 10 * SETTLING_MS],
  ])("sends it once when it is approved %s", async (_, after) => {
    const refund = held();
    const bench = await lostWith(refund);
    await bench.pass(after);
    expect(await decide(bench, refund)).toHaveProperty("ok");
    await bench.pass(10 * SETTLING_MS);
    expect(bench.queries.length).toBeGreaterThan(0);
    expect(bench.submissions).toHaveLength(1);
    expect(await bench.stored(refund.id)).toMatchObject({
      state: "succeeded",
      approval: { status: "approved", by: "Wang" },
    });
  });

  it.each([
    ["at once", 0],
    ["after the channel has said that it knows nothing of it", 10 * SETTLING_MS],
  ])(
    "ends it in the words of whoever rejects it %s, once it is certain that it was not sent",
    async (_, after) => {
      const refund = held();
      const bench = await lostWith(refund);
      await bench.pass(after);
      expect(await decide(bench, refund, { decision: "reject" })).toHaveProperty("ok");
      await bench.pass(10 * SETTLING_MS);
      expect(bench.submissions).toEqual([]);
      expect(await bench.stored(refund.id)).toMatchObject({
        state: "failed",
        failureCode: "refund_rejected",
        failureMsg: "退款未获批准：No such return",
        channelCode: null,
        channelMessage: null,
        approval: { status: "rejected", by: "Wang", reason: "No such return" },
      });
      // Not even by a rejection that comes twice, or by the next instance.
      bench.restart();
      await decide(bench, refund, { decision: "reject" });
      await bench.pass(30 * DAY);
      expect(bench.submissions).toEqual([]);
    },
  );

  it("believes the channel when one that is rejected was approved and sent before the loss", async () => {
    const refund = held();
    const bench = await lostWith(refund);
    bench.onQuery = () => ({ kind: "succeeded", transactionNo: "R1" });
    await decide(bench, refund, { decision: "reject" });
    await bench.pass(10 * SETTLING_MS);
    expect(bench.submissions).toEqual([]);
    expect(await bench.stored(refund.id)).toMatchObject({ state: "succeeded", failureCode: null });
  });

  it("is frozen in live mode: it takes no approval until an operator has looked, but a rejection", async () => {
    const refund = held({ account: { id: anAccount().id, revision: 1 } });
    const bench = await lostWith(refund, true);
    await bench.pass(10 * SETTLING_MS);
    expect(await decide(bench, refund)).toMatchObject({ refusal: { code: "charge_frozen", freeze: "lost" } });
    expect(await decide(bench, refund, { decision: "reject" })).toHaveProperty("ok");
    await bench.pass(10 * SETTLING_MS);
    expect(bench.submissions).toEqual([]);
    expect(await bench.stored(refund.id)).toMatchObject({
      state: "failed",
      failureCode: "refund_rejected",
    });
  });
});

describe("a ledger that was lost while a refund was delayed", () => {
  it("does not send it before its time", async () => {
    const refund = aRefund("waiting", { notBefore: NOW + DAY, dueAt: NOW + DAY, version: 3 });
    const bench = await lostWith(refund);
    await bench.pass(DAY - 1000);
    expect(bench.submissions).toEqual([]);
    await bench.pass(10_000);
    expect(bench.submissions).toHaveLength(1);
    expect(await bench.stored(refund.id)).toMatchObject({ state: "succeeded" });
  });

  it("cancels it as long as its time has not come: it cannot have been sent", async () => {
    const refund = aRefund("waiting", { notBefore: NOW + DAY, dueAt: NOW + DAY, version: 3 });
    const bench = await lostWith(refund);
    expect(await decide(bench, refund, { decision: "cancel" })).toHaveProperty("ok");
    await bench.pass(2 * DAY);
    expect(bench.submissions).toEqual([]);
  });

  it("does not cancel it once its time has come: whether it was sent nobody knows any more", async () => {
    const refund = aRefund("waiting", { notBefore: NOW - 1, dueAt: NOW, version: 3 });
    const bench = await lostWith(refund);
    const answer = await decide(bench, refund, { decision: "cancel" });
    expect(answer).toMatchObject({ refusal: { code: "refund_already_sent" } });
  });
});

describe("a ledger that was lost after a reversal", () => {
  it("still knows its charge as reversed, also where D1 had the charge as it was before", async () => {
    const refund = aRefund("succeeded", { amount: 10_000, reverses: true, version: 3 });
    const bench = await lostWith(refund);
    expect(await bench.ledger.export()).toMatchObject({ ok: { charge: { reversed: true } } });
  });

  it("says so again when it catches up with D1", async () => {
    const bench = new Bench();
    const { charge } = bench;
    const first = await bench.refund({ amount: 1 });
    await bench.pass(60_000);
    const reversal = aRefund("succeeded", { id: `re_${"9".repeat(24)}`, seq: 2, reverses: true, version: 5 });
    const { flush } = bench.ports;
    bench.ports.flush = async (batch) => {
      const receipt = await flush(batch);
      return { ...receipt, versions: receipt.versions + reversal.version };
    };
    bench.ports.projection = async () => ({
      charge,
      refunds: [first, reversal],
      freeze: null,
      opened: true,
    });
    await bench.refund({ amount: 1, description: "Second" });
    await bench.pass(60_000);
    expect(await bench.ledger.export()).toMatchObject({
      ok: { charge: { reversed: true }, refunds: { length: 3 } },
    });
  });
});
