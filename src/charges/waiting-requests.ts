// Who waits for a refund's first verdict, in the memory of one instance: the creating requests and the calls that
// joined them. All of it may be forgotten; what must survive is in the book.
import { type Sleep, within } from "../deadline.ts";

export class WaitingRequests {
  readonly #verdicts = new Map<string, { promise: Promise<void>; resolve: () => void }>();
  /** The creating request of each refund while it is under way. */
  readonly #requests = new Map<string, string>();
  readonly #answeredAt = new Map<string, number>();

  /** A creating request begins to drive a refund. */
  begin(refund: string, request: string): void {
    this.#requests.set(refund, request);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#verdicts.set(refund, { promise, resolve });
  }

  /** The creating request is answered. */
  end(refund: string, now: number): void {
    this.#requests.delete(refund);
    this.#answeredAt.set(refund, now);
  }

  /** The first verdict has come, of whatever kind. */
  wake(refund: string): void {
    this.#verdicts.get(refund)?.resolve();
    this.#verdicts.delete(refund);
  }

  /** Resolves at the first verdict, at the latest after `ms`; at once when nobody here has asked for one. */
  async verdict(refund: string, ms: number, sleep: Sleep): Promise<void> {
    const waiting = this.#verdicts.get(refund);
    if (waiting !== undefined && ms > 0) await within(sleep, waiting.promise, ms);
  }

  requestOf(refund: string): string | null {
    return this.#requests.get(refund) ?? null;
  }

  /** When the creating request was answered, ms; null when nobody remembers. */
  answeredAt(refund: string): number | "running" | null {
    return this.#requests.has(refund) ? "running" : (this.#answeredAt.get(refund) ?? null);
  }
}
