// The one alarm of a ledger. Setting it is a durable write of its own, so it is only moved when what is armed would be
// too late; it is never deleted: it fires once more, finds nothing and is not set again.
import type { LedgerPorts } from "./ledger-ports.ts";

/** An alarm this late has been lost. */
const LATE_MS = 30_000;

export class AlarmClock {
  readonly #ports: LedgerPorts;
  readonly #nextDue: () => number | null;
  /** What this instance has armed; null when it does not know. */
  #armedAt: number | null = null;

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
    if (due !== null && due !== this.#armedAt) this.set(due);
  }

  set(at: number): void {
    this.#ports.storage.setAlarm(at);
    this.#armedAt = at;
  }

  /** Whether an alarm that should have fired long ago has not. */
  isLate(): boolean {
    return this.#armedAt !== null && this.#armedAt < this.#ports.now() - LATE_MS;
  }

  forget(): void {
    this.#armedAt = null;
  }
}
