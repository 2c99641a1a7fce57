// Every state a ledger was in, in the order of its commits, and the reads that were made meanwhile. A ledger is
// linearizable if each answer describes one state that held at some instant between the question and the answer.
// The sums are added up here, from the refunds alone: what the product computes is what is to be checked.
import type { Charge } from "../../src/charges/charge.ts";
import { type Refund, type Status, statusOf } from "../../src/refunds/refund.ts";

/** Minor units. */
interface State {
  refunded: number;
  pending: number;
  refundable: number;
  paid: boolean;
  reversed: boolean;
  /** In the order of creation. */
  refunds: RefundState[];
}

interface RefundState {
  id: string;
  status: Status;
  description: string;
  /** The word that a client may have put beside it. */
  note: string | undefined;
  approval: string | undefined;
  failureCode: string | null;
}

/** What a client sees of a refund. */
export interface RefundView {
  id: string;
  status: Status;
  description: string;
  failure_code: string | null;
  metadata: { word: string; note?: string };
  extra: { approval?: { status: string } };
}

/** What a client sees of a charge. */
export interface ChargeView {
  paid: boolean;
  reversed: boolean;
  amount_refunded: number;
  amount_pending_refund: number;
  amount_refundable: number;
  refunds: { has_more: boolean; data: RefundView[] };
}

/** A moment in the life of one ledger. */
export interface Moment {
  states: readonly State[];
  index: number;
}

export class Histories {
  readonly #states = new Map<string, State[]>();

  committed(ledger: string, charge: Charge, refunds: Iterable<Refund>): void {
    let refunded = charge.refundedElsewhere;
    let pending = 0;
    const list: State["refunds"] = [];
    for (const { id, seq, state, amount, description, metadata, approval, failureCode } of refunds) {
      const status = statusOf(state);
      if (status === "succeeded") refunded += amount;
      if (status === "pending") pending += amount;
      const isOpen = status === "pending";
      // What ended undecided shows no approval any more.
      const shown = isOpen || approval?.status !== "required" ? approval?.status : undefined;
      list[seq] = { id, status, description, note: metadata.note, approval: shown, failureCode };
    }
    const left = charge.amount - refunded - pending - charge.disputed;
    const states = this.#states.get(ledger) ?? [];
    this.#states.set(ledger, states);
    states.push({
      refunded,
      pending,
      refundable: Math.max(0, left),
      paid: charge.paid,
      reversed: charge.reversed,
      refunds: Object.values(list),
    });
  }

  /** The ledger lost what it had: what it knew before binds it no more. */
  forget(ledger: string): void {
    this.#states.delete(ledger);
  }

  /** Now; null while the ledger has no state of its own. */
  moment(ledger: string): Moment | null {
    const states = this.#states.get(ledger);
    return states === undefined ? null : { states, index: states.length - 1 };
  }

  /** Whether some state since then is the one that was seen. */
  isLinear(ledger: string, asked: Moment | null, seen: ChargeView): boolean {
    const states = this.#states.get(ledger);
    // It was answered from D1, or the ledger has lost its memory meanwhile.
    if (asked === null || states !== asked.states) return true;
    return states.slice(asked.index).some((state) => isSeen(state, seen));
  }

  /** The same for one refund. */
  isRefundLinear(ledger: string, asked: Moment | null, seen: RefundView): boolean {
    const states = this.#states.get(ledger);
    if (asked === null || states !== asked.states) return true;
    return states
      .slice(asked.index)
      .some(({ refunds }) => refunds.some((refund) => refund.id === seen.id && isSame(refund, seen)));
  }
}

function isSame(state: RefundState, seen: RefundView): boolean {
  return (
    state.id === seen.id &&
    state.status === seen.status &&
    state.description === seen.description &&
    state.failureCode === seen.failure_code &&
    state.note === seen.metadata.note &&
    state.approval === seen.extra.approval?.status
  );
}

function isSeen(state: State, seen: ChargeView): boolean {
  const newest = state.refunds.slice(-seen.refunds.data.length || state.refunds.length).reverse();
  return (
    state.paid === seen.paid &&
    state.reversed === seen.reversed &&
    state.refunded === seen.amount_refunded &&
    state.pending === seen.amount_pending_refund &&
    state.refundable === seen.amount_refundable &&
    seen.refunds.has_more === state.refunds.length > seen.refunds.data.length &&
    newest.length === seen.refunds.data.length &&
    seen.refunds.data.every((refund, i) => isSame(newest[i] as RefundState, refund))
  );
}
