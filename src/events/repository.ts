// Events in D1, read. They are written by the ledgers' flush.
import { and, eq, type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import type { Position } from "../db/keyset.ts";
import type { CreatedRange, Page } from "../http/pagination.ts";
import {
  type Condition,
  findRows,
  given,
  indexesOf,
  type Plan,
  planSearch,
  within,
} from "../search/search.ts";
import type { DeliveryStatus } from "../webhooks/delivery.ts";
import { deliveries } from "../webhooks/table.ts";
import type { EventType } from "./event.ts";
import type { StoredEvent } from "./schema.ts";
import { events } from "./table.ts";

export interface EventFilter {
  /** One of these; any, when there are none. */
  types: readonly EventType[];
  /** Those about its refunds included. */
  charge: string | null;
  refund: string | null;
  batch: string | null;
  /** Of at least one of its deliveries. */
  deliveryStatus: DeliveryStatus | null;
  created: CreatedRange;
}

const BY_CREATION = { by: "created", order: { created: events.created, seq: events.seq } } as const;

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

/** The search that a filter asks for, and the index it goes along. */
export async function planEvents(
  db: Database,
  app: string,
  livemode: boolean,
  { types, charge, refund, batch, deliveryStatus, created }: EventFilter,
): Promise<Plan> {
  const { along, list } = indexesOf("events", events, app, livemode);
  const [type, ...otherTypes] = types;
  const ofType = (one: EventType) => along("events_type", sql`${events.type} = ${one}`, BY_CREATION);
  // Several types are not in the order of the list: they lead the way while they, in this time, are few.
  const ofTypes = () => {
    const isOneOf = sql`${events.type} in (select value from json_each(${JSON.stringify(types)}))`;
    return along("events_type", and(isOneOf, within(BY_CREATION.order, created)) as SQL, null);
  };
  const ofRefund = (id: string) =>
    along(
      "events_charge",
      sql`${events.charge} = (select made.charge from refunds as made
        where made.app = ${app} and made.livemode = ${livemode ? 1 : 0} and made.id = ${id})
        and ${events.refund} = ${id}`,
      BY_CREATION,
    );
  return planSearch(db, {
    lists: { created: list("events_created", BY_CREATION) },
    sort: { by: "created", ascending: false },
    ranges: { created },
    conditions: [
      given(refund, ofRefund),
      given(charge, (id) => along("events_charge", sql`${events.charge} = ${id}`, BY_CREATION)),
      given(batch, (id) => along("events_batch", sql`${events.batch} = ${id}`, BY_CREATION)),
      given(deliveryStatus, (status) => withDelivery(app, livemode, status)),
      given(type ?? null, otherTypes.length === 0 ? ofType : ofTypes),
    ].filter((condition) => condition !== null),
  });
}

/**
 * Events with a delivery in a state. Most events were delivered: these are met on a walk along the list. What did not
 * arrive is rare among all events there ever were, so it is looked up by its deliveries and then put in order.
 */
function withDelivery(app: string, livemode: boolean, status: DeliveryStatus): Condition {
  const where = sql`exists (select 1 from deliveries as told
    where told.event = ${events.id} and told.status = ${status})`;
  if (status === "delivered") return { where };
  const mode = livemode ? 1 : 0;
  return {
    where,
    way: {
      from: sql`events indexed by events_id`,
      // The excluded status is spelt out: only so does SQLite see that the partial index covers the question.
      where: sql`${events.id} in (select ${deliveries.event} from deliveries
          where ${deliveries.app} = ${app} and ${deliveries.livemode} = ${mode}
            and ${deliveries.status} = ${status} and ${deliveries.status} <> 'delivered')
        and ${events.app} = ${app} and ${events.livemode} = ${mode}`,
      sorted: null,
      reach: "few",
    },
  };
}

/** The events nearest to the cursor in the direction of travel, one more than the page holds. */
export function findEvents(
  db: Database,
  plan: Plan,
  page: Page,
  cursor: Position | null,
): Promise<StoredEvent[]> {
  const { body, pendingWebhooks } = storedEvent;
  return findRows(db, plan, sql`${body} as body, ${pendingWebhooks} as pendingWebhooks`, page, cursor);
}
