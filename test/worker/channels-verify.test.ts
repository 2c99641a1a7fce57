import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import type { ChargeObject } from "../../src/charges/schema.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { type ErrorObject, eventually } from "../harness.ts";
import { failure, stripeInTheTest } from "./stripe-books.ts";
import { StripeMerchant } from "./stripe-merchant.ts";

stripeInTheTest();

const DUE = { dueAt: 1, leaseUntil: null };
const succeeded = ({ status }: RefundObject) => status === "succeeded";
const USD = { amount: 10_000, currency: "usd" };

const payments = (shop: StripeMerchant) =>
  shop.books.questions.filter(({ path }) => path.startsWith("/v1/charges/")).map(({ path }) => path);

const correct = (shop: StripeMerchant, charge: { id: string }, transaction_no: string) =>
  shop.send<ChargeObject & ErrorObject>("POST", `/v1/charges/${charge.id}`, { transaction_no });

describe("a payment is confirmed at the channel before its first live refund", () => {
  it("once for a charge, before anything is sent", async () => {
    const shop = await StripeMerchant.create();
    const payment = shop.books.pay();
    const charge = await shop.charge({ transaction_no: payment });
    shop.books.onSubmission(() => {
      expect(payments(shop)).toEqual([`/v1/charges/${payment}`]);
      return { effect: "succeeded" };
    });
    await shop.refund(charge, { amount: 1 });
    await shop.refund(charge, { amount: 2 });
    expect(shop.books.submissions).toHaveLength(2);
    expect(payments(shop)).toHaveLength(1);
  });

  it("a key that Stripe refuses by then sends nothing, and asks for a person", async () => {
    const shop = await StripeMerchant.create();
    const charge = await shop.charge();
    shop.books.onQuestion(() => failure(401, "api_key_expired"));
    const { body: refund } = await shop.refund(charge);
    expect(refund).toMatchObject({ status: "pending", attention: "configuration" });
    expect(shop.books.submissions).toEqual([]);
  });

  it.each([
    ["amount", { ...USD, amount: 9999 }],
    ["currency", { ...USD, currency: "eur" }],
    ["unpaid", { ...USD, paid: false }],
    ["not_found", null],
  ] as const)(
    "another %s fails the refund, nothing is sent, and the money is free",
    async (fact, payment) => {
      const shop = await StripeMerchant.create();
      const transaction_no = payment === null ? "ch_3nobody" : shop.books.pay(payment);
      const charge = await shop.charge({ transaction_no });
      const { status, body: refund } = await shop.refund(charge);
      expect(status).toBe(200);
      expect(refund).toMatchObject({
        status: "failed",
        succeed: false,
        failure_code: "refund_refused",
        extra: { channel_code: "payment_mismatch", channel_message: expect.stringContaining(fact) },
      });
      expect(shop.books.submissions).toEqual([]);
      expect(await shop.stored(refund)).toMatchObject({ attempts: 0, firstSubmittedAt: null, account: null });
      expect(await shop.retrieveCharge(charge)).toMatchObject({
        amount_refundable: 10_000,
        amount_pending_refund: 0,
      });
      expect(await shop.events(refund, 2)).toEqual(["refund.created", "refund.failed"]);
    },
  );

  it("after a mismatch the facts may be corrected, and a new refund goes to the right payment", async () => {
    const shop = await StripeMerchant.create();
    const charge = await shop.charge({ transaction_no: "ch_3misread" });
    expect((await shop.refund(charge)).body.status).toBe("failed");
    const payment = shop.books.pay();
    expect(await correct(shop, charge, payment)).toMatchObject({
      status: 200,
      body: { transaction_no: payment },
    });
    const { body: refund } = await shop.refund(charge, { description: "Once more" });
    expect(refund).toMatchObject({ status: "succeeded", amount: 10_000 });
    expect(shop.books.moved(payment)).toBe(10_000);
    // From now on they are final.
    expect(await correct(shop, charge, shop.books.pay())).toMatchObject({
      status: 400,
      body: { error: { param: "transaction_no" } },
    });
  });

  it("facts corrected after a confirmed payment are confirmed anew before they are relied on", async () => {
    const shop = await StripeMerchant.create();
    const charge = await shop.charge();
    // The payment is confirmed, and then nothing leaves: no attempt counts, so the facts may still change.
    shop.books.onSubmission(() => ({ effect: "none", says: { status: 429, code: "rate_limit" } }));
    const { body: refund } = await shop.refund(charge);
    expect(await shop.stored(refund)).toMatchObject({ state: "waiting", attempts: 0 });
    const other = shop.books.pay({ amount: 500_000, currency: "usd" });
    expect((await correct(shop, charge, other)).status).toBe(200);
    shop.books.onSubmission(() => ({ effect: "succeeded" }));
    await shop.rewrite(refund, DUE);
    const done = await shop.seen(refund, ({ status }) => status !== "pending");
    expect(done).toMatchObject({ status: "failed", extra: { channel_code: "payment_mismatch" } });
    expect(shop.books.moved(other)).toBe(0);
  });

  it.each([
    ["silence", "reset" as const],
    ["an error of Stripe's", failure(500)],
    ["a body that says nothing", Response.json({ object: "charge" })],
  ])("%s is no no: the refund waits, unsent, and is tried again", async (_, said) => {
    const shop = await StripeMerchant.create();
    const charge = await shop.charge();
    shop.books.onQuestion(() => (said === "reset" ? said : said.clone()));
    const { body: refund } = await shop.refund(charge);
    expect(refund).toMatchObject({ status: "pending" });
    const waiting = await shop.stored(refund);
    expect(waiting).toMatchObject({ state: "waiting", attempts: 0 });
    expect(waiting.dueAt).toBeGreaterThan(Date.now());
    expect(shop.books.submissions).toEqual([]);
    expect(await shop.retrieveCharge(charge)).toMatchObject({ amount_pending_refund: 10_000 });
    shop.books.onQuestion(() => null);
    await shop.rewrite(refund, DUE);
    await shop.seen(refund, succeeded);
    expect(shop.books.submissions).toHaveLength(1);
  });

  it("verify_payments off: the payment is not asked about", async () => {
    const shop = await StripeMerchant.create({ verify_payments: false });
    const charge = await shop.charge({ transaction_no: shop.books.pay({ ...USD, amount: 1 }) });
    expect((await shop.refund(charge)).body.status).toBe("succeeded");
    expect(payments(shop)).toEqual([]);
  });

  it("ten refunds at once of an unconfirmed charge: none is sent before the payment is confirmed", async () => {
    const shop = await StripeMerchant.create();
    const payment = shop.books.pay();
    const charge = await shop.charge({ transaction_no: payment });
    let early = 0;
    shop.books.onSubmission(() => {
      if (payments(shop).length === 0) early++;
      return { effect: "succeeded" };
    });
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => shop.refund(charge, { amount: 1000, description: `Item ${i}` })),
    );
    for (const { body } of answers) await shop.seen(body, succeeded);
    expect(early).toBe(0);
    expect(shop.books.moved(payment)).toBe(10_000);
  });
});

describe("a payment at a channel belongs to one charge, across apps", () => {
  it("E28: another app's charge with the same serial number is refused, unsent, and the owner is not named", async () => {
    const owner = await StripeMerchant.create();
    const payment = owner.books.pay();
    const charge = await owner.charge({ transaction_no: payment });
    expect((await owner.refund(charge, { amount: 6000 })).body.status).toBe("succeeded");
    const stranger = await StripeMerchant.create({}, owner.books);
    const theirs = await stranger.charge({ transaction_no: payment });
    const { status, text, body: refund } = await stranger.refund(theirs, { amount: 6000 });
    expect(status).toBe(200);
    expect(refund).toMatchObject({
      status: "failed",
      failure_code: "refund_refused",
      extra: { channel_code: "transaction_no_used" },
    });
    expect(text).not.toContain(owner.app.id);
    expect(text).not.toContain(charge.id);
    expect(owner.books.moved(payment)).toBe(6000);
    expect((await stranger.stored(refund)).attempts).toBe(0);
    // The owner's next refund is as good as before.
    expect((await owner.refund(charge, { amount: 4000 })).body.status).toBe("succeeded");
  });

  it("of ten apps that refund the same payment at once one does", async () => {
    const first = await StripeMerchant.create();
    const payment = first.books.pay();
    const shops = [first];
    while (shops.length < 10) shops.push(await StripeMerchant.create({}, first.books));
    const charges = await Promise.all(shops.map((shop) => shop.charge({ transaction_no: payment })));
    const answers = await Promise.all(
      shops.map((shop, i) => shop.refund(charges[i] as ChargeObject, { amount: 10_000 })),
    );
    const outcomes = answers.map(({ body }) => body.extra.channel_code ?? body.status).sort();
    expect(outcomes).toEqual(["succeeded", ...Array(9).fill("transaction_no_used")]);
    expect(first.books.moved(payment)).toBe(10_000);
  });

  it("while D1 cannot say whose payment it is, the refund waits, unsent", async () => {
    const shop = await StripeMerchant.create();
    const charge = await shop.charge();
    const D1 = Object.getPrototypeOf(env.DB);
    const down = vi.spyOn(D1, "batch").mockRejectedValue(new Error("D1_ERROR: D1 is down"));
    const { body: refund } = await shop.refund(charge);
    expect(refund.status).toBe("pending");
    expect(await shop.stored(refund)).toMatchObject({ state: "waiting", attempts: 0 });
    expect(shop.books.submissions).toEqual([]);
    down.mockRestore();
    await shop.rewrite(refund, DUE);
    await shop.seen(refund, succeeded);
    await eventually(async () => (await shop.stored(refund)).syncDueAt === null);
  });

  it("a serial number that came after the payment was confirmed is claimed as well", async () => {
    const owner = await StripeMerchant.create();
    const payment = owner.books.pay();
    const charge = await owner.charge({ transaction_no: payment });
    await owner.refund(charge, { amount: 1 });
    const stranger = await StripeMerchant.create({ verify_payments: false }, owner.books);
    const theirs = await stranger.app.charge({ channel: "stripe", currency: "usd" }, stranger.sent);
    // Without a serial number Stripe cannot be asked for anything.
    expect((await stranger.refund(theirs, { amount: 1 })).body).toMatchObject({
      status: "failed",
      extra: { channel_code: "transaction_no_invalid" },
    });
    expect((await correct(stranger, theirs, payment)).status).toBe(200);
    const { body: refund } = await stranger.refund(theirs, {
      amount: 9999,
      description: "Now with a number",
    });
    expect(refund).toMatchObject({ status: "failed", extra: { channel_code: "transaction_no_used" } });
    expect(owner.books.moved(payment)).toBe(1);
  });
});
