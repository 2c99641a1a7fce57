// Webhook endpoints in D1, as the API sees them: of one app and mode, and never a deleted one.
import { and, desc, eq, getTableColumns, isNull, type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { ENDPOINTS_MAX } from "./endpoint.ts";
import type { EndpointRow } from "./schema.ts";
import { deliveries, webhookEndpoints } from "./table.ts";

/** The endpoints an app and mode has. */
function alive(app: string, livemode: boolean): SQL | undefined {
  const { app: ofApp, livemode: ofMode, deletedAt } = webhookEndpoints;
  return and(eq(ofApp, app), eq(ofMode, livemode), isNull(deletedAt));
}

/** Adds an endpoint; false when there are too many. The insert itself counts: two creates cannot both take the last place. */
export async function addEndpoint(db: Database, endpoint: EndpointRow): Promise<boolean> {
  const columns = Object.entries(getTableColumns(webhookEndpoints));
  const values = columns.map(
    ([name, column]) => sql`${sql.param(endpoint[name as keyof EndpointRow], column)}`,
  );
  const taken = sql`select count(*) from ${webhookEndpoints} where ${alive(endpoint.app, endpoint.livemode)}`;
  const result = await db
    .insert(webhookEndpoints)
    .select(sql`select ${sql.join(values, sql`, `)} where (${taken}) < ${ENDPOINTS_MAX}`);
  return result.meta.changes > 0;
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
