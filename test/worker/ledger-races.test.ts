import { describe, expect, it } from "vitest";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { type Answer, type ErrorObject, TestApp } from "../harness.ts";
import { channelOverHttp, freshBooks } from "./channel-books.ts";

channelOverHttp();

const accepted = (answers: Answer<unknown>[]) => answers.filter(({ status }) => status === 200);
const refused = (answers: Answer<unknown>[]) =>
  answers.filter(({ status }) => status !== 200) as Answer<ErrorObject>[];

describe("refunds racing for one charge", () => {
  it("E1: of two refunds of 6000 against 10000 one is accepted, the other is told what is left", async () => {
    const books = freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    const answers = await Promise.all(
      [1, 2].map((i) => app.refund(charge, { amount: 6000, description: `Half ${i}` })),
    );
    expect(accepted(answers)).toHaveLength(1);
    const [no] = refused(answers);
    expect(no).toMatchObject({
      status: 400,
      body: { error: { code: "refund_amount_exceeded", param: "amount" } },
    });
    expect(no?.body.error.message).toContain("4000");
    expect(books.moved(charge.id)).toBe(6000);
  });

  it("E1: of fifty refunds of 1000 against 10000 exactly ten are accepted, also while the channel sleeps", async () => {
    const books = freshBooks();
    const { promise: morning, resolve: wake } = Promise.withResolvers<void>();
    books.onSubmission(() => ({ effect: "succeeded", after: morning }));
    const app = await TestApp.create();
    const charge = await app.charge();
    const sent = Promise.all(
      Array.from({ length: 50 }, (_, i) => app.refund(charge, { amount: 1000, description: `Part ${i}` })),
    );
    await scheduler.wait(50);
    const during = await app.retrieveCharge(charge);
    expect(during).toMatchObject({ amount_refunded: 0, amount_pending_refund: 10_000, amount_refundable: 0 });
    wake();
    const answers = await sent;
    expect(accepted(answers)).toHaveLength(10);
    for (const no of refused(answers)) {
      expect(no.body.error.code).toBe("refund_amount_exceeded");
      expect(no.body.error.message).toContain("0");
    }
    expect(await app.retrieveCharge(charge)).toMatchObject({ amount_refunded: 10_000, amount_refundable: 0 });
    expect(books.moved(charge.id)).toBe(10_000);
    expect(books.submissions).toHaveLength(10);
  });

  it("of ten refunds racing for the last 60 of 100 by thirties, two are accepted", async () => {
    freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge({ amount: 100 });
    await app.refund(charge, { amount: 40 });
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => app.refund(charge, { amount: 30, description: `Racer ${i}` })),
    );
    expect(accepted(answers)).toHaveLength(2);
    expect(await app.retrieveCharge(charge)).toMatchObject({ amount_refunded: 100, amount_refundable: 0 });
  });

  it("ten calls without an amount refund what is left once", async () => {
    const books = freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => app.refund(charge, { description: `All ${i}` })),
    );
    expect(accepted(answers)).toHaveLength(1);
    expect(books.moved(charge.id)).toBe(10_000);
  });

  it("E2: ten twins with one Idempotency-Key make one refund and one channel call, and all get it", async () => {
    const books = freshBooks();
    const { promise: morning, resolve: wake } = Promise.withResolvers<void>();
    books.onSubmission(() => ({ effect: "succeeded", after: morning }));
    const app = await TestApp.create();
    const charge = await app.charge();
    const sent = Promise.all(
      Array.from({ length: 10 }, () =>
        app.refund(charge, { amount: 10 }, { headers: { "Idempotency-Key": "twin" } }),
      ),
    );
    await scheduler.wait(50);
    wake();
    const answers = await sent;
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect(answers.every(({ status, body }) => status === 200 && body.status === "succeeded")).toBe(true);
    expect(answers.filter(({ headers }) => headers.get("Idempotent-Replayed") === "true")).toHaveLength(9);
    expect(books.submissions).toHaveLength(1);
  });

  it("I6: refunds made at once are listed in one order, and the charge shows the same", async () => {
    freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    await Promise.all(
      Array.from({ length: 10 }, (_, i) => app.refund(charge, { amount: 10, description: `Part ${i}` })),
    );
    const { body: list } = await app.get<{ data: RefundObject[] }>(`/v1/charges/${charge.id}/refunds`);
    expect(list.data).toHaveLength(10);
    expect((await app.retrieveCharge(charge)).refunds.data).toEqual(list.data);
  });
});
