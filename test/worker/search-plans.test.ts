// What D1 reads for a search: the plans of the very statements that the routes run. D1 plans without statistics, so a
// small database plans like a full one; what is chosen by counting is shown with more rows than would be sorted.
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { mintId } from "../../src/ids.ts";
import { COUNTED_MAX, SORTED_MAX } from "../../src/search/search.ts";
import { random, TestApp } from "../harness.ts";
import { addCharges, addRefunds, page, T, walk } from "./search-fixture.ts";

const TABLES = [
  "refunds",
  "charges",
  "events",
  "search_terms",
  "deliveries",
  "batch_refunds",
  "paid",
  "carried",
];
const SORT = "USE TEMP B-TREE FOR ORDER BY";

let app: TestApp;
let ids: Record<string, string>;

/** A shop with one of everything, whose key is known: from here on only the route itself asks. */
beforeAll(async () => {
  app = await TestApp.create();
  const [paid] = await addCharges({ app: app.id, livemode: false }, [
    {
      orderNo: "order-1",
      transactionNo: "P-1",
      description: "Tea",
      metadata: { colour: "red" },
      freeze: "lost",
    },
  ]);
  if (paid === undefined) throw new Error("no charge was made");
  const batch = mintId("batch", random);
  const [made] = await addRefunds(paid.charge, [
    {
      description: "Two tins of tea",
      metadata: { colour: "red" },
      refundNo: "R-1",
      transactionNo: "T-1",
      batch,
    },
  ]);
  const event = mintId("event", random);
  await env.DB.prepare(
    "INSERT INTO events (app, livemode, id, type, charge, refund, created, body) VALUES (?, 0, ?, 'refund.failed', ?, ?, ?, '{}')",
  )
    .bind(app.id, event, paid.charge.id, made?.refund.id, T)
    .run();
  ids = { charge: paid.charge.id, refund: made?.refund.id ?? "", batch, event };
});

/** What SQLite plans to do for a request, step by step. */
async function planOf(template: string): Promise<string[]> {
  const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? "");
  await app.get("/v1/public_keys");
  const prepare = vi.spyOn(env.DB, "prepare");
  try {
    const { status, text } = await app.get(path);
    expect([path, status, text]).toEqual([path, 200, text]);
    const queries = prepare.mock.calls.map(([query]) => query);
    expect(queries.length).toBeGreaterThan(0);
    const plans = await env.DB.batch<{ detail: string }>(
      queries.map((query) =>
        env.DB.prepare(`explain query plan ${query}`).bind(...[...query.matchAll(/\?/g)].map(() => null)),
      ),
    );
    return plans.flatMap(({ results }) => results.map(({ detail }) => detail));
  } finally {
    prepare.mockRestore();
  }
}

const scans = (plan: string[]) =>
  plan.filter((step) =>
    TABLES.some((table) => step === `SCAN ${table}` || step.startsWith(`SCAN ${table} `)),
  );

const MINE = "app=? AND livemode=?";

describe("no table is scanned and nothing is sorted for", () => {
  it.each([
    ["/v1/refunds", `refunds USING INDEX refunds_created (${MINE})`],
    ["/v1/refunds?sort=created", `refunds USING INDEX refunds_created (${MINE})`],
    [
      "/v1/refunds?starting_after={refund}",
      `refunds USING INDEX refunds_created (${MINE} AND (created,seq,id)<(?,?,?))`,
    ],
    [
      "/v1/refunds?ending_before={refund}",
      `refunds USING INDEX refunds_created (${MINE} AND (created,seq,id)>(?,?,?))`,
    ],
    [
      "/v1/refunds?created[gte]=5&created[lt]=9",
      `refunds USING INDEX refunds_created (${MINE} AND created>? AND created<?)`,
    ],
    [
      // Of the two bounds at the start of the walk only the narrower: however deep the page, nothing is passed over.
      `/v1/refunds?created[gte]=5&created[lt]=${T * 2}&starting_after={refund}`,
      `refunds USING INDEX refunds_created (${MINE} AND created>? AND (created,seq,id)<(?,?,?))`,
    ],
    [
      "/v1/refunds?created[gte]=5&created[lt]=9&starting_after={refund}",
      `refunds USING INDEX refunds_created (${MINE} AND created>? AND created<?)`,
    ],
    ["/v1/refunds?status=succeeded", `refunds USING INDEX refunds_created (${MINE})`],
    ["/v1/refunds?status=failed", `refunds USING INDEX refunds_unsettled (${MINE} AND status=?)`],
    [
      "/v1/refunds?status=pending&starting_after={refund}",
      `refunds USING INDEX refunds_unsettled (${MINE} AND status=? AND (created,seq,id)<(?,?,?))`,
    ],
    ["/v1/refunds?channel=wx", `refunds USING INDEX refunds_channel (${MINE} AND channel=?)`],
    [
      "/v1/refunds?channel=wx&currency=cny&sort=created&starting_after={refund}",
      `refunds USING INDEX refunds_channel (${MINE} AND channel=? AND (created,seq,id)>(?,?,?))`,
    ],
    [
      "/v1/refunds?currency=cny&created[gt]=5",
      `refunds USING INDEX refunds_currency (${MINE} AND currency=? AND created>?)`,
    ],
    ["/v1/refunds?attention=any", `refunds USING INDEX refunds_attention (${MINE})`],
    [
      "/v1/refunds?attention=overdue&starting_after={refund}",
      `refunds USING INDEX refunds_attention (${MINE} AND (created,seq,id)<(?,?,?))`,
    ],
    [
      "/v1/refunds?approval=required&channel=wx",
      `refunds USING INDEX refunds_approval (${MINE} AND approval=?)`,
    ],
    ["/v1/refunds?amount=100", `refunds USING INDEX refunds_amount (${MINE} AND amount=?)`],
    [
      "/v1/refunds?amount=100&sort=-amount&starting_after={refund}",
      `refunds USING INDEX refunds_amount (${MINE} AND amount=? AND (created,seq,id)<(?,?,?))`,
    ],
    ["/v1/refunds?sort=-amount", `refunds USING INDEX refunds_amount (${MINE})`],
    [
      "/v1/refunds?sort=-amount&amount[gte]=100&starting_after={refund}",
      `refunds USING INDEX refunds_amount (${MINE} AND amount>? AND (amount,created,seq,id)<(?,?,?,?))`,
    ],
    [
      "/v1/refunds?description=tea",
      "search_terms USING PRIMARY KEY (app=? AND livemode=? AND object=? AND term=?)",
    ],
    [
      "/v1/refunds?description=tea&created[gte]=5&starting_after={refund}",
      "search_terms USING PRIMARY KEY (app=? AND livemode=? AND object=? AND term=? AND created>? AND (created,seq,id)<(?,?,?))",
    ],
    [
      "/v1/refunds?description=tins%20tea&metadata[colour]=red&status=succeeded",
      "search_terms USING PRIMARY KEY (app=? AND livemode=? AND object=? AND term=?)",
    ],
    ["/v1/charges", `charges USING INDEX charges_created (${MINE})`],
    [
      "/v1/charges?paid=true&starting_after={charge}",
      `charges USING INDEX charges_created (${MINE} AND created<?)`,
    ],
    ["/v1/charges?channel=wx&refunded=false", `charges USING INDEX charges_channel (${MINE} AND channel=?)`],
    [
      "/v1/charges?currency=cny&ending_before={charge}",
      `charges USING INDEX charges_currency (${MINE} AND currency=? AND created>?)`,
    ],
    [
      "/v1/charges?sort=amount&starting_after={charge}",
      `charges USING INDEX charges_amount (${MINE} AND (amount,created)>(?,?))`,
    ],
    ["/v1/charges?amount=5", `charges USING INDEX charges_amount (${MINE} AND amount=?)`],
    ["/v1/charges?frozen=true", `charges USING INDEX charges_frozen (${MINE})`],
    ["/v1/charges?frozen=false", `charges USING INDEX charges_created (${MINE})`],
    [
      "/v1/charges?description=tea&metadata[colour]=red",
      "search_terms USING PRIMARY KEY (app=? AND livemode=? AND object=? AND term=?)",
    ],
    ["/v1/events", `events USING INDEX events_created (${MINE})`],
    [
      "/v1/events?type=refund.failed&starting_after={event}",
      `events USING INDEX events_type (${MINE} AND type=? AND created<?)`,
    ],
    ["/v1/events?charge={charge}", `events USING INDEX events_charge (${MINE} AND charge=?)`],
    [
      "/v1/events?refund={refund}&starting_after={event}",
      `events USING INDEX events_charge (${MINE} AND charge=? AND created<?)`,
    ],
    ["/v1/events?batch={batch}", `events USING INDEX events_batch (${MINE} AND batch=?)`],
    [
      "/v1/events?charge={charge}&delivery_status=pending",
      `events USING INDEX events_charge (${MINE} AND charge=?)`,
    ],
  ])("%s, which goes along %s", async (path, step) => {
    const plan = await planOf(path);
    expect(plan).toContain(`SEARCH ${step}`);
    expect(scans(plan)).toEqual([]);
    expect(plan).not.toContain(SORT);
  });
});

describe("no table is scanned, and the few rows of a number are sorted, for", () => {
  it.each([
    [
      "/v1/refunds?refund_no=R-1&status=failed",
      `refunds USING INDEX refunds_number (${MINE} AND refund_no=?)`,
    ],
    [
      "/v1/refunds?transaction_no=T-1&channel=wx",
      `refunds USING INDEX refunds_transaction (${MINE} AND transaction_no=?)`,
    ],
    ["/v1/refunds?charge={charge}&sort=amount", `refunds USING INDEX refunds_charge (${MINE} AND charge=?)`],
    [
      "/v1/refunds?order_no=order-1&starting_after={refund}",
      `charges USING INDEX charges_order (${MINE} AND order_no=?)`,
    ],
    ["/v1/refunds?batch={batch}&attention=any", "refunds USING INDEX refunds_batch (batch=?)"],
    [
      "/v1/refunds?refund_no=R-1&order_no=order-1&description=tea",
      `refunds USING INDEX refunds_number (${MINE} AND refund_no=?)`,
    ],
    ["/v1/charges?order_no=order-1", `charges USING INDEX charges_order (${MINE} AND order_no=?)`],
    [
      "/v1/charges?transaction_no=P-1&sort=-amount",
      `charges USING INDEX charges_transaction (${MINE} AND transaction_no=?)`,
    ],
    ["/v1/events?delivery_status=exhausted", "events USING INDEX events_id (id=?)"],
  ])("%s, which %s finds", async (path, step) => {
    const plan = await planOf(path);
    expect(plan).toContain(`SEARCH ${step}`);
    expect(scans(plan)).toEqual([]);
    expect(plan).toContain(SORT);
  });
});

describe("an index that has not the order of the list", () => {
  it.each([
    ["/v1/refunds?sort=-amount&description=tea", "search_terms USING PRIMARY KEY"],
    ["/v1/refunds?sort=-amount&channel=wx", "refunds USING INDEX refunds_channel"],
    ["/v1/refunds?sort=-amount&created[gte]=5", "refunds USING INDEX refunds_created"],
    ["/v1/refunds?sort=-amount&status=failed&created[gte]=5", "refunds USING INDEX refunds_unsettled"],
    ["/v1/refunds?amount[gte]=5&channel=wx", "refunds USING INDEX refunds_amount"],
    ["/v1/charges?sort=amount&channel=wx", "charges USING INDEX charges_channel"],
    ["/v1/events?type=refund.failed,refund.created", `events USING INDEX events_type (${MINE} AND type=?)`],
    [
      "/v1/events?type[]=refund.failed&type[]=refund.created&created[gte]=5",
      `events USING INDEX events_type (${MINE} AND type=? AND created>?)`,
    ],
  ])("is taken while it leads to few rows: %s, by %s", async (path, step) => {
    const plan = await planOf(path);
    expect(plan).toContainEqual(expect.stringContaining(`SEARCH ${step}`));
    expect(scans(plan)).toEqual([]);
    expect(plan).toContain(SORT);
  });
});

/** As many refunds more, copied within D1: of every kind, in every way. */
async function many(of: string, count: number): Promise<void> {
  await env.DB.batch([
    env.DB.prepare(
      `WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?2)
       INSERT INTO refunds (app, livemode, id, charge, seq, version, status, state, channel, currency, amount, created, described, doc)
       SELECT app, livemode, substr(id, 1, 17) || printf('%010d', n), charge, seq, version, status, state, channel, currency,
         amount + n % 50, created + n / 100, described,
         json_set(doc, '$.id', substr(id, 1, 17) || printf('%010d', n)) FROM refunds, n WHERE id = ?1`,
    ).bind(of, count),
    env.DB.prepare(
      `INSERT INTO search_terms SELECT r.app, r.livemode, 'refund', t.term, r.created, r.seq, r.id, r.described
       FROM refunds o, refunds r, search_terms t
       WHERE o.id = ?1 AND r.charge = o.charge AND r.id <> o.id AND t.app = o.app AND t.id = o.id`,
    ).bind(of),
  ]);
}

/** How many rows D1 reads for a request, its statements run once more. */
async function rowsRead(of: TestApp, path: string): Promise<number> {
  const runs: [query: string, values: unknown[]][] = [];
  const original = env.DB.prepare.bind(env.DB);
  const prepare = vi.spyOn(env.DB, "prepare").mockImplementation((query) => {
    const statement = original(query);
    const bind = statement.bind.bind(statement);
    statement.bind = (...values) => {
      runs.push([query, values]);
      return bind(...values);
    };
    return statement;
  });
  expect((await of.get(path)).status).toBe(200);
  prepare.mockRestore();
  const results = await env.DB.batch(runs.map(([query, values]) => env.DB.prepare(query).bind(...values)));
  return results.reduce((sum, { meta }) => sum + meta.rows_read, 0);
}

describe("among many refunds", () => {
  it.each(["", "&channel=wx", "&amount=110", "&status=failed", "&description=tea", "&sort=-amount"])(
    "a page costs the same at any depth: ?limit=10%s",
    async (filter) => {
      const shop = await TestApp.create();
      const [paid] = await addCharges({ app: shop.id, livemode: false }, [{ channel: "wx" }]);
      const [made] = await addRefunds(paid?.charge as never, [
        { description: "Two tins of tea", amount: 100, state: "failed" },
      ]);
      await many(made?.refund.id as string, 20 * SORTED_MAX);
      await shop.get("/v1/public_keys");
      const found = await env.DB.prepare(
        `SELECT id FROM refunds WHERE app = ? ${filter === "&amount=110" ? "AND amount = 110" : ""}
         ORDER BY ${filter === "&sort=-amount" ? "amount DESC," : ""} created DESC, seq DESC, id DESC`,
      )
        .bind(shop.id)
        .all<{ id: string }>();
      const cost = (depth: number) => {
        const { id } = found.results[Math.floor((found.results.length - 20) * depth)] as { id: string };
        return rowsRead(shop, `/v1/refunds?limit=10${filter}&starting_after=${id}`);
      };
      const [first, ...deeper] = [await cost(0), await cost(0.5), await cost(1)];
      expect(deeper).toEqual([first, first]);
      expect(first).toBeGreaterThan(10);
      expect(first).toBeLessThan(100);
      const back = `/v1/refunds?limit=10${filter}&ending_before=${found.results.at(-5)?.id}`;
      expect(await rowsRead(shop, back)).toBe(first);
    },
  );

  it("what leads to many is not sorted: the list is walked in its order", async () => {
    const shop = await TestApp.create();
    const [paid] = await addCharges({ app: shop.id, livemode: false }, [{ channel: "wx" }]);
    const [made] = await addRefunds(paid?.charge as never, [{ description: "Two tins of tea", amount: 100 }]);
    await many(made?.refund.id as string, SORTED_MAX + 100);
    const before = app;
    app = shop;
    try {
      for (const [path, step] of [
        ["/v1/refunds?sort=-amount&description=tea", "refunds_amount"],
        ["/v1/refunds?sort=-amount&channel=wx", "refunds_amount"],
        [`/v1/refunds?sort=-amount&created[gte]=${T - 1_000_000_000}`, "refunds_amount"],
        ["/v1/refunds?amount[gte]=5", "refunds_created"],
        ["/v1/refunds?amount[gte]=5&channel=wx", "refunds_channel"],
      ]) {
        const plan = await planOf(path as string);
        expect([path, plan.some((detail) => detail.includes(`USING INDEX ${step} `))]).toEqual([path, true]);
        expect(plan).not.toContain(SORT);
        expect(scans(plan)).toEqual([]);
      }
      const found = await walk(
        shop,
        "/v1/refunds?sort=-amount&description=tea&amount[gte]=120&amount[lte]=125",
        40,
      );
      expect([found.length, new Set(found).size]).toEqual([132, 132]);
    } finally {
      app = before;
    }
  });

  it("total_count is exact up to ten thousand, and says when there are more", async () => {
    const shop = await TestApp.create();
    const [paid] = await addCharges({ app: shop.id, livemode: false }, [{ channel: "wx" }]);
    const [made] = await addRefunds(paid?.charge as never, [{ amount: 100 }]);
    const totals = async () => {
      const { body } = await shop.get<{ total_count: number; total_count_capped: boolean }>(
        "/v1/refunds?limit=1&include=total_count&channel=wx",
      );
      return [body.total_count, body.total_count_capped];
    };
    await many(made?.refund.id as string, COUNTED_MAX - 1);
    expect(await totals()).toEqual([COUNTED_MAX, false]);
    await addRefunds(paid?.charge as never, [{ amount: 100, seq: 2 }]);
    expect(await totals()).toEqual([COUNTED_MAX, true]);
    expect((await page(shop, "/v1/refunds?limit=1&include=total_count&amount=101")).total).toBe(200);
  });
});
