// Waiting with an end. The timer is stopped as soon as the work is done: a pending timer would keep an idle Durable
// Object in memory, and billed, for as long as it runs. Every request waits so several times: no AbortSignal is made for
// it, which costs more than the timer itself.

/** Ends a wait before its time. */
export class Stop {
  #action: (() => void) | null = null;

  /** What is to be done then. */
  do(action: () => void): void {
    this.#action = action;
  }

  now(): void {
    this.#action?.();
  }
}

/** Resolves after `ms`; never, if it is stopped before. */
export type Sleep = (ms: number, stop?: Stop) => Promise<void>;

/** What the work gave, or `"late"` if it took longer than `ms`. Rejects as the work does. */
export function within<T>(sleep: Sleep, work: Promise<T>, ms: number): Promise<{ done: T } | "late"> {
  return new Promise((resolve, reject) => {
    const stop = new Stop();
    sleep(ms, stop).then(() => resolve("late"), reject);
    work.then(
      (done) => {
        stop.now();
        resolve({ done });
      },
      (error) => {
        stop.now();
        reject(error);
      },
    );
  });
}

/** `Sleep` on the platform's timers. */
export function sleep(ms: number, stop?: Stop): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    stop?.do(() => clearTimeout(timer));
  });
}
