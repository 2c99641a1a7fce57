// The search for refunds across charges, against a plain filter of the same refunds.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { APPROVALS, ATTENTIONS, STATUSES, statusOf } from "../../src/refunds/refund.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { wordsOf } from "../../src/search/terms.ts";
import { type ErrorObject, TestApp } from "../harness.ts";
import {
  addCharges,
  addRefunds,
  CHANNELS,
  COLOURS,
  CURRENCIES,
  KEYS,
  type MadeRefund,
  page,
  pairs,
  pastRefunds,
  queryOf,
  T,
  walk,
} from "./search-fixture.ts";

type Test = (made: MadeRefund, value: string) => boolean;

/** What each filter means. */
const FILTERS: Record<string, Test> = {
  status: ({ refund }, value) => statusOf(refund.state) === value,
  channel: ({ charge }, value) => charge.channel === value,
  currency: ({ charge }, value) => charge.currency === value,
  amount: ({ refund }, value) => refund.amount === Number(value),
  "amount[gt]": ({ refund }, value) => refund.amount > Number(value),
  "amount[gte]": ({ refund }, value) => refund.amount >= Number(value),
  "amount[lt]": ({ refund }, value) => refund.amount < Number(value),
  "amount[lte]": ({ refund }, value) => refund.amount <= Number(value),
  created: ({ refund }, value) => refund.created === Number(value),
  "created[gt]": ({ refund }, value) => refund.created > Number(value),
  "created[gte]": ({ refund }, value) => refund.created >= Number(value),
  "created[lt]": ({ refund }, value) => refund.created < Number(value),
  "created[lte]": ({ refund }, value) => refund.created <= Number(value),
  description: ({ refund }, value) => {
    const words = wordsOf(refund.description);
    return wordsOf(value).every((word) => words.includes(word));
  },
  refund_no: ({ refund }, value) => refund.refundNo === value,
  order_no: ({ charge }, value) => charge.orderNo === value,
  transaction_no: ({ refund }, value) => refund.transactionNo === value,
  attention: ({ refund }, value) =>
    value === "any" ? refund.attention !== null : refund.attention === value,
  approval: ({ refund }, value) => refund.approval?.status === value,
  charge: ({ charge }, value) => charge.id === value,
  batch: ({ refund }, value) => refund.batch === value,
};

function meets(made: MadeRefund, name: string, value: string): boolean {
  const key = /^metadata\[(.*)\]$/s.exec(name)?.[1];
  if (key === undefined) return (FILTERS[name] as Test)(made, value);
  return Object.hasOwn(made.refund.metadata, key) && made.refund.metadata[key] === value;
}

const SORTS = ["-created", "created", "-amount", "amount"] as const;

/** What a search should find, in its order. */
function expected(all: readonly MadeRefund[], filters: Record<string, string>, sort: string): string[] {
  const by = (a: MadeRefund, b: MadeRefund) =>
    (sort.endsWith("amount") ? a.refund.amount - b.refund.amount : 0) ||
    a.refund.created - b.refund.created ||
    a.refund.seq - b.refund.seq ||
    (a.refund.id < b.refund.id ? -1 : 1);
  const found = all.filter((made) =>
    Object.entries(filters).every(([name, value]) => meets(made, name, value)),
  );
  const sorted = found.sort(sort.startsWith("-") ? (a, b) => by(b, a) : by);
  return sorted.map(({ refund }) => refund.id);
}

/** Filters that find some of the past and some that find nothing, one value each. */
const filterArbitrary = (all: readonly MadeRefund[]) => {
  const some = (pick: (made: MadeRefund) => string | null | undefined) =>
    fc.constantFrom(...new Set(all.map(pick).filter((value) => typeof value === "string")), "none0");
  const amounts = fc.constantFrom("0", "100", "250", "300", "500", "9999");
  const times = fc.integer({ min: T - 1, max: T + 7 }).map(String);
  return fc.record(
    {
      status: fc.constantFrom(...STATUSES),
      channel: fc.constantFrom(...CHANNELS, "nobody"),
      currency: fc.constantFrom(...CURRENCIES, "eur"),
      amount: amounts,
      "amount[gt]": amounts,
      "amount[gte]": amounts,
      "amount[lt]": amounts,
      "amount[lte]": amounts,
      created: times,
      "created[gt]": times,
      "created[gte]": times,
      "created[lt]": times,
      "created[lte]": times,
      description: fc.constantFrom("returned", "SIZE wrong", "质量", "质量问题", "wrong", "nothing like it"),
      "metadata[colour]": fc.constantFrom(...COLOURS, ""),
      "metadata[__proto__]": fc.constantFrom(...COLOURS),
      "metadata[long]": fc.constantFrom(`${"x".repeat(70)}0`, "x".repeat(70)),
      refund_no: some(({ refund }) => refund.refundNo),
      order_no: some(({ charge }) => charge.orderNo),
      transaction_no: some(({ refund }) => refund.transactionNo),
      attention: fc.constantFrom("any", ...ATTENTIONS),
      approval: fc.constantFrom(...APPROVALS),
      charge: fc.constantFrom(...new Set(all.map(({ charge }) => charge.id))),
      batch: fc.constantFrom(all.find(({ refund }) => refund.batch !== undefined)?.refund.batch as string),
    },
    { requiredKeys: [] },
  );
};

/** At most so many of them: with all together nothing would ever be found. */
function atMost(count: number, filters: Record<string, string | undefined>, from: number) {
  const given = Object.entries(filters) as [string, string][];
  const turned = [...given.slice(from % (given.length || 1)), ...given.slice(0, from % (given.length || 1))];
  return Object.fromEntries(turned.slice(0, count));
}

describe("a search for refunds", () => {
  it("finds by each filter alone exactly what meets it, and counts it", async () => {
    const app = await TestApp.create();
    const all = await pastRefunds(app);
    const queries: Record<string, string>[] = [
      {},
      ...STATUSES.map((status) => ({ status })),
      ...CHANNELS.map((channel) => ({ channel })),
      ...CURRENCIES.map((currency) => ({ currency })),
      ...["", "[gt]", "[gte]", "[lt]", "[lte]"].flatMap((bound) => [
        { [`amount${bound}`]: "300" },
        { [`created${bound}`]: String(T + 3) },
      ]),
      ...["returned", "Wrong  SIZE", "质量", "量问", "商品质量问题", "colour 质量"].map((description) => ({
        description,
      })),
      ...KEYS.flatMap((key) => COLOURS.map((colour) => ({ [`metadata[${key}]`]: colour }))),
      { "metadata[long]": `${"x".repeat(70)}1` },
      { refund_no: "R-4" },
      { order_no: "order-1" },
      { transaction_no: "T-9" },
      ...["any", ...ATTENTIONS].map((attention) => ({ attention })),
      ...APPROVALS.map((approval) => ({ approval })),
      { charge: all[12]?.charge.id as string },
      { batch: all[0]?.refund.batch as string },
    ];
    let found = 0;
    for (const filters of queries) {
      const wanted = expected(all, filters, "-created");
      const { ids, total } = await page(
        app,
        `/v1/refunds${queryOf({ ...filters, limit: "100", include: "total_count" })}`,
      );
      expect([filters, ids, total]).toEqual([filters, wanted, wanted.length]);
      found += wanted.length === 0 ? 0 : 1;
    }
    // The test would say nothing if the past held nothing to find.
    expect(found).toBeGreaterThan(queries.length * 0.75);
  });

  it("finds by any filters together, in any sort, page by page in both directions, ties included", async () => {
    const app = await TestApp.create();
    const all = await pastRefunds(app);
    await fc.assert(
      fc.asyncProperty(
        filterArbitrary(all),
        fc.integer({ min: 0, max: 4 }),
        fc.nat(30),
        fc.constantFrom(...SORTS),
        fc.integer({ min: 4, max: 17 }),
        async (given, count, from, sort, limit) => {
          const filters = atMost(count, given, from);
          const path = `/v1/refunds${queryOf({ ...filters, sort })}`;
          expect([path, await walk(app, path, limit)]).toEqual([path, expected(all, filters, sort)]);
        },
      ),
      { numRuns: 60 },
    );
  }, 60_000);

  it.each(SORTS)("sorted by %s is partitioned by pages of any size", async (sort) => {
    const app = await TestApp.create();
    const all = await pastRefunds(app);
    for (const limit of [7, 60]) {
      expect(await walk(app, `/v1/refunds?sort=${sort}`, limit)).toEqual(expected(all, {}, sort));
    }
  });

  it("starts at a cursor that the filter would not find, and ends a page at a bound", async () => {
    const app = await TestApp.create();
    const all = await pastRefunds(app);
    const [newest] = expected(all, {}, "-created") as [string];
    const oldest = expected(all, {}, "created")[0] as string;
    const filters = { "created[gte]": String(T + 2), "created[lte]": String(T + 4), channel: "wx" };
    const wanted = expected(all, filters, "-created");
    const from = (cursor: string) =>
      page(app, `/v1/refunds${queryOf({ ...filters, limit: "100" })}&${cursor}`);
    expect((await from(`starting_after=${newest}`)).ids).toEqual(wanted);
    expect((await from(`ending_before=${oldest}`)).ids).toEqual(wanted);
    expect((await from(`starting_after=${oldest}`)).ids).toEqual([]);
    expect((await from(`ending_before=${newest}`)).ids).toEqual([]);
  });

  it("shows refunds as they are retrieved one by one, in a list object", async () => {
    const app = await TestApp.create();
    const all = await pastRefunds(app);
    const { body } = await app.get<{ data: RefundObject[] }>("/v1/refunds?limit=1&include[]=total_count");
    expect(Object.keys(body)).toEqual([
      "object",
      "url",
      "has_more",
      "data",
      "total_count",
      "total_count_capped",
    ]);
    expect(body).toMatchObject({
      object: "list",
      url: "/v1/refunds",
      has_more: true,
      total_count: 60,
      total_count_capped: false,
    });
    const made = all.find(({ refund }) => refund.id === body.data[0]?.id) as MadeRefund;
    expect(body.data[0]).toMatchObject({
      charge: made.charge.id,
      charge_order_no: made.charge.orderNo,
      amount: made.refund.amount,
      metadata: made.refund.metadata,
    });
    expect(Object.keys((await app.get("/v1/refunds")).body)).toEqual(["object", "url", "has_more", "data"]);
  });

  it("finds nothing of another app or of the other mode, by whatever filter", async () => {
    const app = await TestApp.create();
    const other = await TestApp.create();
    const facts = {
      refundNo: "R-1",
      transactionNo: "T-1",
      attention: "overdue",
      batch: "br_000000000000000000000000",
      approval: { status: "required", by: null, apiKey: null, reason: null, at: null },
      state: "waiting",
      metadata: pairs(["colour", "red"]),
      description: "Returned",
    } as const;
    const places = [
      { app: app.id, livemode: false },
      { app: app.id, livemode: true },
      { app: other.id, livemode: false },
    ];
    const made: MadeRefund[] = [];
    for (const place of places) {
      const [paid] = await addCharges(place, [{ orderNo: "order-1" }]);
      if (paid !== undefined) made.push(...(await addRefunds(paid.charge, [facts])));
    }
    const [mine, live] = made as [MadeRefund, MadeRefund, MadeRefund];
    const queries = [
      "",
      "sort=-amount",
      "refund_no=R-1",
      "transaction_no=T-1",
      "order_no=order-1",
      "attention=any",
      "attention=overdue",
      "approval=required",
      "status=pending",
      "batch=br_000000000000000000000000",
      "description=returned",
      "metadata[colour]=red",
      "metadata[colour]=red&description=returned",
      "channel=alipay",
      "currency=cny",
      "amount=4000",
      "amount[gte]=1",
    ];
    for (const query of queries) {
      expect([query, (await page(app, `/v1/refunds?${query}`)).ids]).toEqual([query, [mine.refund.id]]);
      expect([query, (await page(app, `/v1/refunds?${query}`, true)).ids]).toEqual([query, [live.refund.id]]);
    }
    for (const { charge, refund } of made.slice(1)) {
      expect((await page(app, `/v1/refunds?charge=${charge.id}`)).ids).toEqual([]);
      const cursor = await app.get(`/v1/refunds?starting_after=${refund.id}`);
      expect([cursor.status, cursor.body.error.param]).toEqual([400, "starting_after"]);
      expect((await app.get(`/v1/refunds/${refund.id}`)).status).toBe(404);
    }
  });

  it.each([
    ["status=done", "status"],
    ["status=pending&status=failed", "status"],
    ["currency=rmb1", "currency"],
    ["amount=1.5", "amount"],
    ["amount=99999999999999999", "amount"],
    ["amount[gt]=-1", "amount[gt]"],
    ["created[lt]=now", "created[lt]"],
    ["description=", "description"],
    ["description=%E9%80%80", "description"],
    ["description=%20!%25_", "description"],
    ["description=%00ab", "description"],
    ["metadata=red", "metadata"],
    ["metadata[=red", "metadata["],
    ["metadata[]=red", "metadata[]"],
    ["metadata[colour=red", "metadata[colour"],
    ["metadata[a]=1&metadata[a]=2", "metadata[a]"],
    ["metadata[a]=%00", "metadata[a]"],
    ["metadata[a]=1&metadata[b]=1&metadata[c]=1&metadata[d]=1", "metadata[d]"],
    ["refund_no=a%20b", "refund_no"],
    ["order_no=", "order_no"],
    ["transaction_no=%E9%80%80", "transaction_no"],
    ["attention=none", "attention"],
    ["approval=maybe", "approval"],
    ["charge=ch_1", "charge"],
    ["batch=re_000000000000000000000000", "batch"],
    ["sort=status", "sort"],
    ["include=everything", "include"],
    ["include[]=total_count&include[]=more", "include[]"],
    ["limit=0", "limit"],
    ["limit=101", "limit"],
    ["starting_after=re_000000000000000000000000", "starting_after"],
    ["ending_before=nothing", "ending_before"],
    ["starting_after=a&ending_before=b", "ending_before"],
  ])("?%s is refused, naming %s", async (query, param) => {
    const app = await TestApp.create();
    const { status, body } = await app.get<ErrorObject>(`/v1/refunds?${query}`);
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ type: "invalid_request_error", param });
  });

  it("ignores what it does not know", async () => {
    const app = await TestApp.create();
    const all = await pastRefunds(app);
    const { ids } = await page(app, "/v1/refunds?color=red&expand[]=charge&limit=100&Metadata[a]=b");
    expect(ids).toHaveLength(all.length);
  });
});

describe("a refund by its id alone", () => {
  it("is found at once by whoever was told the id, also before its channel has answered", async () => {
    const app = await TestApp.create();
    const charge = await app.charge();
    const made = await app.refund(
      charge,
      { amount: 100, description: "[sandbox:slow:3000]" },
      { headers: { Prefer: "respond-async" } },
    );
    const found = await app.get<RefundObject>(`/v1/refunds/${made.body.id}`);
    expect(found).toMatchObject({ status: 200, body: { id: made.body.id, status: "pending" } });
  });
});
