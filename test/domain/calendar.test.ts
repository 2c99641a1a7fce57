import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { daysOf, isTimeZone, startOfDay } from "../../src/calendar.ts";

const at = (time: string) => Date.parse(time) / 1000;
const ZONES = [
  ...["Asia/Shanghai", "UTC", "America/New_York", "Europe/London", "Asia/Kathmandu", "Australia/Lord_Howe"],
  // Clocks that are changed at midnight, or just after it; dates that were left out; seconds; Ramadan.
  ...["America/Havana", "Asia/Beirut", "America/St_Johns", "Pacific/Apia", "Pacific/Kwajalein"],
  ...["Africa/Monrovia", "Africa/Casablanca", "Asia/Tehran", "America/Sao_Paulo", "Antarctica/Troll"],
];
const zone = fc.constantFrom(...ZONES);
const time = fc.integer({ min: at("1971-01-01T00:00:00Z"), max: at("2037-12-31T00:00:00Z") });

/** The date that a zone's clocks show, read another way. */
function dateIn(timeZone: string, seconds: number): string {
  return new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short" }).format(seconds * 1000);
}

describe("the days of a time zone", () => {
  it("have at each second the date that its clocks show, without a gap", () => {
    const length = fc.integer({ min: 1, max: 500 * 86_400 });
    const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 5, maxLength: 5 });
    fc.assert(
      fc.property(zone, time, length, shares, (timeZone, from, seconds, looks) => {
        const parts = daysOf(timeZone, from, from + seconds);
        expect(parts[0]?.from).toBe(from);
        expect(parts.at(-1)?.until).toBe(from + seconds);
        for (const [i, part] of parts.entries()) {
          expect(part.until).toBeGreaterThan(part.from);
          if (i > 0) expect(part.from).toBe(parts[i - 1]?.until);
          if (i > 0) expect(part.day).not.toBe(parts[i - 1]?.day);
        }
        for (const look of looks) {
          const part = parts[Math.floor(look * (parts.length - 1))];
          if (part === undefined) throw new Error("there is no day");
          const inside = part.from + Math.floor(look * (part.until - part.from - 1));
          for (const second of [part.from, inside, part.until - 1]) {
            expect(dateIn(timeZone, second)).toBe(part.day);
          }
          if (part.from > from) expect(dateIn(timeZone, part.from - 1)).not.toBe(part.day);
        }
      }),
    );
  });

  it("begin where the clocks first show the date", () => {
    fc.assert(
      fc.property(zone, time, (timeZone, now) => {
        const begin = startOfDay(timeZone, now);
        expect(begin).toBeLessThanOrEqual(now);
        expect(dateIn(timeZone, begin)).toBe(dateIn(timeZone, now));
        expect(dateIn(timeZone, begin - 1)).not.toBe(dateIn(timeZone, now));
      }),
    );
  });

  const hours = (timeZone: string, from: string, until: string) =>
    daysOf(timeZone, at(from), at(until)).map(({ day, from, until }) => `${day} ${(until - from) / 3600}`);

  it("have 23 and 25 hours where clocks are changed", () => {
    expect(hours("America/New_York", "2026-03-07T05:00Z", "2026-03-10T04:00Z")).toEqual([
      "2026-03-07 24",
      "2026-03-08 23",
      "2026-03-09 24",
    ]);
    expect(hours("America/Havana", "2026-10-31T04:00Z", "2026-11-03T05:00Z")).toEqual([
      "2026-10-31 24",
      "2026-11-01 25",
      "2026-11-02 24",
    ]);
  });

  it("leave out the date that Samoa left out", () => {
    expect(hours("Pacific/Apia", "2011-12-29T10:00Z", "2011-12-31T10:00Z")).toEqual([
      "2011-12-29 24",
      "2011-12-31 24",
    ]);
  });

  it("come twice where clocks were put back across midnight", () => {
    expect(hours("America/St_Johns", "2006-10-28T02:30Z", "2006-10-30T03:30Z")).toEqual([
      "2006-10-28 24",
      `2006-10-29 ${1 / 60}`,
      `2006-10-28 ${59 / 60}`,
      "2006-10-29 24",
    ]);
  });

  it("are always of 24 hours in China today", () => {
    const days = daysOf("Asia/Shanghai", at("2025-12-31T16:00Z"), at("2026-12-31T16:00Z"));
    expect(days).toHaveLength(365);
    expect(new Set(days.map(({ from, until }) => until - from))).toEqual(new Set([86_400]));
  });
});

it("a time zone is one that Intl knows", () => {
  expect(["Asia/Shanghai", "UTC", "America/Argentina/Buenos_Aires"].filter(isTimeZone)).toHaveLength(3);
  expect(["", "Beijing", "Asia/Nowhere", "constructor", "../etc/passwd"].filter(isTimeZone)).toEqual([]);
});
