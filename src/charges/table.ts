// Charges in D1: a versioned projection of their ledgers, searched across charges. `doc` is the ledger's own record.
import { sql } from "drizzle-orm";
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import type { Charge, Freeze } from "./charge.ts";

export const charges = sqliteTable(
  "charges",
  {
    /** Order of recording; breaks ties of `created`. */
    seq: integer().primaryKey({ autoIncrement: true }),
    app: text().notNull(),
    livemode: integer({ mode: "boolean" }).notNull(),
    id: text().notNull(),
    version: integer().notNull(),
    orderNo: text("order_no").notNull(),
    channel: text().notNull(),
    currency: text().notNull(),
    amount: integer().notNull(),
    paid: integer({ mode: "boolean" }).notNull(),
    refunded: integer({ mode: "boolean" }).notNull(),
    amountRefunded: integer("amount_refunded").notNull(),
    amountPending: integer("amount_pending").notNull(),
    /** Unix seconds. */
    created: integer().notNull(),
    /** The highest sequence of a refund the ledger has reported. */
    highestSeq: integer("highest_seq").notNull(),
    freeze: text().$type<Freeze>(),
    /** When the ledger first reported, ms; from then on an empty ledger is a lost one. */
    ledgerOpenedAt: integer("ledger_opened_at"),
    doc: text({ mode: "json" }).$type<Charge>().notNull(),
    transactionNo: text("transaction_no"),
    /** The version in which description or metadata changed last: its search terms carry the same. */
    described: integer().notNull().default(1),
  },
  (t) => [
    uniqueIndex("charges_id").on(t.app, t.livemode, t.id),
    index("charges_created").on(t.app, t.livemode, t.created, t.seq),
    index("charges_channel").on(t.app, t.livemode, t.channel, t.created, t.seq),
    index("charges_currency").on(t.app, t.livemode, t.currency, t.created, t.seq),
    index("charges_amount").on(t.app, t.livemode, t.amount, t.created, t.seq),
    index("charges_order").on(t.app, t.livemode, t.orderNo),
    index("charges_transaction")
      .on(t.app, t.livemode, t.transactionNo)
      .where(sql`${t.transactionNo} is not null`),
    index("charges_frozen").on(t.app, t.livemode, t.created, t.seq).where(sql`${t.freeze} is not null`),
  ],
);

/** Which charge a payment belongs to: claimed before its charge says so, so that no payment gets two ledgers. */
export const payments = sqliteTable(
  "payments",
  {
    app: text().notNull(),
    livemode: integer({ mode: "boolean" }).notNull(),
    channel: text().notNull(),
    transactionNo: text("transaction_no").notNull(),
    charge: text().notNull(),
  },
  (t) => [primaryKey({ columns: [t.app, t.livemode, t.channel, t.transactionNo] })],
);

/** The environment a database was made for, one row: a deployment of another refuses to touch it. */
export const environments = sqliteTable("environments", {
  id: integer().primaryKey(),
  name: text().notNull(),
});

/** The ledgers this database belongs to: a Worker with other ledgers must not move live money with it. */
export const ledgerNamespaces = sqliteTable("ledger_namespaces", {
  id: integer().primaryKey(),
  fingerprint: text().notNull(),
});
