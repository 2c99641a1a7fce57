import { beforeAll, describe, expect, it } from "vitest";
import { alipay } from "../../src/channels/alipay/client.ts";
import { ERROR_CODES } from "../../src/channels/alipay/error-codes.ts";
import { error, ok } from "../emulators/alipay.ts";
import vectors from "../vectors/connector_vectors.json" with { type: "json" };
import {
  listening,
  type Merchant,
  newAccount,
  openMerchant,
  orderOf,
  portsOf,
  unsigned,
} from "./channels-alipay-fixture.ts";

let merchant: Merchant;
let order: ReturnType<Merchant["order"]>;
const fresh = async (options: Parameters<typeof openMerchant>[0] = {}) => {
  merchant = await openMerchant({ minds3Seconds: false, ...options });
  order = merchant.order();
};
const effects = () => merchant.emulator.books.numbers.get(order.number)?.effects ?? 0;
const violations = () => merchant.emulator.books.violations;
const silent = { amount: null, currency: null };

describe("a submission", () => {
  it("moves the money once and says so", async () => {
    await fresh();
    expect(await merchant.refund(order)).toMatchObject({
      kind: "succeeded",
      number: order.number,
      transactionNo: merchant.payment.transactionNo,
      ...silent,
    });
    expect(effects()).toBe(1);
    expect(merchant.emulator.books.moved(merchant.payment.transactionNo)).toBe(1000);
    expect(JSON.parse(merchant.emulator.requests[0]?.body ?? "")).toEqual({
      trade_no: merchant.payment.transactionNo,
      out_request_no: order.number,
      refund_amount: "10.00",
      refund_reason: "商品已售完",
    });
    expect(violations()).toEqual([]);
  });

  it("finds the trade by the merchant's number where Alipay's is not known", async () => {
    await fresh();
    expect(await merchant.refund({ ...order, transactionNo: null })).toMatchObject({ kind: "succeeded" });
  });

  it("is never taken for the trade's running total", async () => {
    await fresh();
    await merchant.refund(order);
    const second = merchant.order({ amount: 2000 });
    expect(await merchant.refund(second)).toMatchObject({ kind: "succeeded", ...silent });
    expect(await merchant.query(second)).toMatchObject({ kind: "succeeded", amount: 2000 });
  });

  it("E8: that hears fund_change N leaves the decision to a query", async () => {
    await fresh();
    await merchant.refund(order);
    expect(await merchant.refund({ ...order, attempt: 2 })).toMatchObject({ kind: "unknown", ...silent });
    expect(await merchant.query(order)).toMatchObject({ kind: "succeeded", amount: 1000 });
    expect(effects()).toBe(1);
  });

  it.each([undefined, "", "y", "YES", "N", null, 1])(
    "E8: that hears fund_change %j is open",
    async (change) => {
      await fresh();
      merchant.answered(ok({ trade_no: merchant.payment.transactionNo, fund_change: change }));
      expect(await merchant.refund(order)).toMatchObject({ kind: "unknown" });
    },
  );

  it("E26: of a currency without decimals is not divided", async () => {
    await fresh();
    Object.assign(merchant.payment, { currency: "jpy", amount: 500 });
    const yen = merchant.order({ currency: "jpy", amount: 500, chargeAmount: 500 });
    expect(await merchant.refund(yen)).toMatchObject({ kind: "succeeded" });
    expect(JSON.parse(merchant.emulator.requests[0]?.body ?? "").refund_amount).toBe("500");
    expect(await merchant.query(yen)).toMatchObject({ kind: "succeeded", amount: 500 });
    expect(violations()).toEqual([]);
  });

  it("E26: of a currency that Alipay does not have is declined without asking", async () => {
    await fresh();
    const dinar = merchant.order({ currency: "kwd" });
    expect(await merchant.refund(dinar)).toMatchObject({ kind: "declined", code: "CURRENCY_NOT_SUPPORTED" });
    expect(merchant.emulator.requests).toEqual([]);
  });

  it("E39: with a description too long for Alipay is cut and accepted", async () => {
    await fresh();
    const wordy = merchant.order({ description: "👨‍👩‍👧‍👦".repeat(36) });
    expect(await merchant.refund(wordy)).toMatchObject({ kind: "succeeded" });
    expect(JSON.parse(merchant.emulator.requests[0]?.body ?? "").refund_reason).toBe("👨‍👩‍👧‍👦".repeat(10));
  });

  it("signs in certificate mode", async () => {
    await fresh({ certificateMode: true });
    expect(await merchant.refund(order)).toMatchObject({ kind: "succeeded" });
  });

  it("believes either of two live keys of Alipay's", async () => {
    await fresh();
    merchant.emulator.signWith(1);
    expect(await merchant.refund(order)).toMatchObject({ kind: "succeeded" });
  });
});

describe("a refusal of the business", () => {
  it.each(ERROR_CODES.DECLINES)("E31: %s is a no, in Alipay's own words", async (code) => {
    await fresh();
    merchant.emulator.refuse(merchant.payment.transactionNo, code);
    expect(await merchant.refund(order)).toMatchObject({
      kind: "declined",
      number: order.number,
      code: `ACQ.${code}`,
      words: `说明：ACQ.${code}`,
      failureCode: "refund_refused_msg",
      ...silent,
    });
    expect(effects()).toBe(0);
  });

  it.each(ERROR_CODES.DECLINES)("%s is no no without a signature", async (code) => {
    await fresh();
    merchant.emulator.refuse(merchant.payment.transactionNo, code);
    merchant.rewritten(unsigned);
    expect(await merchant.refund(order)).toMatchObject({
      kind: "unknown",
      failureCode: "channel_sign_error",
    });
  });

  it("of a trade that Alipay does not know is a no", async () => {
    await fresh();
    expect(await merchant.refund(orderOf())).toMatchObject({
      kind: "declined",
      code: "ACQ.TRADE_NOT_EXIST",
    });
  });

  it("of an unpaid trade is a no", async () => {
    await fresh();
    merchant.payment.paid = false;
    expect(await merchant.refund(order)).toMatchObject({
      kind: "declined",
      code: "ACQ.TRADE_STATUS_ERROR",
    });
  });

  it("of more than is left is a no", async () => {
    await fresh();
    await merchant.refund(order);
    const rest = merchant.order({ amount: 20012 });
    expect(await merchant.refund(rest)).toMatchObject({
      kind: "declined",
      code: "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL",
    });
  });

  it("for lack of permission is a matter of configuration", async () => {
    await fresh();
    merchant.answered(error(403, "ACQ.ACCESS_FORBIDDEN"));
    expect(await merchant.refund(order)).toMatchObject({ kind: "notSent", reason: "configuration" });
  });

  it("keeps its words within bounds", async () => {
    await fresh();
    const body = JSON.stringify({ code: "ACQ.TRADE_NOT_EXIST", message: "无".repeat(5000) });
    merchant.answered({ status: 400, body });
    expect(await merchant.refund(order)).toMatchObject({ kind: "declined", words: "无".repeat(256) });
  });

  it("without words has its code for words", async () => {
    await fresh();
    merchant.answered({ status: 400, body: JSON.stringify({ code: "TRADE_HAS_FINISHED", message: null }) });
    expect(await merchant.refund(order)).toMatchObject({ kind: "declined", words: "TRADE_HAS_FINISHED" });
  });
});

describe("an answer that leaves the outcome open", () => {
  it("is the same number with another amount", async () => {
    await fresh();
    await merchant.refund(order);
    expect(await merchant.refund({ ...order, amount: 999 })).toMatchObject({ kind: "unknown" });
    expect(effects()).toBe(1);
  });

  it.each([
    error(400, "ACQ.SYSTEM_ERROR"),
    error(400, "ACQ.INVALID_PARAMETER"),
    error(400, "ACQ.A_CODE_OF_TOMORROW"),
    error(400, "unknow-error"),
    error(500, "ACQ.SYSTEM_ERROR"),
    error(500, "ACQ.TRADE_NOT_EXIST"),
    error(503, "app-call-limited"),
    error(502, "invalid-signature"),
    { status: 502, body: "<html>Bad Gateway</html>" },
    { status: 400, body: "<html>Bad Request</html>" },
    { status: 400, body: "{}" },
    { status: 400, body: JSON.stringify({ code: 40004, message: "TRADE_NOT_EXIST" }) },
    { status: 302, body: "", headers: { location: "http://127.0.0.1:9/" } },
  ])("is any other error: $status $body", async (answer) => {
    await fresh();
    merchant.answered(answer);
    expect(await merchant.refund(order)).toMatchObject({
      kind: "unknown",
      failureCode: "channel_request_error",
      ...silent,
    });
    expect(merchant.emulator.requests).toHaveLength(1);
  });

  it.each([
    ["a success without a signature", unsigned],
    ["a success whose body was changed", (answer) => ({ ...answer, body: `${answer.body} ` })],
    [
      "a success signed by somebody else",
      (answer) => ({ ...answer, headers: { ...answer.headers, "alipay-signature": "AAAA" } }),
    ],
  ] satisfies [string, Parameters<Merchant["rewritten"]>[0]][])("is %s", async (_, rewrite) => {
    await fresh();
    merchant.rewritten(rewrite);
    expect(await merchant.refund(order)).toMatchObject({
      kind: "unknown",
      failureCode: "channel_sign_error",
    });
  });

  it("is an error whose signature is wrong, whatever it says", async () => {
    await fresh();
    const [, another] = merchant.emulator.credentials.alipay_public_keys;
    const credentials = async () => ({ ...merchant.emulator.credentials, alipay_public_keys: [another] });
    const mistaken = alipay(portsOf({ baseUrl: merchant.emulator.url, credentials }));
    for (const code of ["ACQ.TRADE_NOT_EXIST", "invalid-signature", "app-call-limited"]) {
      merchant.answered(error(400, code));
      expect(await mistaken.refund(order, newAccount(), Date.now(), listening)).toMatchObject({
        kind: "unknown",
        failureCode: "channel_sign_error",
      });
    }
  });

  it.each(["", "null", "[]", "{", '"Y"', '{"fund_change":"Y"}', '{"fund_change":{"a":1}}'])(
    "is a signed 200 that says %j",
    async (body) => {
      await fresh();
      merchant.answered({ status: 200, body });
      expect(await merchant.refund(order)).toMatchObject({
        kind: "unknown",
        failureCode: "channel_parse_error",
      });
    },
  );

  it("is a success of another trade", async () => {
    await fresh();
    merchant.answered(ok({ trade_no: "2014112611001004680073956708", fund_change: "Y" }));
    expect(await merchant.refund(order)).toMatchObject({ failureCode: "channel_parse_error" });
    merchant.answered(ok({ out_trade_no: "another", fund_change: "Y" }));
    expect(await merchant.refund({ ...order, transactionNo: null })).toMatchObject({ kind: "unknown" });
  });

  it("is more than anybody reads", async () => {
    await fresh();
    const success = { trade_no: merchant.payment.transactionNo, fund_change: "Y" };
    merchant.answered(ok({ ...success, filler: "x".repeat(70_000) }));
    expect(await merchant.refund(order)).toMatchObject({
      kind: "unknown",
      failureCode: "channel_parse_error",
    });
  });

  it.each(["dropBefore", "dropAfter"] as const)("E4: is none at all (%s)", async (does) => {
    await fresh();
    merchant.emulator.faults.next({ does });
    expect(await merchant.refund(order)).toMatchObject({
      kind: "unknown",
      failureCode: "channel_connection_error",
    });
    expect(effects()).toBe(does === "dropAfter" ? 1 : 0);
    expect(await merchant.query(order)).toMatchObject({
      kind: does === "dropAfter" ? "succeeded" : "notFound",
    });
  });

  it("E4: is a 500 after the money moved, and the same number finds it", async () => {
    await fresh();
    merchant.emulator.faults.next({ does: "errorAfter" });
    expect(await merchant.refund(order)).toMatchObject({ kind: "unknown" });
    expect(await merchant.refund({ ...order, attempt: 2 })).toMatchObject({ kind: "unknown" });
    expect(await merchant.query(order)).toMatchObject({ kind: "succeeded", amount: 1000 });
    expect(effects()).toBe(1);
  });

  it("is one that comes after the asker stopped listening", async () => {
    await fresh();
    merchant.emulator.faults.next({ does: "delay", ms: 60_000 });
    const stop = new AbortController();
    const asked = merchant.refund(order, stop.signal);
    await expect.poll(effects).toBe(1);
    stop.abort();
    expect(await asked).toMatchObject({ kind: "unknown", failureCode: "channel_connection_error" });
  });

  it("is a redirect that nobody follows", async () => {
    await fresh();
    merchant.answered({ status: 307, body: "", headers: { location: `${merchant.emulator.url}/elsewhere` } });
    expect(await merchant.refund(order)).toMatchObject({ kind: "unknown" });
    expect(merchant.emulator.requests).toHaveLength(1);
  });
});

describe("a refusal of the gateway", () => {
  it("E38: of too many requests means later, unsent", async () => {
    await fresh();
    merchant.emulator.faults.next({ does: "throttle" });
    const before = Date.now();
    const verdict = await merchant.refund(order);
    expect(verdict).toMatchObject({ kind: "notSent", reason: "throttled", ...silent });
    const retryAt = verdict.kind === "notSent" ? verdict.retryAt : 0;
    expect(retryAt).toBeGreaterThanOrEqual(before + 3_000);
    expect(retryAt).toBeLessThan(Date.now() + 6_000);
    expect(effects()).toBe(0);
  });

  it.each([
    error(400, "app-call-limited"),
    error(403, "isv.method-call-limited"),
    { status: 429, body: "slow down" },
  ])("E38: counts by its code, or by 429 without one: $status $body", async (answer) => {
    await fresh();
    merchant.answered(answer);
    expect(await merchant.refund(order)).toMatchObject({ kind: "notSent", reason: "throttled" });
  });

  it.each(ERROR_CODES.CONFIGURATION)("%s is a matter of configuration, signed or not", async (code) => {
    await fresh();
    merchant.answered(error(400, code));
    expect(await merchant.refund(order)).toMatchObject({ kind: "notSent", reason: "configuration" });
    merchant.rewritten(() => error(401, code));
    expect(await merchant.refund(order)).toMatchObject({ kind: "notSent", reason: "configuration" });
  });

  it("meets a wrong key of ours, a wrong app and a wrong clock", async () => {
    await fresh();
    const wrong = async (changes: object, now = Date.now()) => {
      const credentials = async () => ({ ...merchant.emulator.credentials, ...changes });
      const channel = alipay(portsOf({ baseUrl: merchant.emulator.url, credentials }));
      return channel.refund(order, newAccount(), now, listening);
    };
    const configuration = { kind: "notSent", reason: "configuration" };
    expect(await wrong({ private_key: vectors.private_key_pkcs8_pem })).toMatchObject(configuration);
    expect(await wrong({ app_id: "2021000000000002" })).toMatchObject(configuration);
    expect(await wrong({}, Date.now() - 3_600_000)).toMatchObject(configuration);
    expect(effects()).toBe(0);
  });
});

describe("an account that cannot be used", () => {
  let sealed: ReturnType<typeof alipay>;
  beforeAll(() => {
    sealed = alipay(portsOf());
  });

  it("sends nothing, and the refund waits for it", async () => {
    for (const account of [null, newAccount()]) {
      const now = Date.now();
      const verdict = await sealed.refund(orderOf(), account, now, listening);
      expect(verdict).toMatchObject({ kind: "notSent", reason: "configuration", retryAt: now + 3_600_000 });
    }
  });

  it("knows nothing when asked", async () => {
    for (const account of [null, newAccount()]) {
      expect(await sealed.query(orderOf(), account, Date.now(), listening)).toMatchObject({
        kind: "unknown",
      });
    }
  });

  it("is opened once for a revision, and again for the next", async () => {
    let openings = 0;
    await fresh();
    const credentials = async () => {
      openings += 1;
      return merchant.emulator.credentials;
    };
    const channel = alipay(portsOf({ baseUrl: merchant.emulator.url, credentials }));
    const account = newAccount();
    for (const revision of [1, 1, 2, 2, 1]) {
      await channel.query(order, { ...account, revision }, Date.now(), listening);
    }
    expect(openings).toBe(2);
  });
});
