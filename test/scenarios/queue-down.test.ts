// The queues are away: they only carry wake-up calls, so nothing waits for them and nothing is lost with them.
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { eventually } from "../harness.ts";
import { endOutages, type Fault, hurry, queues } from "./outage.ts";
import { Shop, shopsOfThisFile, sweepNow } from "./shop.ts";

shopsOfThisFile();

const FAULTS: Fault[] = ["throws", "hangs", "loses its answers"];

describe.each(FAULTS)("while sending to a queue %s", (fault) => {
  it("refunds and lists work, and every notification comes once, by the cron's next minute", async () => {
    const shop = await Shop.open();
    const { app, books } = shop;
    queues(fault);
    hurry();
    const charge = await app.charge();
    const first = await app.refund(charge, { amount: 1000 });
    books.onSubmission(() => ({ effect: "declined" }));
    const second = await app.refund(charge, { amount: 2000, description: "Second" });
    expect([first.body.status, second.body.status]).toEqual(["succeeded", "failed"]);
    // D1 hears of everything meanwhile, deliveries included.
    await eventually(async () => (await dues(shop)) === 4);
    const list = await app.get<{ data: { type: string }[] }>("/v1/events?limit=4");
    expect(list.body.data.map(({ type }) => type)).toEqual([
      "refund.failed",
      "refund.created",
      "refund.succeeded",
      "refund.created",
    ]);
    if (fault !== "loses its answers") expect(shop.told).toEqual([]);
    // The cron's own wake-ups get lost as well, and it does not fail for it.
    await sweepNow();
    endOutages();
    await sweepNow();
    await shop.expectCoherent(charge);
    // Whatever comes late finds nothing left to send.
    await sweepNow();
    expect(shop.told).toHaveLength(4);
  });
});

/** How many deliveries of a shop there are. */
async function dues(shop: Shop): Promise<number | null> {
  return env.DB.prepare(
    "SELECT count(*) AS count FROM deliveries d JOIN events e ON e.id = d.event WHERE d.app = ? AND e.refund IS NOT NULL",
  )
    .bind(shop.app.id)
    .first<number>("count");
}
