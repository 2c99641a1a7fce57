// The daily limits under everything that may happen at once: never more than the limit is made within any 24 hours, and
// when all is quiet again, what is left can be used to the last.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Dice } from "../emulators/dice.ts";
import { onPlatform } from "../simulation/platform.ts";
import { VirtualClock } from "../simulation/virtual-clock.ts";
import { CURRENCIES, DailyWorld, type Faults, type Limits } from "./daily-limits-world.ts";

const START = Date.UTC(2027, 0, 15);
const CALM: Faults = { lost: 0, reset: 0, crash: 0, unknown: 0, lagMs: 50 };
const MINUTE = 60_000;

interface Story {
  seed: number;
  isolates: number;
  limits: Limits;
  faults: Faults;
  /** Waves of refunds: when each begins after the last, how long it takes, how many, and whether D1 is away in it. */
  waves: { afterMs: number; lastsMs: number; refunds: number; outage: boolean }[];
}

const story: fc.Arbitrary<Story> = fc.record({
  seed: fc.integer({ min: 1, max: 1e9 }),
  isolates: fc.integer({ min: 1, max: 6 }),
  limits: fc
    .record({
      count: fc.option(fc.integer({ min: 0, max: 150 })),
      amounts: fc.record(
        { cny: fc.integer({ min: 0, max: 20_000 }), usd: fc.integer({ min: 0, max: 5_000 }) },
        { requiredKeys: [] },
      ),
    })
    .filter(
      ({ count, amounts }) => count !== null || Object.keys(amounts).length > 0,
    ) as fc.Arbitrary<Limits>,
  faults: fc.record({
    lost: fc.constantFrom(0, 0.02, 0.2),
    reset: fc.constantFrom(0, 0.02, 0.2),
    crash: fc.constantFrom(0, 0.01, 0.1),
    unknown: fc.constantFrom(0, 0.05),
    lagMs: fc.constantFrom(50, 2_000, 115_000),
  }),
  waves: fc.array(
    fc.record({
      afterMs: fc.oneof(fc.integer({ min: 0, max: 8 * MINUTE }), fc.integer({ min: 0, max: 900 * MINUTE })),
      lastsMs: fc.integer({ min: 100, max: 12 * MINUTE }),
      refunds: fc.integer({ min: 1, max: 150 }),
      outage: fc.boolean(),
    }),
    { minLength: 1, maxLength: 4 },
  ),
});

async function live(given: Story): Promise<{ world: DailyWorld; findings: string[] }> {
  const dice = new Dice(given.seed);
  const clock = new VirtualClock(START, dice.fork());
  const world = new DailyWorld(clock, dice.fork(), given.limits, given.faults);
  const findings: string[] = [];
  const run = async () => {
    let at = START;
    for (const { afterMs, lastsMs, refunds, outage } of given.waves) {
      at += afterMs;
      if (outage) world.outages.push({ from: at + lastsMs / 4, to: at + lastsMs / 2 });
      for (let i = 0; i < refunds; i++) {
        const [currency, amount, isGiven] = [dice.pick(CURRENCIES), dice.between(1, 1_000), dice.chance(0.7)];
        clock.at(at + dice.between(0, lastsMs), () => {
          void world.refund(given.isolates, currency, amount, isGiven);
        });
      }
      at += lastsMs;
    }
    await clock.run(at + 20 * MINUTE);
    // Nothing happens any more: nobody holds anything back.
    world.faults = CALM;
    await clock.run(at + 30 * MINUTE);
    const used = world.used();
    const { count, amounts } = given.limits;
    const places = count === null ? Number.POSITIVE_INFINITY : count - used.count;
    for (const currency of CURRENCIES) {
      const max = amounts[currency];
      if (max === undefined) continue;
      const left = max - (used.amounts[currency] ?? 0);
      const ask = async (amount: number) => {
        let outcome = "";
        void world.refund(1, currency, amount, true).then((said) => {
          outcome = said;
        });
        await clock.run(clock.time + MINUTE, () => outcome !== "");
        return outcome;
      };
      const places = count === null ? 1 : count - world.used().count;
      // The ledger refuses for reasons of its own now and then; what it lets through may fail later, and free room.
      for (let tries = 0; left > 0 && places > 0 && tries < 5; tries++) {
        const outcome = await ask(left);
        if (outcome === "charge_not_paid") continue;
        if (outcome !== "made")
          findings.push(`${left} ${currency} are left and were not to be had: ${outcome}`);
        break;
      }
      if ((await ask(max + 1)) !== "daily_limit_exceeded") findings.push(`more than ${max} ${currency}`);
    }
    if (places < 0) findings.push("more refunds than there may be");
  };
  await onPlatform({ clock, dice: dice.fork(), logged: () => {} }, run);
  return { world, findings };
}

describe("daily limits", () => {
  it("are never exceeded within any 24 hours, and what is left is left for use", async () => {
    const totals = { asked: 0, made: 0, limited: 0, unavailable: 0, crashes: 0 };
    const lives = fc.asyncProperty(story, async (given) => {
      const { world, findings } = await live(given);
      for (const what of Object.keys(totals) as (keyof typeof totals)[]) totals[what] += world.counts[what];
      expect([...world.violations, ...findings]).toEqual([]);
    });
    await fc.assert(lives, { numRuns: 60, interruptAfterTimeLimit: 60_000 });
    // All of it happened.
    expect(Math.min(...Object.values(totals))).toBeGreaterThan(0);
  });
});
