import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { type ErrorObject, eventually, TestApp } from "../harness.ts";
import { channelOverHttp, freshBooks } from "./channel-books.ts";

channelOverHttp();

/** The refund once it has left `pending`. */
function ended(app: TestApp, refund: RefundObject): Promise<RefundObject> {
  return eventually(async () => {
    const now = await app.retrieveRefund(refund);
    return now.status !== "pending" && now;
  });
}

/** A short settling time, so that "not found" means something soon. */
const SOON = "[sandbox:settling:50]";

describe("outcomes that are not known at once", () => {
  it("E4, E33: a channel that breaks off after the effect leaves the refund pending, and a query finds it: one effect", async () => {
    const books = freshBooks();
    books.onSubmission(() => ({ effect: "succeeded", says: "reset" }));
    const app = await TestApp.create();
    const charge = await app.charge();
    const answer = await app.refund(charge, { amount: 6000 });
    expect(answer).toMatchObject({
      status: 200,
      body: { status: "pending", succeed: false, time_succeed: null },
    });
    expect(await app.retrieveCharge(charge)).toMatchObject({
      amount_pending_refund: 6000,
      amount_refundable: 4000,
    });
    expect(await ended(app, answer.body)).toMatchObject({ status: "succeeded", succeed: true });
    expect(books.submissions).toHaveLength(1);
    expect(books.moved(charge.id)).toBe(6000);
  });

  it("E6, E9: a query that finds nothing keeps the refund pending; after the settling time the same number is submitted", async () => {
    const books = freshBooks();
    books.onSubmission((_, attempt) =>
      attempt === 1 ? { effect: "none", says: 500 } : { effect: "succeeded" },
    );
    const app = await TestApp.create();
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, { amount: 6000, description: SOON });
    expect(refund.status).toBe("pending");
    expect(await ended(app, refund)).toMatchObject({ status: "succeeded" });
    expect(books.submissions.map(({ number }) => number)).toEqual([refund.order_no, refund.order_no]);
    expect(books.moved(charge.id)).toBe(6000);
  });

  it("E7: a channel whose answers carry no status is asked again, never sent the refund again", async () => {
    const books = freshBooks();
    books.onSubmission(() => ({ effect: "processing", says: "no_status" }));
    books.onQuery((number) => Response.json({ number }));
    const app = await TestApp.create();
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, { amount: 100, description: SOON });
    await eventually(async () => books.queries.length >= 2);
    expect(books.submissions).toHaveLength(1);
    expect((await app.retrieveRefund(refund)).status).toBe("pending");
  });

  it("E5, E7: a refund that stays open for more than seven days stays pending and is shown to a person", async () => {
    const books = freshBooks();
    books.onSubmission(() => ({ effect: "processing" }));
    const app = await TestApp.create();
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, { amount: 100 });
    expect(refund.status).toBe("pending");
    // Eight days go by: what the ledger remembers is moved into the past.
    const ledger = app.ledger(charge);
    await runInDurableObject(ledger, (_, { storage }) => {
      const [row] = storage.sql.exec("SELECT doc FROM refunds WHERE seq = 1").toArray();
      const doc = JSON.parse(row?.doc as string);
      const past = { ...doc, created: doc.created - 8 * 86_400, dueAt: 1, askedAt: 1 };
      storage.sql.exec("UPDATE refunds SET doc = ? WHERE seq = 1", JSON.stringify(past));
    });
    await evictDurableObject(ledger);
    const shown = await eventually(async () => {
      const now = await app.retrieveRefund(refund);
      return now.attention !== undefined && now;
    });
    expect(shown).toMatchObject({ status: "pending", attention: "overdue", succeed: false });
    expect(await app.retrieveCharge(charge)).toMatchObject({ amount_pending_refund: 100 });
  });

  it("E31, E14: a decline is a failed refund under HTTP 200, gives the money back, and a new refund has a new number", async () => {
    const books = freshBooks();
    books.onSubmission(() => ({ effect: "declined" }));
    const app = await TestApp.create();
    const charge = await app.charge();
    const answer = await app.refund(charge, { amount: 10_000 });
    expect(answer).toMatchObject({
      status: 200,
      body: {
        status: "failed",
        succeed: false,
        failure_code: "refund_refused_msg",
        failure_msg: "退款 alipay 已被支付渠道拒绝。来自渠道的信息：余额不足",
        extra: { channel_code: "NOT_ENOUGH", channel_message: "余额不足" },
      },
    });
    expect(await app.retrieveCharge(charge)).toMatchObject({ refunded: true, amount_refundable: 10_000 });
    books.onSubmission(() => ({ effect: "succeeded" }));
    const second = await app.refund(charge, { amount: 10_000, description: "After the top-up" });
    expect(second.body.status).toBe("succeeded");
    expect(second.body.order_no).not.toBe(answer.body.order_no);
  });

  it("E14b: a no after a time-out is provisional: the first attempt lands late and nothing is paid twice", async () => {
    const books = freshBooks();
    let landed = false;
    books.onSubmission((submission, attempt) => {
      if (attempt === 1) return { effect: "none", says: "reset" };
      // The second attempt is declined for its own reasons; then the first one arrives.
      books.known.set(submission.number, { effect: "declined", submission });
      landed = true;
      return { effect: "none" };
    });
    books.onQuery((number) => {
      const entry = books.known.get(number);
      if (landed && entry !== undefined) entry.effect = "succeeded";
      return null;
    });
    const app = await TestApp.create();
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, { amount: 10_000, description: SOON });
    expect(await ended(app, refund)).toMatchObject({ status: "succeeded" });
    expect(books.moved(charge.id)).toBe(10_000);
    expect(await app.retrieveCharge(charge)).toMatchObject({ amount_refunded: 10_000, amount_refundable: 0 });
  });

  it("E14b: a no after a time-out ends the refund once a later query confirms it, and the money is free again", async () => {
    const books = freshBooks();
    books.onSubmission((_, attempt) =>
      attempt === 1 ? { effect: "none", says: 500 } : { effect: "declined" },
    );
    const app = await TestApp.create();
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, { amount: 10_000, description: SOON });
    expect(await ended(app, refund)).toMatchObject({ status: "failed", failure_code: "refund_refused_msg" });
    expect(await app.retrieveCharge(charge)).toMatchObject({ amount_refundable: 10_000 });
  });

  it("E38: a throttled refund stays pending, is sent again under the same number, and succeeds", async () => {
    const books = freshBooks();
    books.onSubmission((_, attempt) =>
      attempt === 1 ? { effect: "none", says: 429 } : { effect: "succeeded" },
    );
    const app = await TestApp.create();
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, { amount: 100 });
    expect(refund.status).toBe("pending");
    await ended(app, refund);
    expect(new Set(books.submissions.map(({ number }) => number))).toEqual(new Set([refund.order_no]));
  });

  it("a channel that speaks of another amount raises attention and moves nothing", async () => {
    const books = freshBooks();
    books.onSubmission(() => ({ effect: "processing" }));
    books.onQuery((number) =>
      Response.json({
        number,
        amount: 1,
        currency: "cny",
        status: "succeeded",
        transaction_no: null,
        succeeded_at: 1,
      }),
    );
    const app = await TestApp.create();
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, { amount: 100 });
    const seen = await eventually(async () => {
      const now = await app.retrieveRefund(refund);
      return now.attention === "amount_mismatch" && now;
    });
    expect(seen.status).toBe("pending");
  });
});

describe("a final state that the channel takes back", () => {
  const move = (app: TestApp, refund: RefundObject, how: string) =>
    app.post<RefundObject & ErrorObject>(`/v1/test_helpers/refunds/${refund.id}/${how}`, {});

  it("E13: a succeeded refund that comes back fails after a fresh query, is refundable again, and can be refunded in full", async () => {
    freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, { amount: 10_000 });
    expect(refund.status).toBe("succeeded");
    expect((await move(app, refund, "reverse")).status).toBe(200);
    expect(await ended(app, refund)).toMatchObject({ status: "failed", succeed: false, time_succeed: null });
    expect(await app.retrieveCharge(charge)).toMatchObject({ amount_refunded: 0, amount_refundable: 10_000 });
    const again = await app.refund(charge, { description: "Once more" });
    expect(again.body).toMatchObject({ amount: 10_000, status: "succeeded" });
  });

  it("E14c: a stale success of a failed refund whose money went elsewhere freezes the charge and raises attention", async () => {
    freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    const { body: first } = await app.refund(charge, { amount: 10_000 });
    await move(app, first, "reverse");
    await ended(app, first);
    await app.refund(charge, { amount: 10_000, description: "Elsewhere" });
    await move(app, first, "succeed");
    const stuck = await eventually(async () => {
      const now = await app.retrieveRefund(first);
      return now.attention === "conflict" && now;
    });
    expect(stuck.status).toBe("failed");
    const no = await app.refund<ErrorObject>(charge, { amount: 1, description: "More" });
    expect(no).toMatchObject({ status: 400, body: { error: { code: "charge_frozen" } } });
    // Reads and the outbox go on.
    const events = await eventually(async () => {
      const { body } = await app.get<{ data: { type: string; data: { object: RefundObject } }[] }>(
        "/v1/events?type=refund.updated",
      );
      return body.data.some(({ data }) => data.object.attention === "conflict") && body.data;
    });
    expect(events.length).toBeGreaterThan(0);
  });

  it("E15: repeated and late news about an ended refund change nothing and make no event", async () => {
    const books = freshBooks();
    books.onSubmission(() => ({ effect: "processing" }));
    const app = await TestApp.create();
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, { amount: 100 });
    expect((await move(app, refund, "succeed")).status).toBe(200);
    expect((await move(app, refund, "succeed")).status).toBe(400);
    expect((await move(app, refund, "abnormal")).status).toBe(400);
    const types = await eventually(async () => {
      const { body } = await app.get<{ data: { type: string }[] }>("/v1/events");
      return body.data.length >= 2 && body.data.map(({ type }) => type);
    });
    expect(types).toEqual(["refund.succeeded", "refund.created"]);
  });
});
