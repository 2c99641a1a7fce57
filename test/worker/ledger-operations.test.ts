import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { eventually, TestApp } from "../harness.ts";
import { channelOverHttp, freshBooks } from "./channel-books.ts";

channelOverHttp();

const sync = (app: TestApp, refund: RefundObject) =>
  app.send<RefundObject>("POST", `/v1/charges/${refund.charge}/refunds/${refund.id}/sync`, { body: {} });

interface DisputeObject {
  status: string;
  amount_refundable: number;
}

const dispute = (app: TestApp, charge: { id: string }, id: string, status: string) =>
  app.send<DisputeObject>("POST", `/v1/charges/${charge.id}/disputes`, {
    body: { id, status, amount: 5000 },
  });

/** The charge as its ledger last told D1. */
async function projected(charge: { id: string }): Promise<{ disputed: number; disputes?: object }> {
  const row = await env.DB.prepare("SELECT doc FROM charges WHERE id = ?").bind(charge.id).first();
  return JSON.parse(row?.doc as string);
}

describe("syncs", () => {
  it("E16: ten at once of a refund that has ended ask the channel and change nothing, also after an eviction", async () => {
    const books = freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, { amount: 6000 });
    expect(refund.status).toBe("succeeded");
    await evictDurableObject(app.ledger(charge));
    const answers = await Promise.all(Array.from({ length: 10 }, () => sync(app, refund)));
    for (const { status, body } of answers) {
      expect(status).toBe(200);
      expect(body).toEqual(refund);
    }
    expect(books.queries.length).toBeGreaterThanOrEqual(1);
    expect(books.submissions).toHaveLength(1);
  });

  it("E16: a refund that was reversed behind our back is found by a sync, and its money can be refunded again", async () => {
    const books = freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, { amount: 10_000 });
    const booked = books.known.get(refund.order_no);
    if (booked === undefined) throw new Error("the channel never saw it");
    books.known.set(refund.order_no, { ...booked, effect: "declined" });
    expect((await sync(app, refund)).body).toMatchObject({ status: "failed" });
    expect(await app.retrieveCharge(charge)).toMatchObject({ amount_refundable: 10_000 });
  });
});

describe("a ledger that was lost", () => {
  it("takes over what D1 knows when somebody asks about a refund of it", async () => {
    freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, { amount: 6000 });
    await eventually(
      async () =>
        (await env.DB.prepare("SELECT 1 FROM refunds WHERE id = ?").bind(refund.id).first()) !== null,
    );
    await runInDurableObject(app.ledger(charge), (_, state) => state.storage.deleteAll());
    await evictDurableObject(app.ledger(charge));
    expect(await sync(app, refund)).toMatchObject({
      status: 200,
      body: { id: refund.id, status: "succeeded" },
    });
  });
});

describe("disputes", () => {
  it("E29: of ten refunds racing with ten tellings of a dispute none takes more than was left at that instant", async () => {
    freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    const race = Array.from({ length: 10 }, (_, n) => [
      app.refund(charge, { amount: 1000, description: `part ${n}` }),
      dispute(app, charge, "dp_1", "opened"),
    ]).flat();
    const answers = await Promise.all(race);
    const made = answers.filter((answer, n) => n % 2 === 0 && answer.status === 200).length;
    expect(made).toBeGreaterThanOrEqual(5);
    const left = Math.max(0, 10_000 - made * 1000 - 5000);
    await evictDurableObject(app.ledger(charge));
    const told = await dispute(app, charge, "dp_1", "opened");
    expect(told.body).toMatchObject({ status: "opened", amount_refundable: left });
    const more = await app.refund(charge, { amount: left + 1, description: "one too many" });
    expect(more.status).toBe(400);
    await eventually(async () => (await projected(charge)).disputed === 5000);
    expect((await dispute(app, charge, "dp_1", "won")).body.amount_refundable).toBe(10_000 - made * 1000);
    await eventually(async () => (await projected(charge)).disputed === 0);
  });
});
