// A ledger's own storage: two tables, read once into memory and written through. Nothing is created before a charge is
// hydrated, so that a guessed id leaves nothing behind. Row 0 of `refunds` holds the charge, the others one refund each;
// `outbox` holds the events D1 does not have yet. Every write happens inside the ledger's transaction.
import type { Event, EventType } from "../events/event.ts";
import { NOTHING_YET, type Refund } from "../refunds/refund.ts";
import { SYNC_WITHIN_MS } from "../refunds/reserve-refund.ts";
import { type Note, noted } from "../refunds/timeline.ts";
import type { Charge, Freeze } from "./charge.ts";
import type { Hydration } from "./ledger-calls.ts";
import type { LedgerStorage } from "./ledger-ports.ts";

/** That an operator lifted a freeze: who and why; `at` in ms. */
export interface Adoption {
  freeze: Freeze;
  by: string;
  reason: string;
  apiKey: string;
  request?: string;
  at: number;
}

/** Row 0. */
export interface Cover {
  /** Version of this layout; upgrades run when a ledger is entered. */
  schema: 1;
  charge: Charge;
  freeze: Freeze | null;
  /** The payment was found at the channel as it was recorded, and belongs to this charge. */
  verified?: true;
  /** The oldest first; absent until there is one. */
  adoptions?: Adoption[];
  /** The charge's version D1 is known to have. */
  synced: number;
  /** When D1 should have the current version, ms; null when it has it. */
  syncDueAt: number | null;
}

/** An event that D1 does not have yet, and its place among them. */
interface Waiting {
  id: number;
  event: Event;
}

/** How the parts of a ledger get at its book. */
export interface Books {
  /** Null before the charge is hydrated; `hydration` does that if it is needed. */
  enter(hydration?: Hydration): Book | null;
  /** One transaction; if it throws, what was read before it is void. */
  write<T>(work: () => T): T;
  /** Makes sure that an alarm is set for what is left to do. */
  arm(): void;
  /** Takes the alarm back if nothing is left to do. */
  disarm(): void;
  /** Renders events of a refund into the outbox, within a transaction. */
  addEvents(book: Book, refund: Refund, types: EventType[]): void;
}

/** A refund whose version has grown: D1 should hear of it soon. */
export function dirty(refund: Refund, now: number): Refund {
  return { ...refund, syncDueAt: refund.syncDueAt ?? now + SYNC_WITHIN_MS };
}

export function changedRefund(refund: Refund, change: Partial<Refund>, now: number): Refund {
  return dirty({ ...refund, ...change, version: refund.version + 1 }, now);
}

/** A refund as its row has it: nulls are left out there. */
export function storedRefund(doc: string): Refund {
  return { ...NOTHING_YET, ...JSON.parse(doc) };
}

/** Every change of a refund writes it anew: this is a quarter of what filtering its entries takes. */
function withoutNulls(refund: Refund): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(refund)) if (value !== null) kept[field] = value;
  return kept;
}

export class Book {
  readonly #storage: LedgerStorage;
  #cover: Cover;
  /** By id, in the order of creation. */
  readonly #refunds: Map<string, Refund>;
  /** Oldest first; null until somebody asks for it. */
  #outbox: Waiting[] | null;

  private constructor(storage: LedgerStorage, cover: Cover, refunds: Refund[], outbox: Waiting[] | null) {
    this.#storage = storage;
    this.#cover = cover;
    this.#refunds = new Map(refunds.map((refund) => [refund.id, refund]));
    this.#outbox = outbox;
  }

  /** Reads the book; null when this ledger has none. */
  static open(storage: LedgerStorage): Book | null {
    const tables = storage.sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'refunds'");
    if (tables.toArray().length === 0) return null;
    const rows = storage.sql.exec("SELECT doc FROM refunds ORDER BY seq").toArray();
    const [cover = "", ...docs] = rows.map((row) => row.doc as string);
    return new Book(storage, JSON.parse(cover), docs.map(storedRefund), null);
  }

  /** Creates the tables and the cover. */
  static create(storage: LedgerStorage, cover: Cover): Book {
    storage.sql.exec("CREATE TABLE refunds (seq INTEGER PRIMARY KEY, doc TEXT NOT NULL)");
    storage.sql.exec("CREATE TABLE outbox (id INTEGER PRIMARY KEY, event TEXT NOT NULL)");
    const book = new Book(storage, cover, [], []);
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

  saveCover(cover: Cover): void {
    this.#storage.sql.exec("INSERT OR REPLACE INTO refunds (seq, doc) VALUES (0, ?)", JSON.stringify(cover));
    this.#cover = cover;
  }

  /**
   * Saves a refund, with an entry in its timeline as the note says; null for what no reader of it would see. A new refund
   * never takes another one's place: two with one sequence fail the transaction.
   */
  save(changed: Refund, note: Note | null): void {
    const known = this.#refunds.get(changed.id);
    const refund = noted(known, changed, note);
    const doc = JSON.stringify(withoutNulls(refund));
    if (known !== undefined) {
      if (known.seq !== refund.seq) throw new Error(`refund ${refund.id} has another place in the book`);
      this.#storage.sql.exec("UPDATE refunds SET doc = ? WHERE seq = ?", doc, refund.seq);
      this.#refunds.set(refund.id, refund);
    } else {
      this.#storage.sql.exec("INSERT INTO refunds (seq, doc) VALUES (?, ?)", refund.seq, doc);
      const later = refund.seq === this.nextSeq ? [] : this.refunds.filter(({ seq }) => seq > refund.seq);
      this.#refunds.set(refund.id, refund);
      // Refunds taken over from D1 may be older than the newest: the map stays in the order of creation.
      for (const newer of later) {
        this.#refunds.delete(newer.id);
        this.#refunds.set(newer.id, newer);
      }
    }
    if (refund.reverses) this.#reverse(refund);
  }

  /** A charge is reversed while a refund that takes back the whole of it has succeeded; others may have failed before. */
  #reverse({ syncDueAt }: Refund): void {
    const reversed = this.refunds.some(({ reverses, state }) => reverses && state === "succeeded");
    const { charge } = this.#cover;
    if (charge.reversed === reversed) return;
    this.saveCover({
      ...this.#cover,
      charge: { ...charge, reversed, version: charge.version + 1 },
      syncDueAt: this.#cover.syncDueAt ?? syncDueAt,
    });
  }

  addEvent(event: Event): void {
    const waiting = this.#waiting();
    const id = (waiting.at(-1)?.id ?? 0) + 1;
    this.#storage.sql.exec("INSERT INTO outbox (id, event) VALUES (?, ?)", id, JSON.stringify(event));
    waiting.push({ id, event });
  }

  /** The oldest undelivered events. */
  outbox(limit: number): Waiting[] {
    return this.#waiting().slice(0, limit);
  }

  /** D1 has the events up to this one. Statements are compiled anew for each ledger: the simpler, the cheaper. */
  dropEvents(upTo: number): void {
    this.#storage.sql.exec("DELETE FROM outbox WHERE id <= ?", upTo);
    this.#outbox = this.#waiting().filter(({ id }) => id > upTo);
  }

  #waiting(): Waiting[] {
    this.#outbox ??= this.#storage.sql
      .exec("SELECT id, event FROM outbox ORDER BY id")
      .toArray()
      .map((row) => ({ id: row.id as number, event: JSON.parse(row.event as string) }));
    return this.#outbox;
  }
}
