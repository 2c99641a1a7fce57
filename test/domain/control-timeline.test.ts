// Long stories of one refund: its ledger keeps the newest of them, D1 the rest, and together they tell all of it.
import { describe, expect, it } from "vitest";
import { CALL } from "../../src/charges/ledger-calls.ts";
import type { Refund, TimelineEntry } from "../../src/refunds/refund.ts";
import { Bench } from "./ledger-bench.ts";
import { aRefund, NOW } from "./refund-fixture.ts";

const MINUTE = 60_000;
const DAY = 86_400_000;

/** A D1 that keeps what it is told of timelines, while it is there. */
class Kept {
  readonly bench: Bench;
  readonly rows = new Map<string, TimelineEntry>();
  isDown = false;
  /** How large the refund's document was at most, bytes. */
  largest = 0;

  constructor(bench: Bench) {
    this.bench = bench;
    const { flush } = bench.ports;
    bench.ports.flush = async (batch) => {
      for (const refund of batch.refunds) this.measure(refund);
      if (this.isDown) throw new Error("D1 is down");
      for (const { timeline = [] } of batch.refunds) for (const entry of timeline) this.#keep(entry);
      return await flush(batch);
    };
  }

  measure(refund: Refund): void {
    const bytes = new TextEncoder().encode(JSON.stringify(refund)).length;
    this.largest = Math.max(this.largest, bytes);
  }

  /** What a reader is shown: D1's and the ledger's, each once. */
  async whole(id: string): Promise<TimelineEntry[]> {
    const { timeline = [] } = await this.bench.stored(id);
    const all = new Map(this.rows);
    for (const entry of timeline) all.set(`${entry.version}/${entry.at}`, entry);
    return [...all.values()].sort((a, b) => a.version - b.version || a.at - b.at);
  }

  #keep(entry: TimelineEntry): void {
    const key = `${entry.version}/${entry.at}`;
    const known = this.rows.get(key);
    if (known === undefined) this.rows.set(key, entry);
    else expect(entry).toEqual(known);
  }
}

const causes = (entries: readonly TimelineEntry[]) => entries.map(({ cause }) => cause);

/** A channel without room for `tries` submissions. */
function throttled(bench: Bench, tries: number): void {
  let left = tries;
  bench.onSubmission = () =>
    left-- > 0
      ? { kind: "notSent", reason: "throttled", retryAt: bench.clock.time + MINUTE }
      : { kind: "succeeded", transactionNo: "R1" };
}

describe("the timeline of a refund that is sent a hundred times in vain", () => {
  const story = ["created", "answered", ...Array(100).fill(["sent", "answered"]).flat()];

  it("is whole and in order, and its ledger keeps a few kilobytes of it", async () => {
    const bench = new Bench();
    throttled(bench, 100);
    const kept = new Kept(bench);
    const { id } = await bench.refund();
    await bench.pass(DAY);
    const stored = await bench.stored(id);
    expect(stored).toMatchObject({ state: "succeeded", synced: stored.version });
    expect(causes(await kept.whole(id))).toEqual(story);
    expect(JSON.stringify(stored.timeline).length).toBeLessThanOrEqual(4096 + 200);
    expect(kept.largest).toBeLessThan(6 * 1024);
    const times = (await kept.whole(id)).map(({ at }) => at);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it("loses nothing while D1 is down, nor with the instance", async () => {
    const bench = new Bench();
    throttled(bench, 100);
    const kept = new Kept(bench);
    const { id } = await bench.refund();
    await bench.pass(20 * MINUTE);
    kept.isDown = true;
    for (let i = 0; i < 3; i++) {
      await bench.pass(20 * MINUTE);
      bench.restart();
    }
    const { timeline = [] } = await bench.stored(id);
    expect(timeline.length).toBeGreaterThan(100);
    expect(causes(await kept.whole(id))).toEqual(story.slice(0, (await kept.whole(id)).length));
    kept.isDown = false;
    await bench.pass(DAY);
    expect(causes(await kept.whole(id))).toEqual(story);
    // What D1 has by now goes with the next change.
    const update = { ...CALL, refund: id, description: "Said later", decider: { apiKey: "key_1", by: null } };
    await bench.finish(bench.ledger.update(update));
    await bench.pass(MINUTE);
    const after = await bench.stored(id);
    expect(JSON.stringify(after.timeline).length).toBeLessThanOrEqual(4096 + 200);
    expect(causes(await kept.whole(id))).toEqual([...story, "updated"]);
    expect([...kept.rows.values()].map(({ cause }) => cause).sort()).toEqual([...story, "updated"].sort());
  });

  it("is told again without doubles to a D1 that was put back to the past", async () => {
    const bench = new Bench();
    throttled(bench, 5);
    const kept = new Kept(bench);
    const { id } = await bench.refund();
    await bench.pass(DAY);
    kept.rows.clear();
    await bench.finish(bench.ledger.poke({ ...CALL }));
    await bench.pass(MINUTE);
    expect(bench.alerts).toContain("database_behind");
    expect(causes([...kept.rows.values()])).toEqual(["created", "answered", ...story.slice(2, 12)]);
    expect(causes(await kept.whole(id))).toEqual(story.slice(0, 12));
  });
});

describe("the timeline of a refund whose ledger was lost", () => {
  it("goes on where D1's ends, and says that it was taken over", async () => {
    const created: TimelineEntry = {
      version: 1,
      at: NOW - DAY,
      state: "submitting",
      cause: "created",
      actor: { type: "key", key: "key_1" },
    };
    const told = { ...created, version: 2, state: "unknown", cause: "answered" } as const;
    const refund = aRefund("unknown", { version: 2, timeline: [created, told] });
    const bench = new Bench();
    const kept = new Kept(bench);
    const hydration = { charge: bench.charge, refunds: [refund], freeze: null, opened: true };
    await bench.finish(bench.ledger.poke({ ...CALL, hydration }));
    await bench.pass(DAY);
    const whole = await kept.whole(refund.id);
    expect(whole.slice(0, 2)).toEqual([created, told]);
    expect(causes(whole)).toEqual(["created", "answered", "restored", "queried"]);
    expect(whole.at(-1)).toMatchObject({ state: "succeeded", code: "R1", actor: { type: "channel" } });
    expect([...kept.rows.values()]).toHaveLength(4);
  });

  it("keeps the versions that came twice, once before and once after a rollback", async () => {
    const entry = (version: number, at: number, cause: TimelineEntry["cause"]): TimelineEntry => {
      return { version, at, state: "unknown", cause, actor: { type: "system" } };
    };
    const bench = new Bench();
    const kept = new Kept(bench);
    kept.rows.set("a", entry(4, NOW - 1000, "queried"));
    const timeline = [entry(1, NOW - DAY, "created")];
    const refund = aRefund("unknown", { version: 3, timeline });
    const hydration = { charge: bench.charge, refunds: [refund], freeze: null, opened: true };
    await bench.finish(bench.ledger.poke({ ...CALL, hydration }));
    await bench.pass(DAY);
    expect(causes(await kept.whole(refund.id))).toEqual(["created", "queried", "restored", "queried"]);
  });
});

describe("the timeline of a refund whose end changes again and again", () => {
  it("tells each change in the channel's words, and stays small where those are long", async () => {
    const bench = new Bench();
    const kept = new Kept(bench);
    const words = "渠道".repeat(300);
    const { id } = await bench.refund();
    const sync = () => bench.finish(bench.ledger.sync({ ...CALL, refund: id }));
    for (let i = 0; i < 30; i++) {
      bench.onQuery = () => ({ kind: "declined", code: `NO_${i}`, words });
      await sync();
      await bench.pass(MINUTE);
      bench.onQuery = () => ({ kind: "succeeded", transactionNo: "R1" });
      await sync();
      await bench.pass(MINUTE);
    }
    const whole = await kept.whole(id);
    const ends = whole.filter(({ state }, i) => state !== whole[i - 1]?.state).map(({ state }) => state);
    expect(ends).toEqual(["submitting", "succeeded", ...Array(30).fill(["failed", "succeeded"]).flat()]);
    const no = whole.find(({ state, code }) => state === "failed" && code === "NO_7");
    expect(no?.words).toBe(`${words.slice(0, 200)}…`);
    expect(kept.largest).toBeLessThan(9 * 1024);
  });
});
