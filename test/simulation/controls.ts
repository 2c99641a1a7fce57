// What holds refunds back: an app's delay, and the approval that one above its limit needs. Both are worked out here from
// the app's settings and the books alone, and remembered past every ledger that forgets.
import type { AppSettings } from "../../src/apps/schema.ts";
import type { Charge } from "../../src/charges/charge.ts";
import type { Refund } from "../../src/refunds/refund.ts";

const DAY_MS = 86_400_000;
/** A clock may jump so far back between the decision to send and the sending. */
const JUMP_MS = 10_000;

/** What a refund was born with. */
interface Hold {
  /** The id of the key that asked for it. */
  creator: string;
  needsApproval: boolean;
  notBefore: number;
}

export class Controls {
  /** What each app has set. */
  readonly rules = new Map<string, AppSettings>();
  /** Whoever has tried to approve a refund, by its id: the ids of their keys. */
  readonly #approvals = new Map<string, Set<string>>();
  readonly #holds = new Map<string, Hold>();
  /** How many refunds were ever held back, and how many of them for an approval. */
  readonly counts = { delayed: 0, needsApproval: 0 };

  /** Somebody is about to approve it: nobody can know whether that arrives. */
  approving(refund: string, key: string): void {
    const keys = this.#approvals.get(refund) ?? new Set();
    this.#approvals.set(refund, keys.add(key));
  }

  /** A ledger has made a refund beside those it had; `now` on its clock. What is wrong with it, or null. */
  made(refund: Refund, charge: Charge, others: readonly Refund[], now: number): string | null {
    const { id, approval, notBefore, apiKey } = refund;
    const { delay_seconds = 0, approval_limit = {} } = this.rules.get(charge.app) ?? {};
    const limit = approval_limit[charge.currency] ?? approval_limit["*"];
    let sum = refund.amount;
    for (const { state, amount, created } of others) {
      if (state !== "failed" && created * 1000 > now - DAY_MS) sum += amount;
    }
    const needsApproval = limit !== undefined && sum > limit;
    const earliest = delay_seconds === 0 ? 0 : now + delay_seconds * 1000;
    this.#holds.set(id, { creator: apiKey, needsApproval, notBefore: earliest });
    if (delay_seconds > 0) this.counts.delayed += 1;
    if (needsApproval) this.counts.needsApproval += 1;
    if (needsApproval !== (approval !== undefined)) {
      return `${id} brings the day to ${sum} of ${limit}, and its approval is ${approval?.status ?? "not needed"}`;
    }
    if (approval !== undefined && (approval.status !== "required" || refund.state !== "waiting")) {
      return `${id} needs approval, and was made ${approval.status} and ${refund.state}`;
    }
    if ((notBefore ?? 0) !== earliest) return `${id} may leave at ${notBefore}, not at ${earliest}`;
    return null;
  }

  /** Why a refund must not leave for the channel now; null when it may. */
  hindrance(refund: string, now: number): string | null {
    const hold = this.#holds.get(refund);
    if (hold === undefined) return null;
    const { creator, needsApproval, notBefore } = hold;
    if (notBefore > now + JUMP_MS) return `it was not to leave before ${notBefore}, and it is ${now}`;
    const others = [...(this.#approvals.get(refund) ?? [])].filter((key) => key !== creator);
    return needsApproval && others.length === 0 ? "it needs approval, and nobody has approved it" : null;
  }
}
