// The story that each refund tells of itself: held against what its ledger did, commit by commit, and against D1, where
// it is whole. An entry is made with the change that it tells, and never touched again.
import type { Refund, State, TimelineEntry } from "../../src/refunds/refund.ts";

export class Timelines {
  readonly #violation: (words: string) => void;
  /** Whether D1 has an entry. */
  readonly #isTold: (refund: string, entry: TimelineEntry) => boolean;
  /** Every state that a refund was seen to enter, as far as its ledger still knows. */
  readonly #entered = new Map<string, { version: number; state: State }[]>();

  constructor(violation: (words: string) => void, isTold: (refund: string, entry: TimelineEntry) => boolean) {
    this.#violation = violation;
    this.#isTold = isTold;
  }

  /** The ledger has stored it; `before` as it stood until then, unless the ledger was just made, or made anew. */
  stored(before: Refund | undefined, refund: Refund): void {
    const { id, version, state } = refund;
    const entries = refund.timeline ?? [];
    if (before?.state !== state) {
      this.#entered.set(id, [...(this.#entered.get(id) ?? []), { version, state }]);
      const last = entries.at(-1);
      if (last?.version !== version || last.state !== state) {
        this.#violation(`${id} became ${state} (${version}), and its timeline says ${JSON.stringify(last)}`);
      }
    }
    for (const [i, entry] of entries.entries()) {
      const next = entries[i + 1];
      if (next !== undefined && next.version <= entry.version) {
        this.#violation(`the timeline of ${id} goes from ${entry.version} to ${next.version}`);
      }
    }
    if (before === undefined) return;
    const had = before.timeline ?? [];
    const kept = entries.filter((entry) => entry.version <= before.version);
    const dropped = had.slice(0, had.length - kept.length);
    if (JSON.stringify(had.slice(dropped.length)) !== JSON.stringify(kept)) {
      this.#violation(`the timeline of ${id} was changed`);
    }
    for (const entry of dropped) {
      if (!this.#isTold(id, entry)) {
        this.#violation(`${id} has dropped version ${entry.version} of its timeline, which D1 does not have`);
      }
    }
  }

  /** Its ledger has forgotten what came after a version, or all of it. */
  forget(refund: string, after: number): void {
    const entered = this.#entered.get(refund) ?? [];
    this.#entered.set(
      refund,
      entered.filter(({ version }) => version <= after),
    );
  }

  /** Whether ledger and D1 together (`entries`, in order) tell every state that it entered, each once. */
  checkWhole(refund: Refund, entries: readonly TimelineEntry[]): void {
    const { id } = refund;
    for (const { version, state } of this.#entered.get(id) ?? []) {
      const telling = entries.filter((entry) => entry.version === version);
      if (telling.length !== 1 || telling[0]?.state !== state) {
        this.#violation(
          `${id} became ${state} (${version}), which its timeline tells ${telling.length} times`,
        );
      }
    }
    const versions = new Set(entries.map(({ version }) => version));
    if (versions.size !== entries.length) this.#violation(`the timeline of ${id} tells one version twice`);
    if (entries.at(-1)?.state !== refund.state) {
      this.#violation(`the timeline of ${id} ends ${entries.at(-1)?.state}, and it is ${refund.state}`);
    }
  }
}
