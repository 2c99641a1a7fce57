// Daily limits while what stands under them fails: refunds go on, and not one too many is made.
import { describe, expect, it } from "vitest";
import { type ErrorObject, eventually, TestApp } from "../harness.ts";
import { d1, endOutages, ledgers } from "./outage.ts";
import { Shop, shopsOfThisFile, sweepNow } from "./shop.ts";

shopsOfThisFile();

describe("an app with a limit of five refunds a day", () => {
  it("makes its five while D1 is down, is asked to come back for a sixth, and refused it once D1 is back", async () => {
    const app = await TestApp.create({ settings: { daily_refunds_max: 5 } });
    const shop = await Shop.open({ app });
    const charge = await app.charge();
    expect((await app.refund(charge, { amount: 1, description: "First" })).status).toBe(200);
    d1("throws");
    for (const amount of [2, 3, 4, 5]) {
      const { status } = await app.refund(charge, { amount, description: String(amount) });
      expect([amount, status]).toEqual([amount, 200]);
    }
    const sixth = await app.refund<ErrorObject>(charge, { amount: 6 });
    expect([sixth.status, sixth.headers.get("Retry-After")]).toEqual([503, "5"]);
    endOutages();
    await eventually(async () => (await app.refund(charge, { amount: 6 })).status === 400);
    await shop.expectCoherent(charge, { cron: true });
    expect((await shop.book(charge)).refunds.length).toBe(5);
  });

  it("counts a refund that was promised while its ledger was away, before and after it is made", async () => {
    const app = await TestApp.create({ settings: { daily_refunds_max: 1, daily_amount_max: { cny: 1000 } } });
    const shop = await Shop.open({ app });
    const [charge, other] = [await app.charge(), await app.charge()];
    ledgers("throws");
    const promised = await app.refund(charge, { amount: 1000 });
    expect([promised.status, promised.body.status]).toEqual([200, "pending"]);
    endOutages();
    const refused = async () => {
      const { body } = await app.refund<ErrorObject>(other, { amount: 1 });
      expect(body.error?.code).toBe("daily_limit_exceeded");
    };
    await refused();
    await eventually(async () => {
      await sweepNow();
      return (await app.retrieveRefund(promised.body)).status === "succeeded";
    });
    await shop.expectCoherent(charge, { cron: true });
    await refused();
  });
});
