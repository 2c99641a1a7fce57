// Webhook endpoints in D1, as the API sees them: of one app and mode, and never a deleted one.
import { and, count, desc, eq, isNull, lt, type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { ENDPOINTS_MAX } from "./endpoint.ts";
import type { EndpointRow } from "./schema.ts";
import { deliveries, webhookEndpoints } from "./table.ts";

/** The endpoints an app and mode has. */
function alive(app: string, livemode: boolean): SQL | undefined {
  const { app: ofApp, livemode: ofMode, deletedAt } = webhookEndpoints;
  return and(eq(ofApp, app), eq(ofMode, livemode), isNull(deletedAt));
}

/** Adds an endpoint; false when there are too many. Counted by the insert itself: two creates cannot both take the last place. */
export async function addEndpoint(db: Database, endpoint: EndpointRow): Promise<boolean> {
  const t = webhookEndpoints;
  const places = db
    .select({ taken: count() })
    .from(t)
    .where(alive(endpoint.app, endpoint.livemode))
    .as("places");
  const result = await db.insert(t).select(
    db
      .select({
        id: sql<string>`${endpoint.id}`.as(t.id.name),
        app: sql<string>`${endpoint.app}`.as(t.app.name),
        livemode: sql<boolean>`${endpoint.livemode ? 1 : 0}`.as(t.livemode.name),
        url: sql<string>`${endpoint.url}`.as(t.url.name),
        enabledEvents: stored<EndpointRow["enabledEvents"]>(endpoint.enabledEvents).as(t.enabledEvents.name),
        status: sql<EndpointRow["status"]>`${endpoint.status}`.as(t.status.name),
        schedule: sql<EndpointRow["schedule"]>`${endpoint.schedule}`.as(t.schedule.name),
        secrets: stored<EndpointRow["secrets"]>(endpoint.secrets).as(t.secrets.name),
        description: sql<string | null>`${endpoint.description}`.as(t.description.name),
        metadata: stored<EndpointRow["metadata"]>(endpoint.metadata).as(t.metadata.name),
        rateLimit: sql<number | null>`${endpoint.rateLimit}`.as(t.rateLimit.name),
        lane: sql<EndpointRow["lane"]>`${endpoint.lane}`.as(t.lane.name),
        created: sql<number>`${endpoint.created}`.as(t.created.name),
        firstFailureAt: sql<number | null>`${endpoint.firstFailureAt}`.as(t.firstFailureAt.name),
        disabledAt: sql<number | null>`${endpoint.disabledAt}`.as(t.disabledAt.name),
        disabledReason: sql<EndpointRow["disabledReason"]>`${endpoint.disabledReason}`.as(
          t.disabledReason.name,
        ),
        deletedAt: sql<number | null>`${endpoint.deletedAt}`.as(t.deletedAt.name),
      })
      .from(places)
      .where(lt(places.taken, ENDPOINTS_MAX)),
  );
  return result.meta.changes > 0;
}

function stored<Value>(value: Value): SQL<Value> {
  return sql<Value>`${JSON.stringify(value)}`;
}

/** Newest first. */
export async function listEndpoints(db: Database, app: string, livemode: boolean): Promise<EndpointRow[]> {
  const { created } = webhookEndpoints;
  return await db
    .select()
    .from(webhookEndpoints)
    .where(alive(app, livemode))
    .orderBy(desc(created), sql`rowid desc`);
}

export async function findEndpoint(
  db: Database,
  app: string,
  livemode: boolean,
  id: string,
): Promise<EndpointRow | null> {
  const [found] = await db
    .select()
    .from(webhookEndpoints)
    .where(and(alive(app, livemode), eq(webhookEndpoints.id, id)));
  return found ?? null;
}

/**
 * Deletes an endpoint and ends what was on its way to it, together; false when there is none. `now` in ms. The row
 * stays, so that its deliveries keep their history. A delivery written by a flush at the same moment ends when it is due.
 */
export async function deleteEndpoint(
  db: Database,
  app: string,
  livemode: boolean,
  id: string,
  now: number,
): Promise<boolean> {
  const [deleted] = await db.batch([
    db
      .update(webhookEndpoints)
      .set({ deletedAt: Math.floor(now / 1000) })
      .where(and(alive(app, livemode), eq(webhookEndpoints.id, id))),
    db
      .update(deliveries)
      .set({ status: "skipped", dueAt: null, leaseUntil: null, endedAt: now })
      .where(
        and(
          eq(deliveries.app, app),
          eq(deliveries.livemode, livemode),
          eq(deliveries.endpoint, id),
          eq(deliveries.status, "pending"),
        ),
      ),
  ]);
  return deleted.meta.changes > 0;
}
