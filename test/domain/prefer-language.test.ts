// What a request's headers ask for: how long to wait, and in which language.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { preferredLanguage } from "../../src/http/language.ts";
import { WAIT_DEFAULT_MS, WAIT_MAX_SECONDS, waitMsOf } from "../../src/http/prefer.ts";

describe("Prefer", () => {
  it.each([
    [undefined, 8000],
    ["", 8000],
    ["respond-async", 0],
    ["Respond-Async", 0],
    ["wait=0", 0],
    ["wait=5", 5000],
    ["WAIT=5", 5000],
    ['wait="5"', 5000],
    ["wait = 5", 5000],
    ["wait=25", 25_000],
    ["wait=26", 25_000],
    ["wait=999999", 25_000],
    ["handling=lenient, wait=3", 3000],
    ["respond-async, wait=10", 0],
    ["wait=10, wait=2", 10_000],
    ["wait", 8000],
    ["wait=", 8000],
    ["wait=-1", 8000],
    ["wait=1.5", 8000],
    ["wait=ten", 8000],
    ["wait=1e3", 8000],
    ["return=minimal", 8000],
  ])("%j waits %i ms", (header, ms) => {
    expect(waitMsOf(header)).toBe(ms);
  });

  it("is a whole number of ms within the limits, whatever it says", () => {
    const parts = fc.constantFrom("wait", "=", "5", "25", ",", " ", '"', "respond-async", ";", "-", ".", "x");
    fc.assert(
      fc.property(
        fc.array(parts).map((header) => header.join("")),
        (header) => {
          const ms = waitMsOf(header);
          expect(Number.isInteger(ms)).toBe(true);
          expect(ms).toBeGreaterThanOrEqual(0);
          expect(ms).toBeLessThanOrEqual(WAIT_MAX_SECONDS * 1000);
        },
      ),
    );
  });

  it("waits 8 s where it says nothing, and 25 s at most", () => {
    expect([WAIT_DEFAULT_MS, WAIT_MAX_SECONDS]).toEqual([8000, 25]);
  });
});

describe("Accept-Language", () => {
  it.each([
    [null, "zh"],
    ["", "zh"],
    ["en", "en"],
    ["EN-us", "en"],
    ["zh-CN", "zh"],
    ["zh-Hans-CN,zh;q=0.9,en;q=0.8", "zh"],
    ["en-US,en;q=0.9,zh;q=0.8", "en"],
    ["zh;q=0.5, en;q=0.6", "en"],
    ["zh, en", "zh"],
    ["en, zh", "en"],
    ["de, fr;q=0.9", "zh"],
    ["de, en;q=0.1", "en"],
    ["en;q=0", "zh"],
    ["en;q=0, zh;q=0", "zh"],
    ["*", "zh"],
    ["english", "zh"],
    ["en;q=high", "en"],
    ["en;q=.", "zh"],
    ["en ; q=0.3, zh ; q=0.2", "en"],
  ] as const)("%j is answered in %s", (header, language) => {
    expect(preferredLanguage(header, "zh")).toBe(language);
  });

  it("without a preference between the two leaves the app's own language", () => {
    expect(preferredLanguage(null, "en")).toBe("en");
    expect(preferredLanguage("de", "en")).toBe("en");
    expect(preferredLanguage("zh;q=0", "en")).toBe("en");
    expect(preferredLanguage("zh", "en")).toBe("zh");
  });

  it("is Chinese or English, whatever it says", () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom("zh" as const, "en" as const), (header, fallback) => {
        expect(["zh", "en"]).toContain(preferredLanguage(header, fallback));
      }),
    );
  });
});
