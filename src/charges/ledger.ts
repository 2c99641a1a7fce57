// The ledger of one charge: the only place that decides whether a refund may be made, and that remembers what became of
// it. Every check stands in one synchronous transaction with the write that depends on it; nothing is awaited between.
// After a reservation the refund exists, and every path here leads on to its outcome: the request that made it, the
// alarm, or the next call that enters.
import { within } from "../deadline.ts";
import type { EventType } from "../events/event.ts";
import { nameOf } from "../log.ts";
import { isFinal, type Refund } from "../refunds/refund.ts";
import { refundEvent } from "../refunds/refund-event.ts";
import type { Refusal } from "../refunds/refusal.ts";
import { SYNC_WITHIN_MS } from "../refunds/reserve-refund.ts";
import { refundObject } from "../refunds/schema.ts";
import { actorOf, CHANNEL } from "../refunds/timeline.ts";
import { Adoptions } from "./adoption.ts";
import { AlarmClock, nextDue } from "./alarm-clock.ts";
import { Book, type Books } from "./book.ts";
import { changeCharge } from "./change-charge.ts";
import { Decisions } from "./decisions.ts";
import { Driver } from "./driver.ts";
import { bookFrom } from "./hydrate.ts";
import {
  type AdoptAnswer,
  type AdoptCall,
  type ApplyAnswer,
  type ApplyCall,
  type ClaimCall,
  type CreateAnswer,
  type CreateCall,
  type DecideCall,
  type DisputeAnswer,
  type DisputeCall,
  type ExportAnswer,
  type Hydration,
  type LedgerSurface,
  missingFeature,
  type PokeAnswer,
  type PokeCall,
  type ReadAnswer,
  type ReadCall,
  type RecordAnswer,
  type RecordCall,
  type ResolveCall,
  type RetellAnswer,
  type RetellCall,
  type SyncAnswer,
  type SyncCall,
  type Unhydrated,
  type UpdateCall,
} from "./ledger-calls.ts";
import type { LedgerPorts } from "./ledger-ports.ts";
import { Operations } from "./operations.ts";
import { Projector } from "./projector.ts";
import { Reservations } from "./reservations.ts";
import { chargeObject } from "./schema.ts";
import { renderView } from "./view.ts";
import { WaitingRequests } from "./waiting-requests.ts";

const CONTRADICTION_WAIT_MS = 500;
/** An alarm works at most this long, and one that hangs is followed by another. */
const ALARM_WORK_MS = 45_000;
const DEAD_MAN_MS = 60_000;
const UNHYDRATED: Unhydrated = { unhydrated: true };

export class Ledger implements LedgerSurface {
  readonly #ports: LedgerPorts;
  #book: Book | null = null;
  readonly #alarm: AlarmClock;
  readonly #projector: Projector;
  readonly #waiting = new WaitingRequests();
  readonly #driver: Driver;
  readonly #operations: Operations;
  readonly #reservations: Reservations;
  readonly #decisions: Decisions;
  readonly #adoptions: Adoptions;

  constructor(ports: LedgerPorts) {
    this.#ports = ports;
    this.#alarm = new AlarmClock(ports, () => this.#nextDue());
    const books: Books = {
      enter: (hydration) => this.#enter(hydration),
      write: (work) => this.#write(work),
      arm: () => this.#alarm.arm(),
      disarm: () => this.#alarm.disarm(),
      addEvents: (book, refund, types) => this.#addEvents(book, refund, types),
    };
    this.#projector = new Projector(ports, books);
    this.#driver = new Driver(ports, books, {
      onVerdict: (refund) => this.#waiting.wake(refund),
      onChange: () => void this.#projector.flush(),
    });
    this.#operations = new Operations(ports, books, this.#driver);
    this.#adoptions = new Adoptions(ports, books, this.#driver);
    this.#reservations = new Reservations(ports, books, this.#driver, this.#waiting, () =>
      this.#projector.flush(),
    );
    this.#decisions = new Decisions(ports, books, (book, description) =>
      this.#reservations.situation(book, description),
    );
  }

  /** Makes a refund, or finds the one this command made before; answers with the first verdict or when the wait ends. */
  async create(call: CreateCall): Promise<CreateAnswer> {
    const missing = missingFeature(call);
    if (missing !== null) return { refusal: { code: "unsupported", feature: missing } };
    const reserved = this.#reservations.reserve(call);
    if ("refusal" in reserved || "unhydrated" in reserved) return reserved;
    // The refund exists from here on: nothing below may turn into an error.
    const { refund, replayed, amount } = reserved;
    try {
      await this.#reservations.firstVerdict(refund, call.command.waitMs);
      const rendered = call.command.reverses ? this.#renderCharge() : this.#render(refund);
      const currency = this.#enter()?.charge.currency ?? "";
      return { ok: { refund: rendered, replayed, amount, currency } };
    } finally {
      if (replayed === false) this.#waiting.end(refund, this.#ports.now());
    }
  }

  /** Hydrates the charge and records what a repeat or an update brings. */
  async record(call: RecordCall): Promise<RecordAnswer> {
    const missing = missingFeature(call);
    const nothing = { before: null, after: null };
    if (missing !== null) return { refusal: { code: "unsupported", feature: missing }, held: nothing };
    const answer = this.#write((): RecordAnswer => {
      const book = this.#enter(call.hydration);
      if (book === null) return UNHYDRATED;
      const before = book.charge.transactionNo;
      const changed = changeCharge(book.charge, call.change, call.correct, book.refunds, this.#seconds());
      if ("refusal" in changed) return { ...changed, held: { before, after: before } };
      if (changed.ok !== book.charge) {
        const charge = { ...changed.ok, version: book.charge.version + 1 };
        // Another payment has not been confirmed, nor claimed for this charge.
        const verified = charge.transactionNo === before ? book.cover.verified : undefined;
        const syncDueAt = this.#ports.now() + SYNC_WITHIN_MS;
        book.saveCover({ ...book.cover, charge, syncDueAt, verified });
        this.#alarm.arm();
      }
      const held = { before, after: book.charge.transactionNo };
      return { ok: { charge: JSON.stringify(chargeObject(book.charge, book.refunds)) }, held };
    });
    void this.#projector.flush();
    return answer;
  }

  /** One refund, a page of them, or the charge, as clients see them. */
  async read(call: ReadCall): Promise<ReadAnswer> {
    const missing = missingFeature(call);
    if (missing !== null) return { refusal: { code: "unsupported", feature: missing } };
    const book = this.#enter();
    if (book === null) return UNHYDRATED;
    return renderView(book.charge, book.refunds, call.target);
  }

  /** Takes a verdict that the channel, an operator or a test helper brings by itself. */
  async apply(call: ApplyCall): Promise<ApplyAnswer> {
    const missing = missingFeature(call);
    if (missing !== null) return { refusal: { code: "unsupported", feature: missing } };
    const book = this.#enter();
    if (book === null) return UNHYDRATED;
    const refund = book.find(call.refund);
    if (refund === undefined) return { refusal: { code: "unknown_refund", refund: call.refund } };
    const before = refund.version;
    this.#driver.hear(
      call.refund,
      call.verdict,
      call.apiKey === undefined ? CHANNEL : actorOf(call.apiKey, null),
    );
    // A contradiction is settled by asking the channel; whoever told us may as well see the outcome.
    const asking = this.#driver.asking(call.refund);
    if (asking !== undefined) await within(this.#ports.sleep, asking, CONTRADICTION_WAIT_MS);
    const after = this.#enter()?.find(call.refund)?.version ?? before;
    return { ok: { refund: this.#render(call.refund), changed: after !== before } };
  }

  /** Asks the channel about a refund now, also about one that has ended. */
  async sync(call: SyncCall): Promise<SyncAnswer> {
    return await this.#operate(call, async () => {
      await this.#operations.sync(call.refund);
      return null;
    });
  }

  /** Somebody takes a refund in hand. */
  async claim(call: ClaimCall): Promise<SyncAnswer> {
    return await this.#operate(call, async () => this.#operations.claim(call));
  }

  /** A person ends a refund that the channel cannot. */
  async resolve(call: ResolveCall): Promise<SyncAnswer> {
    return await this.#operate(call, () => this.#operations.resolve(call));
  }

  /** Cancels a refund that was not sent, or decides on one that needs approval; an approval sends it. */
  async decide(call: DecideCall): Promise<SyncAnswer> {
    return await this.#operate(call, async () => {
      const refusal = this.#decisions.decide(call);
      if (refusal === null && call.decision === "approve") await this.#reservations.send(call);
      return refusal;
    });
  }

  /** Changes a refund's metadata and description. */
  async update(call: UpdateCall): Promise<SyncAnswer> {
    return await this.#operate(call, async () => this.#decisions.update(call));
  }

  /** Takes what is heard of a dispute. */
  async dispute(call: DisputeCall): Promise<DisputeAnswer> {
    const missing = missingFeature(call);
    if (missing !== null) return { refusal: { code: "unsupported", feature: missing } };
    const answer = this.#write((): DisputeAnswer => {
      const book = this.#enter(call.hydration);
      return book === null ? UNHYDRATED : this.#operations.dispute(book, call);
    });
    void this.#projector.flush();
    return answer;
  }

  /** What is done to one refund by hand: refused, or answered with the refund as it stands then. */
  async #operate(call: SyncCall, work: () => Promise<Refusal | null>): Promise<SyncAnswer> {
    const missing = missingFeature(call);
    if (missing !== null) return { refusal: { code: "unsupported", feature: missing } };
    const book = this.#enter();
    if (book === null) return UNHYDRATED;
    if (book.find(call.refund) === undefined) {
      return { refusal: { code: "unknown_refund", refund: call.refund } };
    }
    const refusal = await work();
    // One that was stopped gets no verdict any more that its creating request could wait for.
    const refund = this.#enter()?.find(call.refund);
    if (refund !== undefined && isFinal(refund)) this.#waiting.wake(refund.id);
    void this.#projector.flush();
    return refusal === null ? { ok: { refund: this.#render(call.refund) } } : { refusal };
  }

  /** An operator lifts the freeze; takes D1's view before if the ledger was lost. */
  async adopt(call: AdoptCall): Promise<AdoptAnswer> {
    const missing = missingFeature(call);
    if (missing !== null) return { refusal: { code: "unsupported", feature: missing } };
    const book = this.#write(() => this.#enter(call.hydration));
    if (book === null) return UNHYDRATED;
    const refusal = await this.#adoptions.adopt(call);
    void this.#projector.flush();
    return refusal === null ? { ok: { charge: this.#renderCharge() } } : { refusal };
  }

  /** Tells D1 everything again, if the book is the caller's: an object's id says nothing of whose it is. */
  async retell(call: RetellCall): Promise<RetellAnswer> {
    const missing = missingFeature(call);
    if (missing !== null) return { refusal: { code: "unsupported", feature: missing } };
    const { app, livemode, id } = this.#enter()?.charge ?? {};
    if (id === undefined || app !== call.app || livemode !== call.livemode) return UNHYDRATED;
    return { ok: { charge: id, told: await this.#projector.retellNow() } };
  }

  /** Makes sure that an alarm is set if work is left; takes D1's view if the ledger was lost. Asks nobody anything. */
  async poke(call: PokeCall): Promise<PokeAnswer> {
    const book = this.#write(() => this.#enter(call.hydration));
    if (book === null) return UNHYDRATED;
    this.#projector.retellIfIdle();
    this.#alarm.rearm();
    return { ok: true };
  }

  /** The whole book. */
  async export(): Promise<ExportAnswer> {
    const book = this.#enter();
    if (book === null) return UNHYDRATED;
    const undelivered = book.outbox(Number.MAX_SAFE_INTEGER).map(({ event }) => event.id);
    const { freeze, adoptions } = book.cover;
    const adopted = adoptions === undefined ? {} : { adoptions };
    return { ok: { charge: book.charge, freeze, ...adopted, refunds: book.refunds, undelivered } };
  }

  /** Does what is due. Never throws: a throwing alarm is retried a few times and then gone for good. */
  async alarm(): Promise<void> {
    this.#alarm.forget();
    try {
      const due = this.#enter({ alarm: true }) === null ? null : this.#nextDue();
      if (due === null) return;
      if (due <= this.#ports.now()) {
        // Should this run die or hang, another follows.
        this.#alarm.set(this.#ports.now() + DEAD_MAN_MS);
        await within(this.#ports.sleep, this.#work(), ALARM_WORK_MS);
      }
    } catch (error) {
      this.#forget();
      this.#driver.pause();
      this.#ports.alert("alarm_failed", { error: nameOf(error) });
    }
    try {
      if (this.#enter({ alarm: true }) !== null) this.#alarm.settle();
    } catch (error) {
      this.#forget();
      this.#ports.alert("alarm_not_set", { error: nameOf(error) });
    }
  }

  async #work(): Promise<void> {
    this.#driver.pump();
    await this.#driver.idle();
    await this.#projector.flush();
  }

  #addEvents(book: Book, refund: Refund, types: EventType[]): void {
    const request = this.#waiting.requestOf(refund.id);
    for (const type of types) {
      book.addEvent(refundEvent(type, refund, book.charge, request, this.#ports.random, this.#ports.now()));
    }
  }

  /** The book, read or made if need be; every way into the ledger passes here and finds a lost alarm. */
  #enter(how?: Hydration | { alarm: true }): Book | null {
    const entered = this.#book !== null;
    this.#book ??= Book.open(this.#ports.storage);
    const hydration = how !== undefined && "charge" in how ? how : null;
    if (this.#book === null && hydration !== null) {
      this.#book = bookFrom(this.#ports.storage, hydration, this.#ports.now());
      if (hydration.opened) {
        this.#ports.alert("ledger_lost", {
          charge: hydration.charge.id,
          livemode: hydration.charge.livemode,
        });
        this.#alarm.arm();
      }
    } else if (this.#book !== null && (how === undefined || hydration !== null)) {
      if (!entered || this.#alarm.isLate()) this.#alarm.armExactly();
    }
    return this.#book;
  }

  #nextDue(): number | null {
    const isAsking = ({ id }: Refund) => this.#driver.isAsking(id);
    return this.#book === null
      ? null
      : nextDue(this.#book, isAsking, this.#driver.retryAt, this.#projector.retryAt, this.#ports.now());
  }

  /** One transaction; if it throws, memory is thrown away with it and read again from storage. */
  #write<T>(work: () => T): T {
    try {
      return this.#ports.storage.transactionSync(work);
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  #forget(): void {
    this.#book = null;
    this.#alarm.forget();
  }

  #render(id: string): string {
    const book = this.#enter();
    const refund = book?.find(id);
    if (!book || refund === undefined) throw new Error("a refund that was reserved is gone");
    return JSON.stringify(refundObject(refund, book.charge));
  }

  #renderCharge(): string {
    const book = this.#enter();
    if (book === null) throw new Error("a charge that was reversed is gone");
    return JSON.stringify(chargeObject(book.charge, book.refunds));
  }

  #seconds(): number {
    return Math.floor(this.#ports.now() / 1000);
  }
}
