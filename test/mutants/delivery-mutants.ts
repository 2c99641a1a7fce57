// Services that deliver webhooks wrongly.
import type { Mutant } from "./mutant.ts";

const DELIVER = "src/webhooks/deliver-event.ts";
const REPOSITORY = "src/webhooks/delivery-repository.ts";
const SCHEDULE = "src/webhooks/retry-schedule.ts";

export const DELIVERY_MUTANTS: Mutant[] = [
  {
    name: "claims a delivery without a lease",
    why: "two consumers post one event at once",
    layers: ["L2 deliveries"],
    patches: [
      {
        file: REPOSITORY,
        find: "          leaseUntil,\n          attempts: delivery.attempts + 1,",
        replace: "          leaseUntil: now + 1,\n          attempts: delivery.attempts + 1,",
      },
    ],
  },
  {
    name: "claims a delivery that somebody else has claimed",
    why: "two consumers post one event at once",
    layers: ["L2 deliveries"],
    slow: true,
    patches: [
      {
        file: REPOSITORY,
        find: ".where(and(unclaimed(delivery, now), slow === null ? undefined : hasRoom));",
        replace: ".where(and(eq(deliveries.id, delivery.id), slow === null ? undefined : hasRoom));",
      },
    ],
  },
  {
    name: "says that an event is delivered, then posts it",
    why: "a crash between them loses the notification",
    layers: ["L2 deliveries"],
    patches: [
      {
        file: REPOSITORY,
        find: "          slotAt: null,\n          slowEndpoint: slow,",
        replace:
          '          slotAt: null,\n          status: "delivered", dueAt: null, endedAt: now,\n          slowEndpoint: slow,',
      },
    ],
  },
  {
    name: "has no sweeper for deliveries",
    why: "a message that gets lost is a notification that gets lost",
    layers: ["L2 deliveries"],
    patches: [
      {
        file: "src/webhooks/sweep-deliveries.ts",
        find: "await wakeDeliveries(env, due);",
        replace: "await wakeDeliveries(env, due.slice(0, 0));",
      },
    ],
  },
  {
    name: "wakes nobody when an event happens",
    why: "every notification waits for the sweeper",
    layers: ["L2 deliveries"],
    slow: true,
    patches: [
      {
        file: "src/webhooks/fan-out.ts",
        find: "lane === null ? [] : [{ id, lane, app, livemode: Boolean(livemode) }]",
        replace: "lane === null ? [] : [{ id, lane, app, livemode: Boolean(livemode) }].slice(1)",
      },
    ],
  },
  {
    name: "throws no dice for its delays",
    why: "everybody whose receiver was down comes back at the same moment",
    layers: ["L2 deliveries"],
    patches: [{ file: SCHEDULE, find: "const JITTER_SPAN = 0.4;", replace: "const JITTER_SPAN = 0;" }],
  },
  {
    name: "does not read Retry-After",
    why: "a receiver that asked for time is not given it",
    layers: ["L2 deliveries"],
    slow: true,
    patches: [
      {
        file: SCHEDULE,
        find: "retryAfterMs(failed.retryAfter, now) ?? 0;",
        replace: "retryAfterMs(null, now) ?? 0;",
      },
    ],
  },
  {
    name: "never runs out of its schedule",
    why: "a dead receiver is asked for ever",
    layers: ["L2 deliveries"],
    patches: [
      {
        file: DELIVER,
        find: "return delivery.attempts - delivery.attemptsBefore;",
        replace: "return 0 * delivery.attempts;",
      },
    ],
  },
  {
    name: "has one lane for quick and slow receivers",
    why: "one that hangs holds up all others",
    layers: ["L2 deliveries"],
    slow: true,
    patches: [
      {
        file: DELIVER,
        find: 'const lane = !delivered || attempt.durationMs > SLOW_MS ? "slow" : "fast";',
        replace: 'const lane = attempt.durationMs > SLOW_MS * 1e6 ? "slow" : "fast";',
      },
    ],
  },
  {
    name: "lets any number of attempts to one receiver hang",
    why: "one that hangs takes every place in the slow lane",
    layers: ["L2 deliveries"],
    slow: true,
    patches: [
      { file: REPOSITORY, find: "slow === null ? undefined : hasRoom", replace: "hasRoom && undefined" },
    ],
  },
  {
    name: "does not look whether an endpoint is enabled",
    why: "what was disabled is posted to, and what has not answered its ping",
    layers: ["L2 deliveries"],
    slow: true,
    patches: [
      {
        file: DELIVER,
        find: 'if (endpoint.status === "disabled" || endpoint.deletedAt',
        replace: "if (endpoint.deletedAt",
      },
      {
        file: DELIVER,
        find: 'if (endpoint.status === "pending" && !isPing(delivery)) {',
        replace: 'if (endpoint.status === "pending" && !isPing(delivery) && wokenAt < 0) {',
      },
    ],
  },
  {
    name: "never gives up on an endpoint",
    why: "a receiver that is gone is asked for ever",
    layers: ["L2 deliveries"],
    slow: true,
    patches: [
      {
        file: DELIVER,
        find: "const reason = reasonToDisable(delivery, { asked, gone, exhausted }, now, tools.scale);",
        replace: "const reason = null as DisabledReason | null;",
      },
    ],
  },
  {
    name: "enables an endpoint that has not answered its ping",
    why: "events go to an address that nobody has confirmed",
    layers: ["L2 deliveries"],
    patches: [
      {
        file: DELIVER,
        find: "    enables: false,\n    disables",
        replace: "    enables: true,\n    disables",
      },
    ],
  },
  {
    name: "knows no rate limit",
    why: "a receiver that asked for ten a second gets a thousand",
    layers: ["L2 deliveries"],
    slow: true,
    patches: [
      {
        file: DELIVER,
        find: "if (endpoint.rateLimit !== null && via !== null) {",
        replace: "if (endpoint.rateLimit !== null && via === null) {",
      },
    ],
  },
  {
    name: "lets slots under a rate limit go at once when they were missed",
    why: "after an outage a receiver gets all of them in a second",
    layers: ["L1"],
    test: "test/worker/webhooks-rate-limit.test.ts",
    patches: [
      {
        file: DELIVER,
        find: "const isMissed = delivery.slotAt === null || delivery.slotAt < wokenAt - SLOT_LASTS_MS;",
        replace: "const isMissed = delivery.slotAt === null;",
      },
    ],
  },
  {
    name: "takes every answer for a good one",
    why: "what the receiver refused counts as delivered",
    layers: ["L2 deliveries"],
    patches: [
      {
        file: DELIVER,
        find: "const delivered = answer.status !== null && answer.status >= 200 && answer.status < 300;",
        replace: "const delivered = answer !== null;",
      },
    ],
  },
  {
    name: "writes no attempt down",
    why: "what was delivered is delivered again and again",
    layers: ["L2 deliveries"],
    patches: [
      {
        file: DELIVER,
        find: "await deliveries.record(delivery, leaseUntil, attempt, outcome);",
        replace: "",
      },
    ],
  },
  {
    name: "changes the body between two attempts",
    why: "receivers verify a signature over other bytes",
    layers: ["L2 deliveries"],
    patches: [
      {
        file: DELIVER,
        find: "tools.post(endpoint.url, headers, event.body)",
        replace: 'tools.post(endpoint.url, headers, event.body + " ")',
      },
    ],
  },
];
