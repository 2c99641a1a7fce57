// Changing a recorded charge and reading it: contract.md §1, §2 and §4 over HTTP.
import { describe, expect, it } from "vitest";
import type { ChargeObject } from "../../src/charges/schema.ts";
import { type ErrorObject, eventually, TestApp } from "../harness.ts";

const seconds = () => Math.floor(Date.now() / 1000);

describe("updating a charge", () => {
  const update = (app: TestApp, charge: { id: string }, body: unknown) =>
    app.post<ChargeObject>(`/v1/charges/${charge.id}`, body);
  const updateRefused = (app: TestApp, charge: { id: string }, body: unknown) =>
    app.post<ErrorObject>(`/v1/charges/${charge.id}`, body);

  it("changes metadata and description and nothing else", async () => {
    const app = await TestApp.create();
    const charge = await app.charge({ metadata: { a: "1" } });
    const change = { metadata: { color: "red", size: 42 }, description: "退" };
    const { status, body } = await update(app, charge, change);
    expect({ status, body }).toEqual({
      status: 200,
      body: { ...charge, metadata: { color: "red", size: "42" }, description: "退" },
    });
    expect(await app.retrieveCharge(charge)).toEqual(body);
    for (const absent of [[], null]) {
      const kept = await update(app, charge, { metadata: absent });
      expect(kept.body.metadata).toEqual({ color: "red", size: "42" });
    }
    expect((await update(app, charge, { metadata: {} })).body.metadata).toEqual({});
    expect((await update(app, charge, {})).body.description).toBe("退");
    expect((await update(app, charge, { description: null })).body.description).toBeNull();
  });

  it("records the payment later, which D1 comes to know", async () => {
    const app = await TestApp.create();
    const charge = await app.charge({ paid: false });
    const change = { paid: true, time_paid: 1_760_000_000, transaction_no: "T1" };
    const { body } = await update(app, charge, change);
    expect(body).toEqual({ ...charge, ...change });
    await eventually(async () => {
      const list = await app.get<{ data: ChargeObject[] }>("/v1/charges?paid=true");
      return list.body.data[0]?.transaction_no === "T1";
    });
    const order = { order_no: "another", channel: charge.channel, amount: 10_000, transaction_no: "T1" };
    const other = await app.post<ErrorObject>("/v1/charges", order);
    expect(other.body.error.code).toBe("transaction_no_used");
  });

  it("corrects what money depends on only while nothing was sent to the channel", async () => {
    const app = await TestApp.create();
    const charge = await app.charge({ transaction_no: "T1" });
    const corrected = await update(app, charge, { transaction_no: "T2", time_paid: 1_760_000_000 });
    expect(corrected.body).toMatchObject({ transaction_no: "T2", time_paid: 1_760_000_000 });
    await update(app, charge, { time_paid: seconds() });
    expect((await app.refund(charge, { amount: 100 })).status).toBe(200);
    const before = await app.retrieveCharge(charge);
    for (const [param, value] of [
      ["transaction_no", "T3"],
      ["time_paid", 1],
      ["paid", false],
    ] as const) {
      const { status, body } = await updateRefused(app, charge, { [param]: value });
      expect({ status, param: body.error.param }).toEqual({ status: 400, param });
    }
    expect(await app.retrieveCharge(charge)).toEqual(before);
    expect((await update(app, charge, { description: "still" })).status).toBe(200);
  });

  it("gives a corrected transaction_no free and takes none that is used (E28)", async () => {
    const app = await TestApp.create();
    const charge = await app.charge({ transaction_no: "T1" });
    const other = await app.charge({ transaction_no: "T9" });
    const { body } = await updateRefused(app, charge, { transaction_no: "T9" });
    expect(body.error).toMatchObject({ code: "transaction_no_used", param: "transaction_no" });
    expect(await app.retrieveCharge(charge)).toEqual(charge);
    expect(await app.retrieveCharge(other)).toEqual(other);
    await update(app, charge, { transaction_no: "T2" });
    expect((await app.charge({ transaction_no: "T1" })).transaction_no).toBe("T1");
  });

  it.each([
    ["amount", 1],
    ["color", "red"],
    ["refunded", false],
    ["metadata", { "": "a" }],
    ["description", "x".repeat(256)],
    ["paid", "true"],
    ["time_paid", null],
    ["transaction_no", ""],
  ])("refuses the %s %o by name", async (param, value) => {
    const app = await TestApp.create();
    const charge = await app.charge();
    const { status, body } = await updateRefused(app, charge, { [param]: value });
    expect({ status, param: body.error.param }).toEqual({ status: 400, param });
    expect(await app.retrieveCharge(charge)).toEqual(charge);
  });

  it("of an unknown charge answers 404", async () => {
    const app = await TestApp.create();
    for (const body of [{}, { transaction_no: "T1" }]) {
      const answer = await updateRefused(app, { id: "ch_000000000000000000000000" }, body);
      expect([answer.status, answer.body.error.param]).toEqual([404, "id"]);
    }
  });
});

describe("retrieving a charge", () => {
  it("shows its ten newest refunds and says that there are more", async () => {
    const app = await TestApp.create();
    const charge = await app.charge();
    const ids: string[] = [];
    for (let i = 0; i < 11; i++) {
      ids.unshift((await app.refund(charge, { amount: 1, description: `No ${i}` })).body.id);
      const { refunds } = await app.retrieveCharge(charge);
      expect(refunds.data.map(({ id }) => id)).toEqual(ids.slice(0, 10));
      expect(refunds.has_more).toBe(i === 10);
    }
  });

  it("tolerates expand[]=app, encoded or not, and keeps app a string", async () => {
    const app = await TestApp.create();
    const charge = await app.charge();
    for (const query of ["expand[]=app", "expand%5B%5D=app", "expand[]=app&expand[]=refunds", "expand=app"]) {
      expect((await app.get<ChargeObject>(`/v1/charges/${charge.id}?${query}`)).body).toEqual(charge);
    }
  });

  it("finds nothing of another app or of the other mode (I14)", async () => {
    const app = await TestApp.create();
    const other = await TestApp.create();
    const test = await app.charge();
    const live = await app.charge({}, { live: true });
    const read = async (by: TestApp, charge: { id: string }, inLive: boolean) =>
      (await by.get(`/v1/charges/${charge.id}`, { live: inLive })).status;
    expect([await read(app, test, false), await read(app, live, true)]).toEqual([200, 200]);
    expect([await read(app, test, true), await read(app, live, false)]).toEqual([404, 404]);
    expect([await read(other, test, false), await read(other, live, true)]).toEqual([404, 404]);
  });
});
