// Webhook endpoints in D1, as the API sees them: of one app and mode, and never a deleted one.
import { and, desc, eq, getTableColumns, isNull, type SQL, sql } from "drizzle-orm";
import type { BatchItem } from "drizzle-orm/batch";
import type { Database } from "../db/client.ts";
import type { EndpointEvent } from "../events/event.ts";
import { ENDPOINTS_MAX, type SealedSecret } from "./endpoint.ts";
import {
  disable,
  type EndpointKey,
  holdPending,
  isEndpoint,
  isOpen,
  ping,
  skipPending,
} from "./endpoint-lifecycle.ts";
import type { EndpointRow } from "./schema.ts";
import { deliveries, webhookEndpoints } from "./table.ts";

/** The endpoints an app and mode has. */
function alive(app: string, livemode: boolean): SQL | undefined {
  const { app: ofApp, livemode: ofMode, deletedAt } = webhookEndpoints;
  return and(eq(ofApp, app), eq(ofMode, livemode), isNull(deletedAt));
}

/**
 * Adds an endpoint, and its first ping unless it is disabled; false when there are too many. The insert itself counts:
 * two creates cannot both take the last place. `now` in ms.
 */
export async function addEndpoint(
  db: Database,
  endpoint: EndpointRow,
  firstPing: EndpointEvent | null,
  now: number,
): Promise<boolean> {
  const columns = Object.entries(getTableColumns(webhookEndpoints));
  const values = columns.map(
    ([name, column]) => sql`${sql.param(endpoint[name as keyof EndpointRow], column)}`,
  );
  const taken = sql`select count(*) from ${webhookEndpoints} where ${alive(endpoint.app, endpoint.livemode)}`;
  const [added] = await db.batch([
    db
      .insert(webhookEndpoints)
      .select(sql`select ${sql.join(values, sql`, `)} where (${taken}) < ${ENDPOINTS_MAX}`),
    ...(firstPing === null ? [] : ping(db, endpoint, firstPing, now)),
  ]);
  return added.meta.changes > 0;
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
  const [found] = await db.select().from(webhookEndpoints).where(isEndpoint({ app, livemode, id }));
  return found ?? null;
}

export type EndpointEdit = Partial<
  Pick<EndpointRow, "url" | "enabledEvents" | "description" | "metadata" | "schedule" | "rateLimit">
>;

/** What changes about an endpoint, together. The events are made beforehand; each is written only if its time has come. */
export interface EndpointChange {
  edit: EndpointEdit;
  /** It has to answer this ping before it gets anything more. */
  reping: EndpointEvent | null;
  disabled: EndpointEvent | null;
}

/** An endpoint that has to answer a ping, like a new one. */
export const UNANSWERED = {
  status: "pending",
  lane: "fast",
  firstFailureAt: null,
  disabledAt: null,
  disabledReason: null,
} as const;

/**
 * Makes a change that was decided by the endpoint as it was `before`: not if it has another address or status by now.
 * `isDone` says which; `endpoint` is as it is then, null when it was deleted meanwhile. `now` in ms.
 */
export async function applyChange(
  db: Database,
  before: EndpointRow,
  { edit, reping, disabled }: EndpointChange,
  now: number,
): Promise<{ isDone: boolean; endpoint: EndpointRow | null }> {
  const { url, status } = webhookEndpoints;
  const isAsBefore = and(isEndpoint(before), eq(url, before.url), eq(status, before.status)) as SQL;
  const still = sql`exists (select 1 from ${webhookEndpoints} where ${isAsBefore})`;
  const writes: BatchItem<"sqlite">[] = [];
  if (reping !== null) {
    writes.push(...holdPending(db, before, now, still), ...ping(db, before, reping, now, "auto", still));
  }
  if (edit.rateLimit !== undefined) writes.push(...freeSlots(db, before, now));
  if (disabled !== null) {
    writes.push(...disable(db, before, "by_request", disabled, now), skipPending(db, before, now));
  }
  // The endpoint after them: they look at it as it was. Disabled it is now in any case.
  const set = { ...edit, ...(reping === null ? {} : UNANSWERED) };
  const sets = Object.keys(set).length > 0;
  if (sets) {
    const where = disabled === null ? isAsBefore : isEndpoint(before);
    writes.push(db.update(webhookEndpoints).set(set).where(where));
  }
  const read = db.select().from(webhookEndpoints).where(isEndpoint(before));
  const results = await db.batch([read, ...writes, read]);
  const isDone = !sets || (results.at(-2) as D1Result).meta.changes > 0;
  return { isDone, endpoint: (results.at(-1) as EndpointRow[])[0] ?? null };
}

/** Slots were taken under another rate: whoever waits for one takes one anew. */
function freeSlots(db: Database, key: EndpointKey, now: number) {
  return [
    db.update(webhookEndpoints).set({ nextSlotAt: null }).where(isEndpoint(key)),
    db
      .update(deliveries)
      .set({ slotAt: null, dueAt: now })
      .where(and(isOpen(key), sql`${deliveries.slotAt} is not null`)),
  ] as const;
}

/** Replaces the secrets if they still are what the new ones were made from; false when they are not. */
export async function replaceSecrets(
  db: Database,
  key: EndpointKey,
  before: SealedSecret[],
  after: SealedSecret[],
): Promise<boolean> {
  const result = await db
    .update(webhookEndpoints)
    .set({ secrets: after })
    .where(and(isEndpoint(key), eq(webhookEndpoints.secrets, before)));
  return result.meta.changes > 0;
}

/**
 * Deletes an endpoint and ends what was on its way to it, together; false when there is none. `now` in ms. The row
 * stays, so that its deliveries keep their history. A delivery written by a flush at the same moment, or under way,
 * ends when it is due.
 */
export async function deleteEndpoint(db: Database, key: EndpointKey, now: number): Promise<boolean> {
  const [deleted] = await db.batch([
    db
      .update(webhookEndpoints)
      .set({ deletedAt: Math.floor(now / 1000) })
      .where(isEndpoint(key)),
    skipPending(db, key, now),
  ]);
  return deleted.meta.changes > 0;
}
