import { sql } from "drizzle-orm";
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
    /** What it is about: a charge, and maybe a refund of it, a webhook endpoint, or a batch. */
    charge: text(),
    refund: text(),
    endpoint: text(),
    batch: text(),
    /** Unix seconds. */
    created: integer().notNull(),
    body: text().notNull(),
  },
  (t) => [
    uniqueIndex("events_id").on(t.id),
    index("events_created").on(t.app, t.livemode, t.created, t.seq),
    index("events_type").on(t.app, t.livemode, t.type, t.created, t.seq),
    // Of a refund's events, too: a charge has few, and they are met on the way.
    index("events_charge")
      .on(t.app, t.livemode, t.charge, t.created, t.seq)
      .where(sql`${t.charge} is not null`),
    index("events_batch").on(t.app, t.livemode, t.batch, t.created, t.seq).where(sql`${t.batch} is not null`),
  ],
);
