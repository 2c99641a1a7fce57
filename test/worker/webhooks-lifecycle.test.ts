import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  deliveriesTo,
  eventsOf,
  HOOKS,
  happens,
  NOW,
  newShop,
  readAttempts,
  readDelivery,
  readEndpoint,
  SECONDS,
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

const openOf = <T extends { status: string }>(rows: T[]) => rows.filter(({ status }) => status === "pending");

describe("a new endpoint", () => {
  test("is pinged at once, and enabled by the 2xx to that", async () => {
    const world = new World(OK);
    const { tenant, id, created, show } = await newShop(world);
    expect(created.status).toBe("pending");
    expect(world.requests).toEqual([]);
    await world.run();
    expect(world.requests).toMatchObject([{ url: HOOKS }]);
    expect(await show()).toMatchObject({ status: "enabled", first_failure_at: null });
    const [ping] = await eventsOf(tenant, "webhook_endpoint.ping");
    const { secret: _, ...object } = created;
    expect(JSON.parse(ping?.body ?? "")).toMatchObject({
      type: "webhook_endpoint.ping",
      livemode: false,
      created: SECONDS,
      data: { object },
    });
    expect(world.requests[0]?.init.body).toBe(ping?.body);
    expect(await deliveriesTo(id)).toMatchObject([{ event: ping?.id, status: "delivered" }]);
  });

  test("holds what happens before it has answered, and gets it with the 2xx", async () => {
    const world = new World(DOWN, OK);
    const { tenant, api, id, show } = await newShop(world, { enabled_events: ["*"] });
    await world.run();
    // The five days are for one that is enabled; a ping has its own schedule.
    expect(await show()).toMatchObject({
      status: "pending",
      first_failure_at: SECONDS,
      disable_at: null,
    });
    const first = await happens(tenant, world.now);
    const second = await happens(tenant, world.now, { type: "refund.failed" });
    const unasked = await happens(tenant, world.now, { type: "refund.created" });
    expect([...first.woken, ...second.woken, ...unasked.woken]).toEqual([]);
    const held = (await deliveriesTo(id)).slice(1);
    expect(held.map(({ event }) => event)).toEqual([first.id, second.id]);
    expect((await api("GET", `/v1/deliveries/${held[0]?.id}`)).json).toMatchObject({
      status: "pending",
      next_attempt_at: null,
    });

    // Woken all the same, they are left alone.
    await world.consume(held.map(({ message }) => message));
    expect(world.requests).toHaveLength(1);
    expect(await readDelivery(held[0]?.id ?? "")).toMatchObject({ status: "pending", attempts: 0 });

    await world.run(NOW + 5000);
    expect(await show()).toMatchObject({ status: "enabled", first_failure_at: null, disable_at: null });
    expect((await deliveriesTo(id)).map(({ status }) => status)).toEqual(Array(3).fill("delivered"));
    expect(world.requests.map(({ at }) => at)).toEqual([NOW, ...Array(3).fill(NOW + 5000)]);
  });

  test("that answers slowly gets what waited, too", async () => {
    const world = new World();
    const { tenant, id } = await newShop(world);
    await happens(tenant, NOW);
    world.answers(() => {
      world.at(world.now + 3001);
      return OK.clone();
    });
    await world.run(NOW + 10_000);
    expect(await deliveriesTo(id, "refund.succeeded")).toMatchObject([{ status: "delivered" }]);
  });

  test("is disabled when its ping runs out of the schedule, and what waited is skipped", async () => {
    const world = new World(DOWN);
    const { tenant, id, show, pings } = await newShop(world);
    const held = await happens(tenant, world.now);
    const [ping] = await pings();
    await world.pursue(ping?.id ?? "");
    expect(world.requests).toHaveLength(10);
    expect(await show()).toMatchObject({
      status: "disabled",
      disabled_reason: "unanswered",
      disabled_at: Math.floor(world.now / 1000),
      first_failure_at: SECONDS,
      disable_at: null,
    });
    expect(await deliveriesTo(id)).toMatchObject([
      { event: ping?.event, status: "exhausted", attempts: 10 },
      { event: held.id, status: "skipped", attempts: 0, endedAt: world.now },
    ]);
  });

  test("whose ping loses what was left of its schedule is disabled all the same", async () => {
    const world = new World(DOWN);
    const { api, path, show, pings } = await newShop(world, { schedule: "pingpp" });
    const [ping] = await pings();
    await world.pursue(ping?.id ?? "", 10);
    expect(await show()).toMatchObject({ status: "pending" });
    // This schedule has one attempt less: the ping has had them all.
    await api("POST", path, { schedule: "standard" });
    await world.pursue(ping?.id ?? "");
    expect(world.requests).toHaveLength(10);
    expect(await show()).toMatchObject({ status: "disabled", disabled_reason: "unanswered" });
  });

  test("may be created disabled: it is not pinged, and what happens is skipped", async () => {
    const world = new World(OK);
    const { tenant, id, created } = await newShop(world, { status: "disabled" });
    expect(created).toMatchObject({
      status: "disabled",
      disabled_reason: "by_request",
      disabled_at: SECONDS,
      secret: expect.any(String),
    });
    const { woken } = await happens(tenant, NOW);
    expect(woken).toEqual([]);
    await world.run();
    expect(world.requests).toEqual([]);
    expect(await deliveriesTo(id)).toMatchObject([{ type: "refund.succeeded", status: "skipped" }]);
    expect(await eventsOf(tenant, "webhook_endpoint.disabled")).toEqual([]);
  });

  test("may be created `enabled`, which it is once it has answered", async () => {
    const world = new World(OK);
    const { created, show } = await newShop(world, { status: "enabled" });
    expect(created.status).toBe("pending");
    await world.run();
    expect(await show()).toMatchObject({ status: "enabled" });
  });
});

describe("another address", () => {
  test("is pinged before it gets anything, and what was on its way waits for that", async () => {
    const world = new World(OK, DOWN, DOWN, OK);
    const { tenant, api, id, path, show, pings } = await newShop(world);
    await world.run();
    const failed = await happens(tenant, NOW);
    await world.consume([(await deliveriesTo(id, "refund.succeeded"))[0]?.message]);
    expect(await show()).toMatchObject({ status: "enabled", first_failure_at: SECONDS });

    expect((await api("POST", path, { url: ELSEWHERE })).json).toMatchObject({
      url: ELSEWHERE,
      status: "pending",
      first_failure_at: null,
    });
    expect(await deliveriesTo(id, "refund.succeeded")).toMatchObject([
      { event: failed.id, status: "pending", dueAt: null, attempts: 1 },
    ]);
    await world.run();
    expect(await show()).toMatchObject({ status: "pending", url: ELSEWHERE });
    await world.run(NOW + 5000);
    expect(await show()).toMatchObject({ status: "enabled" });
    expect(await deliveriesTo(id, "refund.succeeded")).toMatchObject([{ status: "delivered", attempts: 2 }]);
    expect(world.requests.map(({ url }) => url)).toEqual([HOOKS, HOOKS, ...Array(3).fill(ELSEWHERE)]);
    expect((await pings()).map(({ status }) => status)).toEqual(["delivered", "delivered"]);
  });

  test("is not enabled by what the earlier one answers", async () => {
    const { api, path, show, pings, world } = await changesWhileAsked((client, at) =>
      client("POST", at, { url: ELSEWHERE }),
    );
    expect(await show()).toMatchObject({ status: "pending", url: ELSEWHERE });
    expect((await pings()).map(({ status }) => status)).toEqual(["delivered", "pending"]);
    await world.run();
    expect(await show()).toMatchObject({ status: "enabled", url: ELSEWHERE });
    expect(world.requests.at(-1)?.url).toBe(ELSEWHERE);
    expect((await api("GET", path)).status).toBe(200);
  });

  test("is not blamed for what the earlier one answers", async () => {
    const world = new World(OK);
    const { tenant, api, id, path, show } = await newShop(world);
    await world.run();
    await happens(tenant, NOW);
    world.answers(async () => {
      await api("POST", path, { url: ELSEWHERE });
      return DOWN.clone();
    });
    await world.consume([(await deliveriesTo(id, "refund.succeeded"))[0]?.message]);
    expect(await show()).toMatchObject({ status: "pending", first_failure_at: null, disable_at: null });
    expect(await readEndpoint(id)).toMatchObject({ lane: "fast" });
  });

  test("ends the pings of the earlier one", async () => {
    const world = new World(DOWN);
    const { api, path, pings } = await newShop(world);
    await world.run();
    await api("POST", path, { url: ELSEWHERE });
    expect((await pings()).map(({ status }) => status)).toEqual(["skipped", "pending"]);
  });

  test("of a disabled endpoint changes nothing else: it stays disabled", async () => {
    const world = new World(OK);
    const { api, path, pings } = await newShop(world, { status: "disabled" });
    expect((await api("POST", path, { url: ELSEWHERE })).json).toMatchObject({
      status: "disabled",
      url: ELSEWHERE,
    });
    expect(await pings()).toEqual([]);
    await api("POST", `${path}/enable`);
    await world.run();
    expect(world.requests).toMatchObject([{ url: ELSEWHERE }]);
  });

  test("that is the same one changes nothing", async () => {
    const world = new World(OK);
    const { api, path, show, pings } = await newShop(world);
    await world.run();
    const before = await show();
    expect((await api("POST", path, { url: HOOKS })).json).toEqual(before);
    expect(await pings()).toHaveLength(1);
  });
});

/** A shop that makes a change while its first ping is being asked; the ping is answered with 2xx after that. */
async function changesWhileAsked(
  change: (client: Awaited<ReturnType<World["client"]>>, path: string) => Promise<unknown>,
) {
  const world = new World();
  const shop = await newShop(world);
  world.answers(async () => {
    world.answers(OK);
    await change(shop.api, shop.path);
    return OK.clone();
  });
  const [ping] = await shop.pings();
  await world.consume([ping?.message]);
  return { ...shop, world };
}

describe("a person's ping", () => {
  test("is made within the request, and answers with the delivery and its attempt", async () => {
    const world = new World(OK);
    const { api, path, pings } = await newShop(world);
    await world.run();
    const fetch = vi.spyOn(globalThis, "fetch").mockImplementation(async () => new Response("pong"));
    const { status, json } = await api("POST", `${path}/ping`);
    expect(status).toBe(200);
    expect(fetch).toHaveBeenCalledTimes(1);
    expect(json).toMatchObject({
      object: "webhook_delivery",
      event_type: "webhook_endpoint.ping",
      status: "delivered",
      attempts: 1,
      last_attempt: { number: 1, trigger: "manual", http_status: 200, answer: "pong" },
    });
    expect(await pings()).toHaveLength(2);
  });

  test("enables a pending endpoint by the ping that is open already", async () => {
    const world = new World(DOWN);
    const { tenant, api, id, path, show, pings } = await newShop(world);
    await world.run();
    await happens(tenant, NOW);
    vi.spyOn(globalThis, "fetch").mockImplementation(async () => OK.clone());
    expect((await api("POST", `${path}/ping`)).json).toMatchObject({ status: "delivered", attempts: 2 });
    expect(await pings()).toHaveLength(1);
    expect(await show()).toMatchObject({ status: "enabled" });
    expect(world.sent.at(-1)?.body).toEqual((await deliveriesTo(id, "refund.succeeded"))[0]?.message);
  });

  test("that fails is tried again later, in a fresh run of the schedule", async () => {
    const world = new World(DOWN);
    const { api, path, show, pings } = await newShop(world);
    const [ping] = await pings();
    await world.pursue(ping?.id ?? "", 9);
    vi.spyOn(globalThis, "fetch").mockImplementation(async () => DOWN.clone());
    expect((await api("POST", `${path}/ping`)).json).toMatchObject({
      status: "pending",
      attempts: 10,
      last_attempt: { trigger: "manual", http_status: 500, answer: null },
    });
    await world.pursue(ping?.id ?? "");
    const attempts = await readAttempts(ping?.id ?? "");
    expect(attempts.map(({ number }) => number)).toEqual(Array.from({ length: 19 }, (_, i) => i + 1));
    expect(attempts.filter(({ trigger }) => trigger === "manual")).toHaveLength(1);
    expect(await show()).toMatchObject({ status: "disabled", disabled_reason: "unanswered" });
  });

  test("does not ask an address that is being asked", async () => {
    const fetch = vi.spyOn(globalThis, "fetch");
    const { pings, show } = await changesWhileAsked(async (client, path) => {
      expect((await client("POST", `${path}/ping`)).json).toMatchObject({ status: "pending", attempts: 1 });
    });
    expect(fetch).not.toHaveBeenCalled();
    expect(await pings()).toMatchObject([{ status: "delivered", attempts: 1 }]);
    expect(await show()).toMatchObject({ status: "enabled" });
  });

  test("is refused to a disabled endpoint", async () => {
    const { api, path, pings } = await newShop(new World(), { status: "disabled" });
    const { status, json } = await api("POST", `${path}/ping`);
    expect([status, json.error.code]).toEqual([400, "endpoint_disabled"]);
    expect(await pings()).toEqual([]);
  });

  test("of ten that race, one is open", async () => {
    const world = new World(OK);
    const { api, path, pings, show } = await newShop(world);
    await world.run();
    vi.spyOn(globalThis, "fetch").mockImplementation(async () => DOWN.clone());
    const answers = await Promise.all(Array.from({ length: 10 }, () => api("POST", `${path}/ping`)));
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
    expect(new Set(answers.map(({ json }) => json.id)).size).toBe(1);
    expect(openOf(await pings())).toMatchObject([{ attempts: 1 }]);
    expect(await show()).toMatchObject({ status: "enabled" });
  });
});

describe("enabling and disabling", () => {
  test("an endpoint that is disabled is pinged and enabled by its answer", async () => {
    const world = new World(OK);
    const { api, path, show, pings } = await newShop(world, { status: "disabled" });
    expect((await api("POST", `${path}/enable`)).json).toMatchObject({
      status: "pending",
      disabled_at: null,
      disabled_reason: null,
    });
    await world.run();
    expect(await show()).toMatchObject({ status: "enabled" });
    expect((await api("POST", `${path}/enable`)).json).toMatchObject({ status: "enabled" });
    expect(await pings()).toHaveLength(1);
  });

  test("enabling a pending endpoint changes nothing", async () => {
    const { api, path, show, pings } = await newShop(new World());
    const before = await show();
    expect((await api("POST", `${path}/enable`)).json).toEqual(before);
    expect((await api("POST", path, { status: "enabled" })).json).toEqual(before);
    expect(await pings()).toHaveLength(1);
  });

  test("disabling skips what is on its way, once", async () => {
    const world = new World(OK);
    const { tenant, api, id, path } = await newShop(world);
    await world.run();
    await happens(tenant, NOW);
    const { json } = await api("POST", `${path}/disable`);
    expect(json).toMatchObject({ status: "disabled", disabled_reason: "by_request", disabled_at: SECONDS });
    expect(await deliveriesTo(id, "refund.succeeded")).toMatchObject([{ status: "skipped", endedAt: NOW }]);
    world.at(NOW + 60_000);
    expect((await api("POST", `${path}/disable`)).json).toEqual(json);
    expect(await eventsOf(tenant, "webhook_endpoint.disabled")).toHaveLength(1);
  });

  test("a disabled endpoint is not enabled by an answer to an earlier ping", async () => {
    const { show, pings } = await changesWhileAsked((client, path) => client("POST", `${path}/disable`));
    expect(await show()).toMatchObject({ status: "disabled", disabled_reason: "by_request" });
    expect(await pings()).toMatchObject([{ status: "delivered" }]);
  });

  test("an attempt under way ends by itself, as what it was", async () => {
    const world = new World();
    const { tenant, api, id, path } = await newShop(world);
    world.answers(OK);
    await world.run();
    await happens(tenant, NOW);
    world.answers(async () => {
      await api("POST", `${path}/disable`);
      return DOWN.clone();
    });
    const [delivery] = await deliveriesTo(id, "refund.succeeded");
    await world.consume([delivery?.message]);
    expect(await readDelivery(delivery?.id ?? "")).toMatchObject({ status: "pending", attempts: 1 });
    await world.pursue(delivery?.id ?? "");
    expect(await readDelivery(delivery?.id ?? "")).toMatchObject({ status: "skipped", attempts: 1 });
  });
});
