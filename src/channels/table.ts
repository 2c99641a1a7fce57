import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** Accounts at channels, one current per (app, mode, channel). Older revisions stay for the refunds pinned to them. */
export const channelAccounts = sqliteTable(
  "channel_accounts",
  {
    id: text().notNull(),
    revision: integer().notNull(),
    app: text().notNull(),
    livemode: integer({ mode: "boolean" }).notNull(),
    channel: text().notNull(),
    credentials: text().notNull(),
    /** Unix seconds. */
    created: integer().notNull(),
    retiredAt: integer("retired_at"),
  },
  (t) => [primaryKey({ columns: [t.app, t.livemode, t.channel, t.id, t.revision] })],
);
