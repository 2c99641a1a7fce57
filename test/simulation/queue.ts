// A queue as the platform promises it, and not better: at least once, in no order, and sometimes not at all.
import type { Dice } from "../emulators/dice.ts";
import type { Machine } from "./machine.ts";
import type { VirtualClock } from "./virtual-clock.ts";

export interface QueueFaults {
  /** A send fails before or after its messages are taken, or never answers. */
  sendFails: number;
  sendHangs: number;
  /** A message is never seen again: lost, or expired. */
  lost: number;
  twice: number;
  /** A message comes minutes late. */
  late: number;
  /** Nothing is handed out. */
  stalled: boolean;
}

export interface QueueSettings {
  batchSize: number;
  batchWaitMs: number;
  concurrency: number;
}

export interface QueueMessage<Body> {
  body: Body;
  ack(): void;
  retry(): void;
}

interface Waiting<Body> {
  body: Body;
  since: number;
  tries: number;
}

const RETRIES_MAX = 5;
const RETRY_DELAY_MS = 30_000;
/** A handler that runs longer is ended. */
const HANDLER_MAX_MS = 15 * 60_000;

export class SimulatedQueue<Body> {
  readonly #clock: VirtualClock;
  readonly #dice: Dice;
  readonly #settings: QueueSettings;
  readonly #ready: Waiting<Body>[] = [];
  /** What has been taken in and not been acknowledged or given up. */
  readonly #present = new Map<object, Body>();
  #running = 0;
  faults: QueueFaults = { sendFails: 0, sendHangs: 0, lost: 0, twice: 0, late: 0, stalled: false };
  readonly counts = { sent: 0, lost: 0, twice: 0, late: 0, batches: 0, retried: 0, given_up: 0 };

  /** Runs a batch on a machine; set by whoever consumes. */
  consume: (batch: QueueMessage<Body>[], machine: Machine) => Promise<void> = async () => {};
  machine: () => Machine = () => {
    throw new Error("nobody consumes");
  };
  /** Whether a message of this kind may get lost. */
  mayLose: (body: Body) => boolean = () => true;
  /** Whether a message of this kind always gets lost. */
  isLost: (body: Body) => boolean = () => false;
  /** What becomes of a message that was tried too often. */
  giveUp: (body: Body) => void = () => {};

  constructor(clock: VirtualClock, dice: Dice, settings: QueueSettings) {
    this.#clock = clock;
    this.#dice = dice;
    this.#settings = settings;
  }

  /** The binding of one machine. */
  bindingOf(machine: Machine): Queue<Body> {
    const sendBatch = (messages: Iterable<{ body: Body }>, options?: { delaySeconds?: number }) =>
      machine.through(() => this.#send([...messages], (options?.delaySeconds ?? 0) * 1000));
    const send = (body: Body, options?: { delaySeconds?: number }) => sendBatch([{ body }], options);
    return { send, sendBatch } as unknown as Queue<Body>;
  }

  async #send(messages: { body: Body }[], delayMs: number): Promise<void> {
    await this.#clock.sleep(this.#dice.between(1, 20));
    const fails = this.#dice.chance(this.faults.sendFails);
    if (fails && this.#dice.chance(0.5)) throw new Error("the queue does not answer");
    const hangs = this.#dice.chance(this.faults.sendHangs);
    if (hangs && this.#dice.chance(0.5)) await new Promise(() => {});
    for (const { body } of messages) this.#accept(body, delayMs);
    if (hangs) await new Promise(() => {});
    await this.#clock.sleep(this.#dice.between(1, 20));
    if (fails) throw new Error("the queue did not answer");
  }

  /** Takes a message in, past the faults of sending. */
  #accept(body: Body, delayMs: number): void {
    this.counts.sent += 1;
    if (this.isLost(body) || (this.#dice.chance(this.faults.lost) && this.mayLose(body))) {
      this.counts.lost += 1;
      return;
    }
    this.#arrive(body, delayMs, 0);
    if (this.#dice.chance(this.faults.twice)) {
      this.counts.twice += 1;
      this.#arrive(body, delayMs + this.#dice.between(0, 90_000), 0);
    }
  }

  #arrive(body: Body, delayMs: number, tries: number): void {
    const waiting = { body, since: 0, tries };
    this.#present.set(waiting, body);
    let ms = delayMs + this.#dice.between(1, 250);
    if (this.#dice.chance(this.faults.late)) {
      this.counts.late += 1;
      ms += this.#dice.between(1_000, 10 * 60_000);
    }
    this.#clock.after(ms, () => {
      waiting.since = this.#clock.time;
      this.#ready.push(waiting);
      this.#handOut();
    });
  }

  /** Takes in what somebody has sent by hand. */
  redrive(body: Body): void {
    this.#arrive(body, 0, 0);
  }

  /** Messages that are on their way or being worked on. */
  waiting(): Body[] {
    return [...this.#present.values()];
  }

  resume(): void {
    this.faults = { ...this.faults, stalled: false };
    this.#handOut();
  }

  /** Hands out what waits, as far as consumers are free: a full batch, or whatever has waited long enough. */
  #handOut(): void {
    if (this.faults.stalled) return;
    const { batchSize, batchWaitMs, concurrency } = this.#settings;
    while (this.#running < concurrency) {
      const [oldest] = this.#ready;
      if (oldest === undefined) return;
      const wait = oldest.since + batchWaitMs - this.#clock.time;
      if (this.#ready.length < batchSize && wait > 0) {
        this.#clock.after(wait, () => this.#handOut());
        return;
      }
      void this.#run(this.#ready.splice(0, batchSize));
    }
  }

  async #run(batch: Waiting<Body>[]): Promise<void> {
    this.#running += 1;
    this.counts.batches += 1;
    const machine = this.machine();
    const done = new Set<Waiting<Body>>();
    const messages = batch.map((waiting) => ({
      body: waiting.body,
      ack: () => {
        if (machine.believed) done.add(waiting);
      },
      retry: () => {},
    }));
    const ended = this.#clock.stopwatch(HANDLER_MAX_MS, () => machine.die());
    await Promise.race([this.consume(messages, machine), machine.gone]);
    ended();
    this.#running -= 1;
    for (const waiting of batch) {
      this.#present.delete(waiting);
      if (done.has(waiting)) continue;
      this.counts.retried += 1;
      if (waiting.tries < RETRIES_MAX) this.#arrive(waiting.body, RETRY_DELAY_MS, waiting.tries + 1);
      else {
        this.counts.given_up += 1;
        this.giveUp(waiting.body);
      }
    }
    this.#handOut();
  }
}
