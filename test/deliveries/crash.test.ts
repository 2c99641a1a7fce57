// A server of this file's own, because it is killed. D1 and the ledgers survive; what was in a queue does not.
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { busy, hang, ok, Receiver } from "../emulators/receiver.ts";
import { BOTH_EVENTS, Merchant, PATIENCE, refundsAt } from "./merchant.ts";
import { Service } from "./service.ts";

const state = mkdtempSync(join(tmpdir(), "edge-refunds-crash-"));
const REFUNDS = 40;

let service: Service<"patient" | "unlucky">;
let receiver: Receiver;
beforeAll(async () => {
  receiver = await Receiver.open();
  service = await Service.open(state, ["patient", "unlucky"], 0.001);
});
afterAll(async () => {
  await service?.close();
  await receiver?.close();
  rmSync(state, { recursive: true, force: true });
});

describe("a receiver", () => {
  it("that asks for time in seconds or by a date is given it", async () => {
    const merchant = new Merchant(service.url, service.keys.patient);
    // Without the wish the second attempt comes at once; with it two seconds later, or up to one second less, because
    // that early a delivery may be claimed.
    const asked = 2000;
    const wishes = {
      "/seconds": busy(429, asked),
      "/date": busy(503, new Date(Date.now() + (asked + 60) * 1000)),
    };
    await Promise.all(Object.keys(wishes).map((path) => merchant.openEndpoint(receiver.url(path))));
    for (const [path, wish] of Object.entries(wishes)) receiver.behave(path, wish, ok());
    await merchant.refund(await merchant.charge());
    for (const path of Object.keys(wishes)) {
      await expect.poll(() => refundsAt(receiver, path).length, PATIENCE).toBe(2);
      const [first, second] = refundsAt(receiver, path);
      expect((second?.at ?? 0) - (first?.at ?? 0), path).toBeGreaterThan(900);
    }
  });
});

describe("a server that is killed in the middle of a storm", () => {
  it("has lost nothing when it runs again: every event arrives everywhere, a repeat under the same webhook-id with the same bytes", async () => {
    const merchant = new Merchant(service.url, service.keys.unlucky);
    const settings = { enabled_events: BOTH_EVENTS };
    const [quick, waiting] = await Promise.all([
      merchant.openEndpoint(receiver.url("/quick"), settings),
      merchant.openEndpoint(receiver.url("/waiting"), settings),
    ]);
    // This one has taken an event when the server dies, and could not say so.
    receiver.behave("/waiting", hang);

    const charges = await Promise.all([merchant.charge(), merchant.charge()]);
    const refunds: string[] = [];
    const unanswered: { charge: string; number: string }[] = [];
    const storm = charges.map(async (charge) => {
      for (let i = 0; i < REFUNDS / charges.length; i++) {
        const number = randomUUID();
        const answer = merchant.refund(charge, number).then((refund) => refunds.push(refund));
        await answer.catch(() => unanswered.push({ charge, number }));
      }
    });
    const isInTheMiddle = () =>
      refunds.length > REFUNDS / 4 &&
      ["/quick", "/waiting"].every((path) => refundsAt(receiver, path).length > 0);
    await expect.poll(isInTheMiddle, { ...PATIENCE, interval: 5 }).toBe(true);
    await service.kill();
    await Promise.all(storm);
    expect(unanswered).not.toEqual([]);

    receiver.behave("/waiting", ok());
    // An attempt that was under way is repeated when its lease has ended, a minute later: that minute passes here.
    await service.change(
      "update deliveries set lease_until = lease_until - 60000 where lease_until is not null",
    );
    await service.start();
    for (const { charge, number } of unanswered) refunds.push(await merchant.refund(charge, number));
    for (const endpoint of [quick, waiting]) {
      const deliveries = await merchant.untilDeliveries(endpoint, 2 * REFUNDS, "delivered");
      const events = await merchant.eventsOf(refunds);
      expect(deliveries.map(({ event }) => event).sort()).toEqual(events);

      const received = refundsAt(receiver, new URL(endpoint.url).pathname);
      const bytes = new Map(
        received.map(({ headers, body }) => [headers["webhook-id"], body.toString("hex")]),
      );
      expect([...bytes.keys()].sort()).toEqual(events);
      for (const { headers, body } of received) {
        expect(JSON.parse(body.toString()).id).toBe(headers["webhook-id"]);
        expect(body.toString("hex")).toBe(bytes.get(headers["webhook-id"]));
      }
    }
    expect(Math.max(...receiver.ids("/waiting").values())).toBeGreaterThan(1);
  });
});
