// An operator adopts a frozen charge: the freeze is lifted, and who did it and why stays in the book. What the channel says
// of a refund in conflict is believed then, also where more goes back than was paid; what it has not said yet of a lost
// ledger's refunds is waited for.
import type { Verdict } from "../channels/channel.ts";
import type { EventType } from "../events/event.ts";
import { type Actor, isFinal, type Refund } from "../refunds/refund.ts";
import type { Refusal } from "../refunds/refusal.ts";
import { SYNC_WITHIN_MS } from "../refunds/reserve-refund.ts";
import { settleRefund } from "../refunds/settle-refund.ts";
import { type Adoption, type Book, type Books, changedRefund, dirty } from "./book.ts";
import type { Driver } from "./driver.ts";
import type { AdoptCall } from "./ledger-calls.ts";
import type { LedgerPorts } from "./ledger-ports.ts";

/** The newest are kept. */
const ADOPTIONS_MAX = 20;

interface Change {
  refund: Refund;
  events: EventType[];
}

export class Adoptions {
  readonly #ports: LedgerPorts;
  readonly #books: Books;
  readonly #driver: Driver;

  constructor(ports: LedgerPorts, books: Books, driver: Driver) {
    this.#ports = ports;
    this.#books = books;
    this.#driver = driver;
  }

  /** Null when the freeze is lifted. The channel is asked once more about every refund that it contradicted. */
  async adopt(call: AdoptCall): Promise<Refusal | null> {
    const before = this.#books.enter();
    if (before !== null && isAdopted(before, call)) return null;
    const early = before === null ? null : hindrance(before);
    if (early !== null) return early;
    const asked = (before?.refunds ?? []).filter(isInConflict);
    const verdicts = new Map(
      await Promise.all(asked.map(async ({ id }) => [id, await this.#driver.query(id)] as const)),
    );
    return this.#books.write(() => {
      // Everything is looked at again: the channel has been asked meanwhile.
      const book = this.#books.enter();
      if (book === null || isAdopted(book, call)) return null;
      const refusal = hindrance(book);
      if (refusal !== null) return refusal;
      const now = this.#ports.now();
      const changes: Change[] = [];
      for (const refund of book.refunds) {
        if (isInConflict(refund)) {
          const change = believed(book, refund, verdicts.get(refund.id) ?? null, now);
          if ("code" in change) return change;
          changes.push(change);
        } else if (!isFinal(refund)) {
          // What was kept because of the freeze is looked at again at once.
          const kept = refund.state === "waiting" && refund.attention === "conflict";
          changes.push({ refund: changedRefund(refund, kept ? { dueAt: now } : {}, now), events: [] });
        }
      }
      this.#keep(book, call, changes, now);
      return null;
    });
  }

  #keep(book: Book, { by, reason, apiKey, request }: AdoptCall, changes: Change[], at: number): void {
    const actor: Actor = { type: "person", key: apiKey, by };
    for (const { refund, events } of changes) {
      book.save(refund, { cause: "adopted", actor, at, words: reason });
      this.#books.addEvents(book, refund, events);
    }
    const { cover } = book;
    if (cover.freeze === null) return;
    const asked = request === undefined ? {} : { request };
    const adoption: Adoption = { freeze: cover.freeze, by, reason, apiKey, ...asked, at };
    book.saveCover({
      ...cover,
      charge: { ...cover.charge, version: cover.charge.version + 1 },
      freeze: null,
      adoptions: [...(cover.adoptions ?? []), adoption].slice(-ADOPTIONS_MAX),
      syncDueAt: at + SYNC_WITHIN_MS,
    });
    this.#books.arm();
  }
}

/** The same call once more, whose answer was lost. */
function isAdopted({ cover }: Book, { request }: AdoptCall): boolean {
  return cover.freeze === null && request !== undefined && cover.adoptions?.at(-1)?.request === request;
}

/** Why the charge cannot be adopted now, as far as the book tells. */
function hindrance({ charge, cover, refunds }: Book): Refusal | null {
  if (cover.freeze === null) return { code: "charge_not_frozen", charge: charge.id };
  if (cover.freeze !== "lost") return null;
  const unheard = refunds.find(isUnheard);
  return unheard === undefined ? null : { code: "refund_outcome_unknown", refund: unheard.id };
}

/** The channel has not said what became of it: neither how it stands nor that it knows nothing of it. */
function isUnheard({ state, clearToSubmit }: Refund): boolean {
  return state === "submitting" || (state === "unknown" && !clearToSubmit);
}

/** One that failed in the books, and has succeeded at the channel when its money was spent already. */
function isInConflict({ state, attention }: Refund): boolean {
  return state === "failed" && attention === "conflict";
}

/** The refund as the channel has it. */
function believed(book: Book, refund: Refund, heard: Verdict | null, now: number): Change | Refusal {
  // A channel that has told of the money, and does not find it now, has not taken it back.
  const isSilent = heard === null || ["unknown", "notSent", "notFound"].includes(heard.kind);
  if (heard === null || isSilent) return { code: "channel_unreachable", refund: refund.id };
  if (heard.kind === "declined") {
    const change = { attention: null, contradictedAt: null, dueAt: null, leaseUntil: null };
    return { refund: changedRefund(refund, change, now), events: ["refund.updated"] };
  }
  const asked = { ...refund, attention: null, contradictedAt: heard.askedAt };
  const settlement = settleRefund(asked, heard, {
    asked: "query",
    now,
    channel: book.charge.channel,
    currency: book.charge.currency,
    // It has been paid, whether it fits or not.
    fits: true,
    settlingMs: 0,
  });
  if (settlement?.refund.state !== "succeeded") return { code: "channel_processing", refund: refund.id };
  return { refund: dirty(settlement.refund, now), events: settlement.events };
}
