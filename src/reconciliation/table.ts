import { sql } from "drizzle-orm";
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
  (t) => [
    primaryKey({ columns: [t.app, t.livemode, t.refund] }),
    index("commands_due").on(t.dueAt),
    // What waits, by app, for whoever watches.
    index("commands_waiting").on(t.app, t.livemode, t.createdAt).where(sql`${t.dueAt} is not null`),
    index("commands_done").on(t.createdAt).where(sql`${t.dueAt} is null`),
  ],
);
