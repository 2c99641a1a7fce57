// Looks on while a run goes: after each commit of a ledger, and whenever a connector is asked. What a ledger says of a
// refund must be true at the channel at that very moment, so a mistake that mends itself later is seen as well.
import type { Channel, ChannelAccount, RefundOrder, Verdict } from "../../src/channels/channel.ts";
import { type Refund, refundOrderNo, type State } from "../../src/refunds/refund.ts";
import { Observer } from "../simulation/observer.ts";
import type { Disk } from "../simulation/storage.ts";
import type { World } from "./world.ts";

/** What a run shows, in numbers of refunds or of events. */
const PROOFS = {
  /** Outcomes that were unknown for a while. */
  unknown: 0,
  /** "Not found" before it means anything. */
  notFoundEarly: 0,
  /** A number sent again once it did. */
  resubmitted: 0,
  /** Answers of "too often". */
  throttled: 0,
  /** Refunds stuck at the channel. */
  abnormal: 0,
  /** Answers in which no funds changed, whatever that means. */
  fundUnchanged: 0,
  /** Refunds that find the charge refunded past us. */
  alreadyRefunded: 0,
  /** Successes that came back without a notice, and were found by asking. */
  foundBySync: 0,
  /** Questions about refunds that were sent before their account was rotated: with its newest keys, and with those it had. */
  askedWithNewKeys: 0,
  askedWithOldKeys: 0,
};

export class Watch {
  readonly #world: World;
  readonly observer: Observer;
  readonly proofs = { ...PROOFS };
  readonly #states = new Map<string, State>();
  /** The revision of the account that a number was sent with. */
  readonly #sentWith = new Map<string, number>();
  readonly everUnknown = new Set<string>();
  readonly everReversed = new Set<string>();
  readonly everDoubted = new Set<string>();
  /** Called before every submission, with how often its number has been submitted, this time included. */
  onSubmission: (attempt: number) => void = () => {};
  /** The newest revision of the account. */
  revision = 1;

  constructor(world: World) {
    this.#world = world;
    this.observer = new Observer((words) => world.violation(words));
  }

  /** Refunds of all ledgers. */
  *refunds(): Generator<Refund> {
    for (const disk of this.#world.disks.values()) yield* this.observer.look(disk).refunds.values();
  }

  committed(disk: Disk): void {
    this.observer.committed(disk, this.#world.clock.now());
    const { refunds } = this.observer.look(disk);
    for (const refund of refunds.values()) {
      if (refund.provisional !== null) this.everDoubted.add(refund.id);
      const before = this.#states.get(refund.id);
      if (before === refund.state) continue;
      this.#states.set(refund.id, refund.state);
      this.#moved(refund, before);
      if (refund.state === "submitting") this.#spaced(refund, [...refunds.values()]);
    }
  }

  #moved(refund: Refund, before: State | undefined): void {
    const { counterpart, network } = this.#world;
    const number = refundOrderNo(refund.id);
    if (refund.state === "unknown") this.everUnknown.add(refund.id);
    if (refund.state === "submitting" && before === "unknown") this.proofs.resubmitted += 1;
    if (before === "succeeded") this.everReversed.add(refund.id);
    const there = counterpart.find(number);
    if (refund.state === "succeeded" && !there?.wasPaid) {
      this.#world.violation(
        `${refund.id} is said to have succeeded; the channel says ${there?.status ?? "nothing"}`,
      );
    }
    if (refund.state !== "failed") return;
    const mayMove = there === null ? network.carries(number) : !["failed", "returned"].includes(there.status);
    if (mayMove) {
      this.#world.violation(
        `${refund.id} is said to have failed; the channel says ${there?.status ?? "nothing yet"}`,
      );
    }
  }

  /** E38: a submission keeps its distance from those of the charge's other refunds. */
  #spaced(refund: Refund, refunds: Refund[]): void {
    const { spacingMs } = this.#world.facts;
    for (const { id, lastSubmittedAt } of refunds) {
      if (id === refund.id || lastSubmittedAt === null || refund.lastSubmittedAt === null) continue;
      const gap = refund.lastSubmittedAt - lastSubmittedAt;
      if (gap < spacingMs) this.#world.violation(`E38: ${refund.id} was sent ${gap} ms after ${id}`);
    }
  }

  /** The connector, with a look at what it is asked and what it says. */
  asked(channel: Channel): Channel {
    return {
      ...channel,
      refund: async (order, account, now, signal) => {
        this.#sent(order, account);
        this.onSubmission(order.attempt);
        return this.#heard(order, await channel.refund(order, account, now, signal), channel);
      },
      query: async (order, account, now, signal) => {
        const sentWith = this.#sentWith.get(order.number) ?? this.revision;
        if (sentWith < this.revision) {
          this.proofs[account?.revision === sentWith ? "askedWithOldKeys" : "askedWithNewKeys"] += 1;
        }
        return this.#heard(order, await channel.query(order, account, now, signal), channel);
      },
    };
  }

  /** Where newer keys may be another merchant's, a number is sent again with the revision it was sent with before. */
  #sent({ number, attempt }: RefundOrder, account: ChannelAccount | null): void {
    const revision = account?.revision ?? 0;
    const before = this.#sentWith.get(number);
    this.#sentWith.set(number, revision);
    if (this.#world.facts.keysProveMerchant) return;
    if (attempt > 1 && before !== undefined && before !== revision) {
      this.#world.violation(`${number} was sent with revision ${before} and again with ${revision}`);
    }
  }

  #heard(order: RefundOrder, verdict: Verdict, channel: Channel): Verdict {
    const { proofs } = this;
    if (verdict.kind === "unknown") proofs.unknown += 1;
    if (verdict.kind === "unknown" && verdict.failureCode === "refund_pending") proofs.fundUnchanged += 1;
    if (verdict.kind === "notSent" && verdict.reason === "throttled") proofs.throttled += 1;
    if (verdict.kind === "accepted" && verdict.attention === "channel_abnormal") proofs.abnormal += 1;
    if (verdict.kind === "accepted" && verdict.attention === "already_refunded") proofs.alreadyRefunded += 1;
    const { settlingMs } = channel.facts(order);
    const isEarly = this.#world.clock.now() < (order.submittedAt ?? 0) + settlingMs;
    if (verdict.kind === "notFound" && isEarly) proofs.notFoundEarly += 1;
    return verdict;
  }
}
