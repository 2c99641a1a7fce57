import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { derivedId, type IdKind, isId, mintId, PREFIXES, type Random, randomToken } from "../../src/ids.ts";
import { refundOrderNo } from "../../src/refunds/refund.ts";

const kinds = Object.keys(PREFIXES) as IdKind[];

/** Dice that show these bytes, over and over. */
function loaded(bytes: number[]): Random {
  let next = 0;
  return (count) => Uint8Array.from({ length: count }, () => bytes[next++ % bytes.length] ?? 0);
}
const dice = fc.array(fc.integer({ min: 0, max: 247 }), { minLength: 1, maxLength: 64 });

describe("an id", () => {
  it("is its prefix, an underscore and 24 characters of [0-9A-Za-z], whatever the dice show", () => {
    fc.assert(
      fc.property(dice, fc.constantFrom(...kinds), (bytes, kind) => {
        const id = mintId(kind, loaded(bytes));
        expect(id).toMatch(new RegExp(`^${PREFIXES[kind]}_[0-9A-Za-z]{24}$`));
        expect(isId(kind, id)).toBe(true);
      }),
    );
  });

  it("throws the bytes away that would favour some letters", () => {
    expect(randomToken(loaded([255, 250, 248, 1]))).toBe("1".repeat(24));
    expect(randomToken(loaded([247]))).toBe("z".repeat(24));
  });

  it("gives every letter the same chance", () => {
    const seen = new Map<string, number>();
    for (let byte = 0; byte < 248; byte++) {
      const [letter = ""] = randomToken(loaded([byte]));
      seen.set(letter, (seen.get(letter) ?? 0) + 1);
    }
    expect([...seen.values()]).toEqual(Array.from({ length: 62 }, () => 4));
  });

  it("of a refund is 27 characters long, and its order_no is what follows the prefix", () => {
    const id = mintId("refund", loaded([3, 5, 7]));
    expect(id).toHaveLength(27);
    expect(`re_${refundOrderNo(id)}`).toBe(id);
  });

  it("derived from the same bytes is the same, from others another", () => {
    const digests = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(digests, digests, (a, b) => {
        expect(isId("charge", derivedId("charge", a))).toBe(true);
        expect(derivedId("charge", a) === derivedId("charge", b)).toBe(a.every((byte, i) => byte === b[i]));
      }),
    );
  });

  it.each([
    "",
    "re_",
    "re_0123456789ABCDEFGHIJKLM",
    "re_0123456789ABCDEFGHIJKLMNO",
    "re_0123456789ABCDEFGHIJKLM\n",
    "re_0123456789ABCDEFGHIJKLM-",
    "re_0123456789ABCDEFGHIJKLMé",
    "re-0123456789ABCDEFGHIJKLMN",
    "ch_0123456789ABCDEFGHIJKLMN",
    " re_123456789ABCDEFGHIJKLMN",
  ])("of a refund is not %j", (guess) => {
    expect(isId("refund", guess)).toBe(false);
  });

  it("of one kind is never an id of another", () => {
    for (const kind of kinds) {
      const id = mintId(kind, loaded([9]));
      expect(kinds.filter((other) => isId(other, id))).toEqual([kind]);
    }
  });
});
