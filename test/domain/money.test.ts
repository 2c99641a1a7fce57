import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { currencyExponent, decimalAmount } from "../../src/money.ts";

const amounts = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const currencies = fc.constantFrom("cny", "usd", "jpy", "krw", "kwd", "bhd", "xyz");

describe("a decimal amount", () => {
  it.each<[number, string, string]>([
    [20012, "cny", "200.12"],
    [1, "cny", "0.01"],
    [10, "cny", "0.10"],
    [100, "cny", "1.00"],
    [500, "jpy", "500"],
    [1, "jpy", "1"],
    [1234, "kwd", "1.234"],
    [5, "kwd", "0.005"],
    [Number.MAX_SAFE_INTEGER, "cny", "90071992547409.91"],
  ])("E26: %i minor units of %s are %s", (amount, currency, text) => {
    expect(decimalAmount(amount, currency)).toBe(text);
  });

  it("E26: has exactly the currency's digits after the point", () => {
    fc.assert(
      fc.property(amounts, currencies, (amount, currency) => {
        const [whole = "", fraction = ""] = decimalAmount(amount, currency).split(".");
        expect(fraction).toHaveLength(currencyExponent(currency));
        expect(whole).toMatch(/^(0|[1-9]\d*)$/);
      }),
    );
  });

  it("loses nothing: the digits read back are the amount", () => {
    fc.assert(
      fc.property(amounts, currencies, (amount, currency) => {
        expect(Number(decimalAmount(amount, currency).replace(".", ""))).toBe(amount);
      }),
    );
  });

  it("of the sum is the sum of the parts", () => {
    const part = fc.integer({ min: 0, max: 2 ** 50 });
    fc.assert(
      fc.property(part, part, currencies, (a, b, currency) => {
        const digits = (amount: number) => BigInt(decimalAmount(amount, currency).replace(".", ""));
        expect(digits(a) + digits(b)).toBe(digits(a + b));
      }),
    );
  });
});
