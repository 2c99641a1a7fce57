import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RefundOrder, Verdict } from "../../src/channels/channel.ts";
import { verdictOfError } from "../../src/channels/wechatpay/verdict.ts";
import type { Answer, FaultRates } from "../emulators/channel-emulator.ts";
import { wechatpayError } from "../emulators/wechatpay.ts";
import { listening, openMerchant, token } from "./channels-wechatpay-fixture.ts";

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

describe("an answer", () => {
  const says = (emulator: { faults: { next(strike: object): void } }, rewrite: (answer: Answer) => Answer) =>
    emulator.faults.next({ does: "rewrite", rewrite } as never);
  const signed = { kind: "unknown", failureCode: "channel_sign_error" };
  const header = (name: string, change: (value: string) => string) => (answer: Answer) => ({
    ...answer,
    headers: { ...answer.headers, [name]: change(answer.headers?.[name] ?? "") },
  });

  it.each([
    ["without a signature", (answer: Answer) => ({ ...answer, headers: {} })],
    ["with a probe", header("wechatpay-signature", (value) => `WECHATPAY/SIGNTEST/${value}`)],
    ["with an unknown serial", header("wechatpay-serial", () => "PUB_KEY_ID_OTHER")],
    ["that is stale", header("wechatpay-timestamp", (value) => String(Number(value) - 301))],
    ["that was changed", (answer: Answer) => ({ ...answer, body: answer.body.replace("1000", "9999") })],
  ])("%s leaves the outcome open, although the money moved", async (_how, rewrite) => {
    const { emulator, order, refund, query } = await openMerchant();
    const ten = order();
    says(emulator, rewrite);
    expect(await refund(ten)).toMatchObject(signed);
    says(emulator, rewrite);
    expect(await query(ten)).toMatchObject(signed);
    expect(await query(ten)).toMatchObject({ kind: "succeeded", amount: 1000 });
  });

  const unreadable: [what: string, answer: (order: RefundOrder) => Answer][] = [
    ["of another number", () => json(200, { out_refund_no: token(), status: "SUCCESS" })],
    ["that is no JSON", () => ({ status: 200, body: "SUCCESS" })],
    ["that is empty", () => ({ status: 200, body: "" })],
    ["202", ({ number }) => json(202, { out_refund_no: number, status: "SUCCESS" })],
    [
      "with half a fen",
      ({ number }) => json(200, { out_refund_no: number, status: "CLOSED", amount: { refund: 0.5 } }),
    ],
    [
      "beyond 64 KiB",
      ({ number }) => json(200, { out_refund_no: number, status: "SUCCESS", more: "x".repeat(65_536) }),
    ],
  ];
  it.each(unreadable)("%s leaves the outcome open", async (_what, answer) => {
    const { emulator, order, refund } = await openMerchant();
    const ten = order();
    emulator.faults.next({ does: "answer", answer: answer(ten) });
    expect(await refund(ten)).toMatchObject({
      kind: "unknown",
      failureCode: "channel_parse_error",
      number: ten.number,
    });
  });

  it("with another amount or currency says so: the ledger decides what that means", async () => {
    const { emulator, order, query } = await openMerchant();
    const ten = order();
    const body = { out_refund_no: ten.number, status: "SUCCESS", amount: { refund: 7, currency: "USD" } };
    emulator.faults.next({ does: "answer", answer: json(200, body) });
    expect(await query(ten)).toMatchObject({ kind: "succeeded", amount: 7, currency: "usd" });
  });

  it("E40: has its time read with its zone, and without one not at all", async () => {
    const { emulator, order, query } = await openMerchant();
    const ten = order();
    const times = [
      "2018-06-08T10:34:56+08:00",
      "2018-06-08T02:34:56Z",
      "2018-06-08T10:34:56",
      "yesterday",
      null,
    ];
    const read: (number | undefined)[] = [];
    for (const success_time of times) {
      const body = { out_refund_no: ten.number, status: "SUCCESS", success_time };
      emulator.faults.next({ does: "answer", answer: json(200, body) });
      const verdict = (await query(ten)) as Extract<Verdict, { kind: "succeeded" }>;
      expect(verdict.kind).toBe("succeeded");
      read.push(verdict.succeededAt);
    }
    expect(read).toEqual([1_528_425_296, 1_528_425_296, undefined, undefined, undefined]);
  });
});

describe("on the way", () => {
  it.each([
    ["dropBefore", "channel_connection_error", 0],
    ["dropAfter", "channel_connection_error", 1],
    ["errorBefore", "channel_request_error", 0],
    ["errorAfter", "channel_request_error", 1],
  ] as const)(
    "E4: %s leaves the outcome open, and the same number ends it with one effect",
    async (does, failureCode, effects) => {
      const { emulator, order, payment, refund, query } = await openMerchant();
      const ten = order();
      emulator.faults.next({ does, at: "refund" });
      expect(await refund(ten)).toMatchObject({ kind: "unknown", failureCode, number: ten.number });
      expect(emulator.books.numbers.size).toBe(effects);
      expect((await query(ten)).kind).toBe(effects === 0 ? "notFound" : "succeeded");
      expect((await refund({ ...ten, attempt: 2 })).kind).toBe("succeeded");
      expect(emulator.books.numbers.get(ten.number)?.effects).toBe(1);
      expect(emulator.books.moved(payment.orderNo)).toBe(1000);
    },
  );

  it("E38: 429 means not sent: later, and not all at once", async () => {
    const { emulator, order, refund } = await openMerchant({ faults: { throttle: 1 } });
    const now = Date.now();
    const later = new Set<number>();
    for (let count = 0; count < 12; count += 1) {
      const verdict = await refund(order());
      expect(verdict).toMatchObject({ kind: "notSent", reason: "throttled" });
      later.add((verdict as { retryAt: number }).retryAt - verdict.askedAt);
    }
    expect(Math.min(...later)).toBeGreaterThanOrEqual(5000);
    expect(Math.max(...later)).toBeLessThan(10_000);
    expect(later.size).toBeGreaterThan(1);
    expect(now).toBeLessThanOrEqual(Date.now());
    expect(emulator.books.numbers.size).toBe(0);
  });

  it("a signal ends the wait, and the outcome is open", async () => {
    const { account, channel, emulator, order, query } = await openMerchant();
    const stop = new AbortController();
    const ten = order();
    emulator.faults.next({ does: "delay", ms: 60_000 });
    const waiting = channel.refund(ten, account, Date.now(), stop.signal);
    await expect.poll(() => emulator.books.numbers.size).toBe(1);
    stop.abort();
    expect(await waiting).toMatchObject({ kind: "unknown", failureCode: "channel_connection_error" });
    expect((await query(ten)).kind).toBe("succeeded");
  });

  it("E6: a query may not find a new refund for a while", async () => {
    const { emulator, order, refund, query } = await openMerchant({
      seed: 7,
      faults: { hides: 1, hiddenMs: 1e9 },
    });
    const ten = order();
    expect((await refund(ten)).kind).toBe("succeeded");
    expect((await query(ten)).kind).toBe("notFound");
    const refundAtWechat = emulator.books.numbers.get(ten.number);
    if (refundAtWechat !== undefined) refundAtWechat.visibleAt = 0;
    expect((await query(ten)).kind).toBe("succeeded");
  });

  it("one number with two amounts, and more than was paid, are open: a query decides", async () => {
    const { emulator, order, refund, query } = await openMerchant();
    const ten = order();
    await refund(ten);
    expect((await refund({ ...ten, amount: 2000 })).kind).toBe("unknown");
    expect(await query(ten)).toMatchObject({ kind: "succeeded", amount: 1000 });
    expect((await refund(order({ amount: 9001 }))).kind).toBe("unknown");
    expect(emulator.books.violations).toHaveLength(2);
    expect(emulator.books.moved(ten.chargeOrderNo)).toBe(1000);
  });
});

describe("an account", () => {
  it("that cannot be opened: nothing was sent, and a query says nothing", async () => {
    const { account, channel, emulator, order } = await openMerchant({
      ports: { credentials: async () => Promise.reject(new Error("another master key")) },
    });
    for (const one of [account, null]) {
      expect(await channel.refund(order(), one, Date.now(), listening)).toMatchObject({
        kind: "notSent",
        reason: "configuration",
      });
      expect(await channel.query(order(), one, Date.now(), listening)).toMatchObject({ kind: "unknown" });
    }
    expect(emulator.requests).toEqual([]);
  });

  it("has the facts of WeChat: a year, a minute between refunds, a minute to settle", async () => {
    const { channel } = await openMerchant();
    expect(channel.facts({ channel: "wx_pub", description: "" })).toEqual({
      fullRefundOnly: false,
      windowSeconds: 365 * 86_400,
      spacingMs: 60_000,
      settlingMs: 60_000,
    });
  });
});
