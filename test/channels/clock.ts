// Time for connectors that talk over real sockets. It passes only while nothing real is under way, and then it jumps to
// the next timer: a backoff of a day costs nothing, and a time-out of 15 s never strikes a request that is merely on its
// way through this machine. There is no factor between this time and the real one, so none has to be chosen with care.
// A request that does not come back within a moment is one that the channel keeps waiting: time passes for it, too, or
// else a delayed answer would never come.
import type { Clock } from "../emulators/clock.ts";
import { VirtualClock } from "../simulation/virtual-clock.ts";

/** How long a piece of real work keeps the time from passing: turns of the event loop, a millisecond or more each. Turns,
 * because a machine that is busy with something else takes longer for each, and then the work needs longer, too. */
const MOMENT_TURNS = 25;

export class ChannelClock extends VirtualClock {
  /** Pieces of real work, less those of them that wait for something in this time. */
  #held = 0;
  #released: () => void = () => {};

  /** Time stands still until the work is done, or for a moment at most. */
  busy<T>(work: () => Promise<T>): Promise<T> {
    return this.#counted(1, work);
  }

  /** Within such work: waits for something that takes this time. */
  waiting<T>(work: () => Promise<T>): Promise<T> {
    return this.#counted(-1, work);
  }

  async #counted<T>(step: 1 | -1, work: () => Promise<T>): Promise<T> {
    this.#hold(step);
    let isOver = false;
    const end = () => {
      if (!isOver) this.#hold(-step);
      isOver = true;
    };
    let turns = 0;
    let turn = setTimeout(function next() {
      turns += 1;
      if (turns < MOMENT_TURNS) turn = setTimeout(next, 1);
      else end();
    }, 1);
    try {
      return await work();
    } finally {
      clearTimeout(turn);
      end();
    }
  }

  #hold(step: number): void {
    this.#held += step;
    if (this.#held <= 0) this.#released();
  }

  /** Lets time pass until `time`, or until `done` says so. */
  async pass(time: number, done: () => boolean = () => false): Promise<void> {
    while (!done() && this.time < time) {
      if (this.#held > 0) {
        await new Promise<void>((resolve) => {
          this.#released = resolve;
        });
      }
      // What was waiting for the work gets its turn, and may begin some of its own.
      await this.run(time, () => this.#held > 0 || done());
    }
  }

  /** The same time, as the emulators want it. */
  get forEmulators(): Clock {
    return {
      now: () => this.now(),
      sleep: (ms, stop) =>
        new Promise((resolve, reject) => {
          const stopped = () => reject(stop.reason);
          if (stop.aborted) return stopped();
          stop.addEventListener("abort", stopped, { once: true });
          this.after(ms, () => {
            stop.removeEventListener("abort", stopped);
            resolve();
          });
        }),
      busy: (work) => this.busy(work),
    };
  }
}
