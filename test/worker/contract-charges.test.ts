// Recording charges: contract.md §1 and §4 over HTTP.
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { ChargeObject } from "../../src/charges/schema.ts";
import { mintId, randomToken } from "../../src/ids.ts";
import { ledgersInUse } from "../books.ts";
import { type ErrorObject, random, TestApp } from "../harness.ts";

const FORM = { "Content-Type": "application/x-www-form-urlencoded" };
const KEYS =
  "id object created livemode paid refunded reversed app channel order_no client_ip amount amount_settle currency subject body extra time_paid time_expire time_settle transaction_no refunds amount_refunded failure_code failure_msg metadata credential description amount_refundable amount_pending_refund".split(
    " ",
  );

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

describe("recording a charge", () => {
  it.each(["time_paid", "created"])(
    "refuses a %s that is still to come: it would stretch the window",
    async (param) => {
      const app = await TestApp.create();
      const answer = await recordRefused(app, facts({ paid: true, [param]: seconds() + 3600 }));
      expect(answer).toMatchObject({ status: 400, body: { error: { param } } });
      expect(await chargesOf(app)).toBe(0);
      expect((await record(app, facts({ paid: true, [param]: seconds() + 60 }))).status).toBe(200);
    },
  );

  it("answers with the charge, its keys in the order of the contract, and with defaults", async () => {
    const app = await TestApp.create();
    const body = facts();
    const before = seconds();
    const answer = await record(app, body);
    expect(answer.status).toBe(200);
    expect(Object.keys(answer.body)).toEqual(KEYS);
    const { id, created } = answer.body;
    expect(id).toMatch(/^ch_[0-9A-Za-z]{24}$/);
    expect(created).toBeGreaterThanOrEqual(before);
    expect(created).toBeLessThanOrEqual(seconds());
    expect(answer.body).toEqual({
      id,
      object: "charge",
      created,
      livemode: false,
      paid: true,
      refunded: false,
      reversed: false,
      app: app.id,
      channel: "wx",
      order_no: body.order_no,
      client_ip: null,
      amount: 10_000,
      amount_settle: 0,
      currency: "cny",
      subject: "",
      body: "",
      extra: {},
      time_paid: created,
      time_expire: null,
      time_settle: null,
      transaction_no: null,
      refunds: { object: "list", url: `/v1/charges/${id}/refunds`, has_more: false, data: [] },
      amount_refunded: 0,
      failure_code: null,
      failure_msg: null,
      metadata: {},
      credential: {},
      description: null,
      amount_refundable: 10_000,
      amount_pending_refund: 0,
    });
    expect((await app.get<ChargeObject>(`/v1/charges/${id}`)).text).toBe(answer.text);
  });

  it("keeps every field it is given", async () => {
    const app = await TestApp.create();
    const given = {
      id: mintId("charge", random),
      order_no: "O_2016-1",
      channel: "alipay_wap",
      amount: 500,
      client_ip: "192.0.2.1",
      currency: "jpy",
      subject: "茶",
      body: "两罐",
      extra: { success_url: "https://shop.example/ok", nested: { a: [1] } },
      time_expire: 1_800_000_000,
      time_settle: 1_700_000_200,
      metadata: { color: "red" },
      description: "第一单",
      amount_settle: 497,
      created: 1_700_000_000,
      paid: true,
      time_paid: 1_700_000_100,
      transaction_no: "2016042221001004",
      amount_refunded: 100,
    };
    const { status, body } = await record(app, { ...given, app: { id: app.id } });
    expect({ status, body }).toMatchObject({ status: 200, body: { ...given, app: app.id } });
    expect(body.amount_refundable).toBe(400);
    expect(await app.retrieveCharge(body)).toEqual(body);
  });

  it("takes a form with app[id] and numbers as text", async () => {
    const app = await TestApp.create();
    const form = `order_no=F1&app[id]=${app.id}&channel=wx_pub&amount=100&paid=true&time_paid=1700000000&metadata[a]=1&currency=CNY`;
    const { status, body } = await app.post<ChargeObject>("/v1/charges", form, { headers: FORM });
    expect({ status, body }).toMatchObject({
      status: 200,
      body: { order_no: "F1", amount: 100, time_paid: 1_700_000_000, metadata: { a: "1" }, currency: "cny" },
    });
  });

  it.each([
    ["as a hash", (id: string) => ({ id })],
    ["as text", (id: string) => id],
    ["not at all", () => undefined],
    ["as null", () => null],
  ])("takes the app %s", async (_, appOf) => {
    const app = await TestApp.create();
    expect((await record(app, facts({ app: appOf(app.id) }))).body.app).toBe(app.id);
  });

  it("refuses another app", async () => {
    const app = await TestApp.create();
    const other = await TestApp.create();
    for (const named of [other.id, { id: other.id }]) {
      const { status, body } = await recordRefused(app, facts({ app: named }));
      expect({ status, param: body.error.param }).toEqual({ status: 400, param: "app" });
    }
    expect((await chargesOf(app)) + (await chargesOf(other))).toBe(0);
  });

  it("takes a whole Ping++ charge object, with what it does not know ignored", async () => {
    const app = await TestApp.create();
    const id = mintId("charge", random);
    const charge = {
      id,
      object: "charge",
      created: 1_700_000_000,
      livemode: false,
      paid: true,
      refunded: false,
      reversed: false,
      // Whose app it was there: here it is the key's.
      app: "app_1Gqj58ynP0mHeX1q",
      channel: "upacp",
      order_no: "123456789",
      client_ip: "127.0.0.1",
      amount: 100,
      amount_settle: 0,
      currency: "cny",
      subject: "Your Subject",
      body: "Your Body",
      extra: {},
      time_paid: 1_700_000_060,
      time_expire: 1_700_003_600,
      time_settle: null,
      transaction_no: "1224524301201505066067849274",
      refunds: { object: "list", url: `/v1/charges/${id}/refunds`, has_more: false, data: [] },
      amount_refunded: 0,
      failure_code: null,
      failure_msg: null,
      metadata: {},
      credential: {},
      description: null,
    };
    const { status, body } = await record(app, charge);
    expect({ status, body }).toMatchObject({ status: 200, body: { ...charge, app: app.id } });
    // What this service shows can be recorded again, too.
    expect((await record(app, body)).body).toEqual(body);
    expect(await chargesOf(app)).toBe(1);
  });

  it.each([
    ["order_no", undefined],
    ["order_no", ""],
    ["order_no", "x".repeat(65)],
    ["order_no", 17],
    ["channel", undefined],
    ["channel", ""],
    ["channel", "WX"],
    ["amount", undefined],
    ["amount", 0],
    ["amount", -1],
    ["amount", 1.5],
    ["amount", "100"],
    ["amount", true],
    ["amount", null],
    ["amount", 2_147_483_648],
    ["currency", "yuan"],
    ["currency", "c1y"],
    ["currency", 1],
    ["subject", "茶".repeat(33)],
    ["body", "茶".repeat(129)],
    ["description", "😀".repeat(256)],
    ["extra", { a: "x".repeat(4096) }],
    ["extra", "a"],
    ["metadata", { a: { b: 1 } }],
    ["time_paid", "2016-01-01"],
    ["time_paid", -1],
    ["time_expire", 1.5],
    ["created", "now"],
    ["paid", "true"],
    ["paid", 1],
    ["transaction_no", "a b"],
    ["transaction_no", 17],
    ["amount_refunded", -1],
    ["amount_refunded", 10_001],
    ["amount_settle", "1"],
    ["id", "ch_short"],
    ["id", "re_000000000000000000000000"],
    ["id", "ch_00000000000000000000000!"],
    ["app", 17],
  ])("refuses the %s %o and stores nothing (E32)", async (param, value) => {
    const app = await TestApp.create();
    const used = (await ledgersInUse()).length;
    const { status, body } = await recordRefused(app, facts({ [param]: value }));
    expect({ status, param: body.error.param }).toEqual({ status: 400, param });
    expect(await chargesOf(app)).toBe(0);
    expect((await ledgersInUse()).length).toBe(used);
  });

  it.each([
    ["order_no", "x".repeat(64)],
    ["order_no", "单".repeat(64)],
    ["subject", "😀".repeat(32)],
    ["body", "😀".repeat(128)],
    ["description", "😀".repeat(255)],
    ["amount", 1],
    ["amount", 2_147_483_647],
  ])("takes the longest or largest %s", async (field, value) => {
    const app = await TestApp.create();
    const { status, body } = await record(app, facts({ [field]: value }));
    expect({ status, [field]: body[field as keyof ChargeObject] }).toEqual({ status: 200, [field]: value });
  });

  it("takes larger amounts for apps that have set so", async () => {
    const app = await TestApp.create({ settings: { charge_amount_max: 3_000_000_000 } });
    expect((await record(app, facts({ amount: 3_000_000_000 }))).body.amount).toBe(3_000_000_000);
    const { body } = await recordRefused(app, facts({ amount: 3_000_000_001 }));
    expect(body.error.param).toBe("amount");
  });

  it.each([null, []])("takes %o for an empty hash", async (empty) => {
    const app = await TestApp.create();
    expect((await record(app, facts({ metadata: empty, extra: empty }))).body).toMatchObject({
      metadata: {},
      extra: {},
    });
  });
});

describe("in live mode", () => {
  it("a body without paid, transaction_no and id is a checkout call that reached the wrong service", async () => {
    const app = await TestApp.create();
    const { status, body } = await recordRefused(app, facts(), true);
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ type: "invalid_request_error" });
    expect(body.error.message).toContain("只记录已收取的付款");
    expect(await chargesOf(app)).toBe(0);
  });

  it.each([
    ["paid", { paid: true }, true],
    ["paid, false", { paid: false }, false],
    ["transaction_no", { transaction_no: "T1" }, true],
    ["id and paid", { id: "ch_000000000000000000000001", paid: true }, true],
  ])("a body with %s is recorded", async (_, change, paid) => {
    const app = await TestApp.create();
    const { status, body } = await record(app, facts(change), true);
    expect({ status, body }).toMatchObject({ status: 200, body: { livemode: true, paid } });
  });

  it("a body with an id alone is recorded, unpaid", async () => {
    const app = await TestApp.create();
    const { body } = await record(app, facts({ id: mintId("charge", random) }), true);
    expect(body).toMatchObject({ paid: false, time_paid: null });
  });
});
