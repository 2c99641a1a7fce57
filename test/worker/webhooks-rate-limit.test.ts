import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { database } from "../../src/db/client.ts";
import { deliveryRepository } from "../../src/webhooks/delivery-repository.ts";
import { wakeDeliveries } from "../../src/webhooks/wake.ts";
import {
  NOW,
  newClient,
  newDelivery,
  newDue,
  newEndpoint,
  newTenant,
  readAttempts,
  readDelivery,
  readEndpoint,
  type Tenant,
  World,
} from "./webhook-fixture.ts";

const OK = new Response("thanks");
const DOWN = new Response(null, { status: 500 });

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: NOW });
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** An endpoint with a rate limit and deliveries that are all due now, their messages in the queue. */
async function newBurst(world: World, rateLimit: number | null, count: number) {
  const tenant = await newTenant();
  const endpoint = await newEndpoint(tenant, { rateLimit });
  const burst = [];
  for (let i = 0; i < count; i++) burst.push(await newDelivery(tenant, endpoint));
  await wakeDeliveries(
    world.env,
    burst.map(({ id }) => ({ ...tenant, id, lane: "fast" })),
  );
  return { tenant, endpoint, ids: burst.map(({ id }) => id) };
}

/** How many requests were made in each second since NOW. */
function perSecond(world: World): number[] {
  const seconds: number[] = [];
  for (const { at } of world.requests) {
    const second = Math.floor((at - NOW) / 1000);
    seconds[second] = (seconds[second] ?? 0) + 1;
  }
  return Array.from(seconds, (count) => count ?? 0);
}

/** Every request came in its turn, or within the second after: a queue delays by whole seconds. */
function expectPaced(world: World, rate: number) {
  world.requests.forEach(({ at }, i) => {
    const turn = NOW + i * Math.ceil(1000 / rate);
    expect(at).toBeGreaterThanOrEqual(turn);
    expect(at).toBeLessThanOrEqual(turn + 1000);
  });
}

const statusesOf = async (ids: string[]) =>
  (await Promise.all(ids.map((id) => readDelivery(id)))).map((row) => row?.status);

describe("a rate limit", () => {
  test("gives slots that an outage let pass anew: they do not all go at once", async () => {
    const world = new World(OK);
    const { endpoint, ids } = await newBurst(world, 4, 12);
    const missed = env.DB.prepare("update deliveries set slot_at = ? where endpoint = ?");
    await missed.bind(NOW - 60_000, endpoint.id).run();
    await world.run(NOW + 60_000);
    expectPaced(world, 4);
    expect(await statusesOf(ids)).toEqual(ids.map(() => "delivered"));
  });

  test.each([
    [1, 5],
    [4, 13],
    [10, 25],
  ])("of %i a second spreads %i deliveries", async (rate, count) => {
    const world = new World(OK);
    const { ids } = await newBurst(world, rate, count);
    await world.run(NOW + 60_000);
    expect(new Set(await statusesOf(ids))).toEqual(new Set(["delivered"]));
    expect(world.requests).toHaveLength(count);
    expectPaced(world, rate);
    for (const id of ids) expect(await readAttempts(id)).toHaveLength(1);
  });

  test("keeps to its pace when a second burst comes on top", async () => {
    const world = new World(OK);
    const { tenant, endpoint } = await newBurst(world, 5, 12);
    await world.run(NOW + 1500);
    for (let i = 0; i < 10; i++) {
      const { id } = await newDelivery(tenant, endpoint, { dueAt: world.now });
      await wakeDeliveries(world.env, [{ ...tenant, id, lane: "fast" }]);
    }
    await world.run(NOW + 60_000);
    expect(world.requests).toHaveLength(22);
    expectPaced(world, 5);
  });

  test("is kept to by the sweeper, too, when the messages are lost", async () => {
    const world = new World(OK);
    const { tenant, ids } = await newBurst(new World(), 3, 9);
    for (let second = 0; second < 6; second++) {
      world.at(NOW + second * 1000);
      const due = await deliveryRepository(database(env, "", false)).listOverdue(world.now, 500, 2000);
      await world.consume(
        due.filter(({ app }) => app === tenant.app).map(({ id }) => ({ ...message(tenant), delivery: id })),
      );
    }
    expect(new Set(await statusesOf(ids))).toEqual(new Set(["delivered"]));
    expect(Math.max(...perSecond(world))).toBeLessThanOrEqual(3);
  });

  test("of another endpoint holds nobody up, and none is no limit", async () => {
    const world = new World(OK);
    await newBurst(world, 1, 4);
    const free = await newBurst(world, null, 20);
    await world.run();
    expect(new Set(await statusesOf(free.ids))).toEqual(new Set(["delivered"]));
  });

  test("costs no attempt of the schedule, and a retry takes a place of its own", async () => {
    const world = new World(DOWN);
    const { ids } = await newBurst(world, 1, 3);
    await world.run(NOW + 3000);
    expect(world.requests).toHaveLength(3);
    expectPaced(world, 1);
    for (const id of ids) {
      expect(await readDelivery(id)).toMatchObject({ status: "pending", attempts: 1, slotAt: null });
    }
    world.answers(OK);
    await world.run(NOW + 30_000);
    expect(new Set(await statusesOf(ids))).toEqual(new Set(["delivered"]));
    expect(Math.max(...perSecond(world))).toBeLessThanOrEqual(1);
  });

  test("does not hold up a person's ping", async () => {
    const world = new World(OK);
    const { tenant, endpoint } = await newBurst(world, 1, 5);
    await world.run();
    const call = await newClient(tenant, undefined, world);
    vi.spyOn(globalThis, "fetch").mockImplementation(async () => OK.clone());
    const { json } = await call("POST", `/v1/webhook_endpoints/${endpoint.id}/ping`);
    expect(json).toMatchObject({ status: "delivered", attempts: 1 });
  });

  test("that is raised lets go at once of what waited under the lower one", async () => {
    const world = new World(OK);
    const { tenant, endpoint, ids } = await newBurst(world, 1, 30);
    await world.run();
    const call = await newClient(tenant, undefined, world);
    expect((await readDelivery(ids[29] ?? ""))?.dueAt).toBeGreaterThan(NOW + 20_000);
    await call("POST", `/v1/webhook_endpoints/${endpoint.id}`, { rate_limit: 1000 });
    const waiting = (await Promise.all(ids.map((id) => readDelivery(id)))).filter(
      (row) => row?.status === "pending",
    );
    for (const row of waiting) expect(row).toMatchObject({ dueAt: NOW, slotAt: null });
    await world.consume(waiting.map((row) => ({ ...message(tenant), delivery: row?.id })));
    await world.run(NOW + 1000);
    expect(new Set(await statusesOf(ids))).toEqual(new Set(["delivered"]));
  });

  test("that is taken away lets go of them, too", async () => {
    const world = new World(OK);
    const { tenant, endpoint, ids } = await newBurst(world, 1, 10);
    await world.run();
    const call = await newClient(tenant, undefined, world);
    await call("POST", `/v1/webhook_endpoints/${endpoint.id}`, { rate_limit: null });
    await world.consume(ids.map((id) => ({ ...message(tenant), delivery: id })));
    expect(new Set(await statusesOf(ids))).toEqual(new Set(["delivered"]));
    expect(await readEndpoint(endpoint.id)).toMatchObject({ rateLimit: null, nextSlotAt: null });
  });
});

const message = ({ app, livemode }: Tenant) => ({ app, livemode });

describe("the slow lane", () => {
  test("takes over a message that the fast queue brings for a slow endpoint, without an attempt", async () => {
    const world = new World(OK);
    const { delivery } = await newDue({ lane: "slow" });
    expect(await world.consume([delivery.message], { via: "fast" })).toEqual(["ack"]);
    expect(world.requests).toEqual([]);
    expect(world.sent).toEqual([{ lane: "slow", body: delivery.message, delaySeconds: 0 }]);
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "pending", attempts: 0, dueAt: NOW });
    await world.run();
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "delivered", attempts: 1 });
  });

  test("delivers to an endpoint that is fast again", async () => {
    const world = new World(OK);
    const { delivery } = await newDue({ lane: "fast" });
    await world.consume([delivery.message], { via: "slow" });
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "delivered" });
  });

  test("has five attempts to one endpoint under way at most; the others wait, lose no attempt and follow", async () => {
    const world = new World();
    const { tenant, receiver, delivery } = await newDue({ lane: "slow" });
    const burst = [delivery];
    for (let i = 1; i < 12; i++) burst.push(await newDelivery(tenant, receiver));
    const elsewhere = await newDue({ lane: "slow", url: "https://other.example.com/" });

    const { promise: hanging, resolve: answer } = Promise.withResolvers<void>();
    let underWay = 0;
    let most = 0;
    world.answers(async (url) => {
      if (url === "https://other.example.com/") return OK.clone();
      underWay++;
      most = Math.max(most, underWay);
      await hanging;
      underWay--;
      return DOWN.clone();
    });
    const consumed = burst.map(({ message: body }) => world.consume([body], { via: "slow" }));
    await vi.waitFor(() => expect(underWay).toBe(5));
    // It holds up nobody else.
    await world.consume([elsewhere.delivery.message], { via: "slow" });
    expect(await readDelivery(elsewhere.delivery.id)).toMatchObject({ status: "delivered" });
    // Nor is there room for any of the seven now.
    await world.consume(
      burst.map(({ message: body }) => body),
      { via: "slow" },
    );
    expect(underWay).toBe(5);
    answer();
    await Promise.all(consumed);
    const attempts = async () =>
      (await Promise.all(burst.map(({ id }) => readDelivery(id)))).map((row) => row?.attempts);
    expect((await attempts()).sort()).toEqual([...Array(7).fill(0), ...Array(5).fill(1)]);

    await world.run();
    expect(await attempts()).toEqual(Array(12).fill(1));
    expect(most).toBe(5);
  });

  test("counts no attempt that ended, nor one whose lease is over", async () => {
    const world = new World(DOWN);
    const { tenant, receiver } = await newDue({ lane: "slow" });
    const lost = { attempts: 1, leaseUntil: NOW, slowEndpoint: receiver.id };
    for (let i = 0; i < 5; i++) await newDelivery(tenant, receiver, lost);
    for (let i = 0; i < 7; i++) {
      const { message: body, id } = await newDelivery(tenant, receiver);
      await world.consume([body], { via: "slow" });
      expect(await readDelivery(id)).toMatchObject({ attempts: 1, slowEndpoint: null, leaseUntil: null });
    }
    expect(world.requests).toHaveLength(7);
  });
});
