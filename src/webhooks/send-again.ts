// Deliveries that did not arrive begin a new run of their schedule: all of an endpoint from a period, or one. To an
// endpoint that has yet to answer its ping they wait for that. Times in ms.
import { and, desc, eq, gte, lte, notExists, type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import type { EndpointEvent, EventType } from "../events/event.ts";
import { events } from "../events/table.ts";
import type { DeliveryStatus } from "./delivery.ts";
import { deliveryIdOf } from "./delivery.ts";
import { type EndpointKey, isEndpoint, isOpen, ping } from "./endpoint-lifecycle.ts";
import { insertDelivery } from "./fan-out.ts";
import { deliveries, webhookEndpoints } from "./table.ts";

/** A ping never waits for a ping. */
const isPing = sql`exists (select 1 from ${events} where ${events.id} = ${deliveries.event}
  and ${events.type} = 'webhook_endpoint.ping')`;

/** What a new run of the schedule begins with. */
function newRun(endpoint: EndpointKey, now: number) {
  const isEnabled = sql`exists (select 1 from ${webhookEndpoints} where ${isEndpoint(endpoint)}
    and ${webhookEndpoints.status} = 'enabled')`;
  const due = sql`${isEnabled} or ${isPing}`;
  return {
    status: "pending",
    attemptsBefore: sql`${deliveries.attempts}`,
    trigger: "manual",
    dueAt: sql`iif(${due}, ${now}, null)`,
    slotAt: null,
    endedAt: null,
  } as const;
}

function isOn(endpoint: EndpointKey): SQL {
  return sql`exists (select 1 from ${webhookEndpoints} where ${isEndpoint(endpoint)}
    and ${webhookEndpoints.status} <> 'disabled')`;
}

/** Sends again what was exhausted or skipped, of the deliveries made from `since` to `until`; how many. */
export async function recoverDeliveries(
  db: Database,
  endpoint: EndpointKey,
  since: number,
  until: number,
  now: number,
): Promise<number> {
  const { app, livemode, endpoint: to, status, createdAt } = deliveries;
  const result = await db
    .update(deliveries)
    .set(newRun(endpoint, now))
    .where(
      and(
        eq(app, endpoint.app),
        eq(livemode, endpoint.livemode),
        // Spelt out twice: only so does SQLite see that the partial index covers the question.
        sql`${status} in ('exhausted', 'skipped') and ${status} <> 'delivered'`,
        gte(createdAt, since),
        lte(createdAt, until),
        eq(to, endpoint.id),
        isOn(endpoint),
        // Nobody missed a ping.
        sql`not ${isPing}`,
      ),
    );
  return result.meta.changes;
}

/**
 * Sends one event to one endpoint again, or for the first time if it never asked for it. With `force` also what arrived
 * or is on its way. The status that stands in the way; null when it is sent.
 */
export async function resendEvent(
  db: Database,
  endpoint: EndpointKey,
  event: string,
  force: boolean,
  now: number,
): Promise<Exclude<DeliveryStatus, "exhausted" | "skipped"> | null> {
  const id = deliveryIdOf(event, endpoint.id);
  const missed = sql`${deliveries.status} in ('exhausted', 'skipped')`;
  const [inserted, again, found] = await db.batch([
    insertDelivery(db, endpoint, { id: event }, endpoint.id, "manual", now),
    db
      .update(deliveries)
      .set(newRun(endpoint, now))
      .where(and(eq(deliveries.id, id), isOn(endpoint), force ? undefined : missed)),
    db.select({ status: deliveries.status }).from(deliveries).where(eq(deliveries.id, id)),
  ]);
  if (inserted.meta.changes > 0 || again.meta.changes > 0) return null;
  return found[0]?.status === "delivered" ? "delivered" : "pending";
}

/** The type of an event, and the endpoint it is about if it is about one; null when there is none. */
export async function findSubject(
  db: Database,
  { app, livemode }: { app: string; livemode: boolean },
  event: string,
): Promise<{ type: EventType; endpoint: string | null } | null> {
  const [found] = await db
    .select({ type: events.type, endpoint: events.endpoint })
    .from(events)
    .where(and(eq(events.id, event), eq(events.app, app), eq(events.livemode, livemode)));
  return found ?? null;
}

/** The ping of an endpoint that has not ended yet: its event, the newest if there are several. */
export async function findOpenPing(db: Database, endpoint: EndpointKey): Promise<string | null> {
  const [found] = await openPing(db, endpoint);
  return found?.event ?? null;
}

/** A ping that a person asked for: its event, or that of one which is open already; null when the endpoint was deleted. */
export async function addPing(
  db: Database,
  endpoint: EndpointKey,
  event: EndpointEvent,
  now: number,
): Promise<string | null> {
  const [, , [found]] = await db.batch([
    ...ping(db, endpoint, event, now, "manual", notExists(openPing(db, endpoint))),
    openPing(db, endpoint),
  ]);
  return found?.event ?? null;
}

function openPing(db: Database, endpoint: EndpointKey) {
  return db
    .select({ event: deliveries.event })
    .from(deliveries)
    .innerJoin(events, and(eq(events.id, deliveries.event), eq(events.type, "webhook_endpoint.ping")))
    .where(isOpen(endpoint))
    .orderBy(desc(deliveries.createdAt))
    .limit(1);
}
