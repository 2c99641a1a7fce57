// How many requests a key may make a second, as its clients see it.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { addKey, expectError } from "../exam.ts";
import { type Answer, type ErrorObject, TestApp } from "../harness.ts";

const settings = { rate_limit: 1 };

// No time passes: a slow machine gives no key anything back.
beforeEach(() => {
  const now = Date.now();
  vi.spyOn(Date, "now").mockReturnValue(now);
});

afterEach(() => {
  vi.restoreAllMocks();
});

/** Uses up what a key may do at once. */
async function exhaust(app: TestApp): Promise<void> {
  for (let i = 0; i < 2; i++) expect((await app.get("/v1/charges")).status).toBe(200);
}

function expectLimited(answer: Answer<ErrorObject>, status: number): void {
  expectError(answer, status);
  expect(answer.body.error).toMatchObject({ type: "invalid_request_error", code: "rate_limited" });
  expect(answer.headers.get("Retry-After")).toBe("1");
}

describe("a key that asks too often", () => {
  it("is refused with 429, and with 403 where it is one of Ping++'s SDKs that knows no other status", async () => {
    const app = await TestApp.create({ settings });
    await exhaust(app);
    for (const [agent, status] of [
      ["curl/8.9.1", 429],
      ["Pingpp/v1 NodeBindings/2.2.5", 403],
      ["Pingpp/v1 PhpBindings/2.5.0", 429],
    ] as const) {
      expectLimited(await app.get("/v1/charges", { headers: { "User-Agent": agent } }), status);
    }
  });

  it("hears so before its signature or its scope is looked at, and nothing is done for it", async () => {
    const app = await TestApp.create({ settings: { ...settings, public_key: "unreadable" }, scopes: [] });
    for (let i = 0; i < 2; i++) expect((await app.get("/v1/charges")).status).toBe(401);
    expectLimited(await app.post("/v1/charges", {}), 429);
  });

  it("takes nothing from the app's other keys, nor from its other mode", async () => {
    const app = await TestApp.create({ settings });
    const other = await addKey(app, {});
    await exhaust(app);
    expect((await app.get("/v1/charges")).status).toBe(429);
    expect((await app.get("/v1/charges", { headers: { Authorization: `Bearer ${other}` } })).status).toBe(
      200,
    );
    expect((await app.get("/v1/charges", { live: true })).status).toBe(200);
  });
});

describe("every answer to a known key", () => {
  it("says what it has left, also when it is an error", async () => {
    const app = await TestApp.create({ settings: { rate_limit: 50 } });
    const left = async (path: string) => {
      const { headers } = await app.get(path);
      expect(headers.get("RateLimit-Limit")).toBe("100");
      expect(headers.get("RateLimit-Reset")).toBe("1");
      return Number(headers.get("RateLimit-Remaining"));
    };
    expect(await left("/v1/charges")).toBe(99);
    expect(await left("/v1/charges/ch_nobody")).toBe(98);
    expect(await left("/v1/charges?limit=1000")).toBe(97);
    const limits = await app.get<{ rate_limit: object }>("/v1/limits");
    expect(limits.body.rate_limit).toEqual({ per_second: 50, burst: 100, remaining: 96 });
  });

  it("and none to anybody else", async () => {
    const app = await TestApp.create();
    const answer = await app.get("/v1/charges", { headers: { Authorization: "Bearer sk_test_guess" } });
    expect([answer.status, answer.headers.get("RateLimit-Limit")]).toEqual([401, null]);
  });
});
