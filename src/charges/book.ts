// A ledger's own storage: two tables, read once into memory and written through. Nothing is created before a charge is
// hydrated, so that a guessed id leaves nothing behind. Row 0 of `refunds` holds the charge, the others one refund each;
// `outbox` holds the events D1 does not have yet. Every write happens inside the ledger's transaction.
import type { Event } from "../events/event.ts";
import type { Refund } from "../refunds/refund.ts";
import type { Charge, Freeze } from "./charge.ts";
import type { LedgerStorage } from "./ledger-ports.ts";

/** Row 0. */
export interface Cover {
  /** Version of this layout; upgrades run when a ledger is entered. */
  schema: 1;
  charge: Charge;
  freeze: Freeze | null;
  /** The charge's version D1 is known to have. */
  synced: number;
  /** When D1 should have the current version, ms; null when it has it. */
  syncDueAt: number | null;
}

export class Book {
  readonly #storage: LedgerStorage;
  #cover: Cover;
  /** By id, in the order of creation. */
  readonly #refunds: Map<string, Refund>;

  private constructor(storage: LedgerStorage, cover: Cover, refunds: Refund[]) {
    this.#storage = storage;
    this.#cover = cover;
    this.#refunds = new Map(refunds.map((refund) => [refund.id, refund]));
  }

  /** Reads the book; null when this ledger has none. */
  static open(storage: LedgerStorage): Book | null {
    const tables = storage.sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'refunds'");
    if (tables.toArray().length === 0) return null;
    const rows = storage.sql.exec("SELECT doc FROM refunds ORDER BY seq").toArray();
    const [cover, ...refunds] = rows.map((row) => JSON.parse(row.doc as string));
    return new Book(storage, cover, refunds);
  }

  /** Creates the tables and the cover. */
  static create(storage: LedgerStorage, cover: Cover): Book {
    storage.sql.exec("CREATE TABLE refunds (seq INTEGER PRIMARY KEY, doc TEXT NOT NULL)");
    storage.sql.exec("CREATE TABLE outbox (id INTEGER PRIMARY KEY, event TEXT NOT NULL)");
    const book = new Book(storage, cover, []);
    book.saveCover(cover);
    return book;
  }

  get charge(): Charge {
    return this.#cover.charge;
  }

  get cover(): Cover {
    return this.#cover;
  }

  /** In the order of creation. */
  get refunds(): Refund[] {
    return [...this.#refunds.values()];
  }

  find(id: string): Refund | undefined {
    return this.#refunds.get(id);
  }

  get nextSeq(): number {
    let highest = 0;
    for (const refund of this.#refunds.values()) highest = Math.max(highest, refund.seq);
    return highest + 1;
  }

  /** Grows with every change of the charge or of one of its refunds; guards the charge's row in D1. */
  get version(): number {
    let version = this.#cover.charge.version;
    for (const refund of this.#refunds.values()) version += refund.version;
    return version;
  }

  saveCover(cover: Cover): void {
    this.#storage.sql.exec("INSERT OR REPLACE INTO refunds (seq, doc) VALUES (0, ?)", JSON.stringify(cover));
    this.#cover = cover;
  }

  save(refund: Refund): void {
    this.#storage.sql.exec(
      "INSERT OR REPLACE INTO refunds (seq, doc) VALUES (?, ?)",
      refund.seq,
      JSON.stringify(refund),
    );
    this.#refunds.set(refund.id, refund);
  }

  addEvent(event: Event): void {
    this.#storage.sql.exec("INSERT INTO outbox (event) VALUES (?)", JSON.stringify(event));
  }

  /** The oldest undelivered events. */
  outbox(limit: number): { id: number; event: Event }[] {
    const rows = this.#storage.sql.exec("SELECT id, event FROM outbox ORDER BY id LIMIT ?", limit).toArray();
    return rows.map((row) => ({ id: row.id as number, event: JSON.parse(row.event as string) }));
  }

  dropEvents(ids: number[]): void {
    this.#storage.sql.exec(
      "DELETE FROM outbox WHERE id IN (SELECT value FROM json_each(?))",
      JSON.stringify(ids),
    );
  }
}
