// Refunds in D1: a versioned projection of the ledgers. `doc` is the ledger's own record; the columns are for searching.
import { index, integer, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import { ATTENTIONS, type Refund, STATES, STATUSES } from "./refund.ts";

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
    index("refunds_created").on(t.app, t.livemode, t.created),
    index("refunds_due").on(t.dueAt),
  ],
);
