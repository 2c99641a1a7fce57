import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  deliveriesTo,
  HOOKS,
  happens,
  NOW,
  newClient,
  newEndpoint,
  newShop,
  newTenant,
  readEndpoint,
  SECONDS,
  World,
} from "./webhook-fixture.ts";

const PATH = "/v1/webhook_endpoints";
const OK = new Response("thanks");

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: NOW });
});

afterEach(() => {
  vi.useRealTimers();
});

const CHOSEN = {
  enabled_events: ["refund.failed"],
  description: "仓库",
  metadata: { team: "ops" },
  schedule: "pingpp",
  rate_limit: 5,
};

describe("an update", () => {
  test.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    [
      "enabled_events",
      { enabled_events: ["*", "refund.created", "*"] },
      { enabled_events: ["*", "refund.created"] },
    ],
    ["description", { description: "office" }, { description: "office" }],
    ["description, to nothing", { description: null }, { description: null }],
    ["metadata, whole", { metadata: { floor: 3 } }, { metadata: { floor: "3" } }],
    ["metadata, to nothing", { metadata: {} }, { metadata: {} }],
    ["schedule", { schedule: "standard" }, { schedule: "standard" }],
    ["rate_limit", { rate_limit: 1000 }, { rate_limit: 1000 }],
    ["rate_limit, to none", { rate_limit: null }, { rate_limit: null }],
    ["nothing, by a body that is empty", {}, {}],
    ["nothing, by metadata that is null", { metadata: null }, {}],
  ])("changes %s and leaves the rest", async (_case, body, changed) => {
    const world = new World(OK);
    const { api, path, show, pings } = await newShop(world, CHOSEN);
    await world.run();
    const before = await show();
    const { status, json } = await api("POST", path, body);
    expect(status).toBe(200);
    expect(json).toEqual({ ...before, ...changed });
    expect(await show()).toEqual(json);
    expect(await pings()).toHaveLength(1);
  });

  test("of the event types holds for what happens from then on", async () => {
    const world = new World(OK);
    const { tenant, api, id, path } = await newShop(world);
    await world.run();
    await api("POST", path, { enabled_events: ["refund.created"] });
    await happens(tenant, NOW, { type: "refund.succeeded" });
    await happens(tenant, NOW, { type: "refund.created" });
    expect((await deliveriesTo(id)).map(({ type }) => type)).toEqual([
      "webhook_endpoint.ping",
      "refund.created",
    ]);
  });

  test("may disable and enable, together with other changes", async () => {
    const world = new World(OK);
    const { api, path, show } = await newShop(world);
    await world.run();
    expect((await api("POST", path, { status: "disabled", description: "moving" })).json).toMatchObject({
      status: "disabled",
      disabled_reason: "by_request",
      disabled_at: SECONDS,
      description: "moving",
    });
    const url = "https://shop.example.com/elsewhere";
    expect((await api("POST", path, { status: "enabled", url })).json).toMatchObject({
      status: "pending",
      disabled_reason: null,
      disabled_at: null,
    });
    await world.run();
    expect(await show()).toMatchObject({ status: "enabled", url });
    expect(world.requests.map((request) => request.url)).toEqual([HOOKS, url]);
    expect((await api("POST", path, { status: "disabled", url: HOOKS })).json).toMatchObject({
      status: "disabled",
      url: HOOKS,
    });
  });

  test.each<[string, unknown, string, RegExp]>([
    ["an unknown field", { secret: "whsec_mine" }, "secret", /secret/],
    ["a field nobody may set", { disabled_at: 1 }, "disabled_at", /disabled_at/],
    ["a status nobody can choose", { status: "pending" }, "status", /status/],
    ["no event types", { enabled_events: [] }, "enabled_events", /enabled_events/],
    ["event types that are null", { enabled_events: null }, "enabled_events", /enabled_events/],
    ["a schedule that is null", { schedule: null }, "schedule", /schedule/],
    ["a url that is null", { url: null }, "url", /url/],
    ["an IP address", { url: "https://10.0.0.1/" }, "url", /IP/],
    ["plain http", { url: "http://shop.example.com/" }, "url", /https/],
    ["our own host", { url: "https://refunds.example.com/v1" }, "url", /url/],
    ["a rate limit of nothing", { rate_limit: 0 }, "rate_limit", /rate_limit/],
  ])("with %s is refused, and nothing changes", async (_case, body, param, message) => {
    const { api, path, show } = await newShop(new World(), CHOSEN);
    const before = await show();
    const { status, json } = await api("POST", path, { description: "new", ...(body as object) });
    expect(status).toBe(400);
    expect(json.error).toMatchObject({ type: "invalid_request_error", param });
    expect(json.error.message).toMatch(message);
    expect(await show()).toEqual(before);
  });
});

const ACTIONS: [string, string, unknown][] = [
  ["GET", "", undefined],
  ["POST", "", { description: "mine" }],
  ["DELETE", "", undefined],
  ["POST", "/ping", undefined],
  ["POST", "/enable", undefined],
  ["POST", "/disable", undefined],
  ["POST", "/roll_secret", undefined],
  ["POST", "/recover", { since: SECONDS - 60 }],
];

describe("an endpoint that is not there", () => {
  test.each(ACTIONS)("is not found by %s %s, whoever's it was", async (method, action, body) => {
    const tenant = await newTenant();
    const theirs = await newEndpoint(tenant);
    const deleted = await newEndpoint(tenant, { deletedAt: SECONDS });
    const before = await readEndpoint(theirs.id);
    const cases = [
      [await newClient(await newTenant()), theirs.id],
      [await newClient({ ...tenant, livemode: true }), theirs.id],
      [await newClient(tenant), deleted.id],
      [await newClient(tenant), "we_1"],
    ] as const;
    for (const [call, id] of cases) {
      const { status, json } = await call(method, `${PATH}/${id}${action}`, body);
      expect([status, json.error.param]).toEqual([404, "id"]);
    }
    expect(await readEndpoint(theirs.id)).toEqual(before);
    expect(await deliveriesTo(theirs.id)).toEqual([]);
  });

  test.each(ACTIONS)("a key without the scope is refused %s %s", async (method, action, body) => {
    const tenant = await newTenant();
    const { id } = await newEndpoint(tenant);
    const call = await newClient(tenant, ["refunds:read", "refunds:write"]);
    const { status, json } = await call(method, `${PATH}/${id}${action}`, body);
    expect([status, json.error.code]).toEqual([401, "scope_missing"]);
  });
});
