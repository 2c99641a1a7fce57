// What happens to an endpoint besides its being edited: it is pinged, enabled, disabled. Statements for one batch each,
// so that endpoint, deliveries and event change together; every one says itself when it applies.
import { and, eq, isNull, ne, type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import type { Tenant } from "../db/tenant.ts";
import type { EndpointEvent } from "../events/event.ts";
import { events } from "../events/table.ts";
import type { Trigger } from "./delivery.ts";
import type { DisabledReason } from "./endpoint.ts";
import { insertDeliveries, insertDelivery, insertEvent } from "./fan-out.ts";
import { deliveries, webhookEndpoints } from "./table.ts";

export interface EndpointKey extends Tenant {
  id: string;
}

/** Of this app and mode, and not deleted. */
export function isEndpoint({ app, livemode, id }: EndpointKey): SQL {
  const { app: ofApp, livemode: ofMode, id: ofId, deletedAt } = webhookEndpoints;
  return and(eq(ofId, id), eq(ofApp, app), eq(ofMode, livemode), isNull(deletedAt)) as SQL;
}

/**
 * Disables it, with an event to the app's other endpoints; nothing at all if it is disabled already or `when` does not
 * hold. `skipPending` belongs behind it in the batch. `now` in ms.
 */
export function disable(
  db: Database,
  endpoint: EndpointKey,
  reason: DisabledReason,
  event: EndpointEvent,
  now: number,
  when: SQL = sql`true`,
) {
  const isOn = and(isEndpoint(endpoint), ne(webhookEndpoints.status, "disabled"), when) as SQL;
  return [
    insertEvent(db, endpoint, event, sql`exists (select 1 from ${webhookEndpoints} where ${isOn})`),
    insertDeliveries(db, endpoint, event, now),
    db
      .update(webhookEndpoints)
      .set({ status: "disabled", disabledReason: reason, disabledAt: Math.floor(now / 1000) })
      .where(isOn),
  ] as const;
}

/** Ends what was on its way to an endpoint that is disabled or deleted, but for an attempt under way. */
export function skipPending(db: Database, endpoint: EndpointKey, now: number) {
  return db
    .update(deliveries)
    .set({ status: "skipped", dueAt: null, slotAt: null, leaseUntil: null, endedAt: now })
    .where(
      and(
        isOpen(endpoint),
        isFree(now),
        sql`exists (select 1 from ${webhookEndpoints} where ${webhookEndpoints.id} = ${endpoint.id}
          and (${webhookEndpoints.status} = 'disabled' or ${webhookEndpoints.deletedAt} is not null))`,
      ),
    );
}

/** A ping and its delivery, if `when` holds. */
export function ping(
  db: Database,
  endpoint: EndpointKey,
  event: EndpointEvent,
  now: number,
  trigger: Trigger = "auto",
  when: SQL = sql`true`,
) {
  return [
    insertEvent(
      db,
      endpoint,
      event,
      sql`exists (select 1 from ${webhookEndpoints} where ${isEndpoint(endpoint)}) and ${when}`,
    ),
    insertDelivery(db, endpoint, event, endpoint.id, trigger, now),
  ] as const;
}

/** Enables an endpoint that still waits for the answer of this address, and makes due what waited for it. */
export function enable(db: Database, endpoint: EndpointKey, url: string, now: number, when: SQL) {
  return [
    db
      .update(webhookEndpoints)
      .set({ status: "enabled" })
      .where(
        and(
          isEndpoint(endpoint),
          eq(webhookEndpoints.status, "pending"),
          eq(webhookEndpoints.url, url),
          when,
        ),
      ),
    db
      .update(deliveries)
      .set({ dueAt: now })
      .where(
        and(
          isOpen(endpoint),
          isNull(deliveries.dueAt),
          sql`exists (select 1 from ${webhookEndpoints} where ${isEndpoint(endpoint)} and ${webhookEndpoints.status} = 'enabled')`,
        ),
      ),
  ] as const;
}

/** Another address has to answer first: what is on its way waits for that, and pings of the earlier address end. */
export function holdPending(db: Database, endpoint: EndpointKey, now: number, when: SQL) {
  const isPing = sql`exists (select 1 from ${events} where ${events.id} = ${deliveries.event} and ${events.type} = 'webhook_endpoint.ping')`;
  return [
    db
      .update(deliveries)
      .set({ status: "skipped", dueAt: null, slotAt: null, leaseUntil: null, endedAt: now })
      .where(and(isOpen(endpoint), isFree(now), isPing, when)),
    db
      .update(deliveries)
      .set({ dueAt: null, slotAt: null })
      .where(and(isOpen(endpoint), isFree(now), when)),
  ] as const;
}

/** A delivery to this endpoint that has not ended. */
export function isOpen({ app, livemode, id }: EndpointKey): SQL {
  return and(
    eq(deliveries.app, app),
    eq(deliveries.livemode, livemode),
    eq(deliveries.endpoint, id),
    // Spelt out twice: only so does SQLite see that the partial index covers the question.
    sql`${deliveries.status} = 'pending' and ${deliveries.status} <> 'delivered'`,
  ) as SQL;
}

/** No attempt is under way. */
export function isFree(now: number): SQL {
  return sql`(${deliveries.leaseUntil} is null or ${deliveries.leaseUntil} <= ${now})`;
}
