// The keys of an app as rows, for who administers them. Whatever must hold among several of them is decided by D1, in
// the statement that writes: requests that come together cannot get around it.
import { and, eq, getTableColumns, isNull, lt, or, type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { keyset, type PositionIn } from "../db/keyset.ts";
import { type Page, UNBOUNDED } from "../http/pagination.ts";
import type { KeyRow } from "./mint.ts";
import { apiKeys } from "./table.ts";

/** Keys of an app that are in use, in both modes. */
export const KEYS_MAX = 100;

const LAST_USE_SECONDS = 3600;

/** The modes whose keys a key handles: a test key only test keys. */
const handled = (app: string, live: boolean) =>
  live ? eq(apiKeys.app, app) : and(eq(apiKeys.app, app), eq(apiKeys.livemode, false));

export async function listKeyRows(
  db: Database,
  app: string,
  live: boolean,
  page: Page,
  cursor: PositionIn<"created" | "id"> | null,
): Promise<KeyRow[]> {
  const order = { created: apiKeys.created, id: apiKeys.id };
  const { where, orderBy, limit } = keyset(order, page, cursor, UNBOUNDED);
  return await db
    .select()
    .from(apiKeys)
    .where(and(handled(app, live), where))
    .orderBy(...orderBy)
    .limit(limit);
}

export async function findKeyRow(
  db: Database,
  app: string,
  live: boolean,
  id: string,
): Promise<KeyRow | null> {
  const [row] = await db
    .select()
    .from(apiKeys)
    .where(and(handled(app, live), eq(apiKeys.id, id)));
  return row ?? null;
}

/** Adds a key; false when the app has as many in use as it may have. `now` in Unix seconds. */
export async function addKeyRow(db: Database, row: KeyRow, now: number): Promise<boolean> {
  const added = await insertWhere(db, row, sql`${inUse(row.app, now)} < ${KEYS_MAX}`);
  return added.meta.changes > 0;
}

/**
 * Puts a key in another's place, which ends at `endsAt`. One of several that come together does it; the others, and those
 * about a key that has ended, get "ended". All in Unix seconds.
 */
export async function replaceKeyRow(
  db: Database,
  old: KeyRow,
  row: KeyRow,
  endsAt: number,
  now: number,
): Promise<"replaced" | "ended" | "full"> {
  const isOpen = and(
    eq(apiKeys.id, old.id),
    isNull(apiKeys.replacedBy),
    isNull(apiKeys.revokedAt),
    isCurrent(now),
  );
  // A key that ends at once makes room for the one that takes its place.
  const hasRoom = endsAt <= now ? sql`1` : sql`${inUse(row.app, now)} < ${KEYS_MAX}`;
  const [inserted] = await db.batch([
    insertWhere(db, row, sql`exists (select 1 from ${apiKeys} where ${isOpen}) and ${hasRoom}`),
    db
      .update(apiKeys)
      .set({ replacedBy: row.id, expiresAt: sql`min(coalesce(${apiKeys.expiresAt}, ${endsAt}), ${endsAt})` })
      .where(and(isOpen, sql`exists (select 1 from ${apiKeys} as made where made.id = ${row.id})`)),
  ]);
  if (inserted.meta.changes > 0) return "replaced";
  const current = await findKeyRow(db, old.app, old.livemode, old.id);
  const isEnded =
    current === null ||
    current.replacedBy !== null ||
    current.revokedAt !== null ||
    (current.expiresAt !== null && current.expiresAt <= now);
  return isEnded ? "ended" : "full";
}

export type KeyChange = Partial<Pick<KeyRow, "name" | "allowedIps" | "expiresAt">>;

/** Changes a key that has not ended; null when it has. An end only ever comes earlier. `now` in Unix seconds. */
export async function changeKeyRow(
  db: Database,
  { app, livemode, id }: KeyRow,
  change: KeyChange,
  now: number,
): Promise<KeyRow | null> {
  const { expiresAt } = change;
  const [row] = await db
    .update(apiKeys)
    .set({ ...change, id })
    .where(
      and(
        eq(apiKeys.app, app),
        eq(apiKeys.livemode, livemode),
        eq(apiKeys.id, id),
        isNull(apiKeys.revokedAt),
        isCurrent(now),
        typeof expiresAt === "number"
          ? or(isNull(apiKeys.expiresAt), sql`${apiKeys.expiresAt} >= ${expiresAt}`)
          : undefined,
      ),
    )
    .returning();
  return row ?? null;
}

/** Ends a key for good; one that was revoked before stays as it was. `now` in Unix seconds. */
export async function revokeKeyRow(
  db: Database,
  { app, livemode, id }: KeyRow,
  now: number,
): Promise<KeyRow | null> {
  const [row] = await db
    .update(apiKeys)
    .set({ revokedAt: sql`coalesce(${apiKeys.revokedAt}, ${now})` })
    .where(and(eq(apiKeys.app, app), eq(apiKeys.livemode, livemode), eq(apiKeys.id, id)))
    .returning();
  return row ?? null;
}

/** The hashes of an app's keys, under which isolates remember what they stand for. */
export async function hashesOf(db: Database, app: string): Promise<string[]> {
  const rows = await db
    .select({ hash: apiKeys.hash })
    .from(apiKeys)
    .where(and(eq(apiKeys.app, app), isNull(apiKeys.revokedAt)));
  return rows.map(({ hash }) => hash);
}

/** Whether a use is worth writing down: what stands there is more than an hour old. Both in Unix seconds. */
export function isUseDue(lastUsedAt: number | null, now: number): boolean {
  return lastUsedAt === null || lastUsedAt < now - LAST_USE_SECONDS;
}

/** Writes a use down unless another request just did. `now` in Unix seconds. */
export async function markUsed(
  db: Database,
  { app, livemode, id }: Pick<KeyRow, "app" | "livemode" | "id">,
  now: number,
): Promise<void> {
  await db
    .update(apiKeys)
    .set({ lastUsedAt: now })
    .where(
      and(
        eq(apiKeys.app, app),
        eq(apiKeys.livemode, livemode),
        eq(apiKeys.id, id),
        or(isNull(apiKeys.lastUsedAt), lt(apiKeys.lastUsedAt, now - LAST_USE_SECONDS)),
      ),
    );
}

const isCurrent = (now: number) => or(isNull(apiKeys.expiresAt), sql`${apiKeys.expiresAt} > ${now}`);

function inUse(app: string, now: number): SQL {
  return sql`(select count(*) from ${apiKeys} as used where used.app = ${app} and used.revoked_at is null
    and (used.expires_at is null or used.expires_at > ${now}))`;
}

/** Inserts a row if the condition holds by then. */
function insertWhere(db: Database, row: KeyRow, condition: SQL) {
  const values = Object.entries(getTableColumns(apiKeys)).map(([name, column]) => {
    const value = row[name as keyof KeyRow];
    return sql`${value === null ? null : column.mapToDriverValue(value)}`;
  });
  return db.insert(apiKeys).select(sql`select ${sql.join(values, sql`, `)} where ${condition}`);
}
