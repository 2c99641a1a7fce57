// What is left of an app's daily limits, and the only place that gives any of it away. Isolates lease blocks of it and let
// refunds out of those, so that a refund asks nobody but its ledger.
//
// Three things count against a limit: what D1 says the refunds of the last 24 hours come to; what is still open of leases;
// and refunds that were made, until D1 has shown them. An isolate that accounts for a lease moves amounts from the second
// to the third; a reading of D1 moves them from the third to the first. Amounts leave the second in no other way than with
// the end of their lease: at a reading that begins GRACE_MS after anybody may take from it, and CATCH_UP_MS after D1 was
// last seen to fail. So a limit is exceeded only by refunds that D1 learns of later than that, and whose isolate died
// before it could account for them, which takes it milliseconds: by one lease of each such isolate at most; and by what was
// promised while nobody could be asked (`takeForPromise`). What an isolate lost unspent comes back with the end of its
// lease, what failed with the next reading, and what a batch wanted that was never stored when it says so.
import type { LedgerStorage } from "../charges/ledger-ports.ts";
import { type Sleep, within } from "../deadline.ts";
import {
  type BookCall,
  type BudgetAnswer,
  type BudgetSurface,
  LEASE_MS,
  type Lease,
  type LeaseCall,
  type MadeRefund,
  type Owner,
  type Report,
  type ReportCall,
  type UnbookCall,
} from "./budget-calls.ts";
import {
  amountOf,
  asSums,
  type Exceeded,
  isNothing,
  type Limits,
  maxOf,
  NOTHING,
  plus,
  type Sums,
  sumOf,
  WINDOW_SECONDS,
} from "./limits.ts";

/** How long a refund let out at the end of a lease may take to its ledger and on into D1. */
export const GRACE_MS = 120_000;
/** How long ledgers may take, after D1 was away, to tell it what they could not. */
export const CATCH_UP_MS = 400_000;
/** No isolate gets more than this part of what is left, unless that is less than what it needs. */
const SHARE = 8;
/** A reading is good for so long, as long as there is room. */
const FRESH_MS = 10_000;
/** Between readings; longer where a reading is more work: no app has more than 10,000 rows a second read for it. */
const SPACING_MS = 500;
const ROWS_PER_MS = 10;
/** How long anybody waits for a reading, which goes on without them: adding up millions of refunds takes seconds. */
const READ_PATIENCE_MS = 1_000;
const READ_TIMEOUT_MS = 10_000;
/** After D1 failed, how long it is left alone. */
const PAUSE_MS = 2_000;
/** How long a call waits until D1 may be read again. */
const WAIT_MS = 500;
/** So many refunds are looked for in D1 at once. */
const LOOKED_FOR_MAX = 5_000;

/** What D1 knows of the refunds of 24 hours that have not failed. */
export interface Usage extends Sums {
  /** How many rows that took. */
  scanned: number;
  /** When the oldest was made, Unix seconds; null when there is none. */
  oldest: number | null;
  /** Which of the refunds that were looked for exist, in whatever state. */
  found: readonly string[];
}

export interface BudgetPorts {
  storage: Pick<LedgerStorage, "sql" | "transactionSync">;
  /** ms since the epoch. */
  now(): number;
  sleep: Sleep;
  /** One consistent look at D1; `since` in Unix seconds. */
  usage(owner: Owner, since: number, refunds: readonly string[]): Promise<Usage>;
}

interface KeptLease extends Lease {
  /** When nobody may take from it any more, ms. */
  endsAt: number;
}

interface KeptRefund extends MadeRefund {
  /** When it was heard of, ms. */
  at: number;
}

interface Reading extends Omit<Usage, "found"> {
  /** When it began, ms. */
  at: number;
  /** When D1 failed last, ms. */
  failedAt: number;
}

/** What is in storage, read once and written through: a restart forgets nothing. */
interface Memory {
  leases: Map<string, KeptLease>;
  made: Map<string, KeptRefund>;
  reading: Reading | null;
}

export class Budget implements BudgetSurface {
  readonly #ports: BudgetPorts;
  #memory: Memory | null = null;
  /** The reading that is under way: when it began, ms, and whether it succeeds. */
  #underWay: { at: number; ended: Promise<boolean> } | null = null;
  #pausedUntil = 0;

  constructor(ports: BudgetPorts) {
    this.#ports = ports;
  }

  async lease(call: LeaseCall): Promise<BudgetAnswer<Lease>> {
    this.#hear(call.report);
    return await this.#decide(call.owner, () => this.#lease(call));
  }

  async book(call: BookCall): Promise<BudgetAnswer<null>> {
    this.#hear(call.report);
    return await this.#decide(call.owner, () => this.#book(call));
  }

  async unbook({ refunds }: UnbookCall): Promise<null> {
    const { made } = this.#enter();
    this.#write(() => {
      for (const { refund, amount } of refunds) {
        const known = made.get(refund);
        if (known === undefined || known.amount <= amount) continue;
        if (amount === 0) this.#forgetRefund(refund);
        else this.#keepRefund({ ...known, amount });
      }
    });
    return null;
  }

  async report({ report }: ReportCall): Promise<null> {
    this.#hear(report);
    return null;
  }

  async used({ owner, report }: ReportCall): Promise<BudgetAnswer<Sums>> {
    this.#hear(report);
    await this.#readSince(owner, this.#ports.now() - SPACING_MS);
    const { reading, made } = this.#enter();
    return reading === null
      ? { unavailable: true }
      : { ok: plus(reading, sumOf([...made.values()].map(asSums))) };
  }

  /** There is room at once, or what D1 says from now on decides. */
  async #decide<Ok>(owner: Owner, look: () => BudgetAnswer<Ok>): Promise<BudgetAnswer<Ok>> {
    const asked = this.#ports.now();
    await this.#readSince(owner, asked - FRESH_MS);
    const answer = look();
    if (!("exceeded" in answer)) return answer;
    const isRead = await this.#readSince(owner, asked);
    const last = look();
    return "exceeded" in last && !isRead ? { unavailable: true } : last;
  }

  #lease({ lease: id, limits, need, others, refunds }: LeaseCall): BudgetAnswer<Lease> {
    const { leases, reading } = this.#enter();
    // The same question again: its answer was lost.
    const known = leases.get(id);
    if (known !== undefined) return { ok: known };
    if (reading === null) return { unavailable: true };
    const exceeded = this.#exceeded(limits, asSums(need));
    if (exceeded !== null) return { exceeded };
    const taken = this.#taken();
    // What is asked for is there.
    const amounts: Record<string, number> =
      maxOf(limits, need.currency) === null ? {} : { [need.currency]: need.amount };
    for (const { currency, amount } of [need, ...others]) {
      const max = maxOf(limits, currency);
      if (max === null) continue;
      amounts[currency] = Math.max(
        amounts[currency] ?? 0,
        share(max - amountOf(taken, currency), amount * refunds),
      );
    }
    const count = limits.count === null ? 0 : Math.max(1, share(limits.count - taken.count, refunds));
    const lease = { id, count, amounts, endsAt: this.#ports.now() + LEASE_MS };
    this.#write(() => this.#keepLease(lease));
    return { ok: lease };
  }

  #book({ limits, refunds }: BookCall): BudgetAnswer<null> {
    const { made, reading } = this.#enter();
    if (reading === null) return { unavailable: true };
    const news = refunds.filter((refund) => isNews(refund, made));
    const known = news.flatMap(({ refund }) => made.get(refund) ?? []);
    const exceeded = this.#exceeded(limits, plus(sumOf(news.map(asSums)), sumOf(known.map(asSums)), -1));
    if (exceeded !== null) return { exceeded };
    this.#write(() => {
      for (const refund of news) this.#keepRefund(refund);
    });
    return { ok: null };
  }

  /** Takes what an isolate accounts for. Reports may come twice, and in any order. */
  #hear({ leases, made }: Report): void {
    const memory = this.#enter();
    const known = leases.filter(({ id }) => memory.leases.has(id));
    const news = made.filter((refund) => isNews(refund, memory.made));
    if (known.length + news.length === 0) return;
    this.#write(() => {
      for (const { id, ...open } of known) this.#keepLease(shrunk(memory.leases.get(id) as KeptLease, open));
      for (const refund of news) this.#keepRefund(refund);
    });
  }

  /** The first limit that does not leave as much as is needed; null when all do. */
  #exceeded(limits: Limits, needed: Sums): Exceeded | null {
    const taken = this.#taken();
    // A limit that was lowered leaves nothing, and stands in the way of nobody who needs nothing of it.
    const left = limits.count === null ? null : Math.max(0, limits.count - taken.count);
    if (limits.count !== null && left !== null && left < needed.count) {
      const roomAt = this.#roomAt(needed.count <= limits.count);
      return { limit: { kind: "count" }, max: limits.count, left, roomAt };
    }
    for (const [currency, amount] of Object.entries(needed.amounts)) {
      const max = maxOf(limits, currency);
      if (max === null) continue;
      const left = Math.max(0, max - amountOf(taken, currency));
      if (amount <= left) continue;
      return { limit: { kind: "amount", currency }, max, left, roomAt: this.#roomAt(amount <= max) };
    }
    return null;
  }

  /** When something that counts now stops counting, at the latest. */
  #roomAt(ever: boolean): number | null {
    if (!ever) return null;
    const { leases, reading } = this.#enter();
    const ends = [...leases.values()].map(({ endsAt }) => endsAt + GRACE_MS);
    const oldest = reading?.oldest == null ? this.#ports.now() : reading.oldest * 1000;
    return Math.min(oldest + WINDOW_SECONDS * 1000, ...ends);
  }

  #taken(): Sums {
    const { leases, made, reading } = this.#enter();
    return sumOf([reading ?? NOTHING, ...leases.values(), ...[...made.values()].map(asSums)]);
  }

  /** Makes sure of a reading that began at `since` or later; false if D1 cannot give one, or not in time. */
  async #readSince(owner: Owner, since: number): Promise<boolean> {
    for (;;) {
      const { reading } = this.#enter();
      if (reading !== null && reading.at >= since) return true;
      const now = this.#ports.now();
      if (this.#underWay === null && now < this.#pausedUntil) return false;
      if (this.#underWay === null && reading !== null) {
        const wait = reading.at + Math.max(SPACING_MS, reading.scanned / ROWS_PER_MS) - now;
        // Reading them all again is too much work to be done for everybody who asks.
        if (wait > WAIT_MS) return true;
        if (wait > 0) {
          await this.#ports.sleep(wait);
          continue;
        }
      }
      this.#underWay ??= {
        at: now,
        ended: this.#read(owner).finally(() => {
          this.#underWay = null;
        }),
      };
      const { at, ended } = this.#underWay;
      const patience = at + READ_PATIENCE_MS - now;
      const outcome = patience <= 0 ? "late" : await within(this.#ports.sleep, ended, patience);
      if (outcome === "late" || !outcome.done) return false;
    }
  }

  /** Reads D1; whoever stops waiting for it finds later what it brought. */
  async #read(owner: Owner): Promise<boolean> {
    const at = this.#ports.now();
    const since = Math.floor(at / 1000) - WINDOW_SECONDS;
    const refunds = [...this.#enter().made.keys()].slice(0, LOOKED_FOR_MAX);
    const outcome = await within(
      this.#ports.sleep,
      this.#ports.usage(owner, since, refunds),
      READ_TIMEOUT_MS,
    ).catch(() => "late" as const);
    if (outcome === "late") {
      const { reading } = this.#enter();
      this.#pausedUntil = this.#ports.now() + PAUSE_MS;
      if (reading !== null) this.#write(() => this.#keepReading({ ...reading, failedAt: this.#ports.now() }));
      return false;
    }
    const { found, ...usage } = outcome.done;
    const { leases, made, reading } = this.#enter();
    const failedAt = reading?.failedAt ?? 0;
    this.#write(() => {
      this.#keepReading({ ...usage, at, failedAt });
      for (const refund of found) this.#forgetRefund(refund);
      for (const { refund, at: heardAt } of made.values()) {
        if (heardAt <= at - WINDOW_SECONDS * 1000) this.#forgetRefund(refund);
      }
      for (const lease of leases.values()) {
        if (Math.max(lease.endsAt + GRACE_MS, failedAt + CATCH_UP_MS) <= at)
          this.#keepLease({ ...lease, ...NOTHING });
      }
    });
    return true;
  }

  #enter(): Memory {
    this.#memory ??= open(this.#ports.storage);
    return this.#memory;
  }

  /** One transaction; if it throws, memory is thrown away with it and read again from storage. */
  #write(work: () => void): void {
    try {
      this.#ports.storage.transactionSync(() => {
        for (const table of TABLES) this.#ports.storage.sql.exec(table);
        work();
      });
    } catch (error) {
      this.#memory = null;
      throw error;
    }
  }

  /** One of which nothing is open is none. */
  #keepLease(lease: KeptLease): void {
    const { sql } = this.#ports.storage;
    if (isNothing(lease)) {
      sql.exec("DELETE FROM leases WHERE id = ?", lease.id);
      this.#enter().leases.delete(lease.id);
      return;
    }
    sql.exec("INSERT OR REPLACE INTO leases (id, doc) VALUES (?, ?)", lease.id, JSON.stringify(lease));
    this.#enter().leases.set(lease.id, lease);
  }

  #keepRefund(refund: MadeRefund): void {
    const kept = { ...refund, at: this.#ports.now() };
    const { sql } = this.#ports.storage;
    sql.exec("INSERT OR REPLACE INTO made (refund, doc) VALUES (?, ?)", kept.refund, JSON.stringify(kept));
    this.#enter().made.set(refund.refund, kept);
  }

  #forgetRefund(refund: string): void {
    this.#ports.storage.sql.exec("DELETE FROM made WHERE refund = ?", refund);
    this.#enter().made.delete(refund);
  }

  #keepReading(reading: Reading): void {
    const doc = JSON.stringify(reading);
    this.#ports.storage.sql.exec("INSERT OR REPLACE INTO readings (id, doc) VALUES (1, ?)", doc);
    this.#enter().reading = reading;
  }
}

const TABLES = [
  "CREATE TABLE IF NOT EXISTS leases (id TEXT PRIMARY KEY, doc TEXT NOT NULL) WITHOUT ROWID",
  "CREATE TABLE IF NOT EXISTS made (refund TEXT PRIMARY KEY, doc TEXT NOT NULL) WITHOUT ROWID",
  "CREATE TABLE IF NOT EXISTS readings (id INTEGER PRIMARY KEY, doc TEXT NOT NULL)",
];

function open({ sql }: BudgetPorts["storage"]): Memory {
  const made = sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'readings'");
  if (made.toArray().length === 0) return { leases: new Map(), made: new Map(), reading: null };
  const docs = <Kept>(query: string): Kept[] =>
    sql
      .exec(query)
      .toArray()
      .map(({ doc }) => JSON.parse(doc as string));
  return {
    leases: new Map(docs<KeptLease>("SELECT doc FROM leases").map((lease) => [lease.id, lease])),
    made: new Map(docs<KeptRefund>("SELECT doc FROM made").map((refund) => [refund.refund, refund])),
    reading: docs<Reading>("SELECT doc FROM readings")[0] ?? null,
  };
}

/** Whether this is more than is known of a refund: more of it, or another currency than it was taken to be of. */
function isNews({ refund, currency, amount }: MadeRefund, made: ReadonlyMap<string, MadeRefund>): boolean {
  const known = made.get(refund);
  return known === undefined || known.currency !== currency || known.amount < amount;
}

/** A lease of which no more than this is open. */
function shrunk(lease: KeptLease, open: Sums): KeptLease {
  const amounts = Object.keys(lease.amounts).map((currency) => [
    currency,
    Math.min(amountOf(lease, currency), amountOf(open, currency)),
  ]);
  return { ...lease, count: Math.min(lease.count, open.count), amounts: Object.fromEntries(amounts) };
}

function share(left: number, wanted: number): number {
  return Math.max(0, Math.min(Math.floor(left / SHARE), wanted));
}
