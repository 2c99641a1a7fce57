// What an operator's Prometheus reads: figures of the key's own app and mode, each from an index.
import { env } from "cloudflare:workers";
import { SQLiteSyncDialect } from "drizzle-orm/sqlite-core";
import { describe, expect, it } from "vitest";
import { SCOPES } from "../../src/auth/scope.ts";
import { mintId } from "../../src/ids.ts";
import { metricStatements } from "../../src/operation/metrics.ts";
import { eventually, random, TestApp } from "../harness.ts";

const MINUTE = 60_000;

/** Figures by name and labels. */
async function figuresOf(app: TestApp, live = false): Promise<Record<string, number>> {
  const { status, headers, text } = await app.get("/metrics", { live });
  expect(status).toBe(200);
  expect(headers.get("Content-Type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  for (const line of lines)
    expect(line).toMatch(/^edge_refunds_[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? \d+$/);
  return Object.fromEntries(
    lines
      .map((line) => line.replace("edge_refunds_", "").split(" "))
      .map(([name, value]) => [name, Number(value)]),
  );
}

const operated = () => TestApp.create({ scopes: SCOPES });

describe("the metrics", () => {
  it("need a key of scope admin", async () => {
    const shop = await TestApp.create();
    const answer = await shop.get("/metrics");
    expect([answer.status, answer.body.error.code]).toEqual([401, "scope_missing"]);
  });

  it("count an app's refunds and how long its channels took, and show nobody else's", async () => {
    const [app, other] = await Promise.all([operated(), operated()]);
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, { amount: 100 });
    expect(refund.status).toBe("succeeded");
    const figures = await eventually(async () => {
      const found = await figuresOf(app);
      return found['refunds{status="succeeded"}'] === 1 ? found : undefined;
    });
    expect(figures).toMatchObject({
      'refunds{status="pending"}': 0,
      refunds_pending: 0,
      refund_oldest_pending_seconds: 0,
      'channel_latency_samples{channel="alipay"}': 1,
    });
    expect(figures['channel_latency_seconds{channel="alipay",quantile="0.99"}']).toBeLessThan(60);
    for (const strange of [await figuresOf(other), await figuresOf(app, true)]) {
      expect(Object.values(strange).every((value) => value === 0)).toBe(true);
    }
  });

  it("tell what waits, since when, and what was given up", async () => {
    const app = await operated();
    const past = Date.now() - 10 * MINUTE;
    const endpoint = mintId("endpoint", random);
    const delivery = (status: string) =>
      env.DB.prepare(
        "INSERT INTO deliveries (id, app, livemode, event, endpoint, status, created_at) VALUES (?, ?, 0, ?, ?, ?, ?)",
      ).bind(mintId("delivery", random), app.id, mintId("event", random), endpoint, status, past);
    await env.DB.batch([
      delivery("pending"),
      delivery("pending"),
      delivery("exhausted"),
      env.DB.prepare(
        "INSERT INTO dead_letters (id, app, livemode, queue, message, created_at) VALUES (?, ?, 0, 'q', 'null', ?)",
      ).bind(mintId("deadLetter", random), app.id, past),
      env.DB.prepare(
        "INSERT INTO commands (app, livemode, refund, charge, command, due_at, created_at) VALUES (?, 0, 're_1', 'ch_1', '{}', ?, ?)",
      ).bind(app.id, Date.now() + MINUTE, past),
    ]);
    await app.post("/v1/webhook_endpoints", { url: "https://shop.example.com/hooks", status: "disabled" });
    const figures = await figuresOf(app);
    expect(figures).toMatchObject({
      deliveries_pending: 2,
      deliveries_exhausted: 1,
      dead_letters: 1,
      commands_waiting: 1,
      webhook_endpoints_disabled: 1,
    });
    for (const name of ["delivery_oldest_pending_seconds", "command_oldest_waiting_seconds"]) {
      expect(figures[name]).toBeGreaterThanOrEqual(600);
      expect(figures[name]).toBeLessThan(660);
    }
  });

  const dialect = new SQLiteSyncDialect();
  it.each(Object.entries(metricStatements("app_1", true, Date.now())))(
    "%s are read through an index of the app's, and no table is scanned",
    async (_, statement) => {
      const { sql, params } = dialect.sqlToQuery(statement);
      const { results } = await env.DB.prepare(`explain query plan ${sql}`)
        .bind(...params)
        .all<{ detail: string }>();
      const steps = results.map(({ detail }) => detail);
      expect(steps).toContainEqual(
        expect.stringMatching(/^SEARCH \w+ USING (COVERING )?INDEX \w+ \(app=\? AND livemode=\?/),
      );
      expect(
        steps.filter((step) =>
          /^SCAN (refunds|charges|commands|deliveries|dead_letters|webhook_endpoints)/.test(step),
        ),
      ).toEqual([]);
    },
  );
});
