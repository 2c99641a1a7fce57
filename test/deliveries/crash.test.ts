// A server of this file's own, because it is killed. D1 and the ledgers survive; what was in a queue does not.
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hang, ok, Receiver } from "../emulators/receiver.ts";
import { BOTH_EVENTS, Merchant, PATIENCE, refundsAt } from "./merchant.ts";
import { Service } from "./service.ts";

const state = mkdtempSync(join(tmpdir(), "edge-refunds-crash-"));
const REFUNDS = 40;

let service: Service<"unlucky">;
let receiver: Receiver;
beforeAll(async () => {
  receiver = await Receiver.open();
  service = await Service.open(state, ["unlucky"]);
});
afterAll(async () => {
  await service?.close();
  await receiver?.close();
  rmSync(state, { recursive: true, force: true });
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
    const unanswered: { charge: string; refund_no: string }[] = [];
    const storm = charges.map(async (charge) => {
      for (let i = 0; i < REFUNDS / charges.length; i++) {
        const refund_no = randomUUID();
        const answer = merchant.refund(charge, { refund_no }).then((refund) => refunds.push(refund));
        await answer.catch(() => unanswered.push({ charge, refund_no }));
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
    for (const { charge, refund_no } of unanswered) {
      refunds.push(await merchant.refund(charge, { refund_no }));
    }
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
