// An app with daily limits in virtual time: isolates that come and go, a budget that is thrown out of memory, calls that
// are lost on either way, ledgers whose news reach D1 late, and a D1 that goes away. What isolates and budget run is the
// product's own code. The world itself sees every refund at the moment it is made.
import { BoundedMap } from "../../src/auth/bounded-map.ts";
import type { Principal } from "../../src/auth/principal.ts";
import { Budget, type Usage } from "../../src/budgets/budget.ts";
import type { BudgetSurface } from "../../src/budgets/budget-calls.ts";
import { type Allowances, tellBudget, withAllowance } from "../../src/budgets/take-allowance.ts";
import type { CreateCommand } from "../../src/charges/ledger-calls.ts";
import type { Env } from "../../src/env.ts";
import { ProblemError } from "../../src/http/problem.ts";
import type { Dice } from "../emulators/dice.ts";
import { Disk, openStorage } from "../simulation/storage.ts";
import type { VirtualClock } from "../simulation/virtual-clock.ts";

export const DAY_MS = 86_400_000;
export const CURRENCIES = ["cny", "usd"] as const;

export interface Limits {
  count: number | null;
  amounts: Record<string, number>;
}

export interface Faults {
  /** Of a call of the budget, before and after it was carried out. */
  lost: number;
  /** The budget leaves memory. */
  reset: number;
  /** An isolate dies while one of its refunds is on its way. */
  crash: number;
  /** A ledger's answer is lost. */
  unknown: number;
  /** How long D1 may take to hear of a refund while it is there, ms. */
  lagMs: number;
}

interface Refund {
  id: string;
  currency: string;
  amount: number;
  /** ms. */
  at: number;
  /** When it failed, ms, and when D1 knows of it and of that. */
  failedAt: number;
  visibleAt: number;
  failureVisibleAt: number;
}

interface Isolate {
  held: Allowances;
  dead: boolean;
}

const OWNER = { app: "app_1", livemode: true };
const never = () => new Promise<never>(() => {});

export class DailyWorld {
  readonly refunds: Refund[] = [];
  readonly violations: string[] = [];
  readonly counts = { asked: 0, made: 0, limited: 0, unavailable: 0, crashes: 0 };
  faults: Faults;
  /** When D1 is away, ms. */
  readonly outages: { from: number; to: number }[] = [];
  readonly #clock: VirtualClock;
  readonly #dice: Dice;
  readonly #limits: Limits;
  readonly #disk = new Disk("budget");
  #budget: { logic: Budget; gone: boolean };
  #isolates: Isolate[] = [];
  #ids = 0;

  constructor(clock: VirtualClock, dice: Dice, limits: Limits, faults: Faults) {
    this.#clock = clock;
    this.#dice = dice;
    this.#limits = limits;
    this.faults = faults;
    this.#budget = this.#newBudget();
  }

  /** One refund, asked of any isolate; how it ended. Null amount: all that is left of its charge. */
  async refund(isolates: number, currency: string, amount: number, given: boolean): Promise<string> {
    this.counts.asked += 1;
    const isolate = this.#isolateAt(this.#dice.between(0, isolates - 1));
    const outcome = this.#refundOn(isolate, currency, amount, given);
    if (this.#dice.chance(this.faults.crash)) {
      this.#clock.after(this.#dice.between(0, 300), () => {
        if (!isolate.dead) this.counts.crashes += 1;
        isolate.dead = true;
      });
    }
    return await Promise.race([outcome, this.#clock.sleep(60_000).then(() => "gone")]);
  }

  /** What has not failed of the last 24 hours, as it really is. */
  used(): { count: number; amounts: Record<string, number> } {
    const now = this.#clock.now();
    const amounts: Record<string, number> = {};
    let count = 0;
    for (const { currency, amount, at, failedAt } of this.refunds) {
      if (at <= now - DAY_MS || failedAt <= now) continue;
      count += 1;
      amounts[currency] = (amounts[currency] ?? 0) + amount;
    }
    return { count, amounts };
  }

  async #refundOn(isolate: Isolate, currency: string, amount: number, given: boolean): Promise<string> {
    const alive = <T>(work: Promise<T>): Promise<T> =>
      work.then(
        (value) => (isolate.dead ? never() : value),
        (error) => {
          if (isolate.dead) return never();
          throw error;
        },
      );
    const principal = {
      ...OWNER,
      settings: {
        daily_refunds_max: this.#limits.count,
        daily_amount_max: this.#limits.amounts,
        location_hint: null,
      },
    } as unknown as Principal;
    const env = { BUDGETS: { getByName: () => this.#stub(alive) } } as unknown as Env;
    this.#ids += 1;
    const command = { refund: `re_${this.#ids}`, amount: given ? amount : null } as CreateCommand;
    const carryOut = (allowed: CreateCommand) => alive(this.#ledger(allowed, currency, amount));
    try {
      const { answer } = await alive(withAllowance(env, principal, command, carryOut, isolate.held));
      return answer === null ? "promised" : "ok" in answer ? "made" : answer.refusal.code;
    } catch (error) {
      const code = error instanceof ProblemError ? error.problem.code : String(error);
      if (code === "daily_limit_exceeded") this.counts.limited += 1;
      else if (code === "unavailable") this.counts.unavailable += 1;
      else this.violations.push(code);
      return code;
    } finally {
      // As the Worker does behind every answer.
      void tellBudget(env, principal, isolate.held);
    }
  }

  /** A ledger: it makes what its allowance covers, whether or not anybody still waits for the answer. */
  async #ledger(command: CreateCommand, currency: string, amount: number) {
    await this.#clock.sleep(this.#dice.between(1, 40));
    const { allowance = {} } = command;
    const allowed = allowance[currency] ?? allowance["*"] ?? Number.POSITIVE_INFINITY;
    if (amount > allowed) {
      return { refusal: { code: "allowance_exceeded" as const, amount, currency } };
    }
    if (this.#dice.chance(0.05)) {
      return { refusal: { code: "charge_not_paid" as const, charge: "ch_1" } };
    }
    this.#make(command.refund, currency, amount);
    await this.#clock.sleep(this.#dice.between(1, 400));
    if (this.#dice.chance(this.faults.unknown)) return null;
    // A try whose answer was lost made it, and this one found it.
    const made = this.#dice.chance(0.05) ? 0 : amount;
    return { ok: { refund: "{}", replayed: false as const, amount: made, currency } };
  }

  #make(id: string, currency: string, amount: number): void {
    const at = this.#clock.now();
    const fails = this.#dice.chance(0.15);
    const failedAt = fails ? at + this.#dice.between(0, 5_000) : Number.POSITIVE_INFINITY;
    const visibleAt = this.#visibleFrom(at);
    const failureVisibleAt = fails ? Math.max(visibleAt, this.#visibleFrom(failedAt)) : failedAt;
    this.refunds.push({ id, currency, amount, at, failedAt, visibleAt, failureVisibleAt });
    this.counts.made += 1;
    const used = this.used();
    const { count, amounts } = this.#limits;
    if (count !== null && used.count > count) this.violations.push(`${used.count} refunds, of ${count}`);
    const max = amounts[currency];
    const sum = used.amounts[currency] ?? 0;
    if (max !== undefined && sum > max) this.violations.push(`${sum} ${currency}, of ${max}`);
  }

  /** When D1 hears of something: soon, or up to five minutes after it is back. */
  #visibleFrom(at: number): number {
    const told = at + this.#dice.between(5, this.faults.lagMs);
    const outage = this.outages.find(({ from, to }) => told >= from && told < to);
    return outage === undefined ? told : outage.to + this.#dice.between(0, 300_000);
  }

  async #usage(since: number, named: readonly string[]): Promise<Usage> {
    const now = this.#clock.now();
    await this.#clock.sleep(this.#dice.between(1, 30));
    if (this.outages.some(({ from, to }) => now >= from && now < to)) {
      if (this.#dice.chance(0.3)) await never();
      throw new Error("D1_ERROR: Network connection lost.");
    }
    const known = this.refunds.filter(({ visibleAt }) => visibleAt <= now);
    const counted = known.filter(
      ({ at, failureVisibleAt }) => Math.floor(at / 1000) > since && failureVisibleAt > now,
    );
    const amounts: Record<string, number> = {};
    for (const { currency, amount } of counted) amounts[currency] = (amounts[currency] ?? 0) + amount;
    const oldest = counted.length === 0 ? null : Math.floor((counted[0] as Refund).at / 1000);
    const ids = new Set(named);
    const found = known.map(({ id }) => id).filter((id) => ids.has(id));
    return { count: counted.length, amounts, scanned: known.length, oldest, found };
  }

  #stub(alive: <T>(work: Promise<T>) => Promise<T>): BudgetSurface {
    const call = async (verb: keyof BudgetSurface, given: unknown): Promise<unknown> => {
      await this.#clock.sleep(this.#dice.between(1, 30));
      if (this.#dice.chance(this.faults.reset)) {
        this.#budget.gone = true;
        this.#budget = this.#newBudget();
      }
      if (this.#dice.chance(this.faults.lost)) throw new Error("lost on the way there");
      const instance = this.#budget;
      const answer = await instance.logic[verb](structuredClone(given) as never);
      if (instance.gone) throw new Error("reset");
      if (this.#dice.chance(this.faults.lost)) throw new Error("lost on the way back");
      await this.#clock.sleep(this.#dice.between(1, 30));
      return structuredClone(answer);
    };
    return new Proxy({} as BudgetSurface, {
      get: (_, verb) => (given: unknown) => alive(call(verb as keyof BudgetSurface, given)),
    });
  }

  #newBudget(): { logic: Budget; gone: boolean } {
    const budget = { logic: undefined as unknown as Budget, gone: false };
    const storage = openStorage(this.#disk, {
      check: () => {
        if (budget.gone) throw new Error("storage is closed");
      },
      beforeCommit: () => {},
      afterCommit: () => {},
      alarmSet: () => {},
      violation: (words) => this.violations.push(words),
    });
    budget.logic = new Budget({
      storage,
      now: () => this.#clock.now(),
      sleep: (ms) => this.#clock.sleep(ms),
      usage: (_, since, named) => this.#usage(since, named),
    });
    return budget;
  }

  #isolateAt(index: number): Isolate {
    const known = this.#isolates[index];
    if (known !== undefined && !known.dead) return known;
    const isolate = { held: new BoundedMap(10) as Allowances, dead: false };
    this.#isolates[index] = isolate;
    return isolate;
  }
}
