// The webhook endpoint on the wire: what a client sends, and what it sees. A secret is shown once, by the create.
import * as z from "zod";
import { EVENT_TYPES, type EventType } from "../events/event.ts";
import { givenMetadataSchema, metadataSchema, plainText } from "../http/wire.ts";
import {
  DISABLED_REASONS,
  ENDPOINT_STATUSES,
  FAILING_MS,
  RATE_LIMIT_MAX,
  ROLL_SECONDS,
  SCHEDULES,
} from "./endpoint.ts";
import type { webhookEndpoints } from "./table.ts";

/** What an endpoint may ask for: event types by name, or `*` for Ping++'s own. */
const ENABLED_EVENTS = ["*", ...EVENT_TYPES] as const;
const DEFAULT_EVENTS: (EventType | "*")[] = ["refund.succeeded", "refund.failed"];

const enabledEvents = z
  .array(z.enum(ENABLED_EVENTS))
  .min(1)
  .max(32)
  .transform((types) => [...new Set(types)]);
/** Deliveries a second; null for no limit. */
const rateLimit = z.int().min(1).max(RATE_LIMIT_MAX).nullable();

/** Body of a create. The address itself is judged by `url-guard.ts`. */
export const createEndpointSchema = z.strictObject({
  url: z.string(),
  enabled_events: enabledEvents.default(DEFAULT_EVENTS),
  description: plainText(0, 255).nullish(),
  metadata: metadataSchema,
  schedule: z.enum(SCHEDULES).default("standard"),
  rate_limit: rateLimit.default(null),
  status: z.enum(["enabled", "disabled"]).default("enabled"),
});

/** Body of an update: what is absent stays as it is. */
export const updateEndpointSchema = z.strictObject({
  url: z.string().optional(),
  enabled_events: enabledEvents.optional(),
  description: plainText(0, 255).nullish(),
  metadata: givenMetadataSchema,
  schedule: z.enum(SCHEDULES).optional(),
  rate_limit: rateLimit.optional(),
  status: z.enum(["enabled", "disabled"]).optional(),
});

/** Body of a roll: for how many seconds the earlier secrets go on signing. */
export const rollSecretSchema = z.strictObject({
  expires_in: z.int().min(0).max(ROLL_SECONDS.max).default(ROLL_SECONDS.standard),
});

/** Body of a recovery: the period in which the deliveries were made, in Unix seconds; `until` is now unless given. */
export const recoverSchema = z.strictObject({ since: z.int().min(0), until: z.int().min(0).optional() });

/** Body of a resend; `force` also sends what arrived or is on its way. */
export const resendSchema = z.strictObject({ endpoint: z.string(), force: z.boolean().default(false) });

export const recoverySchema = z.object({
  object: z.literal("webhook_endpoint_recovery"),
  endpoint: z.string(),
  since: z.int(),
  until: z.int(),
  recovered: z.int(),
});

export const endpointSchema = z.object({
  id: z.string(),
  object: z.literal("webhook_endpoint"),
  url: z.string(),
  enabled_events: z.array(z.enum(ENABLED_EVENTS)),
  status: z.enum(ENDPOINT_STATUSES),
  schedule: z.enum(SCHEDULES),
  rate_limit: z.int().nullable(),
  description: z.string().nullable(),
  metadata: z.record(z.string(), z.string()),
  livemode: z.boolean(),
  created: z.int(),
  first_failure_at: z.int().nullable(),
  /** From then on it is disabled if it goes on failing and a delivery has run out of its schedule. */
  disable_at: z.int().nullable(),
  disabled_at: z.int().nullable(),
  disabled_reason: z.enum(DISABLED_REASONS).nullable(),
  secret: z.string().optional(),
});
export type EndpointObject = z.output<typeof endpointSchema>;

export const deletedEndpointSchema = z.object({
  id: z.string(),
  object: z.literal("webhook_endpoint"),
  deleted: z.literal(true),
});

export type EndpointRow = typeof webhookEndpoints.$inferSelect;

export function endpointObject(endpoint: EndpointRow): EndpointObject {
  const { firstFailureAt } = endpoint;
  const isFailing = endpoint.status === "enabled" && firstFailureAt !== null;
  return {
    id: endpoint.id,
    object: "webhook_endpoint",
    url: endpoint.url,
    enabled_events: endpoint.enabledEvents,
    status: endpoint.status,
    schedule: endpoint.schedule,
    rate_limit: endpoint.rateLimit,
    description: endpoint.description,
    metadata: endpoint.metadata,
    livemode: endpoint.livemode,
    created: endpoint.created,
    first_failure_at: firstFailureAt,
    disable_at: isFailing ? firstFailureAt + FAILING_MS / 1000 : null,
    disabled_at: endpoint.disabledAt,
    disabled_reason: endpoint.disabledReason,
  };
}
