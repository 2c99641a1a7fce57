// Events in D1, read. They are written by the ledgers' flush.
import { and, eq, type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { keyset, type Position } from "../db/keyset.ts";
import type { CreatedRange, Page } from "../http/pagination.ts";
import type { DeliveryStatus } from "../webhooks/delivery.ts";
import { deliveries } from "../webhooks/table.ts";
import type { EventType } from "./event.ts";
import type { StoredEvent } from "./schema.ts";
import { events } from "./table.ts";

export interface EventFilter {
  type: EventType | null;
  /** Of at least one of its deliveries. */
  deliveryStatus: DeliveryStatus | null;
  created: CreatedRange;
}

const storedEvent = {
  body: events.body,
  // Qualified by hand: in a select from one table the names would be ambiguous here.
  pendingWebhooks: sql<number>`(select count(*) from ${deliveries}
    where ${deliveries}."event" = ${events}."id" and ${deliveries}."status" = 'pending')`,
};

const ofApp = (app: string, livemode: boolean) => and(eq(events.app, app), eq(events.livemode, livemode));

export async function findEvent(
  db: Database,
  app: string,
  livemode: boolean,
  id: string,
): Promise<StoredEvent | null> {
  const [found] = await db
    .select(storedEvent)
    .from(events)
    .where(and(ofApp(app, livemode), eq(events.id, id)));
  return found ?? null;
}

/** Where an event stands in the list of its app and mode. */
export async function findEventPosition(
  db: Database,
  app: string,
  livemode: boolean,
  id: string,
): Promise<Position | null> {
  const [found] = await db
    .select({ created: events.created, seq: events.seq })
    .from(events)
    .where(and(ofApp(app, livemode), eq(events.id, id)));
  return found ?? null;
}

/** The events nearest to the cursor in the direction of travel, one more than the page holds. */
export async function listEvents(
  db: Database,
  app: string,
  livemode: boolean,
  filter: EventFilter,
  page: Page,
  cursor: Position | null,
): Promise<StoredEvent[]> {
  const { where, orderBy, limit } = keyset(events, page, cursor, filter.created);
  return await db
    .select(storedEvent)
    .from(events)
    .where(and(narrowed(app, livemode, filter), where))
    .orderBy(...orderBy)
    .limit(limit);
}

/**
 * The filter, written so that it costs what it finds. Most events were delivered: these are met on a walk along the
 * list. What did not arrive is rare among all events there ever were, so it is looked up by its deliveries and then put
 * in order, of which only the page is kept: a `+` before a column keeps SQLite from walking the list for it.
 */
function narrowed(app: string, livemode: boolean, { type, deliveryStatus }: EventFilter): SQL | undefined {
  const ofType = type === null ? undefined : eq(events.type, type);
  if (deliveryStatus === null) return and(ofApp(app, livemode), ofType);
  if (deliveryStatus === "delivered") {
    const delivered = sql`exists (select 1 from ${deliveries}
      where ${deliveries}."event" = ${events}."id" and ${deliveries}."status" = 'delivered')`;
    return and(ofApp(app, livemode), ofType, delivered);
  }
  // The excluded status is spelt out: only so does SQLite see that the partial index covers the question.
  const undelivered = sql`${events.id} in (select ${deliveries}."event" from ${deliveries}
    where ${deliveries}."app" = ${app} and ${deliveries}."livemode" = ${livemode ? 1 : 0}
      and ${deliveries}."status" = ${deliveryStatus} and ${deliveries}."status" <> 'delivered')`;
  return and(
    undelivered,
    sql`+${events.app} = ${app} and +${events.livemode} = ${livemode ? 1 : 0}`,
    type === null ? undefined : sql`+${events.type} = ${type}`,
  );
}
