// Apps in D1, for who administers them: the app of a key, and the apps that were made with it.
import { and, eq, or, type SQL, sql } from "drizzle-orm";
import type { MintedApp } from "../auth/mint.ts";
import { apiKeys, signingKeys } from "../auth/table.ts";
import type { Database } from "../db/client.ts";
import { keyset, type PositionIn } from "../db/keyset.ts";
import { type Page, UNBOUNDED } from "../http/pagination.ts";
import { DEFAULT_SETTINGS } from "./schema.ts";
import { apps } from "./table.ts";

type AppRow = typeof apps.$inferSelect;

const administered = (own: string) => or(eq(apps.id, own), eq(apps.parent, own));

/** The app itself or one that it made; null for every other. */
export async function findAdministered(db: Database, own: string, id: string): Promise<AppRow | null> {
  const [row] = await db
    .select()
    .from(apps)
    .where(and(eq(apps.id, id), administered(own)));
  return row ?? null;
}

export async function listAdministered(
  db: Database,
  own: string,
  page: Page,
  cursor: PositionIn<"created" | "id"> | null,
): Promise<AppRow[]> {
  const { where, orderBy, limit } = keyset({ created: apps.created, id: apps.id }, page, cursor, UNBOUNDED);
  return await db
    .select()
    .from(apps)
    .where(and(administered(own), where))
    .orderBy(...orderBy)
    .limit(limit);
}

export async function addApp(db: Database, minted: MintedApp): Promise<void> {
  await db.batch([
    db.insert(apps).values(minted.row),
    db.insert(apiKeys).values(minted.test.row),
    db.insert(apiKeys).values(minted.live.row),
    db.insert(signingKeys).values(minted.signingKeys),
  ]);
}

/**
 * Changes a name and single settings in place, so that changes of others at the same time stay. A default is not stored:
 * null stands for it, too.
 */
export async function changeApp(
  db: Database,
  id: string,
  name: string | undefined,
  changes: Readonly<Record<string, unknown>>,
): Promise<AppRow | null> {
  let settings: SQL = sql`${apps.settings}`;
  for (const [setting, value] of Object.entries(changes)) {
    const text = JSON.stringify(value);
    const isDefault = value === null || text === JSON.stringify(DEFAULT_SETTINGS[setting as never]);
    settings = isDefault
      ? sql`json_remove(${settings}, ${`$.${setting}`})`
      : sql`json_set(${settings}, ${`$.${setting}`}, json(${text}))`;
  }
  const [row] = await db
    .update(apps)
    .set({ settings, ...(name === undefined ? {} : { name }) })
    .where(eq(apps.id, id))
    .returning();
  return row ?? null;
}
