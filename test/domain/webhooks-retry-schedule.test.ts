import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SCHEDULES, type Schedule } from "../../src/webhooks/endpoint.ts";
import {
  attemptsMax,
  DELAYS,
  type FailedAttempt,
  nextDelay,
  retryAfterMs,
  retryScale,
} from "../../src/webhooks/retry-schedule.ts";

const NOW = Date.parse("2026-11-05T08:00:00Z");
const HOUR = 3_600_000;
const MIDDLE = 0.5;

function failed(change: Partial<FailedAttempt> = {}): FailedAttempt {
  return { attempts: 1, status: 500, timedOut: false, retryAfter: null, ...change };
}

/** All delays of a schedule without jitter. */
function delays(schedule: Schedule): number[] {
  const all: number[] = [];
  for (let attempts = 1; ; attempts++) {
    const delay = nextDelay(schedule, failed({ attempts }), MIDDLE, NOW);
    if (delay === null) return all;
    all.push(delay / 1000);
  }
}

describe("the schedules", () => {
  test("the standard schedule makes ten attempts over about 75 hours", () => {
    expect(delays("standard")).toEqual([5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]);
    expect(attemptsMax("standard")).toBe(10);
    expect(delays("standard").reduce((sum, delay) => sum + delay, 0) / 3600).toBeCloseTo(75.6, 1);
  });

  test("Ping++'s schedule makes eleven attempts within 25 hours", () => {
    expect(delays("pingpp")).toEqual([5, 10, 120, 300, 600, 1800, 3600, 7200, 21_600, 54_000]);
    expect(attemptsMax("pingpp")).toBe(11);
    expect(delays("pingpp").reduce((sum, delay) => sum + delay, 0)).toBeLessThan(25 * 3600);
  });

  test("jitter keeps every delay within 0.8 and 1.2 of the plan, rounded up to whole seconds", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...SCHEDULES),
        fc.nat({ max: 8 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (schedule, index, dice) => {
          const planned = DELAYS[schedule][index] as number;
          const delay = nextDelay(schedule, failed({ attempts: index + 1 }), dice, NOW) as number;
          expect(delay).toBeGreaterThanOrEqual(planned * 0.8);
          expect(delay).toBeLessThan(planned * 1.2 + 1000);
          expect(delay % 1000).toBe(0);
        },
      ),
    );
  });

  test("every schedule ends: past its last attempt there is no delay", () => {
    fc.assert(
      fc.property(fc.constantFrom(...SCHEDULES), fc.nat({ max: 1000 }), (schedule, extra) => {
        const attempts = attemptsMax(schedule) + extra;
        expect(nextDelay(schedule, failed({ attempts }), MIDDLE, NOW)).toBeNull();
        expect(
          nextDelay(schedule, failed({ attempts, status: 429, retryAfter: "5" }), MIDDLE, NOW),
        ).toBeNull();
      }),
    );
  });
});

describe("what the receiver asks for", () => {
  test.each([
    ["a 503 that asks for less than planned waits as planned", { status: 503, retryAfter: "1" }, 5],
    ["a 503 that asks for more waits that long", { status: 503, retryAfter: "90" }, 90],
    ["a 503 that asks with a date waits until then", { status: 503, retryAfter: at(600) }, 600],
    ["nobody can ask for more than a day", { status: 503, retryAfter: "9999999" }, 86_400],
    ["a 429 without a wish waits a minute", { status: 429 }, 60],
    ["a 429 that asks for ten seconds waits a minute", { status: 429, retryAfter: "10" }, 60],
    ["a 429 that asks for two minutes waits two minutes", { status: 429, retryAfter: "120" }, 120],
    ["a time-out waits a minute", { status: null, timedOut: true }, 60],
    ["a 500 cannot ask for anything", { status: 500, retryAfter: "120" }, 5],
    ["a wish in the past changes nothing", { status: 503, retryAfter: at(-600) }, 5],
    ["a wish that cannot be read changes nothing", { status: 503, retryAfter: "soon" }, 5],
  ] as const)("%s", (_claim, answer, seconds) => {
    expect(nextDelay("standard", failed(answer), MIDDLE, NOW)).toBe(seconds * 1000);
  });

  test.each([
    ["0", 0],
    [" 120 ", 120_000],
    [at(30), 30_000],
    [at(-30), 0],
    ["Thursday, 05-Nov-26 08:01:00 GMT", 60_000],
    [null, null],
    ["", null],
    ["-5", null],
    ["1.5", null],
    ["1e3", null],
    ["2026-11-05", null],
    ["Thu, 05 Nov 2026 08:01:00", null],
    ["Thu, 99 Nov 2026 08:01:00 GMT", null],
  ])("Retry-After %j is read as %j ms", (header, ms) => {
    expect(retryAfterMs(header, NOW)).toBe(ms);
  });
});

describe("the scale", () => {
  test("it multiplies the whole delay, and below a second keeps milliseconds", () => {
    expect(nextDelay("standard", failed(), MIDDLE, NOW, 0.001)).toBe(5);
    expect(nextDelay("standard", failed({ status: 429 }), MIDDLE, NOW, 0.001)).toBe(60);
    expect(nextDelay("standard", failed({ attempts: 9 }), MIDDLE, NOW, 2)).toBe(48 * HOUR);
  });

  test.each([
    [undefined, 1],
    ["0.001", 0.001],
    ["", 1],
    ["0", 1],
    ["-1", 1],
    ["fast", 1],
    ["Infinity", 1],
  ])("RETRY_SCALE %j means %j", (text, scale) => {
    expect(retryScale(text)).toBe(scale);
  });
});

function at(secondsFromNow: number): string {
  return new Date(NOW + secondsFromNow * 1000).toUTCString();
}
