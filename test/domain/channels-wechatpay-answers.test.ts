import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { RefundOrder, Verdict } from "../../src/channels/channel.ts";
import type { Answer } from "../emulators/channel-emulator.ts";
import { listening, type Merchant, openMerchant, token } from "./channels-wechatpay-fixture.ts";

const json = (status: number, body: unknown): Answer => ({ status, body: JSON.stringify(body) });

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

  it.each([301, 302, 303, 307, 308])("%i sends us nowhere", async (status) => {
    const { emulator, order, refund } = await openMerchant();
    const ten = order();
    const headers = { location: `${emulator.url}/v3/refund/domestic/refunds/elsewhere` };
    emulator.faults.next({ does: "answer", answer: { status, headers, body: "" } });
    expect(await refund(ten)).toMatchObject({ kind: "unknown", failureCode: "channel_request_error" });
    expect(emulator.requests).toHaveLength(1);
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
    const later = new Set<number>();
    for (let count = 0; count < 12; count += 1) {
      const verdict = await refund(order());
      expect(verdict).toMatchObject({ kind: "notSent", reason: "throttled" });
      later.add((verdict as { retryAt: number }).retryAt - verdict.askedAt);
    }
    expect(Math.min(...later)).toBeGreaterThanOrEqual(5000);
    expect(Math.max(...later)).toBeLessThan(10_000);
    expect(later.size).toBeGreaterThan(1);
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

describe("fifty refunds under random faults", () => {
  it.each([1, 2, 3])("E9: move the money of each once, seed %i", async (seed) => {
    const faults = { dropBefore: 0.15, dropAfter: 0.15, errorBefore: 0.1, errorAfter: 0.1, throttle: 0.1 };
    const late = { processing: 0.3, processingMs: 20, hides: 0.3, hiddenMs: 20, fails: 0.1 };
    const merchant = await openMerchant({ seed, faults: { ...faults, ...late } });
    const { books } = merchant.emulator;
    const orders = Array.from({ length: 50 }, () => merchant.order({ amount: 100 }));
    const ends = await Promise.all(orders.map((order) => settled(merchant, order)));
    expect(books.violations).toEqual([]);
    expect(books.numbers.size).toBe(50);
    for (const [place, { number }] of orders.entries()) {
      const refund = books.numbers.get(number);
      expect(refund?.effects).toBe(1);
      expect(refund && books.status(refund)).toBe(ends[place] === "succeeded" ? "succeeded" : "failed");
    }
    const succeeded = ends.filter((end) => end === "succeeded").length;
    expect(books.moved(merchant.payment.orderNo)).toBe(100 * succeeded);
    expect(succeeded).toBeGreaterThan(30);
  });

  /** Asks as a ledger would: whatever is open is queried, and submitted again only when WeChat does not know it. */
  async function settled({ refund, query }: Merchant, order: RefundOrder): Promise<Verdict["kind"]> {
    let verdict = await refund(order);
    for (let turn = 0; turn < 200; turn += 1) {
      if (verdict.kind === "succeeded" || verdict.kind === "declined") return verdict.kind;
      const isFree = verdict.kind === "notFound" || verdict.kind === "notSent";
      if (!isFree) await sleep(5);
      verdict = isFree ? await refund(order) : await query(order);
    }
    throw new Error("it does not end");
  }
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
      // A little more: what comes before a submission leaves takes up to three seconds.
      spacingMs: 63_000,
      keysProveMerchant: true,
      settlingMs: 60_000,
    });
  });
});
