import { index, integer, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import { EVENT_TYPES } from "./event.ts";

/** Events, for ever. `body` holds the exact bytes that are delivered. */
export const events = sqliteTable(
  "events",
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    app: text().notNull(),
    livemode: integer({ mode: "boolean" }).notNull(),
    id: text().notNull(),
    type: text({ enum: EVENT_TYPES }).notNull(),
    /** What it is about: a charge, and maybe a refund of it, or a webhook endpoint. */
    charge: text(),
    refund: text(),
    endpoint: text(),
    /** Unix seconds. */
    created: integer().notNull(),
    body: text().notNull(),
  },
  (t) => [
    uniqueIndex("events_id").on(t.id),
    index("events_created").on(t.app, t.livemode, t.created, t.seq),
    index("events_type").on(t.app, t.livemode, t.type, t.created, t.seq),
  ],
);
