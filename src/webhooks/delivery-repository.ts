// Deliveries in D1. A delivery is claimed by a conditional update that takes a lease; whatever follows is written under
// that lease, so that of two workers on the same delivery only one posts and only one writes.
import { and, asc, eq, isNull, lte, or, type SQL, sql } from "drizzle-orm";
import { signingKeys } from "../auth/table.ts";
import type { Database } from "../db/client.ts";
import { events } from "../events/table.ts";
import type { DeliveryMessage, DeliveryStatus, Lane, Trigger } from "./delivery.ts";
import type { Schedule } from "./endpoint.ts";
import { deadLetters, deliveries, deliveryAttempts, type SealedSecret, webhookEndpoints } from "./table.ts";

/** Longer than the HTTP time-out, or a delivery would be posted twice at once. */
const LEASE_MS = 60_000;
/** How far ahead of its time a delivery may be claimed: a queue delays by whole seconds. */
const EARLY_MS = 1000;

/** A delivery that is due, with all that one attempt needs. */
export interface DueDelivery {
  id: string;
  app: string;
  livemode: boolean;
  /** Attempts begun so far. */
  attempts: number;
  trigger: Trigger;
  event: { id: string; body: string };
  endpoint: {
    id: string;
    url: string;
    schedule: Schedule;
    secrets: SealedSecret[];
    lane: Lane;
    firstFailureAt: number | null;
    /** Deleted or disabled. */
    ended: boolean;
  };
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
  endpoint: Partial<typeof webhookEndpoints.$inferInsert> | null;
}

/** A delivery the sweeper found due. */
export interface OverdueDelivery {
  id: string;
  app: string;
  livemode: boolean;
  lane: Lane;
}

export type DeliveryRepository = ReturnType<typeof deliveryRepository>;

/** Times in ms since the epoch. */
export function deliveryRepository(db: Database) {
  return {
    /** Null when there is nothing to do: unknown, ended, not due yet, or under way elsewhere. */
    async findDue(message: DeliveryMessage, now: number): Promise<DueDelivery | null> {
      const [row] = await db
        .select({
          attempts: deliveries.attempts,
          trigger: deliveries.trigger,
          event: { id: events.id, body: events.body },
          endpoint: webhookEndpoints,
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
      const { status, deletedAt, ...endpoint } = row.endpoint;
      return {
        ...row,
        id: message.delivery,
        app: message.app,
        livemode: message.livemode,
        endpoint: { ...endpoint, ended: status === "disabled" || deletedAt !== null },
      };
    },

    /**
     * Takes the lease and counts the attempt; the lease's end, or null when somebody else was faster. Counted before it
     * is made: an attempt whose outcome can never be written must not be repeated for ever.
     */
    async claim(delivery: DueDelivery, now: number): Promise<number | null> {
      const leaseUntil = now + LEASE_MS;
      const result = await db
        .update(deliveries)
        .set({ leaseUntil, attempts: delivery.attempts + 1, trigger: "auto" })
        .where(
          and(
            eq(deliveries.id, delivery.id),
            eq(deliveries.attempts, delivery.attempts),
            eq(deliveries.status, "pending"),
            claimable(now),
          ),
        );
      return result.meta.changes > 0 ? leaseUntil : null;
    },

    /** Writes an attempt, what it did to the delivery and to its endpoint: all of it, if the lease still holds. */
    async record(
      delivery: DueDelivery,
      leaseUntil: number,
      attempt: Attempt,
      outcome: Outcome,
    ): Promise<void> {
      const held = and(
        eq(deliveries.id, delivery.id),
        eq(deliveries.leaseUntil, leaseUntil),
        eq(deliveries.status, "pending"),
      );
      const insertAttempt = db.insert(deliveryAttempts).select(
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
      const ended = outcome.dueAt === null;
      const update = db
        .update(deliveries)
        .set({
          status: outcome.status,
          dueAt: outcome.dueAt,
          leaseUntil: null,
          ...(ended ? { endedAt: attempt.startedAt + attempt.durationMs } : {}),
        })
        .where(held);
      if (outcome.endpoint === null) {
        await db.batch([insertAttempt, update]);
        return;
      }
      const updateEndpoint = db
        .update(webhookEndpoints)
        .set(outcome.endpoint)
        .where(
          and(
            eq(webhookEndpoints.id, delivery.endpoint.id),
            sql`exists (select 1 from ${deliveries} where ${held})`,
          ),
        );
      // The delivery last: the others look for the lease that it gives up.
      await db.batch([insertAttempt, updateEndpoint, update]);
    },

    /** Ends a delivery without an attempt, unless one is under way. */
    async end(delivery: DueDelivery, status: "skipped" | "exhausted", now: number): Promise<void> {
      await db
        .update(deliveries)
        .set({ status, dueAt: null, leaseUntil: null, endedAt: now })
        .where(and(eq(deliveries.id, delivery.id), eq(deliveries.status, "pending"), claimable(now)));
    },

    /** Deliveries due now, endpoint by endpoint in turn, the longest waiting of each first. */
    async listOverdue(now: number, perEndpoint: number, limit: number): Promise<OverdueDelivery[]> {
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
        .where(and(lte(deliveries.dueAt, now), free(now)))
        .as("due");
      const rows = await db
        .select({ id: due.id, app: due.app, livemode: due.livemode, lane: webhookEndpoints.lane })
        .from(due)
        .leftJoin(webhookEndpoints, eq(webhookEndpoints.id, due.endpoint))
        .where(lte(due.turn, perEndpoint))
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

/** Due, which an ended delivery never is, and under way nowhere. */
function claimable(now: number): SQL | undefined {
  return and(lte(deliveries.dueAt, now + EARLY_MS), free(now));
}

function free(now: number): SQL | undefined {
  return or(isNull(deliveries.leaseUntil), lte(deliveries.leaseUntil, now));
}
