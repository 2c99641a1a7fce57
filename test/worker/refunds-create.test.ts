import { describe, expect, it } from "vitest";
import { TestApp } from "../harness.ts";

describe("creating a refund", () => {
  it("answers with the refund, its keys in the order of the contract", async () => {
    const app = await TestApp.create();
    const charge = await app.charge();
    const answer = await app.refund(charge, {
      amount: 100,
      description: "退货",
      metadata: { color: "red", size: 42, gift: true },
      funding_source: "unsettled_funds",
      extra: { reason: "size" },
      refund_no: "R-1",
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("Request-Id")).toMatch(/^iar_[0-9A-Za-z]{24}$/);
    expect(answer.headers.get("Cache-Control")).toBe("no-store");
    expect(answer.headers.get("Idempotent-Replayed")).toBeNull();
    expect(Object.keys(answer.body)).toEqual(
      "id object order_no amount created succeed status time_succeed description failure_code failure_msg metadata charge charge_order_no transaction_no funding_source extra app refund_no".split(
        " ",
      ),
    );
    expect(answer.body).toMatchObject({
      object: "refund",
      order_no: answer.body.id.slice(3),
      amount: 100,
      succeed: true,
      status: "succeeded",
      time_succeed: answer.body.created,
      description: "退货",
      failure_code: null,
      failure_msg: null,
      metadata: { color: "red", size: "42", gift: "true" },
      charge: charge.id,
      charge_order_no: charge.order_no,
      funding_source: "unsettled_funds",
      extra: { reason: "size" },
      app: app.id,
      refund_no: "R-1",
    });
  });

  it("shows the refund in the charge at once", async () => {
    const app = await TestApp.create();
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, { amount: 2500 });
    const after = await app.retrieveCharge(charge);
    expect(after).toMatchObject({
      refunded: true,
      amount_refunded: 2500,
      amount_refundable: 7500,
      amount_pending_refund: 0,
    });
    expect(after.refunds).toEqual({
      object: "list",
      url: `/v1/charges/${charge.id}/refunds`,
      has_more: false,
      data: [refund],
    });
  });
});
