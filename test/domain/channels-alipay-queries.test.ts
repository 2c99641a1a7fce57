import { beforeEach, describe, expect, it } from "vitest";
import { alipay } from "../../src/channels/alipay/client.ts";
import type { Payment, RefundOrder } from "../../src/channels/channel.ts";
import { error, ok } from "../emulators/alipay.ts";
import {
  listening,
  type Merchant,
  newAccount,
  openMerchant,
  orderOf,
  portsOf,
  token,
  unsigned,
} from "./channels-alipay-fixture.ts";

let merchant: Merchant;
let order: RefundOrder;
/** A good answer to a query; one mutation per reason not to believe it. */
let found: Record<string, unknown>;

beforeEach(async () => {
  merchant = await openMerchant({ minds3Seconds: false });
  order = merchant.order();
  found = {
    trade_no: merchant.payment.transactionNo,
    out_trade_no: merchant.payment.orderNo,
    out_request_no: order.number,
    total_amount: "200.12",
    refund_amount: "10.00",
    refund_status: "REFUND_SUCCESS",
    gmt_refund_pay: "2014-11-27 15:45:57",
  };
});

describe("the facts", () => {
  it("are Alipay's: 90 days, 3 s between refunds, 10 s to settle, partial refunds", () => {
    expect(merchant.channel.facts({ channel: "alipay_wap", description: "" })).toEqual({
      fullRefundOnly: false,
      windowSeconds: 90 * 86_400,
      // A little more: what comes before a submission leaves takes up to three seconds.
      spacingMs: 6_000,
      keysProveMerchant: true,
      settlingMs: 10_000,
    });
  });
});

describe("a query", () => {
  it("tells what this refund moved, and when", async () => {
    merchant.answered(ok(found));
    expect(await merchant.query(order)).toEqual({
      kind: "succeeded",
      number: order.number,
      amount: 1000,
      currency: null,
      askedAt: expect.any(Number),
      transactionNo: merchant.payment.transactionNo,
      succeededAt: Date.UTC(2014, 10, 27, 7, 45, 57) / 1000,
    });
    expect(JSON.parse(merchant.emulator.requests[0]?.body ?? "")).toEqual({
      trade_no: merchant.payment.transactionNo,
      out_request_no: order.number,
      query_options: ["gmt_refund_pay"],
    });
  });

  it("tells another amount as it is, for the asker to see", async () => {
    merchant.answered(ok({ ...found, refund_amount: "10.01" }));
    expect(await merchant.query(order)).toMatchObject({ kind: "succeeded", amount: 1001 });
  });

  it("reads a bare number as the string it stands for", async () => {
    merchant.answered(ok({ ...found, refund_amount: 10.1 }));
    expect(await merchant.query(order)).toMatchObject({ kind: "succeeded", amount: 1010 });
  });

  it("leaves out the time that it cannot read", async () => {
    merchant.answered(ok({ ...found, gmt_refund_pay: "yesterday" }));
    expect(await merchant.query(order)).toMatchObject({ kind: "succeeded", succeededAt: undefined });
  });

  it.each<[words: string, changes: Record<string, unknown>]>([
    ["another number", { out_request_no: token() }],
    ["no number", { out_request_no: undefined }],
    ["another trade", { trade_no: "2014112611001004680073956708" }],
    ["no trade", { trade_no: undefined }],
    ["an amount that is none", { refund_amount: "10.005" }],
    ["an amount with words", { refund_amount: "CNY10.00" }],
  ])("does not believe a success with %s", async (_, changes) => {
    merchant.answered(ok({ ...found, ...changes }));
    expect(await merchant.query(order)).toMatchObject({
      kind: "unknown",
      number: order.number,
      failureCode: "channel_parse_error",
    });
  });

  it.each(["REFUND_PROCESSING", "REFUND_FAIL", "refund_success", "REFUND_SUCCESS ", ""])(
    "does not guess what the status %j means",
    async (refund_status) => {
      merchant.answered(ok({ ...found, refund_status }));
      expect(await merchant.query(order)).toMatchObject({
        kind: "unknown",
        failureCode: "refund_unexpected_status",
      });
    },
  );

  it("E7: that knows the refund's amount or time and leaves its status out is no notFound", async () => {
    for (const silence of ["refund_amount", "gmt_refund_pay"]) {
      merchant.answered(ok({ ...found, refund_status: undefined, [silence]: undefined }));
      expect(await merchant.query(order)).toMatchObject({
        kind: "unknown",
        failureCode: "refund_unexpected_status",
      });
    }
  });

  it("E6: of a number that Alipay says nothing of finds nothing", async () => {
    expect(await merchant.query(order)).toMatchObject({ kind: "notFound", number: order.number });
    const { trade_no, out_trade_no, out_request_no } = found;
    merchant.answered(ok({ trade_no, out_trade_no }));
    expect(await merchant.query(order)).toMatchObject({ kind: "notFound" });
    merchant.answered(ok({ trade_no, out_trade_no, out_request_no }));
    expect(await merchant.query(order)).toMatchObject({ kind: "unknown" });
    merchant.answered(ok({ out_request_no: token() }));
    expect(await merchant.query(order)).toMatchObject({ kind: "unknown" });
  });

  it("E6: that comes too soon misses a refund, and finds it later", async () => {
    merchant.emulator.faults.set({ hides: 1, hiddenMs: 200 });
    await merchant.refund(order);
    expect(await merchant.query(order)).toMatchObject({ kind: "notFound" });
    await expect.poll(async () => (await merchant.query(order)).kind).toBe("succeeded");
  });

  it("finds a refund that was still under way once it is done", async () => {
    merchant.emulator.faults.set({ processing: 1, processingMs: 200 });
    expect(await merchant.refund(order)).toMatchObject({ kind: "unknown" });
    await expect.poll(async () => (await merchant.query(order)).kind).toBe("succeeded");
    expect(merchant.emulator.books.numbers.get(order.number)?.effects).toBe(1);
  });

  it("takes a number without an outcome for one under way; a day later it failed, and may be used again", async () => {
    merchant.emulator.faults.set({ fails: 1 });
    expect(await merchant.refund(order)).toMatchObject({ kind: "unknown" });
    expect(await merchant.query(order)).toMatchObject({ kind: "unknown" });
    const dayBefore = { ...order, submittedAt: Date.now() - 86_400_000 };
    expect(await merchant.query(dayBefore)).toMatchObject({ kind: "notFound" });
    expect(await merchant.refund({ ...order, attempt: 2 })).toMatchObject({ kind: "succeeded" });
    expect(merchant.emulator.books.moved(merchant.payment.transactionNo)).toBe(1000);
  });

  it("finds no refund of a trade that does not exist, if Alipay signs for that", async () => {
    expect(await merchant.query(orderOf())).toMatchObject({ kind: "notFound" });
    merchant.rewritten(unsigned);
    expect(await merchant.query(orderOf())).toMatchObject({
      kind: "unknown",
      failureCode: "channel_sign_error",
    });
  });

  it.each([
    error(400, "ACQ.TRADE_STATUS_ERROR"),
    error(400, "ACQ.SELLER_BALANCE_NOT_ENOUGH"),
    error(401, "invalid-signature"),
    error(403, "ACQ.ACCESS_FORBIDDEN"),
    error(400, "ACQ.SYSTEM_ERROR"),
    error(500, "ACQ.TRADE_NOT_EXIST"),
    error(404, "REFUND_NOT_EXIST"),
    { status: 404, body: "" },
  ])("learns nothing of the refund from an error: $status $body", async (answer) => {
    merchant.answered(answer);
    expect(await merchant.query(order)).toMatchObject({
      kind: "unknown",
      failureCode: "channel_request_error",
    });
  });

  it("E38: put too often is put again later", async () => {
    merchant.emulator.faults.next({ does: "throttle" });
    expect(await merchant.query(order)).toMatchObject({ kind: "notSent", reason: "throttled" });
  });

  it("believes no success without a signature, no body that is none, and no silence", async () => {
    await merchant.refund(order);
    merchant.rewritten(unsigned);
    expect(await merchant.query(order)).toMatchObject({ failureCode: "channel_sign_error" });
    merchant.answered({ status: 200, body: "" });
    expect(await merchant.query(order)).toMatchObject({ failureCode: "channel_parse_error" });
    merchant.emulator.faults.next({ does: "dropAfter" });
    expect(await merchant.query(order)).toMatchObject({ failureCode: "channel_connection_error" });
  });
});

describe("a payment", () => {
  let payment: Payment;
  const verify = (recorded: Payment) =>
    merchant.channel.verifyPayment?.(recorded, merchant.account, Date.now(), listening);

  beforeEach(() => {
    const { transactionNo, orderNo, amount, currency } = merchant.payment;
    payment = { transactionNo, orderNo, amount, currency };
  });

  it("is confirmed, and named where its number was not recorded", async () => {
    const paid = { kind: "paid", transactionNo: merchant.payment.transactionNo };
    expect(await verify(payment)).toEqual(paid);
    expect(await verify({ ...payment, transactionNo: null })).toEqual(paid);
  });

  it.each<[fact: string, changes: Partial<Payment>]>([
    ["amount", { amount: 20011 }],
    ["currency", { currency: "usd" }],
    ["number", { orderNo: "another" }],
    ["not_found", { transactionNo: "2014112611001004680073956708" }],
  ])("differs in its %s", async (fact, changes) => {
    expect(await verify({ ...payment, ...changes })).toEqual({ kind: "mismatch", fact });
  });

  it("in another currency is compared in that", async () => {
    Object.assign(merchant.payment, { currency: "jpy" });
    expect(await verify({ ...payment, currency: "jpy" })).toMatchObject({ kind: "paid" });
    expect(await verify(payment)).toEqual({ kind: "mismatch", fact: "currency" });
  });

  it("that nobody made is unpaid", async () => {
    merchant.payment.paid = false;
    expect(await verify(payment)).toEqual({ kind: "mismatch", fact: "unpaid" });
  });

  it("that is closed was paid only if it has a time of payment", async () => {
    await merchant.refund(merchant.order({ amount: 20012 }));
    expect(await verify(payment)).toMatchObject({ kind: "paid" });
    const { transactionNo: trade_no, orderNo: out_trade_no } = payment;
    merchant.answered(ok({ trade_no, out_trade_no, trade_status: "TRADE_CLOSED", total_amount: "200.12" }));
    expect(await verify(payment)).toEqual({ kind: "mismatch", fact: "unpaid" });
  });

  it("is not judged by a status, an amount or an answer that nobody understands", async () => {
    const { transactionNo: trade_no, orderNo: out_trade_no } = payment;
    const words = { trade_no, out_trade_no, trade_status: "TRADE_SUCCESS", total_amount: "200.12" };
    for (const answer of [
      ok({ ...words, trade_status: "TRADE_PENDING" }),
      ok({ ...words, total_amount: "200,12" }),
      ok({ ...words, total_amount: undefined }),
      error(400, "ACQ.SYSTEM_ERROR"),
      error(500, "ACQ.TRADE_NOT_EXIST"),
    ]) {
      merchant.answered(answer);
      expect(await verify(payment)).toEqual({ kind: "unknown" });
    }
    merchant.rewritten(unsigned);
    expect(await verify(payment)).toEqual({ kind: "unknown" });
    merchant.rewritten(unsigned);
    expect(await verify({ ...payment, transactionNo: "2014112611001004680073956708" })).toEqual({
      kind: "unknown",
    });
    merchant.emulator.faults.next({ does: "dropBefore" });
    expect(await verify(payment)).toEqual({ kind: "unknown" });
  });
});

describe("the check of an account", () => {
  const check = (credentials: object) =>
    alipay(portsOf({ baseUrl: merchant.emulator.url, credentials: async () => credentials })).check?.(
      newAccount(),
      Date.now(),
      listening,
    );

  it("is passed without moving anything", async () => {
    expect(await check(merchant.emulator.credentials)).toEqual({ kind: "ok" });
    expect(merchant.emulator.books.numbers.size).toBe(0);
  });

  it("names what Alipay refuses", async () => {
    const { credentials } = merchant.emulator;
    expect(await check({ ...credentials, app_id: "2021000000000002" })).toMatchObject({
      kind: "refused",
      code: "invalid-app-id",
    });
    merchant.answered(error(403, "insufficient-isv-permissions"));
    expect(await check(credentials)).toMatchObject({
      kind: "refused",
      code: "insufficient-isv-permissions",
    });
  });

  it("finds out that the public key is not Alipay's", async () => {
    const { credentials } = merchant.emulator;
    const [, another] = credentials.alipay_public_keys;
    expect(await check({ ...credentials, alipay_public_keys: [another] })).toMatchObject({
      kind: "refused",
      code: "ALIPAY_PUBLIC_KEY",
    });
  });

  it("refuses credentials that cannot be used", async () => {
    expect(await check({ app_id: "1" })).toMatchObject({ kind: "refused", code: "CREDENTIALS" });
  });

  it("says that it does not know", async () => {
    for (const answer of [error(500, "ACQ.SYSTEM_ERROR"), error(429, "app-call-limited")]) {
      merchant.answered(answer);
      expect(await check(merchant.emulator.credentials)).toMatchObject({ kind: "unknown" });
    }
    merchant.emulator.faults.next({ does: "dropBefore" });
    expect(await check(merchant.emulator.credentials)).toEqual({ kind: "unknown", words: "No answer." });
  });
});
