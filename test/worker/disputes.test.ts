import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { mintId } from "../../src/ids.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { inLedger, storedRows } from "../books.ts";
import { type Answer, type ErrorObject, eventually, random, TestApp } from "../harness.ts";
import { stripeInTheTest } from "./stripe-books.ts";
import { StripeMerchant } from "./stripe-merchant.ts";

stripeInTheTest();

interface DisputeObject {
  id: string;
  object: "dispute";
  charge: string;
  status: string;
  amount: number;
  updated: number;
  amount_refundable: number;
}

type Heard = Answer<DisputeObject & ErrorObject>;

function dispute(app: TestApp, charge: { id: string }, body: Record<string, unknown>): Promise<Heard> {
  return app.post(`/v1/charges/${charge.id}/disputes`, {
    id: "dp_1",
    status: "opened",
    amount: 4000,
    ...body,
  });
}

const refundable = async (app: TestApp, charge: { id: string }) =>
  (await app.retrieveCharge(charge)).amount_refundable;

describe("a disputed charge", () => {
  it("E29: how a known dispute ended needs no amount; of an unknown one it is asked for, and nothing is booked", async () => {
    const app = await TestApp.create();
    const charge = await app.charge();
    const unknown = await dispute(app, charge, { id: "dp_2", status: "lost", amount: undefined });
    expect(unknown).toMatchObject({ status: 400, body: { error: { param: "amount" } } });
    await dispute(app, charge, {});
    const ended = await dispute(app, charge, { status: "lost", amount: undefined });
    expect(ended.body).toMatchObject({ status: "lost", amount: 4000, amount_refundable: 6000 });
    expect(await refundable(app, charge)).toBe(6000);
  });

  it("E29: an open dispute's amount cannot be refunded, a lost one's neither, a won one's can again", async () => {
    const app = await TestApp.create();
    const charge = await app.charge();
    const { status, body } = await dispute(app, charge, {});
    expect(status).toBe(200);
    expect(body).toEqual({
      id: "dp_1",
      object: "dispute",
      charge: charge.id,
      status: "opened",
      amount: 4000,
      updated: expect.any(Number),
      amount_refundable: 6000,
    });
    expect(await app.refund<ErrorObject>(charge, { amount: 6001 })).toMatchObject({
      status: 400,
      body: { error: { code: "charge_disputed", message: expect.stringContaining("6000") } },
    });
    expect((await dispute(app, charge, { status: "lost" })).body.amount_refundable).toBe(6000);
    expect((await app.refund<ErrorObject>(charge, { amount: 6001 })).body.error.code).toBe("charge_disputed");
    expect((await dispute(app, charge, { status: "won" })).body.amount_refundable).toBe(10_000);
    expect((await app.refund(charge, { amount: 10_000 })).body.status).toBe("succeeded");
  });

  it("E29: a refund without an amount takes what is not disputed; when all is, it is refused as disputed", async () => {
    const app = await TestApp.create();
    const charge = await app.charge();
    await dispute(app, charge, { amount: 2500 });
    const { body: refund } = await app.refund(charge, {});
    expect(refund).toMatchObject({ status: "succeeded", amount: 7500 });
    const no = await app.refund<ErrorObject>(charge, { description: "The rest" });
    expect(no).toMatchObject({ status: 400, body: { error: { code: "charge_disputed" } } });
    // Not the text on which clients close an order.
    expect(no.body.error.message).not.toContain("全额退款");
    expect((await dispute(app, charge, { status: "won", amount: 2500 })).body.amount_refundable).toBe(2500);
    expect((await app.refund(charge, { description: "The rest" })).body.amount).toBe(2500);
  });

  it("E29: what exceeds the charge anyhow is refused for that, not for the dispute", async () => {
    const app = await TestApp.create();
    const charge = await app.charge();
    await dispute(app, charge, {});
    const no = await app.refund<ErrorObject>(charge, { amount: 10_001 });
    expect(no.body.error.code).toBe("refund_amount_exceeded");
  });

  it("never leaves less than nothing: disputes and refunds together may exceed the charge", async () => {
    const app = await TestApp.create();
    const charge = await app.charge();
    await app.refund(charge, { amount: 8000 });
    expect((await dispute(app, charge, { amount: 10_000 })).body.amount_refundable).toBe(0);
    expect((await dispute(app, charge, { id: "dp_2", amount: 10_000 })).body.amount_refundable).toBe(0);
    expect(await app.retrieveCharge(charge)).toMatchObject({ amount_refunded: 8000, amount_refundable: 0 });
    expect((await dispute(app, charge, { status: "won", amount: 10_000 })).body.amount_refundable).toBe(0);
    const last = await dispute(app, charge, { id: "dp_2", status: "won", amount: 10_000 });
    expect(last.body.amount_refundable).toBe(2000);
  });

  it("takes its steps in any order and more than once: the end holds, whenever the beginning is heard", async () => {
    const steps = ["opened", "won", "lost"] as const;
    for (const first of steps) {
      for (const second of steps) {
        const app = await TestApp.create();
        const charge = await app.charge();
        await dispute(app, charge, { status: first });
        await dispute(app, charge, { status: first });
        const { body } = await dispute(app, charge, { status: second });
        const holds = second === "opened" ? first : second;
        expect([first, second, body.status]).toEqual([first, second, holds]);
        expect(body.amount_refundable).toBe(holds === "won" ? 10_000 : 6000);
      }
    }
  });

  it("a repeat changes nothing: neither the books nor what D1 has", async () => {
    const app = await TestApp.create();
    const charge = await app.charge();
    const row = () =>
      env.DB.prepare("SELECT version, doc FROM charges WHERE id = ?")
        .bind(charge.id)
        .first<{ version: number; doc: string }>();
    const { body: first } = await dispute(app, charge, {});
    const before = await eventually(async () => {
      const now = await row();
      return now?.doc.includes("dp_1") && now;
    });
    const repeats = await Promise.all(Array.from({ length: 10 }, () => dispute(app, charge, {})));
    for (const { body } of repeats) expect(body).toEqual(first);
    expect(await row()).toEqual(before);
  });

  it("another amount of the same dispute takes the place of the first", async () => {
    const app = await TestApp.create();
    const charge = await app.charge();
    await dispute(app, charge, {});
    expect((await dispute(app, charge, { amount: 1000 })).body.amount_refundable).toBe(9000);
  });

  it("of ten refunds racing a dispute no more is refunded than was left at some instant", async () => {
    const app = await TestApp.create();
    const charge = await app.charge();
    const refunds = Array.from({ length: 10 }, (_, i) =>
      app.refund<RefundObject & ErrorObject>(charge, { amount: 3000, description: `Item ${i}` }),
    );
    const [heard, ...answers] = await Promise.all([dispute(app, charge, { amount: 5000 }), ...refunds]);
    expect(heard.status).toBe(200);
    const made = answers.filter(({ status }) => status === 200).length;
    expect([1, 2, 3]).toContain(made);
    for (const { status, body } of answers) {
      if (status !== 200) expect(["charge_disputed", "refund_amount_exceeded"]).toContain(body.error.code);
    }
    expect(await refundable(app, charge)).toBe(Math.max(0, 10_000 - 3000 * made - 5000));
  });

  it("a charge whose ledger was never reached gets one, and goes on as any other", async () => {
    const app = await TestApp.create();
    const { id } = await app.charge();
    const charge = { id: mintId("charge", random) };
    await env.DB.prepare(
      "UPDATE charges SET id = ?1, doc = json_set(doc, '$.id', ?1), ledger_opened_at = NULL WHERE id = ?2",
    )
      .bind(charge.id, id)
      .run();
    const ledger = app.ledger(charge) as unknown as DurableObjectStub;
    expect((await inLedger(ledger)).tables).toEqual([]);
    expect((await dispute(app, charge, {})).body.amount_refundable).toBe(6000);
    expect(await refundable(app, charge)).toBe(6000);
    expect((await app.refund(charge, {})).body).toMatchObject({ status: "succeeded", amount: 6000 });
  });

  it("an unknown charge, another app's and another mode's are 404, and nothing is stored", async () => {
    const app = await TestApp.create();
    const stranger = await TestApp.create();
    const charge = await app.charge();
    const guessed = { id: mintId("charge", random) };
    const before = await storedRows();
    const live = `/v1/charges/${charge.id}/disputes`;
    const answers = [
      await dispute(app, guessed, {}),
      await dispute(stranger, charge, {}),
      await dispute(app, { id: "ch_1" }, {}),
      await app.post(live, { id: "dp_1", status: "opened", amount: 1 }, { live: true }),
    ];
    for (const answer of answers)
      expect(answer).toMatchObject({ status: 404, body: { error: { param: "id" } } });
    expect(await storedRows()).toEqual(before);
    for (const [who, what] of [
      [app, guessed],
      [stranger, charge],
    ] as const) {
      expect(await inLedger(who.ledger(what) as unknown as DurableObjectStub)).toEqual({
        tables: [],
        alarm: false,
      });
    }
  });

  it.each([
    [{ id: "" }, "id"],
    [{ id: "has space" }, "id"],
    [{ id: "x".repeat(65) }, "id"],
    [{ status: "closed" }, "status"],
    [{ amount: 0 }, "amount"],
    [{ amount: -1 }, "amount"],
    [{ amount: 1.5 }, "amount"],
    [{ amount: "100" }, "amount"],
    [{ amount: undefined }, "amount"],
    [{ reason: "fraud" }, "reason"],
  ])("%j is refused naming %s", async (change, param) => {
    const app = await TestApp.create();
    const charge = await app.charge();
    expect(await dispute(app, charge, change)).toMatchObject({ status: 400, body: { error: { param } } });
    expect(await refundable(app, charge)).toBe(10_000);
  });

  it("names that objects have by themselves are ids like others", async () => {
    const app = await TestApp.create();
    const charge = await app.charge();
    for (const [i, id] of ["__proto__", "constructor", "toString"].entries()) {
      const { body } = await dispute(app, charge, { id, amount: 1000 });
      expect(body).toMatchObject({ id, status: "opened", amount_refundable: 10_000 - 1000 * (i + 1) });
    }
    expect((await dispute(app, charge, { id: "__proto__", amount: 1000 })).body.amount_refundable).toBe(7000);
    const won = await dispute(app, charge, { id: "__proto__", amount: 1000, status: "won" });
    expect(won.body.amount_refundable).toBe(8000);
  });

  it("a charge takes fifty disputes", async () => {
    const app = await TestApp.create();
    const charge = await app.charge();
    for (let i = 0; i < 50; i++) await dispute(app, charge, { id: `dp_${i}`, amount: 1 });
    const no = await dispute(app, charge, { id: "dp_more" });
    expect(no).toMatchObject({ status: 400, body: { error: { code: "too_many_disputes" } } });
    expect((await dispute(app, charge, { id: "dp_7", status: "won", amount: 1 })).status).toBe(200);
  });
});

describe("disputes that Stripe tells of", () => {
  const about = (payment: string, status: string, amount = 4000) => ({
    object: "dispute",
    id: "dp_3Stripe",
    amount,
    currency: "usd",
    status,
    charge: payment,
    payment_intent: null,
  });

  async function disputed() {
    const shop = await StripeMerchant.create();
    const payment = shop.books.pay();
    const charge = await shop.charge({ transaction_no: payment });
    const tell = (type: string, status: string, amount?: number) =>
      shop.tell(shop.event(`charge.dispute.${type}`, about(payment, status, amount)));
    const left = async () => (await shop.retrieveCharge(charge)).amount_refundable;
    return { shop, payment, charge, tell, left };
  }

  it("E29: it is found by the payment's serial number, and takes the way of any other", async () => {
    const { shop, charge, tell, left } = await disputed();
    expect((await tell("created", "needs_response")).status).toBe(200);
    expect(await left()).toBe(6000);
    const no = await shop.refund<ErrorObject>(charge, { amount: 10_000 });
    expect(no.body.error.code).toBe("charge_disputed");
    expect(shop.books.submissions).toEqual([]);
    expect((await tell("closed", "lost")).status).toBe(200);
    // Late: how it began.
    expect((await tell("updated", "under_review")).status).toBe(200);
    expect(await left()).toBe(6000);
    expect((await tell("funds_reinstated", "won")).status).toBe(200);
    expect(await left()).toBe(10_000);
  });

  it("an inquiry takes no money", async () => {
    const { tell, left } = await disputed();
    expect((await tell("created", "warning_needs_response")).status).toBe(200);
    expect(await left()).toBe(10_000);
  });

  it("one of a payment that nobody recorded is kept for a person, once", async () => {
    const { shop, left } = await disputed();
    const body = shop.event("charge.dispute.created", about("ch_3nobody", "needs_response"));
    for (let i = 0; i < 2; i++) expect((await shop.tell(body)).status).toBe(200);
    expect((await shop.orphans()).map(({ number }) => number)).toEqual(["dp_3Stripe"]);
    expect(await left()).toBe(10_000);
  });

  it("another app's payment is none of ours", async () => {
    const { shop, payment, left } = await disputed();
    const stranger = await StripeMerchant.create({}, shop.books);
    const body = stranger.event("charge.dispute.created", about(payment, "needs_response"));
    expect((await stranger.tell(body)).status).toBe(200);
    expect(await left()).toBe(10_000);
  });

  it("one in another currency than the charge's holds all of it, until the merchant says how much", async () => {
    const { shop, charge, payment, left } = await disputed();
    const foreign = { ...about(payment, "needs_response", 500), currency: "jpy" };
    expect((await shop.tell(shop.event("charge.dispute.created", foreign))).status).toBe(200);
    expect(await left()).toBe(0);
    const told = { id: "dp_3Stripe", status: "opened", amount: 330 };
    await shop.send("POST", `/v1/charges/${charge.id}/disputes`, told);
    expect(await left()).toBe(9670);
    const won = { ...foreign, status: "won" };
    expect((await shop.tell(shop.event("charge.dispute.closed", won))).status).toBe(200);
    expect(await left()).toBe(10_000);
  });

  it("one too many for the charge is kept for a person, and Stripe need not come again", async () => {
    const { shop, charge, tell } = await disputed();
    for (let i = 0; i < 50; i++) {
      const body = { id: `dp_${i}`, status: "won", amount: 1 };
      await shop.send("POST", `/v1/charges/${charge.id}/disputes`, body);
    }
    expect((await tell("created", "needs_response")).status).toBe(200);
    expect((await shop.orphans()).map(({ number }) => number)).toEqual(["dp_3Stripe"]);
  });
});
