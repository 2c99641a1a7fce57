import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  masterKeyIds,
  type SealingContext,
  SealingError,
  seal,
  sealedPrefix,
  sealingKeyOf,
  unseal,
} from "../../src/sealing/sealing.ts";

const OLD = Buffer.alloc(32, 1).toString("base64");
const NEW = Buffer.alloc(32, 2).toString("base64");
const KEYS = JSON.stringify({ "2026a": OLD });
const ROTATED = JSON.stringify({ "2026b": NEW, "2026a": OLD });
const RETIRED = JSON.stringify({ "2026b": NEW });

const PLACE: SealingContext = {
  table: "webhook_endpoints",
  row: "we_1",
  app: "app_1",
  livemode: false,
  field: "secrets",
};

describe("sealing", () => {
  test("what was sealed opens in its place", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "grapheme", maxLength: 200 }), async (secret) => {
        const sealed = await seal(KEYS, PLACE, secret);
        expect(sealed).toMatch(/^v1\.2026a\.[\w-]{16}\.[\w-]{22,}$/);
        expect(await unseal(KEYS, PLACE, sealed)).toBe(secret);
      }),
      { numRuns: 50 },
    );
  });

  test("the same secret never looks the same twice", async () => {
    expect(await seal(KEYS, PLACE, "secret")).not.toBe(await seal(KEYS, PLACE, "secret"));
  });

  test("nothing is sealed for a place that a rotation would not find", async () => {
    await expect(seal(KEYS, { ...PLACE, field: "metadata" }, "secret")).rejects.toThrow(
      "webhook_endpoints.metadata is not in sealed-columns.ts",
    );
  });

  test.each<[string, Partial<SealingContext>]>([
    ["table", { table: "signing_keys" }],
    ["row", { row: "we_2" }],
    ["app", { app: "app_2" }],
    ["mode", { livemode: true }],
    ["field", { field: "metadata" }],
    ["row and app moved together", { row: "we_1app_1", app: "" }],
  ])("a text copied to another %s does not open", async (_part, change) => {
    const sealed = await seal(KEYS, PLACE, "secret");
    await expect(unseal(KEYS, { ...PLACE, ...change }, sealed)).rejects.toThrow(SealingError);
  });

  test("no character of a sealed text can be changed", async () => {
    const sealed = await seal(KEYS, PLACE, "secret");
    for (let i = 0; i < sealed.length; i++) {
      // The last character carries bits that no byte uses.
      if (i === sealed.length - 1) continue;
      const changed = `${sealed.slice(0, i)}${sealed[i] === "A" ? "B" : "A"}${sealed.slice(i + 1)}`;
      await expect(unseal(KEYS, PLACE, changed)).rejects.toThrow(SealingError);
    }
  });
});

describe("rotation", () => {
  test("the newest key seals, and older ones still open", async () => {
    const before = await seal(KEYS, PLACE, "secret");
    const after = await seal(ROTATED, PLACE, "secret");
    expect(sealingKeyOf(before)).toBe("2026a");
    expect(sealingKeyOf(after)).toBe("2026b");
    expect(after.startsWith(sealedPrefix("2026b"))).toBe(true);
    expect(await masterKeyIds(ROTATED)).toEqual(["2026b", "2026a"]);
    expect(await unseal(ROTATED, PLACE, before)).toBe("secret");
    expect(await unseal(ROTATED, PLACE, after)).toBe("secret");
    expect(await unseal(RETIRED, PLACE, after)).toBe("secret");
  });

  test("a text whose key was retired says which key it needs", async () => {
    const before = await seal(KEYS, PLACE, "secret");
    await expect(unseal(RETIRED, PLACE, before)).rejects.toThrow(
      'webhook_endpoints.secrets of we_1 is sealed with the unknown key "2026a"',
    );
  });
});

describe("master keys that cannot be used", () => {
  test.each([
    ["not JSON", OLD, "not a JSON object"],
    ["a list", JSON.stringify([OLD]), "not a JSON object"],
    ["none", "{}", "no master key"],
    ["too short", JSON.stringify({ a: "c2hvcnQ=" }), 'master key "a" is not the base64 of 32 bytes'],
    ["not base64", JSON.stringify({ a: "!" }), 'master key "a" is not the base64 of 32 bytes'],
    ["an id that is a number", JSON.stringify({ 1: OLD }), '"1" cannot be the id'],
    ["an id with a dot", JSON.stringify({ "a.b": OLD }), '"a.b" cannot be the id'],
  ])("%s: refused without showing a key", async (_case, keys, words) => {
    const failure = await seal(keys, PLACE, "secret").then(
      () => null,
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(SealingError);
    expect((failure as Error).message).toContain(words);
    expect((failure as Error).message).not.toContain(OLD);
  });

  test("a column that holds no sealed text is refused", async () => {
    await expect(unseal(KEYS, PLACE, "whsec_plain")).rejects.toThrow("does not hold a sealed text");
  });
});
