// More events than a bad receiver can take, while a good one wants its own. STORM_EVENTS=10000 is the long form.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ok, Receiver, slow } from "../emulators/receiver.ts";
import { BOTH_EVENTS, countBy, type Endpoint, type Merchant, merchantNamed, refundsAt } from "./merchant.ts";
import { STORM_EVENTS } from "./service.ts";

/** A refund is created and succeeds. */
const REFUNDS = STORM_EVENTS / 2;
/** Refunds before the storm. */
const FIRST_DROPS = 2;
const TIMEOUT_MS = 60_000 + STORM_EVENTS * 100;
const patience = { timeout: TIMEOUT_MS, interval: 500 };
/** Longer than an endpoint of the fast lane may take. */
const SLOW_MS = 3200;

let good: Receiver;
let dead: Receiver;
beforeEach(async () => {
  good = await Receiver.open();
  dead = await Receiver.open();
});
afterEach(async () => {
  await good.close();
  await dead.close();
});

/** The events that came to a path, and how often the one that came most often. */
const arrivedAt = (receiver: Receiver, path: string) => {
  const counts = countBy(refundsAt(receiver, path), ({ headers }) => headers["webhook-id"] ?? "");
  return { events: Object.keys(counts).sort(), most: Math.max(0, ...Object.values(counts)) };
};

describe("a storm", () => {
  it(`of ${STORM_EVENTS} events reaches the healthy endpoint once each while another is dead and a third is slow, and every event comes home to those two when they are healed`, {
    timeout: 4 * TIMEOUT_MS,
  }, async () => {
    const merchant = merchantNamed("stormy");
    const settings = { enabled_events: BOTH_EVENTS };
    const [healthy, slowed, refusing] = await Promise.all([
      merchant.openEndpoint(good.url("/healthy"), settings),
      merchant.openEndpoint(good.url("/slow"), settings),
      merchant.openEndpoint(dead.url("/dead"), { ...settings, schedule: "pingpp" }),
    ]);

    // The dead one has been so for long enough to have lost something.
    await dead.refuse();
    const refunds = await merchant.refunds(FIRST_DROPS);
    const isLost = async () => (await merchant.deliveries({ status: "exhausted" })).length > 0;
    await expect.poll(isLost, patience).toBe(true);
    good.behave("/slow", slow(SLOW_MS));
    refunds.push(...(await merchant.refunds(REFUNDS)));

    const total = 2 * (FIRST_DROPS + REFUNDS);
    await merchant.untilDeliveries(healthy, total, "delivered", patience);
    expect(await merchant.hasPending(slowed)).toBe(true);
    const { events, most } = arrivedAt(good, "/healthy");
    expect({ count: events.length, most }).toEqual({ count: total, most: 1 });
    expect(events).toEqual(await merchant.eventsOf(refunds));

    // Five days of failures are over within seconds.
    await merchant.untilEndpoint(refusing.id, { status: "disabled", disabled_reason: "failing" });
    for (const endpoint of [healthy, slowed, refusing]) {
      expect(await eventsBoundFor(merchant, endpoint), endpoint.url).toEqual(events);
    }
    await expect.poll(() => merchant.hasPending(refusing), patience).toBe(false);
    const { exhausted = 0, skipped = 0 } = countBy(
      await merchant.deliveries({ endpoint: refusing.id }),
      ({ status }) => status,
    );
    expect(exhausted).toBeGreaterThan(0);
    expect(exhausted + skipped).toBe(total);

    good.behave("/slow", ok());
    await dead.listen();
    await merchant.call("POST", `/v1/webhook_endpoints/${refusing.id}/enable`, {});
    await merchant.untilEndpoint(refusing.id, { status: "enabled", disabled_reason: null });
    for (const endpoint of [slowed, refusing]) await merchant.recover(endpoint);
    for (const endpoint of [slowed, refusing]) {
      await merchant.untilDeliveries(endpoint, total, "delivered", patience);
    }
    expect(arrivedAt(dead, "/dead").events).toEqual(events);
    expect(arrivedAt(good, "/slow").events).toEqual(events);
    expect(arrivedAt(good, "/healthy").most).toBe(1);
  });
});

/** The events with a delivery to an endpoint, whatever became of it. */
async function eventsBoundFor(merchant: Merchant, endpoint: Endpoint): Promise<string[]> {
  const deliveries = await merchant.deliveries({ endpoint: endpoint.id });
  return deliveries.map(({ event }) => event).sort();
}
