import { describe, expect, it } from "vitest";
import { simulate } from "./simulation.ts";

/** `SIMULATION_SEEDS=5000` simulates more of them, as `npm run simulate` does. */
const SEEDS = Array.from({ length: Number(process.env.SIMULATION_SEEDS ?? 300) }, (_, index) => index + 1);

describe("a simulated day with crashes, lost answers and a channel that cannot be relied on", () => {
  it.each(SEEDS)("seed %i ends with one story in ledgers, D1 and the channel's books", async (seed) => {
    const { violations } = await simulate(seed);
    expect(violations, `npm run simulate -- --seeds 1 --seed ${seed}`).toEqual([]);
  });

  it("is the same day, event by event, for the same seed", async () => {
    for (const seed of [13, 31, 45]) {
      const [first, second] = [await simulate(seed), await simulate(seed)];
      expect(second).toEqual(first);
    }
    expect((await simulate(8)).digest).not.toBe((await simulate(7)).digest);
  });

  it("is a day on which something happens", async () => {
    const days = [];
    for (const seed of [13, 14, 15, 16]) days.push(await simulate(seed));
    const kinds = [
      "refunds",
      "crashes",
      "alarms",
      "events",
      "reads",
      "refused",
      "delayed",
      "needApproval",
    ] as const;
    for (const kind of kinds) {
      const count = days.reduce((sum, day) => sum + day[kind], 0);
      expect(count, kind).toBeGreaterThan(5);
    }
  });
});
