// An event: one fact about a refund or a webhook endpoint, rendered once when it happened and kept byte for byte.

/** Ping++'s own types: what `*` stands for. */
export const PINGPP_EVENT_TYPES = ["refund.succeeded", "refund.failed", "batch_refund.succeeded"] as const;

/** Ours; delivered only to endpoints that name them. */
export const OWN_EVENT_TYPES = [
  "refund.created",
  "refund.updated",
  "webhook_endpoint.disabled",
  "webhook_endpoint.ping",
] as const;

export const EVENT_TYPES = [...PINGPP_EVENT_TYPES, ...OWN_EVENT_TYPES] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** An event waiting for D1. `body` holds the exact bytes every endpoint receives. */
export interface Event {
  id: string;
  type: EventType;
  /** Unix seconds. */
  created: number;
  charge: string;
  refund: string | null;
  body: string;
}

/** An event about a webhook endpoint. */
export interface EndpointEvent extends Omit<Event, "charge" | "refund"> {
  endpoint: string;
}

/** An event about a batch. */
export interface BatchEvent extends Omit<Event, "charge" | "refund"> {
  batch: string;
}

/** Renders the event's bytes: keys in Ping++'s order, compact, `pending_webhooks` 0. */
export function eventBody(event: {
  id: string;
  created: number;
  livemode: boolean;
  type: EventType;
  object: unknown;
  request: string | null;
}): string {
  return JSON.stringify({
    id: event.id,
    created: event.created,
    livemode: event.livemode,
    type: event.type,
    data: { object: event.object },
    object: "event",
    request: event.request,
    pending_webhooks: 0,
  });
}
