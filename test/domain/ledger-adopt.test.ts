// A frozen charge is adopted by an operator: when it may be, what becomes of its refunds and its money, and what is kept.
import { describe, expect, it } from "vitest";
import { type AdoptCall, CALL } from "../../src/charges/ledger-calls.ts";
import type { Refund } from "../../src/refunds/refund.ts";
import { Bench } from "./ledger-bench.ts";
import { anAccount, aRefund, SETTLING_MS } from "./refund-fixture.ts";

const call: AdoptCall = { ...CALL, requires: ["adopt"], apiKey: "key_1", by: "Li", reason: "Looked at it" };
const account = { id: anAccount().id, revision: anAccount().revision };

async function lostWith(refunds: Refund[]): Promise<Bench> {
  const bench = new Bench();
  const hydration = { charge: bench.charge, refunds, freeze: null, opened: true };
  await bench.finish(bench.ledger.poke({ ...CALL, hydration }));
  return bench;
}

const adopt = (bench: Bench) => bench.finish(bench.ledger.adopt(call));

/** 6000 of 10000 failed, another 6000 went out, and then the channel says that the first has been paid too. */
async function inConflict() {
  const bench = new Bench();
  bench.onSubmission = () => ({ kind: "declined", code: "NO", words: "no" });
  const first = await bench.refund({ amount: 6000 });
  bench.onSubmission = () => ({ kind: "succeeded", transactionNo: "R2" });
  await bench.refund({ amount: 6000, description: "Another way" });
  bench.onQuery = () => ({ kind: "succeeded", transactionNo: "R1" });
  await bench.finish(bench.ledger.sync({ ...CALL, refund: first.id }));
  expect(await bench.stored(first.id)).toMatchObject({ state: "failed", attention: "conflict" });
  expect(await bench.ledger.export()).toMatchObject({ ok: { freeze: "conflict" } });
  return { bench, first };
}

describe("a charge whose ledger was lost", () => {
  it("is adopted only once the channel has said what became of every refund", async () => {
    const bench = await lostWith([aRefund("accepted", { account, version: 3 })]);
    const open = "re_0123456789ABCDEFGHIJKLMN";
    expect(await adopt(bench)).toEqual({ refusal: { code: "refund_outcome_unknown", refund: open } });
    await bench.pass(1000);
    expect(await bench.stored(open)).toMatchObject({ state: "succeeded" });
    expect(await adopt(bench)).toHaveProperty("ok");
    expect(await bench.ledger.export()).toMatchObject({
      ok: {
        freeze: null,
        adoptions: [{ freeze: "lost", by: "Li", reason: "Looked at it", apiKey: "key_1" }],
      },
    });
    expect((await bench.refund({ amount: 6000 })).state).toBe("succeeded");
    await expect(bench.refund({ amount: 1, description: "More" })).rejects.toThrow("fully_refunded");
  });

  it("is adopted when the channel knows nothing of an open refund, which keeps its money and its approval", async () => {
    const approval = { status: "required", by: null, apiKey: null, reason: null, at: null } as const;
    const bench = await lostWith([aRefund("waiting", { account, version: 3, approval, notBefore: 1 })]);
    bench.onQuery = () => ({ kind: "notFound" });
    await bench.pass(2 * SETTLING_MS);
    expect(bench.submissions).toEqual([]);
    const answer = await adopt(bench);
    expect("ok" in answer && JSON.parse(answer.ok.charge)).toMatchObject({
      amount_pending_refund: 4000,
      amount_refundable: 6000,
    });
    const [kept] = await bench.ledger.export().then((book) => ("ok" in book ? book.ok.refunds : []));
    expect(kept?.timeline?.at(-1)).toMatchObject({
      cause: "adopted",
      actor: { type: "person", key: "key_1", by: "Li" },
      words: "Looked at it",
    });
  });

  it("is told to D1 without its freeze, and stays adopted after an eviction", async () => {
    const bench = await lostWith([aRefund("succeeded", { account, version: 3 })]);
    await adopt(bench);
    await bench.pass(60_000);
    expect(bench.flushes.at(-1)).toMatchObject({ freeze: null });
    bench.restart();
    expect(await adopt(bench)).toEqual({ refusal: { code: "charge_not_frozen", charge: bench.charge.id } });
  });

  it("answers a repeated call of one request alike, whose first answer was lost, and refuses the next request", async () => {
    const bench = await lostWith([aRefund("succeeded", { account, version: 3 })]);
    const by = (request: string) => bench.finish(bench.ledger.adopt({ ...call, request }));
    const first = await by("req_1");
    expect(first).toHaveProperty("ok");
    expect(await by("req_1")).toEqual(first);
    expect(await by("req_2")).toEqual({ refusal: { code: "charge_not_frozen", charge: bench.charge.id } });
    expect(await bench.ledger.export()).toMatchObject({ ok: { adoptions: [{ by: "Li" }] } });
  });
});

describe("a charge whose channel contradicts it", () => {
  it("counts what the channel has paid: nothing is left, however often the channel says it again", async () => {
    const { bench, first } = await inConflict();
    const answer = await adopt(bench);
    expect("ok" in answer && JSON.parse(answer.ok.charge)).toMatchObject({
      amount_refunded: 12_000,
      amount_refundable: 0,
    });
    const settled = await bench.stored(first.id);
    expect(settled).toMatchObject({ state: "succeeded", attention: null, transactionNo: "R1" });
    expect(settled.timeline?.at(-1)).toMatchObject({ cause: "adopted", words: "Looked at it" });
    await bench.finish(bench.ledger.sync({ ...CALL, refund: first.id }));
    expect(await bench.ledger.export()).toMatchObject({ ok: { freeze: null } });
    await expect(bench.refund({ amount: 1, description: "More" })).rejects.toThrow("fully_refunded");
  });

  it("goes on with its books where the channel has taken it back meanwhile", async () => {
    const { bench, first } = await inConflict();
    bench.onQuery = () => ({ kind: "declined", code: "NO", words: "no" });
    expect(await adopt(bench)).toHaveProperty("ok");
    expect(await bench.stored(first.id)).toMatchObject({ state: "failed", attention: null });
    expect((await bench.refund({ amount: 4000, description: "The rest" })).state).toBe("succeeded");
  });

  it.each(["unknown", "notFound"] as const)("stays frozen while the channel says %s", async (kind) => {
    const { bench, first } = await inConflict();
    bench.onQuery = () => ({ kind });
    expect(await adopt(bench)).toEqual({ refusal: { code: "channel_unreachable", refund: first.id } });
    expect(await bench.ledger.export()).toMatchObject({ ok: { freeze: "conflict" } });
  });
});
