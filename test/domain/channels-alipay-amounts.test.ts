import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatAmount, parseAmount } from "../../src/channels/alipay/amount.ts";
import { beijingTime } from "../../src/channels/alipay/beijing-time.ts";
import { ERROR_CODES, meaningOf } from "../../src/channels/alipay/error-codes.ts";
import { refundReason } from "../../src/channels/alipay/order.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text).length;

describe("amounts", () => {
  it.each([
    [20012, "cny", "200.12"],
    [1, "cny", "0.01"],
    [10, "cny", "0.10"],
    [100, "cny", "1.00"],
    [Number.MAX_SAFE_INTEGER, "cny", "90071992547409.91"],
    [500, "jpy", "500"],
    [1, "krw", "1"],
    [1234, "usd", "12.34"],
  ])("E26: %i of %s is %s", (amount, currency, text) => {
    expect(formatAmount(amount, currency)).toBe(text);
  });

  it("come back as they went, in every currency that Alipay has", () => {
    const currencies = fc.constantFrom("cny", "usd", "hkd", "eur", "jpy", "krw", "thb");
    fc.assert(
      fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), currencies, (amount, currency) => {
        expect(parseAmount(formatAmount(amount, currency) ?? "", currency)).toBe(amount);
      }),
    );
  });

  it.each(["kwd", "vnd", "xxx", "constructor", "__proto__", "CNY"])("of %s are none", (currency) => {
    expect(formatAmount(500, currency)).toBeNull();
    expect(parseAmount("500", currency)).toBeNull();
  });

  it.each([
    ["12.3", "cny", 1230],
    ["12", "cny", 1200],
    ["12.300", "cny", 1230],
    [12.3, "cny", 1230],
    [0.01, "cny", 1],
    ["500.00", "jpy", 500],
    ["0", "cny", 0],
  ])("are read from %j of %s", (text, currency, amount) => {
    expect(parseAmount(text, currency)).toBe(amount);
  });

  it.each([
    ["12.345", "cny"],
    ["500.5", "jpy"],
    ["", "cny"],
    [".5", "cny"],
    ["5.", "cny"],
    ["01.00", "cny"],
    ["-1.00", "cny"],
    ["+1.00", "cny"],
    ["1e2", "cny"],
    ["1,000.00", "cny"],
    [" 1.00", "cny"],
    ["1.00\n", "cny"],
    ["١.٠٠", "cny"],
    ["90071992547409.92", "cny"],
    ["99999999999999999999", "cny"],
    [Number.NaN, "cny"],
    [1e21, "cny"],
    [0.1 + 0.2, "cny"],
  ])("are not read from %j of %s", (text, currency) => {
    expect(parseAmount(text, currency)).toBeNull();
  });
});

describe("a reason", () => {
  it("E39: that fits is left alone", () => {
    expect(refundReason("退".repeat(85))).toBe("退".repeat(85));
    expect(refundReason("x".repeat(256))).toBe("x".repeat(256));
  });

  it("E39: that is too long is cut between two characters as a reader sees them", () => {
    expect(refundReason("退".repeat(86))).toBe("退".repeat(85));
    const family = "👨‍👩‍👧‍👦";
    const accented = "e\u0301";
    expect(refundReason(family.repeat(20))).toBe(family.repeat(10));
    expect(refundReason(`${"x".repeat(255)}${accented}`)).toBe("x".repeat(255));
  });

  it("E39: that is one endless character is cut between code points", () => {
    expect(refundReason(`e${"\u0301".repeat(300)}`)).toBe(`e${"\u0301".repeat(127)}`);
  });

  it("E39: is always a beginning of the description and never more than 256 bytes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 255 }), (description) => {
        const reason = refundReason(description);
        expect(bytesOf(reason)).toBeLessThanOrEqual(256);
        expect(description.startsWith(reason)).toBe(true);
        expect(reason.isWellFormed()).toBe(true);
      }),
    );
  });

  it("has no half of a surrogate pair, which could not be sent as it was signed", () => {
    expect(refundReason("a\ud83d")).toBe("a\ufffd");
  });
});

describe("Beijing's time", () => {
  it("E40: is read as such wherever the machine stands", () => {
    expect(beijingTime("2014-11-27 15:45:57")).toBe(Date.UTC(2014, 10, 27, 7, 45, 57));
    expect(beijingTime("2026-03-01 00:00:00.123")).toBe(Date.UTC(2026, 1, 28, 16, 0, 0));
  });

  it.each(["", "2014-11-27", "2014-13-27 15:45:57", "2014-11-27T15:45:57Z", "2014-11-27 25:00:00", "now"])(
    "is not read from %j",
    (text) => {
      expect(beijingTime(text)).toBeNull();
    },
  );
});

describe("error codes", () => {
  it.each(ERROR_CODES.DECLINES)("%s means the same with and without the prefix", (code) => {
    const means = code === "TRADE_NOT_EXIST" ? "tradeNotFound" : "declined";
    for (const spelling of [code, `ACQ.${code}`, `aop.ACQ.${code}`]) {
      expect(meaningOf(spelling)).toEqual({ means, by: "business" });
    }
  });

  it.each([...ERROR_CODES.THROTTLES, ...ERROR_CODES.CONFIGURATION])("%s is the gateway's", (code) => {
    const means = (ERROR_CODES.THROTTLES as readonly string[]).includes(code) ? "throttled" : "configuration";
    expect(meaningOf(code)).toEqual({ means, by: "gateway" });
    expect(meaningOf(`isv.${code}`)).toEqual({ means, by: "gateway" });
  });

  it.each([
    "ACQ.SYSTEM_ERROR",
    "ACQ.DISCORDANT_REPEAT_REQUEST",
    "ACQ.INVALID_PARAMETER",
    "ACQ.REFUND_CHARGE_ERROR",
    "invalid-parameter",
    "unknow-error",
    "isp.unknow-error",
    "aop.unknow-error",
    "",
    "trade_not_exist",
    "SYSTEM_ERROR: TRADE_NOT_EXIST",
  ])("%j means nothing", (code) => {
    expect(meaningOf(code)).toEqual({ means: "nothing" });
  });
});
