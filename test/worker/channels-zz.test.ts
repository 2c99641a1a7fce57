import { expect, it } from "vitest";
import { eventually } from "../harness.ts";
import { failure, stripeInTheTest } from "./stripe-books.ts";
import { StripeMerchant } from "./stripe-merchant.ts";

stripeInTheTest();
it("9: paid, unknown for a day, rotated to another Stripe merchant", async () => {
  const shop = await StripeMerchant.create();
  const { secret_key: old } = shop.credentials;
  shop.books.onSubmission(() => ({ effect: "succeeded", says: "reset" }));
  shop.books.onQuestion((path) => (path === "/v1/refunds" ? "reset" : null));
  const { body: refund } = await shop.refund(await shop.charge());
  await shop.rotate();
  shop.books.onQuestion((_, bearer) => (bearer === old ? null : failure(404, "resource_missing")));
  const past = Date.now() - 25 * 3_600_000;
  for (let i = 0; i < 3; i++) {
    await shop.rewrite(refund, { dueAt: 1, leaseUntil: null, lastSubmittedAt: past, firstSubmittedAt: past });
    await eventually(async () => (await shop.stored(refund)).dueAt !== 1);
    await scheduler.wait(100);
    const now = await shop.retrieve(refund);
    console.log("DBG9", now.status, now.failure_code, JSON.stringify(now.extra), shop.books.of(refund).map(({ status }) => status).join());
    if (now.status !== "pending") break;
  }
  expect(1).toBe(1);
});
