import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { STATES, statusOf } from "../../src/refunds/refund.ts";
import type { SummaryObject } from "../../src/refunds/summary-schema.ts";
import { TestApp } from "../harness.ts";
import { type Copy, copyRefund, projectedRefund } from "./refund-copies.ts";

const DAY = 86_400;
const at = (time: string) => Date.parse(time) / 1000;

/** An app with refunds of the times that a test wants, besides one of today. */
async function shop(copies: readonly Copy[]) {
  const app = await TestApp.create();
  const made = await projectedRefund(app);
  await copyRefund(made, copies);
  const ask = (query: string) => app.get<SummaryObject>(`/v1/refunds/summary${query}`);
  const summary = async (query: string) => {
    const answer = await ask(query);
    expect(answer.text).toContain('"object":"refund_summary"');
    return answer.body;
  };
  const refused = async (query: string) => {
    const answer = await app.get(`/v1/refunds/summary${query}`);
    expect(answer.status).toBe(400);
    return answer.body.error;
  };
  return { app, made, ask, summary, refused };
}

describe("a summary of refunds", () => {
  it("counts and adds up by status and currency, of the last thirty days in China, unless told otherwise", async () => {
    const now = Math.floor(Date.now() / 1000);
    const { summary } = await shop([
      { created: now - 40 * DAY, amount: 1 },
      { created: now - 20 * DAY, amount: 7, state: "failed" },
      { created: now - 10 * DAY, amount: 20, currency: "usd" },
      { created: now - 10, amount: 5 },
    ]);
    const found = await summary("");
    expect(found).toEqual({
      object: "refund_summary",
      time_zone: "Asia/Shanghai",
      created: { gte: expect.any(Number), lt: expect.any(Number) },
      group_by: ["status", "currency"],
      data: [
        { status: "failed", currency: "cny", count: 1, amount: 7 },
        { status: "succeeded", currency: "cny", count: 2, amount: 105 },
        { status: "succeeded", currency: "usd", count: 1, amount: 20 },
      ],
    });
    // From a midnight in China.
    expect((found.created.gte + 8 * 3600) % DAY).toBe(0);
    expect(found.created.lt - found.created.gte).toBeGreaterThan(29 * DAY);
    expect(found.created.lt - found.created.gte).toBeLessThanOrEqual(30 * DAY);
  });

  it("never mixes currencies, whatever it is grouped by, however that is said", async () => {
    const created = at("2026-01-05T00:00Z");
    const { summary } = await shop([
      { created, amount: 1, channel: "wx", currency: "usd" },
      { created, amount: 2, channel: "alipay", currency: "usd", state: "unknown" },
      { created, amount: 4, channel: "wx", state: "accepted" },
      { created, amount: 8, channel: "wx" },
    ]);
    const when = `created[gte]=${created}&created[lte]=${created}`;
    const byChannel = await summary(`?group_by=channel&${when}`);
    expect(byChannel.group_by).toEqual(["channel", "currency"]);
    expect(byChannel.data).toEqual([
      { channel: "alipay", currency: "usd", count: 1, amount: 2 },
      { channel: "wx", currency: "cny", count: 2, amount: 12 },
      { channel: "wx", currency: "usd", count: 1, amount: 1 },
    ]);
    expect((await summary(`?group_by=currency&${when}`)).data).toEqual([
      { currency: "cny", count: 2, amount: 12 },
      { currency: "usd", count: 2, amount: 3 },
    ]);
    const all = await summary(`?group_by=currency,channel,status,day&${when}`);
    expect(all.data[0]).toEqual({
      ...{ day: "2026-01-05", status: "pending", channel: "alipay", currency: "usd" },
      ...{ count: 1, amount: 2 },
    });
    for (const same of [
      `?group_by[]=currency&group_by[]=channel&group_by[]=status&group_by[]=day&${when}`,
      `?group_by=day&group_by=status,channel&${when}`,
    ]) {
      expect(await summary(same)).toEqual(all);
    }
  });

  it("counts every refund once, whatever state it is in", async () => {
    const created = at("2026-01-05T00:00Z");
    const { summary } = await shop(STATES.map((state) => ({ created, state, amount: 3 })));
    const { data } = await summary(`?created=${created}`);
    const expected = Map.groupBy(STATES, statusOf);
    expect(data.map(({ status, count, amount }) => [status, count, amount])).toEqual(
      [...expected].map(([status, { length }]) => [status, length, 3 * length]).sort(),
    );
  });

  it("filters by status, channel and currency", async () => {
    const created = at("2026-01-05T00:00Z");
    const { summary } = await shop([
      { created, amount: 1, channel: "wx", currency: "usd" },
      { created, amount: 2, channel: "wx", state: "failed" },
      { created, amount: 4, channel: "alipay" },
    ]);
    const sums = async (query: string) =>
      (await summary(`?created=${created}&group_by=currency&${query}`)).data.map(({ amount }) => amount);
    expect(await sums("status=failed")).toEqual([2]);
    expect(await sums("channel=wx")).toEqual([2, 1]);
    expect(await sums("channel=wx&currency=cny")).toEqual([2]);
    expect(await sums("status=succeeded&channel=alipay&currency=cny")).toEqual([4]);
    expect(await sums("channel=nobody")).toEqual([]);
  });
});

describe("a day", () => {
  it("is one of the zone that is asked for: the same second belongs to two dates", async () => {
    const { summary } = await shop([
      { created: at("2026-01-05T15:59:59Z"), amount: 1 },
      { created: at("2026-01-05T16:00:00Z"), amount: 2 },
    ]);
    const range = `created[gte]=${at("2026-01-04T00:00Z")}&created[lt]=${at("2026-01-08T00:00Z")}`;
    const days = async (zone: string) =>
      (await summary(`?group_by=day&${range}${zone}`)).data.map(({ day, amount }) => [day, amount]);
    expect(await days("")).toEqual([
      ["2026-01-05", 1],
      ["2026-01-06", 2],
    ]);
    expect(await days("&time_zone=UTC")).toEqual([["2026-01-05", 3]]);
    expect(await days("&time_zone=America/Los_Angeles")).toEqual([["2026-01-05", 3]]);
    expect(await days("&time_zone=Pacific/Kiritimati")).toEqual([["2026-01-06", 3]]);
  });

  it("has 23 or 25 hours where clocks are changed, and every refund falls on one", async () => {
    const hours = Array.from({ length: 72 }, (_, i) => i * 3600);
    const spring = hours.map((hour) => ({ created: at("2026-03-07T05:00Z") + hour, amount: 1 }));
    const autumn = hours.map((hour) => ({ created: at("2026-10-31T04:00Z") + hour, amount: 1 }));
    const { summary } = await shop([...spring, ...autumn]);
    const { data } = await summary(
      `?group_by=day&time_zone=America/New_York&created[gte]=${at("2026-03-01T00:00Z")}&created[lt]=${at("2026-11-10T00:00Z")}`,
    );
    expect(data.map(({ day, count }) => [day, count])).toEqual([
      ["2026-03-07", 24],
      ["2026-03-08", 23],
      ["2026-03-09", 24],
      ["2026-03-10", 1],
      ["2026-10-31", 24],
      ["2026-11-01", 25],
      ["2026-11-02", 23],
    ]);
  });

  it("is one group also where clocks were put back across midnight", async () => {
    const created = at("2006-10-29T02:31:00Z");
    const { summary } = await shop([
      { created: created - 61, amount: 1 },
      { created: created - 1, amount: 2 },
      { created: created + 60, amount: 4 },
      { created: created + 3600, amount: 8 },
    ]);
    const { data } = await summary(
      `?group_by=day&time_zone=America/St_Johns&created[gte]=${created - DAY}&created[lt]=${created + DAY}`,
    );
    expect(data).toEqual([
      { day: "2006-10-28", currency: "cny", count: 2, amount: 5 },
      { day: "2006-10-29", currency: "cny", count: 2, amount: 10 },
    ]);
  });
});

describe("a sum", () => {
  const created = at("2026-01-05T00:00Z");

  it("is exact beyond 2^31, to the last unit that a JSON number holds", async () => {
    const { summary } = await shop([
      { created, amount: 2 ** 31 },
      { created, amount: 2 ** 52 + 1 },
      { created, amount: 2 ** 52 - 2 - 2 ** 31 },
    ]);
    const { data } = await summary(`?created=${created}`);
    expect(data).toEqual([
      { status: "succeeded", currency: "cny", count: 3, amount: Number.MAX_SAFE_INTEGER },
    ]);
  });

  it("that is more is refused: it would not be what a client reads", async () => {
    const { refused } = await shop([
      { created, amount: Number.MAX_SAFE_INTEGER },
      { created, amount: 1 },
    ]);
    expect(await refused(`?created=${created}`)).toMatchObject({ param: "created" });
    // Also where SQLite's own sum would have ended.
    const many = Array.from({ length: 1100 }, () => ({ created, amount: Number.MAX_SAFE_INTEGER }));
    const huge = await shop(many);
    expect(await huge.refused(`?created=${created}`)).toMatchObject({ param: "created" });
  });
});

describe("a summary refuses", () => {
  it.each([
    ["a zone that is none", "time_zone=Asia/Nowhere", "time_zone"],
    ["a zone of another shape", "time_zone=../../etc", "time_zone"],
    ["a group that is none", "group_by=status,amount", "group_by"],
    ["an empty period", "created[gte]=10&created[lt]=10", "created"],
    ["more than 400 days by day", "group_by=day&created[gte]=0&created[lt]=34563601", "created"],
    ["a misspelt filter, which would count too much", "statsu=failed", "statsu"],
    ["a status that is none", "status=waiting", "status"],
  ])("%s", async (_, query, param) => {
    const app = await TestApp.create();
    const answer = await app.get(`/v1/refunds/summary?${query}`);
    expect({ status: answer.status, param: answer.body.error.param }).toEqual({ status: 400, param });
  });

  it("nothing of any length that is not grouped by day, nor 400 days that are", async () => {
    const app = await TestApp.create();
    for (const query of ["created[gte]=0", "group_by=day&created[gte]=0&created[lt]=34563600"]) {
      expect((await app.get(`/v1/refunds/summary?${query}`)).status).toBe(200);
    }
  });
});

describe("a summary is answered from one index, and touches no row,", () => {
  it.each([
    "",
    "?group_by=day&time_zone=Europe/London",
    "?group_by=day,status,channel&channel=wx&status=failed&currency=cny",
  ])("%s", async (query) => {
    const app = await TestApp.create();
    await app.get("/v1/refunds/summary");
    const prepare = vi.spyOn(env.DB, "prepare");
    await app.get(`/v1/refunds/summary${query}`);
    const [asked] = prepare.mock.calls.map(([text]) => text);
    prepare.mockRestore();
    const { results } = await env.DB.prepare(`explain query plan ${asked}`)
      .bind(...[...(asked ?? "").matchAll(/\?/g)].map(() => null))
      .all<{ detail: string }>();
    const plan = results.map(({ detail }) => detail);
    expect(plan).toContain(
      "SEARCH refunds USING COVERING INDEX refunds_created (app=? AND livemode=? AND created>? AND created<?)",
    );
    expect(plan.filter((step) => /^(SCAN refunds|SEARCH)/.test(step))).toHaveLength(1);
  });
});
