// D1 was put back to an earlier state, or a replica of it is behind: the ledgers are ahead of it, stay there, and tell it
// again what it has forgotten.
import { describe, expect, it } from "vitest";
import type { ChargeObject } from "../../src/charges/schema.ts";
import { storedRows } from "../books.ts";
import { type ErrorObject, eventually } from "../harness.ts";
import { restoreD1 } from "./memory.ts";
import { ago } from "./outage.ts";
import { Shop, shopsOfThisFile, sweepNow } from "./shop.ts";

shopsOfThisFile();

describe("D1 put back to the past", () => {
  it("costs no refund and no limit: ledgers go on where they are, and their next word brings everything back", async () => {
    const shop = await Shop.open();
    const { app, books } = shop;
    const known = await app.charge();
    const { body: before } = await app.refund(known, { amount: 1000 });
    await shop.expectCoherent(known);
    const then = await storedRows();

    const { body: since } = await app.refund(known, { amount: 2000, refund_no: "S" });
    books.onSubmission(() => ({ effect: "declined" }));
    const { body: declined } = await app.refund(known, { amount: 500, description: "Declined" });
    books.onSubmission(() => ({ effect: "succeeded" }));
    const opened = await app.charge({ amount: 900 });
    const { body: ofOpened } = await app.refund(opened, { amount: 400 });
    const newKey = await shop.anotherKey();
    await ago(31_000, () => app.get("/v1/charges", newKey));
    for (const charge of [known, opened]) await shop.expectCoherent(charge);
    const versions = (await shop.book(known)).refunds.map(({ id, version }) => [id, version]);
    await restoreD1(then);

    // A key that was made since is gone with its row; an answer of D1 says so.
    expect((await app.get("/v1/charges", newKey)).status).toBe(401);
    // Reads of one charge are the ledger's, whatever D1 has forgotten.
    expect(await app.retrieveRefund(since)).toEqual(since);
    expect((await app.retrieveCharge(opened)).amount_refunded).toBe(400);
    const tooMuch = await app.refund<ErrorObject>(known, { amount: 7001 });
    expect(tooMuch.body.error).toMatchObject({ code: "refund_amount_exceeded" });
    expect((await app.refund(known, { amount: 2000, refund_no: "S" })).body).toEqual(since);

    const more = { description: "Since then" };
    expect((await app.refund(known, { amount: 7000, ...more })).body.status).toBe("succeeded");
    expect((await app.refund(opened, { amount: 500, ...more })).body.status).toBe("succeeded");
    await shop.expectCoherent(known, { forgotten: [since, declined] });
    await shop.expectCoherent(opened, { forgotten: [ofOpened] });
    expect((await shop.book(known)).refunds.slice(0, 3).map(({ id, version }) => [id, version])).toEqual(
      versions,
    );
    expect((await shop.book(known)).refunds[0]?.id).toBe(before.id);
    const list = await app.get<{ data: ChargeObject[] }>("/v1/charges");
    expect(list.body.data.map(({ id, amount_refunded }) => [id, amount_refunded])).toEqual([
      [opened.id, 900],
      [known.id, 10_000],
    ]);
    // What the receiver was told before is not told again as something else.
    for (const { id } of [since, declined, ofOpened]) {
      expect(shop.told.filter(({ refund }) => refund === id)).toHaveLength(2);
    }
  });

  it("shows refunds as open that have ended: the cron finds them late, and their ledger says how they ended", async () => {
    const shop = await Shop.open();
    const { app, books } = shop;
    const charge = await app.charge();
    books.onSubmission(() => ({ effect: "processing" }));
    const { body: refund } = await app.refund(charge, { amount: 1000 });
    await shop.expectCoherent(charge);
    const then = await storedRows();
    for (const entry of books.known.values()) entry.effect = "succeeded";
    await eventually(async () => (await app.retrieveRefund(refund)).status === "succeeded");
    await shop.expectCoherent(charge);
    await restoreD1(then);
    await sweepNow(Date.now() + 24 * 3_600_000);
    await shop.expectCoherent(charge, { forgotten: [refund] });
    expect(books.submissions).toHaveLength(1);
  });
});

describe("a replica of D1 that is behind", () => {
  it("takes nothing back from a ledger: neither the payment nor a refund", async () => {
    const shop = await Shop.open();
    const { app, books } = shop;
    const facts = { order_no: "replica", paid: false };
    const charge = await app.charge(facts);
    const behind = await storedRows();
    await app.post(`/v1/charges/${charge.id}`, { paid: true, transaction_no: "T-replica" });
    const { body: refund } = await app.refund(charge, { amount: 6000 });
    await shop.expectCoherent(charge);
    // Whoever reads D1 now sees a charge that nobody has paid, without refunds, and with a ledger that is yet to open.
    await restoreD1(behind);
    const repeated = await app.charge(facts);
    expect(repeated).toMatchObject({
      id: charge.id,
      paid: true,
      amount_refunded: 6000,
      amount_refundable: 4000,
    });
    expect(await app.retrieveCharge(charge)).toMatchObject({ paid: true, transaction_no: "T-replica" });
    const tooMuch = await app.refund<ErrorObject>(charge, { amount: 4001 });
    expect(tooMuch.body.error).toMatchObject({ code: "refund_amount_exceeded" });
    expect((await app.refund(charge, { amount: 4000, description: "The rest" })).body.status).toBe(
      "succeeded",
    );
    await shop.expectCoherent(charge, { forgotten: [refund] });
    expect(books.moved(charge.id)).toBe(10_000);
  });
});
