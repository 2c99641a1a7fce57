import { env } from "cloudflare:workers";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { database } from "../../src/db/client.ts";
import { deliveryRepository } from "../../src/webhooks/delivery-repository.ts";
import { consumeDeadLetters } from "../../src/webhooks/queue-consumer.ts";
import { sweepDeliveries } from "../../src/webhooks/sweep-deliveries.ts";
import { deadLetters, deliveryAttempts } from "../../src/webhooks/table.ts";
import { wakeDeliveries } from "../../src/webhooks/wake.ts";
import {
  downDatabase,
  messageBatch,
  NOW,
  newDelivery,
  newEndpoint,
  newTenant,
  readAttempts,
  readDelivery,
  type Tenant,
  World,
  watchFates,
} from "./webhook-fixture.ts";

const DAY = 86_400_000;
const OK = new Response("thanks");

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const db = () => database(env, "", false);
const sweep = (world: World) => sweepDeliveries(world.env, [deliveryRepository(db())], world.now);

/** The wake-ups of one tenant, whatever else is due. */
function wokenOf(world: World, tenant: Tenant) {
  return world.sent.filter(({ body }) => body.app === tenant.app).map(({ body }) => body.delivery);
}

describe("the sweeper wakes", () => {
  test("deliveries that are due, each through the lane of its endpoint, and no other", async () => {
    const tenant = await newTenant();
    const fast = await newEndpoint(tenant);
    const slow = await newEndpoint(tenant, { lane: "slow" });
    const lost = await newDelivery(tenant, fast, { dueAt: NOW - 1 });
    const hanging = await newDelivery(tenant, slow, { dueAt: NOW });
    const crashed = await newDelivery(tenant, fast, { leaseUntil: NOW, attempts: 1 });
    await newDelivery(tenant, fast, { dueAt: NOW + 1 });
    await newDelivery(tenant, fast, { leaseUntil: NOW + 1 });
    await newDelivery(tenant, fast, { status: "delivered", dueAt: null, endedAt: NOW });
    const world = new World();
    await sweep(world);
    expect(wokenOf(world, tenant).sort()).toEqual([lost.id, hanging.id, crashed.id].sort());
    const lanes = new Map(world.sent.map(({ body, lane }) => [body.delivery, lane]));
    expect([lost, hanging, crashed].map(({ id }) => lanes.get(id))).toEqual(["fast", "slow", "fast"]);
  });

  test("what a lost message left behind, and it arrives", async () => {
    const tenant = await newTenant();
    const delivery = await newDelivery(tenant, await newEndpoint(tenant));
    const world = new World(OK);
    await sweep(world);
    await sweep(world);
    const wakeUps = world.sent.filter(({ body }) => body.app === tenant.app).map(({ body }) => body);
    expect(wakeUps).toHaveLength(2);
    await world.consume(wakeUps);
    expect(world.requests).toHaveLength(1);
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "delivered" });
  });

  test("every one of many, in messages of a hundred", async () => {
    const tenant = await newTenant();
    const endpoint = await newEndpoint(tenant);
    const ids: string[] = [];
    for (let i = 0; i < 230; i++) ids.push((await newDelivery(tenant, endpoint, { dueAt: NOW - 5 })).id);
    const world = new World();
    const sizes: number[] = [];
    const sendBatch = world.env.DELIVERIES.sendBatch.bind(world.env.DELIVERIES);
    vi.spyOn(world.env.DELIVERIES, "sendBatch").mockImplementation((messages, options) => {
      sizes.push([...messages].length);
      return sendBatch(messages, options);
    });
    await sweep(world);
    expect(wokenOf(world, tenant).sort()).toEqual(ids.sort());
    expect(Math.max(...sizes)).toBe(100);
  });

  test("one endpoint's delivery also when another has fallen thousands behind", async () => {
    const behind = await newTenant();
    const late = await newDelivery(behind, await newEndpoint(behind), { dueAt: NOW - 100_000 });
    await env.DB.prepare(
      `INSERT INTO deliveries (id, app, livemode, event, endpoint, status, attempts, due_at, trigger, dead_lettered, created_at)
       WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
       SELECT id || i, app, livemode, event || i, endpoint, status, attempts, due_at, trigger, dead_lettered, created_at
       FROM deliveries, n WHERE id = ?`,
    )
      .bind(late.id)
      .run();
    const tenant = await newTenant();
    const delivery = await newDelivery(tenant, await newEndpoint(tenant), { dueAt: NOW - 1 });
    const world = new World();
    await sweep(world);
    expect(wokenOf(world, tenant)).toEqual([delivery.id]);
    expect(wokenOf(world, behind).length).toBeGreaterThan(100);
    await env.DB.prepare("DELETE FROM deliveries WHERE app = ?").bind(behind.app).run();
  });

  test("nothing while the queue hangs, and ends all the same", async () => {
    const tenant = await newTenant();
    const delivery = await newDelivery(tenant, await newEndpoint(tenant));
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const hanging = { sendBatch: () => new Promise(() => {}) } as unknown as Queue;
    let ended = false;
    wakeDeliveries({ DELIVERIES: hanging, DELIVERIES_SLOW: hanging }, [
      { ...tenant, id: delivery.id, lane: "fast" },
    ]).then(() => {
      ended = true;
    });
    await vi.advanceTimersByTimeAsync(2999);
    expect(ended).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(ended).toBe(true);
  });
});

describe("retention", () => {
  let tenant: Tenant;
  beforeAll(async () => {
    tenant = await newTenant();
  });

  test("attempts and arrived deliveries go after 30 days; what did not arrive stays", async () => {
    const endpoint = await newEndpoint(tenant);
    const old = NOW - 30 * DAY - 1;
    const ended = (status: "delivered" | "exhausted" | "skipped", endedAt: number) =>
      newDelivery(tenant, endpoint, { status, dueAt: null, endedAt });
    const gone = await ended("delivered", old);
    const kept = [
      await ended("delivered", old + 1),
      await ended("exhausted", old),
      await ended("skipped", old),
      await newDelivery(tenant, endpoint, { dueAt: NOW + DAY, createdAt: old }),
    ];
    const attempt = { trigger: "auto", durationMs: 1, httpStatus: 500 } as const;
    await db()
      .insert(deliveryAttempts)
      .values([
        { ...attempt, delivery: gone.id, number: 1, startedAt: old },
        { ...attempt, delivery: kept[1]?.id ?? "", number: 1, startedAt: old },
        { ...attempt, delivery: kept[1]?.id ?? "", number: 2, startedAt: old + 1 },
      ]);
    await sweep(new World());
    expect(await readDelivery(gone.id)).toBeUndefined();
    for (const { id } of kept) expect(await readDelivery(id)).toBeDefined();
    expect(await readAttempts(gone.id)).toEqual([]);
    expect(await readAttempts(kept[1]?.id ?? "")).toMatchObject([{ number: 2 }]);
  });

  test("a run deletes a bounded number of rows", async () => {
    const started = (number: number) => ({
      delivery: `dlv_${tenant.app}`,
      number,
      trigger: "auto" as const,
      startedAt: NOW - 40 * DAY,
      durationMs: 1,
    });
    for (let number = 0; number < 12; number++) await db().insert(deliveryAttempts).values(started(number));
    await deliveryRepository(db()).forget(NOW - 30 * DAY, 5);
    expect(await readAttempts(`dlv_${tenant.app}`)).toHaveLength(7);
  });
});

describe("dead letters", () => {
  const lettersOf = async (app: string) =>
    (await db().select().from(deadLetters)).filter((letter) => letter.app === app);

  test("a delivery the queue gave up on is kept once and flagged, and the cron still delivers it", async () => {
    const tenant = await newTenant();
    const delivery = await newDelivery(tenant, await newEndpoint(tenant));
    vi.spyOn(console, "error").mockImplementation(() => {});
    const batch = messageBatch("dead-letters", [delivery.message]);
    const fates = watchFates(batch);
    await consumeDeadLetters(batch, env, { now: () => NOW });
    await consumeDeadLetters(batch, env, { now: () => NOW + 1 });
    expect(fates).toEqual(["ack"]);
    expect(await lettersOf(tenant.app)).toMatchObject([
      {
        livemode: false,
        queue: "webhook-deliveries",
        message: JSON.stringify(delivery.message),
        createdAt: NOW,
        redrivenAt: null,
      },
    ]);
    expect(await readDelivery(delivery.id)).toMatchObject({ deadLettered: true, status: "pending" });
    const world = new World(OK);
    await sweep(world);
    expect(wokenOf(world, tenant)).toEqual([delivery.id]);
  });

  test("another app's delivery cannot be flagged", async () => {
    const tenant = await newTenant();
    const stranger = await newTenant();
    const delivery = await newDelivery(tenant, await newEndpoint(tenant));
    vi.spyOn(console, "error").mockImplementation(() => {});
    const batch = messageBatch("dead-letters", [{ ...delivery.message, app: stranger.app }]);
    await consumeDeadLetters(batch, env, { now: () => NOW });
    expect(await readDelivery(delivery.id)).toMatchObject({ deadLettered: false });
  });

  test("a command is kept whole, and so is what nobody understands", async () => {
    const { app } = await newTenant();
    vi.spyOn(console, "error").mockImplementation(() => {});
    const command = { app, livemode: true, refund: "re_1", command: { amount: 5 } };
    const batch = messageBatch("dead-letters", [command, { app, else: 1 }, null]);
    const fates = watchFates(batch);
    await consumeDeadLetters(batch, env, { now: () => NOW });
    expect(fates).toEqual(["ack", "ack", "ack"]);
    const letters = (await lettersOf(app)).map(({ queue, livemode, message }) => [queue, livemode, message]);
    expect(letters.sort()).toEqual([
      ["ledger-commands", true, JSON.stringify(command)],
      ["unknown", false, JSON.stringify({ app, else: 1 })],
    ]);
  });

  test("while D1 is down a dead letter comes again", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const batch = messageBatch("dead-letters", [{ app: "app_1", livemode: false, delivery: "dlv_1" }]);
    const fates = watchFates(batch);
    await consumeDeadLetters(batch, { DB: downDatabase() });
    expect(fates).toEqual(["retry"]);
  });
});
