// The machines: ledgers on their disks, instances that come and go, alarms, D1, the queue and the channel, all in virtual
// time. A crash leaves what was committed and nothing else. A killed instance never gets another turn; a zombie goes on,
// can still reach the channel, and finds its storage closed. Everything between the edges is the product's own code.
import type { Channel, RefundOrder, Verdict } from "../../src/channels/channel.ts";
import type { Charge } from "../../src/charges/charge.ts";
import { ledgerName } from "../../src/charges/charge.ts";
import { Ledger } from "../../src/charges/ledger.ts";
import { CALL, type LedgerSurface } from "../../src/charges/ledger-calls.ts";
import { portsOf } from "../../src/charges/ledger-platform.ts";
import type { LedgerPorts } from "../../src/charges/ledger-ports.ts";
import type { Env } from "../../src/env.ts";
import type { CommandMessage } from "../../src/reconciliation/command.ts";
import { Dice } from "../emulators/dice.ts";
import { type NoticeKind, SimulatedChannel } from "./channel.ts";
import { Controls } from "./controls.ts";
import { type Passage, SimulatedD1 } from "./d1.ts";
import { CALM, type WorldFaults } from "./faults.ts";
import { Histories } from "./histories.ts";
import { judge } from "./judge.ts";
import { Machine } from "./machine.ts";
import { Observer } from "./observer.ts";
import { SimulatedQueue } from "./queue.ts";
import type { Sale } from "./sale.ts";
import { Disk, type DiskSnapshot, openStorage } from "./storage.ts";
import { Timelines } from "./timelines.ts";
import type { Trace } from "./trace.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** The connection to the instance broke: the call may have been carried out. */
export class Gone extends Error {}

interface Instance {
  disk: Disk;
  ledger: Ledger;
  gone: "killed" | "zombie" | null;
  leave: () => void;
  left: Promise<never>;
}

/** What every ledger can be asked, by name. */
type Verb = keyof LedgerSurface;
type AnyAnswer = Awaited<ReturnType<LedgerSurface[Verb]>>;

const START = Date.UTC(2027, 0, 15);
/** An alarm that runs longer than this hangs. */
const ALARM_HANGS_MS = 180_000;
const ALARM_RETRY_MS = 2_000;
/** The platform repeats a failed alarm as often. */
const ALARM_RETRIES_MAX = 6;
/** More alarms of one ledger in a minute than anybody can have a use for. */
const ALARM_STORM = 300;
/** What comes before a submission leaves may take so long: the account, its budget and the check of the payment. */
const BEFORE_SENDING_MS = 8_000;

export class World {
  readonly dice: Dice;
  readonly clock: VirtualClock;
  readonly d1: SimulatedD1;
  readonly channel: SimulatedChannel;
  readonly observer: Observer;
  readonly controls = new Controls();
  readonly timelines: Timelines;
  readonly histories = new Histories();
  readonly trace: Trace;
  readonly commands: SimulatedQueue<CommandMessage>;
  /** Messages the queue gave up on; somebody sends them again when the faults are over. */
  readonly deadLetters: CommandMessage[] = [];
  readonly disks = new Map<string, Disk>();
  readonly #instances = new Map<string, Instance>();
  readonly #machines = new Set<Machine>();
  /** Which ledger has sent a number to the channel. */
  readonly #senders = new Map<string, { disk: Disk }>();
  /** When a charge's last refund was sent, ms on the clocks of the machines. */
  readonly #sentAt = new Map<string, { number: string; at: number }>();
  /** Ledgers that were put back to an older state, and the orders they are about: what they do until they notice is excused. */
  readonly rolledBack = new Set<string>();
  readonly excused = new Set<string>();
  /** What each charge was recorded with. */
  readonly recordings = new Map<Sale, object>();
  /** Ledgers that cannot be reached, and until when (real time). */
  readonly away = new Map<string, number>();
  /** Charges whose payment was acknowledged. */
  readonly paid = new Set<string>();
  /** Charges whose ledgers found D1 ahead of them: they had been put back, or were given an old view after a loss. */
  readonly behind = new Set<string>();
  /** Promises that D1 did not take. If the queue fails too, and yet has them, who asked was told of an error. */
  readonly unstored = new Set<string>();
  /** A key of every merchant and mode. */
  readonly keys: string[] = [];
  faults: WorldFaults = CALM;
  readonly violations: string[] = [];
  readonly alerts = new Map<string, number>();
  readonly counts = {
    crashes: 0,
    alarms: 0,
    calls: 0,
    notices: 0,
    lost: 0,
    rolledBack: 0,
    d1Restored: 0,
    skewed: 0,
    wakeUps: 0,
  };
  /** How often the channel was asked about a refund after a person had ended it, by number. */
  readonly watched = new Map<string, number>();

  constructor(seed: number, trace: Trace) {
    this.trace = trace;
    this.dice = new Dice(seed);
    this.clock = new VirtualClock(START, this.dice.fork());
    this.d1 = new SimulatedD1(this.clock, this.dice.fork());
    const violation = (words: string) => this.violation(words);
    this.timelines = new Timelines(violation, (refund, { version, at }) => this.#isTold(refund, version, at));
    this.observer = new Observer(
      violation,
      this.histories,
      (number) => this.channel.mayStillMove(number),
      this.controls,
      this.timelines,
    );
    this.observer.now = () => this.clock.now();
    this.channel = new SimulatedChannel(this.clock, this.dice.fork(), violation, (verdict, kind) => {
      void this.#deliverNotice(verdict, kind);
    });
    this.channel.isBooked = (number) => {
      const { disk } = this.#senders.get(number) ?? {};
      const state = disk && this.observer.look(disk).refunds.get(`re_${number}`)?.state;
      return state === "succeeded" || state === "failed";
    };
    this.channel.isExcused = (orderNo) => this.excused.has(orderNo);
    // The settings of wrangler.toml.
    const settings = { batchSize: 10, batchWaitMs: 1000, concurrency: 5 };
    this.commands = new SimulatedQueue(this.clock, this.dice.fork(), settings);
    this.commands.machine = () => this.machine();
    // While neither the ledger nor D1 takes a command, the queue is all there is: it is trusted with it.
    this.commands.mayLose = ({ command }) => command === undefined;
    // On every other day nobody is ever woken for a batch: the cron must find it.
    this.commands.isLost = ({ batch }) => batch !== undefined && seed % 2 === 0;
    this.commands.giveUp = (message) => this.deadLetters.push(message);
  }

  violation(words: string): void {
    this.note("VIOLATION", words);
    if (!this.violations.includes(words)) this.violations.push(words);
  }

  note(...words: (string | number | boolean)[]): void {
    this.trace.add(`${this.clock.time - START} ${words.join(" ")}`);
  }

  /** What the product writes to its log: alerts are counted, and never a reason to be content. */
  logged(level: "warn" | "error", line: string): void {
    this.note(level, line);
    if (!line.startsWith("{")) return;
    const { alert, refund, charge } = JSON.parse(line) as {
      alert?: string;
      refund?: string;
      charge?: string;
    };
    if (alert === undefined) return;
    this.alerts.set(alert, (this.alerts.get(alert) ?? 0) + 1);
    if (alert === "ledger_behind" && charge !== undefined) this.behind.add(charge);
    if (alert === "command_not_stored" && refund !== undefined) this.unstored.add(refund);
  }

  nameOf(charge: Pick<Charge, "app" | "livemode" | "id">): string {
    return ledgerName(charge.app, charge.livemode, charge.id);
  }

  /** A machine of the Worker's, for one call. */
  machine(): Machine {
    const { workerDies, workerFreezes } = this.faults;
    const machine = new Machine(this.clock, this.dice, { crash: workerDies, freeze: workerFreezes });
    this.#machines.add(machine);
    void machine.gone.then(() => {
      if (machine.dead) this.counts.crashes += 1;
      this.#machines.delete(machine);
      this.note("a machine of the Worker is gone");
    });
    return machine;
  }

  /** A machine that has done its work. */
  done(machine: Machine): void {
    this.#machines.delete(machine);
  }

  /** What the Worker is bound to on one machine. */
  envOf(machine: Machine): Env {
    const through: Passage = (call) => machine.through(call);
    return {
      ...this.#bindings(through),
      LEDGERS: {
        getByName: (name: string) => this.#stub(name, through),
        idFromName: () => ({ toString: () => "the ledgers of this world" }),
      },
      COMMANDS: this.commands.bindingOf(machine),
      MASTER_KEYS: "{}",
    } as unknown as Env;
  }

  /** What Worker and ledgers are both bound to, as one of their machines reaches it. */
  #bindings(through: Passage) {
    const wakeUps = { sendBatch: () => through(() => this.#takeWakeUps()) };
    return { DB: this.d1.bindingOf(through), DELIVERIES: wakeUps, DELIVERIES_SLOW: wakeUps };
  }

  /** Deliveries have a simulation of their own: here their wake-ups end, or fail, or hang. */
  async #takeWakeUps(): Promise<void> {
    this.counts.wakeUps += 1;
    await this.clock.sleep(this.dice.between(1, 20));
    const { sendFails, sendHangs } = this.commands.faults;
    if (this.dice.chance(sendHangs)) await new Promise(() => {});
    if (this.dice.chance(sendFails)) throw new Error("the queue does not answer");
  }

  #stub(name: string, through: Passage): LedgerSurface {
    return new Proxy({} as LedgerSurface, {
      get: (_, verb) => {
        if (verb === "then") return undefined;
        return (call: unknown) => through(() => this.#call(name, verb as Verb, structuredClone(call)));
      },
    });
  }

  /** Calls a ledger as a Worker does: the call, its answer or both can get lost. */
  async #call(name: string, verb: Verb, call: unknown): Promise<unknown> {
    this.counts.calls += 1;
    await this.clock.sleep(this.dice.between(0, 8));
    if (this.dice.chance(this.faults.overloaded)) {
      throw Object.assign(new Error("Durable Object is overloaded"), { overloaded: true, retryable: true });
    }
    const isAway = (this.away.get(name) ?? 0) > this.clock.time;
    if (isAway && this.dice.chance(0.7)) throw new Gone("away");
    if (this.dice.chance(this.faults.evict)) this.kill(name);
    const asked = this.#skewed(verb, call as object);
    const instance = this.#instance(name);
    const carriedOut = instance.ledger[verb](asked as never).then((answer: AnyAnswer) => {
      // What a gone instance says nobody hears.
      if (instance.gone !== null) return answer;
      // At the moment of the refusal it was true.
      const words = judge(verb, call, answer, this.observer.look(instance.disk));
      if (words !== null && !this.rolledBack.has(name)) this.violation(words);
      return answer;
    });
    const answer = await Promise.race([carriedOut, instance.left]);
    if (instance.gone !== null) throw new Gone("reset");
    if (asked === call && this.observer.isForgotten(instance.disk, this.clock.now())) {
      this.violation(`I8: ${name} was entered by ${verb}, and did not notice that its alarm is lost`);
    }
    if (asked !== call && !("refusal" in answer && answer.refusal.code === "unsupported")) {
      this.violation(`F22: ${verb} was carried out by a ledger that lacks what it asked for`);
    }
    await this.clock.sleep(this.dice.between(0, 8));
    if (isAway || this.dice.chance(this.faults.answerLost)) throw new Gone("answer lost");
    return structuredClone(answer);
  }

  /** During a deployment a Worker may be newer than the ledger it calls, and rely on what that does not know. */
  #skewed(verb: Verb, call: object): object {
    const knows = verb === "poke" || verb === "export";
    if (knows || !this.dice.chance(this.faults.skew)) return call;
    this.counts.skewed += 1;
    return this.dice.chance(0.5) ? { ...call, v: 2 } : { ...call, requires: ["what comes tomorrow"] };
  }

  /** One ledger dies, or all machines do. */
  kill(name?: string): void {
    for (const [each, instance] of this.#instances) {
      if (name === undefined || name === each) this.#leave(instance);
    }
    if (name === undefined) for (const machine of this.#machines) machine.die();
  }

  /** A ledger loses its storage altogether. */
  wipe(name: string): void {
    this.kill(name);
    const disk = this.disk(name);
    const [app, mode, charge] = name.split("/") as [string, string, string];
    const [row] = this.d1.rows(
      "SELECT ledger_opened_at AS opened FROM charges WHERE app = ? AND livemode = ? AND id = ?",
      ...[app, mode === "live" ? 1 : 0, charge],
    );
    if (!this.observer.isTold(disk)) this.behind.add(charge);
    disk.wipe();
    // Its last words may come to D1 after somebody asked there what it knew: then two stories have one version.
    this.d1.exec(`INSERT INTO simulated_disasters VALUES ('${charge}')`);
    // Who has never told D1 of anything has done nothing yet.
    const must = mode === "live" && row?.opened != null ? "freeze" : "go on";
    this.observer.forget(disk, must, (refund) => this.#versionInD1(refund));
    this.histories.forget(name);
    this.counts.lost += 1;
    this.note("wiped", name);
  }

  #versionInD1(refund: string): number {
    const [row] = this.d1.rows("SELECT version FROM refunds WHERE id = ?", refund);
    return Number(row?.version ?? 0);
  }

  /** A D1 that was restored has forgotten what it was told. */
  #isTold(refund: string, version: number, at: number): boolean {
    const query = "SELECT 1 FROM refund_timeline WHERE refund = ? AND version = ? AND at = ?";
    return this.counts.d1Restored > 0 || this.d1.rows(query, refund, version, at).length > 0;
  }

  /** A ledger goes back to what it was. */
  rollBack(name: string, orderNo: string, snapshot: DiskSnapshot): void {
    this.kill(name);
    this.excused.add(orderNo);
    const disk = this.disk(name);
    disk.restore(snapshot);
    disk.usedInRun = false;
    this.observer.forget(disk, "catch up", () => 0);
    this.histories.forget(name);
    this.rolledBack.add(name);
    this.d1.exec(`INSERT INTO simulated_disasters VALUES ('${name.split("/")[2]}')`);
    this.counts.rolledBack += 1;
    this.note("rolled back", name);
    this.#schedule(disk);
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
    const alive: Passage = (work) => this.#unlessKilled(instance, work);
    const budget = { limit: () => alive(() => this.#askBudget()) };
    const env = { ...this.#bindings(alive), CHANNEL_CALLS: budget, CHANNEL_RETRIES: budget };
    const channel = this.#channelOf(instance, alive);
    const state = { storage: this.#storageOf(instance) } as unknown as DurableObjectState;
    const ports = portsOf(state, () => env as unknown as Env);
    return {
      ...ports,
      sleep: (ms, stop) => alive(() => ports.sleep(ms, stop)),
      channel: () => channel,
    };
  }

  #storageOf(instance: Instance) {
    return openStorage(instance.disk, {
      check: () => {
        if (instance.gone !== null) throw new Gone("storage is closed");
      },
      beforeCommit: () => {
        if (this.dice.chance(this.faults.storageThrows)) throw new Error("storage is overloaded");
        if (!this.dice.chance(this.faults.crashBeforeCommit)) return;
        this.#leave(instance);
        throw new Gone("crashed before the commit");
      },
      afterCommit: () => {
        this.observer.committed(instance.disk, this.clock.now());
        if (this.dice.chance(this.faults.crashAfterCommit)) this.#leave(instance);
      },
      alarmSet: () => this.#schedule(instance.disk),
      violation: (words) => this.violation(words),
    });
  }

  #channelOf(instance: Instance, alive: Passage): Channel {
    return {
      facts: (order) => this.channel.port.facts(order),
      refund: (order, account, now, signal) => {
        this.note("refund", order.number, order.attempt, order.amount);
        this.#senders.set(order.number, instance);
        instance.disk.usedInRun = instance.disk.alarmRunning;
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
  }

  async #askBudget(): Promise<{ success: boolean }> {
    await this.clock.sleep(this.dice.between(0, 5));
    if (this.dice.chance(this.faults.roomless)) {
      if (this.dice.chance(0.5)) throw new Error("no budgets");
      await this.clock.sleep(10 ** 9);
    }
    return { success: !this.dice.chance(this.faults.noRoom) };
  }

  /** What is on the disk of a living instance about the refund it speaks of. */
  #stored(instance: Instance, { number }: RefundOrder) {
    if (instance.gone !== null) return undefined;
    return this.observer.look(instance.disk).refunds.get(`re_${number}`);
  }

  /** A live refund leaves once its payment was confirmed, and none that a person has ended leaves again. */
  #checkSubmission(instance: Instance, order: RefundOrder): void {
    this.#checkHold(instance, order);
    if (instance.gone !== null) return;
    const { cover } = this.observer.look(instance.disk);
    if (order.livemode && cover?.verified !== true) {
      this.violation(`${order.number} was sent before its payment was confirmed`);
    }
    // A ledger that went back may have forgotten the payment, and what was asked for then it has from D1.
    const isUnpaid = cover?.charge.paid !== true && !this.rolledBack.has(instance.disk.name);
    if (isUnpaid) this.violation(`${order.number} was sent before anything was paid`);
    this.#checkSpacing(instance.disk.name, order.number);
    const isEnded = this.#stored(instance, order)?.resolution !== undefined;
    if (isEnded && !this.rolledBack.has(instance.disk.name)) {
      this.violation(`${order.number} was sent although a person had ended it`);
    }
  }

  /** Nothing leaves before its time or without the approval it needs, also from instances that do not know they are gone. */
  #checkHold(instance: Instance, order: RefundOrder): void {
    if (this.rolledBack.has(instance.disk.name)) return;
    const hindrance = this.controls.hindrance(`re_${order.number}`, this.clock.now());
    if (hindrance !== null) this.violation(`${order.number} was sent: ${hindrance}`);
    const stored = this.#stored(instance, order);
    if (stored === undefined) return;
    const { approval, failureCode, state } = stored;
    const undecided = approval !== undefined && approval.status !== "approved";
    if (undecided) this.violation(`${order.number} was sent, and its approval is ${approval.status}`);
    if (state === "failed" && failureCode === "refund_canceled") {
      this.violation(`${order.number} was sent although it is canceled`);
    }
  }

  /** Refunds of one charge keep the distance that the channel asks for. */
  #checkSpacing(name: string, number: string): void {
    // What the channel turns away was not sent, and whoever went back does not know what was.
    if (this.channel.faults.throttle > 0 || this.rolledBack.has(name)) return;
    const before = this.#sentAt.get(name);
    const at = this.clock.now();
    this.#sentAt.set(name, { number, at });
    if (before === undefined || before.number === number) return;
    if (at - before.at < this.channel.spacingMs - BEFORE_SENDING_MS) {
      this.violation(`${number} was sent ${at - before.at} ms after ${before.number}`);
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
        disk.alarmLostAt = this.clock.now();
        return;
      }
      void this.#fire(disk);
    });
  }

  async #fire(disk: Disk): Promise<void> {
    if (this.#isStorm(disk)) return;
    disk.alarmRunning = true;
    const started = this.clock.time;
    const again = this.dice.chance(this.faults.alarmTwice);
    let crashed = false;
    for (const _run of again ? [1, 2] : [1]) {
      this.counts.alarms += 1;
      this.note("alarm", disk.name);
      disk.usedInRun = false;
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
    if (disk.alarmAt !== null) {
      disk.alarmFailures = 0;
      this.#schedule(disk);
    } else if (crashed) this.#repeat(disk);
    else this.observer.committed(disk, this.clock.now());
  }

  /** The platform repeats an alarm whose machine died, unless the handler had set another one; not for ever. */
  #repeat(disk: Disk): void {
    const isLeft = !this.observer.isAtRest(disk);
    if (disk.usedInRun && isLeft)
      this.violation(`I8: ${disk.name} worked in its alarm before it had set another one`);
    disk.alarmFailures += 1;
    if (disk.alarmFailures > ALARM_RETRIES_MAX || this.dice.chance(this.faults.alarmForgotten)) {
      disk.alarmFailures = 0;
      disk.alarmLost = true;
      disk.alarmLostAt = this.clock.now();
      return;
    }
    disk.alarmAt = this.clock.now() + ALARM_RETRY_MS;
    this.#schedule(disk);
  }

  #isStorm(disk: Disk): boolean {
    const minute = Math.floor(this.clock.time / 60_000);
    if (disk.alarmMinute !== minute) disk.alarmsInMinute = 0;
    disk.alarmMinute = minute;
    disk.alarmsInMinute += 1;
    if (disk.alarmsInMinute < ALARM_STORM) return false;
    this.violation(`I8: the alarm of ${disk.name} fires again and again`);
    return true;
  }

  async #deliverNotice(verdict: Verdict, kind: NoticeKind): Promise<void> {
    const name = this.#senders.get(verdict.number)?.disk.name;
    if (name === undefined) return;
    const refund = `re_${verdict.number}`;
    // Who still waits for the outcome believes what is signed; only a final state is defended by asking.
    const state = this.observer.look(this.disk(name)).refunds.get(refund)?.state;
    if (kind === "wrong" && state !== "succeeded" && state !== "failed") return;
    this.counts.notices += 1;
    this.channel.notices += 1;
    this.note("notice", verdict.number, verdict.kind, kind);
    try {
      const ledger = this.#stub(name, (call) => call());
      const answer = await ledger.apply({ ...CALL, refund, verdict, source: "notice" });
      // Its ledger was lost, rolled back or is older than the Worker: the channel will have to come again.
      const isAway =
        "refusal" in answer && (answer.refusal.code === "unsupported" || this.rolledBack.has(name));
      if ("unhydrated" in answer || isAway) throw new Gone("later");
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
