import { Webhook } from "standardwebhooks";
import { afterEach, describe, expect, test, vi } from "vitest";
import { fromBase64 } from "../../src/base64.ts";
import { consumeDeliveries } from "../../src/webhooks/queue-consumer.ts";
import {
  messageBatch,
  NOW,
  newDelivery,
  newDue,
  newTenant,
  readAttempts,
  readDelivery,
  readEndpoint,
  SECONDS,
  World,
  watchFates,
} from "./webhook-fixture.ts";

const OK = new Response("thanks");
const DOWN = new Response("stack trace of the receiver", { status: 500 });
const MINUTE = 60_000;

afterEach(() => {
  vi.restoreAllMocks();
});

async function verifyRsa(publicKey: string, signature: string, body: string): Promise<boolean> {
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  const der = fromBase64(publicKey.replace(/-----[A-Z ]+-----|\s/g, ""));
  const key = await crypto.subtle.importKey("spki", der, algorithm, false, ["verify"]);
  const bytes = new TextEncoder().encode(body);
  return await crypto.subtle.verify(algorithm.name, key, fromBase64(signature), bytes);
}

describe("a delivery that arrives", () => {
  test("carries the event's exact bytes, and both signatures verify", async () => {
    // The verifier looks at the clock, so this test tells the time.
    const world = new World(OK);
    world.now = Date.now();
    const { tenant, receiver, delivery } = await newDue();
    expect(await world.consume([delivery.message])).toEqual(["ack"]);

    expect(world.requests).toHaveLength(1);
    const { url, init, headers } = world.requests[0] ?? { init: {}, headers: {} as Record<string, string> };
    expect(url).toBe("https://shop.example.com/hooks");
    expect(init).toMatchObject({ method: "POST", redirect: "manual", cache: "no-store" });
    expect(init.body).toBe(delivery.event.body);
    expect(Object.keys(headers).sort()).toEqual([
      "content-type",
      "user-agent",
      "webhook-id",
      "webhook-signature",
      "webhook-timestamp",
      "x-pingplusplus-signature",
    ]);
    expect(headers["content-type"]).toBe("application/json; charset=utf-8");
    expect(headers["webhook-id"]).toBe(delivery.event.id);
    const verified = new Webhook(receiver.secrets[0] as string).verify(delivery.event.body, headers);
    expect(verified).toEqual(JSON.parse(delivery.event.body));
    expect(
      await verifyRsa(tenant.publicKey, headers["x-pingplusplus-signature"] ?? "", delivery.event.body),
    ).toBe(true);

    const row = await readDelivery(delivery.id);
    expect(row).toMatchObject({ status: "delivered", attempts: 1, dueAt: null, leaseUntil: null });
    expect(row?.endedAt).toBe(world.now);
    expect(await readAttempts(delivery.id)).toMatchObject([
      { number: 1, trigger: "auto", httpStatus: 200, failure: null, answer: "thanks" },
    ]);
    expect(await readEndpoint(receiver.id)).toMatchObject({ lane: "fast", firstFailureAt: null });
    expect(world.sent).toEqual([]);
  });

  test("is posted once, however often and however close together its message comes", async () => {
    const { delivery } = await newDue();
    const world = new World(OK);
    const twins = Array.from({ length: 10 }, () => world.consume([delivery.message, delivery.message]));
    expect((await Promise.all(twins)).flat()).toEqual(Array(20).fill("ack"));
    expect(await world.consume([delivery.message])).toEqual(["ack"]);
    expect(world.requests).toHaveLength(1);
    expect(await readAttempts(delivery.id)).toHaveLength(1);
  });

  test("is receipted by any 2xx, of whose body the first 1024 bytes are kept", async () => {
    const { delivery } = await newDue();
    await new World(new Response("x".repeat(5000), { status: 202 })).consume([delivery.message]);
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "delivered" });
    expect((await readAttempts(delivery.id))[0]?.answer).toBe("x".repeat(1024));
  });

  test("stays delivered when the body of the receipt breaks off", async () => {
    const { delivery } = await newDue();
    const broken = () =>
      new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(new TextEncoder().encode("par\0tial")),
          pull: () => Promise.reject(new Error("reset")),
        }),
      );
    await new World(broken).consume([delivery.message]);
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "delivered" });
    expect((await readAttempts(delivery.id))[0]).toMatchObject({ httpStatus: 200, answer: "partial" });
  });

  test("is signed by every live secret and by no expired one", async () => {
    const { delivery, receiver } = await newDue({ secretExpiries: [null, Date.now() + 3_600_000, NOW - 1] });
    const world = new World(OK);
    world.now = Date.now();
    await world.consume([delivery.message]);
    const headers = world.requests[0]?.headers ?? {};
    const verify = (i: number) =>
      new Webhook(receiver.secrets[i] as string).verify(delivery.event.body, headers);
    expect(verify(0)).toBeTruthy();
    expect(verify(1)).toBeTruthy();
    expect(() => verify(2)).toThrow();
  });
});

describe("an endpoint that is down", () => {
  test("gets the event when it is back: two failures, then one receipt", async () => {
    const { delivery, receiver } = await newDue();
    const world = new World(DOWN, new TypeError("Network connection lost."), OK);

    await world.consume([delivery.message]);
    expect(await readDelivery(delivery.id)).toMatchObject({
      status: "pending",
      attempts: 1,
      dueAt: NOW + 5000,
      leaseUntil: null,
    });
    expect(world.sent).toEqual([{ lane: "slow", body: delivery.message, delaySeconds: 5 }]);
    expect(await readEndpoint(receiver.id)).toMatchObject({ lane: "slow", firstFailureAt: SECONDS });

    world.now = NOW + 5000;
    await world.consume([delivery.message], { via: "slow" });
    expect(await readDelivery(delivery.id)).toMatchObject({ attempts: 2, dueAt: NOW + 305_000 });
    expect(world.sent[1]).toMatchObject({ lane: "slow", delaySeconds: 300 });

    world.now = NOW + 305_000;
    await world.consume([delivery.message], { via: "slow" });
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "delivered", attempts: 3 });
    expect(await readEndpoint(receiver.id)).toMatchObject({ lane: "fast", firstFailureAt: null });
    expect(await readAttempts(delivery.id)).toMatchObject([
      { number: 1, httpStatus: 500, failure: null, answer: null },
      { number: 2, httpStatus: null, failure: "connection_failed", answer: null },
      { number: 3, httpStatus: 200, failure: null },
    ]);

    const ids = world.requests.map(({ headers }) => headers["webhook-id"]);
    expect(ids).toEqual(Array(3).fill(delivery.event.id));
    const timestamps = world.requests.map(({ headers }) => Number(headers["webhook-timestamp"]));
    expect(timestamps).toEqual([SECONDS, SECONDS + 5, SECONDS + 305]);
    expect(new Set(world.requests.map(({ headers }) => headers["webhook-signature"])).size).toBe(3);
    expect(new Set(world.requests.map(({ init }) => init.body)).size).toBe(1);
  });

  test("is not asked again before its time", async () => {
    const { delivery } = await newDue();
    const world = new World(DOWN);
    await world.consume([delivery.message]);
    world.now = NOW + 3999;
    expect(await world.consume([delivery.message], { via: "slow" })).toEqual(["ack"]);
    expect(world.requests).toHaveLength(1);
    // A queue delays by whole seconds, so a message may come up to a second early.
    world.now = NOW + 4000;
    await world.consume([delivery.message], { via: "slow" });
    expect(world.requests).toHaveLength(2);
  });

  test("is left to the cron when the next try is more than ten minutes off", async () => {
    const { tenant, receiver } = await newDue();
    const delivery = await newDelivery(tenant, receiver, { attempts: 2 });
    const world = new World(DOWN);
    await world.consume([delivery.message]);
    expect(await readDelivery(delivery.id)).toMatchObject({ dueAt: NOW + 30 * MINUTE });
    expect(world.sent).toEqual([]);
  });

  test("is given up when the schedule has run out", async () => {
    const { tenant, receiver } = await newDue();
    const delivery = await newDelivery(tenant, receiver, { attempts: 9 });
    const world = new World(DOWN);
    await world.consume([delivery.message]);
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "exhausted", attempts: 10, dueAt: null });
    expect(await readAttempts(delivery.id)).toHaveLength(1);
    expect(world.sent).toEqual([]);
  });

  test("is left alone for a minute after a time-out", async () => {
    const { delivery } = await newDue();
    const world = new World(new DOMException("The operation timed out", "TimeoutError"));
    await world.consume([delivery.message]);
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "pending", dueAt: NOW + MINUTE });
    expect(await readAttempts(delivery.id)).toMatchObject([{ httpStatus: null, failure: "timeout" }]);
  });

  test("is given the time it asks for", async () => {
    const { delivery } = await newDue();
    const busy = new Response(null, { status: 503, headers: { "Retry-After": "90" } });
    const world = new World(busy);
    await world.consume([delivery.message]);
    expect(await readDelivery(delivery.id)).toMatchObject({ dueAt: NOW + 90_000 });
    expect(world.sent).toMatchObject([{ delaySeconds: 90 }]);
  });

  test("is not followed to where it redirects", async () => {
    const { delivery } = await newDue();
    const world = new World(
      new Response(null, { status: 302, headers: { Location: "https://10.0.0.1/latest/meta-data" } }),
    );
    await world.consume([delivery.message]);
    expect(world.requests).toHaveLength(1);
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "pending", attempts: 1 });
    expect(await readAttempts(delivery.id)).toMatchObject([{ httpStatus: 302, answer: null }]);
  });

  test("delays nobody: an answer after more than three seconds moves the endpoint to the slow lane and back", async () => {
    const { tenant, receiver, delivery } = await newDue();
    const world = new World();
    const answerAfter = (ms: number) => () => {
      world.now += ms;
      return OK.clone();
    };
    const slow = new World(answerAfter(3001), answerAfter(3000));
    Object.assign(slow.ports, { now: () => world.now });
    await slow.consume([delivery.message]);
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "delivered" });
    expect(await readEndpoint(receiver.id)).toMatchObject({ lane: "slow", firstFailureAt: null });
    const next = await newDelivery(tenant, receiver);
    await slow.consume([next.message], { via: "slow" });
    expect(await readEndpoint(receiver.id)).toMatchObject({ lane: "fast" });
  });

  test("does not stop the deliveries beside it in the batch", async () => {
    const broken = await newDue();
    const fine = await newDue();
    const world = new World((): Response => new Response(null, { status: 204 }));
    const fetch = world.ports.fetch;
    let first = true;
    world.ports.fetch = async (url, init) => {
      if (first) {
        first = false;
        throw new TypeError("Network connection lost.");
      }
      return await fetch(url, init);
    };
    expect(await world.consume([broken.delivery.message, fine.delivery.message])).toEqual(["ack", "ack"]);
    const statuses = [await readDelivery(broken.delivery.id), await readDelivery(fine.delivery.id)].map(
      (row) => row?.status,
    );
    expect(statuses.sort()).toEqual(["delivered", "pending"]);
  });
});

describe("an endpoint that is no more", () => {
  test("410 disables it at once, and what was under way to it is skipped", async () => {
    const { tenant, receiver, delivery } = await newDue();
    const other = await newDelivery(tenant, receiver);
    const world = new World(new Response(null, { status: 410 }));
    await world.consume([delivery.message]);
    expect(await readEndpoint(receiver.id)).toMatchObject({
      status: "disabled",
      disabledReason: "gone",
      disabledAt: SECONDS,
    });
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "exhausted", dueAt: null });
    await world.consume([other.message]);
    expect(await readDelivery(other.id)).toMatchObject({ status: "skipped", attempts: 0, endedAt: NOW });
    expect(world.requests).toHaveLength(1);
  });

  test.each([
    ["deleted", { deletedAt: SECONDS }],
    ["disabled", { status: "disabled" }],
  ] as const)("a %s endpoint is not called: its delivery is skipped", async (_state, change) => {
    const { delivery } = await newDue(change);
    const world = new World(OK);
    expect(await world.consume([delivery.message])).toEqual(["ack"]);
    expect(world.requests).toEqual([]);
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "skipped", dueAt: null, endedAt: NOW });
  });

  test("an address that may no longer be called is not called", async () => {
    const { delivery, receiver } = await newDue({ url: "https://169.254.169.254/latest" });
    const world = new World(OK);
    await world.consume([delivery.message]);
    expect(world.requests).toEqual([]);
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "pending", attempts: 1 });
    expect(await readAttempts(delivery.id)).toMatchObject([{ httpStatus: null, failure: "url_refused" }]);
    expect(await readEndpoint(receiver.id)).toMatchObject({ lane: "fast", firstFailureAt: null });
  });

  test("a loopback address is called in test mode on a developer's machine, and in live mode nowhere", async () => {
    const url = "http://127.0.0.1:9999/hooks";
    const local = await newDue({ url });
    const live = await newDue({ url }, await newTenant({ livemode: true }));
    const world = new World(OK);
    await world.consume([live.delivery.message]);
    expect(world.requests).toEqual([]);
    await world.consume([local.delivery.message], { bindings: { LOCAL_DEV: undefined } });
    expect(world.requests).toEqual([]);
    world.now += MINUTE;
    await world.consume([local.delivery.message]);
    expect(world.requests.map((request) => request.url)).toEqual([url]);
  });

  test("our own hosts are not called", async () => {
    const { delivery } = await newDue();
    const world = new World(OK);
    const bindings = { OWN_HOSTS: "refunds.example.com, shop.example.com" };
    await world.consume([delivery.message], { bindings });
    expect(world.requests).toEqual([]);
  });
});

test("left to itself the consumer asks the real network", async () => {
  const { delivery } = await newDue();
  // Whatever goes out in tests is answered with 599 by the runtime around the Worker.
  const batch = messageBatch("webhook-deliveries", [{ ...delivery.message }]);
  const fates = watchFates(batch);
  await consumeDeliveries(batch, new World().env);
  expect(fates).toEqual(["ack"]);
  expect(await readAttempts(delivery.id)).toMatchObject([{ number: 1, httpStatus: 599, failure: null }]);
});
