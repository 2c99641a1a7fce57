// The list of charges: order, filters, pages: contract.md §2 over HTTP.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ChargeObject } from "../../src/charges/schema.ts";
import { eventually, TestApp } from "../harness.ts";

interface List {
  object: string;
  url: string;
  has_more: boolean;
  data: ChargeObject[];
}

const T = 1_700_000_000;

/** An app with charges of those times of creation; several may share a second. */
async function shop(times: readonly number[], facts: (i: number) => Record<string, unknown> = () => ({})) {
  const app = await TestApp.create();
  const charges: ChargeObject[] = [];
  for (const [i, created] of times.entries()) charges.push(await app.charge({ created, ...facts(i) }));
  // Newest first; of one second, the one recorded last comes first.
  const newestFirst = charges
    .map((charge, i) => ({ charge, i }))
    .sort((a, b) => b.charge.created - a.charge.created || b.i - a.i)
    .map(({ charge }) => charge.id);
  let pages = 0;
  const list = async (query = "") => {
    if (++pages > 100) throw new Error("the pages do not end");
    const { status, body } = await app.get<List>(`/v1/charges${query}`);
    expect(status).toBe(200);
    return { ids: body.data.map(({ id }) => id), hasMore: body.has_more };
  };
  return { app, charges, newestFirst, list };
}

describe("the list of charges", () => {
  it("is a list object, its charges as they are retrieved one by one", async () => {
    const { app, charges } = await shop([T, T + 1]);
    const { body } = await app.get<List>("/v1/charges");
    expect(body).toEqual({
      object: "list",
      url: "/v1/charges",
      has_more: false,
      data: charges.toReversed(),
    });
    expect(Object.keys(body)).toEqual(["object", "url", "has_more", "data"]);
  });

  it("is empty without charges", async () => {
    const { app } = await shop([]);
    expect((await app.get<List>("/v1/charges")).body).toEqual({
      object: "list",
      url: "/v1/charges",
      has_more: false,
      data: [],
    });
  });

  it("holds ten, newest first, unless the limit says otherwise", async () => {
    const { newestFirst, list } = await shop(Array.from({ length: 12 }, (_, i) => T + (i % 5)));
    expect(await list()).toEqual({ ids: newestFirst.slice(0, 10), hasMore: true });
    expect(await list("?limit=1")).toEqual({ ids: newestFirst.slice(0, 1), hasMore: true });
    expect(await list("?limit=12")).toEqual({ ids: newestFirst, hasMore: false });
    expect(await list("?limit=100")).toEqual({ ids: newestFirst, hasMore: false });
  });

  it("is partitioned by its pages in both directions, whatever the times and the limit (I6)", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: T, max: T + 3 }), { minLength: 1, maxLength: 10 }),
        fc.integer({ min: 1, max: 4 }),
        async (times, limit) => {
          const { newestFirst, list } = await shop(times);
          const forward: string[] = [];
          let page = await list(`?limit=${limit}`);
          forward.push(...page.ids);
          while (page.hasMore) {
            expect(page.ids).toHaveLength(limit);
            page = await list(`?limit=${limit}&starting_after=${forward.at(-1)}`);
            forward.push(...page.ids);
          }
          expect(forward).toEqual(newestFirst);

          const backward = [newestFirst.at(-1) as string];
          do {
            page = await list(`?limit=${limit}&ending_before=${backward[0]}`);
            backward.unshift(...page.ids);
          } while (page.hasMore);
          expect(backward).toEqual(newestFirst);
        },
      ),
      { numRuns: 8 },
    );
  });

  it("pages of 3 over ten charges of one second: has_more speaks of the direction of travel", async () => {
    const { newestFirst, list } = await shop(Array.from({ length: 10 }, () => T));
    const at = (i: number) => newestFirst[i];
    expect(await list(`?limit=3&starting_after=${at(2)}`)).toEqual({
      ids: newestFirst.slice(3, 6),
      hasMore: true,
    });
    expect(await list(`?limit=3&starting_after=${at(6)}`)).toEqual({
      ids: newestFirst.slice(7, 10),
      hasMore: false,
    });
    expect(await list(`?limit=3&ending_before=${at(7)}`)).toEqual({
      ids: newestFirst.slice(4, 7),
      hasMore: true,
    });
    expect(await list(`?limit=3&ending_before=${at(3)}`)).toEqual({
      ids: newestFirst.slice(0, 3),
      hasMore: false,
    });
    expect(await list(`?starting_after=${at(9)}`)).toEqual({ ids: [], hasMore: false });
    expect(await list(`?ending_before=${at(0)}`)).toEqual({ ids: [], hasMore: false });
  });

  it("can be narrowed by the time of creation, encoded or not, several bounds together", async () => {
    const { charges, list } = await shop([T, T + 1, T + 2, T + 3]);
    const ids = (...picks: number[]) => picks.map((i) => charges[i]?.id);
    expect((await list(`?created[gt]=${T + 1}`)).ids).toEqual(ids(3, 2));
    expect((await list(`?created[gte]=${T + 1}`)).ids).toEqual(ids(3, 2, 1));
    expect((await list(`?created[lt]=${T + 1}`)).ids).toEqual(ids(0));
    expect((await list(`?created%5Blte%5D=${T + 1}`)).ids).toEqual(ids(1, 0));
    expect((await list(`?created[gt]=${T}&created[lt]=${T + 3}`)).ids).toEqual(ids(2, 1));
    expect((await list(`?created=${T + 2}`)).ids).toEqual(ids(2));
    expect((await list(`?created[gt]=${T + 3}`)).ids).toEqual([]);
  });

  it("can be narrowed by channel, paid and refunded, and paged while it is", async () => {
    const { app, charges, list } = await shop([T, T + 1, T + 2, T + 3, T + 4, T + 5], (i) => ({
      channel: i % 2 === 0 ? "wx" : "alipay",
      paid: i < 4,
      // The windows of both channels are over for charges of T.
      time_paid: i < 4 ? Math.floor(Date.now() / 1000) : undefined,
    }));
    const ids = (...picks: number[]) => picks.map((i) => charges[i]?.id);
    expect((await list("?channel=wx")).ids).toEqual(ids(4, 2, 0));
    expect((await list("?channel=nobody")).ids).toEqual([]);
    expect((await list("?paid=true")).ids).toEqual(ids(3, 2, 1, 0));
    expect((await list("?paid=false")).ids).toEqual(ids(5, 4));
    expect((await list("?channel=wx&paid=true")).ids).toEqual(ids(2, 0));
    expect((await list("?refunded=true")).ids).toEqual([]);
    expect(await list("?channel=wx&limit=2")).toEqual({ ids: ids(4, 2), hasMore: true });
    expect(await list(`?channel=wx&limit=2&starting_after=${charges[2]?.id}`)).toEqual({
      ids: ids(0),
      hasMore: false,
    });

    // A failed refund counts as one that there has been.
    const [first, second] = charges as [ChargeObject, ChargeObject];
    await app.refund(first, { amount: 100, description: "[sandbox:declined]" });
    await app.refund(second, { amount: 100, description: "[sandbox:pending_forever]" });
    await eventually(async () => (await list("?refunded=true")).ids.length === 2);
    expect((await list("?refunded=true")).ids).toEqual(ids(1, 0));
    expect((await list("?refunded=false")).ids).toEqual(ids(5, 4, 3, 2));
  });

  it("shows each charge with its refunds, like the charge itself, as soon as D1 knows them", async () => {
    const { app, charges } = await shop([T, T + 1], () => ({
      channel: "wx",
      time_paid: Math.floor(Date.now() / 1000),
    }));
    const [charge] = charges as [ChargeObject];
    for (let i = 0; i < 11; i++) await app.refund(charge, { amount: 10, description: `No ${i}` });
    await app.refund(charge, { amount: 100, description: "[sandbox:pending_forever]" });
    await app.refund(charge, { amount: 200, description: "[sandbox:declined]" });
    const whole = await app.retrieveCharge(charge);
    expect(whole).toMatchObject({
      amount_refunded: 110,
      amount_pending_refund: 100,
      amount_refundable: 9790,
    });
    const listed = await eventually(async () => {
      const { body } = await app.get<List>("/v1/charges");
      const found = body.data.find(({ id }) => id === charge.id);
      return found?.amount_pending_refund === 100 && found.refunds.data[0]?.status === "failed" && found;
    });
    expect(listed).toEqual(whole);
  });

  it("is of the key's app and mode alone (I14)", async () => {
    const { app, newestFirst, list } = await shop([T, T + 1]);
    const { list: others } = await shop([T]);
    const live = await app.charge({}, { live: true });
    expect((await list(`?app[id]=${app.id}`)).ids).toEqual(newestFirst);
    expect((await list(`?app%5Bid%5D=${app.id}`)).ids).toEqual(newestFirst);
    expect((await others()).ids).not.toEqual(expect.arrayContaining(newestFirst));
    const { body } = await app.get<List>("/v1/charges", { live: true });
    expect(body.data.map(({ id }) => id)).toEqual([live.id]);
    const cursor = await app.get(`/v1/charges?starting_after=${live.id}`);
    expect([cursor.status, cursor.body.error.param]).toEqual([400, "starting_after"]);
  });

  it.each([
    ["limit=0", "limit"],
    ["limit=101", "limit"],
    ["limit=-1", "limit"],
    ["limit=abc", "limit"],
    ["limit=1.5", "limit"],
    ["limit=", "limit"],
    ["limit=1&limit=2", "limit"],
    ["paid=yes", "paid"],
    ["refunded=1", "refunded"],
    ["created=yesterday", "created"],
    ["created[gt]=-1", "created[gt]"],
    ["starting_after=ch_000000000000000000000000", "starting_after"],
    ["starting_after=%00", "starting_after"],
    ["ending_before=nothing", "ending_before"],
    ["starting_after=ch_000000000000000000000000&ending_before=ch_000000000000000000000000", "ending_before"],
    ["app[id]=app_000000000000000000000000", "app[id]"],
  ])("?%s is refused, naming %s", async (query, param) => {
    const { app } = await shop([T]);
    const { status, body } = await app.get(`/v1/charges?${query}`);
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ type: "invalid_request_error", param });
  });
});
