// What lies on the disk of a runtime that has ended: every ledger's own database, and D1's.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Cover, storedRefund } from "../../src/charges/book.ts";
import type { Refund } from "../../src/refunds/refund.ts";

export interface StoredLedger {
  cover: Cover;
  refunds: Refund[];
  /** Events that never left it, by id. */
  undelivered: string[];
  /** Pages in use or free, times their size: what the ledger takes on the platform's disk. */
  bytes: number;
}

function databasesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".sqlite") && !file.endsWith("metadata.sqlite"))
    .map((file) => join(folder, file));
}

export function bytesOf(db: DatabaseSync): number {
  const { page_count: pages } = db.prepare("pragma page_count").get() as { page_count: number };
  const { page_size: size } = db.prepare("pragma page_size").get() as { page_size: number };
  return pages * size;
}

/** One after another: thousands of them need not be in memory together. */
export function* storedLedgers(state: string): Generator<StoredLedger> {
  for (const file of databasesBelow(join(state, "do"))) {
    const db = new DatabaseSync(file);
    try {
      const tables = db.prepare("select name from sqlite_master where name in ('refunds', 'outbox')").all();
      if (tables.length < 2) continue;
      const docs = db.prepare("select doc from refunds order by seq").all() as { doc: string }[];
      const [cover = "", ...made] = docs.map(({ doc }) => doc);
      const outbox = db.prepare("select event from outbox order by id").all() as { event: string }[];
      const undelivered = outbox.map(({ event }) => JSON.parse(event).id as string);
      yield { cover: JSON.parse(cover), refunds: made.map(storedRefund), undelivered, bytes: bytesOf(db) };
    } finally {
      db.close();
    }
  }
}

export function openD1(state: string): DatabaseSync {
  const [file, ...others] = databasesBelow(join(state, "d1"));
  if (file === undefined || others.length > 0) throw new Error("there should be one database in D1's folder");
  return new DatabaseSync(file);
}
