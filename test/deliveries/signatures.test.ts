// What a receiver that checks what it gets is sent: over the real wire, checked by the libraries a receiver would use.
import { createPublicKey, createVerify } from "node:crypto";
import { Webhook as StandardWebhook } from "standardwebhooks";
import { Webhook as SvixWebhook } from "svix";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ok, Receiver, status } from "../emulators/receiver.ts";
import { type Endpoint, merchantNamed, refundsAt } from "./merchant.ts";

let receiver: Receiver;
beforeEach(async () => {
  receiver = await Receiver.open();
});
afterEach(() => receiver.close());

describe("a receiver that checks signatures", () => {
  it("finds every attempt valid, by the secret it was given, by the one rolled since, and by the app's public key", async () => {
    const merchant = merchantNamed("checking");
    const { id, secret } = await merchant.createEndpoint(receiver.url("/checked"));
    const endpoint = await merchant.untilEndpoint(id, { status: "enabled" });
    const rolled = await merchant.call<Endpoint>("POST", `/v1/webhook_endpoints/${id}/roll_secret`, {});
    expect(rolled.secret).not.toBe(secret);
    receiver.behave("/checked", status(500), status(503), ok());
    const refund = await merchant.refund(await merchant.charge());
    const [delivery] = await merchant.untilDeliveries(endpoint, 1, "delivered");

    const keys = await merchant.call<{ data: { public_key: string }[] }>("GET", "/v1/public_keys");
    const publicKey = createPublicKey(keys.data[0]?.public_key ?? "");
    const received = refundsAt(receiver, "/checked");
    expect(received).toHaveLength(3);
    for (const { headers, body } of received) {
      const text = body.toString();
      const event = JSON.parse(text);
      expect(event).toMatchObject({ id: delivery?.event, type: "refund.succeeded", pending_webhooks: 0 });
      expect(event.data.object.id).toBe(refund);
      for (const given of [secret, rolled.secret]) {
        expect(new StandardWebhook(given ?? "").verify(text, headers)).toEqual(event);
        expect(new SvixWebhook(given ?? "").verify(text, headers)).toEqual(event);
      }
      const rsa = createVerify("RSA-SHA256").update(body);
      expect(rsa.verify(publicKey, headers["x-pingplusplus-signature"] ?? "", "base64")).toBe(true);
    }
    // The event can be read again, with nothing pending any more.
    const [{ body }] = received as [(typeof received)[number]];
    expect(await merchant.call("GET", `/v1/events/${delivery?.event}`)).toEqual(JSON.parse(body.toString()));
  });

  it("gets only the events it asked for, also our own when it names them", async () => {
    const merchant = merchantNamed("choosing");
    const asked = { enabled_events: ["refund.created", "refund.failed"] };
    const endpoint = await merchant.openEndpoint(receiver.url("/chosen"), asked);
    const charge = await merchant.charge();
    await merchant.refund(charge);
    await merchant.refund(charge, { description: "[sandbox:declined]" });
    const deliveries = await merchant.untilDeliveries(endpoint, 3, "delivered");
    const expected = ["refund.created", "refund.created", "refund.failed"];
    expect(deliveries.map(({ event_type }) => event_type).sort()).toEqual(expected);
    const types = refundsAt(receiver, "/chosen").map(({ body }) => JSON.parse(body.toString()).type);
    expect(types.sort()).toEqual(expected);
  });
});
