import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isWhole, pairTerm, termsOf, WORDS_MAX, wordsOf } from "../../src/search/terms.ts";

describe("the words of a text", () => {
  it.each([
    ["Returned: 2 tins of Tea!", ["returned", "2", "tins", "of", "tea"]],
    ["REFUND_no-17", ["refund", "no", "17"]],
    ["a a A ａ", ["a"]],
    ["É́cole", ["é́cole"]],
    ["商品质量问题", ["商品", "品质", "质量", "量问", "问题"]],
    ["iPhone手机壳", ["iphone", "手机", "机壳"]],
    ["质量，问题", ["质量", "问题"]],
    ["ﾗｰﾒﾝ", ["ラー", "ーメ", "メン"]],
    ["반품 요청", ["반품", "요청"]],
    ["हिन्दी में", ["हिन्दी", "में"]],
    ["𠮷野家", ["𠮷野", "野家"]],
  ])("%s", (text, words) => {
    expect(wordsOf(text)).toEqual(words.map((word) => word.normalize("NFKC")));
  });

  it.each(["", " ", "?!", "%", "_", '"', "退", "退 款", "😀"])("of %j are none", (text) => {
    expect(wordsOf(text)).toEqual([]);
  });

  it("of what a text has in the middle are among its own, as long as they are not too many", () => {
    const characters = fc.constantFrom(..."ab é退款商品ー가1 ,-İß");
    fc.assert(
      fc.property(
        fc.array(characters, { maxLength: 30 }),
        fc.array(characters, { maxLength: 30 }),
        fc.array(characters, { maxLength: 30 }),
        (before, middle, after) => {
          const text = `${before.join("")} ${middle.join("")} ${after.join("")}`;
          const words = wordsOf(text);
          fc.pre(words.length < WORDS_MAX);
          expect(words).toEqual(expect.arrayContaining(wordsOf(middle.join(""))));
        },
      ),
    );
  });
});

describe("the terms of an object", () => {
  it("are 64 at most, none longer than 64 characters, each once, whatever it says", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 255 }),
        fc.dictionary(fc.string({ unit: "binary", minLength: 1 }), fc.string({ unit: "binary" }), {
          maxKeys: 20,
        }),
        (description, metadata) => {
          const terms = termsOf({ description, metadata });
          expect(terms.length).toBeLessThanOrEqual(64);
          expect(new Set(terms).size).toBe(terms.length);
          for (const term of terms) {
            expect([...term].length).toBeLessThanOrEqual(64);
            expect(term).not.toBe("");
          }
        },
      ),
    );
  });

  it("tell pairs apart that read alike, and pairs from words", () => {
    expect(pairTerm("a=b", "c")).not.toBe(pairTerm("a", "b=c"));
    expect(pairTerm('a","b', "c")).not.toBe(pairTerm("a", 'b","c'));
    expect(termsOf({ description: "a b", metadata: { a: "b" } })).toEqual(['["a","b"]', "a", "b"]);
    expect(termsOf({ description: null, metadata: {} })).toEqual([]);
  });

  it("hold a pair whole, unless it is long", () => {
    expect([isWhole("color", "red"), isWhole("color", "r".repeat(60))]).toEqual([true, false]);
    expect(pairTerm("color", "r".repeat(60))).toBe(pairTerm("color", "r".repeat(70)));
  });
});
