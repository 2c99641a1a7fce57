// Events in D1, read. They are written by the ledgers' flush.
import { and, eq, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { keyset, type Position } from "../db/keyset.ts";
import type { CreatedRange, Page } from "../http/pagination.ts";
import { deliveries } from "../webhooks/table.ts";
import type { EventType } from "./event.ts";
import type { StoredEvent } from "./schema.ts";
import { events } from "./table.ts";

export interface EventFilter {
  type: EventType | null;
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
  const type = filter.type === null ? undefined : eq(events.type, filter.type);
  return await db
    .select(storedEvent)
    .from(events)
    .where(and(ofApp(app, livemode), type, where))
    .orderBy(...orderBy)
    .limit(limit);
}
