import { describe, expect, it } from "vitest";
import { simulate } from "./simulation.ts";

const SEEDS = Array.from({ length: 50 }, (_, index) => index + 1);

describe("a simulated day with crashes, lost answers and a channel that cannot be relied on", () => {
  it.each(SEEDS)("seed %i ends with one story in ledgers, D1 and the channel's books", async (seed) => {
    const { violations } = await simulate(seed);
    expect(violations, `npm run simulate -- --seeds 1 --seed ${seed} --trace`).toEqual([]);
  });

  it("is the same day, event by event, for the same seed", async () => {
    const [first, second] = [await simulate(7), await simulate(7)];
    expect(second).toEqual(first);
    expect((await simulate(8)).digest).not.toBe(first.digest);
  });

  it("is a day on which something happens", async () => {
    const { refunds, crashes, alarms, events } = await simulate(7);
    for (const count of [refunds, crashes, alarms, events]) expect(count).toBeGreaterThan(5);
  });
});
