// Found by what it says: descriptions and metadata, from the request that brought them to the search that finds them.
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { database } from "../../src/db/client.ts";
import { ChargeLedger } from "../../src/index.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { SEARCHED_REFUNDS } from "../../src/refunds/search.ts";
import { insertTerms } from "../../src/search/repository.ts";
import { eventually, TestApp } from "../harness.ts";
import { addCharges, addRefunds, page, queryOf } from "./search-fixture.ts";

afterEach(() => vi.restoreAllMocks());

/** Who asks for refunds, and for charges, that meet these filters. */
function finder(app: TestApp, path: string) {
  const find = async (filters: Record<string, string>) => (await page(app, `${path}${queryOf(filters)}`)).ids;
  return {
    find,
    /** Waits for D1 to hear of it. */
    finds: (filters: Record<string, string>, id: string) =>
      eventually(async () => (await find(filters)).includes(id)),
  };
}

describe("a refund", () => {
  it("is found by the words of its description, in whatever case, width and order", async () => {
    const app = await TestApp.create();
    const { find, finds } = finder(app, "/v1/refunds");
    const charge = await app.charge();
    const { body: size } = await app.refund(charge, {
      amount: 1,
      description: "Wrong size, ORDER ２０２６-17",
    });
    const { body: colour } = await app.refund(charge, { amount: 2, description: "Wrong colour" });
    await finds({ description: "wrong" }, colour.id);
    expect(await find({ description: "wrong" })).toEqual([colour.id, size.id]);
    expect(await find({ description: "SIZE wrong" })).toEqual([size.id]);
    expect(await find({ description: "order 2026" })).toEqual([size.id]);
    expect(await find({ description: "ｓｉｚｅ" })).toEqual([size.id]);
    expect(await find({ description: "wrong shape" })).toEqual([]);
    expect(await find({ description: "siz" })).toEqual([]);
  });

  it("is found by any two characters of a Chinese description, and by its Latin words beside them", async () => {
    const app = await TestApp.create();
    const { find, finds } = finder(app, "/v1/refunds");
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, {
      amount: 1,
      description: "商品质量问题，iPhone手机壳退货",
    });
    await finds({ description: "质量" }, refund.id);
    for (const description of ["商品质量问题", "量问", "手机壳", "IPHONE", "iphone 退货", "退货 质量"]) {
      expect([description, await find({ description })]).toEqual([description, [refund.id]]);
    }
    for (const description of ["质问", "问题商品", "手机壳膜"]) {
      expect([description, await find({ description })]).toEqual([description, []]);
    }
  });

  it.each([
    ["colour", "red"],
    ["100%_off", '50% "off" \' OR 1=1 --'],
    ["a]b[c", "[]"],
    ["k=v&x", "a+b c"],
    ["颜色", "红 🎈"],
    ["constructor", "toString"],
    ["empty", ""],
    ["long", "x".repeat(300)],
    ["y".repeat(300), "z"],
    [" spaces ", "\t"],
  ])("is found by a pair of its metadata exactly: %s = %s", async (key, value) => {
    const app = await TestApp.create();
    const { find, finds } = finder(app, "/v1/refunds");
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, { amount: 1, metadata: { [key]: value, other: "1" } });
    const { body: near } = await app.refund(charge, { amount: 2, metadata: { [key]: `${value}.` } });
    await finds({ [`metadata[${key}]`]: `${value}.` }, near.id);
    expect(await find({ [`metadata[${key}]`]: value })).toEqual([refund.id]);
    expect(await find({ [`metadata[${key}]`]: value, "metadata[other]": "1" })).toEqual([refund.id]);
    expect(await find({ [`metadata[${key}]`]: value, "metadata[other]": "2" })).toEqual([]);
    expect(await find({ [`metadata[${key}.]`]: value })).toEqual([]);
    expect(await find({ [`metadata[${key}]`]: value, description: "returned" })).toEqual([refund.id]);
  });

  it("is found by what an update made of it, and no longer by what it was", async () => {
    const app = await TestApp.create();
    const { find, finds } = finder(app, "/v1/refunds");
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, {
      amount: 1,
      description: "Wrong size",
      metadata: { colour: "red", shop: "7" },
    });
    await finds({ description: "size" }, refund.id);
    const path = `/v1/charges/${charge.id}/refunds/${refund.id}`;
    expect((await app.post(path, { description: "Wrong 颜色" })).status).toBe(200);
    await finds({ description: "颜色" }, refund.id);
    expect(await find({ description: "size" })).toEqual([]);
    // What did not change stays found, and so does a word that both texts have.
    expect(await find({ description: "wrong", "metadata[colour]": "red" })).toEqual([refund.id]);
    expect((await app.post(path, { metadata: { colour: "blue", shop: "7" } })).status).toBe(200);
    await finds({ "metadata[colour]": "blue" }, refund.id);
    expect(await find({ "metadata[colour]": "red" })).toEqual([]);
    expect(await find({ "metadata[shop]": "7", description: "颜色" })).toEqual([refund.id]);
    expect((await app.post(path, { metadata: {} })).status).toBe(200);
    await eventually(async () => (await find({ "metadata[shop]": "7" })).length === 0);
    expect(await find({ description: "颜色" })).toEqual([refund.id]);
  });

  it("is not found by an old text whose terms come late, or come again", async () => {
    const app = await TestApp.create();
    const place = { app: app.id, livemode: false };
    const [paid] = await addCharges(place, [{}]);
    const [made] = await addRefunds(paid?.charge as never, [
      { description: "New words", described: 3, version: 4 },
    ]);
    if (made === undefined) throw new Error("no refund was made");
    const { find } = finder(app, "/v1/refunds");
    const db = database(env, app.id, false);
    const write = (changes: { description: string; described: number }) =>
      db.batch(insertTerms(db, SEARCHED_REFUNDS, place, [{ ...made.refund, ...changes }]) as never);
    await write({ description: "Old words", described: 1 });
    await write({ description: "New words", described: 3 });
    await write({ description: "Words to come", described: 5 });
    expect(await find({ description: "new words" })).toEqual([made.refund.id]);
    expect(await find({ description: "old" })).toEqual([]);
    expect(await find({ description: "come" })).toEqual([]);
  });

  it("writes its terms once, however often its ledger tells D1 of it", async () => {
    const app = await TestApp.create();
    const { finds } = finder(app, "/v1/refunds");
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, { amount: 1, description: "[sandbox:pending:1] tea" });
    await finds({ description: "tea" }, refund.id);
    const prepare = vi.spyOn(env.DB, "prepare");
    await eventually(
      async () => (await page(app, `/v1/refunds?charge=${charge.id}&status=succeeded`)).ids.length,
    );
    const written = prepare.mock.calls.filter(([query]) => query.startsWith('insert into "search_terms"'));
    expect(written).toEqual([]);
  });
});

describe("a charge", () => {
  it("is found by its description and metadata from its recording on, and by what an update made of them", async () => {
    const app = await TestApp.create();
    const { find, finds } = finder(app, "/v1/charges");
    const facts = { order_no: "order-1", description: "Two tins of tea", metadata: { colour: "red" } };
    const charge = await app.charge(facts);
    await app.charge({ description: "Coffee" });
    expect(await find({ description: "TEA tins" })).toEqual([charge.id]);
    expect(await find({ description: "tea", "metadata[colour]": "red" })).toEqual([charge.id]);
    // A repeat of the recording changes nothing, whatever it says.
    await app.post("/v1/charges", { ...facts, channel: "alipay", amount: 10_000, description: "Cocoa" });
    expect(await find({ description: "cocoa" })).toEqual([]);
    expect((await app.post(`/v1/charges/${charge.id}`, { description: "三罐茶叶" })).status).toBe(200);
    await finds({ description: "茶叶" }, charge.id);
    expect(await find({ description: "tea" })).toEqual([]);
    expect(await find({ "metadata[colour]": "red" })).toEqual([charge.id]);
    // A refund of it changes the charge, and not its description.
    await app.refund(charge, { amount: 1, description: "Returned" });
    await eventually(async () => (await find({ refunded: "true" })).includes(charge.id));
    expect(await find({ description: "茶叶" })).toEqual([charge.id]);
  });

  it("is found as soon as it was recorded with its payment, and paid later", async () => {
    const app = await TestApp.create();
    const { find } = finder(app, "/v1/charges");
    const facts = { order_no: "order-2", transaction_no: "T-2", metadata: { table: "12" } };
    const charge = await app.charge(facts);
    expect(await find({ "metadata[table]": "12" })).toEqual([charge.id]);
    expect(await find({ transaction_no: "T-2" })).toEqual([charge.id]);
  });
});

describe("a refund by its id alone", () => {
  it("is the one that its charge shows, as its ledger has it", async () => {
    const app = await TestApp.create();
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, { amount: 1 });
    await finder(app, "/v1/refunds").finds({}, refund.id);
    const { text } = await app.get(`/v1/charges/${charge.id}/refunds/${refund.id}`);
    expect((await app.get<RefundObject>(`/v1/refunds/${refund.id}`)).text).toBe(text);
    // D1 lags behind, and is not what is shown.
    await env.DB.prepare("UPDATE refunds SET doc = json_set(doc, '$.amount', 2) WHERE id = ?")
      .bind(refund.id)
      .run();
    expect((await app.get<RefundObject>(`/v1/refunds/${refund.id}`)).text).toBe(text);
  });

  it("is the promise while its ledger is away; another one is unavailable then", async () => {
    const app = await TestApp.create();
    const charge = await app.charge();
    const { body: known } = await app.refund(charge, { amount: 1 });
    await finder(app, "/v1/refunds").finds({}, known.id);
    vi.spyOn(ChargeLedger.prototype, "create").mockRejectedValue(new Error("the connection broke"));
    const { body: promised } = await app.refund(charge, { amount: 2, description: "Promised" });
    expect(promised.status).toBe("pending");
    const read = vi.spyOn(ChargeLedger.prototype, "read");
    expect((await app.get(`/v1/refunds/${promised.id}`)).body).toEqual(promised);
    read.mockRejectedValue(new Error("the connection broke"));
    expect((await app.get(`/v1/refunds/${promised.id}`)).body).toEqual(promised);
    expect((await app.get(`/v1/refunds/${known.id}`)).status).toBe(503);
  });

  it.each(["re_000000000000000000000000", "re_1", "ch_000000000000000000000000", "%00"])(
    "that nobody made is not found: %s",
    async (id) => {
      const app = await TestApp.create();
      const { status, body } = await app.get(`/v1/refunds/${id}`);
      expect([status, body.error.param]).toEqual([404, "id"]);
    },
  );
});
