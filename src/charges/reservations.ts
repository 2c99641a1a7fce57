// How a refund comes to be: check and write in one transaction, then the first question to the channel and whoever waits
// for its answer. A refund that was promised before its ledger could refuse it comes to exist as failed.

import { within } from "../deadline.ts";
import { refusalText } from "../http/problem.ts";
import { madeAsText, type Refund } from "../refunds/refund.ts";
import { accountFor, refusedRefund, reserveRefund, type Situation } from "../refunds/reserve-refund.ts";
import { actorOf, type Note } from "../refunds/timeline.ts";
import type { Book, Books } from "./book.ts";
import type { Driver } from "./driver.ts";
import type { CreateAnswer, CreateCall, CreateCommand, DecideCall, Replayed } from "./ledger-calls.ts";
import type { LedgerPorts } from "./ledger-ports.ts";
import type { WaitingRequests } from "./waiting-requests.ts";

/** If the channel has not answered by then, D1 hears of the pending refund meanwhile. */
const FLUSH_PENDING_AFTER_MS = 500;

/** `amount`: what a refund made by this very call comes to, 0 for one that was there. */
interface Reserved {
  refund: string;
  replayed: Replayed;
  amount: number;
}

export class Reservations {
  readonly #ports: LedgerPorts;
  readonly #books: Books;
  readonly #driver: Driver;
  readonly #waiting: WaitingRequests;
  readonly #flush: () => Promise<void>;

  constructor(
    ports: LedgerPorts,
    books: Books,
    driver: Driver,
    waiting: WaitingRequests,
    flush: () => Promise<void>,
  ) {
    this.#ports = ports;
    this.#books = books;
    this.#driver = driver;
    this.#waiting = waiting;
    this.#flush = flush;
  }

  /** What the ledger knows when somebody asks for a refund to be made, or to be sent. */
  situation(book: Book, description: string): Situation {
    return {
      charge: book.charge,
      freeze: book.cover.freeze,
      refunds: book.refunds,
      facts: this.#driver.facts(book.charge, description),
      slotFree: this.#driver.hasFreeCall,
      answeredAt: ({ id }) => this.#waiting.answeredAt(id),
      now: this.#ports.now(),
    };
  }

  /** Check and write in one transaction; starts the first question to the channel. */
  reserve(call: CreateCall): Reserved | Exclude<CreateAnswer, { ok: unknown }> {
    const { command } = call;
    let started: Refund | null = null;
    const outcome = this.#books.write(() => {
      const book = this.#books.enter(call.hydration);
      if (book === null) return { unhydrated: true } as const;
      const reservation = reserveRefund(command, this.situation(book, command.description));
      // Whatever this id stands for already is never made again, nor made over.
      const known = book.find(command.refund);
      if (call.promised && known !== undefined)
        return { refund: known.id, replayed: true as const, amount: 0 };
      if (reservation.kind === "refused") {
        const { refusal } = reservation;
        // A ledger that was lost cannot say no: an earlier try of this very command may have moved money.
        const lost = refusal.code === "charge_frozen" && refusal.freeze === "lost";
        if (!call.promised || lost) return { refusal };
        return this.#keepPromise(book, command, refusalText(refusal, command.language));
      }
      const { refund } = reservation;
      if (reservation.kind === "existing") {
        const { replayed } = reservation;
        if (!call.promised) return { refund: refund.id, replayed, amount: 0 };
        return this.#keepPromise(book, command, madeAsText(refund.id, command.language));
      }
      book.save(refund, this.#noteOf("created", command));
      this.#waiting.begin(refund.id, command.request);
      this.#books.addEvents(book, refund, ["refund.created"]);
      this.#books.arm();
      started = refund;
      return { refund: refund.id, replayed: false as const, amount: refund.amount };
    });
    if (started !== null) this.#begin(started, command);
    return outcome;
  }

  /** Waits for the first verdict about a refund that is on its way, at most `waitMs`. */
  async firstVerdict(refund: string, waitMs: number): Promise<void> {
    const made = this.#books.enter()?.find(refund);
    // What cannot be sent within the wait need not be waited for.
    const isHeld = made?.approval?.status === "required" || (made?.dueAt ?? 0) > this.#ports.now() + waitMs;
    if (made?.state === "waiting" && isHeld) return;
    await this.#waiting.verdict(refund, waitMs, this.#ports.sleep);
  }

  /** Sends a refund that was approved just now, and waits for what the channel says. */
  async send(call: DecideCall): Promise<void> {
    const book = this.#books.enter();
    const refund = book?.find(call.refund);
    if (!book || refund === undefined) return;
    // A repeated approval finds it on its way, or ended: it is not sent again, and its own account goes on being asked.
    if (refund.clearToSubmit) this.#driver.start(refund, accountFor(call, book.charge.channel) ?? null);
    else this.#driver.pump();
    const asking = this.#driver.asking(call.refund);
    if (asking !== undefined) await within(this.#ports.sleep, asking, call.waitMs);
  }

  /** The client was told `pending` before the ledger could refuse: the refund comes to exist as failed. */
  #keepPromise(book: Book, command: CreateCommand, words: string): Reserved {
    const refund = refusedRefund(command, book.charge, book.nextSeq, words, this.#ports.now());
    book.save(refund, { ...this.#noteOf("refused", command), words });
    this.#books.addEvents(book, refund, ["refund.created", "refund.failed"]);
    this.#books.arm();
    return { refund: refund.id, replayed: false, amount: 0 };
  }

  /** The reservation is stored: the channel is asked, and D1 hears of a refund that stays pending. */
  #begin(refund: Refund, command: CreateCommand): void {
    const channel = this.#books.enter()?.charge.channel ?? "";
    this.#driver.start(refund, accountFor(command, channel) ?? null);
    void this.#waiting
      .verdict(refund.id, FLUSH_PENDING_AFTER_MS, this.#ports.sleep)
      .then(() => this.#flush());
  }

  #noteOf(cause: Note["cause"], { apiKey }: CreateCommand): Note {
    return { cause, actor: actorOf(apiKey, null), at: this.#ports.now() };
  }
}
