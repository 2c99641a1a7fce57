// Deliveries and their attempts on the wire. Times are Unix seconds; of what an endpoint answered only the first bytes
// of a 2xx are shown.
import * as z from "zod";
import { EVENT_TYPES, type EventType } from "../events/event.ts";
import { createdQuery, pageQuery } from "../http/pagination.ts";
import { type IdKind, isId } from "../ids.ts";
import { DELIVERY_STATUSES, TRIGGERS } from "./delivery.ts";
import type { deliveries, deliveryAttempts } from "./table.ts";

const idOf = (kind: IdKind) => z.string().refine((text) => isId(kind, text));

export const deliveryListQuery = z.object({
  ...pageQuery(100, 10),
  ...createdQuery,
  event: idOf("event").optional(),
  endpoint: idOf("endpoint").optional(),
  status: z.enum(DELIVERY_STATUSES).optional(),
});

/** An attempt has no id of its own: its number within the delivery is its cursor. */
const attemptNumber = z.string().regex(/^\d{1,9}$/);
export const attemptListQuery = z.object({
  ...pageQuery(100, 100),
  starting_after: attemptNumber.optional(),
  ending_before: attemptNumber.optional(),
});

export const attemptSchema = z.strictObject({
  object: z.literal("webhook_delivery_attempt"),
  number: z.int(),
  trigger: z.enum(TRIGGERS),
  started_at: z.int(),
  duration_ms: z.int(),
  http_status: z.int().nullable(),
  failure: z.string().nullable(),
  answer: z.string().nullable(),
});
export type AttemptObject = z.output<typeof attemptSchema>;

export const deliverySchema = z.strictObject({
  id: z.string(),
  object: z.literal("webhook_delivery"),
  event: z.string(),
  event_type: z.enum(EVENT_TYPES),
  endpoint: z.string(),
  livemode: z.boolean(),
  status: z.enum(DELIVERY_STATUSES),
  attempts: z.int(),
  dead_lettered: z.boolean(),
  created: z.int(),
  next_attempt_at: z.int().nullable(),
  ended_at: z.int().nullable(),
  last_attempt: attemptSchema.nullable().optional(),
});
export type DeliveryObject = z.output<typeof deliverySchema>;

export type AttemptRow = typeof deliveryAttempts.$inferSelect;

/** A delivery as it is kept, with what the wire shows of its event. */
export interface StoredDelivery
  extends Pick<
    typeof deliveries.$inferSelect,
    | "id"
    | "event"
    | "endpoint"
    | "livemode"
    | "status"
    | "attempts"
    | "deadLettered"
    | "createdAt"
    | "dueAt"
    | "endedAt"
  > {
  eventType: EventType;
  /** The newest attempt that was written down, null if there is none; absent where it was not asked for. */
  lastAttempt?: AttemptRow | null;
}

const seconds = (ms: number) => Math.floor(ms / 1000);
const secondsOrNull = (ms: number | null) => (ms === null ? null : seconds(ms));

export function deliveryObject(delivery: StoredDelivery): DeliveryObject {
  const { lastAttempt } = delivery;
  return {
    id: delivery.id,
    object: "webhook_delivery",
    event: delivery.event,
    event_type: delivery.eventType,
    endpoint: delivery.endpoint,
    livemode: delivery.livemode,
    status: delivery.status,
    attempts: delivery.attempts,
    dead_lettered: delivery.deadLettered,
    created: seconds(delivery.createdAt),
    // A pending delivery without a time waits for its endpoint to answer a ping.
    next_attempt_at: secondsOrNull(delivery.dueAt),
    ended_at: secondsOrNull(delivery.endedAt),
    ...(lastAttempt === undefined
      ? {}
      : { last_attempt: lastAttempt === null ? null : attemptObject(lastAttempt) }),
  };
}

export function attemptObject(attempt: AttemptRow): AttemptObject {
  return {
    object: "webhook_delivery_attempt",
    number: attempt.number,
    trigger: attempt.trigger,
    started_at: seconds(attempt.startedAt),
    duration_ms: attempt.durationMs,
    http_status: attempt.httpStatus,
    failure: attempt.failure,
    answer: attempt.answer,
  };
}
