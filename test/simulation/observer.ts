// Looks at every ledger's disk right after each commit, past the ledger itself, and holds what it sees against the
// invariants of the design. What an instance believes in memory does not count.
import { type Cover, storedRefund } from "../../src/charges/book.ts";
import { type Charge, ledgerName } from "../../src/charges/charge.ts";
import { type Refund, refundOrderNo, type Status, statusOf, TRANSITIONS } from "../../src/refunds/refund.ts";
import { Controls } from "./controls.ts";
import { Histories } from "./histories.ts";
import type { Disk } from "./storage.ts";
import { Timelines } from "./timelines.ts";

/** Work may be pushed back by as much: by the dead-man alarm, by pauses after transactions that failed, and by D1's backoff. */
const DEAD_MAN_SLACK_MS = 61_000;
/** A call under way. */
const ASK_SLACK_MS = 22_000;
const SYNC_SLACK_MS = 301_000;
/** A ledger takes an alarm for lost after half a minute; clocks may jump by ten seconds. */
const NOTICED_MS = 45_000;

export interface Seen {
  cover: Cover | null;
  refunds: Map<string, Refund>;
  /** The rows as read last, so that only what changed is parsed. */
  docs: Map<number, string>;
  /** How many transactions the disk had seen by then. */
  transactions: number;
}

export class Observer {
  readonly #ledgers = new Map<string, Seen>();
  readonly #violation: (words: string) => void;
  readonly #histories: Histories;
  /** Every public status a refund had, in order. */
  readonly statuses = new Map<string, Status[]>();
  /** Amount and ledger of every refund ever stored. */
  readonly born = new Map<string, { amount: number; charge: string; created: number }>();

  /** Transactions may fail today, and whoever sees that waits for a while. */
  mayPause = false;

  /** What the commit under look added to what is held: reservations, and failures that turned out to be successes. */
  #taken = false;

  /** Declines that were not believed at once, and charges that were frozen because money contradicted the books. */
  doubts = 0;
  conflicts = 0;
  /** Refunds that a person ended, and those of them that the channel ended otherwise later. */
  resolved = 0;
  overruled = 0;
  /** Refunds that were stopped before they were sent, or let out; and charges that were reversed. */
  canceled = 0;
  rejected = 0;
  approved = 0;
  reversals = 0;

  readonly #reversed = new Set<string>();

  /** On the ledgers' clocks; set by the world. */
  now: () => number = () => 0;
  readonly #controls: Controls;
  readonly #timelines: Timelines;
  readonly #mayStillMove: (number: string) => boolean;
  /** Live ledgers that have just lost everything that D1 knows they had. */
  readonly #lost = new Set<string>();
  /** Ledgers that went back to an older state: they take over what D1 knows, and ask anew. */
  readonly #behind = new Set<string>();

  constructor(
    violation: (words: string) => void,
    histories: Histories = new Histories(),
    mayStillMove: (number: string) => boolean = () => false,
    controls: Controls = new Controls(),
    timelines: Timelines = new Timelines(violation, () => true),
  ) {
    this.#controls = controls;
    this.#timelines = timelines;
    this.#violation = violation;
    this.#histories = histories;
    this.#mayStillMove = mayStillMove;
  }

  /** What is on a disk. */
  look(disk: Disk): Seen {
    let seen = this.#ledgers.get(disk.name);
    if (seen === undefined) {
      seen = { cover: null, refunds: new Map(), docs: new Map(), transactions: 0 };
      this.#ledgers.set(disk.name, seen);
    }
    if (seen.transactions === disk.transactions || disk.isEmpty()) return seen;
    seen.transactions = disk.transactions;
    for (const { seq, doc } of disk.exec("SELECT seq, doc FROM refunds ORDER BY seq", [])) {
      if (seen.docs.get(seq as number) === doc) continue;
      seen.docs.set(seq as number, doc as string);
      if (seq === 0) seen.cover = JSON.parse(doc as string);
      else this.#changed(seen, storedRefund(doc as string));
    }
    return seen;
  }

  /** Called after each commit of a living instance. */
  committed(disk: Disk, now: number): void {
    this.#taken = false;
    const seen = this.look(disk);
    if (seen.cover !== null) this.#histories.committed(disk.name, seen.cover.charge, seen.refunds.values());
    if (seen.cover !== null && this.#lost.delete(disk.name) && seen.cover.freeze === null) {
      this.#violation(`${disk.name} was lost, and goes on as if nothing had happened`);
    }
    this.#checkBalance(disk, seen);
    this.#checkReversal(disk, seen);
    this.#checkAlarm(disk, seen, now);
  }

  /**
   * The disk lost everything, or what was new on it; `must`: how it may go on after that, `known`: the version of a refund
   * that D1 gives back.
   */
  forget(disk: Disk, must: "freeze" | "catch up" | "go on", known: (refund: string) => number): void {
    for (const id of this.#ledgers.get(disk.name)?.refunds.keys() ?? []) {
      this.#timelines.forget(id, must === "catch up" ? 0 : known(id));
    }
    if (must === "freeze") this.#lost.add(disk.name);
    if (must === "catch up") this.#behind.add(disk.name);
    this.#ledgers.delete(disk.name);
  }

  /** Whether D1 has been told of everything. */
  isTold(disk: Disk): boolean {
    return this.workLeft(disk).syncAt === Number.POSITIVE_INFINITY;
  }

  /** Whether D1 knows of every refund, of what people have said of it, and of the charge; if not of every step. */
  isKnown(disk: Disk): boolean {
    const { cover, refunds } = this.look(disk);
    if (cover === null || cover.charge.version > cover.synced) return false;
    return [...refunds.values()].every(({ version, synced, state, claim, resolution }) => {
      // What was said once, by people or by the channel about a final state, nobody says again.
      const isFinal = state === "succeeded" || state === "failed";
      const isSaid = claim !== undefined || resolution !== undefined || isFinal;
      return synced > 0 && (version === synced || !isSaid);
    });
  }

  /** Work is due, and the alarm for it was lost so long ago that it must have been noticed. */
  isForgotten(disk: Disk, now: number): boolean {
    const { askAt, syncAt } = this.workLeft(disk);
    const isLost = disk.alarmAt === null && disk.alarmLost && disk.alarmLostAt < now - NOTICED_MS;
    return isLost && !disk.alarmRunning && Math.min(askAt, syncAt) < now;
  }

  /** When the next step with the channel and the next one with D1 are due; infinite where nothing is left to do. */
  workLeft(disk: Disk, seen = this.look(disk)): { askAt: number; syncAt: number } {
    let askAt = Number.POSITIVE_INFINITY;
    let syncAt = Number.POSITIVE_INFINITY;
    if (seen.cover !== null && seen.cover.charge.version > seen.cover.synced) {
      syncAt = seen.cover.syncDueAt ?? 0;
    }
    for (const refund of seen.refunds.values()) {
      if (refund.dueAt !== null) askAt = Math.min(askAt, Math.max(refund.dueAt, refund.leaseUntil ?? 0));
      if (refund.version > refund.synced) syncAt = Math.min(syncAt, refund.syncDueAt ?? 0);
    }
    return { askAt, syncAt };
  }

  isAtRest(disk: Disk): boolean {
    const { askAt, syncAt } = this.workLeft(disk);
    return askAt === Number.POSITIVE_INFINITY && syncAt === Number.POSITIVE_INFINITY;
  }

  #changed(seen: Seen, refund: Refund): void {
    const before = seen.refunds.get(refund.id);
    seen.refunds.set(refund.id, refund);
    const status = statusOf(refund.state);
    const statuses = this.statuses.get(refund.id);
    if (statuses === undefined) this.statuses.set(refund.id, ["pending"]);
    const known = this.statuses.get(refund.id) as Status[];
    if (known.at(-1) !== status) known.push(status);
    const charge = seen.cover === null ? "" : nameOf(seen.cover);
    const born = this.born.get(refund.id);
    if (born === undefined) {
      this.#taken ||= refund.state !== "failed";
      this.born.set(refund.id, { amount: refund.amount, charge, created: refund.created });
    } else if (this.#isOther(born, refund, charge)) {
      this.#violation(`I4: ${refund.id} changed its amount, charge or date`);
    }
    if ((refund.state === "succeeded") !== (refund.timeSucceed !== null)) {
      this.#violation(`I15: ${refund.id} is ${refund.state} with time_succeed ${refund.timeSucceed}`);
    }
    // What D1 knew of it is taken over as a whole by a ledger that went back.
    if (!this.#behind.has(charge)) this.#timelines.stored(before, refund);
    if (before === undefined) {
      const isNew = refund.version === 1 && refund.state !== "failed" && !this.#behind.has(charge);
      if (isNew) this.#checkMade(seen, refund);
      return;
    }
    if (before.state === "failed" && refund.state === "succeeded") this.#taken = true;
    this.#checkDecision(seen, before, refund);
    this.#checkResolution(before, refund);
    if (refund.provisional !== null && before.provisional === null) this.doubts += 1;
    if (refund.attention === "conflict" && before.attention !== "conflict") this.conflicts += 1;
    if (refund.version < before.version) this.#violation(`I11: the version of ${refund.id} went back`);
    if (refund.synced > refund.version) this.#violation(`I11: D1 is said to be ahead for ${refund.id}`);
    if (refund.state === before.state) return;
    // A person may end what the channel cannot; but what is on its way to the channel may still move money.
    const isExcused = refund.resolution !== undefined || this.#behind.has(charge);
    if (refund.state === "failed" && !isExcused && this.#mayStillMove(refundOrderNo(refund.id))) {
      this.#violation(`${refund.id} has failed while it is on its way to the channel`);
    }
    if (refund.version === before.version) {
      this.#violation(`I11: ${refund.id} became ${refund.state} without a new version`);
    }
    const takenOver = this.#behind.has(charge);
    if (!TRANSITIONS[before.state].includes(refund.state) && !takenOver) {
      this.#violation(`I11: ${refund.id} went from ${before.state} to ${refund.state}`);
    }
  }

  /**
   * A ledger that went back makes a refund anew if it is asked for again: under its id, on another day, and of what is left
   * then if no amount was named. That no number leaves with two amounts is for the channel to see (I12).
   */
  #isOther(
    born: { amount: number; charge: string; created: number },
    refund: Refund,
    charge: string,
  ): boolean {
    if (born.charge !== charge) return true;
    return (born.amount !== refund.amount || born.created !== refund.created) && !this.#behind.has(charge);
  }

  /** A person ends only what is left to people, with a name and a reason, once; then it is watched. */
  #checkResolution(before: Refund, refund: Refund): void {
    const { resolution, state } = refund;
    // What D1 knew of it is taken over as a whole.
    if (this.#behind.has(this.born.get(refund.id)?.charge ?? "")) return;
    if (before.resolution !== undefined) {
      const kept = JSON.stringify(resolution) === JSON.stringify(before.resolution);
      if (!kept) this.#violation(`who ended ${refund.id}, and why, was changed`);
      if (state !== before.state && state !== before.resolution.outcome) this.overruled += 1;
      return;
    }
    if (resolution === undefined) {
      const byHand = refund.failureCode === "refund_manual_intervention";
      if (byHand) this.#violation(`nobody ended ${refund.id} by hand, says the ledger`);
      return;
    }
    this.resolved += 1;
    if (resolution.by === "" || resolution.reason === "") this.#violation(`${refund.id} was ended by nobody`);
    // Given up before it was ever sent: there is nothing to watch.
    if (before.state === "waiting" && before.attempts === 0 && state === "failed") return;
    if (before.state !== "accepted" || state !== resolution.outcome || before.attention === null) {
      this.#violation(
        `${refund.id} was ended by hand from ${before.state} (${before.attention}) to ${state}`,
      );
    }
    if (refund.watchUntil === undefined || refund.dueAt === null) {
      this.#violation(`I8: nobody watches what becomes of ${refund.id}`);
    }
  }

  /** It is held back as its app wants it, and a reversal takes everything or nothing. */
  #checkMade({ cover, refunds }: Seen, refund: Refund): void {
    if (cover === null) return;
    const { charge } = cover;
    const others = [...refunds.values()].filter(({ id }) => id !== refund.id);
    const words = this.#controls.made(refund, charge, others, this.now());
    if (words !== null) this.#violation(words);
    if (refund.reverses && !isWhole(refund, charge, others)) {
      this.#violation(`${refund.id} reverses ${refund.amount} of ${charge.amount}`);
    }
  }

  /** Who approved or rejected is another than who asked, and that stays said. */
  #checkDecision({ cover, refunds }: Seen, before: Refund, refund: Refund): void {
    const { approval, failureCode, state } = refund;
    if (this.#behind.has(this.born.get(refund.id)?.charge ?? "")) return;
    if (state === "failed" && before.state !== "failed" && failureCode === "refund_canceled") {
      this.canceled += 1;
      if (before.state !== "waiting" || before.attempts > 0) {
        this.#violation(`${refund.id} was canceled although it was ${before.state} (${before.attempts})`);
      }
    }
    if (approval === undefined || JSON.stringify(approval) === JSON.stringify(before.approval)) return;
    if (approval.status === "approved") {
      this.approved += 1;
      if (cover !== null && !mayLeave(cover, refunds.values())) {
        this.#violation(`${refund.id} was approved, though nothing may leave ${cover.charge.id}`);
      }
    }
    if (approval.status === "rejected") this.rejected += 1;
    if (before.approval?.status !== "required" || before.state === "failed") {
      this.#violation(
        `${refund.id} was ${before.approval?.status} and ${before.state}, then ${approval.status}`,
      );
    }
    if (approval.apiKey === null || approval.apiKey === refund.apiKey || approval.by === null) {
      this.#violation(
        `${refund.id} was ${approval.status} by ${approval.by} with the key ${approval.apiKey}`,
      );
    }
  }

  /** A charge is reversed exactly while its reversal has succeeded. */
  #checkReversal({ name }: Disk, { cover, refunds }: Seen): void {
    if (cover === null) return;
    const reversals = [...refunds.values()].filter(({ reverses }) => reverses);
    const isReversed = reversals.some(({ state }) => state === "succeeded");
    if (isReversed && !this.#reversed.has(name)) this.reversals += 1;
    if (isReversed) this.#reversed.add(name);
    if (cover.charge.reversed !== isReversed) {
      this.#violation(`${name} is ${cover.charge.reversed ? "" : "not "}reversed, says the charge`);
    }
  }

  /** What is disputed may exceed what is left; but then nothing more is taken. */
  #checkBalance(disk: Disk, seen: Seen): void {
    const charge = seen.cover?.charge;
    if (charge === undefined) return;
    let held = charge.refundedElsewhere;
    for (const refund of seen.refunds.values()) if (refund.state !== "failed") held += refund.amount;
    if (this.#taken) held += charge.disputed;
    if (held > charge.amount && !this.#behind.has(disk.name))
      this.#violation(`I1: ${disk.name} holds ${held} of ${charge.amount}`);
  }

  /** An alarm that the platform lost, or that is being worked off, is excused. */
  #checkAlarm(disk: Disk, seen: Seen, now: number): void {
    if (disk.alarmRunning || disk.alarmLost) return;
    const { askAt, syncAt } = this.workLeft(disk, seen);
    const slack = disk.alarmSetInRun || this.mayPause ? DEAD_MAN_SLACK_MS : ASK_SLACK_MS;
    const latest = Math.min(Math.max(askAt, now) + slack, Math.max(syncAt, now) + SYNC_SLACK_MS);
    if (latest === Number.POSITIVE_INFINITY) return;
    if (disk.alarmAt === null) this.#violation(`I8: ${disk.name} has work and no alarm`);
    else if (disk.alarmAt > latest) {
      const work = `asks at ${askAt}, tells D1 at ${syncAt}`;
      this.#violation(`I8: ${disk.name} ${work}, and its alarm is set to ${disk.alarmAt}`);
    }
  }
}

/** Whether what is held of a charge may still go out: neither frozen nor disputed. */
function mayLeave({ charge, freeze }: Cover, refunds: Iterable<Refund>): boolean {
  let held = charge.refundedElsewhere + charge.disputed;
  for (const { state, amount } of refunds) if (state !== "failed") held += amount;
  return freeze === null && charge.paid && held <= charge.amount;
}

function isWhole(reversal: Refund, charge: Charge, others: readonly Refund[]): boolean {
  const isFree = charge.refundedElsewhere === 0 && charge.disputed === 0;
  return isFree && others.every(({ state }) => state === "failed") && reversal.amount === charge.amount;
}

function nameOf({ charge }: Cover): string {
  return ledgerName(charge.app, charge.livemode, charge.id);
}
