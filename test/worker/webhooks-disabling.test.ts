import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  deliveriesTo,
  eventsOf,
  HOOKS,
  happens,
  NOW,
  newDelivery,
  newEndpoint,
  newShop,
  newTenant,
  readDelivery,
  readEndpoint,
  SECONDS,
  World,
} from "./webhook-fixture.ts";

const DAY = 86_400_000;
const OK = new Response("thanks");
const DOWN = new Response(null, { status: 500 });
const GONE = new Response(null, { status: 410 });
const TOLD = { enabled_events: ["webhook_endpoint.disabled"] };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: NOW });
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** An enabled endpoint that begins to fail at NOW: its first delivery has run out of the schedule some 75 hours later. */
async function failingShop() {
  const world = new World(OK);
  const shop = await newShop(world);
  await world.run();
  world.answers(DOWN);
  const first = await happens(shop.tenant, NOW);
  const [delivery] = await deliveriesTo(shop.id, "refund.succeeded");
  /** Lets another event happen at a time, and makes the first attempt to deliver it. */
  const failsAt = async (at: number) => {
    world.at(at);
    const event = await happens(shop.tenant, at);
    const rows = await deliveriesTo(shop.id, "refund.succeeded");
    const row = rows.find((one) => one.event === event.id);
    const { lane } = await readEndpoint(shop.id);
    await world.consume([row?.message], { via: lane });
    return row?.id ?? "";
  };
  return { ...shop, world, first: first.id, delivery: delivery?.id ?? "", failsAt };
}

describe("an endpoint that answers nothing but failures", () => {
  test("is disabled by the first failure after five days, once a delivery has run out of its schedule", async () => {
    const { world, delivery, show, failsAt } = await failingShop();
    await world.pursue(delivery);
    expect(await readDelivery(delivery)).toMatchObject({ status: "exhausted", attempts: 10 });
    expect(world.now).toBeLessThan(NOW + 4 * DAY);
    expect(await show()).toMatchObject({
      status: "enabled",
      first_failure_at: SECONDS,
      disable_at: SECONDS + 432_000,
      disabled_at: null,
    });

    await failsAt(NOW + 5 * DAY - 1);
    expect(await show()).toMatchObject({ status: "enabled" });
    const last = await failsAt(NOW + 5 * DAY);
    expect(await show()).toMatchObject({
      status: "disabled",
      disabled_reason: "failing",
      disabled_at: SECONDS + 432_000,
      first_failure_at: SECONDS,
      disable_at: null,
    });
    // It was on its way still, and so is skipped with the rest.
    expect(await readDelivery(last)).toMatchObject({ status: "skipped", attempts: 1, dueAt: null });
  });

  test("is not disabled while no delivery has run out of its schedule", async () => {
    const { show, failsAt } = await failingShop();
    await failsAt(NOW);
    await failsAt(NOW + 6 * DAY);
    expect(await show()).toMatchObject({ status: "enabled", disable_at: SECONDS + 432_000 });
  });

  test("is disabled by the delivery that runs out after the five days", async () => {
    const { world, tenant, id, show, failsAt } = await failingShop();
    await failsAt(NOW);
    const old = await newDelivery(tenant, { id }, { attempts: 9, dueAt: NOW + 6 * DAY });
    await world.pursue(old.id);
    expect(await readDelivery(old.id)).toMatchObject({ status: "exhausted" });
    expect(await show()).toMatchObject({ status: "disabled", disabled_reason: "failing" });
  });

  test("starts anew with any 2xx: neither the earlier failures nor the earlier exhausted delivery count", async () => {
    const { world, delivery, show, failsAt } = await failingShop();
    await world.pursue(delivery);
    world.answers(OK);
    await failsAt(NOW + 4 * DAY);
    expect(await show()).toMatchObject({ first_failure_at: null, disable_at: null });
    world.answers(DOWN);
    await failsAt(NOW + 5 * DAY);
    expect(await show()).toMatchObject({ status: "enabled", first_failure_at: SECONDS + 432_000 });
    await failsAt(NOW + 10 * DAY);
    expect(await show()).toMatchObject({ status: "enabled" });
  });

  test("is not disabled by a failure that raced with a 2xx", async () => {
    const { world, tenant, delivery, show, id } = await failingShop();
    await world.pursue(delivery);
    world.at(NOW + 5 * DAY);
    await happens(tenant, world.now);
    await happens(tenant, world.now);
    const [, failing, fine] = await deliveriesTo(id, "refund.succeeded");
    world.answers(async () => {
      world.answers(OK);
      await world.consume([fine?.message], { via: "slow" });
      return DOWN.clone();
    });
    await world.consume([failing?.message], { via: "slow" });
    expect(await show()).toMatchObject({ status: "enabled", first_failure_at: SECONDS + 432_000 });
    expect(await readDelivery(failing?.id ?? "")).toMatchObject({ status: "pending" });
  });

  test("is not blamed for what we could not send", async () => {
    const tenant = await newTenant();
    const endpoint = await newEndpoint(tenant, {
      url: "https://10.0.0.1/",
      firstFailureAt: SECONDS - 432_000,
    });
    await newDelivery(tenant, endpoint, { status: "exhausted", dueAt: null, endedAt: NOW - 1000 });
    const delivery = await newDelivery(tenant, endpoint, { attempts: 9 });
    await new World(DOWN).consume([delivery.message]);
    expect(await readDelivery(delivery.id)).toMatchObject({ status: "exhausted" });
    expect(await readEndpoint(endpoint.id)).toMatchObject({ status: "enabled" });
  });

  test("has five days again when it was enabled again", async () => {
    const { world, api, path, delivery, show, failsAt } = await failingShop();
    await world.pursue(delivery);
    await failsAt(NOW + 5 * DAY);
    world.answers(OK);
    await api("POST", `${path}/enable`);
    await world.run();
    expect(await show()).toMatchObject({ status: "enabled", first_failure_at: null, disable_at: null });
    world.answers(DOWN);
    await failsAt(NOW + 6 * DAY);
    expect(await show()).toMatchObject({ status: "enabled", disable_at: SECONDS + 11 * 86_400 });
  });
});

describe("410", () => {
  test("disables at once: this delivery has ended, the others are skipped", async () => {
    const world = new World(OK);
    const { tenant, id, show } = await newShop(world);
    await world.run();
    await happens(tenant, NOW);
    await happens(tenant, NOW);
    world.answers(GONE);
    const [gone, other] = await deliveriesTo(id, "refund.succeeded");
    await world.consume([gone?.message]);
    expect(await show()).toMatchObject({
      status: "disabled",
      disabled_reason: "gone",
      disabled_at: SECONDS,
      first_failure_at: SECONDS,
    });
    expect(await readDelivery(gone?.id ?? "")).toMatchObject({ status: "exhausted", attempts: 1 });
    expect(await readDelivery(other?.id ?? "")).toMatchObject({ status: "skipped", attempts: 0 });
  });

  test("to a ping disables too", async () => {
    const world = new World(GONE);
    const { tenant, id, show } = await newShop(world);
    await happens(tenant, NOW);
    await world.run();
    expect(await show()).toMatchObject({ status: "disabled", disabled_reason: "gone" });
    expect((await deliveriesTo(id)).map(({ status }) => status)).toEqual(["exhausted", "skipped"]);
  });

  test("from an address that was left meanwhile disables nothing", async () => {
    const world = new World(OK);
    const { tenant, api, id, path, show } = await newShop(world);
    await world.run();
    await happens(tenant, NOW);
    world.answers(async () => {
      await api("POST", path, { url: "https://shop.example.com/elsewhere" });
      return GONE.clone();
    });
    await world.consume([(await deliveriesTo(id, "refund.succeeded"))[0]?.message]);
    expect(await show()).toMatchObject({ status: "pending", disabled_reason: null });
  });

  test("leaves an attempt that is under way to end by itself", async () => {
    const world = new World(OK);
    const { tenant, id, show } = await newShop(world);
    await world.run();
    await happens(tenant, NOW);
    await happens(tenant, NOW);
    const [arrives, gone] = await deliveriesTo(id, "refund.succeeded");
    world.answers(async () => {
      world.answers(GONE);
      await world.consume([gone?.message]);
      return OK.clone();
    });
    await world.consume([arrives?.message]);
    expect(await readDelivery(arrives?.id ?? "")).toMatchObject({ status: "delivered" });
    expect(await show()).toMatchObject({ status: "disabled", disabled_reason: "gone" });
  });
});

describe("webhook_endpoint.disabled", () => {
  test("goes once to the app's other endpoints that name it, in this mode", async () => {
    const world = new World(OK);
    const shop = await newShop(world, { enabled_events: ["*", "webhook_endpoint.disabled"] });
    const told = await newShop(world, TOLD, shop);
    const star = await newShop(world, { enabled_events: ["*"] }, shop);
    const off = await newShop(world, { ...TOLD, status: "disabled" }, shop);
    const live = await newEndpoint(
      { ...shop.tenant, livemode: true },
      { enabledEvents: ["webhook_endpoint.disabled"] },
    );
    const stranger = await newShop(world, TOLD);
    await world.run();
    await happens(shop.tenant, NOW);
    await happens(shop.tenant, NOW);
    const both = (await deliveriesTo(shop.id, "refund.succeeded")).map(({ message }) => message);
    // Two answers of 410 at the same time, neither of which knows of the other.
    world.answers(async () => {
      world.answers(GONE);
      await world.consume([both[1]]);
      return GONE.clone();
    });
    await world.consume([both[0]]);

    const events = await eventsOf(shop.tenant, "webhook_endpoint.disabled");
    expect(events).toHaveLength(1);
    const { data, ...event } = JSON.parse(events[0]?.body ?? "");
    expect(event).toMatchObject({ type: "webhook_endpoint.disabled", livemode: false, request: null });
    expect(data.object).toEqual(await shop.show());
    expect(await deliveriesTo(told.id, "webhook_endpoint.disabled")).toMatchObject([
      { event: events[0]?.id, status: "pending", dueAt: NOW },
    ]);
    expect(await deliveriesTo(off.id, "webhook_endpoint.disabled")).toMatchObject([{ status: "skipped" }]);
    for (const { id } of [shop, star, live, stranger]) {
      expect(await deliveriesTo(id, "webhook_endpoint.disabled")).toEqual([]);
    }
    expect(await eventsOf({ ...shop.tenant, livemode: true }, "webhook_endpoint.disabled")).toEqual([]);
  });

  test("tells of every reason", async () => {
    const world = new World(OK);
    const witness = await newShop(world, TOLD);
    await world.run();
    const mine = { tenant: witness.tenant };
    const asked = await newShop(world, {}, mine);
    await asked.api("POST", `${asked.path}/disable`);
    world.answers(DOWN);
    const silent = await newShop(world, {}, mine);
    await world.pursue((await silent.pings())[0]?.id ?? "");
    world.answers(GONE);
    const gone = await newShop(world, { url: `${HOOKS}/gone` }, mine);
    await world.pursue((await gone.pings())[0]?.id ?? "");

    const told = (await deliveriesTo(witness.id, "webhook_endpoint.disabled")).map(
      ({ body }) => JSON.parse(body).data.object,
    );
    expect(told.map(({ id, disabled_reason, status }) => [id, disabled_reason, status])).toEqual([
      [asked.id, "by_request", "disabled"],
      [silent.id, "unanswered", "disabled"],
      [gone.id, "gone", "disabled"],
    ]);
  });

  test("is held for one that has not answered its ping yet", async () => {
    const world = new World(OK);
    const shop = await newShop(world);
    await world.run();
    const late = await newShop(world, TOLD, shop);
    await shop.api("POST", `${shop.path}/disable`);
    expect(await deliveriesTo(late.id, "webhook_endpoint.disabled")).toMatchObject([
      { status: "pending", dueAt: null },
    ]);
    await world.run();
    expect(await deliveriesTo(late.id, "webhook_endpoint.disabled")).toMatchObject([{ status: "delivered" }]);
  });
});

describe("while it is disabled", () => {
  test("what happens is skipped, and brought home by enable and recover", async () => {
    const world = new World(OK);
    const { tenant, api, id, path } = await newShop(world);
    await world.run();
    await happens(tenant, NOW);
    await api("POST", `${path}/disable`);
    for (let i = 0; i < 3; i++) expect((await happens(tenant, NOW)).woken).toEqual([]);
    const statuses = async () => (await deliveriesTo(id, "refund.succeeded")).map(({ status }) => status);
    expect(await statuses()).toEqual(Array(4).fill("skipped"));

    world.requests.length = 0;
    await api("POST", `${path}/enable`);
    // Recovered before the ping is answered they are held, and due with the answer.
    expect((await api("POST", `${path}/recover`, { since: SECONDS })).json).toEqual({
      object: "webhook_endpoint_recovery",
      endpoint: id,
      since: SECONDS,
      until: SECONDS,
      recovered: 4,
    });
    expect(await statuses()).toEqual(Array(4).fill("pending"));
    await world.run();
    expect(await statuses()).toEqual(Array(4).fill("delivered"));
    expect(world.requests).toHaveLength(5);
  });
});
