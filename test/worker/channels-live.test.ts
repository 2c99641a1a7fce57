import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { type ErrorObject, eventually } from "../harness.ts";
import { failure, stripeInTheTest } from "./stripe-books.ts";
import { StripeMerchant } from "./stripe-merchant.ts";

stripeInTheTest();

const succeeded = ({ status }: RefundObject) => status === "succeeded";
const budgets = { CHANNEL_CALLS: env.CHANNEL_CALLS, CHANNEL_RETRIES: env.CHANNEL_RETRIES };

afterEach(() => {
  Object.assign(env, budgets);
});

/** Due now, whatever the schedule said. */
const DUE = { dueAt: 1, leaseUntil: null };

describe("a live refund", () => {
  it("goes out once, under the account's key and the refund's own number, and is booked as Stripe answers", async () => {
    const shop = await StripeMerchant.create();
    const payment = shop.books.pay();
    const charge = await shop.charge({ transaction_no: payment });
    const { status, body: refund } = await shop.refund(charge, { amount: 4000 });
    expect(status).toBe(200);
    const [booked] = shop.books.of(refund);
    expect(refund).toMatchObject({
      status: "succeeded",
      succeed: true,
      transaction_no: booked?.id,
      amount: 4000,
    });
    expect(shop.books.submissions).toEqual([
      {
        key: refund.id,
        bearer: shop.credentials.secret_key,
        payment,
        amount: 4000,
        number: refund.order_no,
      },
    ]);
    expect(booked?.metadata).toMatchObject({ refund_id: refund.id, charge_id: charge.id });
    expect(await shop.events(refund, 2)).toEqual(["refund.created", "refund.succeeded"]);
    expect((await shop.stored(refund)).account).toEqual({ id: shop.account.id, revision: 1 });
  });

  it("E1: of ten live refunds of 3000 at once three fit, and that much moves at Stripe", async () => {
    const shop = await StripeMerchant.create();
    const payment = shop.books.pay();
    const charge = await shop.charge({ transaction_no: payment });
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        shop.refund<RefundObject & ErrorObject>(charge, { amount: 3000, description: `Item ${i}` }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, ...Array(7).fill(400)]);
    for (const { body } of answers.filter(({ status }) => status === 200)) await shop.seen(body, succeeded);
    expect(shop.books.moved(payment)).toBe(9000);
    expect(await shop.retrieveCharge(charge)).toMatchObject({
      amount_refunded: 9000,
      amount_refundable: 1000,
    });
  });

  it("E31: a balance too small fails the refund with the channel's code; after a top-up a new one works", async () => {
    const shop = await StripeMerchant.create();
    const charge = await shop.charge();
    shop.books.onSubmission(() => ({ effect: "none", says: { status: 400, code: "balance_insufficient" } }));
    const { status, body: refund } = await shop.refund(charge);
    expect(status).toBe(200);
    expect(refund).toMatchObject({
      status: "failed",
      failure_code: "refund_refused_msg",
      extra: { channel_code: "balance_insufficient" },
    });
    shop.books.onSubmission(() => ({ effect: "succeeded" }));
    const again = await shop.refund(charge, { description: "After the top-up" });
    expect(again.body).toMatchObject({ status: "succeeded", amount: 10_000 });
    expect(again.body.order_no).not.toBe(refund.order_no);
  });

  it("E4: a connection that breaks after the effect leaves it pending; Stripe's list tells of it: one effect", async () => {
    const shop = await StripeMerchant.create();
    const charge = await shop.charge();
    shop.books.onSubmission(() => ({ effect: "succeeded", says: "reset" }));
    const { body: refund } = await shop.refund(charge);
    expect(refund).toMatchObject({ status: "pending", succeed: false });
    await shop.seen(refund, succeeded);
    expect(shop.books.submissions).toHaveLength(1);
    expect(shop.books.of(refund)).toHaveLength(1);
  });

  it("E30: a charge refunded in Stripe's dashboard: the refund of that amount is taken for ours", async () => {
    const shop = await StripeMerchant.create();
    const payment = shop.books.pay();
    const charge = await shop.charge({ transaction_no: payment });
    const elsewhere = shop.books.refundElsewhere(payment, 10_000);
    shop.books.onSubmission(() => ({
      effect: "none",
      says: { status: 400, code: "charge_already_refunded" },
    }));
    const { body: refund } = await shop.refund(charge);
    expect(refund).toMatchObject({ status: "succeeded", transaction_no: elsewhere.id });
    expect(shop.books.of(refund)).toEqual([elsewhere]);
  });

  it("E30: one that nobody can match stays pending and asks for a person, never a plain failure", async () => {
    const shop = await StripeMerchant.create();
    const payment = shop.books.pay();
    const charge = await shop.charge({ transaction_no: payment });
    shop.books.refundElsewhere(payment, 4000);
    shop.books.refundElsewhere(payment, 6000);
    shop.books.onSubmission(() => ({
      effect: "none",
      says: { status: 400, code: "charge_already_refunded" },
    }));
    const { body: refund } = await shop.refund(charge);
    expect(refund).toMatchObject({ status: "pending", attention: "already_refunded" });
    expect(await shop.retrieveCharge(charge)).toMatchObject({ amount_pending_refund: 10_000 });
  });

  it("E27: a charge that has not been paid is refused, and Stripe hears nothing", async () => {
    const shop = await StripeMerchant.create();
    const charge = await shop.charge({ paid: false });
    const no = await shop.refund<ErrorObject>(charge);
    expect(no).toMatchObject({ status: 400, body: { error: { code: "charge_not_paid" } } });
    expect([...shop.books.questions, ...shop.books.submissions]).toEqual([]);
    expect(await shop.retrieveCharge(charge)).toMatchObject({ refunded: false, refunds: { data: [] } });
  });

  it("a channel without an account answers 402 and stores nothing", async () => {
    const shop = await StripeMerchant.create();
    const charge = await shop.charge({ channel: "manual" });
    const { status, body } = await shop.refund<ErrorObject>(charge);
    expect(status).toBe(402);
    expect(body.error).toMatchObject({ type: "channel_error", code: "channel_not_configured" });
    expect((await shop.retrieveCharge(charge)).refunds.data).toEqual([]);
  });
});

describe("the budget of calls", () => {
  const spent = { limit: async () => ({ success: false }) };

  it("E38: without room for a call a refund waits, nothing is sent, and no attempt is counted", async () => {
    const shop = await StripeMerchant.create();
    const charge = await shop.charge();
    env.CHANNEL_CALLS = spent;
    const { body: refund } = await shop.refund(charge);
    expect(refund).toMatchObject({ status: "pending" });
    expect(refund.attention).toBeUndefined();
    expect(shop.books.submissions).toEqual([]);
    expect(shop.books.questions).toEqual([]);
    expect(await shop.stored(refund)).toMatchObject({ state: "waiting", attempts: 0, account: null });
    env.CHANNEL_CALLS = undefined;
    await shop.seen(refund, succeeded);
    expect(shop.books.submissions).toHaveLength(1);
    expect((await shop.stored(refund)).attempts).toBe(1);
  });

  it("E38: each account has its own budget, and repeated questions another", async () => {
    const shop = await StripeMerchant.create();
    const charge = await shop.charge();
    const asked: string[] = [];
    const counting = (name: string) => ({
      limit: async ({ key }: { key: string }) => {
        asked.push(`${name} ${key === shop.account.id ? "ours" : "another's"}`);
        return { success: true };
      },
    });
    env.CHANNEL_CALLS = counting("calls");
    env.CHANNEL_RETRIES = counting("retries");
    shop.books.onSubmission(() => ({ effect: "succeeded", says: "reset" }));
    const { body: refund } = await shop.refund(charge);
    await shop.seen(refund, succeeded);
    expect(asked).toEqual(["calls ours", "retries ours"]);
  });

  it("a budget that cannot be asked holds nothing up", async () => {
    const shop = await StripeMerchant.create();
    env.CHANNEL_CALLS = { limit: () => Promise.reject(new Error("the limiter is away")) };
    expect((await shop.refund(await shop.charge())).body.status).toBe("succeeded");
  });

  it("E38: 429 keeps a refund pending under its number and counts as no attempt", async () => {
    const shop = await StripeMerchant.create();
    shop.books.onSubmission((_, attempt) =>
      attempt === 1 ? { effect: "none", says: { status: 429, code: "rate_limit" } } : { effect: "succeeded" },
    );
    const { body: refund } = await shop.refund(await shop.charge());
    expect(refund.status).toBe("pending");
    expect(await shop.stored(refund)).toMatchObject({ state: "waiting", attempts: 0 });
    await shop.rewrite(refund, DUE);
    await shop.seen(refund, succeeded);
    expect(shop.books.submissions.map(({ number }) => number)).toEqual([refund.order_no, refund.order_no]);
  });
});

describe("credentials that are rotated", () => {
  /** A refund that Stripe made without our hearing of it, before the account got new keys. */
  async function sentByOldKeys() {
    const shop = await StripeMerchant.create();
    const { secret_key: old } = shop.credentials;
    shop.books.onSubmission(() => ({ effect: "succeeded", says: "reset" }));
    shop.books.onQuestion((path) => (path === "/v1/refunds" ? "reset" : null));
    const { body: refund } = await shop.refund(await shop.charge());
    expect(refund.status).toBe("pending");
    await shop.rotate();
    shop.books.onSubmission(() => ({ effect: "succeeded" }));
    return { shop, refund, old };
  }

  it("a refund whose outcome is unknown is asked about with the account's newest keys, and keeps the revision that sent it", async () => {
    const { shop, refund, old } = await sentByOldKeys();
    const { body: other } = await shop.refund(await shop.charge(), { amount: 1 });
    expect(shop.books.submissions.map(({ bearer }) => bearer)).toEqual([old, shop.credentials.secret_key]);
    shop.books.onQuestion((_, bearer) => (bearer === old ? failure(401, "api_key_expired") : null));
    await shop.rewrite(refund, DUE);
    await shop.seen(refund, succeeded);
    expect(shop.books.of(refund)).toHaveLength(1);
    expect((await shop.stored(refund)).account?.revision).toBe(1);
    expect((await shop.stored(other)).account?.revision).toBe(2);
  });

  it.each([
    ["settled, when nothing found means: send it again", 60_000],
    ["a day old, when nothing found means: it was never made", 25 * 3_600_000],
  ])(
    "newer keys that do not see a refund prove nothing, those that sent it are asked: %s",
    async (_, ageMs) => {
      const { shop, refund, old } = await sentByOldKeys();
      shop.books.onQuestion((_, bearer) => (bearer === old ? null : failure(404, "resource_missing")));
      const past = Date.now() - ageMs;
      await shop.rewrite(refund, { ...DUE, firstSubmittedAt: past, lastSubmittedAt: past });
      await shop.seen(refund, succeeded);
      expect(shop.books.submissions.filter(({ key }) => key === refund.id)).toHaveLength(1);
      expect(await shop.events(refund, 2)).toEqual(["refund.created", "refund.succeeded"]);
    },
  );

  it("a refund of a retired account is still asked about, and a new one finds no account", async () => {
    const shop = await StripeMerchant.create();
    shop.books.onSubmission(() => ({ effect: "pending" }));
    const charge = await shop.charge();
    const { body: refund } = await shop.refund(charge, { amount: 100 });
    const path = `/v1/channel_accounts/${shop.account.id}`;
    await shop.app.send("DELETE", path, { live: true, body: {} });
    const [booked] = shop.books.of(refund);
    if (booked !== undefined) booked.status = "succeeded";
    expect((await shop.act(refund, "sync")).body).toMatchObject({ status: "succeeded" });
    await shop.useAnotherKey();
    const no = await shop.refund<ErrorObject>(charge, { amount: 100, description: "Another" });
    expect(no).toMatchObject({ status: 402, body: { error: { code: "channel_not_configured" } } });
  });

  it("a key that Stripe refuses sends nothing and asks for a person; the next attempt takes the current revision", async () => {
    const shop = await StripeMerchant.create();
    shop.books.onSubmission(() => ({ effect: "none", says: { status: 401, code: "api_key_expired" } }));
    const { body: refund } = await shop.refund(await shop.charge());
    expect(refund).toMatchObject({ status: "pending", attention: "configuration" });
    expect(await shop.stored(refund)).toMatchObject({ state: "waiting", attempts: 0, account: null });
    await shop.rotate();
    shop.books.onSubmission(() => ({ effect: "succeeded" }));
    await shop.rewrite(refund, DUE);
    const done = await shop.seen(refund, succeeded);
    expect(done.attention).toBeUndefined();
    expect(shop.books.submissions.at(-1)?.bearer).toBe(shop.credentials.secret_key);
    expect((await shop.stored(refund)).account?.revision).toBe(2);
  });

  it("while D1 cannot tell the account, a refund that waits for it stays unsent", async () => {
    const shop = await StripeMerchant.create();
    const charge = await shop.charge();
    env.CHANNEL_CALLS = { limit: async () => ({ success: false }) };
    const { body: refund } = await shop.refund(charge);
    env.CHANNEL_CALLS = undefined;
    await eventually(async () => (await shop.stored(refund)).syncDueAt === null);
    const down = vi.spyOn(Object.getPrototypeOf(env.DB), "prepare").mockImplementation(() => {
      throw new Error("D1_ERROR: D1 is down");
    });
    await shop.rewrite(refund, DUE);
    await eventually(async () => (await shop.stored(refund)).dueAt !== 1);
    expect(await shop.stored(refund)).toMatchObject({ state: "waiting", attempts: 0 });
    down.mockRestore();
    await shop.rewrite(refund, DUE);
    await shop.seen(refund, succeeded);
    expect(shop.books.submissions).toHaveLength(1);
  });
});
