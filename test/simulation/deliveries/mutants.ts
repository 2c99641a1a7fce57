// The service, made wrong in one place at a time: a checker that never failed proves nothing.
import { and, eq, sql } from "drizzle-orm";
import type { DeliveryTools } from "../../../src/webhooks/deliver-event.ts";
import type { DeliveryRepository, DueDelivery } from "../../../src/webhooks/delivery-repository.ts";
import { deliveries } from "../../../src/webhooks/table.ts";
import type { Mutant } from "./world.ts";

/** What it does wrong, and how that is done. */
export const MUTANTS: Record<string, Mutant> = {
  "claims without a lease": {
    tools: (tools, db) =>
      claiming(tools, async (delivery, now) => {
        const untouched = and(eq(deliveries.id, delivery.id), eq(deliveries.attempts, delivery.attempts));
        const claim = { attempts: delivery.attempts + 1, leaseUntil: now + 1, slotAt: null };
        const { meta } = await db.update(deliveries).set(claim).where(untouched);
        return meta.changes > 0 ? now + 1 : null;
      }),
  },
  "claims what somebody else has claimed": {
    tools: (tools, db) =>
      claiming(tools, async (delivery, now) => {
        const claim = { attempts: sql`${deliveries.attempts} + 1`, leaseUntil: now + 60_000, slotAt: null };
        await db.update(deliveries).set(claim).where(eq(deliveries.id, delivery.id));
        return now + 60_000;
      }),
  },
  "says that it is delivered, then posts": {
    tools: (tools, db) =>
      claiming(tools, async (delivery, now) => {
        const lease = await tools.deliveries.claim(delivery, now);
        if (lease !== null) {
          const done = { status: "delivered", dueAt: null, leaseUntil: null, endedAt: now } as const;
          await db.update(deliveries).set(done).where(eq(deliveries.id, delivery.id));
        }
        return lease;
      }),
  },
  "has no sweeper": { sweepless: true },
  "sends no messages": { wakeless: true },
  "writes an event and its deliveries one after the other": { flushesInTwo: true },
  "throws no dice for its delays": {
    tools: (tools) => ({
      ...tools,
      random: (count) => (count === 4 ? Uint8Array.of(128, 0, 0, 0) : tools.random(count)),
    }),
  },
  "does not read Retry-After": {
    tools: (tools) => ({
      ...tools,
      post: async (...request) => ({ ...(await tools.post(...request)), retryAfter: null }),
    }),
  },
  "never runs out of its schedule": {
    tools: (tools) => finding(tools, (due) => ({ ...due, attemptsBefore: due.attempts })),
  },
  "has one lane": {
    tools: (tools) => {
      const fast = finding(tools, (due) => ({ ...due, endpoint: { ...due.endpoint, lane: "fast" } }));
      return recording(fast, (outcome) => ({
        ...outcome,
        endpoint: outcome.endpoint && { ...outcome.endpoint, lane: "fast" },
      }));
    },
  },
  "lets any number of attempts hang": {
    tools: (tools) =>
      claiming(tools, (delivery, now) =>
        tools.deliveries.claim({ ...delivery, endpoint: { ...delivery.endpoint, lane: "fast" } }, now),
      ),
  },
  "does not look whether the endpoint is enabled": {
    tools: (tools) => finding(tools, (due) => ({ ...due, endpoint: { ...due.endpoint, status: "enabled" } })),
  },
  "never gives up on an endpoint": {
    tools: (tools) => recording(tools, (outcome) => ({ ...outcome, disables: null })),
  },
  "enables without being answered": {
    tools: (tools) => recording(tools, (outcome) => ({ ...outcome, enables: true })),
  },
  "has no rate limit": {
    tools: (tools) => finding(tools, (due) => ({ ...due, endpoint: { ...due.endpoint, rateLimit: null } })),
  },
  "takes every answer for a good one": {
    tools: (tools) =>
      recording(tools, (outcome) => ({ ...outcome, status: "delivered", dueAt: null, disables: null })),
  },
  "writes no attempt down": {
    tools: (tools) => withRepository(tools, { record: async () => {} }),
  },
  "changes the body": {
    tools: (tools) => ({ ...tools, post: (url, headers, body) => tools.post(url, headers, `${body} `) }),
  },
};

function withRepository(tools: DeliveryTools, other: Partial<DeliveryRepository>): DeliveryTools {
  return { ...tools, deliveries: { ...tools.deliveries, ...other } };
}

function claiming(tools: DeliveryTools, claim: DeliveryRepository["claim"]): DeliveryTools {
  return withRepository(tools, { claim });
}

function finding(tools: DeliveryTools, change: (due: DueDelivery) => DueDelivery): DeliveryTools {
  return withRepository(tools, {
    findDue: async (...question) => {
      const due = await tools.deliveries.findDue(...question);
      return due === null ? null : change(due);
    },
  });
}

type RecordedOutcome = Parameters<DeliveryRepository["record"]>[3];

function recording(
  tools: DeliveryTools,
  change: (outcome: RecordedOutcome) => RecordedOutcome,
): DeliveryTools {
  return withRepository(tools, {
    record: (delivery, lease, attempt, outcome) =>
      tools.deliveries.record(delivery, lease, attempt, change(outcome)),
  });
}
