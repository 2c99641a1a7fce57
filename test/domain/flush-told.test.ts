// What a ledger says that D1 has: never more than it was told, also when there is more to tell than one batch takes, when
// answers are lost, and when something changes meanwhile. D1 takes the sums for what it must have.
import { expect, it } from "vitest";
import { Bench } from "./ledger-bench.ts";

it("each batch says what D1 has before and after it, however many there are and whichever answers are lost", async () => {
  const bench = new Bench();
  const { flush } = bench.ports;
  /** What D1 has of each refund, and of the charge. */
  const held = new Map([[bench.charge.id, bench.charge.version]]);
  const wrong: string[] = [];
  const sum = () => [...held.values()].reduce((total, version) => total + version, 0);
  let calls = 0;
  const down = async () => {
    throw new Error("D1 is down");
  };
  bench.ports.flush = down;
  bench.onSubmission = () => ({ kind: "declined", code: "NO", words: "no" });
  for (let i = 0; i < 70; i++) await bench.refund({ amount: 1 });

  bench.ports.flush = async (batch) => {
    if (batch.told > sum()) wrong.push(`${batch.told} before call ${calls}, not ${sum()}`);
    for (const { id, version } of batch.refunds) held.set(id, Math.max(held.get(id) ?? 0, version));
    held.set(batch.charge.id, batch.charge.version);
    if (batch.version > sum()) wrong.push(`${batch.version} after call ${calls}, not ${sum()}`);
    calls += 1;
    if (calls % 3 === 0) return await down();
    await bench.clock.sleep(500);
    return await flush(batch);
  };
  const later = bench.refund({ amount: 1 });
  await bench.pass(2_000_000);
  await later;
  await bench.pass(2_000_000);
  const answer = await bench.ledger.export();
  if (!("ok" in answer)) throw new Error("the ledger is gone");
  expect(wrong).toEqual([]);
  expect(calls).toBeGreaterThan(3);
  expect(held.size).toBe(72);
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
  bench.ports.flush = async (batch) => ({ ...(await flush(batch)), versions: batch.version });
  const refunds = [{ ...first, version: first.version + 5 }];
  bench.ports.projection = async () => ({ charge, refunds, freeze: null, opened: true });
  await bench.refund({ amount: 500 });
  await bench.pass(60_000);
  expect(bench.alerts).toContain("ledger_behind");
  expect(await bench.ledger.export()).toMatchObject({ ok: { freeze: "lost" } });
});
