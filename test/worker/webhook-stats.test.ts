import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { database } from "../../src/db/client.ts";
import { statsSchema } from "../../src/webhooks/stats-schema.ts";
import { type deliveries, deliveryAttempts } from "../../src/webhooks/table.ts";
import { newClient, newDelivery, newEndpoint, newTenant, type Tenant } from "./webhook-fixture.ts";

const DAY = 86_400;
const now = () => Math.floor(Date.now() / 1000);

type Attempt = Partial<Pick<typeof deliveryAttempts.$inferInsert, "durationMs" | "httpStatus">>;

/** A delivery created `ago` seconds ago, with its attempts. */
async function delivered(
  tenant: Tenant,
  endpoint: { id: string },
  ago: number,
  columns: Partial<typeof deliveries.$inferInsert> = {},
  attempts: Attempt[] = [],
) {
  const createdAt = (now() - ago) * 1000;
  const delivery = await newDelivery(tenant, endpoint, { createdAt, ...columns });
  const rows = attempts.map((attempt, i) => ({
    delivery: delivery.id,
    number: i + 1,
    trigger: "auto" as const,
    startedAt: createdAt,
    durationMs: 100,
    httpStatus: 200,
    failure: null,
    answer: null,
    ...attempt,
  }));
  // D1 takes 100 parameters a statement.
  for (let i = 0; i < rows.length; i += 10) {
    await database(env, tenant.app, tenant.livemode)
      .insert(deliveryAttempts)
      .values(rows.slice(i, i + 10));
  }
  return { ...delivery, created: createdAt / 1000 };
}

async function shop() {
  const tenant = await newTenant();
  const endpoint = await newEndpoint(tenant);
  const call = await newClient(tenant);
  const stats = async (query = "", of = endpoint.id) => {
    const { status, json } = await call("GET", `/v1/webhook_endpoints/${of}/stats${query}`);
    expect(status).toBe(200);
    return statsSchema.parse(json);
  };
  return { tenant, endpoint, call, stats };
}

describe("the counts of an endpoint", () => {
  test("are zero, and what cannot be said null, while nothing was delivered", async () => {
    const { endpoint, stats } = await shop();
    const before = now();
    const found = await stats();
    expect(found).toEqual({
      object: "webhook_endpoint_stats",
      endpoint: endpoint.id,
      since: found.until - DAY,
      until: expect.any(Number),
      deliveries: { pending: 0, delivered: 0, exhausted: 0, skipped: 0 },
      attempts: { total: 0, succeeded: 0, failed: 0 },
      success_rate: null,
      duration_ms: { p50: null, p99: null, max: null },
      oldest_pending: null,
      last_delivered: null,
    });
    expect(found.until).toBeGreaterThanOrEqual(before);
    expect(found.until).toBeLessThanOrEqual(now());
  });

  test("are of its own deliveries in the period, and of all their attempts", async () => {
    const { tenant, endpoint, stats } = await shop();
    const ended = { dueAt: null, endedAt: (now() - 50) * 1000 + 999 };
    await delivered(tenant, endpoint, 100, { status: "delivered", ...ended }, [
      { httpStatus: 500, durationMs: 40 },
      { httpStatus: null, durationMs: 15_000 },
      { httpStatus: 204, durationMs: 10 },
    ]);
    await delivered(tenant, endpoint, 90, { status: "delivered", ...ended, endedAt: 5 }, [
      { durationMs: 20 },
    ]);
    await delivered(tenant, endpoint, 80, { status: "skipped", ...ended });
    await delivered(tenant, endpoint, 70, { status: "exhausted", ...ended }, [
      { httpStatus: 301, durationMs: 30 },
    ]);
    const waiting = await delivered(tenant, endpoint, 60);
    // Another endpoint's, and one of the day before.
    await delivered(tenant, await newEndpoint(tenant), 100, { status: "delivered", ...ended }, [{}]);
    await delivered(tenant, endpoint, 2 * DAY, { status: "delivered", ...ended }, [{}, {}]);
    expect(await stats()).toMatchObject({
      deliveries: { pending: 1, delivered: 2, exhausted: 1, skipped: 1 },
      attempts: { total: 5, succeeded: 2, failed: 3 },
      success_rate: 0.4,
      duration_ms: { p50: 30, p99: 15_000, max: 15_000 },
      oldest_pending: waiting.created,
      last_delivered: Math.floor(ended.endedAt / 1000),
    });
    expect((await stats(`?created[gte]=${now() - 3 * DAY}`)).attempts.total).toBe(7);
  });

  test("show what has waited longest, whenever that happened", async () => {
    const { tenant, endpoint, stats } = await shop();
    await delivered(tenant, await newEndpoint(tenant), 40 * DAY);
    const waiting = await delivered(tenant, endpoint, 35 * DAY);
    await delivered(tenant, endpoint, 60);
    await delivered(tenant, endpoint, 36 * DAY, { status: "skipped", dueAt: null });
    expect(await stats()).toMatchObject({
      deliveries: { pending: 1, skipped: 0 },
      oldest_pending: waiting.created,
    });
  });

  test("have the percentiles that sorting all attempts would give", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 120 }),
        async (durations) => {
          const { tenant, endpoint, stats } = await shop();
          const half = Math.floor(durations.length / 2);
          for (const part of [durations.slice(0, half), durations.slice(half)]) {
            await delivered(
              tenant,
              endpoint,
              100,
              {},
              part.map((durationMs) => ({ durationMs })),
            );
          }
          const sorted = durations.toSorted((a, b) => a - b);
          const nearestRank = (part: number) => sorted[Math.ceil(part * sorted.length) - 1];
          expect((await stats()).duration_ms).toEqual({
            p50: nearestRank(0.5),
            p99: nearestRank(0.99),
            max: sorted.at(-1),
          });
        },
      ),
      { numRuns: 15 },
    );
  });
});

describe("the period", () => {
  test("has bounds to the second, and is a day long where only its end is given", async () => {
    const { tenant, endpoint, stats } = await shop();
    const { created } = await delivered(tenant, endpoint, 5 * DAY, {}, [{}]);
    const total = async (query: string) => (await stats(query)).attempts.total;
    expect(await total("")).toBe(0);
    expect(await total(`?created[gte]=${created}`)).toBe(1);
    expect(await total(`?created[gt]=${created}`)).toBe(0);
    expect(await total(`?created[gte]=${created}&created[lte]=${created}`)).toBe(1);
    expect(await total(`?created[gte]=${created - 1}&created[lt]=${created}`)).toBe(0);
    expect(await total(`?created=${created}`)).toBe(1);
    expect(await stats(`?created[lte]=${created}`)).toMatchObject({
      since: created - DAY,
      until: created,
      attempts: { total: 1 },
    });
  });

  test("ends now at the latest, and may begin 30 days ago", async () => {
    const { stats } = await shop();
    const since = now() - 30 * DAY;
    expect(await stats(`?created[gte]=${since}`)).toMatchObject({ since });
    const { until } = await stats(`?created[lte]=${now() + DAY}&color=red`);
    expect(until).toBeLessThanOrEqual(now());
  });

  test.each([
    ["created[gte]", () => now() - 31 * DAY, ""],
    ["created[gt]", () => now() - 40 * DAY, `&created[lt]=${now() - 39 * DAY}`],
    ["created[lte]", () => now() - 30 * DAY, ""],
    ["created", () => 0, ""],
    ["created[gte]", () => now() + 100, ""],
    ["created[gte]", () => now() - 10, `&created[lt]=${now() - 100}`],
    ["created[lt]", () => "today", ""],
  ])("that is too long ago, empty or no time is refused: %s", async (param, value, more) => {
    const { call, endpoint } = await shop();
    const path = `/v1/webhook_endpoints/${endpoint.id}/stats?${param}=${value()}${more}`;
    const { status, json } = await call("GET", path);
    expect(status).toBe(400);
    expect(json.error).toMatchObject({ type: "invalid_request_error", param });
  });
});

test("another app's endpoint, another mode's, a deleted one or none has no counts", async () => {
  const { tenant, endpoint, call } = await shop();
  const path = `/v1/webhook_endpoints/${endpoint.id}/stats`;
  for (const stranger of [await newTenant(), { ...tenant, livemode: true }]) {
    const { status, json } = await (await newClient(stranger))("GET", path);
    expect([status, json.error.param]).toEqual([404, "id"]);
  }
  for (const id of ["we_1", "we_000000000000000000000000", "evt_000000000000000000000000"]) {
    expect((await call("GET", `/v1/webhook_endpoints/${id}/stats`)).status).toBe(404);
  }
  const gone = await newEndpoint(tenant, { deletedAt: now() });
  expect((await call("GET", `/v1/webhook_endpoints/${gone.id}/stats`)).status).toBe(404);
  const unscoped = await newClient(tenant, ["refunds:read"]);
  expect((await unscoped("GET", path)).json.error.code).toBe("scope_missing");
});
