import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { verdictOfError } from "../../src/channels/wechatpay/verdict.ts";
import type { Answer, FaultRates } from "../emulators/channel-emulator.ts";
import { wechatpayError } from "../emulators/wechatpay.ts";
import { openMerchant } from "./channels-wechatpay-fixture.ts";

const json = (status: number, body: unknown): Answer => ({ status, body: JSON.stringify(body) });

describe("a submission", () => {
  it("that succeeds moves the money once, and a query says the same", async () => {
    const { emulator, order, refund, query } = await openMerchant();
    const ten = order();
    const before = Math.floor(Date.now() / 1000);
    const verdict = await refund(ten);
    expect(verdict).toMatchObject({
      kind: "succeeded",
      number: ten.number,
      amount: 1000,
      currency: "cny",
      transactionNo: expect.stringMatching(/^5030000/),
    });
    expect(verdict).toHaveProperty("succeededAt", expect.any(Number));
    expect((verdict as { succeededAt: number }).succeededAt).toBeGreaterThanOrEqual(before);
    expect(await query(ten)).toEqual({ ...verdict, askedAt: expect.any(Number) });
    expect(emulator.books.numbers.get(ten.number)).toMatchObject({ effects: 1, submissions: 1 });
    expect(emulator.books.violations).toEqual([]);
  });

  it("names the payment by WeChat's number, else by the merchant's, never by both", async () => {
    const { emulator, order, payment, refund } = await openMerchant();
    await refund(order());
    await refund(order({ transactionNo: null }));
    const bodies = emulator.requests.map(({ body }) => JSON.parse(body));
    expect(bodies[0]).toMatchObject({ transaction_id: payment.transactionNo });
    expect(bodies[0]).not.toHaveProperty("out_trade_no");
    expect(bodies[1]).toMatchObject({ out_trade_no: payment.orderNo });
    expect(bodies[1]).not.toHaveProperty("transaction_id");
    expect(emulator.books.moved(payment.orderNo)).toBe(2000);
  });

  it("E9: has the refund's own number, and a repeat the same body, however often it is asked", async () => {
    const { emulator, order, payment, refund } = await openMerchant();
    const ten = order();
    for (const attempt of [1, 2, 3]) await refund({ ...ten, attempt, submittedAt: Date.now() });
    const bodies = emulator.requests.map(({ body }) => body);
    expect(new Set(bodies).size).toBe(1);
    expect(JSON.parse(bodies[0] ?? "")).toMatchObject({ out_refund_no: ten.number });
    expect(emulator.books.numbers.get(ten.number)).toMatchObject({ effects: 1, submissions: 3 });
    expect(emulator.books.moved(payment.orderNo)).toBe(1000);
  });

  it("E39: carries the description cut to 80 bytes", async () => {
    const { emulator, order, refund } = await openMerchant();
    const ten = order({ description: "退".repeat(200) });
    expect((await refund(ten)).kind).toBe("succeeded");
    expect(emulator.books.numbers.get(ten.number)?.order.reason).toBe("退".repeat(26));
    expect(emulator.books.violations).toEqual([]);
  });

  it.each([
    ["recharge_funds", "AVAILABLE"],
    ["unsettled_funds", null],
    [null, null],
  ])("takes %s from %s", async (fundingSource, fundsAccount) => {
    const { emulator, order, refund } = await openMerchant();
    const ten = order({ fundingSource });
    expect((await refund(ten)).kind).toBe("succeeded");
    expect(emulator.books.numbers.get(ten.number)?.order.fundsAccount).toBe(fundsAccount);
  });

  it("tells where its notice is to be sent, or nothing", async () => {
    const notifyUrl = async (_account: unknown, charge: string) => `https://refunds.example/notify/${charge}`;
    const { emulator, order, refund } = await openMerchant({ ports: { notifyUrl } });
    const ten = order({ charge: "ch_7" });
    // Nobody listens at that address; the refund does not care.
    emulator.faults.set({ noticeLost: 1 });
    await refund(ten);
    expect(emulator.books.numbers.get(ten.number)?.order.notifyUrl).toBe(
      "https://refunds.example/notify/ch_7",
    );
  });

  it("of another currency than CNY is declined, and WeChat never hears of it", async () => {
    const { emulator, order, refund } = await openMerchant();
    for (const currency of ["usd", "jpy", "hkd"]) {
      expect(await refund(order({ currency }))).toMatchObject({
        kind: "declined",
        code: "CURRENCY_NOT_SUPPORTED",
        unsent: true,
      });
    }
    expect(emulator.requests).toEqual([]);
  });

  it("asks for answers signed with the public key, and believes the certificate too", async () => {
    const { emulator, order, refund, query } = await openMerchant();
    const ten = order();
    expect((await refund(ten)).kind).toBe("succeeded");
    expect(emulator.requests[0]?.headers["wechatpay-serial"]).toMatch(/^PUB_KEY_ID_/);
    emulator.signWith(1);
    expect((await query(ten)).kind).toBe("succeeded");
  });
});

describe("a status of WeChat's", () => {
  const statuses = [
    ["processing", { kind: "accepted" }],
    ["succeeded", { kind: "succeeded" }],
    ["failed", { kind: "declined", code: "CLOSED" }],
    ["stuck", { kind: "accepted", attention: "channel_abnormal" }],
  ] as const;

  it.each(statuses)("%s is told by the submission and by a query alike", async (status, verdict) => {
    const { emulator, order, refund, query } = await openMerchant();
    const rates: Record<string, Partial<FaultRates>> = {
      processing: { processing: 1, processingMs: 1e9 },
      failed: { fails: 1 },
      stuck: { sticks: 1 },
    };
    emulator.faults.set(rates[status] ?? {});
    const ten = order();
    expect(await refund(ten)).toMatchObject({
      ...verdict,
      number: ten.number,
      amount: 1000,
      currency: "cny",
    });
    expect(await query(ten)).toMatchObject({ ...verdict, number: ten.number, amount: 1000, currency: "cny" });
  });

  it("E10, E11: changes as the refund goes on, to closed, to stuck, and back from a success", async () => {
    const { emulator, order, refund, query } = await openMerchant({
      faults: { processing: 1, processingMs: 1e9 },
    });
    const ten = order();
    expect((await refund(ten)).kind).toBe("accepted");
    for (const [status, verdict] of statuses) {
      emulator.move(ten.number, status);
      expect(await query(ten)).toMatchObject(verdict);
    }
    emulator.move(ten.number, "succeeded");
    emulator.move(ten.number, "returned");
    expect(await query(ten)).toMatchObject({ kind: "declined", code: "CLOSED" });
    expect(emulator.books.moved(ten.chargeOrderNo)).toBe(0);
  });

  it.each([undefined, null, "", "REFUNDED"])("E7: %s says nothing, and is no no", async (status) => {
    const { emulator, order, refund, query } = await openMerchant();
    const ten = order();
    const answer = json(200, { out_refund_no: ten.number, refund_id: "1", status });
    emulator.faults.next({ does: "answer", answer }, { does: "answer", answer });
    const silence = { kind: "unknown", failureCode: "refund_unexpected_status", number: ten.number };
    expect(await refund(ten)).toMatchObject(silence);
    expect(await query(ten)).toMatchObject(silence);
  });
});

describe("an error of WeChat's", () => {
  const refused = { kind: "declined", failureCode: "refund_refused_msg" };
  const open = { kind: "unknown", failureCode: "channel_request_error" };
  const away = { kind: "notSent", reason: "throttled" };
  const rows: [status: number, code: string, submission: object, query: object][] = [
    [400, "PARAM_ERROR", refused, open],
    [400, "INVALID_REQUEST", open, open],
    [401, "SIGN_ERROR", { kind: "notSent", reason: "configuration" }, open],
    [403, "USER_ACCOUNT_ABNORMAL", refused, open],
    [403, "NO_AUTH", refused, open],
    [403, "NOT_ENOUGH", refused, open],
    [404, "RESOURCE_NOT_EXISTS", refused, { kind: "notFound" }],
    [429, "FREQUENCY_LIMITED", away, away],
    [500, "SYSTEM_ERROR", open, open],
    [502, "SERVICE_UNAVAILABLE", open, open],
    [503, "SERVICE_UNAVAILABLE", open, open],
    [504, "GATEWAY_TIMEOUT", open, open],
    // In no table: the right code with another status, or the other way round, or neither.
    [400, "NOT_ENOUGH", open, open],
    [403, "RESOURCE_NOT_EXISTS", open, open],
    [404, "NOT_FOUND", open, open],
    [409, "CONFLICT", open, open],
    [429, "SOMETHING_ELSE", open, open],
    [302, "FREQUENCY_LIMITED", open, open],
  ];

  it.each(rows)(
    "%i %s is read as its table says, apart for submissions and queries",
    async (status, code, ...said) => {
      const { emulator, order, refund, query } = await openMerchant();
      const ten = order();
      for (const [place, ask] of [refund, query].entries()) {
        emulator.faults.next({ does: "answer", answer: wechatpayError(code, status) });
        const verdict = await ask(ten);
        expect(verdict).toMatchObject({ ...said[place], number: ten.number, amount: null, currency: null });
        if (verdict.kind === "declined") expect(verdict.code).toBe(code);
        if (verdict.kind === "notSent") expect(verdict.retryAt).toBeGreaterThan(Date.now() + 4000);
      }
      expect(emulator.books.numbers.size).toBe(0);
    },
  );

  it("E31: of a balance too small carries WeChat's code and words", async () => {
    const { emulator, order, refund } = await openMerchant();
    emulator.faults.next({ does: "answer", answer: wechatpayError("NOT_ENOUGH") });
    expect(await refund(order())).toMatchObject({
      kind: "declined",
      code: "NOT_ENOUGH",
      words: "基本账户余额不足，请充值后重新发起",
      failureCode: "refund_refused_msg",
    });
  });

  it("without a body that can be read is no no", async () => {
    const { emulator, order, refund, query } = await openMerchant();
    for (const status of [400, 401, 403, 404, 429, 500]) {
      for (const body of ["", "<html>", "[]", '{"code":1}', '{"message":"NOT_ENOUGH"}']) {
        emulator.faults.next(
          { does: "answer", answer: { status, body } },
          { does: "answer", answer: { status, body } },
        );
        expect((await refund(order())).kind).toBe("unknown");
        expect((await query(order())).kind).toBe("unknown");
      }
    }
  });

  it("of any other kind is never a no", () => {
    const known = new Set(rows.map(([status, code]) => `${status} ${code}`));
    fc.assert(
      fc.property(
        fc.constantFrom("refund" as const, "query" as const),
        fc.integer({ min: 300, max: 599 }),
        fc.option(fc.record({ code: fc.string(), message: fc.string() })),
        (asked, status, error) => {
          fc.pre(!known.has(`${status} ${error?.code}`));
          expect(verdictOfError(asked, { number: "1" }, status, error, 0, 0).kind).toBe("unknown");
        },
      ),
    );
  });
});
