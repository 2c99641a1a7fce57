// Deliveries in D1, as attempts see them. A delivery is claimed by a conditional update that takes a lease; whatever
// follows is written under that lease, so that of two workers on the same delivery only one posts and only one writes.
import { and, asc, eq, lte, type SQL, sql } from "drizzle-orm";
import type { BatchItem } from "drizzle-orm/batch";
import { signingKeys } from "../auth/table.ts";
import type { Database } from "../db/client.ts";
import type { EndpointEvent, EventType } from "../events/event.ts";
import { events } from "../events/table.ts";
import type { DeliveryMessage, DeliveryStatus, Lane, Trigger, Wakeable } from "./delivery.ts";
import type { DisabledReason } from "./endpoint.ts";
import { disable, enable, isFree, isOpen, skipPending } from "./endpoint-lifecycle.ts";
import type { EndpointRow } from "./schema.ts";
import { deadLetters, deliveries, deliveryAttempts, webhookEndpoints } from "./table.ts";

/** Longer than the HTTP time-out, or a delivery would be posted twice at once. */
const LEASE_MS = 60_000;
/** How far ahead of its time a delivery may be claimed: a queue delays by whole seconds. */
export const EARLY_MS = 1000;
/**
 * Attempts to one endpoint that may be under way in the slow lane at once, and to one that has long answered nothing but
 * failures: receivers that hang leave room for others.
 */
const SLOW_AT_ONCE = 5;
const FAILING_AT_ONCE = 2;
const LONG_FAILING_MS = 3_600_000;
const RELEASED_MAX = 100;
const SLOW_WOKEN_MAX = 50;

/** A delivery that is due, with all that one attempt needs. */
export interface DueDelivery {
  id: string;
  app: string;
  livemode: boolean;
  /** Attempts begun so far, and how many of them before the present run of the schedule. */
  attempts: number;
  attemptsBefore: number;
  slotAt: number | null;
  trigger: Trigger;
  event: { id: string; type: EventType; body: string };
  endpoint: EndpointRow;
  /** A ping after which its endpoint was pinged anew, at another address maybe. */
  isSuperseded: boolean;
  /** Whether a delivery to the endpoint ran out of its schedule since the first failure; looked up when it has long failed. */
  hasExhausted: boolean;
  /** The newest pair of the app and mode, its private half sealed. */
  signingKey: { id: string; privateKey: string } | null;
}

/** One attempt as it is kept. */
export interface Attempt {
  trigger: Trigger;
  startedAt: number;
  durationMs: number;
  httpStatus: number | null;
  failure: string | null;
  answer: string | null;
}

/** What an attempt changes. */
export interface Outcome {
  status: DeliveryStatus;
  /** ms; null once the delivery has ended. */
  dueAt: number | null;
  /** How the endpoint did; null when it was never asked. */
  endpoint: { answered: boolean; lane: Lane } | null;
  /** The endpoint has answered its ping. */
  enables: boolean;
  disables: { reason: DisabledReason; event: EndpointEvent } | null;
}

export type DeliveryRepository = ReturnType<typeof deliveryRepository>;

/** Times in ms since the epoch. */
export function deliveryRepository(db: Database) {
  return {
    /** Null when there is nothing to do: unknown, ended, not due yet, or under way elsewhere. */
    async findDue(message: DeliveryMessage, now: number, failingSince: number): Promise<DueDelivery | null> {
      const { firstFailureAt } = webhookEndpoints;
      const [row] = await db
        .select({
          attempts: deliveries.attempts,
          attemptsBefore: deliveries.attemptsBefore,
          slotAt: deliveries.slotAt,
          trigger: deliveries.trigger,
          event: { id: events.id, type: events.type, body: events.body },
          endpoint: webhookEndpoints,
          hasExhausted: sql<number>`iif(${firstFailureAt} <= ${failingSince / 1000}, exists (
            select 1 from deliveries d where d.app = ${message.app} and d.livemode = ${message.livemode ? 1 : 0}
              and d.status = 'exhausted' and d.status <> 'delivered' and d.endpoint = ${webhookEndpoints.id}
              and d.ended_at >= ${firstFailureAt} * 1000), 0)`,
          isSuperseded: sql<number>`iif(${events.type} = 'webhook_endpoint.ping', exists (
            select 1 from deliveries d where d.app = ${message.app} and d.livemode = ${message.livemode ? 1 : 0}
              and d.status = 'pending' and d.status <> 'delivered' and d.created_at > ${deliveries.createdAt}
              and d.endpoint = ${webhookEndpoints.id}
              and exists (select 1 from events e where e.id = d.event and e.type = 'webhook_endpoint.ping')), 0)`,
          signingKey: { id: signingKeys.id, privateKey: signingKeys.privateKey },
        })
        .from(deliveries)
        .innerJoin(events, and(eq(events.id, deliveries.event), sameTenant(events)))
        .innerJoin(
          webhookEndpoints,
          and(eq(webhookEndpoints.id, deliveries.endpoint), sameTenant(webhookEndpoints)),
        )
        .leftJoin(
          signingKeys,
          sql`${signingKeys.id} = (select k.id from ${signingKeys} k where k.app = ${deliveries.app}
            and k.livemode = ${deliveries.livemode} order by k.created desc, k.id desc limit 1)`,
        )
        .where(and(addressed(message), claimable(now)));
      if (row === undefined) return null;
      const { app, livemode, delivery: id } = message;
      const [isSuperseded, hasExhausted] = [row.isSuperseded === 1, row.hasExhausted === 1];
      return { ...row, id, app, livemode, isSuperseded, hasExhausted };
    },

    /**
     * Takes the lease and counts the attempt; the lease's end, or null when somebody else was faster or, in the slow
     * lane, enough attempts to the endpoint are under way. Counted before it is made: an attempt whose outcome can
     * never be written must not be repeated for ever.
     */
    async claim(delivery: DueDelivery, now: number): Promise<number | null> {
      const leaseUntil = now + LEASE_MS;
      const slow = delivery.endpoint.lane === "slow" ? delivery.endpoint.id : null;
      const failingForMs = now - (delivery.endpoint.firstFailureAt ?? Number.POSITIVE_INFINITY) * 1000;
      const places = failingForMs > LONG_FAILING_MS ? FAILING_AT_ONCE : SLOW_AT_ONCE;
      const hasRoom = sql`(select count(*) from deliveries d
        where d.slow_endpoint = ${slow} and d.lease_until > ${now}) < ${places}`;
      const result = await db
        .update(deliveries)
        .set({
          leaseUntil,
          attempts: delivery.attempts + 1,
          trigger: "auto",
          slotAt: null,
          slowEndpoint: slow,
        })
        .where(and(unclaimed(delivery, now), slow === null ? undefined : hasRoom));
      return result.meta.changes > 0 ? leaseUntil : null;
    },

    /**
     * Takes the next slot under the endpoint's rate limit; when that is. The delivery keeps it: it is due then, and
     * takes no other for its next attempt.
     */
    async takeSlot(delivery: DueDelivery, rateLimit: number, now: number): Promise<number> {
      const { nextSlotAt } = webhookEndpoints;
      const every = Math.ceil(1000 / rateLimit);
      const [endpoint] = await db
        .update(webhookEndpoints)
        .set({ nextSlotAt: sql`max(coalesce(${nextSlotAt}, 0), ${now}) + ${every}` })
        .where(eq(webhookEndpoints.id, delivery.endpoint.id))
        .returning({ nextSlotAt });
      const slotAt = (endpoint?.nextSlotAt ?? now + every) - every;
      if (slotAt > now) {
        await db.update(deliveries).set({ slotAt, dueAt: slotAt }).where(unclaimed(delivery, now));
      }
      return slotAt;
    },

    /** Lets it wait until its endpoint has answered a ping. */
    async hold(delivery: DueDelivery, now: number): Promise<void> {
      await db
        .update(deliveries)
        .set({ dueAt: null, slotAt: null })
        .where(
          and(
            unclaimed(delivery, now),
            sql`exists (select 1 from ${webhookEndpoints} where ${webhookEndpoints.id} = ${delivery.endpoint.id}
              and ${webhookEndpoints.status} = 'pending')`,
          ),
        );
    },

    /** Ends a delivery without an attempt, unless one is under way; with `unanswered`, its endpoint is disabled too. */
    async end(
      delivery: DueDelivery,
      status: "skipped" | "exhausted",
      now: number,
      unanswered: EndpointEvent | null = null,
    ): Promise<void> {
      const is = unclaimed(delivery, now);
      const end = db
        .update(deliveries)
        .set({ status, dueAt: null, slotAt: null, leaseUntil: null, endedAt: now })
        .where(is);
      if (unanswered === null) {
        await end;
        return;
      }
      const { id, url } = delivery.endpoint;
      const key = { id, app: delivery.app, livemode: delivery.livemode };
      const still = sql`${eq(webhookEndpoints.url, url)} and exists (select 1 from ${deliveries} where ${is})`;
      await db.batch([
        ...disable(db, key, "unanswered", unanswered, now, still),
        end,
        skipPending(db, key, now),
      ]);
    },

    /** Writes an attempt, what it did to the delivery and to its endpoint: all of it, if the lease still holds. */
    async record(
      delivery: DueDelivery,
      leaseUntil: number,
      attempt: Attempt,
      outcome: Outcome,
    ): Promise<void> {
      const now = attempt.startedAt + attempt.durationMs;
      const held = and(
        eq(deliveries.id, delivery.id),
        eq(deliveries.leaseUntil, leaseUntil),
        eq(deliveries.status, "pending"),
      ) as SQL;
      const isHeld = sql`exists (select 1 from ${deliveries} where ${held})`;
      // Whoever sent it again meanwhile began a new run, which a failure of the earlier one does not end.
      const { attemptsBefore } = deliveries;
      const inRun =
        outcome.status === "delivered" ? held : and(held, eq(attemptsBefore, delivery.attemptsBefore));
      const { id, url, firstFailureAt } = delivery.endpoint;
      const key = { id, app: delivery.app, livemode: delivery.livemode };
      const writes: [BatchItem<"sqlite">, ...BatchItem<"sqlite">[]] = [insertAttempt(db, attempt, held)];
      if (outcome.endpoint !== null) {
        const { answered, lane } = outcome.endpoint;
        const since = sql`coalesce(${webhookEndpoints.firstFailureAt}, ${Math.floor(attempt.startedAt / 1000)})`;
        // Compared with what it is now, not with what it was when this attempt began.
        const changes = answered
          ? sql`(${webhookEndpoints.lane} <> ${lane} or ${webhookEndpoints.firstFailureAt} is not null)`
          : sql`(${webhookEndpoints.lane} <> ${lane} or ${webhookEndpoints.firstFailureAt} is null)`;
        writes.push(
          db
            .update(webhookEndpoints)
            .set({ lane, firstFailureAt: answered ? null : since })
            // An address that it has left says nothing about it.
            .where(and(eq(webhookEndpoints.id, id), eq(webhookEndpoints.url, url), changes, isHeld)),
        );
      }
      if (outcome.enables) writes.push(...enable(db, key, url, now, isHeld));
      const { disables } = outcome;
      if (disables !== null) {
        // What it was judged by must still be so: another attempt may have succeeded since, or its address changed.
        const stillFails = sql`${webhookEndpoints.firstFailureAt} is ${firstFailureAt}`;
        const still = and(
          eq(webhookEndpoints.url, url),
          disables.reason === "failing" ? stillFails : undefined,
          sql`exists (select 1 from ${deliveries} where ${disables.reason === "gone" ? held : inRun})`,
        );
        writes.push(...disable(db, key, disables.reason, disables.event, now, still));
      }
      // The delivery after them: they look for the lease that it gives up.
      writes.push(
        db
          .update(deliveries)
          .set({
            status: outcome.status,
            dueAt: outcome.dueAt,
            leaseUntil: null,
            slowEndpoint: null,
            ...(outcome.dueAt === null ? { endedAt: now } : {}),
          })
          .where(inRun),
        db.update(deliveries).set({ leaseUntil: null, slowEndpoint: null }).where(held),
      );
      if (disables !== null) writes.push(skipPending(db, key, now));
      await db.batch(writes);
    },

    /** What is due at an endpoint that was enabled, or recovers; a rest is left to the cron. */
    async listReleased(endpoint: EndpointRow, now: number, limit = RELEASED_MAX): Promise<Wakeable[]> {
      const { app, livemode, lane } = endpoint;
      const rows = await db
        .select({ id: deliveries.id })
        .from(deliveries)
        .where(and(isOpen(endpoint), lte(deliveries.dueAt, now), isFree(now)))
        .orderBy(asc(deliveries.createdAt), asc(deliveries.id))
        .limit(limit);
      return rows.map(({ id }) => ({ id, app, livemode, lane }));
    },

    /** Deliveries due now, endpoint by endpoint in turn, the longest waiting of each first. */
    async listOverdue(now: number, perEndpoint: number, limit: number): Promise<Wakeable[]> {
      const due = db
        .select({
          id: deliveries.id,
          app: deliveries.app,
          livemode: deliveries.livemode,
          endpoint: deliveries.endpoint,
          dueAt: deliveries.dueAt,
          turn: sql<number>`row_number() over (partition by ${deliveries.endpoint} order by ${deliveries.dueAt})`.as(
            "turn",
          ),
        })
        .from(deliveries)
        .where(and(lte(deliveries.dueAt, now), isFree(now)))
        .as("due");
      const rows = await db
        .select({ id: due.id, app: due.app, livemode: due.livemode, lane: webhookEndpoints.lane })
        .from(due)
        .leftJoin(webhookEndpoints, eq(webhookEndpoints.id, due.endpoint))
        // A slow endpoint gets no more at once anyway, and each attempt there wakes the next.
        .where(lte(due.turn, sql`iif(${webhookEndpoints.lane} = 'slow', ${SLOW_WOKEN_MAX}, ${perEndpoint})`))
        .orderBy(asc(due.turn), asc(due.dueAt))
        .limit(limit);
      return rows.map((row) => ({ ...row, lane: row.lane ?? "slow" }));
    },

    /** Deletes attempts, and deliveries that arrived, from before `before`: at most `limit` of each. */
    async forget(before: number, limit: number): Promise<void> {
      // The status is spelt out: only so does SQLite see that the partial index covers the question.
      await db.batch([
        db.delete(deliveryAttempts).where(sql`rowid in (select rowid from ${deliveryAttempts}
          where started_at < ${before} limit ${limit})`),
        db.delete(deliveries).where(sql`rowid in (select rowid from ${deliveries}
          where status = 'delivered' and ended_at < ${before} limit ${limit})`),
      ]);
    },

    /** Keeps a message the queue gave up on, once however often it comes; flags its delivery. */
    async bury(letter: typeof deadLetters.$inferInsert, delivery: string | null): Promise<void> {
      const insert = db.insert(deadLetters).values(letter).onConflictDoNothing();
      if (delivery === null) {
        await insert;
        return;
      }
      const message = { delivery, app: letter.app, livemode: letter.livemode };
      await db.batch([insert, db.update(deliveries).set({ deadLettered: true }).where(addressed(message))]);
    },
  };
}

function insertAttempt(db: Database, attempt: Attempt, held: SQL) {
  return db.insert(deliveryAttempts).select(
    db
      .select({
        delivery: deliveries.id,
        number: deliveries.attempts,
        trigger: sql<Trigger>`${attempt.trigger}`.as(deliveryAttempts.trigger.name),
        startedAt: sql<number>`${attempt.startedAt}`.as(deliveryAttempts.startedAt.name),
        durationMs: sql<number>`${attempt.durationMs}`.as(deliveryAttempts.durationMs.name),
        httpStatus: sql<number | null>`${attempt.httpStatus}`.as(deliveryAttempts.httpStatus.name),
        failure: sql<string | null>`${attempt.failure}`.as(deliveryAttempts.failure.name),
        answer: sql<string | null>`${attempt.answer}`.as(deliveryAttempts.answer.name),
      })
      .from(deliveries)
      .where(held),
  );
}

function addressed(message: DeliveryMessage): SQL | undefined {
  return and(
    eq(deliveries.id, message.delivery),
    eq(deliveries.app, message.app),
    eq(deliveries.livemode, message.livemode),
  );
}

/** No app and no mode is ever told what happened in another. */
function sameTenant(t: typeof events | typeof webhookEndpoints): SQL | undefined {
  return and(eq(t.app, deliveries.app), eq(t.livemode, deliveries.livemode));
}

/** As it was found: due, and claimed by nobody since. */
function unclaimed(delivery: DueDelivery, now: number): SQL | undefined {
  return and(
    eq(deliveries.id, delivery.id),
    eq(deliveries.attempts, delivery.attempts),
    eq(deliveries.status, "pending"),
    claimable(now),
  );
}

/** Due, which an ended delivery never is, and under way nowhere. */
function claimable(now: number): SQL | undefined {
  return and(lte(deliveries.dueAt, now + EARLY_MS), isFree(now));
}
