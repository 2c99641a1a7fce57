import { sql } from "drizzle-orm";
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import type { Metadata } from "../charges/charge.ts";
import type { EventType } from "../events/event.ts";
import { DELIVERY_STATUSES, LANES, TRIGGERS } from "./delivery.ts";
import { DISABLED_REASONS, ENDPOINT_STATUSES, SCHEDULES, type SealedSecret } from "./endpoint.ts";

/** Addresses that receive deliveries. A deleted one keeps its row, so that its deliveries keep their history. */
export const webhookEndpoints = sqliteTable(
  "webhook_endpoints",
  {
    id: text().primaryKey(),
    app: text().notNull(),
    livemode: integer({ mode: "boolean" }).notNull(),
    url: text().notNull(),
    enabledEvents: text("enabled_events", { mode: "json" }).$type<(EventType | "*")[]>().notNull(),
    status: text({ enum: ENDPOINT_STATUSES }).notNull(),
    schedule: text({ enum: SCHEDULES }).notNull(),
    secrets: text({ mode: "json" }).$type<SealedSecret[]>().notNull(),
    description: text(),
    metadata: text({ mode: "json" }).$type<Metadata>().notNull(),
    /** Deliveries a second at most; null for no limit. */
    rateLimit: integer("rate_limit"),
    lane: text({ enum: LANES }).notNull().default("fast"),
    /** With a rate limit: when the next delivery may be sent that has no slot yet, ms. */
    nextSlotAt: integer("next_slot_at"),
    /** Unix seconds. */
    created: integer().notNull(),
    /** The first failure since the last 2xx. */
    firstFailureAt: integer("first_failure_at"),
    disabledAt: integer("disabled_at"),
    disabledReason: text("disabled_reason", { enum: DISABLED_REASONS }),
    deletedAt: integer("deleted_at"),
  },
  (t) => [
    index("webhook_endpoints_app").on(t.app, t.livemode, t.created),
    index("webhook_endpoints_disabled")
      .on(t.app, t.livemode, t.disabledAt, t.id)
      .where(sql`${t.status} = 'disabled' and ${t.deletedAt} is null`),
  ],
);

/** One row per event and endpoint that asked for it, written in the same batch as the event. */
export const deliveries = sqliteTable(
  "deliveries",
  {
    id: text().primaryKey(),
    app: text().notNull(),
    livemode: integer({ mode: "boolean" }).notNull(),
    event: text().notNull(),
    endpoint: text().notNull(),
    status: text({ enum: DELIVERY_STATUSES }).notNull(),
    attempts: integer().notNull().default(0),
    /** Attempts made before the present run of the schedule: a delivery that is sent again begins a new one. */
    attemptsBefore: integer("attempts_before").notNull().default(0),
    /** When the next attempt is due, ms; null once it has ended, and while its endpoint has not answered a ping yet. */
    dueAt: integer("due_at"),
    /** The slot it took under its endpoint's rate limit for the next attempt, ms. */
    slotAt: integer("slot_at"),
    /** Until when an attempt may be under way, ms. */
    leaseUntil: integer("lease_until"),
    /** Its endpoint, while an attempt through the slow lane is under way: these are counted. */
    slowEndpoint: text("slow_endpoint"),
    trigger: text({ enum: TRIGGERS }).notNull().default("auto"),
    /** The queue gave up on it; the cron still delivers it. */
    deadLettered: integer("dead_lettered", { mode: "boolean" }).notNull().default(false),
    /** ms since the epoch. */
    createdAt: integer("created_at").notNull(),
    endedAt: integer("ended_at"),
  },
  (t) => [
    uniqueIndex("deliveries_event_endpoint").on(t.event, t.endpoint),
    index("deliveries_created").on(t.app, t.livemode, t.createdAt, t.id),
    index("deliveries_endpoint").on(t.app, t.livemode, t.endpoint, t.createdAt, t.id),
    // Those that did not arrive are looked for by status; most did, and need no row here.
    index("deliveries_undelivered")
      .on(t.app, t.livemode, t.status, t.createdAt, t.id)
      .where(sql`${t.status} <> 'delivered'`),
    index("deliveries_slow").on(t.slowEndpoint, t.leaseUntil).where(sql`${t.slowEndpoint} is not null`),
    index("deliveries_due").on(t.dueAt).where(sql`${t.dueAt} is not null`),
    // For the retention: those that did not arrive are kept and must not be walked over every time.
    index("deliveries_delivered").on(t.endedAt).where(sql`${t.status} = 'delivered'`),
  ],
);

export const deliveryAttempts = sqliteTable(
  "delivery_attempts",
  {
    delivery: text().notNull(),
    number: integer().notNull(),
    trigger: text({ enum: TRIGGERS }).notNull(),
    /** ms since the epoch. */
    startedAt: integer("started_at").notNull(),
    durationMs: integer("duration_ms").notNull(),
    /** The endpoint's HTTP status; null when none came. */
    httpStatus: integer("http_status"),
    /** Why no status came. */
    failure: text(),
    /** The first bytes of a 2xx answer; never of another. */
    answer: text(),
  },
  (t) => [
    primaryKey({ columns: [t.delivery, t.number] }),
    index("delivery_attempts_started").on(t.startedAt),
  ],
);

/** Messages that a queue gave up on. */
export const deadLetters = sqliteTable(
  "dead_letters",
  {
    id: text().primaryKey(),
    app: text().notNull(),
    livemode: integer({ mode: "boolean" }).notNull(),
    queue: text().notNull(),
    message: text().notNull(),
    /** ms since the epoch. */
    createdAt: integer("created_at").notNull(),
    redrivenAt: integer("redriven_at"),
  },
  (t) => [
    index("dead_letters_created").on(t.app, t.livemode, t.createdAt, t.id),
    index("dead_letters_waiting")
      .on(t.app, t.livemode, t.createdAt, t.id)
      .where(sql`${t.redrivenAt} is null`),
  ],
);
