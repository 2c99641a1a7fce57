// The words and pairs that refunds and charges are found by: one row each, in the order of the lists, so that a page of
// what carries a word is a walk along one index. A row counts only while its `described` is that of the object: what an
// update left behind is passed over.
import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

export const SEARCHED = ["charge", "refund"] as const;
export type Searched = (typeof SEARCHED)[number];

/** Without a row id (see the migration): the key is the whole row. */
export const searchTerms = sqliteTable(
  "search_terms",
  {
    app: text().notNull(),
    livemode: integer({ mode: "boolean" }).notNull(),
    object: text({ enum: SEARCHED }).notNull(),
    /** A word of the description, or a pair of metadata. */
    term: text().notNull(),
    /** As the object's own. */
    created: integer().notNull(),
    seq: integer().notNull(),
    id: text().notNull(),
    /** The version of the object that brought it. */
    described: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.app, t.livemode, t.object, t.term, t.created, t.seq, t.id] })],
);
