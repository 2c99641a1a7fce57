import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import {
  downDatabase,
  NOW,
  newDue,
  newTenant,
  readAttempts,
  readDelivery,
  readEndpoint,
  World,
  withoutBatches,
} from "./webhook-fixture.ts";

const OK = new Response("thanks");
const DOWN = new Response("stack trace of the receiver", { status: 500 });

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe("when our own side fails", () => {
  test("D1 down before the attempt: nothing is posted and the message comes again", async () => {
    const { delivery } = await newDue();
    const world = new World(OK);
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    expect(await world.consume([delivery.message], { bindings: { DB: downDatabase() } })).toEqual(["retry"]);
    expect(world.requests).toEqual([]);
    expect(JSON.stringify(log.mock.calls)).not.toContain("storage is down");
    expect(await world.consume([delivery.message])).toEqual(["ack"]);
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "delivered" });
  });

  test("D1 down after the post: repeated when the lease is over, not before, and counted", async () => {
    const { delivery } = await newDue();
    const world = new World(OK);
    vi.spyOn(console, "error").mockImplementation(() => {});
    expect(await world.consume([delivery.message], { bindings: { DB: withoutBatches(env.DB) } })).toEqual([
      "retry",
    ]);
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "pending", attempts: 1, dueAt: NOW });

    world.now = NOW + 59_999;
    expect(await world.consume([delivery.message])).toEqual(["ack"]);
    expect(world.requests).toHaveLength(1);

    world.now = NOW + 60_000;
    await world.consume([delivery.message]);
    expect(world.requests).toHaveLength(2);
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "delivered", attempts: 2 });
    expect(await readAttempts(delivery.id)).toMatchObject([{ number: 2, httpStatus: 200 }]);
  });

  test("an attempt that can never be written down is not repeated for ever", async () => {
    const { delivery } = await newDue();
    const world = new World(OK);
    vi.spyOn(console, "error").mockImplementation(() => {});
    for (let i = 0; i < 15; i++) {
      await world.consume([delivery.message], { bindings: { DB: withoutBatches(env.DB) } });
      world.now += 60_000;
    }
    expect(world.requests).toHaveLength(10);
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "exhausted", attempts: 10 });
  });

  test.each([
    ["delivered meanwhile", OK, DOWN, "delivered"],
    ["failed meanwhile", DOWN, OK, "pending"],
  ] as const)(
    "an attempt whose lease was lost writes nothing: another %s",
    async (_case, others, late, status) => {
      const { delivery } = await newDue();
      const world = new World(async () => {
        // While this post hangs, its lease runs out and another worker takes over.
        const other = new World(others);
        other.now = NOW + 60_000;
        await other.consume([delivery.message]);
        return late.clone();
      });
      expect(await world.consume([delivery.message])).toEqual(["ack"]);
      expect(await readDelivery(delivery.id)).toMatchObject({ status, attempts: 2 });
      expect(await readAttempts(delivery.id)).toMatchObject([{ number: 2, httpStatus: others.status }]);
    },
  );

  test("a queue that hangs is not waited for: the next try is in D1", async () => {
    const { delivery } = await newDue();
    const world = new World(DOWN);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const hanging = { sendBatch: () => new Promise(() => {}) } as unknown as Queue;
    const consumed = world.consume([delivery.message], { bindings: { DELIVERIES_SLOW: hanging } });
    let fates: string[] = [];
    consumed.then((result) => {
      fates = result;
    });
    while (fates.length === 0) await vi.advanceTimersByTimeAsync(100);
    expect(fates).toEqual(["ack"]);
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "pending", dueAt: NOW + 5000 });
  });

  test("a queue that refuses changes nothing either", async () => {
    const { delivery } = await newDue();
    const refusing = {
      sendBatch: () => Promise.reject(new Error("Queue is overloaded")),
    } as unknown as Queue;
    vi.spyOn(console, "warn").mockImplementation(() => {});
    expect(
      await new World(DOWN).consume([delivery.message], { bindings: { DELIVERIES_SLOW: refusing } }),
    ).toEqual(["ack"]);
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "pending", dueAt: NOW + 5000 });
  });

  test("a secret that cannot be opened stops the attempt, and the endpoint is not blamed", async () => {
    const { delivery, receiver } = await newDue({
      secrets: [{ sealed: "v1.lost.AAAAAAAAAAAAAAAA.AAAA", createdAt: NOW, expiresAt: null }],
    });
    const log = vi.spyOn(console, "error").mockImplementation(() => {});
    const world = new World(OK);
    expect(await world.consume([delivery.message])).toEqual(["ack"]);
    expect(world.requests).toEqual([]);
    expect(await readAttempts(delivery.id)).toMatchObject([{ failure: "not_signed" }]);
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "pending", dueAt: NOW + 5000 });
    expect(await readEndpoint(receiver.id)).toMatchObject({ lane: "fast", firstFailureAt: null });
    expect(JSON.stringify(log.mock.calls)).toContain('unknown key \\\\\\"lost\\\\\\"');
  });

  test("a message that names another app or mode finds nothing", async () => {
    const { delivery } = await newDue();
    const stranger = await newTenant();
    const world = new World(OK);
    const fates = await world.consume([
      { ...delivery.message, app: stranger.app },
      { ...delivery.message, livemode: true },
    ]);
    expect(fates).toEqual(["ack", "ack"]);
    expect(world.requests).toEqual([]);
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "pending", attempts: 0 });
  });

  test.each([[null], ["text"], [{}], [{ delivery: 1, app: "app_1", livemode: false }]])(
    "a message that is none is let go: %j",
    async (body) => {
      vi.spyOn(console, "error").mockImplementation(() => {});
      expect(await new World().consume([body])).toEqual(["ack"]);
    },
  );
});
