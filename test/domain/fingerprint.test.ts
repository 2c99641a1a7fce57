import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson, fingerprintOf } from "../../src/idempotency/fingerprint.ts";
import { readIdempotencyKey } from "../../src/idempotency/request-key.ts";

const parameters = {
  amount: 4000,
  description: "The shoes do not fit.",
  metadata: { color: "red", size: "42" },
  funding_source: "unsettled_funds",
  extra: { list: [1, 2], nested: { a: 1, b: null } },
  refund_no: "no-1",
};
/** JSON as `JSON.parse` gives it: -0 and 0 are one number on the wire. */
const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown);

/** The same value with the keys of every object the other way round. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]) => [key, reversed(inner)]),
  );
}

describe("the fingerprint of a request", () => {
  it("is a SHA-256 in hex", async () => {
    expect(await fingerprintOf(parameters)).toMatch(/^[0-9a-f]{64}$/);
  });

  it("is the same for the same parameters in any order", async () => {
    expect(await fingerprintOf(reversed(parameters) as typeof parameters)).toBe(
      await fingerprintOf(parameters),
    );
  });

  it("does not depend on the order of keys, however deep", () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(canonicalJson(reversed(value))).toBe(canonicalJson(value));
      }),
    );
  });

  it("is JSON that says the same", () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(value);
      }),
    );
  });

  it.each([
    ["another amount", { amount: 4001 }],
    ["an omitted amount", { amount: undefined }],
    ["another description", { description: "The shoes do not fit" }],
    ["another value in metadata", { metadata: { color: "red", size: "43" } }],
    ["a pair more in metadata", { metadata: { color: "red", size: "42", b: "" } }],
    ["a pair less in metadata", { metadata: { color: "red" } }],
    ["another funding source", { funding_source: "recharge_funds" }],
    ["another order in a list", { extra: { list: [2, 1], nested: { a: 1, b: null } } }],
    ["something deep", { extra: { list: [1, 2], nested: { a: 1, b: false } } }],
    ["another refund_no", { refund_no: "no-2" }],
    ["no refund_no", { refund_no: null }],
  ])("is another for %s", async (_, change) => {
    expect(await fingerprintOf({ ...parameters, ...change })).not.toBe(await fingerprintOf(parameters));
  });

  it("is another wherever JSON is another", () => {
    fc.assert(
      fc.property(json, json, (left, right) => {
        const same = canonicalJson(left) === canonicalJson(right);
        expect(same).toBe(JSON.stringify(sorted(left)) === JSON.stringify(sorted(right)));
      }),
      { numRuns: 500 },
    );
  });

  it("tells omitted from null, and takes undefined for omitted", () => {
    expect(canonicalJson({ amount: null })).toBe('{"amount":null}');
    expect(canonicalJson({ amount: undefined })).toBe("{}");
    expect(canonicalJson({})).toBe("{}");
  });

  it("tells a number from its digits", () => {
    expect(canonicalJson({ a: 1 })).not.toBe(canonicalJson({ a: "1" }));
  });
});

/** Keys in the order of their UTF-16 units, as an independent way to the same end. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.keys(value)
    .sort()
    .map((key) => [key, sorted((value as Record<string, unknown>)[key])])
    .concat([["object"]]);
}

describe("an Idempotency-Key", () => {
  it("is absent, or itself, with or without quotes", () => {
    expect(readIdempotencyKey(undefined)).toEqual({ key: null });
    expect(readIdempotencyKey("order-1")).toEqual({ key: "order-1" });
    expect(readIdempotencyKey('"order-1"')).toEqual({ key: "order-1" });
    expect(readIdempotencyKey("x".repeat(255))).toEqual({ key: "x".repeat(255) });
    expect(readIdempotencyKey(`"${"x".repeat(255)}"`)).toEqual({ key: "x".repeat(255) });
  });

  it.each(["", '""', " ", "two words", "x".repeat(256), "é", "tab\t", "订单"])("is not %j", (header) => {
    expect(readIdempotencyKey(header)).toEqual({ malformed: true });
  });
});
