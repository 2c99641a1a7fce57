// Refunds in D1: a versioned projection of the ledgers. `doc` is the ledger's own record; the columns are for searching.
import { sql } from "drizzle-orm";
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import { APPROVALS, ATTENTIONS, type Refund, STATES, STATUSES, type TimelineEntry } from "./refund.ts";

export const refunds = sqliteTable(
  "refunds",
  {
    app: text().notNull(),
    livemode: integer({ mode: "boolean" }).notNull(),
    id: text().notNull(),
    charge: text().notNull(),
    seq: integer().notNull(),
    version: integer().notNull(),
    status: text({ enum: STATUSES }).notNull(),
    state: text({ enum: STATES }).notNull(),
    channel: text().notNull(),
    currency: text().notNull(),
    amount: integer().notNull(),
    refundNo: text("refund_no"),
    transactionNo: text("transaction_no"),
    attention: text({ enum: ATTENTIONS }),
    /** Set for a refund above the app's limit. */
    approval: text({ enum: APPROVALS }),
    /** The batch it was made by. */
    batch: text(),
    /** The version in which description or metadata changed last: its search terms carry the same. */
    described: integer().notNull().default(1),
    /** Unix seconds. */
    created: integer().notNull(),
    timeSucceed: integer("time_succeed"),
    /** When its ledger meant to act next, ms; the sweeper wakes ledgers that are late. */
    dueAt: integer("due_at"),
    doc: text({ mode: "json" }).$type<Refund>().notNull(),
  },
  (t) => [
    uniqueIndex("refunds_id").on(t.app, t.livemode, t.id),
    index("refunds_charge").on(t.app, t.livemode, t.charge, t.seq),
    // Lists are sorted by (created, seq, id). What follows is there so that summaries and rare filters need no row.
    index("refunds_created").on(
      t.app,
      t.livemode,
      t.created,
      t.seq,
      t.id,
      t.status,
      t.channel,
      t.currency,
      t.amount,
    ),
    index("refunds_channel").on(t.app, t.livemode, t.channel, t.created, t.seq, t.id),
    index("refunds_currency").on(t.app, t.livemode, t.currency, t.created, t.seq, t.id),
    index("refunds_amount").on(t.app, t.livemode, t.amount, t.created, t.seq, t.id),
    // Most refunds succeed, and are met on a walk along the list.
    index("refunds_unsettled")
      .on(t.app, t.livemode, t.status, t.created, t.seq, t.id)
      .where(sql`${t.status} <> 'succeeded'`),
    index("refunds_number").on(t.app, t.livemode, t.refundNo).where(sql`${t.refundNo} is not null`),
    index("refunds_transaction")
      .on(t.app, t.livemode, t.transactionNo)
      .where(sql`${t.transactionNo} is not null`),
    index("refunds_attention")
      .on(t.app, t.livemode, t.created, t.seq, t.id, t.attention)
      .where(sql`${t.attention} is not null`),
    index("refunds_approval")
      .on(t.app, t.livemode, t.approval, t.created, t.seq, t.id)
      .where(sql`${t.approval} is not null`),
    index("refunds_batch").on(t.batch).where(sql`${t.batch} is not null`),
    // A refund that has ended has nothing due.
    index("refunds_due").on(t.dueAt).where(sql`${t.dueAt} is not null`),
    // Across apps, for whoever watches how long refunds take.
    index("refunds_pending").on(t.created, t.app, t.livemode, t.id).where(sql`${t.status} = 'pending'`),
  ],
);

/** Everything that ever happened to refunds, added to and never changed. Without a row id (see the migration). */
export const refundTimeline = sqliteTable(
  "refund_timeline",
  {
    app: text().notNull(),
    livemode: integer({ mode: "boolean" }).notNull(),
    refund: text().notNull(),
    /** The refund's version it led to. */
    version: integer().notNull(),
    /** ms. */
    at: integer().notNull(),
    entry: text({ mode: "json" }).$type<TimelineEntry>().notNull(),
  },
  (t) => [primaryKey({ columns: [t.app, t.livemode, t.refund, t.version, t.at] })],
);
