// The receivers that incidents are made of, from the first request to what the merchant can look up and mend.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Behaviour, ok, Receiver, redirect, reset, slow, status } from "../emulators/receiver.ts";
import { attempt, merchantNamed, PATIENCE, refundsAt, saidBy } from "./merchant.ts";

let receiver: Receiver;
beforeEach(async () => {
  receiver = await Receiver.open();
});
afterEach(() => receiver.close());

/** Exhausted within seconds. */
const IMPATIENT = { schedule: "pingpp" };
const PINGPP_ATTEMPTS = 11;
/** What a receiver inside a private network might say. */
const PRIVATE = "root:x:0:0";

describe("E45: a receiver", () => {
  it("that takes an event and fails to say so gets it again, under the same webhook-id and byte for byte", async () => {
    const merchant = merchantNamed("repeated");
    const endpoint = await merchant.openEndpoint(receiver.url("/repeated"));
    receiver.behave("/repeated", reset, status(500), ok());
    await merchant.refund(await merchant.charge());
    await merchant.untilDeliveries(endpoint, 1, "delivered");

    const received = refundsAt(receiver, "/repeated");
    expect(received).toHaveLength(3);
    expect(new Set(received.map(({ body }) => body.toString("hex"))).size).toBe(1);
    const { id } = JSON.parse(String(received[0]?.body));
    expect(received.map(({ headers }) => headers["webhook-id"])).toEqual([id, id, id]);
  });

  it("that is slow but answers in time gets the event once", async () => {
    const merchant = merchantNamed("late");
    const endpoint = await merchant.openEndpoint(receiver.url("/late"));
    const gate = Promise.withResolvers<void>();
    receiver.behave("/late", slow(gate.promise));
    await merchant.refund(await merchant.charge());
    await expect.poll(() => refundsAt(receiver, "/late"), PATIENCE).toHaveLength(1);
    const [underWay] = await merchant.deliveries({ endpoint: endpoint.id });
    expect(underWay).toMatchObject({ status: "pending" });
    gate.resolve();
    await merchant.untilDeliveries(endpoint, 1, "delivered");
    expect(refundsAt(receiver, "/late")).toHaveLength(1);
  });

  it("that answers 500 until the schedule runs out leaves an exhausted delivery, which is visible and resendable", async () => {
    const merchant = merchantNamed("exhausted");
    const endpoint = await merchant.openEndpoint(receiver.url("/500"), IMPATIENT);
    receiver.behave("/500", status(500, PRIVATE));
    await merchant.refund(await merchant.charge());
    const [exhausted] = await merchant.untilDeliveries(endpoint, 1, "exhausted");
    if (exhausted === undefined) throw new Error("there is no delivery");
    expect(await merchant.deliveries({ status: "exhausted" })).toEqual([exhausted]);
    expect(exhausted).toMatchObject({
      object: "webhook_delivery",
      event_type: "refund.succeeded",
      attempts: PINGPP_ATTEMPTS,
      next_attempt_at: null,
    });
    const attempts = await merchant.attempts(exhausted);
    expect(attempts.map(saidBy)).toEqual(
      Array.from({ length: PINGPP_ATTEMPTS }, (_, i) => attempt(i + 1, { http_status: 500 })),
    );
    expect(refundsAt(receiver, "/500")).toHaveLength(PINGPP_ATTEMPTS);

    receiver.behave("/500", ok("thank you"));
    await merchant.resend(exhausted.event, endpoint);
    const [delivered] = await merchant.untilDeliveries(endpoint, 1, "delivered");
    if (delivered === undefined) throw new Error("there is no delivery");
    expect(delivered.id).toBe(exhausted.id);
    expect((await merchant.attempts(delivered)).slice(PINGPP_ATTEMPTS).map(saidBy)).toEqual([
      attempt(PINGPP_ATTEMPTS + 1, { trigger: "manual", http_status: 200, answer: "thank you" }),
    ]);
    expect(new Set(refundsAt(receiver, "/500").map(({ headers }) => headers["webhook-id"])).size).toBe(1);
  });

  it("that redirects to a private address is not followed there", async () => {
    const merchant = merchantNamed("redirected");
    const inside = await Receiver.open();
    const targets = [inside.url("/metadata"), "http://169.254.169.254/latest/meta-data/"];
    const codes = [301, 302, 303, 307, 308];
    const endpoints = await Promise.all(
      codes.map((code) => merchant.openEndpoint(receiver.url(`/${code}`), IMPATIENT)),
    );
    for (const code of codes) receiver.behave(`/${code}`, ...redirects(targets, code));
    await merchant.refund(await merchant.charge());
    for (const [i, endpoint] of endpoints.entries()) {
      const [delivery] = await merchant.untilDeliveries(endpoint, 1, "exhausted");
      const attempts = delivery === undefined ? [] : await merchant.attempts(delivery);
      expect(attempts.map(saidBy)).toEqual(
        Array.from({ length: PINGPP_ATTEMPTS }, (_, n) => attempt(n + 1, { http_status: codes[i] })),
      );
    }
    expect(inside.book).toEqual([]);
    await inside.close();
  });
});

/** One after the other, the last for ever. */
function redirects([first = "", ...others]: string[], code: number): [Behaviour, ...Behaviour[]] {
  return [redirect(first, code), ...others.map((target) => redirect(target, code))];
}
