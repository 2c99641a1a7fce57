// A shop's day, told over HTTP, with the runtime's own queues between the ledger and the shop's receiver.
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { type ErrorObject, eventually, TestApp } from "../harness.ts";

const HOOKS = "https://shop.example.com/hooks";

interface Received {
  type: string;
  data: { object: RefundObject };
}

const received: { headers: Record<string, string>; body: string }[] = [];

beforeAll(() => {
  const real = globalThis.fetch;
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const request = new Request(input as RequestInfo, init as RequestInit);
    if (request.url !== HOOKS) return real(input, init);
    const body = await request.text();
    // The first thing an endpoint gets is a ping; what happens meanwhile follows once it was answered.
    if (JSON.parse(body).type !== "webhook_endpoint.ping") {
      received.push({ headers: Object.fromEntries(request.headers), body });
    }
    return new Response("ok");
  });
});

afterAll(() => {
  vi.restoreAllMocks();
});

describe("a shop whose customer sends things back one by one", () => {
  it("refunds an order in three parts to the last fen, hears of each once, and is told when nothing is left", async () => {
    const app = await TestApp.create();
    const { body: endpoint } = await app.post<{ secret: string }>("/v1/webhook_endpoints", { url: HOOKS });
    const charge = await app.charge({ channel: "wx_pub", amount: 10_000, order_no: "order1" });

    // The cup was broken, the pot does not fit: two parts, under the shop's own numbers.
    const cup = await app.refund(charge, { amount: 3333, refund_no: "cup", description: "杯子碎了" });
    const pot = await app.refund(charge, { amount: 3333, refund_no: "pot" });
    expect([cup.body.status, pot.body.status]).toEqual(["succeeded", "succeeded"]);

    // The clerk presses the button twice: the same refund, no second payment.
    const twice = await app.refund(charge, { amount: 3333, refund_no: "cup", description: "杯子碎了" });
    expect(twice.body).toEqual(cup.body);
    expect(twice.headers.get("Idempotent-Replayed")).toBe("true");

    // Too much is refused, and says what is left.
    const tooMuch = await app.refund<ErrorObject>(charge, { amount: 5000 });
    expect(tooMuch).toMatchObject({ status: 400, body: { error: { code: "refund_amount_exceeded" } } });
    expect(tooMuch.body.error.message).toContain("3334");

    // The rest, without saying how much that is.
    const rest = await app.refund(charge, { description: "The rest" });
    expect(rest.body.amount).toBe(3334);
    expect(await app.retrieveCharge(charge)).toMatchObject({
      refunded: true,
      amount_refunded: 10_000,
      amount_refundable: 0,
    });
    const done = await app.refund<ErrorObject>(charge, { amount: 1 });
    expect(done.body.error).toEqual({
      type: "invalid_request_error",
      message: `不能对订单号 order1 发起退款，因为已经全额退款了。Charge id: ${charge.id}。`,
    });

    // The receiver heard of each refund once, and every signature holds.
    await eventually(async () => received.length >= 3);
    const events = received.map(
      ({ headers, body }) => new Webhook(endpoint.secret).verify(body, headers) as Received,
    );
    expect(new Set(events.map(({ data }) => data.object.id))).toEqual(
      new Set([cup, pot, rest].map(({ body }) => body.id)),
    );
    expect(events.every(({ type, data }) => type === "refund.succeeded" && data.object.succeed)).toBe(true);
  });

  it("whose refund hangs at the channel sees it pending, then gets the outcome by webhook", async () => {
    received.length = 0;
    const app = await TestApp.create();
    await app.post("/v1/webhook_endpoints", { url: HOOKS });
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, { amount: 500, description: "[sandbox:pending:1]" });
    expect(refund).toMatchObject({ status: "pending", succeed: false, time_succeed: null });
    expect((await app.retrieveCharge(charge)).amount_pending_refund).toBe(500);
    await eventually(async () => received.length >= 1);
    const event = JSON.parse(received[0]?.body ?? "") as Received;
    expect(event).toMatchObject({ type: "refund.succeeded", data: { object: { id: refund.id } } });
    expect(await app.retrieveRefund(refund)).toEqual(event.data.object);
  });
});
