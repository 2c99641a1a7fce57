// What a probe and a developer see of the service's own state: health, readiness, and where a request's time went.
import { env, exports } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { healthRoutes } from "../../src/operation/health-routes.ts";
import { findFailing } from "../../src/operation/readiness.ts";
import { BASE, TestApp } from "../harness.ts";

afterEach(() => vi.restoreAllMocks());

const ask = (path: string, method = "GET") => exports.default.fetch(`${BASE}${path}`, { method });

describe("readiness", () => {
  it("is told without a key, by GET and HEAD, and never stored by anyone", async () => {
    const answer = await ask("/readyz");
    expect([answer.status, await answer.json()]).toEqual([200, { status: "ready" }]);
    expect(answer.headers.get("Cache-Control")).toBe("no-store");
    const head = await ask("/readyz", "HEAD");
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });

  it("says which environment answers, once it is deployed as one", async () => {
    const answer = await healthRoutes.request("/healthz", {}, { ENVIRONMENT: "staging" });
    expect(await answer.json()).toEqual({ status: "ok", environment: "staging" });
  });

  it("is gone while D1 fails, and health is not: that asks nobody", async () => {
    vi.spyOn(env.DB, "prepare").mockImplementation(() => {
      throw new Error("D1_ERROR: down");
    });
    const answer = await ask("/readyz");
    expect([answer.status, await answer.json()]).toEqual([503, { status: "unavailable", failing: ["d1"] }]);
    expect(Number(answer.headers.get("Retry-After"))).toBeGreaterThan(0);
    expect(answer.headers.get("Cache-Control")).toBe("no-store");
    const health = await ask("/healthz");
    expect([health.status, await health.json()]).toEqual([200, { status: "ok" }]);
    expect((await ask("/healthz", "HEAD")).status).toBe(200);
  });

  it("is gone while D1 does not answer, within seconds", async () => {
    vi.spyOn(env.DB, "prepare").mockImplementation(
      () => ({ bind: () => ({ all: () => new Promise(() => {}) }) }) as never,
    );
    expect(await findFailing(env)).toEqual(["d1"]);
  });

  it("names migrations while a column that this version knows is missing", async () => {
    await env.DB.prepare("ALTER TABLE api_keys RENAME COLUMN replaced_by TO renamed").run();
    try {
      expect(await findFailing(env)).toEqual(["migrations"]);
    } finally {
      await env.DB.prepare("ALTER TABLE api_keys RENAME COLUMN renamed TO replaced_by").run();
    }
    expect(await findFailing(env)).toEqual([]);
  });

  it.each(["", "{}", "[1]", '{"k":"AAAA"}'])("names master keys that cannot be used: %o", async (keys) => {
    expect(await findFailing({ DB: env.DB, MASTER_KEYS: keys })).toEqual(["master_keys"]);
  });
});

describe("Server-Timing", () => {
  it("says how long an answer took in all, for its key, and in its handler", async () => {
    const app = await TestApp.create();
    const answer = await app.get("/v1/charges");
    expect(answer.headers.get("Server-Timing")).toMatch(/^total;dur=\d+, key;dur=\d+, handler;dur=\d+$/);
  });

  it("is on errors too", async () => {
    const app = await TestApp.create();
    const missing = await app.get("/v1/charges/ch_000000000000000000000000");
    expect(missing.status).toBe(404);
    expect(missing.headers.get("Server-Timing")).toMatch(/handler;dur=\d+$/);
    const refused = await ask("/v1/charges");
    expect(refused.status).toBe(401);
    expect(refused.headers.get("Server-Timing")).toMatch(/^total;dur=\d+, key;dur=\d+$/);
  });
});

it("a deployed Worker with LOCAL_DEV refuses in JSON with a charset and an id to ask about", async () => {
  const answer = await exports.default.fetch("http://refunds.example.com/readyz");
  expect(answer.status).toBe(503);
  expect(answer.headers.get("Content-Type")).toBe("application/json; charset=utf-8");
  expect(answer.headers.get("Request-Id")).toMatch(/^iar_[0-9A-Za-z]{24}$/);
});
