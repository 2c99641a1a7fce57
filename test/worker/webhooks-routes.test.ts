import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { database } from "../../src/db/client.ts";
import { unseal } from "../../src/sealing/sealing.ts";
import { webhookEndpoints } from "../../src/webhooks/table.ts";
import {
  deliveriesTo,
  eventsOf,
  happens,
  newClient,
  newDelivery,
  newEndpoint,
  newTenant,
  readDelivery,
  readEndpoint,
} from "./webhook-fixture.ts";

const URL_GIVEN = "https://shop.example.com/hooks";
const PATH = "/v1/webhook_endpoints";

describe("creating an endpoint", () => {
  test("answers with the endpoint and, this once, its secret", async () => {
    const tenant = await newTenant();
    const call = await newClient(tenant);
    const { status, text, json } = await call("POST", PATH, { url: URL_GIVEN });
    expect(status).toBe(200);
    expect(json).toEqual({
      id: expect.stringMatching(/^we_[0-9A-Za-z]{24}$/),
      object: "webhook_endpoint",
      url: URL_GIVEN,
      enabled_events: ["refund.succeeded", "refund.failed"],
      status: "pending",
      schedule: "standard",
      rate_limit: null,
      description: null,
      metadata: {},
      livemode: false,
      created: expect.any(Number),
      first_failure_at: null,
      disable_at: null,
      disabled_at: null,
      disabled_reason: null,
      secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/),
    });
    expect(text.startsWith(`{"id":"${json.id}","object":"webhook_endpoint","url":`)).toBe(true);

    const row = await readEndpoint(json.id);
    expect(JSON.stringify(row)).not.toContain(json.secret);
    const place = {
      table: "webhook_endpoints",
      row: json.id,
      app: tenant.app,
      livemode: false,
      field: "secrets",
    };
    expect(await unseal(env.MASTER_KEYS, place, row.secrets[0]?.sealed ?? "")).toBe(json.secret);

    const { secret: _, ...shown } = json;
    expect((await call("GET", `${PATH}/${json.id}`)).json).toEqual(shown);
    expect((await call("GET", PATH)).json).toEqual({
      object: "list",
      url: PATH,
      has_more: false,
      data: [shown],
    });
  });

  test("keeps everything that may be chosen", async () => {
    const call = await newClient(await newTenant());
    const chosen = {
      url: `${URL_GIVEN}?shop=1`,
      enabled_events: ["*", "refund.created", "*"],
      description: "仓库",
      metadata: { team: "ops", floor: 3 },
      schedule: "pingpp",
      rate_limit: 1000,
    };
    const { json } = await call("POST", PATH, chosen);
    expect(json).toMatchObject({
      ...chosen,
      enabled_events: ["*", "refund.created"],
      metadata: { team: "ops", floor: "3" },
    });
    const { secret: _, ...shown } = json;
    expect((await call("GET", `${PATH}/${json.id}`)).json).toEqual(shown);
  });

  test.each<[string, unknown, string]>([
    ["no url", {}, "url"],
    ["a url that is no text", { url: 5 }, "url"],
    ["an IP address", { url: "https://10.0.0.1/" }, "url"],
    ["plain http", { url: "http://shop.example.com/" }, "url"],
    ["our own host", { url: "https://refunds.example.com/v1/charges" }, "url"],
    ["no event types", { url: URL_GIVEN, enabled_events: [] }, "enabled_events"],
    ["an unknown event type", { url: URL_GIVEN, enabled_events: ["charge.succeeded"] }, "enabled_events"],
    ["an unknown schedule", { url: URL_GIVEN, schedule: "hourly" }, "schedule"],
    ["nested metadata", { url: URL_GIVEN, metadata: { a: { b: 1 } } }, "metadata"],
    ["a long description", { url: URL_GIVEN, description: "x".repeat(256) }, "description"],
    ["an unknown field", { url: URL_GIVEN, enabled_event: ["*"] }, "enabled_event"],
    ["a status nobody can choose", { url: URL_GIVEN, status: "pending" }, "status"],
    ["a rate limit of nothing", { url: URL_GIVEN, rate_limit: 0 }, "rate_limit"],
    ["a rate limit above 1000", { url: URL_GIVEN, rate_limit: 1001 }, "rate_limit"],
    ["a rate limit that is no whole number", { url: URL_GIVEN, rate_limit: 1.5 }, "rate_limit"],
  ])("%s is refused, and nothing is stored", async (_case, body, param) => {
    const call = await newClient(await newTenant());
    const { status, json } = await call("POST", PATH, body);
    expect(status).toBe(400);
    expect(json.error).toMatchObject({ type: "invalid_request_error", param });
    expect((await call("GET", PATH)).json.data).toEqual([]);
  });

  test("of twenty racing creates sixteen win, in each mode, and a deleted one gives its place back", async () => {
    const tenant = await newTenant();
    const call = await newClient(tenant);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => call("POST", PATH, { url: `${URL_GIVEN}/${i}` })),
    );
    const made = answers.filter(({ status }) => status === 200);
    expect(made).toHaveLength(16);
    expect(answers.find(({ status }) => status !== 200)).toMatchObject({
      status: 400,
      json: { error: { type: "invalid_request_error" } },
    });
    expect((await call("GET", PATH)).json.data).toHaveLength(16);
    expect(await eventsOf(tenant, "webhook_endpoint.ping")).toHaveLength(16);

    const live = await newClient({ ...tenant, livemode: true });
    expect((await live("POST", PATH, { url: URL_GIVEN })).status).toBe(200);

    await call("DELETE", `${PATH}/${made[0]?.json.id}`);
    expect((await call("POST", PATH, { url: URL_GIVEN })).status).toBe(200);
    expect((await call("POST", PATH, { url: URL_GIVEN })).status).toBe(400);
  });
});

describe("deleting an endpoint", () => {
  test("ends what was on its way to it, and leaves the rest alone", async () => {
    const tenant = await newTenant();
    const call = await newClient(tenant);
    const endpoint = await newEndpoint(tenant);
    const other = await newEndpoint(tenant);
    const pending = await newDelivery(tenant, endpoint);
    const done = await newDelivery(tenant, endpoint, { status: "delivered", dueAt: null, endedAt: 1 });
    const elsewhere = await newDelivery(tenant, other);

    const { status, text } = await call("DELETE", `${PATH}/${endpoint.id}`);
    expect(status).toBe(200);
    expect(text).toBe(`{"id":"${endpoint.id}","object":"webhook_endpoint","deleted":true}`);
    expect(await readDelivery(pending.id)).toMatchObject({ status: "skipped", dueAt: null });
    expect((await readDelivery(pending.id))?.endedAt).toBeGreaterThan(0);
    expect(await readDelivery(done.id)).toMatchObject({ status: "delivered", endedAt: 1 });
    expect(await readDelivery(elsewhere.id)).toMatchObject({ status: "pending" });

    expect((await call("GET", `${PATH}/${endpoint.id}`)).status).toBe(404);
    expect((await call("DELETE", `${PATH}/${endpoint.id}`)).status).toBe(404);
    const list = (await call("GET", PATH)).json.data as { id: string }[];
    expect(list.map(({ id }) => id)).toEqual([other.id]);

    const { id } = await happens(tenant, Date.now());
    expect((await deliveriesTo(other.id)).map(({ event }) => event)).toContain(id);
    expect(await deliveriesTo(endpoint.id)).toHaveLength(2);
  });
});

describe("the list", () => {
  test("is newest first", async () => {
    const tenant = await newTenant();
    const call = await newClient(tenant);
    const old = await newEndpoint(tenant, { created: 100 });
    const first = await newEndpoint(tenant, { created: 200 });
    const second = await newEndpoint(tenant, { created: 200 });
    const list = (await call("GET", PATH)).json.data as { id: string }[];
    expect(list.map(({ id }) => id)).toEqual([second.id, first.id, old.id]);
  });
});

describe("another app's endpoint, or another mode's,", () => {
  test("does not exist", async () => {
    const tenant = await newTenant();
    const endpoint = await newEndpoint(tenant);
    const delivery = await newDelivery(tenant, endpoint);
    const strangers = [
      await newClient(await newTenant()),
      await newClient({ ...tenant, livemode: true }),
    ] as const;
    for (const call of strangers) {
      for (const method of ["GET", "DELETE"]) {
        const { status, json } = await call(method, `${PATH}/${endpoint.id}`);
        expect(status).toBe(404);
        expect(json.error).toMatchObject({ type: "invalid_request_error", param: "id" });
      }
      expect((await call("GET", PATH)).json.data).toEqual([]);
    }
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "pending" });
    const db = database(env, tenant.app, false);
    const [row] = await db.select().from(webhookEndpoints).where(eq(webhookEndpoints.id, endpoint.id));
    expect(row?.deletedAt).toBeNull();
  });

  test("is not found by a text that is no id either", async () => {
    const call = await newClient(await newTenant());
    for (const id of ["we_1", "1", "evt_000000000000000000000000", "we_' or 1=1 --00000000"]) {
      expect((await call("GET", `${PATH}/${encodeURIComponent(id)}`)).status).toBe(404);
    }
  });
});

test("a key without the scope may do none of it", async () => {
  const call = await newClient(await newTenant(), ["refunds:read", "refunds:write"]);
  for (const [method, path] of [
    ["POST", PATH],
    ["GET", PATH],
    ["GET", `${PATH}/we_000000000000000000000000`],
    ["DELETE", `${PATH}/we_000000000000000000000000`],
  ] as const) {
    const { status, json } = await call(method, path, method === "POST" ? { url: URL_GIVEN } : undefined);
    expect([status, json.error.code]).toEqual([401, "scope_missing"]);
  }
});
