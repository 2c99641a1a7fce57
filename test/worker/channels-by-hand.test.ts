import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { type ErrorObject, eventually } from "../harness.ts";
import { failure, type Status, stripeInTheTest } from "./stripe-books.ts";
import { StripeMerchant } from "./stripe-merchant.ts";

stripeInTheTest();

const DAY = 86_400_000;
const DUE = { dueAt: 1, leaseUntil: null };
const REASON = { by: "ann", reason: "Paid by bank transfer" };

/** A merchant whose live channel `manual` is a person, and a refund that waits for one. */
async function byHand(amount = 4000) {
  const shop = await StripeMerchant.create();
  const body = { channel: "manual", credentials: { note: "Ask accounting" } };
  const made = await shop.app.post("/v1/channel_accounts", body, { live: true });
  expect(made.status).toBe(200);
  await shop.useAnotherKey();
  const charge = await shop.charge({ channel: "manual", transaction_no: "cash-1" });
  const { body: refund } = await shop.refund(charge, { amount });
  return { shop, charge, refund };
}

/** A refund at Stripe in some state there. */
async function atStripe(status: Status) {
  const shop = await StripeMerchant.create();
  shop.books.onSubmission(() => ({ effect: status }));
  const charge = await shop.charge();
  const { body: refund } = await shop.refund(charge, { amount: 4000 });
  const [booked] = shop.books.of(refund);
  if (booked === undefined) throw new Error("nothing at Stripe");
  return { shop, charge, refund, booked };
}

/** What D1 knows of when the refund is due. */
const dueInD1 = (refund: { id: string }) =>
  env.DB.prepare("SELECT due_at FROM refunds WHERE id = ?").bind(refund.id).first<number | null>("due_at");

describe("a refund that a person pays", () => {
  it("waits for somebody, holds its money, and calls no channel", async () => {
    const { shop, charge, refund } = await byHand();
    expect(refund).toMatchObject({
      status: "pending",
      failure_code: "refund_wait_operation",
      attention: "operator_url",
      transaction_no: null,
    });
    expect(await shop.retrieveCharge(charge)).toMatchObject({ amount_pending_refund: 4000 });
    expect(shop.books.questions).toEqual([]);
  });

  it("of ten people who claim it at once one has it, and the others are told who", async () => {
    const { shop, refund } = await byHand();
    const people = Array.from({ length: 10 }, (_, i) => `person ${i}`);
    const answers = await Promise.all(people.map((by) => shop.act(refund, "claim", { by })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(400)]);
    const winner = people[answers.findIndex(({ status }) => status === 200)] ?? "";
    for (const { status, body } of answers) {
      if (status === 400)
        expect(body.error).toMatchObject({
          code: "refund_claimed",
          message: expect.stringContaining(winner),
        });
    }
    // Whoever has it may say so again.
    expect((await shop.act(refund, "claim", { by: winner })).status).toBe(200);
    expect((await shop.stored(refund)).claim?.by).toBe(winner);
  });

  it("is not ended by anybody who has not claimed it", async () => {
    const { shop, refund } = await byHand();
    const outcome = { outcome: "succeeded", ...REASON };
    expect((await shop.act(refund, "resolve", outcome)).body.error.code).toBe("refund_not_claimed");
    await shop.act(refund, "claim", { by: "bob" });
    const other = await shop.act(refund, "resolve", outcome);
    expect(other).toMatchObject({ status: 400, body: { error: { code: "refund_claimed" } } });
    expect((await shop.retrieve(refund)).status).toBe("pending");
  });

  it("is ended once by whoever claimed it: success is booked with its number, who and why, and announced", async () => {
    const { shop, charge, refund } = await byHand();
    await shop.act(refund, "claim", { by: "ann" });
    const outcome = { outcome: "succeeded", ...REASON, transaction_no: "bank-7" };
    const answers = await Promise.all(Array.from({ length: 10 }, () => shop.act(refund, "resolve", outcome)));
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
    // The same word again is no news; another one comes too late.
    const other = await shop.act(refund, "resolve", { ...outcome, outcome: "failed" });
    expect(other.status).toBe(400);
    const done = await shop.retrieve(refund);
    expect(done).toMatchObject({
      status: "succeeded",
      succeed: true,
      transaction_no: "bank-7",
      failure_code: null,
      failure_msg: null,
    });
    expect(done.attention).toBeUndefined();
    expect((await shop.stored(refund)).resolution).toMatchObject({ outcome: "succeeded", ...REASON });
    expect(await shop.retrieveCharge(charge)).toMatchObject({
      amount_refunded: 4000,
      amount_pending_refund: 0,
    });
    expect(await shop.events(refund, 3)).toEqual(["refund.created", "refund.updated", "refund.succeeded"]);
    const late = await shop.act(refund, "claim", { by: "bob" });
    expect(late.status).toBe(400);
  });

  it("a failure gives the money back and names a person's decision", async () => {
    const { shop, charge, refund } = await byHand();
    await shop.act(refund, "claim", { by: "ann" });
    const { status, body } = await shop.act(refund, "resolve", {
      outcome: "failed",
      by: "ann",
      reason: "No IBAN",
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      status: "failed",
      failure_code: "refund_manual_intervention",
      failure_msg: expect.stringContaining("No IBAN"),
    });
    expect(await shop.retrieveCharge(charge)).toMatchObject({ amount_refundable: 10_000 });
    expect(await shop.events(refund, 3)).toEqual(["refund.created", "refund.updated", "refund.failed"]);
  });

  it.each([
    ["claim", {}, "by"],
    ["claim", { by: "" }, "by"],
    ["claim", { by: "x".repeat(65) }, "by"],
    ["resolve", { by: "ann", reason: "why" }, "outcome"],
    ["resolve", { outcome: "pending", by: "ann", reason: "why" }, "outcome"],
    ["resolve", { outcome: "failed", by: "ann" }, "reason"],
    ["resolve", { outcome: "failed", reason: "why" }, "by"],
    ["sync", { force: true }, "force"],
  ])("%s with %j is refused naming %s", async (verb, body, param) => {
    const shop = await StripeMerchant.create();
    const { body: refund } = await shop.refund(await shop.charge());
    const answer = await shop.act(refund, verb, body);
    expect(answer).toMatchObject({ status: 400, body: { error: { param } } });
  });

  it("another app's and another mode's refunds do not exist, whatever is done to them", async () => {
    const { shop, refund } = await byHand();
    const stranger = await StripeMerchant.create({}, shop.books);
    const path = `/v1/charges/${refund.charge}/refunds/${refund.id}`;
    for (const [verb, body] of [
      ["sync", {}],
      ["claim", { by: "eve" }],
      ["resolve", { outcome: "succeeded", by: "eve", reason: "Mine" }],
    ] as const) {
      const wrong = [
        await stranger.act(refund, verb, body),
        await shop.app.post<ErrorObject>(`${path}/${verb}`, body),
        await shop.act({ ...refund, id: `re_${"0".repeat(24)}` }, verb, body),
        await shop.act({ ...refund, charge: `ch_${"0".repeat(24)}` }, verb, body),
        await shop.act({ ...refund, id: "re_1" }, verb, body),
      ];
      for (const { status, body: answer } of wrong) {
        expect(status).toBe(404);
        expect(answer).toMatchObject({ error: { param: "id" } });
      }
    }
    expect(await shop.stored(refund)).not.toHaveProperty("claim");
  });
});

describe("ending a refund in a real channel's place", () => {
  const resolve = (shop: StripeMerchant, refund: RefundObject, outcome = "failed") =>
    shop.act(refund, "resolve", { outcome, ...REASON });

  it("is refused while the channel says that it is at it", async () => {
    const { shop, refund } = await atStripe("pending");
    expect(await resolve(shop, refund)).toMatchObject({
      status: 400,
      body: { error: { code: "channel_processing" } },
    });
    expect((await shop.retrieve(refund)).status).toBe("pending");
  });

  it("is refused when the channel says success, and that is booked", async () => {
    const { shop, refund, booked } = await atStripe("requires_action");
    expect(refund.attention).toBe("channel_abnormal");
    booked.status = "succeeded";
    expect((await resolve(shop, refund)).status).toBe(400);
    expect(await shop.retrieve(refund)).toMatchObject({ status: "succeeded" });
    expect(await shop.events(refund, 3)).toEqual(["refund.created", "refund.updated", "refund.succeeded"]);
  });

  it.each([
    ["silence", () => "reset" as const],
    ["an error", () => failure(500)],
    ["429", () => failure(429)],
  ])("is refused with 503 when the channel cannot be asked: %s", async (_, say) => {
    const { shop, refund } = await atStripe("requires_action");
    shop.books.onQuestion(say);
    expect(await resolve(shop, refund)).toMatchObject({
      status: 503,
      body: { error: { code: "channel_unreachable", type: "api_error" } },
    });
    expect((await shop.retrieve(refund)).status).toBe("pending");
  });

  it("E11: is allowed where the channel itself says that a person is needed", async () => {
    const { shop, charge, refund } = await atStripe("requires_action");
    expect(refund).toMatchObject({ status: "pending", attention: "channel_abnormal" });
    expect(await shop.retrieveCharge(charge)).toMatchObject({ amount_pending_refund: 4000 });
    const { status, body } = await resolve(shop, refund, "succeeded");
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: "succeeded" });
    expect(await shop.events(refund, 3)).toEqual(["refund.created", "refund.updated", "refund.succeeded"]);
  });

  it("is refused when success is heard while the channel is asked", async () => {
    const { shop, refund } = await atStripe("requires_action");
    shop.books.onQuestion(async () => {
      shop.books.onQuestion(() => null);
      await shop.tell(shop.about(refund, { status: "succeeded" }));
      return null;
    });
    expect((await resolve(shop, refund)).status).toBe(400);
    expect((await shop.retrieve(refund)).status).toBe("succeeded");
    expect(await shop.events(refund, 3)).toEqual(["refund.created", "refund.updated", "refund.succeeded"]);
  });

  it("is refused to others once somebody has claimed it", async () => {
    const { shop, refund } = await atStripe("requires_action");
    await shop.act(refund, "claim", { by: "bob" });
    expect((await resolve(shop, refund)).body.error.code).toBe("refund_claimed");
  });

  it("is allowed for one that was never sent, as a failure alone: nobody can have paid it", async () => {
    const shop = await StripeMerchant.create();
    shop.books.onSubmission(() => ({ effect: "none", says: { status: 401, code: "api_key_expired" } }));
    const charge = await shop.charge();
    const { body: refund } = await shop.refund(charge);
    expect(await shop.stored(refund)).toMatchObject({ state: "waiting", attempts: 0 });
    expect((await resolve(shop, refund, "succeeded")).status).toBe(400);
    expect((await shop.retrieve(refund)).status).toBe("pending");
    const answers = await Promise.all(Array.from({ length: 10 }, () => resolve(shop, refund)));
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
    expect(await shop.events(refund, 3)).toEqual(["refund.created", "refund.updated", "refund.failed"]);
    expect(await shop.retrieveCharge(charge)).toMatchObject({ amount_refundable: 10_000 });
    // Nothing was sent that would have to be watched.
    expect((await shop.stored(refund)).dueAt).toBeNull();
    expect(shop.books.submissions).toHaveLength(1);
  });

  it("is refused for a refund that has ended", async () => {
    const { shop, refund } = await atStripe("succeeded");
    const { status, body } = await resolve(shop, refund);
    expect(status).toBe(400);
    expect(body.error.param).toBe("id");
    expect((await shop.retrieve(refund)).status).toBe("succeeded");
  });
});

describe("what a person decided is watched for 30 days", () => {
  async function resolved(outcome: "succeeded" | "failed") {
    const made = await atStripe("requires_action");
    expect((await made.shop.act(made.refund, "resolve", { outcome, ...REASON })).status).toBe(200);
    return made;
  }

  it("the channel is asked daily, D1 hears when, and after 30 days it is asked no more", async () => {
    const { shop, refund } = await resolved("succeeded");
    const first = await shop.stored(refund);
    expect(first.dueAt).toBeGreaterThan(Date.now() + DAY - 60_000);
    expect(first.watchUntil).toBeGreaterThan(Date.now() + 30 * DAY - 60_000);
    const asked = shop.books.questions.length;
    await shop.rewrite(refund, DUE);
    const next = await eventually(async () => {
      const { dueAt } = await shop.stored(refund);
      return dueAt !== 1 && dueAt;
    });
    expect(shop.books.questions).toHaveLength(asked + 1);
    expect(next).toBeGreaterThan(Date.now() + DAY - 60_000);
    await eventually(async () => (await dueInD1(refund)) === next);
    await shop.rewrite(refund, { ...DUE, watchUntil: Date.now() + 1000 });
    await eventually(async () => (await shop.stored(refund)).dueAt === null);
    await eventually(async () => (await dueInD1(refund)) === null);
    expect(await shop.retrieve(refund)).toMatchObject({ status: "succeeded" });
    expect(await shop.events(refund, 3)).toHaveLength(3);
  });

  it.each([
    ["succeeded", "failed"],
    ["failed", "succeeded"],
  ] as const)("%s by hand and %s by the channel: the channel's word holds", async (decided, said) => {
    const { shop, charge, refund, booked } = await resolved(decided);
    booked.status = said;
    await shop.rewrite(refund, DUE);
    await shop.seen(refund, ({ status }) => status === said);
    const refunded = said === "succeeded" ? 4000 : 0;
    expect(await shop.retrieveCharge(charge)).toMatchObject({
      amount_refunded: refunded,
      amount_pending_refund: 0,
    });
    expect((await shop.events(refund, 4)).slice(2)).toEqual([`refund.${decided}`, `refund.${said}`]);
  });

  it("a success of the channel's whose money has gone elsewhere freezes the charge", async () => {
    const { shop, charge, refund, booked } = await resolved("failed");
    shop.books.onSubmission(() => ({ effect: "succeeded" }));
    await shop.refund(charge, { description: "All of it" });
    booked.status = "succeeded";
    await shop.rewrite(refund, DUE);
    await shop.seen(refund, ({ attention }) => attention === "conflict");
  });

  it("a sync of it while the channel still waits for a person contradicts nothing and leaves nothing to do", async () => {
    const { shop, refund } = await resolved("succeeded");
    expect((await shop.act(refund, "sync")).body).toMatchObject({ status: "succeeded" });
    const after = await shop.stored(refund);
    expect(after.contradictedAt).toBeNull();
    expect(after.dueAt).toBeGreaterThan(Date.now() + DAY - 60_000);
  });
});
