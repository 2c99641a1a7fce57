// A ledger lost its memory, all of it or the newest part: D1 knows better, and what it knows is taken over. In live mode
// the charge takes no refunds until an operator has looked.
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { Refund } from "../../src/refunds/refund.ts";
import { type ErrorObject, eventually } from "../harness.ts";
import { stripeInTheTest } from "../worker/stripe-books.ts";
import { StripeMerchant } from "../worker/stripe-merchant.ts";
import { ledgerState, loseLedger, rollBackLedger } from "./memory.ts";
import { alertsOf, endOutages, ledgers } from "./outage.ts";
import { Shop, shopsOfThisFile, sweepNow } from "./shop.ts";

shopsOfThisFile();
stripeInTheTest();

/** A live shop at Stripe, whose receiver hears of everything. */
async function liveShop() {
  const merchant = await StripeMerchant.create();
  const shop = await Shop.open({ app: merchant.app, live: true });
  const moved = (refund: Refund) =>
    merchant.books
      .of(refund)
      .filter(({ status }) => status === "succeeded")
      .reduce((sum, { amount }) => sum + amount, 0);
  return { merchant, shop, coherent: { livemode: true, moved } };
}

describe("a ledger that was lost in test mode", () => {
  it("goes on from what D1 knows: nothing is refunded twice, what was open is asked about and ends", async () => {
    const shop = await Shop.open();
    const { app, books } = shop;
    const charge = await app.charge();
    const { body: done } = await app.refund(charge, { amount: 6000, refund_no: "A" });
    books.onSubmission(() => ({ effect: "processing" }));
    const { body: open } = await app.refund(charge, { amount: 1000, description: "Open" });
    books.onSubmission(() => ({ effect: "succeeded" }));
    await shop.expectCoherent(charge);
    await loseLedger(app.ledger(charge));

    // Reads bring nothing back, and are right.
    expect(await app.retrieveRefund(done)).toEqual(done);
    expect(await app.retrieveCharge(charge)).toMatchObject({
      amount_refunded: 6000,
      amount_refundable: 3000,
    });

    const again = await app.refund(charge, { amount: 6000, refund_no: "A" });
    expect(again.body).toEqual(done);
    expect(again.headers.get("Idempotent-Replayed")).toBe("true");
    const tooMuch = await app.refund<ErrorObject>(charge, { amount: 3001, description: "Too much" });
    expect(tooMuch.body.error).toMatchObject({ code: "refund_amount_exceeded" });
    expect((await app.refund(charge, { amount: 3000, description: "The rest" })).body.status).toBe(
      "succeeded",
    );
    for (const entry of books.known.values()) entry.effect = "succeeded";
    await eventually(async () => (await app.retrieveRefund(open)).status === "succeeded");
    await shop.expectCoherent(charge);
    expect(alertsOf("ledger_lost")).toMatchObject([{ charge: charge.id, livemode: false }]);
    expect(books.submissions).toHaveLength(3);
  });
});

describe("a ledger that was lost in live mode", () => {
  it("takes no refunds until an operator looks; reads work, what was open ends, promises stay open", async () => {
    const { merchant, shop, coherent } = await liveShop();
    const charge = await merchant.charge();
    const { body: done } = await merchant.refund(charge, { amount: 6000 });
    merchant.books.onSubmission(() => ({ effect: "pending" }));
    const { body: open } = await merchant.refund(charge, { amount: 1000, description: "Open" });
    await shop.expectCoherent(charge, coherent);
    ledgers("throws");
    const { body: promised } = await merchant.refund(charge, { amount: 500, description: "Promised" });
    expect(promised.status).toBe("pending");
    endOutages();
    await loseLedger(merchant.app.ledger(charge, true));

    expect(await merchant.retrieve(done)).toEqual(done);
    const no = await merchant.refund<ErrorObject>(charge, { amount: 100, description: "Not now" });
    expect(no).toMatchObject({ status: 503, body: { error: { type: "api_error", code: "charge_frozen" } } });
    expect(Number(no.headers.get("Retry-After"))).toBeGreaterThan(0);
    expect(alertsOf("ledger_lost")).toMatchObject([{ charge: charge.id, livemode: true }]);
    await sweepNow(Date.now() + 60_000);
    expect((await merchant.retrieve(promised)).status).toBe("pending");
    expect(await merchant.retrieveCharge(charge)).toMatchObject({
      amount_refunded: 6000,
      amount_pending_refund: 1000,
    });
    merchant.books.set(open, "succeeded");
    await merchant.seen(open, ({ status }) => status === "succeeded");
    await shop.expectCoherent(charge, coherent);
    // It stays so, also for the client who knows nothing of it and tries again.
    const still = await merchant.refund<ErrorObject>(charge, { amount: 100, description: "Not now" });
    expect(still.body.error.code).toBe("charge_frozen");
    expect(merchant.books.submissions).toHaveLength(2);
  });
});

describe("a ledger that was rolled back", () => {
  it("in test mode notices when it next tells D1, and takes over what it has forgotten", async () => {
    const shop = await Shop.open();
    const { app, books } = shop;
    const charge = await app.charge();
    await app.refund(charge, { amount: 1000 });
    await shop.expectCoherent(charge);
    const then = await ledgerState(app.ledger(charge));
    const { body: forgotten } = await app.refund(charge, { amount: 2000, description: "Forgotten" });
    await shop.expectCoherent(charge);
    await rollBackLedger(app.ledger(charge), then);

    await app.refund(charge, { amount: 3000, description: "After it" });
    await eventually(async () => (await app.retrieveCharge(charge)).amount_refunded === 6000);
    expect(await app.retrieveRefund(forgotten)).toEqual(forgotten);
    await shop.expectCoherent(charge);
    expect(alertsOf("ledger_behind")).toMatchObject([{ charge: charge.id, livemode: false }]);
    const tooMuch = await app.refund<ErrorObject>(charge, { amount: 4001, description: "Too much" });
    expect(tooMuch.body.error).toMatchObject({ code: "refund_amount_exceeded" });
    expect(books.submissions).toHaveLength(3);
  });

  it("makes a forgotten refund that comes again with its key once: the channel knows its number", async () => {
    const shop = await Shop.open();
    const { app, books } = shop;
    const charge = await app.charge();
    await shop.expectCoherent(charge);
    const then = await ledgerState(app.ledger(charge));
    const { body: first } = await app.refund(charge, { amount: 7000, refund_no: "A" });
    await shop.expectCoherent(charge);
    await rollBackLedger(app.ledger(charge), then);
    const { body: again } = await app.refund(charge, { amount: 7000, refund_no: "A" });
    expect(again).toMatchObject({ id: first.id, status: "succeeded" });
    const tooMuch = await app.refund<ErrorObject>(charge, { amount: 3001, description: "Too much" });
    expect(tooMuch.body.error).toMatchObject({ code: "refund_amount_exceeded" });
    expect(books.moved(charge.id)).toBe(7000);
    await app.refund(charge, { amount: 1, description: "One more" });
    await eventually(async () => {
      const rows = await env.DB.prepare("SELECT count(*) AS n FROM refunds WHERE charge = ?")
        .bind(charge.id)
        .first("n");
      return rows === 2;
    });
  });

  it("in live mode is frozen with what D1 knew, and no money moves twice", async () => {
    const { merchant, shop, coherent } = await liveShop();
    const charge = await merchant.charge();
    await merchant.refund(charge, { amount: 1000 });
    await shop.expectCoherent(charge, coherent);
    const then = await ledgerState(merchant.app.ledger(charge, true));
    const { body: forgotten } = await merchant.refund(charge, { amount: 2000, description: "Forgotten" });
    await shop.expectCoherent(charge, coherent);
    await rollBackLedger(merchant.app.ledger(charge, true), then);

    await merchant.refund(charge, { amount: 3000, description: "After it" });
    await eventually(async () => (await merchant.retrieveCharge(charge)).amount_refunded === 6000);
    expect(await merchant.retrieve(forgotten)).toEqual(forgotten);
    const no = await merchant.refund<ErrorObject>(charge, { amount: 1, description: "Not now" });
    expect(no).toMatchObject({ status: 503, body: { error: { code: "charge_frozen" } } });
    await shop.expectCoherent(charge, coherent);
    expect(alertsOf("ledger_behind")).toMatchObject([{ charge: charge.id, livemode: true }]);
    expect(merchant.books.submissions).toHaveLength(3);
  });
});
