// Recording a charge again: one payment never gets two ledgers. contract.md §4 over HTTP.
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { ChargeObject } from "../../src/charges/schema.ts";
import { mintId, randomToken } from "../../src/ids.ts";
import { ledgersInUse } from "../books.ts";
import { type ErrorObject, random, TestApp } from "../harness.ts";

const seconds = () => Math.floor(Date.now() / 1000);
/** The least that a charge is recorded from. */
const facts = (change: Record<string, unknown> = {}) => ({
  order_no: randomToken(random),
  channel: "wx",
  amount: 10_000,
  ...change,
});
const record = (app: TestApp, body: unknown, live = false) =>
  app.post<ChargeObject>("/v1/charges", body, { live });
const recordRefused = (app: TestApp, body: unknown, live = false) =>
  app.post<ErrorObject>("/v1/charges", body, { live });

/** How many charges the app has in D1, both modes together. */
async function chargesOf(app: TestApp): Promise<number> {
  const query = env.DB.prepare("SELECT count(*) AS count FROM charges WHERE app = ?").bind(app.id);
  return (await query.first<number>("count")) ?? 0;
}

describe("recording again", () => {
  it("is harmless: the same charge, whatever else the repeat says", async () => {
    const app = await TestApp.create();
    const body = facts();
    const first = await record(app, body);
    const again = await record(app, { ...body, subject: "Other", metadata: { a: "b" }, created: 1 });
    expect(again.text).toBe(first.text);
    expect(await chargesOf(app)).toBe(1);
  });

  it("ten times at once is one charge", async () => {
    const app = await TestApp.create();
    const body = facts({ transaction_no: "T1", created: seconds() });
    const answers = await Promise.all(Array.from({ length: 10 }, () => record(app, body)));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(await chargesOf(app)).toBe(1);
  });

  it.each([
    ["amount", 10_001],
    ["currency", "usd"],
    ["channel", "alipay"],
    ["order_no", "another"],
  ])("with another %s and no id is another charge", async (field, value) => {
    const app = await TestApp.create();
    const body = facts();
    const first = await record(app, body);
    const other = await record(app, { ...body, [field]: value });
    expect([first.status, other.status]).toEqual([200, 200]);
    expect(other.body.id).not.toBe(first.body.id);
  });

  it.each([
    ["amount", 10_001],
    ["currency", "usd"],
    ["channel", "alipay"],
    ["order_no", "another"],
  ])("under the same id with another %s is refused by name (E28)", async (field, value) => {
    const app = await TestApp.create();
    const body = facts({ id: mintId("charge", random) });
    const first = await record(app, body);
    const other = await recordRefused(app, { ...body, [field]: value });
    expect([other.status, other.body.error.param]).toEqual([400, field]);
    expect(await app.retrieveCharge(first.body)).toEqual(first.body);
    expect(await chargesOf(app)).toBe(1);
  });

  it("may turn unpaid into paid, and not back", async () => {
    const app = await TestApp.create();
    const body = facts({ paid: false });
    const unpaid = await record(app, body);
    expect(unpaid.body).toMatchObject({ paid: false, time_paid: null });
    const paid = await record(app, { ...body, paid: true, time_paid: 1_700_000_000, transaction_no: "T1" });
    expect(paid.body).toEqual({
      ...unpaid.body,
      paid: true,
      time_paid: 1_700_000_000,
      transaction_no: "T1",
    });
    expect((await record(app, body)).body).toEqual(paid.body);
  });

  it("with another transaction_no is another payment of the same order, found again by it", async () => {
    const app = await TestApp.create();
    const body = facts({ transaction_no: "T1" });
    const first = await record(app, body);
    const second = await record(app, { ...body, transaction_no: "T2" });
    expect(second.status).toBe(200);
    expect(second.body.id).not.toBe(first.body.id);
    expect(second.body).toMatchObject({ order_no: body.order_no, transaction_no: "T2", paid: true });
    expect((await record(app, { ...body, transaction_no: "T2" })).text).toBe(second.text);
    expect((await record(app, body)).text).toBe(first.text);
    const third = await record(app, { ...body, transaction_no: "T3" });
    expect(new Set([first.body.id, second.body.id, third.body.id]).size).toBe(3);
    expect(await chargesOf(app)).toBe(3);
  });

  it("with ten transaction_nos at once is ten payments, one of them the charge that had none", async () => {
    const app = await TestApp.create();
    const body = facts();
    const first = await record(app, body);
    const numbers = Array.from({ length: 10 }, (_, i) => `T${i}`);
    const send = () => Promise.all(numbers.map((transaction_no) => record(app, { ...body, transaction_no })));
    const answers = await send();
    expect(answers.map((answer) => answer.body.transaction_no)).toEqual(numbers);
    const ids = answers.map((answer) => answer.body.id);
    expect(new Set(ids).size).toBe(10);
    expect(ids).toContain(first.body.id);
    expect(await chargesOf(app)).toBe(10);
    expect((await send()).map((answer) => answer.body.id)).toEqual(ids);
  });

  it("under the same id with another transaction_no is refused (E28)", async () => {
    const app = await TestApp.create();
    const body = facts({ id: mintId("charge", random), transaction_no: "T1" });
    await record(app, body);
    const { status, body: answer } = await recordRefused(app, { ...body, transaction_no: "T2" });
    expect({ status, param: answer.error.param }).toEqual({ status: 400, param: "id" });
    expect(await chargesOf(app)).toBe(1);
    // The refused number was not taken: another charge may have it.
    expect((await record(app, facts({ transaction_no: "T2" }))).status).toBe(200);
  });

  it.each([
    ["another order", { order_no: "another" }],
    ["another amount", { amount: 9_999 }],
    ["another id", { id: "ch_000000000000000000000002" }],
  ])("a transaction_no for %s is refused: no payment has two ledgers (E28)", async (_, change) => {
    const app = await TestApp.create();
    const body = facts({ transaction_no: "T1" });
    const first = await record(app, body);
    const used = await ledgersInUse();
    const { status, body: answer } = await recordRefused(app, { ...body, ...change });
    expect(status).toBe(400);
    expect(answer.error).toMatchObject({ code: "transaction_no_used", param: "transaction_no" });
    expect(await chargesOf(app)).toBe(1);
    expect(await ledgersInUse()).toEqual(used);
    expect(await app.retrieveCharge(first.body)).toEqual(first.body);
  });

  it("a transaction_no is free in another channel, mode and app", async () => {
    const app = await TestApp.create();
    const other = await TestApp.create();
    const body = facts({ transaction_no: "T1" });
    const answers = [
      await record(app, body),
      await record(app, { ...body, channel: "alipay" }),
      await record(app, body, true),
      await record(other, body),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(4);
  });

  it("ten orders that race for one transaction_no: one is recorded (E28)", async () => {
    const app = await TestApp.create();
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => recordRefused(app, facts({ transaction_no: "T1" }))),
    );
    const refused = answers.filter(({ status }) => status !== 200);
    expect(refused).toHaveLength(9);
    expect(refused.every(({ body }) => body.error.code === "transaction_no_used")).toBe(true);
    expect(await chargesOf(app)).toBe(1);
  });
});
