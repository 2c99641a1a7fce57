// The pages of a charge's refunds: contract.md §2 over HTTP.
import { evictDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { type ErrorObject, TestApp } from "../harness.ts";

interface List {
  object: string;
  url: string;
  has_more: boolean;
  data: RefundObject[];
}

/** A charge with so many refunds, some pending and some failed. */
async function shop(count: number, settings: Record<string, unknown> = {}) {
  const app = await TestApp.create({ settings });
  const charge = await app.charge();
  const path = `/v1/charges/${charge.id}/refunds`;
  const newestFirst: string[] = [];
  const add = async () => {
    const n = newestFirst.length;
    const trigger = ["", "[sandbox:declined]", "[sandbox:pending_forever]"][n % 3];
    const { body } = await app.refund(charge, { amount: 1, description: `No ${n} ${trigger}` });
    newestFirst.unshift(body.id);
  };
  for (let i = 0; i < count; i++) await add();
  let pages = 0;
  const list = async (query = "") => {
    if (++pages > 100) throw new Error("the pages do not end");
    const { status, body } = await app.get<List>(`${path}${query}`);
    expect(status).toBe(200);
    return { ids: body.data.map(({ id }) => id), hasMore: body.has_more };
  };
  const refused = (query: string) => app.get<ErrorObject>(`${path}${query}`);
  return { app, charge, path, newestFirst, add, list, refused };
}

describe("the refunds of a charge", () => {
  it("are an empty list at first, also for a charge that nobody has touched", async () => {
    const { app, path } = await shop(0);
    const { text } = await app.get(path);
    expect(text).toBe(`{"object":"list","url":"${path}","has_more":false,"data":[]}`);
  });

  it("are a list object of refunds as they are retrieved one by one; its url has no query", async () => {
    const { app, path, newestFirst } = await shop(3);
    const { body } = await app.get<List>(`${path}?limit=2`);
    expect(body).toMatchObject({ object: "list", url: path, has_more: true });
    expect(Object.keys(body)).toEqual(["object", "url", "has_more", "data"]);
    expect(body.data.map(({ id }) => id)).toEqual(newestFirst.slice(0, 2));
    for (const refund of body.data) expect(await app.retrieveRefund(refund)).toEqual(refund);
  });

  it("come ten at a time, newest first, unless the limit says otherwise", async () => {
    const { newestFirst, list } = await shop(21);
    expect(await list()).toEqual({ ids: newestFirst.slice(0, 10), hasMore: true });
    expect(await list("?")).toEqual({ ids: newestFirst.slice(0, 10), hasMore: true });
    expect(await list("?limit=1")).toEqual({ ids: newestFirst.slice(0, 1), hasMore: true });
    expect(await list("?limit=20")).toEqual({ ids: newestFirst.slice(0, 20), hasMore: true });
  });

  it("after a cursor are the next older ones", async () => {
    const { newestFirst: ids, list } = await shop(8);
    expect(await list(`?limit=3&starting_after=${ids[0]}`)).toEqual({ ids: ids.slice(1, 4), hasMore: true });
    expect(await list(`?limit=3&starting_after=${ids[3]}`)).toEqual({ ids: ids.slice(4, 7), hasMore: true });
    expect(await list(`?limit=3&starting_after=${ids[4]}`)).toEqual({ ids: ids.slice(5, 8), hasMore: false });
    expect(await list(`?limit=3&starting_after=${ids[6]}`)).toEqual({ ids: ids.slice(7), hasMore: false });
    expect(await list(`?starting_after=${ids[7]}`)).toEqual({ ids: [], hasMore: false });
  });

  it("before a cursor are the next newer ones, still newest first and beside the cursor", async () => {
    const { newestFirst: ids, list } = await shop(8);
    expect(await list(`?limit=3&ending_before=${ids[7]}`)).toEqual({ ids: ids.slice(4, 7), hasMore: true });
    expect(await list(`?limit=3&ending_before=${ids[4]}`)).toEqual({ ids: ids.slice(1, 4), hasMore: true });
    expect(await list(`?limit=3&ending_before=${ids[3]}`)).toEqual({ ids: ids.slice(0, 3), hasMore: false });
    expect(await list(`?limit=3&ending_before=${ids[1]}`)).toEqual({ ids: ids.slice(0, 1), hasMore: false });
    expect(await list(`?ending_before=${ids[0]}`)).toEqual({ ids: [], hasMore: false });
  });

  it.each([1, 2, 3, 7, 20])("are partitioned by pages of %d in both directions (I6)", async (limit) => {
    const { newestFirst, list } = await shop(10);
    const forward: string[] = [];
    let page = await list(`?limit=${limit}`);
    forward.push(...page.ids);
    while (page.hasMore) {
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
  });

  it("are partitioned by pages while more arrive between them, which paging back then finds (I6)", async () => {
    const { newestFirst, add, list } = await shop(10);
    const atFirst = [...newestFirst];
    const forward: string[] = [];
    let page = await list("?limit=3");
    forward.push(...page.ids);
    while (page.hasMore) {
      await add();
      page = await list(`?limit=3&starting_after=${forward.at(-1)}`);
      forward.push(...page.ids);
    }
    expect(forward).toEqual(atFirst);
    const back = [forward[0] as string];
    do {
      page = await list(`?limit=2&ending_before=${back[0]}`);
      back.unshift(...page.ids);
    } while (page.hasMore);
    expect([...back, ...forward.slice(1)]).toEqual(newestFirst);
  });

  it("are partitioned by pages while ten at a time race in (I6)", async () => {
    const { app, charge, list } = await shop(6);
    const atFirst = (await list("?limit=20")).ids;
    const race = Promise.all(
      Array.from({ length: 10 }, (_, i) => app.refund(charge, { amount: 1, description: `Racer ${i}` })),
    );
    const forward: string[] = [];
    let page = await list("?limit=2");
    forward.push(...page.ids);
    while (page.hasMore) {
      page = await list(`?limit=2&starting_after=${forward.at(-1)}`);
      forward.push(...page.ids);
    }
    const racers = (await race).map(({ body }) => body.id);
    const all = (await list("?limit=20")).ids;
    expect(new Set(all)).toEqual(new Set([...atFirst, ...racers]));
    // What was seen is the list from its first item on, each item once.
    expect(forward).toEqual(all.slice(all.indexOf(forward[0] as string)));
  });

  it("stay in the order of creation after the ledger was evicted", async () => {
    const { app, charge, newestFirst, list } = await shop(9);
    await evictDurableObject(app.ledger(charge));
    expect(await list("?limit=20")).toEqual({ ids: newestFirst, hasMore: false });
  });

  it.each([
    ["limit=0", "limit"],
    ["limit=21", "limit"],
    ["limit=100", "limit"],
    ["limit=1000", "limit"],
    ["limit=-1", "limit"],
    ["limit=abc", "limit"],
    ["limit=1.0", "limit"],
    ["limit=1e1", "limit"],
    ["limit=%2010", "limit"],
    ["limit=", "limit"],
    ["limit=5&limit=6", "limit"],
    ["starting_after=re_000000000000000000000000", "starting_after"],
    ["ending_before=re_000000000000000000000000", "ending_before"],
    ["starting_after=", "starting_after"],
    ["ending_before=%00", "ending_before"],
    [`starting_after=${"x".repeat(5000)}`, "starting_after"],
  ])("?%s is refused, naming %s", async (query, param) => {
    const { refused } = await shop(1);
    const { status, body } = await refused(`?${query}`);
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ type: "invalid_request_error", param });
  });

  it("are not listed between two cursors, even when both are known", async () => {
    const { newestFirst, refused } = await shop(3);
    const { status, body } = await refused(
      `?starting_after=${newestFirst[0]}&ending_before=${newestFirst[2]}`,
    );
    expect({ status, param: body.error.param }).toEqual({ status: 400, param: "ending_before" });
  });

  it("have no cursor that belongs to another charge", async () => {
    const { refused } = await shop(1);
    const { newestFirst: others } = await shop(1);
    const { status, body } = await refused(`?starting_after=${others[0]}`);
    expect({ status, param: body.error.param }).toEqual({ status: 400, param: "starting_after" });
  });

  it("come up to 100 at a time for apps that have set so, and no more than they have set", async () => {
    const { newestFirst, list, refused } = await shop(25, { list_limit_max: 30 });
    expect(await list("?limit=30")).toEqual({ ids: newestFirst, hasMore: false });
    expect((await refused("?limit=31")).body.error.param).toBe("limit");
    const { refused: hundred, list: listHundred } = await shop(1, { list_limit_max: 100 });
    expect((await listHundred("?limit=100")).ids).toHaveLength(1);
    expect((await hundred("?limit=101")).body.error.param).toBe("limit");
    const { list: five, refused: six } = await shop(6, { list_limit_max: 5 });
    expect((await five("?limit=5")).ids).toHaveLength(5);
    expect((await six("?limit=6")).body.error.param).toBe("limit");
    expect((await five()).ids).toHaveLength(5);
  });

  it.each(["ch_000000000000000000000000", "ch_nothing"])(
    "of the unknown charge %s answer 404",
    async (id) => {
      const app = await TestApp.create();
      const { status, body } = await app.get(`/v1/charges/${id}/refunds`);
      expect({ status, error: body.error }).toMatchObject({
        status: 404,
        error: { param: "id", message: `未找到 charge : ${id}。` },
      });
    },
  );
});
