import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  deliveriesTo,
  eventsOf,
  HOOKS,
  happens,
  NOW,
  newShop,
  readEndpoint,
  World,
} from "./webhook-fixture.ts";

const ELSEWHERE = "https://shop.example.com/elsewhere";
const OK = new Response("thanks");
const DOWN = new Response(null, { status: 500 });

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: NOW });
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

type Shop = Awaited<ReturnType<typeof newShop>>;

/** A shop whose next change meets another that came between its reading and its writing. */
async function raced(
  world: World,
  before: (shop: Shop) => Promise<unknown>,
  created: Record<string, unknown> = {},
): Promise<Shop> {
  const shop = await newShop(world, created);
  await world.run();
  let waits = true;
  const { DB } = env;
  Object.assign(world.env, {
    DB: {
      prepare: (query: string) => DB.prepare(query),
      batch: async (statements: D1PreparedStatement[]) => {
        if (waits) {
          waits = false;
          await before(shop);
        }
        return await DB.batch(statements);
      },
    },
  });
  return shop;
}

const openOf = <T extends { status: string }>(rows: T[]) => rows.filter(({ status }) => status === "pending");

/** What holds of an endpoint whatever raced. */
async function expectCoherent({ id, pings }: Shop, world: World) {
  const row = await readEndpoint(id);
  expect(row.disabledAt === null).toBe(row.status !== "disabled");
  expect(row.disabledReason === null).toBe(row.status !== "disabled");
  const open = openOf(await deliveriesTo(id));
  if (row.status === "disabled") expect(open).toEqual([]);
  if (row.status === "pending") {
    expect(openOf(await pings())).toHaveLength(1);
    // Whoever waits is let go by the answer.
    await world.run();
    expect(await readEndpoint(id)).toMatchObject({ status: "enabled" });
  }
  if (row.status !== "disabled") expect(openOf(await deliveriesTo(id))).toEqual([]);
}

describe("a change that meets another", () => {
  test("another address does not enable an endpoint that was disabled meanwhile", async () => {
    const world = new World(OK);
    const shop = await raced(world, ({ api, path }) => api("POST", `${path}/disable`));
    await shop.api("POST", shop.path, { url: ELSEWHERE });
    await world.run();
    expect(await shop.show()).toMatchObject({
      url: ELSEWHERE,
      status: "disabled",
      disabled_reason: "by_request",
    });
    expect(openOf(await shop.pings())).toEqual([]);
  });

  test("an address that was the same when it was read does not bring it back without a ping", async () => {
    const world = new World(OK);
    const shop = await raced(world, async ({ api, path }) => {
      await api("POST", path, { url: ELSEWHERE });
      await world.run();
    });
    await shop.api("POST", shop.path, { url: HOOKS });
    const { url } = await shop.show();
    await world.run();
    expect(await shop.show()).toMatchObject({ status: "enabled", url });
    expect(world.requests.at(-1)?.url).toBe(url);
  });

  test("another address of a disabled endpoint is pinged when that was enabled meanwhile", async () => {
    const world = new World(OK);
    const enabled = async ({ api, path, show }: Shop) => {
      await api("POST", `${path}/enable`);
      await world.run();
      expect(await show()).toMatchObject({ status: "enabled" });
    };
    const shop = await raced(world, enabled, { status: "disabled" });
    await shop.api("POST", shop.path, { url: ELSEWHERE });
    await world.run();
    expect(await shop.show()).toMatchObject({ status: "enabled", url: ELSEWHERE });
    expect(world.requests.at(-1)?.url).toBe(ELSEWHERE);
  });

  test("a change of something else leaves alone what came between", async () => {
    const world = new World(OK);
    const shop = await raced(world, ({ api, path }) => api("POST", `${path}/disable`));
    await shop.api("POST", shop.path, { description: "new" });
    expect(await shop.show()).toMatchObject({ description: "new", status: "disabled" });
  });
});

describe("ten at once", () => {
  test.each([
    ["enable", ["enable"]],
    ["disable", ["disable"]],
    ["enable and disable", ["enable", "disable"]],
    ["enable, disable and ping", ["enable", "disable", "ping"]],
  ])("%s leave an endpoint that is coherent", async (_case, actions) => {
    const world = new World(OK);
    const shop = await newShop(world);
    await world.run();
    await happens(shop.tenant, NOW);
    await shop.api("POST", `${shop.path}/disable`);
    vi.spyOn(globalThis, "fetch").mockImplementation(async () => OK.clone());
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => shop.api("POST", `${shop.path}/${actions[i % actions.length]}`)),
    );
    for (const { status, json } of answers) {
      if (status !== 200) expect([status, json.error.code]).toEqual([400, "endpoint_disabled"]);
    }
    await expectCoherent(shop, world);
  });

  test("disable tell the others once", async () => {
    const world = new World(OK);
    const shop = await newShop(world);
    const witness = await newShop(world, { enabled_events: ["webhook_endpoint.disabled"] }, shop);
    await world.run();
    await Promise.all(Array.from({ length: 10 }, () => shop.api("POST", `${shop.path}/disable`)));
    expect(await eventsOf(shop.tenant, "webhook_endpoint.disabled")).toHaveLength(1);
    expect(await deliveriesTo(witness.id, "webhook_endpoint.disabled")).toHaveLength(1);
  });

  test("addresses leave one that is pinged, and only that", async () => {
    const world = new World(OK);
    const shop = await newShop(world);
    await world.run();
    const urls = Array.from({ length: 10 }, (_, i) => `${ELSEWHERE}/${i}`);
    await Promise.all(urls.map((url) => shop.api("POST", shop.path, { url })));
    const { url } = await shop.show();
    expect(openOf(await shop.pings())).toHaveLength(1);
    world.requests.length = 0;
    await world.run();
    expect(world.requests.map((request) => request.url)).toEqual([url]);
    expect(await shop.show()).toMatchObject({ url, status: "enabled" });
  });

  test("recoveries bring each delivery home once", async () => {
    const world = new World(DOWN);
    const shop = await newShop(world);
    world.answers(OK);
    await world.run();
    await shop.api("POST", `${shop.path}/disable`);
    for (let i = 0; i < 7; i++) await happens(shop.tenant, NOW);
    await shop.api("POST", `${shop.path}/enable`);
    await world.run();
    const since = Math.floor(NOW / 1000) - 60;
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => shop.api("POST", `${shop.path}/recover`, { since })),
    );
    expect(answers.map(({ json }) => json.recovered).sort()).toEqual([...Array(9).fill(0), 7]);
    world.requests.length = 0;
    await world.run();
    expect(world.requests).toHaveLength(7);
    expect((await deliveriesTo(shop.id, "refund.succeeded")).map(({ status }) => status)).toEqual(
      Array(7).fill("delivered"),
    );
  });
});
