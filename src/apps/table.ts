import { sql } from "drizzle-orm";
import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { AppSettings } from "./schema.ts";

/** Apps: the tenants. Settings hold only what differs from the defaults. */
export const apps = sqliteTable(
  "apps",
  {
    id: text().primaryKey(),
    name: text().notNull(),
    settings: text({ mode: "json" }).$type<Partial<AppSettings>>().notNull(),
    /** Unix seconds. */
    created: integer().notNull(),
    /** The app whose key created it and whose admin keys may administer it; null when an operator did. */
    parent: text(),
  },
  (t) => [index("apps_parent").on(t.parent, t.created).where(sql`${t.parent} is not null`)],
);
