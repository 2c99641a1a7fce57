// What a ledger that lost everything takes over from D1, and what it believes of it.
import { describe, expect, it } from "vitest";
import { CALL } from "../../src/charges/ledger-calls.ts";
import type { Refund, State } from "../../src/refunds/refund.ts";
import { Bench } from "./ledger-bench.ts";
import { anAccount, aRefund, SETTLING_MS } from "./refund-fixture.ts";

/** A lost ledger that is handed one refund as D1 knew it last. */
async function lostWith(refund: Refund): Promise<Bench> {
  const bench = new Bench();
  const hydration = { charge: bench.charge, refunds: [refund], freeze: null, opened: true };
  await bench.finish(bench.ledger.poke({ ...CALL, hydration }));
  return bench;
}

describe("a ledger that lost everything", () => {
  it.each(["waiting", "submitting", "accepted", "unknown"] as const)(
    "asks about a refund that D1 knew as %s before it sends anything: more may have happened since",
    async (state: State) => {
      const account = { id: anAccount().id, revision: anAccount().revision };
      const refund = aRefund(state, { clearToSubmit: state === "waiting", account, version: 3 });
      const bench = await lostWith(refund);
      bench.onQuery = () => ({ kind: "notFound" });
      await bench.pass(1000);
      expect(bench.queries).toHaveLength(1);
      expect(bench.submissions).toHaveLength(0);
      expect(await bench.stored(refund.id)).toMatchObject({ state: "unknown", inDoubt: true, seq: 1 });
    },
  );

  it("does not believe the first no about it: an attempt it knows nothing of may still land", async () => {
    const account = { id: anAccount().id, revision: anAccount().revision };
    const bench = await lostWith(aRefund("waiting", { clearToSubmit: true, account, version: 3 }));
    bench.onQuery = () => ({ kind: "declined", code: "NO", words: "no" });
    await bench.pass(SETTLING_MS / 2);
    expect(bench.queries.length).toBeGreaterThan(0);
    const [made] =
      (await bench.ledger.export().then((answer) => ("ok" in answer ? answer.ok.refunds : []))) ?? [];
    expect(made?.state).not.toBe("failed");
  });
});

describe("a ledger that has its facts", () => {
  it("is not told otherwise by a view of D1 that was read before they changed", async () => {
    const bench = new Bench();
    const { charge } = bench;
    const stale = { charge, refunds: [], freeze: null, opened: false };
    await bench.refund({ amount: 1000 });
    const heard = { ...CALL, id: "dp_1", status: "opened" as const, amount: charge.amount - 1000 };
    await bench.finish(bench.ledger.dispute(heard));
    await bench.finish(bench.ledger.poke({ ...CALL, hydration: stale }));
    bench.restart();
    await bench.finish(bench.ledger.dispute({ ...heard, id: "dp_2", amount: 1, hydration: stale }));
    const answer = await bench.ledger.export();
    expect(answer).toMatchObject({
      ok: { charge: { disputed: charge.amount - 999 }, refunds: [{ amount: 1000 }] },
    });
  });

  it("tells D1 of what changed while D1 was being told", async () => {
    const bench = new Bench();
    const versions: number[] = [];
    const { flush } = bench.ports;
    bench.ports.flush = async (batch) => {
      versions.push(...batch.refunds.map(({ version }) => version));
      await bench.clock.sleep(2000);
      return await flush(batch);
    };
    bench.onSubmission = () => ({ kind: "accepted" });
    bench.onQuery = () => ({ kind: "succeeded", transactionNo: "R1" });
    const { id } = await bench.refund();
    await bench.pass(10_000);
    const refund = await bench.stored(id);
    expect(refund).toMatchObject({ state: "succeeded", synced: refund.version });
    expect(versions.length).toBeGreaterThan(1);
    expect(versions.at(-1)).toBe(refund.version);
  });
});

describe("a ledger that was rolled back", () => {
  it("is frozen also if D1 fails right after it has shown that it knows more", async () => {
    const bench = new Bench();
    const first = await bench.refund({ amount: 1000 });
    await bench.pass(60_000);
    const forgotten = aRefund("succeeded", { id: `re_${"9".repeat(24)}`, seq: 2, amount: 5000, version: 5 });
    const { flush } = bench.ports;
    bench.ports.flush = async (batch) => {
      const receipt = await flush(batch);
      return { ...receipt, versions: receipt.versions + forgotten.version };
    };
    const { charge } = bench;
    let asked = 0;
    bench.ports.projection = async () => {
      asked += 1;
      if (asked === 1) throw new Error("D1_ERROR");
      return { charge, refunds: [first, forgotten], freeze: null, opened: true };
    };
    await bench.refund({ amount: 500 });
    await bench.pass(60_000);
    expect(await bench.ledger.export()).toMatchObject({ ok: { freeze: "lost", refunds: { length: 3 } } });
    expect(bench.alerts).toContain("ledger_behind");
  });
});

describe("a poke", () => {
  it("of a ledger that could not tell D1 yet does not take D1 for restored", async () => {
    const bench = new Bench();
    const { flush } = bench.ports;
    bench.ports.flush = async () => {
      throw new Error("D1 is down");
    };
    await bench.refund();
    await bench.pass(700_000);
    bench.ports.flush = flush;
    await bench.finish(bench.ledger.poke({ ...CALL }));
    expect(bench.alerts).not.toContain("database_behind");
  });

  it("of one that has told D1 everything, and has nothing to do, tells all of it again: D1 has forgotten", async () => {
    const bench = new Bench();
    const { id, version } = await bench.refund();
    await bench.pass(60_000);
    bench.flushes.length = 0;
    await bench.finish(bench.ledger.poke({ ...CALL }));
    await bench.pass(1000);
    expect(bench.alerts).toContain("database_behind");
    expect(bench.flushes.flatMap(({ refunds }) => refunds)).toMatchObject([{ id, version }]);
  });
});
