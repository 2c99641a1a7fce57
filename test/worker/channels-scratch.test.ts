import { describe, expect, it } from "vitest";
import { eventually } from "../harness.ts";
import { failure, stripeInTheTest } from "./stripe-books.ts";
import { StripeMerchant } from "./stripe-merchant.ts";

stripeInTheTest();
const DUE = { dueAt: 1, leaseUntil: null };

describe("scratch", () => {
  it("8: lost submission, never arrived, old key revoked", async () => {
    const shop = await StripeMerchant.create();
    const { secret_key: old } = shop.credentials;
    shop.books.onSubmission(() => ({ effect: "none", says: "reset" }));
    const { body: refund } = await shop.refund(await shop.charge());
    expect(refund.status).toBe("pending");
    await shop.rotate();
    shop.books.onSubmission(({ bearer }) => bearer === old ? ({ effect: "none", says: { status: 401, code: "api_key_expired" } }) : ({ effect: "succeeded" }));
    shop.books.onQuestion((_, bearer) => (bearer === old ? failure(401, "api_key_expired") : null));
    for (let i = 0; i < 4; i++) {
      await shop.rewrite(refund, { ...DUE, lastSubmittedAt: Date.now() - 60_000, firstSubmittedAt: Date.now() - 60_000 });
      await eventually(async () => (await shop.stored(refund)).dueAt !== 1);
      await scheduler.wait(100);
      const { state, dueAt, attention, inDoubt } = await shop.stored(refund);
      console.log("DBG8", state, attention, inDoubt, dueAt && dueAt - Date.now(), shop.books.submissions.length);
    }
    expect((await shop.retrieve(refund)).status).toBe("succeeded");
  });

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
      await shop.rewrite(refund, { ...DUE, lastSubmittedAt: past, firstSubmittedAt: past });
      await eventually(async () => (await shop.stored(refund)).dueAt !== 1);
      await scheduler.wait(100);
    }
    const now = await shop.retrieve(refund);
    console.log("DBG9", now.status, now.failure_code, now.extra, shop.books.of(refund).map(({status}) => status));
    expect(now.status).not.toBe("failed");
  });
});
