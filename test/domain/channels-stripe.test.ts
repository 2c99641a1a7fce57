// Stripe's tables of statuses and errors, row by row, through the connector and over HTTP.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RefundOrder } from "../../src/channels/channel.ts";
import { type StripeEmulator, startStripeEmulator, stripeError } from "../emulators/stripe.ts";
import { account, anOrder, connectorFor, never, said } from "./channels-stripe-fixture.ts";

let emulator: StripeEmulator;
beforeAll(async () => {
  emulator = await startStripeEmulator();
});
afterAll(() => emulator.close());

const now = () => Date.now();
const refund = (order: RefundOrder, at = now(), changes = {}) =>
  connectorFor(emulator, changes).refund(order, account, at, never());
const query = (order: RefundOrder, at = now(), changes = {}) =>
  connectorFor(emulator, changes).query(order, account, at, never());
const idOf = (number: string) => emulator.books.numbers.get(number)?.order[0]?.id ?? "none";

describe("a submission", () => {
  it("pays back once, and remembers Stripe's id", async () => {
    const order = anOrder(emulator);
    const at = now();
    const verdict = await refund(order, at);
    expect(verdict).toEqual({
      kind: "succeeded",
      number: order.number,
      amount: 4000,
      currency: "usd",
      askedAt: at,
      transactionNo: idOf(order.number),
      memory: idOf(order.number),
      succeededAt: undefined,
    });
    expect(emulator.books.numbers.get(order.number)?.effects).toBe(1);
  });

  it("is a form under our refund id, with a pinned version and our words as metadata", async () => {
    const order = anOrder(emulator);
    await refund(order);
    const request = emulator.requests.at(-1);
    expect(request).toMatchObject({
      method: "POST",
      url: "/v1/refunds",
      headers: {
        "content-type": "application/x-www-form-urlencoded",
        "idempotency-key": `re_${order.number}`,
        "stripe-version": "2024-10-28.acacia",
      },
    });
    expect(Object.fromEntries(new URLSearchParams(request?.body))).toEqual({
      charge: order.transactionNo,
      amount: "4000",
      "metadata[refund_id]": `re_${order.number}`,
      "metadata[charge_id]": order.charge,
      "metadata[description]": "The shoes do not fit.",
    });
    expect(request?.headers).not.toHaveProperty("stripe-account");
  });

  it("names a payment intent where the payment is one, and an old bank payment as a charge", async () => {
    const parameter = async (transactionNo: string) => {
      await refund(anOrder(emulator, { transactionNo }));
      return [...new URLSearchParams(emulator.requests.at(-1)?.body).keys()][0];
    };
    expect(await parameter("pi_3Intent")).toBe("payment_intent");
    expect(await parameter("py_1Bank")).toBe("charge");
  });

  it("is sent in the name of the connected account", async () => {
    const credentials = { ...emulator.credentials, account: "acct_1Other" };
    await refund(anOrder(emulator), now(), { credentials: async () => credentials });
    expect(emulator.requests.at(-1)?.headers["stripe-account"]).toBe("acct_1Other");
  });

  it.each([
    ["no number at all", { transactionNo: null }, "transaction_no_invalid"],
    ["somebody else's number", { transactionNo: "4200001234202605200000000001" }, "transaction_no_invalid"],
    ["a way out of the path", { transactionNo: "ch_1/../../v1/balance" }, "transaction_no_invalid"],
    ["half an ariary", { currency: "mga", amount: 150 }, "amount_not_expressible"],
  ])("with %s is not sent and fails", async (_name, changes, code) => {
    const order = { ...anOrder(emulator), ...changes };
    const before = emulator.requests.length;
    expect(await refund(order)).toMatchObject({ kind: "declined", code, unsent: true });
    expect(emulator.requests).toHaveLength(before);
  });
});

describe("a refund at Stripe that is", () => {
  const rows = [
    ["pending", { kind: "accepted", attention: undefined }],
    ["succeeded", { kind: "succeeded" }],
    ["failed", { kind: "declined", code: "lost_or_stolen_card", failureCode: "refund_refused_msg" }],
    ["canceled", { kind: "declined", code: "canceled", failureCode: "refund_canceled" }],
    ["requires_action", { kind: "accepted", attention: "channel_abnormal" }],
    ["a word of tomorrow", { kind: "unknown", failureCode: "refund_unexpected_status" }],
  ] as const;

  it.each(rows)("%s is read so from the answer, from its id and from the list", async (status, expected) => {
    const order = anOrder(emulator);
    await refund(order);
    const object = emulator.books.numbers.get(order.number)?.order[0];
    if (object === undefined) throw new Error("not booked");
    object.status = status;
    object.failureReason = "lost_or_stolen_card";
    const facts = { amount: 4000, currency: "usd", memory: object.id };
    const verdict = { attention: undefined, ...(await query({ ...order, memory: object.id })) };
    expect(verdict).toMatchObject({ ...facts, ...expected });
    expect(emulator.requests.at(-1)?.url).toBe(`/v1/refunds/${object.id}`);
    expect(said(await query(order))).toEqual(said(await query({ ...order, memory: object.id })));
    expect(emulator.requests.at(-2)?.url).toMatch(/^\/v1\/refunds\?charge=ch_/);
    const body = JSON.stringify(emulator.render(order.number));
    emulator.faults.next({ at: "refund", does: "answer", answer: { status: 200, body } });
    expect(said(await refund(order))).toEqual(said(await query(order)));
  });

  it("without a status (E7) is unknown, not failed", async () => {
    const order = anOrder(emulator);
    await refund(order);
    const body = JSON.stringify({ ...emulator.render(order.number), status: null });
    emulator.faults.next({ does: "answer", answer: { status: 200, body } });
    expect(await query({ ...order, memory: idOf(order.number) })).toMatchObject({
      kind: "unknown",
      failureCode: "refund_unexpected_status",
    });
  });

  it("failed after it had succeeded (E13) is read as failed", async () => {
    const order = anOrder(emulator);
    const first = await refund(order);
    const object = emulator.books.numbers.get(order.number)?.order[0];
    if (object !== undefined) object.status = "failed";
    expect(first.kind).toBe("succeeded");
    expect(await query({ ...order, memory: first.memory ?? null })).toMatchObject({
      kind: "declined",
      code: "declined",
    });
  });
});

describe("the error", () => {
  const api = "api_error";
  const rows: [status: number, error: Parameters<typeof stripeError>[1], expected: object][] = [
    [400, { code: "charge_disputed" }, { kind: "declined", code: "charge_disputed" }],
    [400, { code: "refund_disputed_payment" }, { kind: "declined", code: "refund_disputed_payment" }],
    [402, { code: "insufficient_funds" }, { kind: "declined", code: "insufficient_funds" }],
    [404, { code: "resource_missing", param: "charge" }, { kind: "declined", code: "resource_missing" }],
    [400, { code: "parameter_unknown", param: "x" }, { kind: "declined", code: "parameter_unknown" }],
    [401, { message: "Invalid API Key" }, { kind: "notSent", reason: "configuration" }],
    [401, { code: "api_key_expired" }, { kind: "notSent", reason: "configuration" }],
    [403, { code: "more_permissions_required" }, { kind: "notSent", reason: "configuration" }],
    [400, { code: "livemode_mismatch" }, { kind: "notSent", reason: "configuration" }],
    [429, { code: "rate_limit" }, { kind: "notSent", reason: "throttled" }],
    [429, { code: "lock_timeout" }, { kind: "notSent", reason: "throttled" }],
    [400, { type: "idempotency_error" }, { kind: "unknown", failureCode: "channel_request_error" }],
    [409, { code: "idempotency_key_in_use" }, { kind: "unknown" }],
    [424, { type: api }, { kind: "unknown" }],
    [500, { type: api }, { kind: "unknown" }],
    [502, { type: api, code: "charge_disputed" }, { kind: "unknown" }],
    [400, { code: "a_code_of_tomorrow" }, { kind: "unknown" }],
    [418, {}, { kind: "unknown" }],
  ];

  it.each(rows)("%i %o of a submission means %o", async (status, error, expected) => {
    emulator.faults.next({ does: "answer", answer: stripeError(status, error) });
    expect(await refund(anOrder(emulator))).toMatchObject({ ...expected, amount: null, currency: null });
  });

  it.each(rows)("%i %o of a question about a refund that Stripe knows is unknown", async (status, error) => {
    emulator.faults.next({ does: "answer", answer: stripeError(status, error) });
    const order = anOrder(emulator, { memory: "re_3Known" });
    expect(await query(order)).toMatchObject({ kind: "unknown", failureCode: "channel_request_error" });
  });

  it("of a balance too small (E31) keeps Stripe's code, and a new refund works after a top-up", async () => {
    const order = anOrder(emulator);
    emulator.balance = 100;
    expect(said(await refund(order))).toEqual({
      kind: "declined",
      code: "balance_insufficient",
      words: "balance_insufficient",
      failureCode: "refund_refused_msg",
    });
    emulator.balance = Number.MAX_SAFE_INTEGER;
    // The same key hears the same answer; another refund is another key.
    expect(await refund(order)).toMatchObject({ kind: "declined" });
    const { transactionNo } = order;
    const again = { ...anOrder(emulator), transactionNo };
    expect(await refund(again)).toMatchObject({ kind: "succeeded" });
  });

  it("429 says when to come back (E38)", async () => {
    const at = now();
    const limited = stripeError(429, { code: "rate_limit" }, { "retry-after": "7" });
    emulator.faults.next({ does: "answer", answer: limited }, { does: "throttle" });
    expect(await refund(anOrder(emulator), at)).toMatchObject({ retryAt: at + 7000 });
    expect(await refund(anOrder(emulator), at)).toMatchObject({ retryAt: at + 1000 });
  });
});

describe("the connection", () => {
  it("that breaks leaves the outcome unknown, before and after the effect (E4)", async () => {
    for (const does of ["dropBefore", "dropAfter"] as const) {
      emulator.faults.next({ does });
      expect(await refund(anOrder(emulator))).toMatchObject({
        kind: "unknown",
        failureCode: "channel_connection_error",
      });
    }
  });

  it("that is given up leaves the outcome unknown, and the list knows it", async () => {
    const order = anOrder(emulator);
    emulator.faults.next({ does: "delay", ms: 5000 });
    const stop = AbortSignal.timeout(100);
    expect(await connectorFor(emulator).refund(order, account, now(), stop)).toMatchObject({
      kind: "unknown",
    });
    expect(await query(order)).toMatchObject({ kind: "succeeded", memory: idOf(order.number) });
    expect(emulator.books.numbers.get(order.number)?.effects).toBe(1);
  });

  it.each([
    ["no JSON", "<html>"],
    ["another kind of object", '{"object":"charge"}'],
    ["no end", `{"object":"refund","id":"${"x".repeat(600_000)}"}`],
  ])("that brings %s with a 200 leaves the outcome unknown", async (_name, body) => {
    emulator.faults.next({ does: "answer", answer: { status: 200, body } });
    expect(await refund(anOrder(emulator))).toMatchObject({
      kind: "unknown",
      failureCode: "channel_parse_error",
    });
  });

  it("that brings another refund's words leaves the outcome unknown", async () => {
    const other = anOrder(emulator);
    await refund(other);
    const body = JSON.stringify(emulator.render(other.number));
    emulator.faults.next({ does: "answer", answer: { status: 200, body } });
    const order = anOrder(emulator);
    expect(await refund(order)).toMatchObject({ kind: "unknown", number: order.number });
  });

  it("is not led elsewhere", async () => {
    const headers = { location: `${emulator.url}/v1/refunds?limit=1` };
    emulator.faults.next({ does: "answer", answer: { status: 307, headers, body: "{}" } });
    const before = emulator.requests.length;
    expect(await refund(anOrder(emulator))).toMatchObject({ kind: "unknown" });
    expect(emulator.requests).toHaveLength(before + 1);
  });
});

describe("credentials that cannot be used", () => {
  it.each([
    ["opened", () => Promise.reject(new Error("sealed with a lost key"))],
    ["read", () => Promise.resolve({ secret_key: "sk_test_12345678" })],
  ])(
    "because they cannot be %s hold a submission back and leave a question open",
    async (_name, credentials) => {
      const order = anOrder(emulator);
      const before = emulator.requests.length;
      const at = now();
      expect(await refund(order, at, { credentials })).toMatchObject({
        kind: "notSent",
        reason: "configuration",
        retryAt: at + 3_600_000,
      });
      expect(await query(order, at, { credentials })).toMatchObject({ kind: "unknown" });
      expect(emulator.requests).toHaveLength(before);
    },
  );
});
