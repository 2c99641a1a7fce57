import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { CreateCommand } from "../charges/ledger-calls.ts";

/** Create commands whose outcome at the ledger is not known yet. */
export const commands = sqliteTable(
  "commands",
  {
    app: text().notNull(),
    livemode: integer({ mode: "boolean" }).notNull(),
    refund: text().notNull(),
    charge: text().notNull(),
    command: text({ mode: "json" }).$type<CreateCommand>().notNull(),
    attempts: integer().notNull().default(0),
    /** ms since the epoch; null once the ledger has answered. */
    dueAt: integer("due_at"),
    createdAt: integer("created_at").notNull(),
  },
  (t) => [primaryKey({ columns: [t.app, t.livemode, t.refund] }), index("commands_due").on(t.dueAt)],
);

/** Notices for numbers nobody knows, kept until somebody does. */
export const orphanNotices = sqliteTable(
  "orphan_notices",
  {
    id: integer().primaryKey({ autoIncrement: true }),
    app: text().notNull(),
    livemode: integer({ mode: "boolean" }).notNull(),
    channel: text().notNull(),
    number: text().notNull(),
    verdict: text().notNull(),
    /** ms since the epoch. */
    createdAt: integer("created_at").notNull(),
  },
  (t) => [index("orphan_notices_number").on(t.app, t.livemode, t.number)],
);
