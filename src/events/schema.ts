// The event on the wire. A retrieved event is the delivered text with the live count of pending webhooks at its end.
import * as z from "zod";
import { isChargeId } from "../charges/charge.ts";
import { createdQuery, pageQuery } from "../http/pagination.ts";
import { isId } from "../ids.ts";
import { includeQuery } from "../search/query.ts";
import type { Total } from "../search/search.ts";
import { DELIVERY_STATUSES } from "../webhooks/delivery.ts";
import { EVENT_TYPES } from "./event.ts";

/** An event as it was delivered, and how many endpoints still wait for it. */
export interface StoredEvent {
  body: string;
  pendingWebhooks: number;
}

export const eventSchema = z.object({
  id: z.string(),
  created: z.int(),
  livemode: z.boolean(),
  type: z.enum(EVENT_TYPES),
  data: z.object({ object: z.record(z.string(), z.unknown()) }),
  object: z.literal("event"),
  request: z.string().nullable(),
  pending_webhooks: z.int(),
});

const types = z
  .union([z.string(), z.array(z.string())])
  .transform((given) => (Array.isArray(given) ? given : given.split(",")))
  .pipe(z.array(z.enum(EVENT_TYPES)).max(100))
  .optional();

export const eventListQuery = z.object({
  ...pageQuery(100, 10),
  ...createdQuery,
  ...includeQuery,
  /** One or several: `type=a,b` or `type[]=a&type[]=b`. */
  type: types,
  "type[]": types,
  delivery_status: z.enum(DELIVERY_STATUSES).optional(),
  charge: z.string().refine(isChargeId).optional(),
  refund: z
    .string()
    .refine((id) => isId("refund", id))
    .optional(),
  batch: z
    .string()
    .refine((id) => isId("batch", id))
    .optional(),
});

const DELIVERED_END = /"pending_webhooks":0\}$/;

/** Renders an event as text, because parsing would reorder number-like names inside the snapshot it carries. */
export function eventText({ body, pendingWebhooks }: StoredEvent): string {
  return body.replace(DELIVERED_END, `"pending_webhooks":${pendingWebhooks}}`);
}

export function eventListText(events: readonly StoredEvent[], hasMore: boolean, total: Total | null): string {
  const head = `{"object":"list","url":"/v1/events","has_more":${hasMore}`;
  const tail = total === null ? "}" : `,${JSON.stringify(total).slice(1)}`;
  return `${head},"data":[${events.map(eventText).join(",")}]${tail}`;
}
