// Keeps D1 up to date with a ledger: one run at a time, which also takes what changes meanwhile. The outbox and the
// versions stay in the ledger until D1 has answered; a batch may arrive twice, its writes are guarded by version.
import { within } from "../deadline.ts";
import type { Refund } from "../refunds/refund.ts";
import { balanceOf } from "./balance.ts";
import type { Book, Books } from "./book.ts";
import { restored, withProjection } from "./hydrate.ts";
import type { FlushBatch, FlushReceipt, LedgerPorts } from "./ledger-ports.ts";

const TIMEOUT_MS = 10_000;
const BACKOFF_MS = [2_000, 5_000, 15_000, 60_000, 300_000] as const;
/** A ledger that told D1 something so lately waits as long before it does again. */
const GATHER_MS = 20;
const EVENTS_MAX = 100;
const REFUNDS_MAX = 50;
/** Bounds one run; a rest is left to the alarm. */
const ROUNDS_MAX = 50;

interface Batch {
  flush: FlushBatch;
  /** The last event in it. */
  outbox: number;
  /** The versions of all refunds that the ledger knows. */
  known: number;
  /** Those that D1 must have after it; it may have more if the batch does not hold all. */
  told: number;
  /** Every event of these refunds is in the batch. */
  complete: boolean;
}

export class Projector {
  readonly #ports: LedgerPorts;
  readonly #books: Books;
  #running: Promise<void> | null = null;
  #failures = 0;
  /** When D1 was told last, ms. */
  #toldAt = 0;
  /** Until when D1 is left alone after a failure, ms. */
  retryAt = 0;

  constructor(ports: LedgerPorts, books: Books) {
    this.#ports = ports;
    this.#books = books;
  }

  /** Resolves when D1 has everything, or when it could not be told; never rejects. */
  flush(): Promise<void> {
    this.#running ??= this.#run();
    return this.#running;
  }

  async #run(): Promise<void> {
    let retold = false;
    try {
      // The answer to whoever changed something goes first, and what changes shortly after is told together.
      const isBusy = this.#ports.now() < this.#toldAt + GATHER_MS;
      await this.#ports.sleep(isBusy ? GATHER_MS : 0);
      for (let round = 0; round < ROUNDS_MAX && this.retryAt <= this.#ports.now(); round++) {
        const book = this.#books.enter();
        const batch = book === null ? null : this.#collect(book);
        if (batch === null) return;
        const receipt = await this.#inTime(this.#ports.flush(batch.flush));
        this.#failures = 0;
        this.#toldAt = this.#ports.now();
        // Before the batch counts as told: should this fail, it is sent again, and what it showed is seen again.
        if (isBehind(batch, receipt)) await this.#catchUp();
        this.#markSynced(batch);
        if (receipt.versions < batch.told && !retold) {
          retold = true;
          this.retell();
        }
      }
    } catch (error) {
      this.#failed(error);
    } finally {
      // In the same turn as the last look for work: whoever changes something after it starts the next run.
      this.#running = null;
    }
  }

  #failed(error: unknown): void {
    const delay = BACKOFF_MS[Math.min(this.#failures, BACKOFF_MS.length - 1)] as number;
    this.#failures++;
    this.retryAt = this.#ports.now() + delay;
    const name = error instanceof Error ? error.name : "Error";
    this.#ports.alert("flush_failed", { error: name, failures: this.#failures });
    try {
      if (this.#books.enter() !== null) this.#books.arm();
    } catch {
      // Storage is gone with this instance; the alarm that is armed already belongs to the next one.
    }
  }

  #collect(book: Book): Batch | null {
    const refunds = book.refunds.filter((refund) => refund.version > refund.synced).slice(0, REFUNDS_MAX);
    if (refunds.length === 0 && book.charge.version <= book.cover.synced) return null;
    const outbox = book.outbox(EVENTS_MAX);
    const sent = new Set(refunds);
    const known = sum(book.refunds, ({ version }) => version);
    const flush: FlushBatch = {
      charge: book.charge,
      synced: book.cover.synced,
      version: book.charge.version + known,
      balance: balanceOf(book.charge, book.refunds),
      freeze: book.cover.freeze,
      highestSeq: book.nextSeq - 1,
      refunded: book.refunds.length > 0 || book.charge.refundedElsewhere > 0,
      refunds,
      events: outbox.map(({ event }) => event),
      now: this.#ports.now(),
    };
    return {
      flush,
      outbox: outbox.at(-1)?.id ?? 0,
      known,
      told: sum(book.refunds, (refund) => (sent.has(refund) ? refund.version : refund.synced)),
      complete: outbox.length < EVENTS_MAX,
    };
  }

  /** D1 has the batch: what changed meanwhile stays to be told. */
  #markSynced(batch: Batch): void {
    this.#books.write(() => {
      const book = this.#books.enter();
      if (book === null) return;
      if (batch.outbox > 0) book.dropEvents(batch.outbox);
      for (const sent of batch.complete ? batch.flush.refunds : []) {
        const refund = book.find(sent.id);
        if (refund === undefined || sent.version <= refund.synced) continue;
        const syncDueAt = refund.version > sent.version ? refund.syncDueAt : null;
        book.save({ ...refund, synced: sent.version, syncDueAt }, null);
      }
      const { cover } = book;
      if (batch.flush.charge.version > cover.synced) {
        const synced = batch.flush.charge.version;
        book.saveCover({
          ...cover,
          synced,
          syncDueAt: cover.charge.version > synced ? cover.syncDueAt : null,
        });
      }
      this.#books.disarm();
    });
  }

  /** D1 is ahead: this ledger was rolled back. What D1 knows is taken over; in live mode an operator must look. */
  async #catchUp(): Promise<void> {
    const before = this.#books.enter();
    const projection = before === null ? null : await this.#inTime(this.#ports.projection(before.charge));
    if (projection === null) return;
    this.#books.write(() => {
      const book = this.#books.enter();
      if (book === null) return;
      const taken = withProjection(book, projection, this.#ports.now());
      book.saveCover(taken.cover);
      for (const refund of taken.refunds) book.save(refund, restored(this.#ports.now()));
      this.#books.arm();
    });
    this.#ports.alert("ledger_behind", {
      charge: projection.charge.id,
      livemode: projection.charge.livemode,
    });
  }

  /** Called when D1 takes something for overdue: if it was told everything and nothing is due, it has forgotten it. */
  retellIfIdle(): void {
    const book = this.#books.enter();
    if (book === null || book.charge.version > book.cover.synced) return;
    const now = this.#ports.now();
    const isBusy = ({ version, synced, dueAt }: Refund) =>
      version > synced || (dueAt !== null && dueAt <= now);
    if (!book.refunds.some(isBusy)) this.retell();
  }

  /** An operator has D1 told everything; whether it has all of it now. */
  async retellNow(): Promise<boolean> {
    // What is on its way would count as told.
    await this.flush();
    this.#untell();
    await this.flush();
    const book = this.#books.enter();
    if (book === null) return false;
    return book.cover.synced > 0 && book.refunds.every(({ synced }) => synced > 0);
  }

  /** D1 has forgotten what it was told, because it was put back to the past: it is told all of it again. */
  retell(): void {
    const book = this.#books.enter();
    if (book === null) return;
    this.#untell();
    this.#ports.alert("database_behind", { charge: book.charge.id, livemode: book.charge.livemode });
  }

  #untell(): void {
    const book = this.#books.enter();
    if (book === null) return;
    const syncDueAt = this.#ports.now();
    this.#books.write(() => {
      for (const refund of book.refunds) book.save({ ...refund, synced: 0, syncDueAt }, null);
      book.saveCover({ ...book.cover, synced: 0, syncDueAt });
      this.#books.arm();
    });
  }

  /** D1 may hang: whoever waits for it stops at some time. */
  async #inTime<T>(work: Promise<T>): Promise<T> {
    const outcome = await within(this.#ports.sleep, work, TIMEOUT_MS);
    if (outcome === "late") throw new Error("D1 did not answer in time");
    return outcome.done;
  }
}

function sum(refunds: readonly Refund[], of: (refund: Refund) => number): number {
  return refunds.reduce((total, refund) => total + of(refund), 0);
}

/** D1 knows what this ledger does not: the ledger was rolled back. */
function isBehind({ flush, known }: Batch, held: FlushReceipt): boolean {
  return held.version > flush.version || held.versions > known;
}
