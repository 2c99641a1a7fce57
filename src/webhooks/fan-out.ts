// An event and its deliveries, as statements for the batch that makes the event true: whoever commits the fact commits
// with it who is to hear of it. Repeating the batch finds its own rows.
import { sql } from "drizzle-orm";
import type { SQL } from "drizzle-orm/sql";
import type { Database } from "../db/client.ts";
import { type BatchEvent, type EndpointEvent, type Event, PINGPP_EVENT_TYPES } from "../events/event.ts";
import { events } from "../events/table.ts";
import { deliveryIdOf, type Lane, type Trigger, type Wakeable } from "./delivery.ts";
import { deliveries, webhookEndpoints } from "./table.ts";

/** Whose event it is. */
export interface Tenant {
  app: string;
  livemode: boolean;
}

/** The event itself; with `when`, only if that holds at the time. */
export function insertEvent(
  db: Database,
  { app, livemode }: Tenant,
  event: Event | EndpointEvent | BatchEvent,
  when: SQL = sql`true`,
) {
  const about = { charge: null, refund: null, endpoint: null, batch: null, ...event };
  // Every column in the order of the table: that is what an insert from a query gives.
  return db
    .insert(events)
    .select(
      sql`select null, ${app}, ${livemode ? 1 : 0}, ${event.id}, ${event.type}, ${about.charge}, ${about.refund},
        ${about.endpoint}, ${about.batch}, ${event.created}, ${event.body} where ${when}`,
    )
    .onConflictDoNothing();
}

/**
 * A delivery to every endpoint that asked for the event's type: due now, held while the endpoint has not answered its
 * ping, skipped while it is disabled. The endpoint the event itself is about hears nothing. Answers with `written`.
 */
export function insertDeliveries(
  db: Database,
  { app, livemode }: Tenant,
  event: Event | EndpointEvent | BatchEvent,
  now: number,
) {
  const pingpp = (PINGPP_EVENT_TYPES as readonly string[]).includes(event.type) ? "*" : event.type;
  const asked = sql`exists (select 1 from json_each(${webhookEndpoints.enabledEvents}) where value in (${event.type}, ${pingpp}))`;
  // Whether an event about an endpoint or a batch came to be was decided by the statement before.
  const decided = sql`and exists (select 1 from ${events} where ${events.id} = ${event.id})`;
  const others =
    "endpoint" in event
      ? sql`and ${webhookEndpoints.id} <> ${event.endpoint} ${decided}`
      : "batch" in event
        ? decided
        : sql``;
  return db
    .insert(deliveries)
    .select(
      sql`select ${deliveryId(event.id)}, ${webhookEndpoints.app}, ${webhookEndpoints.livemode}, ${event.id},
        ${webhookEndpoints.id}, iif(${isDisabled}, 'skipped', 'pending'), 0, 0, iif(${isEnabled}, ${now}, null),
        null, null, null, 'auto', 0, ${now}, iif(${isDisabled}, ${now}, null)
      from ${webhookEndpoints}
      where ${webhookEndpoints.app} = ${app} and ${webhookEndpoints.livemode} = ${livemode ? 1 : 0}
        and ${webhookEndpoints.deletedAt} is null and ${asked} ${others}`,
    )
    .onConflictDoNothing()
    .returning(written);
}

/** One delivery of an event to one endpoint, whatever the endpoint asked for; due now. */
export function insertDelivery(
  db: Database,
  { app, livemode }: Tenant,
  event: { id: string },
  endpoint: string,
  trigger: Trigger,
  now: number,
) {
  return db
    .insert(deliveries)
    .select(
      sql`select ${deliveryIdOf(event.id, endpoint)}, ${webhookEndpoints.app}, ${webhookEndpoints.livemode},
        ${event.id}, ${webhookEndpoints.id}, 'pending', 0, 0, ${now}, null, null, null, ${trigger}, 0, ${now}, null
      from ${webhookEndpoints}
      where ${webhookEndpoints.app} = ${app} and ${webhookEndpoints.livemode} = ${livemode ? 1 : 0}
        and ${webhookEndpoints.id} = ${endpoint} and ${webhookEndpoints.deletedAt} is null
        and exists (select 1 from ${events} where ${events.id} = ${event.id})`,
    )
    .onConflictDoNothing();
}

const isEnabled = sql`${webhookEndpoints.status} = 'enabled'`;
const isDisabled = sql`${webhookEndpoints.status} = 'disabled'`;

/** What `deliveryIdOf` gives, for the endpoints of a query. */
function deliveryId(event: string): SQL {
  return sql`'dlv_' || substr(${event}, 5, 12) || substr(${webhookEndpoints.id}, 4, 12)`;
}

/** The lane is that of a delivery to be woken; one that is held or skipped has none. */
const written = {
  id: deliveries.id,
  lane: sql<Lane | null>`(select e.lane from webhook_endpoints e where e.id = endpoint and e.status = 'enabled')`,
};

/** Those of `insertDeliveries`' answers that are to be woken. */
export function toWake({ app, livemode }: Tenant, rows: readonly unknown[]): Wakeable[] {
  return (rows as { id: string; lane: Lane | null }[]).flatMap(({ id, lane }) =>
    lane === null ? [] : [{ id, lane, app, livemode }],
  );
}
