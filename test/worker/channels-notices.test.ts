import { describe, expect, it } from "vitest";
import { storedRows } from "../books.ts";
import { eventually } from "../harness.ts";
import { stripeInTheTest } from "./stripe-books.ts";
import { StripeMerchant } from "./stripe-merchant.ts";

stripeInTheTest();

/** A refund that Stripe has accepted and not ended. */
async function accepted(amount = 4000) {
  const shop = await StripeMerchant.create();
  shop.books.onSubmission(() => ({ effect: "pending" }));
  const charge = await shop.charge();
  const { body: refund } = await shop.refund(charge, { amount });
  expect(refund.status).toBe("pending");
  return { shop, charge, refund };
}

describe("notices from a channel", () => {
  it("E17: a success is booked once, however often it is told", async () => {
    const { shop, charge, refund } = await accepted();
    shop.books.set(refund, "succeeded");
    const asked = shop.books.questions.length;
    for (let i = 0; i < 3; i++) expect((await shop.notify(refund)).status).toBe(200);
    expect(await shop.retrieve(refund)).toMatchObject({ status: "succeeded", succeed: true });
    expect(await shop.retrieveCharge(charge)).toMatchObject({ amount_refunded: 4000 });
    expect(await shop.events(refund, 2)).toEqual(["refund.created", "refund.succeeded"]);
    expect(shop.books.questions).toHaveLength(asked);
    expect(await shop.orphans()).toEqual([]);
  });

  it("E17: ten copies of a notice at once make one event", async () => {
    const { shop, refund } = await accepted();
    shop.books.set(refund, "succeeded");
    const body = shop.about(refund);
    const answers = await Promise.all(Array.from({ length: 10 }, () => shop.tell(body)));
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
    expect(await shop.events(refund, 2)).toEqual(["refund.created", "refund.succeeded"]);
  });

  it("E18: a notice that comes before our own answer ends the refund, and the answer changes nothing", async () => {
    const shop = await StripeMerchant.create();
    const { promise: called, resolve: onCall } = Promise.withResolvers<void>();
    const { promise: answered, resolve: letAnswer } = Promise.withResolvers<void>();
    shop.books.onSubmission(() => {
      onCall();
      return { effect: "succeeded", after: answered };
    });
    const charge = await shop.charge();
    const making = shop.refund(charge, { amount: 4000 });
    await called;
    await eventually(async () => shop.books.refunds.length === 1);
    const id = shop.books.refunds[0]?.metadata.refund_id ?? "";
    expect((await shop.notify({ id }, "refund.created")).status).toBe(200);
    // Whoever made it is told at once.
    const { body: refund } = await making;
    expect(refund).toMatchObject({ status: "succeeded", id, transaction_no: shop.books.refunds[0]?.id });
    const { version } = await shop.stored(refund);
    letAnswer();
    await eventually(async () => (await shop.stored(refund)).syncDueAt === null);
    expect((await shop.stored(refund)).version).toBe(version);
    expect(await shop.events(refund, 2)).toEqual(["refund.created", "refund.succeeded"]);
    expect(shop.books.of(refund)).toHaveLength(1);
  });

  it("E19: what Stripe calls the refund may be known from the notice alone", async () => {
    const shop = await StripeMerchant.create();
    shop.books.onSubmission(() => ({ effect: "pending", says: "reset" }));
    shop.books.onQuestion((path) => (path === "/v1/refunds" ? "reset" : null));
    const { body: refund } = await shop.refund(await shop.charge());
    expect(refund).toMatchObject({ status: "pending", transaction_no: null });
    expect((await shop.notify(refund, "refund.created")).status).toBe(200);
    expect((await shop.retrieve(refund)).transaction_no).toBe(shop.books.of(refund)[0]?.id);
  });

  it("E15: news that is older than an outcome changes nothing and makes no event", async () => {
    const { shop, refund } = await accepted();
    const before = shop.about(refund);
    shop.books.set(refund, "succeeded");
    await shop.notify(refund);
    const { version } = await shop.stored(refund);
    expect((await shop.tell(before)).status).toBe(200);
    expect(await shop.retrieve(refund)).toMatchObject({ status: "succeeded" });
    expect((await shop.stored(refund)).version).toBe(version);
    expect(await shop.events(refund, 2)).toHaveLength(2);
  });

  it("E13: a failure after success is asked about first, then gives the money back, and all of it can be refunded again", async () => {
    const shop = await StripeMerchant.create();
    const charge = await shop.charge();
    const { body: refund } = await shop.refund(charge);
    expect(refund.status).toBe("succeeded");
    const asked = shop.books.questions.length;
    // A notice alone is not believed.
    const lie = shop.about(refund, { status: "failed" }, "refund.failed");
    expect((await shop.tell(lie)).status).toBe(200);
    await eventually(async () => (await shop.stored(refund)).contradictedAt === null);
    expect(shop.books.questions.length).toBe(asked + 1);
    expect(await shop.retrieve(refund)).toMatchObject({ status: "succeeded" });
    shop.books.set(refund, "failed");
    expect((await shop.notify(refund, "refund.failed")).status).toBe(200);
    const failed = await shop.seen(refund, ({ status }) => status === "failed");
    expect(failed).toMatchObject({ succeed: false, time_succeed: null, failure_code: "refund_refused_msg" });
    expect(await shop.retrieveCharge(charge)).toMatchObject({
      amount_refunded: 0,
      amount_refundable: 10_000,
    });
    expect(await shop.events(refund, 3)).toEqual(["refund.created", "refund.succeeded", "refund.failed"]);
    const again = await shop.refund(charge, { description: "Once more" });
    expect(again.body).toMatchObject({ status: "succeeded", amount: 10_000 });
  });

  it("E14c: a success that comes when the money has gone elsewhere freezes the charge", async () => {
    const shop = await StripeMerchant.create();
    const charge = await shop.charge();
    shop.books.onSubmission(() => ({ effect: "failed" }));
    const { body: first } = await shop.refund(charge);
    expect(first.status).toBe("failed");
    shop.books.onSubmission(() => ({ effect: "succeeded" }));
    const { body: second } = await shop.refund(charge, { description: "Elsewhere" });
    expect(second.status).toBe("succeeded");
    shop.books.set(first, "succeeded");
    expect((await shop.notify(first)).status).toBe(200);
    expect(await shop.seen(first, ({ attention }) => attention === "conflict")).toMatchObject({
      status: "failed",
    });
    const no = await shop.refund(charge, { amount: 1, description: "More" });
    expect(no).toMatchObject({ status: 400, body: { error: { code: "charge_frozen" } } });
    expect(await shop.events(first, 3)).toEqual(["refund.created", "refund.failed", "refund.updated"]);
  });

  it("another amount under our number asks for a person and moves nothing", async () => {
    const { shop, charge, refund } = await accepted();
    const body = shop.about(refund, { status: "succeeded", amount: 4001 });
    expect((await shop.tell(body)).status).toBe(200);
    expect(await shop.retrieve(refund)).toMatchObject({ status: "pending", attention: "amount_mismatch" });
    expect(await shop.retrieveCharge(charge)).toMatchObject({
      amount_pending_refund: 4000,
      amount_refunded: 0,
    });
    await shop.tell(body);
    expect(await shop.events(refund, 2)).toEqual(["refund.created", "refund.updated"]);
  });
});

describe("notices that are not believed", () => {
  it("E41: a wrong signature, somebody else's secret, a stale time and a body that was changed are 401 and change nothing", async () => {
    const { shop, refund } = await accepted();
    shop.books.set(refund, "succeeded");
    const body = shop.about(refund);
    const path = new URL(shop.account.notice_url ?? "").pathname;
    const post = (headers: Record<string, string>, sent = body) =>
      shop.app
        .send("POST", path, { headers: { Authorization: "", ...headers }, body: sent })
        .catch(() => null);
    const before = await storedRows();
    const statuses = [
      (await shop.tell(body, { secret: "whsec_of_somebody_else" })).status,
      (await shop.tell(body, { at: Date.now() - 400_000 })).status,
      (await shop.tell(body, { at: Date.now() + 400_000 })).status,
      (await shop.tell("not JSON")).status,
      (await post({}))?.status,
      (await post({ "Stripe-Signature": "t=1,v1=00" }))?.status,
    ];
    expect(statuses).toEqual([401, 401, 401, 401, 401, 401]);
    expect(await storedRows()).toEqual(before);
    expect((await shop.retrieve(refund)).status).toBe("pending");
  });

  it("an address with another tag, app, charge or mode does not exist, and nothing is stored", async () => {
    const { shop, refund } = await accepted();
    const other = await StripeMerchant.create({}, shop.books);
    shop.books.set(refund, "succeeded");
    const body = shop.about(refund);
    const url = shop.account.notice_url ?? "";
    const before = await storedRows();
    const wrong = [
      url.replace(/.$/, (digit) => (digit === "0" ? "1" : "0")),
      url.replace(shop.app.id, other.app.id),
      url.replace("/live/", "/test/"),
      url.replace("/live/", "/prod/"),
      url.replace("/live/", `/live/${refund.charge}/`),
      url.replace("/stripe/", "/stripe_2/"),
      url.slice(0, -1),
      url.slice(0, url.lastIndexOf("/")),
    ];
    for (const address of wrong) expect((await shop.tell(body, { url: address })).status).toBe(404);
    expect(await storedRows()).toEqual(before);
    expect((await shop.retrieve(refund)).status).toBe("pending");
  });

  it("another app's notice about our refund finds nothing of ours", async () => {
    const { shop, refund } = await accepted();
    const stranger = await StripeMerchant.create({}, shop.books);
    shop.books.set(refund, "failed");
    const { status } = await stranger.tell(shop.about(refund, {}, "refund.failed"));
    expect(status).toBe(200);
    expect(await stranger.orphans()).toHaveLength(1);
    expect((await shop.retrieve(refund)).status).toBe("pending");
  });

  it("an event of test mode is passed over", async () => {
    const { shop, refund } = await accepted();
    shop.books.set(refund, "succeeded");
    const { status } = await shop.tell(shop.about(refund).replace('"livemode":true', '"livemode":false'));
    expect(status).toBe(200);
    expect((await shop.retrieve(refund)).status).toBe("pending");
    expect(await shop.orphans()).toEqual([]);
  });

  it("a body over 64 KiB is refused", async () => {
    const shop = await StripeMerchant.create();
    expect((await shop.tell(`"${"x".repeat(70_000)}"`)).status).toBe(413);
  });
});
