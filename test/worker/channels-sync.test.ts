import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import type { Attention } from "../../src/refunds/refund.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { type ErrorObject, eventually } from "../harness.ts";
import { failure, type Status, stripeInTheTest } from "./stripe-books.ts";
import { StripeMerchant } from "./stripe-merchant.ts";

stripeInTheTest();

const calls = env.CHANNEL_CALLS;
afterEach(() => {
  env.CHANNEL_CALLS = calls;
});

/** A refund that Stripe answered so. */
async function refunded(status: Status, amount = 4000) {
  const shop = await StripeMerchant.create();
  shop.books.onSubmission(() => ({ effect: status }));
  const charge = await shop.charge();
  const { body: refund } = await shop.refund(charge, { amount });
  const [booked] = shop.books.of(refund);
  if (booked === undefined) throw new Error("nothing at Stripe");
  return { shop, charge, refund, booked };
}

/** Nothing is left to do for a refund, here and in D1. */
const atRest = (shop: StripeMerchant, refund: RefundObject) =>
  eventually(async () => {
    const { dueAt, syncDueAt } = await shop.stored(refund);
    return dueAt === null && syncDueAt === null;
  });

describe("a forced sync", () => {
  it.each(["succeeded", "failed"] as const)("asks about a pending refund and books %s", async (status) => {
    const { shop, refund, booked } = await refunded("pending");
    booked.status = status;
    const asked = shop.books.questions.length;
    expect((await shop.act(refund, "sync")).body).toMatchObject({ id: refund.id, status });
    expect(shop.books.questions).toHaveLength(asked + 1);
    expect(await shop.events(refund, 2)).toEqual(["refund.created", `refund.${status}`]);
    await atRest(shop, refund);
  });

  it.each([
    ["succeeded", "failed"],
    ["failed", "succeeded"],
  ] as const)(
    "E16: asks about a refund that has %s, and books that it %s after all",
    async (before, after) => {
      const { shop, charge, refund, booked } = await refunded(before);
      expect(refund.status).toBe(before);
      booked.status = after;
      const { status, body } = await shop.act(refund, "sync");
      expect(status).toBe(200);
      expect(body).toMatchObject({ status: after, succeed: after === "succeeded" });
      expect(await shop.retrieveCharge(charge)).toMatchObject({
        amount_refunded: after === "succeeded" ? 4000 : 0,
        amount_pending_refund: 0,
      });
      expect(await shop.events(refund, 3)).toEqual(["refund.created", `refund.${before}`, `refund.${after}`]);
      await atRest(shop, refund);
    },
  );

  it.each(["succeeded", "failed"] as const)(
    "E16: one that has %s and stays so makes no event and leaves nothing to do",
    async (status) => {
      const { shop, refund } = await refunded(status);
      const asked = shop.books.questions.length;
      const { time_succeed, transaction_no } = await shop.retrieve(refund);
      expect((await shop.act(refund, "sync")).body).toMatchObject({ status, time_succeed, transaction_no });
      expect(shop.books.questions).toHaveLength(asked + 1);
      await atRest(shop, refund);
      expect(await shop.events(refund, 2)).toHaveLength(2);
      expect((await shop.stored(refund)).contradictedAt).toBeNull();
    },
  );

  it("E14c: a success for which nothing is left freezes the charge", async () => {
    const { shop, charge, refund, booked } = await refunded("failed", 10_000);
    shop.books.onSubmission(() => ({ effect: "succeeded" }));
    expect((await shop.refund(charge, { description: "Elsewhere" })).body.status).toBe("succeeded");
    booked.status = "succeeded";
    expect((await shop.act(refund, "sync")).body).toMatchObject({ status: "failed", attention: "conflict" });
    const no = await shop.refund<ErrorObject>(charge, { amount: 1, description: "More" });
    expect(no.body.error.code).toBe("charge_frozen");
  });

  it("of an ended refund moves nothing while the channel is silent, and leaves nothing to do", async () => {
    const { shop, refund, booked } = await refunded("succeeded");
    shop.books.onQuestion(() => "reset");
    booked.status = "failed";
    expect((await shop.act(refund, "sync")).body).toMatchObject({ status: "succeeded" });
    await atRest(shop, refund);
    shop.books.onQuestion(() => null);
    expect((await shop.act(refund, "sync")).body).toMatchObject({ status: "failed" });
    await atRest(shop, refund);
  });

  it("of an ended refund whose contradiction is not confirmed goes on asking, and moves when it is", async () => {
    const { shop, refund, booked } = await refunded("succeeded");
    booked.status = "failed";
    let questions = 0;
    shop.books.onQuestion(() => (++questions === 1 ? null : "reset"));
    expect((await shop.act(refund, "sync")).body).toMatchObject({ status: "succeeded" });
    expect((await shop.stored(refund)).contradictedAt).not.toBeNull();
    shop.books.onQuestion(() => null);
    await shop.seen(refund, ({ status }) => status === "failed");
    await atRest(shop, refund);
  });

  it("ten at once get the same outcome, one move and one event", async () => {
    const { shop, refund, booked } = await refunded("succeeded");
    booked.status = "failed";
    const answers = await Promise.all(Array.from({ length: 10 }, () => shop.act(refund, "sync")));
    expect(answers.map(({ status, body }) => [status, body.status])).toEqual(Array(10).fill([200, "failed"]));
    await atRest(shop, refund);
    expect(await shop.events(refund, 3)).toEqual(["refund.created", "refund.succeeded", "refund.failed"]);
  });

  it("ten at once while the first answer is under way send nothing twice", async () => {
    const shop = await StripeMerchant.create();
    const { promise: answered, resolve: letAnswer } = Promise.withResolvers<void>();
    shop.books.onSubmission(() => ({ effect: "succeeded", after: answered }));
    const charge = await shop.charge();
    const making = shop.refund(charge, { amount: 4000 });
    await eventually(async () => shop.books.refunds.length === 1);
    const id = shop.books.refunds[0]?.metadata.refund_id ?? "";
    const syncs = Array.from({ length: 10 }, () => shop.act({ id, charge: charge.id }, "sync"));
    letAnswer();
    for (const { body } of await Promise.all(syncs)) expect(body).toMatchObject({ id, status: "succeeded" });
    expect((await making).body.status).toBe("succeeded");
    expect(shop.books.submissions).toHaveLength(1);
    expect(await shop.events({ id }, 2)).toEqual(["refund.created", "refund.succeeded"]);
  });

  it("of a refund that was never sent asks nothing", async () => {
    const shop = await StripeMerchant.create();
    const charge = await shop.charge();
    env.CHANNEL_CALLS = { limit: async () => ({ success: false }) };
    const { body: waiting } = await shop.refund(charge, { amount: 100 });
    expect((await shop.act(waiting, "sync")).body).toMatchObject({ status: "pending" });
    expect(shop.books.questions).toEqual([]);
    expect(await shop.stored(waiting)).toMatchObject({ state: "waiting", attempts: 0 });
  });

  it("of a refund that waits for its turn sends it now, and answers with what came of it", async () => {
    const shop = await StripeMerchant.create();
    shop.books.onSubmission(() => ({ effect: "none", says: { status: 401, code: "api_key_expired" } }));
    const { body: refund } = await shop.refund(await shop.charge());
    expect(refund).toMatchObject({ status: "pending", attention: "configuration" });
    await shop.rotate();
    shop.books.onSubmission(() => ({ effect: "succeeded" }));
    const syncs = await Promise.all(Array.from({ length: 10 }, () => shop.act(refund, "sync")));
    for (const { body } of syncs) expect(body).toMatchObject({ id: refund.id, status: "succeeded" });
    expect(shop.books.of(refund)).toHaveLength(1);
    expect(shop.books.submissions).toHaveLength(2);
  });

  it("of a refund that Stripe does not know yet sends nothing before it has settled", async () => {
    const shop = await StripeMerchant.create();
    shop.books.onSubmission(() => ({ effect: "none", says: "reset" }));
    const { body: refund } = await shop.refund(await shop.charge());
    shop.books.onSubmission(() => ({ effect: "succeeded" }));
    for (let i = 0; i < 3; i++) expect((await shop.act(refund, "sync")).body.status).toBe("pending");
    expect(shop.books.submissions).toHaveLength(1);
    expect((await shop.stored(refund)).state).toBe("unknown");
  });
});

describe("refunds that need a person", () => {
  interface Page {
    data: RefundObject[];
    has_more: boolean;
  }

  /** Refunds of one charge, of which those with a code need a person. */
  async function mixed() {
    const shop = await StripeMerchant.create();
    const charge = await shop.charge();
    const course: Status[] = [
      "requires_action",
      "succeeded",
      "requires_action",
      "failed",
      "requires_action",
      "pending",
      "requires_action",
    ];
    const needy: string[] = [];
    for (const [i, effect] of course.entries()) {
      shop.books.onSubmission(() => ({ effect }));
      const { body } = await shop.refund(charge, { amount: 100, description: `Item ${i}` });
      if (effect === "requires_action") needy.unshift(body.id);
    }
    const list = (query: string) =>
      shop.send<Page & ErrorObject>("GET", `/v1/charges/${charge.id}/refunds?${query}`);
    return { shop, charge, needy, list };
  }

  const ids = ({ data }: Page) => data.map(({ id }) => id);

  it("are listed by the reason or by any, newest first", async () => {
    const { needy, list } = await mixed();
    expect(ids((await list("attention=any")).body)).toEqual(needy);
    expect(ids((await list("attention=channel_abnormal")).body)).toEqual(needy);
    expect(ids((await list("attention=conflict")).body)).toEqual([]);
    const no = await list(`attention=${"tired" as Attention}`);
    expect(no).toMatchObject({ status: 400, body: { error: { param: "attention" } } });
  });

  it("come in pages that partition the list, in both directions", async () => {
    const { needy, list } = await mixed();
    const first = (await list("attention=any&limit=2")).body;
    expect([ids(first), first.has_more]).toEqual([needy.slice(0, 2), true]);
    const second = (await list(`attention=any&limit=2&starting_after=${needy[1]}`)).body;
    expect([ids(second), second.has_more]).toEqual([needy.slice(2), false]);
    const back = (await list(`attention=any&limit=1&ending_before=${needy[2]}`)).body;
    expect([ids(back), back.has_more]).toEqual([needy.slice(1, 2), true]);
  });

  it("a page goes on after a refund that needs nobody any more", async () => {
    const { shop, charge, needy, list } = await mixed();
    const [, cursor = ""] = needy;
    for (const one of shop.books.of({ id: cursor })) one.status = "succeeded";
    await shop.act({ id: cursor, charge: charge.id }, "sync");
    const next = await list(`attention=any&limit=2&starting_after=${cursor}`);
    expect(next.status).toBe(200);
    expect([ids(next.body), next.body.has_more]).toEqual([needy.slice(2), false]);
    const back = (await list(`attention=any&ending_before=${cursor}`)).body;
    expect([ids(back), back.has_more]).toEqual([needy.slice(0, 1), false]);
    const unknown = await list(`attention=any&starting_after=re_${"0".repeat(24)}`);
    expect(unknown).toMatchObject({ status: 400, body: { error: { param: "starting_after" } } });
  });

  it("an error of the channel's is no reason yet", async () => {
    const { shop, charge, refund } = await refunded("pending");
    shop.books.onQuestion(() => failure(500));
    await shop.act(refund, "sync");
    const { body } = await shop.send<Page>("GET", `/v1/charges/${charge.id}/refunds?attention=any`);
    expect(body.data).toEqual([]);
  });
});
