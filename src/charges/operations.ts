// What people and other systems do to a charge's refunds besides making them: ask the channel now, take a refund in hand,
// end one that the channel cannot, and tell of disputes. Each check stands in one turn with its write.
import { disputedAmount, withDispute } from "../disputes/dispute.ts";
import {
  type Actor,
  isFinal,
  type Refund,
  refundOrderNo,
  resolvedText,
  statusOf,
  wasSent,
} from "../refunds/refund.ts";
import type { Refusal } from "../refunds/refusal.ts";
import { SYNC_WITHIN_MS } from "../refunds/reserve-refund.ts";
import { settleRefund } from "../refunds/settle-refund.ts";
import { isFull } from "../refunds/timeline.ts";
import { balanceOf } from "./balance.ts";
import { type Book, type Books, changedRefund, dirty } from "./book.ts";
import type { Driver } from "./driver.ts";
import type { ClaimCall, DisputeAnswer, DisputeCall, ResolveCall } from "./ledger-calls.ts";
import type { LedgerPorts } from "./ledger-ports.ts";

/** How long the channel is watched after a person has decided in its place. */
const DAY_MS = 86_400_000;
const WATCH_MS = 30 * DAY_MS;

export class Operations {
  readonly #ports: LedgerPorts;
  readonly #books: Books;
  readonly #driver: Driver;

  constructor(ports: LedgerPorts, books: Books, driver: Driver) {
    this.#ports = ports;
    this.#books = books;
    this.#driver = driver;
  }

  /** Asks the channel about a refund and books what it says; one that waits to be sent is sent, if it may be. */
  async sync(refund: string): Promise<void> {
    if (this.#find(refund).refund?.state === "waiting") await this.#driver.hasten(refund);
    else await this.#driver.query(refund);
  }

  /** Takes an open refund in hand, or over from who has it; null when it is taken, also if it was before. */
  claim(call: ClaimCall): Refusal | null {
    return this.#books.write(() => {
      const { book, refund } = this.#find(call.refund);
      if (refund === undefined) return { code: "unknown_refund", refund: call.refund };
      if (isFinal(refund)) return illegal(refund);
      if (refund.claim !== undefined) {
        const { by } = refund.claim;
        if (by === call.by) return null;
        if (by !== call.from) return { code: "refund_claimed", refund: refund.id, by };
      }
      if (isFull(refund)) return { code: "too_many_changes", refund: refund.id };
      const now = this.#ports.now();
      const actor: Actor = { type: "person", key: call.apiKey, by: call.by };
      book?.save(changedRefund(refund, { claim: { by: call.by, at: now } }, now), {
        cause: "claimed",
        actor,
        at: now,
      });
      this.#books.arm();
      return null;
    });
  }

  /**
   * Ends a refund by a person's word, after asking the channel once more: only what the channel itself says needs a
   * person can be ended so.
   */
  async resolve(call: ResolveCall): Promise<Refusal | null> {
    const before = this.#find(call.refund);
    if (before.refund === undefined) return { code: "unknown_refund", refund: call.refund };
    if (isDecided(before.refund, call)) return null;
    const early = this.#hindrance(before.refund, before.book, call);
    if (early !== null) return early;
    if (before.refund.state === "waiting") return this.#giveUp(call);
    const heard = await this.#driver.query(call.refund);
    return this.#books.write(() => {
      // Everything is looked at again: the channel may have ended it, or somebody may have claimed it.
      const { book, refund } = this.#find(call.refund);
      if (!book || refund === undefined) return { code: "unknown_refund", refund: call.refund };
      if (isDecided(refund, call)) return null;
      const hindrance = this.#hindrance(refund, book, call);
      if (hindrance !== null) return hindrance;
      if (heard?.kind === "unknown" && heard.missing && call.resolution.outcome === "failed") {
        // Nobody is left who could say more: the person's word is the last.
        this.#end(book, { ...refund, inDoubt: false, provisional: null }, call);
        return null;
      }
      if (heard === null || heard.kind === "unknown" || heard.kind === "notSent") {
        return { code: "channel_unreachable", refund: refund.id };
      }
      const needsPerson = heard.kind === "accepted" && (heard.attention ?? heard.url) !== undefined;
      if (refund.state !== "accepted" || !needsPerson)
        return { code: "channel_processing", refund: refund.id };
      this.#end(book, refund, call);
      return null;
    });
  }

  /** Ends a refund that was never sent: there is nobody to ask, and nothing that could have been paid. */
  #giveUp(call: ResolveCall): Refusal | null {
    return this.#books.write(() => {
      const { book, refund } = this.#find(call.refund);
      if (!book || refund === undefined) return { code: "unknown_refund", refund: call.refund };
      const isUnsent = refund.state === "waiting" && !wasSent(refund);
      if (!isUnsent || call.resolution.outcome !== "failed") return illegal(refund);
      this.#end(book, refund, call);
      return null;
    });
  }

  /** Books what is heard of a dispute. */
  dispute(book: Book, call: DisputeCall): Exclude<DisputeAnswer, { unhydrated: true }> {
    const { cover } = book;
    const now = this.#ports.now();
    const before = cover.charge.disputes ?? {};
    const { id, status, currency = cover.charge.currency } = call;
    // What it comes to in another currency nobody here can tell: until a merchant does, none of the charge is free.
    const told = currency === cover.charge.currency ? call.amount : cover.charge.amount;
    const amount = told ?? (Object.hasOwn(before, id) ? before[id]?.amount : undefined);
    if (amount === undefined) return { refusal: { code: "dispute_amount_missing", charge: cover.charge.id } };
    const disputes = withDispute(before, id, { status, amount }, Math.floor(now / 1000));
    if (disputes === null) return { refusal: { code: "too_many_disputes", charge: cover.charge.id } };
    if (disputes !== before) {
      const charge = {
        ...cover.charge,
        disputes,
        disputed: disputedAmount(disputes),
        version: cover.charge.version + 1,
      };
      book.saveCover({ ...cover, charge, syncDueAt: now + SYNC_WITHIN_MS });
      this.#books.arm();
    }
    const dispute = disputes[id];
    if (dispute === undefined) throw new Error("a dispute that was booked is gone");
    return { ok: { dispute, refundable: balanceOf(book.charge, book.refunds).refundable } };
  }

  /** Why nobody may end the refund now, as far as the books tell. */
  #hindrance(refund: Refund, book: Book | null, call: ResolveCall): Refusal | null {
    if (isFinal(refund)) return illegal(refund);
    const { by } = call.resolution;
    if (refund.claim !== undefined && refund.claim.by !== by) {
      return { code: "refund_claimed", refund: refund.id, by: refund.claim.by };
    }
    const byHand =
      book === null
        ? undefined
        : this.#driver.facts(book.charge, refund.sentDescription ?? refund.description)?.byHand;
    if (byHand && refund.claim === undefined) return { code: "refund_not_claimed", refund: refund.id };
    return null;
  }

  #end(book: Book, refund: Refund, call: ResolveCall): void {
    const now = this.#ports.now();
    const { resolution, transactionNo } = call;
    // The last word, also when the clock has gone back since the channel's.
    const askedAt = Math.max(now, refund.askedAt ?? 0);
    const facts = { number: refundOrderNo(refund.id), amount: null, currency: null, askedAt };
    const verdict =
      resolution.outcome === "succeeded"
        ? ({ ...facts, kind: "succeeded", transactionNo } as const)
        : ({
            ...facts,
            kind: "declined",
            code: "",
            words: "",
            failureCode: "refund_manual_intervention",
          } as const);
    const settlement = settleRefund(refund, verdict, {
      asked: "query",
      now,
      channel: book.charge.channel,
      currency: book.charge.currency,
      fits: true,
      settlingMs: 0,
    });
    if (settlement === null) throw new Error("a person's word about an open refund changed nothing");
    const watch = refund.state !== "waiting" ? { watchUntil: now + WATCH_MS, dueAt: now + DAY_MS } : {};
    const resolved: Refund = {
      ...settlement.refund,
      ...(resolution.outcome === "failed"
        ? {
            failureMsg: resolvedText(resolution.reason, refund.language),
            channelCode: null,
            channelMessage: null,
          }
        : {}),
      resolution: { ...resolution, at: now },
      ...watch,
    };
    const actor: Actor = { type: "person", key: call.apiKey, by: resolution.by };
    book.save(dirty(resolved, now), { cause: "resolved", actor, at: now, words: resolution.reason });
    this.#books.addEvents(book, resolved, settlement.events);
    this.#books.arm();
  }

  #find(id: string): { book: Book | null; refund: Refund | undefined } {
    const book = this.#books.enter();
    return { book, refund: book?.find(id) };
  }
}

/** The same decision once more, whose answer was lost. */
function isDecided({ resolution, state }: Refund, call: ResolveCall): boolean {
  if (resolution === undefined || state !== resolution.outcome) return false;
  const { outcome, by, reason } = call.resolution;
  return resolution.outcome === outcome && resolution.by === by && resolution.reason === reason;
}

export function illegal(refund: Refund): Refusal {
  return { code: "illegal_transition", refund: refund.id, status: statusOf(refund.state) };
}
