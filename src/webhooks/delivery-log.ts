// What became of deliveries, read from D1 for the API: always of one app and mode. Nothing here changes a delivery.
// D1 has no statistics to plan by, so a `+` before a column tells SQLite which index not to use for it.
import { and, asc, desc, eq, gt, lt, type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { keyset, type Position } from "../db/keyset.ts";
import type { EventType } from "../events/event.ts";
import { events } from "../events/table.ts";
import type { CreatedRange, Page } from "../http/pagination.ts";
import type { DeliveryStatus } from "./delivery.ts";
import type { AttemptRow, StoredDelivery } from "./delivery-schema.ts";
import { deliveries, deliveryAttempts } from "./table.ts";

export interface DeliveryFilter {
  event: string | null;
  endpoint: string | null;
  status: DeliveryStatus | null;
  /** Unix seconds, as everywhere on the wire. */
  created: CreatedRange;
}

const storedDelivery = {
  id: deliveries.id,
  event: deliveries.event,
  // Qualified by hand: in a select from one table the names would be ambiguous here.
  eventType: sql<EventType>`(select ${events}."type" from ${events} where ${events}."id" = ${deliveries}."event")`,
  endpoint: deliveries.endpoint,
  livemode: deliveries.livemode,
  status: deliveries.status,
  attempts: deliveries.attempts,
  deadLettered: deliveries.deadLettered,
  createdAt: deliveries.createdAt,
  dueAt: deliveries.dueAt,
  endedAt: deliveries.endedAt,
};

const ofApp = (app: string, livemode: boolean) =>
  and(eq(deliveries.app, app), eq(deliveries.livemode, livemode));

/** A delivery with its newest attempt. */
export async function findDelivery(
  db: Database,
  app: string,
  livemode: boolean,
  id: string,
): Promise<StoredDelivery | null> {
  const newest = sql`(select max(a.number) from ${deliveryAttempts} a where a.delivery = ${deliveries.id})`;
  const [found] = await db
    .select({ ...storedDelivery, lastAttempt: deliveryAttempts })
    .from(deliveries)
    .leftJoin(
      deliveryAttempts,
      and(eq(deliveryAttempts.delivery, deliveries.id), sql`${deliveryAttempts.number} = ${newest}`),
    )
    .where(and(ofApp(app, livemode), eq(deliveries.id, id)));
  return found ?? null;
}

/** Where a delivery stands in the list of its app and mode, whatever the list is narrowed to. */
export async function findDeliveryPosition(
  db: Database,
  app: string,
  livemode: boolean,
  id: string,
): Promise<Position | null> {
  const [found] = await db
    .select({ created: deliveries.createdAt, seq: deliveries.id })
    .from(deliveries)
    .where(and(ofApp(app, livemode), eq(deliveries.id, id)));
  return found ?? null;
}

/** The deliveries nearest to the cursor in the direction of travel, one more than the page holds. */
export async function listDeliveries(
  db: Database,
  app: string,
  livemode: boolean,
  filter: DeliveryFilter,
  page: Page,
  cursor: Position | null,
): Promise<StoredDelivery[]> {
  const { from, to } = filter.created;
  const { where, orderBy, limit } = keyset(
    { created: deliveries.createdAt, seq: deliveries.id },
    page,
    cursor,
    {
      from: from === null ? null : from * 1000,
      to: to === null ? null : to * 1000 + 999,
    },
  );
  return await db
    .select(storedDelivery)
    .from(deliveries)
    .where(and(narrowed(app, livemode, filter), where))
    .orderBy(...orderBy)
    .limit(limit);
}

/**
 * The filter, written so that one index answers it in the order of the list:
 * - an event has at most a delivery per endpoint: they are found by it and sorted;
 * - a status other than `delivered` by `deliveries_undelivered`, which holds what did not arrive and nothing else;
 * - an endpoint by `deliveries_endpoint`, the rest by `deliveries_created`. Most deliveries are `delivered`: there that
 *   status is looked for row by row.
 */
function narrowed(
  app: string,
  livemode: boolean,
  { event, endpoint, status }: DeliveryFilter,
): SQL | undefined {
  const { event: ofEvent, endpoint: ofEndpoint, status: inStatus } = deliveries;
  if (event !== null) {
    return and(
      eq(ofEvent, event),
      endpoint === null ? undefined : eq(ofEndpoint, endpoint),
      sql`+${deliveries.app} = ${app} and +${deliveries.livemode} = ${livemode ? 1 : 0}`,
      status === null ? undefined : eq(inStatus, status),
    );
  }
  if (status === null || status === "delivered") {
    return and(
      ofApp(app, livemode),
      endpoint === null ? undefined : eq(ofEndpoint, endpoint),
      status === null ? undefined : eq(inStatus, status),
    );
  }
  return and(
    ofApp(app, livemode),
    undelivered(status),
    endpoint === null ? undefined : sql`+${ofEndpoint} = ${endpoint}`,
  );
}

/** Spelt out: only so does SQLite see that the partial index covers the question. */
export function undelivered(status: Exclude<DeliveryStatus, "delivered">): SQL | undefined {
  return and(eq(deliveries.status, status), sql`${deliveries.status} <> 'delivered'`);
}

/** Whether a delivery has an attempt of that number. */
export async function hasAttempt(db: Database, delivery: string, number: number): Promise<boolean> {
  const { delivery: ofDelivery, number: ofNumber } = deliveryAttempts;
  const found = await db
    .select({ number: ofNumber })
    .from(deliveryAttempts)
    .where(and(eq(ofDelivery, delivery), eq(ofNumber, number)));
  return found.length > 0;
}

/** The attempts of a delivery nearest to the cursor in the direction of travel, one more than the page holds. */
export async function listAttempts(db: Database, delivery: string, page: Page): Promise<AttemptRow[]> {
  const { delivery: ofDelivery, number } = deliveryAttempts;
  const { startingAfter, endingBefore, limit } = page;
  return await db
    .select()
    .from(deliveryAttempts)
    .where(
      and(
        eq(ofDelivery, delivery),
        startingAfter === null ? undefined : gt(number, Number(startingAfter)),
        endingBefore === null ? undefined : lt(number, Number(endingBefore)),
      ),
    )
    .orderBy(endingBefore === null ? asc(number) : desc(number))
    .limit(limit + 1);
}
