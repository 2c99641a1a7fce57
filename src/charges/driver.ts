// Drives refunds to their outcome: asks the channel about what is due, and books what it says. Single-flight per refund,
// and at most five questions at once; the same code in the request path and under the alarm.
import type { ChannelAccount, ChannelFacts, Verdict } from "../channels/channel.ts";
import { within } from "../deadline.ts";
import { nameOf } from "../log.ts";
import { askChannel } from "../refunds/drive-refund.ts";
import { type Hold, holdOf } from "../refunds/hold-refund.ts";
import { type Actor, holdsMoney, isFinal, type Refund, refundOrderNo, wasSent } from "../refunds/refund.ts";
import { SYNC_WITHIN_MS, sendableFrom, submission } from "../refunds/reserve-refund.ts";
import { settleRefund } from "../refunds/settle-refund.ts";
import { CHANNEL, SYSTEM, wordsOf } from "../refunds/timeline.ts";
import { verifyPayment } from "../refunds/verify-payment.ts";
import { balanceOf } from "./balance.ts";
import { type Books, changedRefund, dirty } from "./book.ts";
import type { Charge } from "./charge.ts";
import { inOwnWords } from "./decisions.ts";
import type { LedgerPorts } from "./ledger-ports.ts";

/** Questions to the channel under way at once. */
const CALLS_MAX = 5;
const ACCOUNT_TIMEOUT_MS = 3_000;
const BUDGET_TIMEOUT_MS = 1_000;
const PAUSE_MS = 1_000;
const PAUSE_MAX_MS = 60_000;
/** A payment's check that took longer leaves too little of the lease for the submission. */
const CHECKED_FAST_MS = 3_000;
/** A refund that finds no room comes again after a tenth of its age, within these: each try is a write here and in D1. */
const THROTTLED_MS = 2_000;
const THROTTLED_MAX_MS = 60_000;
/** How often the channel is asked whether it agrees with what a person decided. */
const WATCH_EVERY_MS = 86_400_000;
/** Who says what a verdict says, by how it came about. */
const SAID = { submit: "answered", query: "queried", told: "notified" } as const;

export interface DriverEvents {
  /** A verdict about a refund has been booked. */
  onVerdict(refund: string): void;
  /** D1 has something to hear. */
  onChange(): void;
}

export class Driver {
  readonly #ports: LedgerPorts;
  readonly #books: Books;
  readonly #events: DriverEvents;
  readonly #asking = new Map<string, Promise<void>>();
  /** Accounts that came with a command, so that the first question needs no look-up. */
  readonly #accounts = new Map<string, ChannelAccount | null>();
  /** Accounts by id and revision, for while D1 cannot be asked for them. */
  readonly #known = new Map<string, ChannelAccount>();
  /** What the channel said last of each refund, as long as this instance lives. */
  readonly #heard = new Map<string, Verdict>();
  #failures = 0;
  /** Until when nothing is asked after a verdict could not be booked, ms. */
  retryAt = 0;

  constructor(ports: LedgerPorts, books: Books, events: DriverEvents) {
    this.#ports = ports;
    this.#books = books;
    this.#events = events;
  }

  get hasFreeCall(): boolean {
    return this.#asking.size < CALLS_MAX;
  }

  isAsking(refund: string): boolean {
    return this.#asking.has(refund);
  }

  /** Resolves when the question about a refund that is under way has been booked. */
  asking(refund: string): Promise<void> | undefined {
    return this.#asking.get(refund);
  }

  /** What the channel asks of its callers; null when no connector speaks for it. */
  facts(charge: Charge, description: string): ChannelFacts | null {
    const channel = this.#ports.channel(charge.channel, charge.livemode);
    return channel?.facts({ channel: charge.channel, description }) ?? null;
  }

  #factsOf(charge: Charge, { description, sentDescription }: Refund): ChannelFacts | null {
    return this.facts(charge, sentDescription ?? description);
  }

  /** A reservation has been stored: it is sent at once if it holds a lease, else when its turn comes. */
  start(refund: Refund, account: ChannelAccount | null): void {
    // What is held back for long is sent with the keys of that time.
    if (refund.state === "submitting" || isFree(refund, this.#ports.now()))
      this.#accounts.set(refund.id, account);
    if (refund.state === "submitting") this.#ask(refund, "submit");
    else this.pump();
  }

  /** Books what the channel, or somebody in its place (`actor`), says by itself. */
  hear(refund: string, verdict: Verdict, actor: Actor = CHANNEL): void {
    const known = this.#books.enter()?.find(refund);
    if (known === undefined || verdict.number !== refundOrderNo(refund)) {
      this.#ports.alert("verdict_for_another", { refund });
      return;
    }
    // Nobody can speak of a time to come.
    const askedAt = Math.min(verdict.askedAt, this.#ports.now());
    this.#settle(refund, { ...verdict, askedAt }, "told", actor);
    this.pump();
    this.#events.onChange();
  }

  /**
   * Asks the channel about a refund now, whatever its state; null when the channel never saw its number. A final state
   * is left once a second question has confirmed that; no answer at all leaves nothing to do behind.
   */
  async query(id: string): Promise<Verdict | null> {
    await this.#asking.get(id);
    while (!this.isAsking(id) && !this.hasFreeCall) await Promise.race(this.#asking.values());
    const refund = this.#books.enter()?.find(id);
    if (refund === undefined || !wasSent(refund)) return null;
    this.#heard.delete(id);
    if (!this.isAsking(id)) this.#ask(refund, "query");
    await this.#asking.get(id);
    const verdict = this.#heard.get(id) ?? null;
    // What contradicts a final state is asked about at once.
    await this.#asking.get(id);
    return this.#heard.get(id) ?? verdict;
  }

  /** Sends a refund that waits as soon as the channel takes it, and resolves with its answer booked if that is now. */
  async hasten(id: string): Promise<void> {
    this.#books.write(() => {
      const book = this.#books.enter();
      const refund = book?.find(id);
      const now = this.#ports.now();
      if (!book || refund?.state !== "waiting" || !isFree(refund, now)) return;
      book.save(changedRefund(refund, { dueAt: now }, now), null);
      this.#books.arm();
    });
    this.pump();
    await this.#asking.get(id);
  }

  /** Starts what is due, oldest first, as far as there are free calls. */
  pump(): void {
    const book = this.#books.enter();
    if (book === null) return;
    const now = this.#ports.now();
    if (this.retryAt > now) return;
    for (const refund of book.refunds) {
      if (!this.hasFreeCall) return;
      if (refund.dueAt === null || refund.dueAt > now || (refund.leaseUntil ?? 0) > now) continue;
      if (this.isAsking(refund.id)) continue;
      if (!refund.clearToSubmit) {
        this.#ask(refund, "query");
        continue;
      }
      const { charge, refunds, cover } = book;
      const hold = holdOf(refund, { charge, refunds, freeze: cover.freeze }, now);
      if (hold !== null) {
        this.#holdBack(refund, hold, now);
        continue;
      }
      const others = book.refunds.filter(({ id }) => id !== refund.id);
      const spacedUntil = sendableFrom(others, this.#factsOf(book.charge, refund)?.spacingMs ?? 0);
      const sendableAt = Math.max(spacedUntil, refund.notBefore ?? 0);
      const step =
        sendableAt > now ? { dueAt: sendableAt } : { ...submission(refund, now), ...released(refund) };
      const next = changedRefund(refund, step, now);
      this.#books.write(() => {
        book.save(next, { cause: "sent", actor: SYSTEM, at: now });
        this.#books.arm();
      });
      if (next.state === "submitting") this.#ask(next, "submit");
    }
  }

  #holdBack(refund: Refund, hold: Hold, now: number): void {
    const next = changedRefund(refund, { ...hold }, now);
    this.#books.write(() => {
      const book = this.#books.enter();
      book?.save(next, { cause: "held", actor: SYSTEM, at: now });
      if (book && next.attention !== refund.attention) this.#books.addEvents(book, next, ["refund.updated"]);
      this.#books.arm();
    });
  }

  /** Resolves when no question is under way and none is due. */
  async idle(): Promise<void> {
    while (this.#asking.size > 0) await Promise.all(this.#asking.values());
  }

  /** Nothing is asked for a while, longer each time: whatever fails here fails again at once. */
  pause(): void {
    this.retryAt = this.#ports.now() + Math.min(PAUSE_MS * 2 ** this.#failures, PAUSE_MAX_MS);
    this.#failures++;
  }

  #ask(refund: Refund, question: "submit" | "query"): void {
    const charge = this.#books.enter()?.charge;
    if (charge === undefined) return;
    // Whoever sent it may have no valid keys any more: the account's newest ask, and send where they must be the same
    // merchant's or nothing was sent before.
    const newest = question === "query" || refund.attempts <= 1 || this.#keysProve(charge, refund);
    const run = this.#account(charge, refund, newest)
      .then((account) => this.#verdict(charge, refund, question, account))
      .then((verdict) => {
        this.#heard.set(refund.id, verdict);
        // No longer under way: the alarm that the verdict arms must not be put off by its own question.
        this.#asking.delete(refund.id);
        this.#settle(refund.id, verdict, question);
        this.#failures = 0;
        this.pump();
        this.#events.onChange();
      })
      .catch((error) => {
        // The books are as they were before the verdict.
        if (this.#asking.get(refund.id) === run) this.#asking.delete(refund.id);
        this.pause();
        this.#ports.alert("verdict_not_booked", { refund: refund.id, error: nameOf(error) });
      });
    this.#asking.set(refund.id, run);
  }

  async #verdict(
    charge: Charge,
    refund: Refund,
    question: "submit" | "query",
    account: ChannelAccount | null | "unreachable",
  ): Promise<Verdict> {
    if (charge.livemode && account !== null && account !== "unreachable") {
      const hindrance = await this.#hindrance(charge, refund, question, account);
      if (hindrance !== null) return hindrance;
    }
    const pin = (used: ChannelAccount) => this.#pin(refund.id, used);
    // The check may have found the payment's number at the channel.
    const paid = this.#books.enter()?.charge ?? charge;
    const ask = (by: typeof account) => askChannel(this.#ports, paid, refund, question, by, pin);
    const verdict = await ask(account);
    const isSender = account === null || account === "unreachable" || isSentBy(refund, account);
    if (isSender || question === "submit" || this.#keysProve(charge, refund)) return verdict;
    if (verdict.kind !== "notFound" && verdict.kind !== "declined") return verdict;
    // Later credentials may be another merchant's: that it is not there only those it was sent with can say.
    const senders = await ask(await this.#account(charge, refund, false));
    // Silence may end, and what was sent just now may still land: only keys that are refused leave nobody to ask.
    const areRefused = senders.kind === "notSent" && senders.reason === "configuration";
    if (verdict.kind !== "notFound" || !areRefused || !this.#isSettled(charge, refund, verdict))
      return senders;
    const { number, amount, currency, askedAt } = senders;
    return { kind: "unknown", number, amount, currency, askedAt, missing: true };
  }

  #isSettled(charge: Charge, refund: Refund, { askedAt }: Verdict): boolean {
    const settlingMs = this.#factsOf(charge, refund)?.settlingMs ?? 0;
    return askedAt >= (refund.lastSubmittedAt ?? 0) + settlingMs;
  }

  #keysProve(charge: Charge, refund: Refund): boolean {
    return this.#factsOf(charge, refund)?.keysProveMerchant === true;
  }

  /** Why a live question is not put to the channel now: no room in the account's budget, or the payment is in doubt. */
  async #hindrance(
    charge: Charge,
    refund: Refund,
    question: "submit" | "query",
    account: ChannelAccount,
  ): Promise<Verdict | null> {
    const begunAt = this.#ports.now();
    const askedAt = Math.max(begunAt, refund.askedAt ?? 0);
    const facts = { number: refundOrderNo(refund.id), amount: null, currency: null, askedAt };
    const later = (retryAt: number): Verdict => ({ ...facts, kind: "notSent", reason: "throttled", retryAt });
    // Answers that left the outcome open are what a failing account gives: those have a budget of their own.
    const mayCall = this.#ports.mayCall(account, refund.openAnswers > 0).catch(() => true);
    const room = await within(this.#ports.sleep, mayCall, BUDGET_TIMEOUT_MS);
    if (room !== "late" && !room.done) {
      const share = Math.ceil((begunAt - refund.created * 1000) / 10);
      return later(begunAt + Math.min(Math.max(share, THROTTLED_MS), THROTTLED_MAX_MS));
    }

    const channel = this.#ports.channel(charge.channel, charge.livemode);
    if (question === "query" || channel === null || this.#books.enter()?.cover.verified) return null;
    const outcome = await verifyPayment(this.#ports, charge, refund, channel, account);
    if ("verdict" in outcome) return outcome.verdict;
    const isMarked = this.#markVerified(charge, outcome.transactionNo);
    const isSlow = this.#ports.now() - begunAt > CHECKED_FAST_MS;
    return isSlow || !isMarked ? later(this.#ports.now()) : null;
  }

  /** `asked`: the charge as it was when its payment was confirmed. False when another was recorded meanwhile. */
  #markVerified(asked: Charge, transactionNo: string | null): boolean {
    return this.#books.write(() => {
      const book = this.#books.enter();
      if (!book || book.charge.transactionNo !== asked.transactionNo) return false;
      const { cover } = book;
      const news = cover.charge.transactionNo === null && transactionNo !== null;
      const charge = news
        ? { ...cover.charge, transactionNo, version: cover.charge.version + 1 }
        : cover.charge;
      const syncDueAt = news ? this.#ports.now() + SYNC_WITHIN_MS : cover.syncDueAt;
      book.saveCover({ ...cover, charge, syncDueAt, verified: true });
      this.#books.arm();
      return true;
    });
  }

  /** The account to ask with; `"unreachable"` while it is not known here and D1 does not answer. */
  async #account(
    charge: Charge,
    refund: Refund,
    newest: boolean,
  ): Promise<ChannelAccount | null | "unreachable"> {
    const given = this.#accounts.get(refund.id);
    this.#accounts.delete(refund.id);
    if (given !== undefined || !charge.livemode) return given ?? null;
    const pinned = refund.account;
    const known = pinned === null ? undefined : this.#known.get(`${pinned.id}/${pinned.revision}`);
    const look = this.#ports.account(charge, pinned, newest).catch(() => "unreachable" as const);
    const outcome = await within(this.#ports.sleep, look, ACCOUNT_TIMEOUT_MS);
    const found = outcome === "late" ? "unreachable" : outcome.done;
    if (found === "unreachable") return known ?? found;
    if (found !== null) this.#known.set(`${found.id}/${found.revision}`, found);
    return found;
  }

  /** The account of the first send is the one that is asked about the number for ever. */
  #pin(id: string, account: ChannelAccount): void {
    this.#books.write(() => {
      const book = this.#books.enter();
      const refund = book?.find(id);
      if (!book || refund === undefined) return;
      const pinned = { id: account.id, revision: account.revision };
      book.save(changedRefund(refund, { account: pinned }, this.#ports.now()), null);
      this.#books.arm();
    });
  }

  /** Books a verdict: state, event and alarm in one transaction. */
  #settle(id: string, verdict: Verdict, asked: "submit" | "query" | "told", actor: Actor = CHANNEL): void {
    this.#books.write(() => {
      const book = this.#books.enter();
      const refund = book?.find(id);
      if (!book || refund === undefined) return;
      const now = this.#ports.now();
      const room = balanceOf(book.charge, book.refunds).refundable;
      const settlement = settleRefund(refund, verdict, {
        asked,
        now,
        channel: book.charge.channel,
        currency: book.charge.currency,
        fits: holdsMoney(refund) || refund.amount <= room,
        settlingMs: this.#factsOf(book.charge, refund)?.settlingMs ?? 0,
      });
      if (settlement === null) {
        if (!isWatchDue(refund, now)) return;
        // D1 hears of it too: what looks overdue there is poked again and again.
        const { dueAt, leaseUntil } = watched(refund, now);
        book.save(changedRefund(refund, { dueAt, leaseUntil }, now), null);
        this.#books.arm();
        return;
      }
      const settled = inOwnWords(settlement.refund);
      const cause = actor === CHANNEL ? SAID[asked] : "moved";
      book.save(dirty(watched(settled, now), now), { cause, actor, at: now, ...wordsOf(verdict) });
      if (settlement.conflict) {
        book.saveCover({ ...book.cover, freeze: book.cover.freeze ?? "conflict" });
        this.#ports.alert("charge_frozen", { charge: book.charge.id, refund: id });
      }
      this.#books.addEvents(book, settled, settlement.events);
      this.#books.arm();
    });
    this.#events.onVerdict(id);
  }
}

function isSentBy({ account }: Refund, { id, revision }: ChannelAccount): boolean {
  return account === null || (account.id === id && account.revision === revision);
}

/** What kept it is gone. */
function released({ state, attention }: Refund): Partial<Refund> {
  return state === "waiting" && attention === "conflict" ? { attention: null } : {};
}

/** Whether nothing but the channel's own spacing keeps a refund from being sent. */
function isFree({ approval, notBefore = 0 }: Refund, now: number): boolean {
  return approval?.status !== "required" && notBefore <= now;
}

function isWatchDue(refund: Refund, now: number): boolean {
  return refund.watchUntil !== undefined && refund.dueAt !== null && refund.dueAt <= now;
}

/** What a person ended goes on being asked about for a while, unless something contradicts it: then that is asked. */
function watched(refund: Refund, now: number): Refund {
  if (refund.watchUntil === undefined || !isFinal(refund) || refund.contradictedAt !== null) return refund;
  const next = now + WATCH_EVERY_MS;
  return { ...refund, dueAt: next <= refund.watchUntil ? next : null, leaseUntil: null };
}
