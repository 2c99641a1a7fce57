// What is decided about a refund before it is sent, and what may be said of it at any time: it is canceled, approved or
// rejected, and its description and metadata change. Each is one transaction: a refund is either sent or stopped.
import { isFinal, type Refund, stoppedText, wasSent } from "../refunds/refund.ts";
import type { Refusal } from "../refunds/refusal.ts";
import { refuse, type Situation } from "../refunds/reserve-refund.ts";
import { actorOf, isFull, type Note } from "../refunds/timeline.ts";
import { type Book, type Books, changedRefund } from "./book.ts";
import type { DecideCall, UpdateCall } from "./ledger-calls.ts";
import type { LedgerPorts } from "./ledger-ports.ts";
import { illegal } from "./operations.ts";

export class Decisions {
  readonly #ports: LedgerPorts;
  readonly #books: Books;
  readonly #situation: (book: Book, description: string) => Situation;

  /** `situation`: what the ledger knows when somebody asks for a refund to be made. */
  constructor(ports: LedgerPorts, books: Books, situation: (book: Book, description: string) => Situation) {
    this.#ports = ports;
    this.#books = books;
    this.#situation = situation;
  }

  /** Null when it is so, also if it was before by the same decision. */
  decide(call: DecideCall): Refusal | null {
    return this.#books.write(() => {
      const book = this.#books.enter();
      const refund = book?.find(call.refund);
      if (!book || refund === undefined) return { code: "unknown_refund", refund: call.refund };
      if (call.decision === "cancel") return this.#cancel(book, refund, call);
      const { approval } = refund;
      const outcome = call.decision === "approve" ? "approved" : "rejected";
      if (approval?.status === outcome && approval.apiKey === call.decider.apiKey) return null;
      if (approval?.status !== "required" || isFinal(refund)) {
        return { code: "refund_not_awaiting_approval", refund: refund.id };
      }
      if (call.decider.apiKey === refund.apiKey) return { code: "approval_by_creator", refund: refund.id };
      return outcome === "approved" ? this.#approve(book, refund, call) : this.#reject(book, refund, call);
    });
  }

  /** Changes what only people read; what the channel was told stays. */
  update(call: UpdateCall): Refusal | null {
    return this.#books.write(() => {
      const book = this.#books.enter();
      const refund = book?.find(call.refund);
      if (!book || refund === undefined) return { code: "unknown_refund", refund: call.refund };
      const { metadata = refund.metadata, description = refund.description } = call;
      const isSame =
        description === refund.description && JSON.stringify(metadata) === JSON.stringify(refund.metadata);
      if (isSame) return null;
      if (isFull(refund)) return { code: "too_many_changes", refund: refund.id };
      const now = this.#ports.now();
      const sent = wasSent(refund) ? { sentDescription: refund.sentDescription ?? refund.description } : {};
      const described = refund.version + 1;
      const next = changedRefund(refund, { metadata, description, described, ...sent }, now);
      const { apiKey, by } = call.decider;
      book.save(next, { cause: "updated", actor: actorOf(apiKey, by), at: now });
      this.#books.addEvents(book, next, ["refund.updated"]);
      this.#books.arm();
      return null;
    });
  }

  #cancel(book: Book, refund: Refund, call: DecideCall): Refusal | null {
    if (refund.state === "failed" && refund.failureCode === "refund_canceled") return null;
    if (refund.state === "failed") return illegal(refund);
    if (wasSent(refund)) return { code: "refund_already_sent", refund: refund.id };
    if (refund.claim !== undefined && refund.claim.by !== call.decider.by) {
      return { code: "refund_claimed", refund: refund.id, by: refund.claim.by };
    }
    this.#stop(book, refund, "refund_canceled", call);
    return null;
  }

  /** Everything that a refund had to pass is asked again: days may lie between. */
  #approve(book: Book, refund: Refund, call: DecideCall): Refusal | null {
    const { rules, accounts, decider, reason } = call;
    const { amount, reverses } = refund;
    const situation = this.#situation(book, refund.description);
    const others = situation.refunds.filter(({ id }) => id !== refund.id);
    const refusal = refuse({ amount, reverses, rules, accounts }, { ...situation, refunds: others });
    if (refusal !== null) return refusal;
    const { now } = situation;
    const approval = { status: "approved", ...decider, reason, at: now } as const;
    const attention = refund.attention === "overdue" ? null : refund.attention;
    const dueAt = Math.max(now, refund.notBefore ?? 0);
    const next = changedRefund(refund, { approval, attention, dueAt }, now);
    book.save(next, noteOf("approved", call, now));
    this.#books.addEvents(book, next, ["refund.updated"]);
    this.#books.arm();
    return null;
  }

  #reject(book: Book, refund: Refund, call: DecideCall): Refusal | null {
    const now = this.#ports.now();
    const approval = { status: "rejected", ...call.decider, reason: call.reason, at: now } as const;
    if (!wasSent(refund)) {
      this.#stop(book, { ...refund, approval }, "refund_rejected", call);
      return null;
    }
    // A ledger that was lost cannot know that it was not approved and sent meanwhile: the channel has the last word.
    const provisional = {
      code: "",
      words: call.reason ?? "",
      failureCode: "refund_rejected",
    } as const;
    const change = { approval, provisional, clearToSubmit: false, dueAt: now };
    book.save(changedRefund(refund, change, now), noteOf("rejected", call, now));
    this.#books.arm();
    return null;
  }

  /** Ends what was never sent; its amount is free again in the same commit. */
  #stop(
    book: Book,
    refund: Refund,
    failureCode: "refund_canceled" | "refund_rejected",
    call: DecideCall,
  ): void {
    const now = this.#ports.now();
    const failureMsg = stoppedText(failureCode, call.reason, refund.language);
    const change = { failureCode, failureMsg, dueAt: null, clearToSubmit: false, attention: null };
    const next = changedRefund(refund, { ...change, state: "failed" }, now);
    book.save(next, noteOf(call.decision === "cancel" ? "canceled" : "rejected", call, now));
    this.#books.addEvents(book, next, ["refund.failed"]);
    this.#books.arm();
  }
}

/** A refund that ends because it had been rejected says so in the words of whoever did, not in the channel's. */
export function inOwnWords(refund: Refund): Refund {
  if (refund.state !== "failed" || refund.failureCode !== "refund_rejected") return refund;
  const failureMsg = stoppedText("refund_rejected", refund.approval?.reason ?? null, refund.language);
  return { ...refund, failureMsg, channelCode: null, channelMessage: null };
}

function noteOf(cause: Note["cause"], { decider, reason }: DecideCall, at: number): Note {
  const actor = actorOf(decider.apiKey, decider.by);
  return { cause, actor, at, ...(reason === null ? {} : { words: reason }) };
}
