// Batches of refunds: each is stored whole, with the commands of its refunds, before any refund is made.
import { sql } from "drizzle-orm";
import { index, integer, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import type { Metadata } from "../charges/charge.ts";
import { BATCH_STATES, type BatchItem } from "./batch.ts";

export const batchRefunds = sqliteTable(
  "batch_refunds",
  {
    /** Order of creation; breaks ties of `created`. */
    seq: integer().primaryKey({ autoIncrement: true }),
    app: text().notNull(),
    livemode: integer({ mode: "boolean" }).notNull(),
    id: text().notNull(),
    batchNo: text("batch_no").notNull(),
    description: text().notNull(),
    metadata: text({ mode: "json" }).$type<Metadata>().notNull(),
    items: text({ mode: "json" }).$type<BatchItem[]>().notNull(),
    /** SHA-256 of the canonical parameters. */
    fingerprint: text().notNull(),
    /** The creating request. */
    request: text().notNull(),
    state: text("status", { enum: BATCH_STATES }).notNull(),
    /** Unix seconds. */
    created: integer().notNull(),
    /** Unix seconds: when the last of its refunds succeeded; null unless all have. */
    timeSucceeded: integer("time_succeeded"),
  },
  (t) => [
    uniqueIndex("batch_refunds_id").on(t.app, t.livemode, t.id),
    uniqueIndex("batch_refunds_number").on(t.app, t.livemode, t.batchNo),
    index("batch_refunds_created").on(t.app, t.livemode, t.created, t.seq),
    index("batch_refunds_open").on(t.created).where(sql`${t.state} = 'processing'`),
  ],
);
