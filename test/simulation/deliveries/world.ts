// The machines, queues, D1 and receivers of a run, in virtual time, and what the Worker does with them: its consumers,
// its cron and its requests, with the production code in the middle.

import { type Database, database } from "../../../src/db/client.ts";
import type { EventType } from "../../../src/events/event.ts";
import type { Random } from "../../../src/ids.ts";
import { type DeliveryTools, deliverEvent } from "../../../src/webhooks/deliver-event.ts";
import type { DeliveryMessage, Lane, Wakeable } from "../../../src/webhooks/delivery.ts";
import { deliveryRepository } from "../../../src/webhooks/delivery-repository.ts";
import { sweepDeliveries } from "../../../src/webhooks/sweep-deliveries.ts";
import { refuseUrl } from "../../../src/webhooks/url-guard.ts";
import { type DeliveryQueues, wakeDeliveries } from "../../../src/webhooks/wake.ts";
import { Dice } from "../../emulators/dice.ts";
import { SimulatedD1 } from "../d1.ts";
import { Machine, type MachineFaults } from "../machine.ts";
import { type QueueMessage, SimulatedQueue } from "../queue.ts";
import type { Trace } from "../trace.ts";
import { VirtualClock } from "../virtual-clock.ts";
import { Mirror } from "./mirror.ts";
import { Observer } from "./observer.ts";
import { Receivers } from "./receivers.ts";

const START = Date.UTC(2027, 0, 15);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** As in the service: later tries wait in D1 for the cron. */
const MESSAGE_DELAY_MAX_MS = 10 * MINUTE;

const CALM: MachineFaults = { crash: 0, freeze: 0 };

export class DeliveryWorld {
  readonly dice: Dice;
  readonly clock: VirtualClock;
  readonly d1: SimulatedD1;
  readonly receivers: Receivers;
  readonly observer: Observer;
  readonly fast: SimulatedQueue<DeliveryMessage>;
  readonly slow: SimulatedQueue<DeliveryMessage>;
  readonly trace: Trace;
  readonly random: Random;
  readonly violations: string[] = [];
  readonly counts = { crashes: 0, freezes: 0, unsent: 0, failedCalls: 0, alerts: 0, sweeps: 0, buried: 0 };
  readonly #machineDice: Dice;
  readonly #machines = new Set<Machine>();
  machineFaults: MachineFaults = CALM;
  cronIsDown = false;
  /** Messages that a queue gave up on. */
  readonly deadLetters: DeliveryMessage[] = [];
  #sweptAt = 0;

  constructor(seed: number, trace: Trace) {
    this.trace = trace;
    this.dice = new Dice(seed);
    this.clock = new VirtualClock(START, this.dice.fork());
    this.d1 = new SimulatedD1(this.clock, this.dice.fork());
    this.receivers = new Receivers(this.clock, this.dice.fork());
    this.#machineDice = this.dice.fork();
    const bytes = this.dice.fork();
    this.random = (count) => bytes.bytes(count);
    this.observer = new Observer(
      (committed) => new Mirror(this.d1, committed),
      this.clock,
      this.receivers,
      (words) => this.violation(words),
      (...words) => this.note(...words),
    );
    // The settings of wrangler.toml.
    this.fast = this.#queue("fast", { batchSize: 5, batchWaitMs: 1000, concurrency: 20 });
    this.slow = this.#queue("slow", { batchSize: 1, batchWaitMs: 0, concurrency: 20 });
  }

  violation(words: string): void {
    this.note("VIOLATION", words);
    this.violations.push(words);
  }

  note(...words: (string | number)[]): void {
    this.trace.add(`${this.clock.time - START} ${words.join(" ")}`);
  }

  get day(): string {
    return new Date(this.clock.time).toISOString();
  }

  /** A new machine, for one call. */
  machine(): Machine {
    const machine = new Machine(this.clock, this.#machineDice, this.machineFaults);
    this.#machines.add(machine);
    void machine.gone.then(() => {
      if (machine.dead) this.counts.crashes += 1;
      else this.counts.freezes += 1;
      this.note("a machine is gone");
    });
    return machine;
  }

  /** Whatever runs now is gone, as when a version is deployed in a hurry. */
  killAll(): void {
    this.note("all machines die");
    for (const machine of this.#machines) machine.die();
  }

  /** Runs one call of the Worker's; null when the machine died over it or the call failed. */
  async onMachine<T>(work: (machine: Machine) => Promise<T>): Promise<T | null> {
    const machine = this.machine();
    const done = work(machine).catch(() => {
      this.counts.failedCalls += 1;
      return null;
    });
    const outcome = await Promise.race([done, machine.gone.then(() => null)]);
    if (machine.believed) this.#machines.delete(machine);
    return outcome;
  }

  db(machine: Machine): Database {
    const DB = this.d1.bindingOf((call) => machine.through(call));
    return database({ DB }, "", false);
  }

  queues(machine: Machine): DeliveryQueues {
    return { DELIVERIES: this.fast.bindingOf(machine), DELIVERIES_SLOW: this.slow.bindingOf(machine) };
  }

  async wake(machine: Machine, deliveries: readonly Wakeable[], delaySeconds = 0): Promise<void> {
    await machine.through(() => wakeDeliveries(this.queues(machine), deliveries, delaySeconds));
  }

  /** Makes an attempt and sends the wake-ups that follow, as `attempt-delivery.ts` does. */
  async attempt(message: DeliveryMessage, via: Lane | null, machine: Machine): Promise<void> {
    const wakes = await deliverEvent(message, via, this.#tools(machine));
    const soon = wakes.filter(({ delayMs }) => delayMs <= MESSAGE_DELAY_MAX_MS);
    await Promise.all(
      soon.map(({ deliveries, delayMs }) => this.wake(machine, deliveries, Math.floor(delayMs / 1000))),
    );
  }

  /** Sweeps every minute. Sweeps that would find nothing are left out, but for one an hour. */
  sweepForEver(): void {
    this.clock.after(MINUTE, () => {
      this.sweepForEver();
      if (this.cronIsDown) return;
      const now = this.clock.now();
      if (now - this.#sweptAt < HOUR && !this.observer.mirror.isAnythingDue(now)) return;
      this.#sweptAt = now;
      this.counts.sweeps += 1;
      void this.onMachine(async (machine) => {
        await sweepDeliveries(this.queues(machine), [deliveryRepository(this.db(machine))], now);
      });
    });
  }

  #tools(machine: Machine): DeliveryTools {
    let attempt = { delivery: "", number: 0 };
    return {
      now: () => this.clock.now(),
      random: this.random,
      scale: 1,
      deliveries: deliveryRepository(this.db(machine)),
      refuseUrl: (url, livemode) => refuseUrl(url, { livemode, localDevelopment: false }),
      sign: (delivery, timestamp, now) =>
        machine.through(async () => {
          attempt = { delivery: delivery.id, number: delivery.attempts + 1 };
          const live = delivery.endpoint.secrets.filter(
            ({ expiresAt }) => expiresAt === null || expiresAt > now,
          );
          return {
            "webhook-id": delivery.event.id,
            "webhook-timestamp": String(timestamp),
            "webhook-signature": live.map(({ sealed }) => sealed).join(" "),
          };
        }),
      post: (url, headers, body) =>
        machine.through(() =>
          this.receivers.post(url, headers, body, { ...attempt, isFrozen: machine.frozen }, (receipt) =>
            this.observer.posted(receipt),
          ),
        ),
      alert: (kind, facts) => {
        this.counts.alerts += 1;
        this.violation(`${kind} ${JSON.stringify(facts)}`);
      },
    };
  }

  #queue(lane: Lane, settings: ConstructorParameters<typeof SimulatedQueue>[2]) {
    const queue = new SimulatedQueue<DeliveryMessage>(this.clock, this.dice.fork(), settings);
    queue.machine = () => this.machine();
    queue.giveUp = (message) => this.#bury(message);
    queue.consume = async (batch, machine) => {
      await Promise.allSettled(batch.map((message) => this.#consume(message, lane, machine)));
      this.#machines.delete(machine);
    };
    return queue;
  }

  async #consume(message: QueueMessage<DeliveryMessage>, lane: Lane, machine: Machine): Promise<void> {
    try {
      await this.attempt(message.body, lane, machine);
      message.ack();
    } catch {
      this.counts.failedCalls += 1;
      message.retry();
    }
  }

  #bury(message: DeliveryMessage): void {
    void this.onMachine(async (machine) => {
      const letter = {
        id: `dl_${this.deadLetters.length}`,
        ...{ app: message.app, livemode: message.livemode, queue: "webhook-deliveries" },
        ...{ message: JSON.stringify(message), createdAt: this.clock.now() },
      };
      this.deadLetters.push(message);
      await deliveryRepository(this.db(machine)).bury(letter, message.delivery);
      this.counts.buried += 1;
    });
  }
}

/** Whose things they are. */
export interface Tenant {
  app: string;
  livemode: boolean;
}

export const REFUND_EVENTS: readonly EventType[] = [
  "refund.succeeded",
  "refund.failed",
  "refund.created",
  "refund.updated",
];
