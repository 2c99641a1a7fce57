import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { AppSettings } from "./schema.ts";

/** Apps: the tenants. Settings hold only what differs from the defaults. */
export const apps = sqliteTable("apps", {
  id: text().primaryKey(),
  name: text().notNull(),
  settings: text({ mode: "json" }).$type<Partial<AppSettings>>().notNull(),
  /** Unix seconds. */
  created: integer().notNull(),
});
