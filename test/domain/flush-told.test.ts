// What a ledger takes D1 to have: never more than it was told, also when there is more to tell than one batch takes, when
// answers are lost, and when something changes meanwhile; and what D1 has beyond the ledger is seen.
import { expect, it } from "vitest";
import { Bench } from "./ledger-bench.ts";

it("a ledger takes D1 for neither restored nor ahead, however many batches there are and whichever answers are lost", async () => {
  const bench = new Bench();
  const { flush } = bench.ports;
  /** What D1 has of each refund. */
  const held = new Map<string, number>();
  let calls = 0;
  const down = async () => {
    throw new Error("D1 is down");
  };
  bench.ports.flush = down;
  bench.onSubmission = () => ({ kind: "declined", code: "NO", words: "no" });
  for (let i = 0; i < 70; i++) await bench.refund({ amount: 1 });

  bench.ports.flush = async (batch) => {
    for (const { id, version } of batch.refunds) held.set(id, Math.max(held.get(id) ?? 0, version));
    const receipt = await flush(batch);
    calls += 1;
    if (calls % 3 === 0) return await down();
    await bench.clock.sleep(500);
    return receipt;
  };
  const later = bench.refund({ amount: 1 });
  await bench.pass(2_000_000);
  await later;
  await bench.pass(2_000_000);
  const answer = await bench.ledger.export();
  if (!("ok" in answer)) throw new Error("the ledger is gone");
  expect(calls).toBeGreaterThan(3);
  expect(held.size).toBe(71);
  for (const { id, version, synced } of answer.ok.refunds)
    expect([held.get(id), synced]).toEqual([version, version]);
  expect(bench.alerts).not.toContain("database_behind");
  expect(bench.alerts).not.toContain("ledger_behind");
  expect(answer.ok.undelivered).toEqual([]);
  expect(bench.disk.alarmAt).toBeNull();
});

it("a refund that D1 knows in a later version shows, also when the charge has changed more often since", async () => {
  const bench = new Bench();
  const { charge } = bench;
  const first = await bench.refund({ amount: 1000 });
  await bench.pass(60_000);
  const { flush } = bench.ports;
  bench.ports.flush = async (batch) => {
    const receipt = await flush(batch);
    return { ...receipt, versions: receipt.versions + 5 };
  };
  const refunds = [{ ...first, version: first.version + 5 }];
  bench.ports.projection = async () => ({ charge, refunds, freeze: null, opened: true });
  await bench.refund({ amount: 500 });
  await bench.pass(60_000);
  expect(bench.alerts).toContain("ledger_behind");
  expect(await bench.ledger.export()).toMatchObject({ ok: { freeze: "lost" } });
});
