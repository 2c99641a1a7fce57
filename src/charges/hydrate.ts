// How a ledger gets its first facts from D1, and what it takes over when D1 knows more than it does.
import { disputedAmount, mergedDisputes } from "../disputes/dispute.ts";
import type { Refund } from "../refunds/refund.ts";
import { SYNC_WITHIN_MS } from "../refunds/reserve-refund.ts";
import { type Note, SYSTEM } from "../refunds/timeline.ts";
import { Book, type Cover } from "./book.ts";
import type { Charge } from "./charge.ts";
import type { Hydration } from "./ledger-calls.ts";
import type { LedgerStorage } from "./ledger-ports.ts";

/** Opens the book of a charge. If its ledger has reported before, the ledger was lost: refunds are imported. */
export function bookFrom(storage: LedgerStorage, hydration: Hydration, now: number): Book {
  const { charge } = hydration;
  const cover: Cover = { schema: 1, charge, freeze: null, synced: charge.version, syncDueAt: null };
  const book = Book.create(storage, cover);
  if (!hydration.opened) return book;
  const taken = withProjection(book, hydration, now);
  // First the charge: a reversal among the refunds has its say about it.
  book.saveCover(taken.cover);
  for (const refund of taken.refunds) book.save(refund, restored(now));
  return book;
}

/** What a refund's timeline says of its being taken over. */
export function restored(now: number): Note {
  return { cause: "restored", actor: SYSTEM, at: now };
}

/** What changes when D1's view is taken over: an operator must look at a live charge before it is refunded again. */
export function withProjection(
  book: Book,
  projection: Hydration,
  now: number,
): { cover: Cover; refunds: Refund[] } {
  const taken: Refund[] = [];
  const seqs = new Set(book.refunds.map(({ seq }) => seq));
  let nextSeq = Math.max(book.nextSeq - 1, ...projection.refunds.map((refund) => refund.seq)) + 1;
  for (const theirs of projection.refunds) {
    const ours = book.find(theirs.id);
    if (ours !== undefined && ours.version >= theirs.version) continue;
    const isFree = !seqs.has(theirs.seq);
    const seq = ours?.seq ?? (isFree ? theirs.seq : nextSeq++);
    seqs.add(seq);
    taken.push({ ...imported(theirs, now), seq });
  }
  const known = book.charge.version >= projection.charge.version ? book.charge : projection.charge;
  // What is known of disputes on either side stays known: each was acknowledged to whoever told it.
  const disputes = mergedDisputes(book.charge.disputes, projection.charge.disputes);
  const charge: Charge = {
    ...known,
    ...(disputes === undefined ? {} : { disputes, disputed: disputedAmount(disputes) }),
    version: Math.max(book.charge.version, projection.charge.version) + 1,
  };
  const verified = charge.transactionNo === book.charge.transactionNo ? book.cover.verified : undefined;
  // Whatever froze the charge first is what an operator must see.
  const freeze = book.cover.freeze ?? projection.freeze ?? (projection.charge.livemode ? "lost" : null);
  const cover: Cover = { ...book.cover, charge, freeze, verified, syncDueAt: now + SYNC_WITHIN_MS };
  return { cover, refunds: taken };
}

/**
 * A refund from D1: what may have happened to an open one since is unknown, so the channel is asked. It may have been sent
 * a moment ago, and no answer is final before that would have settled.
 */
function imported(refund: Refund, now: number): Refund {
  const open = refund.state !== "succeeded" && refund.state !== "failed";
  const next: Refund = { ...refund, version: refund.version + 1, synced: 0, syncDueAt: now + SYNC_WITHIN_MS };
  // What is not to be sent before a time to come cannot have left.
  const isDelayed = refund.state === "waiting" && (refund.notBefore ?? 0) > now;
  if (!open || isDelayed) return next;
  const firstSubmittedAt = refund.firstSubmittedAt ?? now;
  const mayHaveLeft = { inDoubt: true, clearToSubmit: false, firstSubmittedAt, lastSubmittedAt: now };
  return { ...next, ...mayHaveLeft, state: "unknown", leaseUntil: null, dueAt: now };
}
