// What D1 does for every route that reads: the plans of the very statements that each one sends, asked of SQLite itself. The
// routes are those of the app, so that a new one is looked at without being named here. What their options ask for is in
// search-plans.test.ts and webhook-query-plans.test.ts.
import { env } from "cloudflare:workers";
import { beforeAll, expect, test, vi } from "vitest";
import { SCOPES } from "../../src/auth/scope.ts";
import { EVERY_MINUTE, sweep } from "../../src/reconciliation/scheduled.ts";
import { routes } from "../../src/routes.ts";
import { addBatch, addDelivery, liveKeyOf, nameOf, type Objects, pathOf } from "../exam.ts";
import { eventually, TestApp } from "../harness.ts";

/** Scans of what is no table: values, lists within one, and what another step of the plan has found. */
const NO_TABLE = /^SCAN (CONSTANT ROW$|\(subquery-\d+\)|\w+ VIRTUAL TABLE)/;

/** Whether a step goes through all rows of a table, or of what stands for one. A part of the query itself is none. */
function isScan(step: string, query: string): boolean {
  if (!step.startsWith("SCAN") || NO_TABLE.test(step)) return false;
  const name = step.split(" ")[1] ?? "";
  const isPart = new RegExp(`(\\bwith|,) "?${name}"? as \\(|\\) (as )?"?${name}"?`, "i").test(query);
  return tables.has(name) || !isPart;
}

let tables: Set<string>;

const cases = routes.filter(({ method }) => method === "GET").map((route) => [nameOf(route), route] as const);

let app: TestApp;
let objects: Objects;

beforeAll(async () => {
  const { results } = await env.DB.prepare("SELECT name FROM sqlite_master").all<{ name: string }>();
  tables = new Set(results.map(({ name }) => name));
  app = await TestApp.create({ scopes: SCOPES });
  const charge = await app.charge({ transaction_no: "T1" });
  const { body: refund } = await app.refund(charge, { amount: 100 });
  const event = await eventually(async () => {
    const { body } = await app.get<{ data: { id: string }[] }>("/v1/events?type=refund.succeeded");
    return body.data[0];
  });
  const { body: endpoint } = await app.post<{ id: string }>("/v1/webhook_endpoints", {
    url: "https://shop.example.com/hooks",
    status: "disabled",
  });
  const { body: account } = await app.post<{ id: string }>(
    "/v1/channel_accounts",
    { channel: "manual", credentials: { note: "the plans'" } },
    { live: true },
  );
  const { delivery, letter } = await addDelivery(app, event.id, endpoint.id);
  objects = {
    account: account.id,
    app: app.id,
    key: await liveKeyOf(app),
    batch: await addBatch(app, charge.id, refund.id),
    charge: charge.id,
    refund: refund.id,
    event: event.id,
    endpoint: endpoint.id,
    delivery,
    dead_letter: letter,
  };
});

test("a scan is seen where there is one", () => {
  expect(isScan("SCAN refunds", "select count(*) as refunds from refunds")).toBe(true);
  expect(isScan("SCAN r USING COVERING INDEX refunds_created", "select 1 from refunds as r")).toBe(true);
  expect(isScan("SCAN ranked", 'select 1 from (select 1 from refunds where id = ?) "ranked"')).toBe(false);
  expect(isScan("SEARCH refunds USING INDEX refunds_created (app=?)", "select 1 from refunds")).toBe(false);
});

/** The steps that scan, of all statements that are sent meanwhile. */
async function scansDuring(work: () => Promise<void>): Promise<string[]> {
  const prepare = vi.spyOn(env.DB, "prepare");
  let queries: string[];
  try {
    await work();
    queries = prepare.mock.calls.map(([query]) => query);
  } finally {
    prepare.mockRestore();
  }
  const scans: string[] = [];
  for (const query of queries) {
    const nulls = [...query.matchAll(/\?/g)].map(() => null);
    const plan = env.DB.prepare(`explain query plan ${query}`).bind(...nulls);
    const { results } = await plan.all<{ detail: string }>();
    scans.push(...results.map(({ detail }) => detail).filter((step) => isScan(step, query)));
  }
  return scans;
}

test.each(cases)("%s scans no table", async (_, route) => {
  const live = /^\/v1\/(channel_accounts|apps)/.test(route.path);
  // The key is looked up once and then remembered: from here on only the route itself asks.
  await app.send("GET", "/v1/public_keys", { live });
  const scans = await scansDuring(async () => {
    const { status, text } = await app.send("GET", pathOf(route, objects), { live });
    expect([status, text]).toEqual([200, text]);
  });
  expect(scans).toEqual([]);
});

test("recording a charge, refunding it and telling D1 of it scan no table", async () => {
  const scans = await scansDuring(async () => {
    const charge = await app.charge({ transaction_no: "T2" });
    const { body: refund } = await app.refund(charge, { amount: 100 });
    await eventually(async () => {
      const { body } = await app.get<{ data: { id: string }[] }>("/v1/refunds?status=succeeded");
      return body.data.find(({ id }) => id === refund.id);
    });
  });
  expect(scans).toEqual([]);
});

/** Tables of a few rows, and one that only notices that nobody could place fill. */
const SMALL = /^SCAN (ledger_namespaces|alerts|orphan_notices)\b/;

test("the sweep of every minute reads no more than what waits for something, however many refunds there are", async () => {
  const { results } = await env.DB.prepare(
    "SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '% WHERE %'",
  ).all<{ name: string }>();
  const partial = new Set(results.map(({ name }) => name));
  const scans = await scansDuring(() => sweep(EVERY_MINUTE, env, Date.now() + 3_600_000));
  expect(scans.length).toBeGreaterThan(0);
  expect(scans.filter((step) => !SMALL.test(step) && !partial.has(step.split(" ").at(-1) ?? ""))).toEqual([]);
});
