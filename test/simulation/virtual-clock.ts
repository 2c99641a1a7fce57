// Time that passes only when nothing else is left to do. Timers that are due together fire in an order that the dice
// decide; between two of them everything that was waiting for a promise gets its turn.
import type { Dice } from "../emulators/dice.ts";

interface Timer {
  at: number;
  tie: number;
  /** Null once it was stopped. */
  run: (() => void) | null;
}

export class VirtualClock {
  readonly #dice: Dice;
  /** A binary heap: the earliest timer first. */
  readonly #timers: Timer[] = [];
  #time: number;
  #offset = 0;
  /** How many timers have fired. */
  fired = 0;

  constructor(startAt: number, dice: Dice) {
    this.#time = startAt;
    this.#dice = dice;
  }

  /** The time that really passes, ms. */
  get time(): number {
    return this.#time;
  }

  /** What the clocks of the machines show, ms: it may jump. */
  now(): number {
    return this.#time + this.#offset;
  }

  jump(ms: number): void {
    this.#offset += ms;
  }

  at(time: number, run: () => void): void {
    this.#set(time, run);
  }

  after(ms: number, run: () => void): void {
    this.at(this.#time + ms, run);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /** Runs it after `ms`, unless the function that this gives is called before. */
  stopwatch(ms: number, run: () => void): () => void {
    const timer = this.#set(this.#time + ms, run);
    return () => {
      timer.run = null;
    };
  }

  timeout(ms: number): AbortSignal {
    const controller = new AbortController();
    this.after(ms, () => controller.abort());
    return controller.signal;
  }

  /** Lets time pass until `time`, or until `done` says so between two timers. */
  async run(time: number, done: () => boolean = () => false): Promise<void> {
    await settled();
    while (!done()) {
      const next = this.#timers[0];
      if (next === undefined || next.at > time) {
        this.#time = Math.max(this.#time, time);
        return;
      }
      pop(this.#timers);
      if (next.run === null) continue;
      this.#time = next.at;
      this.fired += 1;
      next.run();
      await settled();
    }
  }

  #set(time: number, run: () => void): Timer {
    const timer = { at: Math.max(time, this.#time), tie: this.#dice.next(), run };
    push(this.#timers, timer);
    return timer;
  }
}

/** Every promise that can go on has gone on. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function before(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.tie < b.tie);
}

function push(heap: Timer[], timer: Timer): void {
  let index = heap.push(timer) - 1;
  while (index > 0) {
    const parent = (index - 1) >> 1;
    if (!before(heap[index] as Timer, heap[parent] as Timer)) return;
    swap(heap, index, parent);
    index = parent;
  }
}

function pop(heap: Timer[]): void {
  const last = heap.pop() as Timer;
  if (heap.length === 0) return;
  heap[0] = last;
  let index = 0;
  for (;;) {
    const left = 2 * index + 1;
    let first = index;
    for (const child of [left, left + 1]) {
      if (child < heap.length && before(heap[child] as Timer, heap[first] as Timer)) first = child;
    }
    if (first === index) return;
    swap(heap, index, first);
    index = first;
  }
}

function swap(heap: Timer[], a: number, b: number): void {
  [heap[a], heap[b]] = [heap[b] as Timer, heap[a] as Timer];
}
