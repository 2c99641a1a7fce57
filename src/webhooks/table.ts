import { sql } from "drizzle-orm";
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import type { Metadata } from "../charges/charge.ts";
import type { EventType } from "../events/event.ts";
import { DELIVERY_STATUSES, LANES, TRIGGERS } from "./delivery.ts";
import { DISABLED_REASONS, ENDPOINT_STATUSES, SCHEDULES } from "./endpoint.ts";

/** A live secret of an endpoint, sealed; `expiresAt` (ms) is set once it was rolled. */
export interface SealedSecret {
  sealed: string;
  createdAt: number;
  expiresAt: number | null;
}

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
    /** Unix seconds. */
    created: integer().notNull(),
    firstFailureAt: integer("first_failure_at"),
    disabledAt: integer("disabled_at"),
    disabledReason: text("disabled_reason", { enum: DISABLED_REASONS }),
    deletedAt: integer("deleted_at"),
  },
  (t) => [index("webhook_endpoints_app").on(t.app, t.livemode, t.created)],
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
    /** When the next attempt is due, ms; null once nothing is left to do. */
    dueAt: integer("due_at"),
    /** Until when an attempt may be under way, ms. */
    leaseUntil: integer("lease_until"),
    trigger: text({ enum: TRIGGERS }).notNull().default("auto"),
    /** The queue gave up on it; the cron still delivers it. */
    deadLettered: integer("dead_lettered", { mode: "boolean" }).notNull().default(false),
    /** ms since the epoch. */
    createdAt: integer("created_at").notNull(),
    endedAt: integer("ended_at"),
  },
  (t) => [
    uniqueIndex("deliveries_event_endpoint").on(t.event, t.endpoint),
    index("deliveries_endpoint").on(t.app, t.livemode, t.endpoint, t.status),
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

export const deadLetters = sqliteTable("dead_letters", {
  id: text().primaryKey(),
  app: text().notNull(),
  livemode: integer({ mode: "boolean" }).notNull(),
  queue: text().notNull(),
  message: text().notNull(),
  /** ms since the epoch. */
  createdAt: integer("created_at").notNull(),
  redrivenAt: integer("redriven_at"),
});
