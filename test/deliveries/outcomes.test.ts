// Every kind of receiver meets the same event at the same moment. What each leads to is what the log of its attempts
// says, no more and no less.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type Behaviour,
  busy,
  dribble,
  hang,
  huge,
  ok,
  Receiver,
  reset,
  slow,
  stalled,
  status,
} from "../emulators/receiver.ts";
import { attempt, type Endpoint, merchantNamed, PATIENCE, refundsAt, type Said, saidBy } from "./merchant.ts";

let receiver: Receiver;
let refusing: Receiver;
beforeEach(async () => {
  receiver = await Receiver.open();
  refusing = await Receiver.open();
});
afterEach(async () => {
  await receiver.close();
  await refusing.close();
});

/** What a receiver inside a private network might say. */
const PRIVATE = "root:x:0:0";
const STANDARD_ATTEMPTS = 10;
const HUGE = 200_000_000;
/** What lies in buffers on the way when the reader has left. */
const BUFFERED = 20_000_000;
const DAY_MS = 86_400_000;
const KIBIBYTE = "x".repeat(1024);

interface Case {
  /** What the first request meets, if not a refused connection. */
  meets: Behaviour | "refused";
  /** What the log says of it. */
  says: Partial<Said>;
  /** Whether it is over with that, goes on with a second request that is answered well, or goes on like that. */
  end: "delivered" | "delivered by the second" | "exhausted" | "exhausted by the last";
}

const delivers = (meets: Behaviour, says: Partial<Said>): Case => ({ meets, says, end: "delivered" });
const repeats = (meets: Behaviour, says: Partial<Said>): Case => ({
  meets,
  says,
  end: "delivered by the second",
});

// The two that take fifteen seconds stand where one batch of five has room for both, and hold up few.
const CASES: Record<string, Case> = {
  // How much of it comes within a second is the machine's affair.
  "answers 200 with a body that never ends": delivers(dribble(1), {
    http_status: 200,
    answer: expect.stringMatching(/^x{1,1024}$/),
  }),
  "answers 200 late": delivers(slow(300), { http_status: 200, answer: "ok" }),
  "answers 200": delivers(ok("thank you"), { http_status: 200, answer: "thank you" }),
  "answers 200 with a huge body": delivers(huge(HUGE), { http_status: 200, answer: KIBIBYTE }),
  "answers 204": delivers(status(204), { http_status: 204, answer: "" }),
  "breaks the connection": repeats(reset, { failure: "connection_failed" }),
  "refuses the connection": {
    meets: "refused",
    says: { failure: "connection_failed" },
    end: "exhausted by the last",
  },
  "answers 404": repeats(status(404, PRIVATE), { http_status: 404 }),
  "answers 500 with a huge body": repeats(huge(HUGE, 500), { http_status: 500 }),
  "answers 500 with a body that never ends": repeats(dribble(1, 500), { http_status: 500 }),
  hangs: repeats(hang, { failure: "timeout" }),
  "answers 200 with a body that never comes": delivers(stalled(), { http_status: 200, answer: "" }),
  "answers 500 with a body that never comes": repeats(stalled(500), { http_status: 500 }),
  "asks for a day with 429": repeats(busy(429, DAY_MS / 1000), { http_status: 429 }),
  "asks for two days with 503": repeats(busy(503, new Date(Date.now() + 2 * DAY_MS)), { http_status: 503 }),
  "answers 410": { meets: status(410, PRIVATE), says: { http_status: 410 }, end: "exhausted" },
};

const pathOf = (name: string) => `/${name.replaceAll(" ", "-")}`;

describe("a receiver", () => {
  it("of any kind leads to the attempts and the end that are documented for it, and shows no more than 1 KiB of a 2xx", async () => {
    const merchant = merchantNamed("answered");
    const endpoints = new Map<string, Endpoint>();
    for (const [name, { meets }] of Object.entries(CASES)) {
      const at = meets === "refused" ? refusing : receiver;
      endpoints.set(name, await merchant.createEndpoint(at.url(pathOf(name))));
    }
    for (const { id } of endpoints.values()) await merchant.untilEndpoint(id, { status: "enabled" });
    for (const [name, { meets }] of Object.entries(CASES)) {
      if (meets !== "refused") receiver.behave(pathOf(name), meets, ok());
    }
    await refusing.refuse();
    await merchant.refund(await merchant.charge());

    const ends: Record<string, unknown> = {};
    for (const [name, endpoint] of endpoints) {
      const ended = async () =>
        (await merchant.deliveries({ endpoint: endpoint.id })).map((one) => one.status);
      await expect
        .poll(ended, { ...PATIENCE, message: name })
        .toEqual([expect.stringMatching(/^(?!pending)/)]);
      const [delivery] = await merchant.deliveries({ endpoint: endpoint.id });
      if (delivery === undefined) throw new Error(`nothing was on its way to the one that ${name}`);
      ends[name] = { status: delivery.status, attempts: (await merchant.attempts(delivery)).map(saidBy) };
    }
    expect(ends).toEqual(Object.fromEntries(Object.entries(CASES).map(([name, one]) => [name, endOf(one)])));

    for (const name of Object.keys(CASES).filter((one) => one.includes("body"))) {
      const [received] = refundsAt(receiver, pathOf(name));
      expect(received, name).toMatchObject({ over: true });
      expect(received?.taken, name).toBeLessThan(BUFFERED);
    }
    // A day is two seconds here, and a delivery may be claimed a second early; without the wish it would be at once.
    for (const name of Object.keys(CASES).filter((one) => one.includes("asks"))) {
      const [first, second] = refundsAt(receiver, pathOf(name));
      expect((second?.at ?? 0) - (first?.at ?? 0), name).toBeGreaterThan(900);
    }
    const gone = endpoints.get("answers 410");
    expect(await merchant.endpoint(gone?.id ?? "")).toMatchObject({
      status: "disabled",
      disabled_reason: "gone",
    });
  });

  it("that said 410 is asked nothing more: what happens afterwards is skipped, and another endpoint is told", async () => {
    const merchant = merchantNamed("gone");
    const [endpoint, other] = await Promise.all([
      merchant.openEndpoint(receiver.url("/gone")),
      merchant.openEndpoint(receiver.url("/other"), { enabled_events: ["webhook_endpoint.disabled"] }),
    ]);
    receiver.behave("/gone", status(410));
    const charge = await merchant.charge();
    await merchant.refund(charge);
    await merchant.untilEndpoint(endpoint.id, { status: "disabled", disabled_reason: "gone" });
    await merchant.refund(charge);
    const ended = async () => (await merchant.deliveries({ endpoint: endpoint.id })).map((one) => one.status);
    await expect.poll(ended, PATIENCE).toEqual(["skipped", "exhausted"]);
    expect(refundsAt(receiver, "/gone")).toHaveLength(1);

    await expect.poll(() => merchant.hasPending(other), PATIENCE).toBe(false);
    const [ping, told, ...more] = receiver.at("/other").map(({ body }) => JSON.parse(body.toString()));
    expect(ping.type).toBe("webhook_endpoint.ping");
    expect(told).toMatchObject({ type: "webhook_endpoint.disabled", data: { object: { id: endpoint.id } } });
    expect(more).toEqual([]);
  });
});

function endOf({ says, end }: Case) {
  const [status] = end.split(" ");
  const thanked = attempt(2, { http_status: 200, answer: "ok" });
  switch (end) {
    case "delivered":
    case "exhausted":
      return { status, attempts: [attempt(1, says)] };
    case "delivered by the second":
      return { status, attempts: [attempt(1, says), thanked] };
    case "exhausted by the last":
      return { status, attempts: Array.from({ length: STANDARD_ATTEMPTS }, (_, i) => attempt(i + 1, says)) };
  }
}
