// The one alarm of a ledger. Setting it is a durable write of its own, so it is only moved when what is armed would be
// too late. A run that finds nothing costs more than the write that takes an alarm back together with other news: that is
// done when the first work of an instance is done. Whoever has work again soon keeps the alarm: then it would only be set anew.
import type { Refund } from "../refunds/refund.ts";
import type { Book } from "./book.ts";
import type { LedgerPorts } from "./ledger-ports.ts";

/** An alarm this late has been lost. */
const LATE_MS = 30_000;
/** How long a question under way keeps the alarm away from its refund. */
const ASKING_MS = 20_000;

/**
 * When something must be done next, ms; null when nothing is left. `isAsking`: the channel is being asked about the
 * refund right now; `askNotBefore`, `syncNotBefore`: until when channel and D1 are left alone after a failure.
 */
export function nextDue(
  book: Book,
  isAsking: (refund: Refund) => boolean,
  askNotBefore: number,
  syncNotBefore: number,
  now: number,
): number | null {
  const due: number[] = [];
  const { syncDueAt } = book.cover;
  if (syncDueAt !== null) due.push(Math.max(syncDueAt, syncNotBefore));
  for (const refund of book.refunds) {
    if (refund.syncDueAt !== null) due.push(Math.max(refund.syncDueAt, syncNotBefore));
    if (refund.dueAt === null) continue;
    const asking = isAsking(refund) ? now + ASKING_MS : 0;
    due.push(Math.max(refund.dueAt, refund.leaseUntil ?? 0, askNotBefore, asking));
  }
  return due.length === 0 ? null : Math.min(...due);
}

export class AlarmClock {
  readonly #ports: LedgerPorts;
  readonly #nextDue: () => number | null;
  /** What this instance has armed; null when it does not know. */
  #armedAt: number | null = null;
  /** It was taken back once. */
  #disarmed = false;

  /** `nextDue` tells when something must be done next, ms; null when nothing is left. */
  constructor(ports: LedgerPorts, nextDue: () => number | null) {
    this.#ports = ports;
    this.#nextDue = nextDue;
  }

  /** Makes sure that an alarm is set at or before the next work. */
  arm(): void {
    const due = this.#nextDue();
    if (due === null) return;
    if (this.#armedAt === null || due < this.#armedAt || this.#armedAt < this.#ports.now()) this.set(due);
  }

  /** Sets the alarm to the next work, also when an earlier one was armed. */
  armExactly(): void {
    const due = this.#nextDue();
    // What was armed for a moment that has passed may have been lost.
    if (due !== null && (due !== this.#armedAt || due < this.#ports.now())) this.set(due);
  }

  /** Takes the alarm back if nothing is left to do. */
  disarm(): void {
    if (this.#disarmed || this.#armedAt === null || this.#nextDue() !== null) return;
    this.#disarmed = true;
    this.#delete();
  }

  /** After a run of the alarm: sets it to the next work, or takes back what stood for that. */
  settle(): void {
    if (this.#nextDue() !== null) this.armExactly();
    else if (this.#armedAt !== null) this.#delete();
  }

  /** Sets the alarm to the next work whatever this instance believes: the platform may have lost it. */
  rearm(): void {
    this.forget();
    this.armExactly();
  }

  set(at: number): void {
    this.#ports.storage.setAlarm(at);
    this.#armedAt = at;
  }

  #delete(): void {
    this.#ports.storage.deleteAlarm();
    this.#armedAt = null;
  }

  /** Whether an alarm that should have fired long ago has not. */
  isLate(): boolean {
    return this.#armedAt !== null && this.#armedAt < this.#ports.now() - LATE_MS;
  }

  forget(): void {
    this.#armedAt = null;
  }
}
