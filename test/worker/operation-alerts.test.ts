// What reaches an operator's webhook: a trouble is told once when it begins, again after a day, and once when it is over.
import { env } from "cloudflare:workers";
import { SQLiteSyncDialect } from "drizzle-orm/sqlite-core";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { everyDatabase } from "../../src/db/client.ts";
import { mintId } from "../../src/ids.ts";
import { findTroubles, TROUBLES_MAX, troubleStatements } from "../../src/operation/find-troubles.ts";
import { sweepAlerts } from "../../src/operation/sweep-alerts.ts";
import { EVERY_MINUTE, sweep } from "../../src/reconciliation/scheduled.ts";
import { newSecret } from "../../src/webhooks/signature.ts";
import { random } from "../harness.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const SECRET = newSecret(random);
const db = everyDatabase(env)[0] as ReturnType<typeof everyDatabase>[number];

interface Told {
  type: string;
  data: Record<string, unknown>;
}

/** An operator's webhook, and the clock of the sweeps. */
class Pager {
  now = Date.now();
  up = true;
  readonly told: Told[] = [];
  readonly ids: string[] = [];

  async sweep(after = MINUTE, settings: object = {}): Promise<string[]> {
    this.now += after;
    const before = this.told.length;
    const bound = { ...env, ALERT_URL: "https://pager.example.com/in", ALERT_SECRET: SECRET, ...settings };
    await sweepAlerts(bound, db, this.now, async (_, init) => {
      const headers = init.headers as Record<string, string>;
      this.ids.push(headers["webhook-id"] as string);
      if (!this.up) throw new Error("connection refused");
      // The library of the standard, at the time of the test: signatures are of the sweep's own time.
      vi.setSystemTime(this.now);
      this.told.push(new Webhook(SECRET).verify(init.body as string, headers) as Told);
      vi.useRealTimers();
      return new Response(null, { status: 204 });
    });
    return this.told.slice(before).map(({ type, data }) => `${type} ${data.kind}`);
  }
}

let app: string;
let lines: unknown[];
beforeEach(() => {
  lines = [];
  vi.spyOn(console, "error").mockImplementation((line) => void lines.push(JSON.parse(line)));
  vi.spyOn(console, "warn").mockImplementation((line) => void lines.push(JSON.parse(line)));
  app = mintId("app", random);
});
afterEach(async () => {
  vi.restoreAllMocks();
  for (const table of ["alerts", "dead_letters", "commands", "webhook_endpoints", "refunds", "charges"]) {
    await env.DB.prepare(`DELETE FROM ${table}`).run();
  }
});

async function letter(at: number): Promise<string> {
  const id = mintId("deadLetter", random);
  await env.DB.prepare(
    "INSERT INTO dead_letters (id, app, livemode, queue, message, created_at) VALUES (?, ?, 1, 'q', 'the words of a customer', ?)",
  )
    .bind(id, app, at)
    .run();
  return id;
}

const redrive = () => env.DB.prepare("UPDATE dead_letters SET redriven_at = 1").run();

describe("an alert", () => {
  it("is told once, again after a day, once when it is over, and then no more", async () => {
    const pager = new Pager();
    const first = await letter(pager.now - HOUR);
    expect(await pager.sweep()).toEqual(["alert.raised dead_letters"]);
    expect(pager.told[0]?.data).toMatchObject({
      app,
      livemode: true,
      count: 1,
      oldest_age_seconds: 3660,
      examples: [first],
      runbook: "OPERATIONS.md#dead_letters",
    });
    expect(JSON.stringify(pager.told)).not.toContain("customer");
    await letter(pager.now);
    expect(await pager.sweep()).toEqual([]);
    expect(await pager.sweep(DAY - 2 * MINUTE)).toEqual([]);
    expect(await pager.sweep()).toEqual(["alert.repeated dead_letters"]);
    expect(pager.told[1]?.data).toMatchObject({ count: 2 });
    await redrive();
    expect(await pager.sweep()).toEqual(["alert.resolved dead_letters"]);
    expect(await pager.sweep()).toEqual([]);
    expect(new Set(pager.ids).size).toBe(3);
  });

  it("that cannot be told is told later under the same id, and its end with it or not at all", async () => {
    const pager = new Pager();
    pager.up = false;
    await letter(pager.now);
    expect(await pager.sweep()).toEqual([]);
    expect(await pager.sweep()).toEqual([]);
    pager.up = true;
    expect(await pager.sweep()).toEqual(["alert.raised dead_letters"]);
    expect(new Set(pager.ids).size).toBe(1);

    pager.up = false;
    await redrive();
    expect(await pager.sweep()).toEqual([]);
    pager.up = true;
    expect(await pager.sweep()).toEqual(["alert.resolved dead_letters"]);

    pager.up = false;
    await letter(pager.now);
    await pager.sweep();
    await redrive();
    pager.up = true;
    expect(await pager.sweep()).toEqual([]);
  });

  it.each([
    ["a private address", { ALERT_URL: "https://10.0.0.1/in", LOCAL_DEV: "false" }],
    ["no secret", { ALERT_SECRET: undefined }],
    ["a secret that is none", { ALERT_SECRET: "whsec_!" }],
  ])("goes nowhere under %s, and the log says so", async (_, settings) => {
    const pager = new Pager();
    await letter(pager.now);
    expect(await pager.sweep(MINUTE, settings)).toEqual([]);
    expect(lines).toContainEqual(
      expect.objectContaining({ failure: "alert_not_told", kind: "dead_letters" }),
    );
    expect(pager.ids).toEqual([]);
  });

  it("is told to the log alone, once, where no webhook is set", async () => {
    const pager = new Pager();
    await letter(pager.now);
    await pager.sweep(MINUTE, { ALERT_URL: undefined });
    await pager.sweep(MINUTE, { ALERT_URL: undefined });
    expect(lines).toEqual([{ alert: "alert_raised", kind: "dead_letters", app, livemode: true, count: 1 }]);
  });
});

it("a webhook that may not be called fails no sweep", async () => {
  const now = Date.now();
  await letter(now);
  const bound = { ...env, ALERT_URL: "https://169.254.169.254/latest", ALERT_SECRET: SECRET };
  await sweep(EVERY_MINUTE, bound, now);
  expect(lines).toContainEqual({ failure: "alert_not_told", kind: "dead_letters", setting: "ALERT_URL" });
});

it("of more than can be looked at, what is not seen is not taken for over", async () => {
  const pager = new Pager();
  const last = app;
  await letter(pager.now);
  expect(await pager.sweep()).toHaveLength(1);
  await env.DB.prepare(
    `INSERT INTO dead_letters (id, app, livemode, queue, message, created_at)
     WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${TROUBLES_MAX})
     SELECT 'dl_' || i, 'app_', 0, 'q', 'null', 1 FROM n`,
  ).run();
  expect(await pager.sweep()).toEqual(["alert.raised dead_letters"]);
  expect(pager.told[1]?.data).toMatchObject({ app: "app_", count: TROUBLES_MAX });
  await env.DB.prepare("DELETE FROM dead_letters").run();
  expect(await pager.sweep()).toHaveLength(2);
  expect(
    pager.told
      .slice(2)
      .map(({ data }) => data.app)
      .sort(),
  ).toEqual(["app_", last].sort());
});

it("every kind of trouble is found, with its app, mode and a few examples", async () => {
  const now = Date.now();
  const seconds = Math.floor(now / 1000);
  const refund = (id: string, status: string, attention: string | null, created: number) =>
    env.DB.prepare(
      "INSERT INTO refunds (app, livemode, id, charge, seq, version, status, state, channel, currency, amount, attention, created, doc) VALUES (?, 0, ?, 'ch_1', 1, 1, ?, 'accepted', 'alipay', 'cny', 1, ?, ?, '{}')",
    ).bind(app, id, status, attention, created);
  const endpoint = (id: string, reason: string) =>
    env.DB.prepare(
      "INSERT INTO webhook_endpoints (id, app, livemode, url, enabled_events, status, schedule, secrets, metadata, created, disabled_at, disabled_reason) VALUES (?, ?, 0, '', '[]', 'disabled', 'standard', '[]', '{}', 1, ?, ?)",
    ).bind(id, app, seconds, reason);
  const command = (id: string, at: number) =>
    env.DB.prepare(
      "INSERT INTO commands (app, livemode, refund, charge, command, due_at, created_at) VALUES (?, 0, ?, 'ch_1', '{}', 1, ?)",
    ).bind(app, id, at);
  await env.DB.batch([
    refund("re_old", "pending", null, seconds - 86_401),
    refund("re_new", "pending", null, seconds - 86_000),
    refund("re_done", "succeeded", null, seconds - 90_000),
    ...Array.from({ length: 6 }, (_, i) => refund(`re_${i}`, "failed", "overdue", seconds - 10)),
    env.DB.prepare(
      "INSERT INTO charges (app, livemode, id, version, order_no, channel, currency, amount, paid, refunded, amount_refunded, amount_pending, created, highest_seq, freeze, doc) VALUES (?, 0, 'ch_1', 1, '1', 'alipay', 'cny', 1, 1, 0, 0, 0, ?, 0, 'lost', '{}')",
    ).bind(app, seconds),
    command("re_wait", now - 11 * MINUTE),
    command("re_soon", now - 9 * MINUTE),
    endpoint("we_gone", "gone"),
    endpoint("we_asked", "by_request"),
  ]);
  await letter(now);
  const { found, cut } = await findTroubles(db, now);
  expect(cut.size).toBe(0);
  expect(found.map(({ kind, livemode, count, examples }) => [kind, livemode, count, examples])).toEqual([
    ["attention", false, 6, ["re_0", "re_1", "re_2", "re_3", "re_4"]],
    ["frozen", false, 1, ["ch_1"]],
    ["oldest_pending", false, 1, ["re_old"]],
    ["oldest_unsynced", false, 1, ["re_wait"]],
    ["dead_letters", true, 1, [expect.any(String)]],
    ["disabled_endpoints", false, 1, ["we_gone"]],
  ]);
  expect(found.every((trouble) => trouble.app === app)).toBe(true);
});

const dialect = new SQLiteSyncDialect();
it.each(Object.entries(troubleStatements(Date.now())))(
  "%s is looked for along an index of nothing but that",
  async (_, statement) => {
    const { sql, params } = dialect.sqlToQuery(statement);
    const { results } = await env.DB.prepare(`explain query plan ${sql}`)
      .bind(...params)
      .all<{ detail: string }>();
    const partial =
      /(refunds_attention|charges_frozen|refunds_pending|commands_waiting|dead_letters_waiting|webhook_endpoints_disabled)/;
    const reads = results
      .map(({ detail }) => detail)
      .filter((step) =>
        /^(SCAN|SEARCH) (refunds|charges|commands|dead_letters|webhook_endpoints)\b/.test(step),
      );
    expect(reads).toHaveLength(1);
    expect(reads[0]).toMatch(partial);
  },
);
