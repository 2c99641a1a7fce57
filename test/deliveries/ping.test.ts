// How an endpoint comes to be enabled, and what happens meanwhile.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ok, Receiver, slow, status } from "../emulators/receiver.ts";
import { BOTH_EVENTS, type Endpoint, merchantNamed, PATIENCE, refundsAt } from "./merchant.ts";

let receiver: Receiver;
beforeEach(async () => {
  receiver = await Receiver.open();
});
afterEach(() => receiver.close());

const typesAt = (path: string) => receiver.at(path).map(({ body }) => JSON.parse(body.toString()).type);

describe("a new endpoint", () => {
  it("is enabled by its answer to a ping, and what happened before that answer arrives afterwards", async () => {
    const merchant = merchantNamed("new");
    const gate = Promise.withResolvers<void>();
    receiver.behave("/new", slow(gate.promise), ok());
    const endpoint = await merchant.createEndpoint(receiver.url("/new"), { enabled_events: BOTH_EVENTS });
    expect(endpoint.status).toBe("pending");
    await expect.poll(() => typesAt("/new"), PATIENCE).toEqual(["webhook_endpoint.ping"]);
    await merchant.refunds(3);

    const held = await merchant.untilDeliveries(endpoint, 6, "pending");
    expect(held.map(({ next_attempt_at }) => next_attempt_at)).toEqual(Array(6).fill(null));
    expect(await merchant.endpoint(endpoint.id)).toMatchObject({ status: "pending" });
    expect(typesAt("/new")).toEqual(["webhook_endpoint.ping"]);

    gate.resolve();
    await merchant.untilEndpoint(endpoint.id, { status: "enabled" });
    await merchant.untilDeliveries(endpoint, 6, "delivered");
    const arrived = refundsAt(receiver, "/new").map(({ headers }) => headers["webhook-id"]);
    expect(arrived.sort()).toEqual(held.map(({ event }) => event).sort());
  });

  it("that never answers its ping is disabled; once it is well, enabling it pings it again and recovery brings what it missed", async () => {
    const merchant = merchantNamed("abandoned");
    receiver.behave("/abandoned", status(500));
    const endpoint = await merchant.createEndpoint(receiver.url("/abandoned"), { schedule: "pingpp" });
    await merchant.untilEndpoint(endpoint.id, { status: "disabled", disabled_reason: "unanswered" });
    await merchant.refund(await merchant.charge());
    const [missed] = await merchant.untilDeliveries(endpoint, 1, "skipped");
    expect(refundsAt(receiver, "/abandoned")).toEqual([]);

    receiver.behave("/abandoned", ok());
    await merchant.call<Endpoint>("POST", `/v1/webhook_endpoints/${endpoint.id}/enable`, {});
    await merchant.untilEndpoint(endpoint.id, { status: "enabled", disabled_reason: null });
    expect(refundsAt(receiver, "/abandoned")).toEqual([]);
    await merchant.recover(endpoint);
    await merchant.untilDeliveries(endpoint, 1, "delivered");
    expect(refundsAt(receiver, "/abandoned").map(({ headers }) => headers["webhook-id"])).toEqual([
      missed?.event,
    ]);
  });
});
