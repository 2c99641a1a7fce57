// An event and its deliveries, as statements for the batch that makes the event true: whoever commits the fact commits
// with it who is to hear of it. Repeating the batch finds its own rows.
import { sql } from "drizzle-orm";
import type { SQL } from "drizzle-orm/sql";
import type { Database } from "../db/client.ts";
import { FixedStatement, pagesOf, parametersOf, rowsOf } from "../db/fixed-statement.ts";
import type { Tenant } from "../db/tenant.ts";
import { type BatchEvent, type EndpointEvent, type Event, PINGPP_EVENT_TYPES } from "../events/event.ts";
import { events } from "../events/table.ts";
import { deliveryIdOf, type Lane, type Trigger, type Wakeable } from "./delivery.ts";
import { deliveries, webhookEndpoints } from "./table.ts";

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

/** Events of anybody. */
const INSERT_EVENTS = new FixedStatement((db) =>
  db.insert(events).select(rowsOf(events)).onConflictDoNothing(),
);
const FAN_OUT = new FixedStatement<"told" | "now">((db) =>
  fanOut(db, sql`${sql.placeholder("told")}`, sql`${sql.placeholder("now")}`),
);

/** Events with their deliveries, as statements with a text that never changes; the last ones answer with `written`. */
export function announce(
  db: Database,
  told: readonly { tenant: Tenant; event: Event }[],
  now: number,
): { inserts: D1PreparedStatement[]; deliveries: D1PreparedStatement[] } {
  const rows = told.map(
    ({ tenant: { app, livemode }, event: { id, type, charge, refund, created, body } }) => {
      const about = { charge, refund, endpoint: null, batch: null };
      // The row id is D1's.
      return { seq: null as never, app, livemode, id, type, ...about, created, body };
    },
  );
  const asked = pagesOf(told.map(({ tenant, event }) => announced(tenant, event)));
  return {
    inserts: parametersOf(events, rows).map((page) => INSERT_EVENTS.bind(db, { rows: page })),
    deliveries: asked.map((page) => FAN_OUT.bind(db, { told: page, now })),
  };
}

/**
 * A delivery to every endpoint that asked for the event's type: due now, held while the endpoint has not answered its
 * ping, skipped while it is disabled. The endpoint the event itself is about hears nothing, and nobody does of an event
 * that the statement before decided against. Answers with `written`.
 */
export function insertDeliveries(
  db: Database,
  tenant: Tenant,
  event: Event | EndpointEvent | BatchEvent,
  now: number,
) {
  return fanOut(db, sql`${JSON.stringify([announced(tenant, event)])}`, sql`${now}`);
}

/** What decides who hears of an event. */
function announced({ app, livemode }: Tenant, event: Event | EndpointEvent | BatchEvent) {
  const pingpp = (PINGPP_EVENT_TYPES as readonly string[]).includes(event.type) ? "*" : event.type;
  const endpoint = "endpoint" in event ? event.endpoint : null;
  return [app, livemode ? 1 : 0, event.id, event.type, pingpp, endpoint];
}

function fanOut(db: Database, told: SQL, now: SQL) {
  const event = sql.raw("told.value ->> 2");
  return db
    .insert(deliveries)
    .select(
      sql`select ${deliveryId(event)}, ${webhookEndpoints.app}, ${webhookEndpoints.livemode}, ${event},
        ${webhookEndpoints.id}, iif(${isDisabled}, 'skipped', 'pending'), 0, 0, iif(${isEnabled}, ${now}, null),
        null, null, null, 'auto', 0, ${now}, iif(${isDisabled}, ${now}, null)
      from json_each(${told}) as told
      cross join ${webhookEndpoints} on ${webhookEndpoints.app} = told.value ->> 0
        and ${webhookEndpoints.livemode} = told.value ->> 1
      where ${webhookEndpoints.deletedAt} is null and ${webhookEndpoints.id} is not told.value ->> 5
        and exists (select 1 from json_each(${webhookEndpoints.enabledEvents}) as asked
          where asked.value in (told.value ->> 3, told.value ->> 4))
        and exists (select 1 from ${events} where ${events.id} = ${event})`,
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
function deliveryId(event: SQL): SQL {
  return sql`'dlv_' || substr(${event}, 5, 12) || substr(${webhookEndpoints.id}, 4, 12)`;
}

/** The lane is that of a delivery to be woken; one that is held or skipped has none. */
const written = {
  id: deliveries.id,
  app: deliveries.app,
  livemode: deliveries.livemode,
  lane: sql<Lane | null>`(select e.lane from webhook_endpoints e where e.id = endpoint and e.status = 'enabled')`.as(
    "lane",
  ),
};

/** Those of `written` that are to be woken. */
export function toWake(rows: readonly unknown[]): Wakeable[] {
  return (rows as { id: string; app: string; livemode: boolean | number; lane: Lane | null }[]).flatMap(
    ({ id, app, livemode, lane }) => (lane === null ? [] : [{ id, lane, app, livemode: Boolean(livemode) }]),
  );
}
