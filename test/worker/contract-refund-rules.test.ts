// When a charge takes a refund, when it refuses one, and in which words: contract.md §3 and §5 over HTTP.
import { describe, expect, it } from "vitest";
import type { ChargeObject } from "../../src/charges/schema.ts";
import { randomToken } from "../../src/ids.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { storedRefunds } from "../books.ts";
import { type ErrorObject, eventually, random, TestApp } from "../harness.ts";

const DAY = 86_400;
const PENDING = "[sandbox:pending_forever]";
const DECLINED = "[sandbox:declined]";

const seconds = () => Math.floor(Date.now() / 1000);

async function shop(settings: Record<string, unknown> = {}, facts: Record<string, unknown> = {}) {
  const app = await TestApp.create({ settings });
  const charge = await app.charge(facts);
  return { app, charge };
}

/** The refund was refused with that error, and neither the ledger nor D1 has kept anything of it. */
async function expectRefused(
  { app, charge }: { app: TestApp; charge: ChargeObject },
  answer: { status: number; body: unknown },
  error: Partial<ErrorObject["error"]> = {},
) {
  expect(answer).toMatchObject({ status: 400, body: { error: { type: "invalid_request_error", ...error } } });
  expect(await app.retrieveCharge(charge)).toEqual(charge);
  expect(await storedRefunds(app.id)).toEqual({ refunds: 0, events: 0 });
}

describe("a charge", () => {
  it("that is unpaid takes no refund and stays unrefunded (E27)", async () => {
    const { app, charge } = await shop({}, { paid: false });
    expect(charge).toMatchObject({ paid: false, refunded: false, time_paid: null });
    await expectRefused({ app, charge }, await app.refund(charge, { amount: 100 }), {
      code: "charge_not_paid",
    });
  });

  it("must be recorded and paid first, then takes a refund at once (E43)", async () => {
    const app = await TestApp.create();
    const facts = { order_no: randomToken(random), channel: "wx", amount: 10_000 };
    const unknown = { id: "ch_000000000000000000000000" };
    expect((await app.refund<ErrorObject>(unknown, {})).status).toBe(404);
    const charge = await app.charge({ ...facts, paid: false });
    expect((await app.refund<ErrorObject>(charge, {})).body.error.code).toBe("charge_not_paid");
    await app.charge({ ...facts, paid: true });
    expect((await app.refund(charge, {})).body).toMatchObject({ status: "succeeded", amount: 10_000 });
  });

  it("that is unknown is named in the words that clients match", async () => {
    const app = await TestApp.create();
    const unknown = { id: "ch_000000000000000000000000" };
    const { status, body } = await app.refund<ErrorObject>(unknown, {});
    expect({ status, body }).toEqual({
      status: 404,
      body: {
        error: { type: "invalid_request_error", message: `未找到 charge : ${unknown.id}。`, param: "id" },
      },
    });
  });

  it.each(["cnp_u", "cnp_f"])("of %s is refunded whole or not at all", async (channel) => {
    const { app, charge } = await shop({}, { channel });
    const partial = await app.refund(charge, { amount: 9_999 });
    await expectRefused({ app, charge }, partial, { code: "partial_refund_unsupported", param: "amount" });
    expect((await app.refund(charge, {})).body).toMatchObject({ amount: 10_000, status: "succeeded" });
  });

  it("of cnp_u takes the whole amount spelt out, and again after a failure", async () => {
    const { app, charge } = await shop({}, { channel: "cnp_u" });
    await app.refund(charge, { amount: 10_000, description: DECLINED });
    expect((await app.refund(charge, { amount: 10_000 })).body.status).toBe("succeeded");
  });

  it("in live mode whose channel nobody can ask answers 402 and stores nothing", async () => {
    const app = await TestApp.create();
    const charge = await app.charge({}, { live: true });
    const { status, body } = await app.refund<ErrorObject>(charge, { amount: 100 }, { live: true });
    expect(status).toBe(402);
    expect(body.error).toMatchObject({ type: "channel_error", code: "channel_not_configured" });
    expect((await app.get(`/v1/charges/${charge.id}`, { live: true })).body).toEqual(charge);
    expect(await storedRefunds(app.id)).toEqual({ refunds: 0, events: 0 });
  });

  it("partly refunded elsewhere keeps that part for ever", async () => {
    const { app, charge } = await shop({}, { amount_refunded: 4000 });
    expect(charge).toMatchObject({ amount_refunded: 4000, amount_refundable: 6000 });
    const tooMuch = await app.refund<ErrorObject>(charge, { amount: 6001 });
    expect(tooMuch.body.error).toMatchObject({ code: "refund_amount_exceeded" });
    expect((await app.refund(charge, {})).body.amount).toBe(6000);
    const { body } = await app.refund<ErrorObject>(charge, {});
    expect(body.error.message).toContain("已经全额退款了");
  });
});

describe("the time to refund", () => {
  /** A charge paid so many days ago, give or take a minute. */
  const paidAgo = (app: TestApp, channel: string, days: number, extraSeconds: number) =>
    app.charge({ channel, time_paid: seconds() - days * DAY - extraSeconds });

  const WINDOWS: [channel: string, days: number][] = [
    ["alipay", 90],
    ["alipay_pc_direct", 90],
    ["wx", 365],
    ["wx_pub", 365],
    ["upacp", 330],
    ["upacp_wap", 330],
    ["bfb", 365],
    ["jdpay_wap", 365],
  ];

  it.each(WINDOWS)("of %s is %d days after payment", async (channel, days) => {
    const app = await TestApp.create();
    const inTime = await paidAgo(app, channel, days, -60);
    expect((await app.refund(inTime, { amount: 100 })).status).toBe(200);
    const late = await paidAgo(app, channel, days, 60);
    const { status, body } = await app.refund<ErrorObject>(late, { amount: 100 });
    expect({ status, body }).toEqual({
      status: 400,
      body: {
        error: {
          type: "invalid_request_error",
          message: `退款时间超出渠道 ${channel} 允许的最晚退款时间`,
          param: "Refund_time",
        },
      },
    });
    expect(await app.retrieveCharge(late)).toEqual(late);
  });

  it("counts from created where no time of payment is known", async () => {
    const app = await TestApp.create();
    const late = await app.charge({ created: seconds() - 91 * DAY });
    expect((await app.refund<ErrorObject>(late, {})).body.error.param).toBe("Refund_time");
    const paidLater = await app.charge({ created: seconds() - 91 * DAY, time_paid: seconds() - DAY });
    expect((await app.refund(paidLater, {})).status).toBe(200);
  });

  it("is what the app has set for that very channel", async () => {
    const app = await TestApp.create({ settings: { refund_windows: { alipay: 1, wx: 400 } } });
    const refund = async (channel: string, days: number, extraSeconds: number) =>
      (await app.refund(await paidAgo(app, channel, days, extraSeconds), { amount: 100 })).status;
    expect(await refund("alipay", 1, -60)).toBe(200);
    expect(await refund("alipay", 1, 60)).toBe(400);
    expect(await refund("alipay_wap", 1, 60)).toBe(200);
    expect(await refund("wx", 400, -60)).toBe(200);
    expect(await refund("wx", 400, 60)).toBe(400);
  });
});

describe("the number of refunds", () => {
  /** Refunds one after the other; the descriptions differ, so that none is taken for a repeat. */
  async function refundTimes(app: TestApp, charge: ChargeObject, count: number, description = "No") {
    for (let i = 0; i < count; i++) {
      const { status } = await app.refund(charge, { amount: 1, description: `${description} ${i}` });
      expect(status).toBe(200);
    }
  }

  it("that have not failed is 50 and no more (E37)", async () => {
    const { app, charge } = await shop();
    await refundTimes(app, charge, 50);
    const { status, body } = await app.refund<ErrorObject>(charge, { amount: 1 });
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code: "too_many_refunds", type: "invalid_request_error" });
    expect(await app.retrieveCharge(charge)).toMatchObject({ amount_refunded: 50, amount_refundable: 9950 });
  });

  it("is what the app has set; failed ones do not count, pending ones do (E37)", async () => {
    const { app, charge } = await shop({ refunds_max: 3 });
    await refundTimes(app, charge, 2, DECLINED);
    await refundTimes(app, charge, 1, PENDING);
    await refundTimes(app, charge, 2);
    const { body } = await app.refund<ErrorObject>(charge, { amount: 1 });
    expect(body.error.code).toBe("too_many_refunds");
    expect(body.error.message).toContain("3");
  });

  it("in all, failed ones included, is what the app has set (E37)", async () => {
    const { app, charge } = await shop({ refund_attempts_max: 4 });
    await refundTimes(app, charge, 4, DECLINED);
    const { body } = await app.refund<ErrorObject>(charge, { amount: 1 });
    expect(body.error.code).toBe("too_many_refunds");
    expect((await app.retrieveCharge(charge)).amount_refundable).toBe(10_000);
  });
});

describe("the answer", () => {
  it("to a refund that the channel works on is 200 and pending, not failed (E33)", async () => {
    const { app, charge } = await shop();
    const { status, body } = await app.refund(charge, { amount: 100, description: PENDING });
    expect({ status, body }).toMatchObject({
      status: 200,
      body: { status: "pending", succeed: false, time_succeed: null, failure_code: null, failure_msg: null },
    });
    expect(await app.retrieveCharge(charge)).toMatchObject({
      refunded: true,
      amount_refunded: 0,
      amount_pending_refund: 100,
      amount_refundable: 9_900,
    });
  });

  it("to a refund that the channel refuses is 200 and failed, in the words that clients match", async () => {
    const { app, charge } = await shop();
    const { status, body } = await app.refund(charge, { amount: 100, description: DECLINED });
    expect({ status, body }).toMatchObject({
      status: 200,
      body: {
        status: "failed",
        succeed: false,
        time_succeed: null,
        failure_code: "refund_refused_msg",
        failure_msg: "退款 alipay 已被支付渠道拒绝。来自渠道的信息：This payment cannot be refunded.",
        extra: {
          channel_code: "TRADE_NOT_ALLOW_REFUND",
          channel_message: "This payment cannot be refunded.",
        },
      },
    });
    expect(await app.retrieveCharge(charge)).toMatchObject({
      refunded: true,
      amount_refunded: 0,
      amount_pending_refund: 0,
      amount_refundable: 10_000,
    });
  });

  it("names the channel's no in English where English is preferred", async () => {
    const { app, charge } = await shop();
    const sent = { headers: { "Accept-Language": "en" } };
    const { body } = await app.refund(charge, { description: DECLINED }, sent);
    expect(body.failure_msg).toBe(
      "Channel alipay refused the refund. The channel's words: This payment cannot be refunded.",
    );
  });

  it.each([
    ["respond-async", "pending"],
    ["wait=0", "pending"],
    ["respond-async; foo=bar, handling=lenient", "pending"],
    ["wait=25", "succeeded"],
    ['wait="25"', "succeeded"],
    ["handling=lenient, wait=5", "succeeded"],
    ["wait=-1", "succeeded"],
    ["wait=soon", "succeeded"],
  ])("to `Prefer: %s` is %s when the channel takes its time", async (Prefer, status) => {
    const { app, charge } = await shop();
    const description = "[sandbox:slow:150]";
    const { body } = await app.refund(charge, { amount: 100, description }, { headers: { Prefer } });
    expect(body.status).toBe(status);
    await eventually(async () => (await app.retrieveRefund(body)).status === "succeeded");
  });

  it("to a refused request has no code and no param where none applies, and never null", async () => {
    const { app, charge } = await shop({}, { paid: false });
    const answers = [
      await app.refund(charge, { amount: 100 }),
      await app.refund(charge, { amount: 0 }),
      await app.get("/v1/nowhere"),
      await app.get("/v1/charges/ch_0"),
      await app.get("/v1/charges", { headers: { Authorization: "" } }),
    ];
    for (const { text } of answers) {
      expect(text).not.toContain("null");
      const { error } = JSON.parse(text) as ErrorObject;
      expect(Object.keys(JSON.parse(text))).toEqual(["error"]);
      expect(Object.values(error).every((value) => typeof value === "string" && value !== "")).toBe(true);
      expect(["type", "message", "code", "param"]).toEqual(expect.arrayContaining(Object.keys(error)));
    }
  });
});

it("a refund is found under its own charge alone", async () => {
  const { app, charge } = await shop();
  const other = await app.charge();
  const { body: refund } = await app.refund(charge, { amount: 100 });
  expect(await app.retrieveRefund(refund)).toEqual(refund);
  const { status, body } = await app.get<ErrorObject & RefundObject>(
    `/v1/charges/${other.id}/refunds/${refund.id}`,
  );
  expect({ status, message: body.error.message }).toEqual({
    status: 404,
    message: `未找到 refund : ${refund.id}。`,
  });
});
