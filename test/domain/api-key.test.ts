import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hashKey, isApiKey, isLiveKey, maskKey, mintKey, presentedKey } from "../../src/auth/api-key.ts";
import { BoundedMap } from "../../src/auth/bounded-map.ts";
import { isSameDigest } from "../../src/auth/digest.ts";

const KEY = "sk_test_0123456789abcdefghijABCD";
const random = (count: number) => crypto.getRandomValues(new Uint8Array(count));
const basic = (credentials: string) => `Basic ${btoa(credentials)}`;

describe("the Authorization header", () => {
  test.each([
    ["Basic with an empty password", basic(`${KEY}:`)],
    ["Basic without a colon", basic(KEY)],
    ["Basic with a password", basic(`${KEY}:what:ever`)],
    ["any case of the scheme", basic(`${KEY}:`).replace("Basic", "bAsIc")],
    ["Bearer", `Bearer ${KEY}`],
    ["bearer with spaces around", `bearer   ${KEY}  `],
  ])("%s names the key", (_, header) => {
    expect(presentedKey(header)).toBe(KEY);
  });

  test.each([
    ["none", null],
    ["an empty one", ""],
    ["a bare key", KEY],
    ["another scheme", `Digest ${KEY}`],
    ["a scheme alone", "Basic"],
    ["Basic that is not base64", "Basic %%%"],
    ["Basic without a user name", basic(":password")],
    ["two tokens", `Bearer ${KEY} ${KEY}`],
    ["one of unreasonable length", `Bearer ${"a".repeat(2000)}`],
  ])("%s names no key", (_, header) => {
    expect(presentedKey(header)).toBeNull();
  });
});

describe("the shape of a key", () => {
  test("minted keys have it, 32 characters, their prefix saying the mode", () => {
    fc.assert(
      fc.property(fc.boolean(), (livemode) => {
        const key = mintKey(livemode, random);
        expect(isApiKey(key)).toBe(true);
        expect(key).toHaveLength(32);
        expect(isLiveKey(key)).toBe(livemode);
      }),
    );
  });

  test.each([
    "",
    "sk_test_",
    KEY.slice(0, -1),
    `${KEY}0`,
    `${KEY}\n`,
    KEY.replace("sk", "pk"),
    KEY.replace("test", "demo"),
    KEY.replace("a", "-"),
    KEY.replace("a", "é"),
  ])("%j has not", (key) => {
    expect(isApiKey(key)).toBe(false);
  });
});

describe("a masked key", () => {
  test("is the prefix and 25 asterisks, as Ping++ writes it", () => {
    expect(maskKey(KEY)).toBe("sk_test_*************************");
    expect(maskKey("sk_live_short")).toBe("sk_live_*************************");
  });

  test("repeats nothing of what was sent but a known prefix", () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.constantFrom("", "sk_test_", "sk_live_", "sk_", "pk_live_"),
        (rest, prefix) => {
          expect(maskKey(prefix + rest)).toMatch(/^(sk_test_|sk_live_)?\*{25}$/);
        },
      ),
    );
  });
});

test("a key is stored as the SHA-256 of the whole of it", async () => {
  expect(await hashKey("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});

test("digests compare like strings", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (left, right) => {
      expect(isSameDigest(left, right)).toBe(left === right);
      expect(isSameDigest(left, left)).toBe(true);
    }),
  );
});

test("a bounded map holds its limit and forgets what was longest not used", () => {
  const map = new BoundedMap<number>(2);
  map.set("a", 1);
  map.set("b", 2);
  expect(map.get("a")).toBe(1);
  map.set("c", 3);
  expect([map.get("a"), map.get("b"), map.get("c"), map.size]).toEqual([1, undefined, 3, 2]);
  map.set("c", 4);
  expect([map.get("a"), map.get("c"), map.size]).toEqual([1, 4, 2]);
});
