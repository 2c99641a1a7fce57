// What lies on the disk of a runtime that has ended: every ledger's own database with its size, and D1's.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Cover } from "../../src/charges/book.ts";
import type { Refund } from "../../src/refunds/refund.ts";
import type { TableSize } from "./figures.ts";

export interface StoredLedger {
  cover: Cover;
  refunds: Refund[];
  /** Events that never left it. */
  undelivered: number;
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
      const [cover, ...refunds] = docs.map(({ doc }) => JSON.parse(doc)) as [Cover, ...Refund[]];
      const outbox = db.prepare("select count(*) as events from outbox").get() as { events: number };
      yield { cover, refunds, undelivered: outbox.events, bytes: bytesOf(db) };
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

/** Every table of ours with rows, and the pages that it and its indexes take; largest first. */
export function tableSizes(db: DatabaseSync): TableSize[] {
  const sizes = db
    .prepare(`select m.tbl_name as "table", sum(s.pgsize) as bytes from dbstat s
      join sqlite_master m on m.name = s.name group by m.tbl_name order by bytes desc`)
    .all() as { table: string; bytes: number }[];
  return sizes
    .filter(({ table }) => !/^(sqlite|_cf)_/.test(table))
    .map(({ table, bytes }) => {
      const { rows } = db.prepare(`select count(*) as rows from "${table}"`).get() as { rows: number };
      return { table, rows, bytes };
    })
    .filter(({ rows }) => rows > 0);
}
