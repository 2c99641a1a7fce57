import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { ALERT_KINDS } from "./alert.ts";

/** What an operator was told, or is to be told: one row per app, mode and kind, gone once the end of it was told. */
export const alerts = sqliteTable(
  "alerts",
  {
    app: text().notNull(),
    livemode: integer({ mode: "boolean" }).notNull(),
    kind: text({ enum: ALERT_KINDS }).notNull(),
    count: integer().notNull(),
    /** Since when the oldest of them has been so, ms. */
    oldestAt: integer("oldest_at").notNull(),
    /** Ids of a few of them. */
    examples: text({ mode: "json" }).$type<string[]>().notNull(),
    /** ms. */
    raisedAt: integer("raised_at").notNull(),
    /** Times it was told, and when last, ms. */
    told: integer().notNull().default(0),
    toldAt: integer("told_at"),
    /** When it was found to be over, ms; kept until that was told. */
    resolvedAt: integer("resolved_at"),
  },
  (t) => [primaryKey({ columns: [t.app, t.livemode, t.kind] })],
);
