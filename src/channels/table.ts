import { sql } from "drizzle-orm";
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";

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
    /** Who the merchant is at the channel; the same in every revision of an account. */
    merchant: text().notNull().default(""),
    /** Names of the keys that verify notices; never the keys. */
    noticeKeys: text("notice_keys", { mode: "json" }).$type<string[]>().notNull().default([]),
    description: text(),
    /** Unix seconds. */
    created: integer().notNull(),
    retiredAt: integer("retired_at"),
  },
  (t) => [
    primaryKey({ columns: [t.app, t.livemode, t.channel, t.id, t.revision] }),
    uniqueIndex("channel_accounts_current")
      .on(t.app, t.livemode, t.channel)
      .where(sql`${t.retiredAt} is null`),
  ],
);

/** Whose payment a serial number at a channel is, across apps: claimed before the first live refund of a charge. */
export const claimedPayments = sqliteTable(
  "claimed_payments",
  {
    connector: text().notNull(),
    merchant: text().notNull(),
    transactionNo: text("transaction_no").notNull(),
    app: text().notNull(),
    charge: text().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.connector, t.merchant, t.transactionNo] }),
    index("claimed_payments_charge").on(t.app, t.charge),
  ],
);

/** Signed notices about numbers that no refund of ours has: kept for a person, and bounded. */
export const orphanNotices = sqliteTable(
  "orphan_notices",
  {
    id: text().primaryKey(),
    app: text().notNull(),
    livemode: integer({ mode: "boolean" }).notNull(),
    channel: text().notNull(),
    charge: text().notNull(),
    number: text().notNull(),
    /** What the channel said, as the connector read it. */
    verdict: text({ mode: "json" }).$type<unknown>().notNull(),
    /** ms since the epoch. */
    receivedAt: integer("received_at").notNull(),
  },
  (t) => [index("orphan_notices_received").on(t.app, t.livemode, t.receivedAt, t.id)],
);
