import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { RefundOrder, Verdict } from "../../src/channels/channel.ts";
import { type Merchant, openMerchant } from "./channels-alipay-fixture.ts";

/** Longer than anything here stays hidden or under way. */
const SETTLING_MS = 150;
const STEPS_MAX = 200;
const DAY_MS = 86_400_000;

/** Asks as the ledger does: the same number again only once a query has not found it after the settling time. */
async function drive(merchant: Merchant, order: RefundOrder): Promise<Verdict> {
  let submittedAt = 0;
  let attempt = 0;
  let submits = true;
  for (let step = 0; step < STEPS_MAX; step++) {
    if (submits) {
      submittedAt = Date.now();
      attempt += 1;
    }
    const askedAt = Date.now();
    const verdict: Verdict = submits
      ? await merchant.refund({ ...order, attempt })
      : // One that stays named without an outcome for a day has failed.
        await merchant.query({
          ...order,
          submittedAt: step > STEPS_MAX / 4 ? askedAt - DAY_MS : submittedAt,
        });
    if (verdict.kind === "succeeded" || verdict.kind === "declined") return verdict;
    submits =
      (verdict.kind === "notSent" && submits) ||
      (verdict.kind === "notFound" && askedAt >= submittedAt + SETTLING_MS);
    if (!submits) await sleep(20);
  }
  throw new Error(`no end for ${order.number}`);
}

describe("whatever goes wrong on the way", () => {
  it.each([1, 2, 3])("every refund ends, and its money has moved once (seed %i)", async (seed) => {
    const merchant = await openMerchant({ seed, minds3Seconds: false });
    Object.assign(merchant.payment, { amount: 60_000 });
    merchant.emulator.faults.set({
      dropBefore: 0.1,
      dropAfter: 0.15,
      errorBefore: 0.1,
      errorAfter: 0.15,
      throttle: 0.1,
      hides: 0.3,
      hiddenMs: 100,
      processing: 0.3,
      processingMs: 100,
      fails: 0.2,
    });
    const orders = Array.from({ length: 60 }, () => merchant.order());
    const verdicts = await Promise.all(orders.map((order) => drive(merchant, order)));
    const { books } = merchant.emulator;
    expect(new Set(verdicts.map(({ kind }) => kind))).toEqual(new Set(["succeeded"]));
    expect(orders.map(({ number }) => books.numbers.get(number)?.effects)).toEqual(orders.map(() => 1));
    expect(books.numbers.size).toBe(60);
    expect(books.moved(merchant.payment.transactionNo)).toBe(60_000);
    expect(books.violations).toEqual([]);
    // Something did go wrong.
    expect(merchant.emulator.requests.length).toBeGreaterThan(90);
  });
});
