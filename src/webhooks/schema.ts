// The webhook endpoint on the wire: what a client sends, and what it sees. A secret is shown once, by the create.
import * as z from "zod";
import { EVENT_TYPES, type EventType } from "../events/event.ts";
import { metadataSchema, plainText } from "../http/wire.ts";
import { DISABLED_REASONS, ENDPOINT_STATUSES, SCHEDULES } from "./endpoint.ts";
import type { webhookEndpoints } from "./table.ts";

/** What an endpoint may ask for: event types by name, or `*` for Ping++'s own. */
const ENABLED_EVENTS = ["*", ...EVENT_TYPES] as const;
const DEFAULT_EVENTS: (EventType | "*")[] = ["refund.succeeded", "refund.failed"];

/** Body of a create. The address itself is judged by `url-guard.ts`. */
export const createEndpointSchema = z.strictObject({
  url: z.string(),
  enabled_events: z
    .array(z.enum(ENABLED_EVENTS))
    .min(1)
    .max(32)
    .transform((types) => [...new Set(types)])
    .default(DEFAULT_EVENTS),
  description: plainText(0, 255).nullish(),
  metadata: metadataSchema,
  schedule: z.enum(SCHEDULES).default("standard"),
});

export const endpointSchema = z.object({
  id: z.string(),
  object: z.literal("webhook_endpoint"),
  url: z.string(),
  enabled_events: z.array(z.enum(ENABLED_EVENTS)),
  status: z.enum(ENDPOINT_STATUSES),
  schedule: z.enum(SCHEDULES),
  description: z.string().nullable(),
  metadata: z.record(z.string(), z.string()),
  livemode: z.boolean(),
  created: z.int(),
  first_failure_at: z.int().nullable(),
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
  return {
    id: endpoint.id,
    object: "webhook_endpoint",
    url: endpoint.url,
    enabled_events: endpoint.enabledEvents,
    status: endpoint.status,
    schedule: endpoint.schedule,
    description: endpoint.description,
    metadata: endpoint.metadata,
    livemode: endpoint.livemode,
    created: endpoint.created,
    first_failure_at: endpoint.firstFailureAt,
    disabled_at: endpoint.disabledAt,
    disabled_reason: endpoint.disabledReason,
  };
}
