import { describe, expect, it } from "vitest";
import { simulateDeliveries } from "./deliveries/simulation.ts";

/** Those divisible by three are in time, too: there only the receivers misbehave. */
const SEEDS = [1, 2, 3, 4, 7, 10, 15];

describe("simulated weeks of deliveries, with crashes, lost messages and receivers of every kind", () => {
  it.each(SEEDS)("seed %i loses no notification, and none waits for another", async (seed) => {
    const { violations } = await simulateDeliveries(seed);
    expect(violations, `npm run simulate -- --deliveries --seeds 1 --seed ${seed} --trace`).toEqual([]);
  });

  it("are the same weeks, event by event, for the same seed", async () => {
    const [first, second] = [await simulateDeliveries(10), await simulateDeliveries(10)];
    expect(second).toEqual(first);
    expect((await simulateDeliveries(4)).digest).not.toBe(first.digest);
  });

  it("are weeks in which something happens", async () => {
    const { days, attempts, crashes, freezes, lostMessages, recovered } = await simulateDeliveries(2);
    expect(days).toBeGreaterThan(5);
    for (const count of [attempts, crashes, freezes, lostMessages, recovered]) {
      expect(count).toBeGreaterThan(0);
    }
  });
});
