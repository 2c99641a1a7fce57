// Searches with everything a query string can hold at once: whatever index leads, SQLite has to take it.
import { describe, expect, it } from "vitest";
import { mintId } from "../../src/ids.ts";
import { random, TestApp } from "../harness.ts";

const long = "v".repeat(200);
const enc = encodeURIComponent;
describe("a search with every filter", () => {
  const common = [
    "channel=alipay",
    "currency=cny",
    "order_no=A1",
    "transaction_no=T1",
    `description=${enc("tins of tea and a good deal more of them than anybody asked for 质量很好的商品")}`,
    ...["k1", "k2", "k3"].map((k) => `metadata[${k}]=${long}`),
    "created[gte]=1",
    "created[lte]=99999999999",
    "created[gt]=0",
    "created[lt]=999999999999",
    "amount[gte]=1",
    "amount[lte]=100000",
    "include=total_count",
  ];
  const refund = [
    ...common,
    "status=pending",
    "refund_no=R1",
    "attention=any",
    "approval=required",
    `charge=${mintId("charge", random)}`,
    `batch=${mintId("batch", random)}`,
  ];
  const charge = [...common, "paid=true", "refunded=false", "frozen=true"];
  const numbers = /^(order_no|transaction_no|refund_no|charge|batch)=/;
  const words = /^(description|metadata)/;
  const lists = [
    ["refunds", refund],
    ["charges", charge],
    ["refunds/export", refund.filter((filter) => !filter.startsWith("include"))],
  ] as const;
  const kinds = [
    ["every filter", (_: string) => true],
    ["every filter but exact numbers", (filter: string) => !numbers.test(filter)],
    ["neither numbers nor words", (filter: string) => !numbers.test(filter) && !words.test(filter)],
  ] as const;
  const cases = lists.flatMap(([path, filters]) =>
    ["-created", "created", "-amount", "amount"].flatMap((sort) =>
      kinds.map(([kind, keeps]) => ({ path, sort, kind, query: filters.filter(keeps).join("&") })),
    ),
  );

  it.each(cases)("$path sorted by $sort with $kind is answered", async ({ path, sort, query }) => {
    const app = await TestApp.create();
    await app.refund(await app.charge(), { amount: 1 });
    const answer = await app.get(`/v1/${path}?${query}&sort=${sort}`);
    expect([answer.status, answer.text.slice(0, 300)]).toEqual([200, expect.anything()]);
  });
});

describe("a summary of an odd time", () => {
  it.each([
    ["far ahead", "created[lte]=999999999999", 200],
    ["before there were any", "created[lte]=0", 200],
    ["of thousands of years by day", "created[gte]=0&created[lte]=999999999999&group_by=day", 400],
    [
      "of the day that Apia left out",
      "time_zone=Pacific/Apia&group_by=day&created[gte]=1325000000&created[lte]=1325500000",
      200,
    ],
    ["where the clock moves by two hours", "time_zone=Antarctica/Troll&group_by=day", 200],
    ["at the edge of the world", "time_zone=Etc/GMT%2B12&group_by=day", 200],
  ])("%s is answered or refused", async (_, query, status) => {
    const app = await TestApp.create();
    expect((await app.get(`/v1/refunds/summary?${query}`)).status).toBe(status);
  });
});
