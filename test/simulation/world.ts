// The machines: ledgers on their disks, instances that come and go, alarms, D1 and the channel, all in virtual time.
// A crash leaves what was committed and nothing else. A killed instance never gets another turn; a zombie goes on, can
// still reach the channel, and finds its storage closed.
import { drizzle } from "drizzle-orm/d1";
import type { Channel, ChannelAccount, RefundOrder, Verdict } from "../../src/channels/channel.ts";
import { claimChannelPayment } from "../../src/channels/repository.ts";
import type { Charge } from "../../src/charges/charge.ts";
import { ledgerName } from "../../src/charges/charge.ts";
import { flushToD1 } from "../../src/charges/flush.ts";
import { Ledger } from "../../src/charges/ledger.ts";
import { CALL } from "../../src/charges/ledger-calls.ts";
import type { LedgerPorts } from "../../src/charges/ledger-ports.ts";
import { findHydration } from "../../src/charges/repository.ts";
import type { Database } from "../../src/db/client.ts";
import { Dice } from "../emulators/dice.ts";
import { type NoticeKind, SimulatedChannel } from "./channel.ts";
import { SimulatedD1 } from "./d1.ts";
import { Observer } from "./observer.ts";
import { Disk, openStorage } from "./storage.ts";
import type { Trace } from "./trace.ts";
import { VirtualClock } from "./virtual-clock.ts";

export interface WorldFaults {
  /** The machine dies just before or just after a commit. */
  crashBeforeCommit: number;
  crashAfterCommit: number;
  /** The instance is replaced before a call. */
  evict: number;
  /** How often a gone instance lives on as a zombie. */
  zombie: number;
  /** A call's answer gets lost, or the call is turned away before it began. */
  answerLost: number;
  overloaded: number;
  alarmLost: number;
  alarmLate: number;
  alarmEarly: number;
  alarmTwice: number;
  /** An account's budget of calls has no room, or nobody can say whether it has. */
  noRoom: number;
  roomless: number;
}

export const CALM: WorldFaults = {
  crashBeforeCommit: 0,
  crashAfterCommit: 0,
  evict: 0,
  zombie: 0,
  answerLost: 0,
  overloaded: 0,
  alarmLost: 0,
  alarmLate: 0,
  alarmEarly: 0,
  alarmTwice: 0,
  noRoom: 0,
  roomless: 0,
};

/** The call certainly did not begin. */
export class Overloaded extends Error {}
/** The connection to the instance broke: the call may have been carried out. */
export class Gone extends Error {}

interface Instance {
  disk: Disk;
  ledger: Ledger;
  gone: "killed" | "zombie" | null;
  leave: () => void;
  left: Promise<never>;
}

const START = Date.UTC(2027, 0, 15);
/** An alarm that runs longer than this hangs. */
const ALARM_HANGS_MS = 180_000;
const ALARM_RETRY_MS = 2_000;

export class World {
  readonly dice: Dice;
  readonly clock: VirtualClock;
  readonly d1: SimulatedD1;
  readonly db: Database;
  readonly channel: SimulatedChannel;
  readonly observer: Observer;
  readonly trace: Trace;
  readonly disks = new Map<string, Disk>();
  readonly #instances = new Map<string, Instance>();
  readonly #chargeNames = new Map<string, string>();
  faults: WorldFaults = CALM;
  readonly violations: string[] = [];
  readonly alerts = new Map<string, number>();
  readonly counts = { crashes: 0, alarms: 0, calls: 0, notices: 0, lost: 0 };
  /** The newest revision of the merchants' one account. */
  revision = 1;
  /** How often the channel was asked about a refund after a person had ended it, by number. */
  readonly watched = new Map<string, number>();

  constructor(seed: number, trace: Trace) {
    this.trace = trace;
    this.dice = new Dice(seed);
    this.clock = new VirtualClock(START, this.dice.fork());
    this.d1 = new SimulatedD1(this.clock, this.dice.fork());
    this.db = drizzle(this.d1.binding);
    const violation = (words: string) => this.violation(words);
    this.observer = new Observer(violation);
    this.channel = new SimulatedChannel(this.clock, this.dice.fork(), violation, (verdict, kind) => {
      void this.#deliverNotice(verdict, kind);
    });
  }

  violation(words: string): void {
    this.note("VIOLATION", words);
    this.violations.push(words);
  }

  note(...words: (string | number | boolean)[]): void {
    this.trace.add(`${this.clock.time - START} ${words.join(" ")}`);
  }

  nameOf(charge: Pick<Charge, "app" | "livemode" | "id">): string {
    const name = ledgerName(charge.app, charge.livemode, charge.id);
    this.#chargeNames.set(charge.id, name);
    return name;
  }

  /** Calls a ledger as a Worker does: the call, its answer or both can get lost. */
  async call<T>(name: string, work: (ledger: Ledger, disk: Disk) => Promise<T>): Promise<T> {
    this.counts.calls += 1;
    await this.clock.sleep(this.dice.between(0, 8));
    if (this.dice.chance(this.faults.overloaded)) throw new Overloaded("overloaded");
    if (this.dice.chance(this.faults.evict)) this.kill(name);
    const instance = this.#instance(name);
    const answer = await Promise.race([work(instance.ledger, instance.disk), instance.left]);
    if (instance.gone !== null) throw new Gone("reset");
    await this.clock.sleep(this.dice.between(0, 8));
    if (this.dice.chance(this.faults.answerLost)) throw new Gone("answer lost");
    return answer;
  }

  /** One machine dies, or all of them. */
  kill(name?: string): void {
    for (const [each, instance] of this.#instances) {
      if (name === undefined || name === each) this.#leave(instance);
    }
  }

  /** A ledger loses its storage altogether. */
  wipe(name: string): void {
    this.kill(name);
    const disk = this.disk(name);
    disk.wipe();
    this.observer.forget(disk);
    this.counts.lost += 1;
    this.note("wiped", name);
  }

  disk(name: string): Disk {
    let disk = this.disks.get(name);
    if (disk === undefined) {
      disk = new Disk(name);
      this.disks.set(name, disk);
    }
    return disk;
  }

  #leave(instance: Instance): void {
    if (instance.gone !== null) return;
    this.counts.crashes += 1;
    instance.gone = this.dice.chance(this.faults.zombie) ? "zombie" : "killed";
    this.note(instance.gone, instance.disk.name);
    this.#instances.delete(instance.disk.name);
    instance.leave();
  }

  #instance(name: string): Instance {
    const living = this.#instances.get(name);
    if (living !== undefined) return living;
    const disk = this.disk(name);
    const { promise: left, reject } = Promise.withResolvers<never>();
    left.catch(() => {});
    const instance: Instance = {
      disk,
      ledger: undefined as unknown as Ledger,
      gone: null,
      leave: () => reject(new Gone("reset")),
      left,
    };
    instance.ledger = new Ledger(this.#ports(instance));
    this.#instances.set(name, instance);
    return instance;
  }

  #ports(instance: Instance): LedgerPorts {
    const { clock } = this;
    const alive = <T>(work: () => Promise<T>) => this.#unlessKilled(instance, work);
    const channel: Channel = {
      facts: (order) => this.channel.port.facts(order),
      refund: (order, account, now, signal) => {
        this.note("refund", order.number, order.attempt, order.amount);
        this.#checkSubmission(instance, order);
        return alive(() => this.channel.port.refund(order, account, now, signal));
      },
      query: (order, account, now, signal) => {
        this.note("query", order.number, account?.revision ?? 0);
        const { resolution } = this.#stored(instance, order) ?? {};
        const { number } = order;
        if (resolution !== undefined) this.watched.set(number, (this.watched.get(number) ?? 0) + 1);
        return alive(() => this.channel.port.query(order, account, now, signal));
      },
      verifyPayment: (payment, account, now, signal) =>
        alive(async () => {
          const check = await this.channel.port.verifyPayment?.(payment, account, now, signal);
          return check ?? { kind: "unknown" };
        }),
    };
    return {
      storage: openStorage(instance.disk, {
        check: () => {
          if (instance.gone !== null) throw new Gone("storage is closed");
        },
        beforeCommit: () => {
          if (!this.dice.chance(this.faults.crashBeforeCommit)) return;
          this.#leave(instance);
          throw new Gone("crashed before the commit");
        },
        afterCommit: () => {
          this.observer.committed(instance.disk, clock.now());
          if (this.dice.chance(this.faults.crashAfterCommit)) this.#leave(instance);
        },
        alarmSet: () => this.#schedule(instance.disk),
        violation: (words) => this.violation(words),
      }),
      now: () => clock.now(),
      random: (count) => this.dice.bytes(count),
      sleep: (ms) => alive(() => clock.sleep(ms)),
      channel: () => channel,
      account: async (charge, pinned, newest) => {
        await alive(() => clock.sleep(this.dice.between(1, 20)));
        if (this.d1.faults.down) throw new Error("D1_ERROR: unreachable");
        const revision = pinned === null || newest ? this.revision : pinned.revision;
        return accountOf(charge, revision);
      },
      claimPayment: (charge, { merchant }, transactionNo) =>
        alive(() => claimChannelPayment(this.db, "simulated", merchant, transactionNo, charge)),
      mayCall: () =>
        alive(async () => {
          await clock.sleep(this.dice.between(0, 5));
          if (this.dice.chance(this.faults.roomless)) {
            if (this.dice.chance(0.5)) throw new Error("no budgets");
            await clock.sleep(10 ** 9);
          }
          return !this.dice.chance(this.faults.noRoom);
        }),
      flush: (batch) =>
        alive(async () => {
          this.note("flush", batch.charge.id, batch.version, batch.refunds.length, batch.events.length);
          return (await flushToD1(this.db, batch)).receipt;
        }),
      projection: (charge) => alive(() => findHydration(this.db, charge.app, charge.livemode, charge.id)),
      alert: (kind, facts) => {
        this.note("alert", kind, JSON.stringify(facts));
        this.alerts.set(kind, (this.alerts.get(kind) ?? 0) + 1);
      },
    };
  }

  /** What is on the disk of a living instance about the refund it speaks of. */
  #stored(instance: Instance, { number }: RefundOrder) {
    if (instance.gone !== null) return undefined;
    return this.observer.look(instance.disk).refunds.get(`re_${number}`);
  }

  /** A live refund leaves once its payment was confirmed, and none that a person has ended leaves again. */
  #checkSubmission(instance: Instance, order: RefundOrder): void {
    if (instance.gone !== null) return;
    const { cover } = this.observer.look(instance.disk);
    if (order.livemode && cover?.verified !== true) {
      this.violation(`${order.number} was sent before its payment was confirmed`);
    }
    if (this.#stored(instance, order)?.resolution !== undefined) {
      this.violation(`${order.number} was sent although a person had ended it`);
    }
  }

  /** A killed instance begins nothing and never hears of what it had begun. */
  #unlessKilled<T>(instance: Instance, work: () => Promise<T>): Promise<T> {
    if (instance.gone === "killed") return new Promise(() => {});
    return new Promise((resolve, reject) => {
      work().then(
        (value) => {
          if (instance.gone !== "killed") resolve(value);
        },
        (error) => {
          if (instance.gone !== "killed") reject(error);
        },
      );
    });
  }

  #schedule(disk: Disk): void {
    const { alarmAt } = disk;
    if (alarmAt === null) return;
    let delay = alarmAt - this.clock.now();
    if (this.dice.chance(this.faults.alarmLate)) delay += this.dice.between(1, 40_000);
    if (this.dice.chance(this.faults.alarmEarly)) delay -= this.dice.between(1, 3_000);
    this.clock.after(Math.max(0, delay), () => {
      // Another alarm has replaced this one, or it waits until the running one is done.
      if (disk.alarmAt !== alarmAt || disk.alarmRunning) return;
      disk.alarmAt = null;
      if (this.dice.chance(this.faults.alarmLost)) {
        this.note("alarm lost", disk.name);
        disk.alarmLost = true;
        return;
      }
      void this.#fire(disk);
    });
  }

  async #fire(disk: Disk): Promise<void> {
    disk.alarmRunning = true;
    const started = this.clock.time;
    const again = this.dice.chance(this.faults.alarmTwice);
    let crashed = false;
    for (const _run of again ? [1, 2] : [1]) {
      this.counts.alarms += 1;
      this.note("alarm", disk.name);
      const instance = this.#instance(disk.name);
      try {
        await Promise.race([
          instance.ledger.alarm(),
          instance.left,
          this.clock.sleep(ALARM_HANGS_MS).then(() => "hangs"),
        ]);
        if (this.clock.time - started >= ALARM_HANGS_MS * 2)
          this.violation(`I8: the alarm of ${disk.name} hangs`);
      } catch (error) {
        if (instance.gone === null) this.violation(`I8: the alarm of ${disk.name} threw ${String(error)}`);
      }
      crashed = instance.gone !== null;
    }
    disk.alarmRunning = false;
    if (disk.alarmAt !== null) this.#schedule(disk);
    // The platform repeats an alarm whose machine died, unless the handler had set another one.
    else if (crashed) {
      disk.alarmAt = this.clock.now() + ALARM_RETRY_MS;
      this.#schedule(disk);
    } else this.observer.committed(disk, this.clock.now());
  }

  async #deliverNotice(verdict: Verdict, kind: NoticeKind): Promise<void> {
    const book = this.channel.books.get(verdict.number);
    const name = book === undefined ? undefined : this.#chargeNames.get(book.charge);
    if (name === undefined) return;
    const refund = `re_${verdict.number}`;
    // Who still waits for the outcome believes what is signed; only a final state is defended by asking.
    const state = this.observer.look(this.disk(name)).refunds.get(refund)?.state;
    if (kind === "wrong" && state !== "succeeded" && state !== "failed") return;
    this.counts.notices += 1;
    this.channel.notices += 1;
    this.note("notice", verdict.number, verdict.kind, kind);
    try {
      const answer = await this.call(name, (ledger) =>
        ledger.apply({ ...CALL, refund, verdict, source: "notice" }),
      );
      // Its ledger was lost: the channel will have to come again.
      if ("unhydrated" in answer) throw new Gone("unhydrated");
      if (!("ok" in answer)) this.violation(`a notice about ${refund} found ${JSON.stringify(answer)}`);
    } catch {
      // Channels repeat what was not taken.
      if (kind === "until_taken" || this.dice.chance(0.5)) {
        await this.clock.sleep(this.dice.between(1000, 60_000));
        void this.#deliverNotice(verdict, kind);
      }
    }
    this.channel.notices -= 1;
  }
}

/** Both merchants have the same one at the channel, in every mode. */
export function accountOf(
  { app, livemode, channel }: Pick<Charge, "app" | "livemode" | "channel">,
  revision: number,
): ChannelAccount {
  return { app, livemode, channel, id: "ca_1", revision, merchant: "m_1", credentials: "sealed" };
}
