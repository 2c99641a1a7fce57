import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { deliveries } from "../../src/webhooks/table.ts";
import {
  deliveriesTo,
  eventsOf,
  NOW,
  newDelivery,
  newEndpoint,
  newEvent,
  newShop,
  newTenant,
  readAttempts,
  readDelivery,
  SECONDS,
  World,
} from "./webhook-fixture.ts";

const DAY = 86_400;
const OK = new Response("thanks");
const DOWN = new Response(null, { status: 500 });
const NOBODY = "evt_000000000000000000000000";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: NOW });
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** An enabled endpoint, and the two ways to send to it again. */
async function newOn(world: World) {
  const shop = await newShop(world);
  await world.run();
  world.requests.length = 0;
  const recover = (since: number, until?: number) =>
    shop.api("POST", `${shop.path}/recover`, { since, ...(until === undefined ? {} : { until }) });
  const resend = (event: string, body: Record<string, unknown> = {}) =>
    shop.api("POST", `/v1/events/${event}/resend`, { endpoint: shop.id, ...body });
  /** A delivery that ended at NOW, or at another time. */
  const ended = (status: "delivered" | "exhausted" | "skipped", createdAt = NOW, attempts = 10) =>
    newDelivery(shop.tenant, shop, { status, attempts, createdAt, dueAt: null, endedAt: createdAt });
  return { ...shop, recover, resend, ended };
}

const statusOf = async ({ id }: { id: string }) => (await readDelivery(id))?.status;

describe("recovering", () => {
  test("sends again what was exhausted or skipped in the period, and nothing else", async () => {
    const world = new World(OK);
    const { tenant, id, recover, ended, api, path } = await newOn(world);
    const since = SECONDS - 7200;
    const until = SECONDS - 3600;
    const home = [
      await ended("exhausted", since * 1000),
      await ended("skipped", since * 1000 + 1, 0),
      await ended("skipped", until * 1000 + 999, 3),
    ];
    const rest = [
      await ended("exhausted", since * 1000 - 1),
      await ended("exhausted", until * 1000 + 1000),
      await ended("delivered", since * 1000 + 1),
    ];
    const other = await newEndpoint(tenant);
    const theirs = { status: "exhausted", createdAt: since * 1000, dueAt: null } as const;
    rest.push(await newDelivery(tenant, other, theirs));
    const untouched = await Promise.all(rest.map(({ id: row }) => readDelivery(row)));

    const { status, json } = await recover(since, until);
    expect([status, json]).toEqual([
      200,
      { object: "webhook_endpoint_recovery", endpoint: id, since, until, recovered: 3 },
    ]);
    await world.run();
    for (const delivery of home) expect(await statusOf(delivery)).toBe("delivered");
    expect(world.requests.map(({ headers }) => headers["webhook-id"]).sort()).toEqual(
      home.map(({ event }) => event.id).sort(),
    );
    expect(await Promise.all(rest.map(({ id: row }) => readDelivery(row)))).toEqual(untouched);
    const { json: attempts } = await api("GET", `/v1/deliveries/${home[0]?.id}/attempts`);
    expect(attempts.data).toMatchObject([{ number: 11, trigger: "manual", http_status: 200 }]);
    expect((await api("POST", `${path}/recover`, { since, until })).json.recovered).toBe(0);
  });

  test("begins a fresh run of the schedule, whose attempts go on counting", async () => {
    const world = new World(OK);
    const { recover, ended } = await newOn(world);
    world.answers(DOWN);
    const delivery = await ended("exhausted");
    expect((await recover(SECONDS)).json.recovered).toBe(1);
    await world.pursue(delivery.id);
    expect(await readDelivery(delivery.id)).toMatchObject({
      status: "exhausted",
      attempts: 20,
      attemptsBefore: 10,
    });
    const attempts = await readAttempts(delivery.id);
    expect(attempts.map(({ number }) => number)).toEqual(Array.from({ length: 10 }, (_, i) => i + 11));
    expect(attempts.map(({ trigger }) => trigger)).toEqual(["manual", ...Array(9).fill("auto")]);
    const delays = attempts.map(({ startedAt }, i) => startedAt - (attempts[i - 1]?.startedAt ?? startedAt));
    expect(delays.slice(1, 3)).toEqual([5000, 300_000]);
  });

  test("takes no ping along", async () => {
    const world = new World(OK);
    const { api, path, recover, pings } = await newOn(world);
    await api("POST", path, { url: "https://shop.example.com/elsewhere" });
    await api("POST", `${path}/disable`);
    expect((await pings()).map(({ status }) => status)).toEqual(["delivered", "skipped"]);
    await api("POST", `${path}/enable`);
    await world.run();
    expect((await recover(SECONDS)).json.recovered).toBe(0);
    expect((await pings()).map(({ status }) => status)).toEqual(["delivered", "skipped", "delivered"]);
  });

  test("goes up to now unless it is told otherwise", async () => {
    const world = new World(OK);
    const { recover, ended } = await newOn(world);
    await ended("skipped", NOW);
    expect((await recover(SECONDS - 14 * DAY)).json).toMatchObject({ until: SECONDS, recovered: 1 });
  });

  test.each<[string, Record<string, unknown>, string]>([
    ["a period that ends before it begins", { since: SECONDS, until: SECONDS - 1 }, "since"],
    ["a period that begins tomorrow", { since: SECONDS + DAY }, "since"],
    ["more than 14 days", { since: SECONDS - 14 * DAY - 1 }, "since"],
    ["more than 14 days long ago", { since: 0, until: 14 * DAY + 1 }, "since"],
    ["no beginning", { until: SECONDS }, "since"],
    ["a text", { since: "yesterday" }, "since"],
    ["half a second", { since: 0.5 }, "since"],
    ["an unknown field", { since: SECONDS, force: true }, "force"],
  ])("%s is refused", async (_case, body, param) => {
    const { api, path, ended } = await newOn(new World(OK));
    const delivery = await ended("skipped", NOW);
    const { status, json } = await api("POST", `${path}/recover`, body);
    expect([status, json.error.param]).toEqual([400, param]);
    expect(await statusOf(delivery)).toBe("skipped");
  });

  test("takes a period of exactly 14 days, and one of a second", async () => {
    const { recover } = await newOn(new World(OK));
    expect((await recover(SECONDS - 14 * DAY, SECONDS)).status).toBe(200);
    expect((await recover(SECONDS, SECONDS)).status).toBe(200);
  });

  test("is refused while the endpoint is disabled", async () => {
    const { api, path, recover, ended } = await newOn(new World(OK));
    const delivery = await ended("exhausted");
    await api("POST", `${path}/disable`);
    const { status, json } = await recover(SECONDS);
    expect([status, json.error.code]).toEqual([400, "endpoint_disabled"]);
    expect(await statusOf(delivery)).toBe("exhausted");
  });

  test("holds what it finds until a pending endpoint has answered", async () => {
    const world = new World(OK);
    const { api, path, recover, ended } = await newOn(world);
    const delivery = await ended("exhausted");
    await api("POST", path, { url: "https://shop.example.com/elsewhere" });
    expect((await recover(SECONDS)).json.recovered).toBe(1);
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "pending", dueAt: null, endedAt: null });
    await world.run();
    expect(await statusOf(delivery)).toBe("delivered");
  });
});

describe("sending one event again", () => {
  test.each(["exhausted", "skipped"] as const)("brings home one that was %s", async (status) => {
    const world = new World(OK);
    const { resend, ended } = await newOn(world);
    const { id, event } = await ended(status);
    const answer = await resend(event.id);
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({
      id,
      object: "webhook_delivery",
      event: event.id,
      status: "pending",
      attempts: 10,
      next_attempt_at: SECONDS,
      ended_at: null,
    });
    await world.run();
    expect(await readDelivery(id)).toMatchObject({ status: "delivered", attempts: 11 });
    expect(world.requests).toMatchObject([{ headers: { "webhook-id": event.id } }]);
    expect(await readAttempts(id)).toMatchObject([{ number: 11, trigger: "manual" }]);
  });

  test("sends it to an endpoint that never asked for its type", async () => {
    const world = new World(OK);
    const { tenant, resend, id } = await newOn(world);
    const event = await newEvent(tenant, { type: "refund.created" });
    const { json } = await resend(event.id);
    expect(json).toMatchObject({
      event: event.id,
      event_type: "refund.created",
      status: "pending",
      attempts: 0,
    });
    await world.run();
    expect(await deliveriesTo(id, "refund.created")).toMatchObject([{ status: "delivered", attempts: 1 }]);
    expect(world.requests[0]?.init.body).toBe(event.body);
    expect((await resend(event.id)).json.error.code).toBe("delivery_not_resendable");
  });

  test.each<[string, Partial<typeof deliveries.$inferInsert>]>([
    ["delivered", { status: "delivered", attempts: 1, dueAt: null, endedAt: NOW }],
    ["pending", { status: "pending", attempts: 2, dueAt: NOW + 300_000 }],
  ])("refuses one that is %s, unless it is forced", async (status, row) => {
    const world = new World(OK);
    const { tenant, id, resend } = await newOn(world);
    const delivery = await newDelivery(tenant, { id }, row);
    const before = await readDelivery(delivery.id);
    const refused = await resend(delivery.event.id);
    expect(refused.status).toBe(400);
    expect(refused.json.error).toMatchObject({ code: "delivery_not_resendable" });
    expect(refused.json.error.message).toContain(status);
    expect(await readDelivery(delivery.id)).toEqual(before);
    await world.run();
    expect(world.requests).toEqual([]);

    expect((await resend(delivery.event.id, { force: true })).json).toMatchObject({
      status: "pending",
      next_attempt_at: SECONDS,
    });
    await world.run();
    expect(await readDelivery(delivery.id)).toMatchObject({
      status: "delivered",
      attempts: (row.attempts ?? 0) + 1,
    });
  });

  test("by force while an attempt is under way is not undone by the end of that", async () => {
    const world = new World(OK);
    const { tenant, id, resend } = await newOn(world);
    const delivery = await newDelivery(tenant, { id }, { attempts: 9 });
    world.answers(async () => {
      world.answers(OK);
      expect((await resend(delivery.event.id, { force: true })).status).toBe(200);
      return DOWN.clone();
    });
    await world.consume([delivery.message]);
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "pending", attempts: 10 });
    await world.pursue(delivery.id);
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "delivered", attempts: 11 });
  });

  test("of ten that race, one is sent", async () => {
    const world = new World(OK);
    const { resend, ended } = await newOn(world);
    const delivery = await ended("exhausted");
    const answers = await Promise.all(Array.from({ length: 10 }, () => resend(delivery.event.id)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    await world.run();
    expect(world.requests).toHaveLength(1);
  });

  test("is refused while the endpoint is disabled, force or not", async () => {
    const { api, path, resend, ended } = await newOn(new World(OK));
    const delivery = await ended("exhausted");
    await api("POST", `${path}/disable`);
    for (const force of [false, true]) {
      const { status, json } = await resend(delivery.event.id, { force });
      expect([status, json.error.code]).toEqual([400, "endpoint_disabled"]);
    }
    expect(await statusOf(delivery)).toBe("exhausted");
  });

  test("waits for a pending endpoint to answer its ping", async () => {
    const world = new World(OK);
    const { tenant, api, path, resend, ended } = await newOn(world);
    const missed = await ended("skipped");
    const unasked = await newEvent(tenant, { type: "refund.created" });
    await api("POST", path, { url: "https://shop.example.com/elsewhere" });
    for (const { id } of [missed.event, unasked]) expect((await resend(id)).status).toBe(200);
    await world.run();
    const types = world.requests.map(({ init }) => JSON.parse(init.body as string).type);
    expect(types[0]).toBe("webhook_endpoint.ping");
    expect(types.slice(1).sort()).toEqual(["refund.created", "refund.succeeded"]);
  });

  test("of another app, another mode or of nobody does not exist", async () => {
    const { tenant, id, resend } = await newOn(new World(OK));
    const stranger = await newTenant();
    const events = [
      await newEvent(stranger),
      await newEvent({ ...tenant, livemode: true }),
      { id: NOBODY },
      { id: "evt_1" },
    ];
    for (const event of events) {
      const { status, json } = await resend(event.id);
      expect([status, json.error.param]).toEqual([404, "id"]);
    }
    const mine = await newEvent(tenant);
    for (const endpoint of [
      await newEndpoint(stranger),
      await newEndpoint({ ...tenant, livemode: true }),
      await newEndpoint(tenant, { deletedAt: SECONDS }),
      { id: "we_1" },
    ]) {
      expect((await resend(mine.id, { endpoint: endpoint.id })).status).toBe(404);
      expect(await deliveriesTo(endpoint.id)).toEqual([]);
    }
    expect(await deliveriesTo(id, "refund.succeeded")).toEqual([]);
  });

  test("is refused for another endpoint's ping, and taken for its own", async () => {
    const world = new World(OK);
    const { tenant, resend, id } = await newOn(world);
    const other = await newShop(world, {}, { tenant });
    const [mine, theirs] = await eventsOf(tenant, "webhook_endpoint.ping");
    const { status, json } = await resend(theirs?.id ?? "");
    expect([status, json.error.param]).toEqual([400, "endpoint"]);
    expect(await deliveriesTo(id, "webhook_endpoint.ping")).toHaveLength(1);
    expect(await other.pings()).toHaveLength(1);
    expect((await resend(mine?.id ?? "", { force: true })).status).toBe(200);
  });

  test.each<[string, Record<string, unknown>, string]>([
    ["without an endpoint", { endpoint: undefined }, "endpoint"],
    ["with an endpoint that is no text", { endpoint: 1 }, "endpoint"],
    ["with force that is no truth value", { force: "maybe" }, "force"],
    ["with an unknown field", { again: true }, "again"],
  ])("%s is refused", async (_case, body, param) => {
    const { tenant, resend } = await newOn(new World(OK));
    const { status, json } = await resend((await newEvent(tenant)).id, body);
    expect([status, json.error.param]).toEqual([400, param]);
  });
});
