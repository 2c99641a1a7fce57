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

/** So many turns are given to work that needs nothing from outside: a timer costs more than such work. */
const TURNS = 24;

/** What the work gave, or `"late"` if it took longer than `ms`. Rejects as the work does. */
export async function within<T>(sleep: Sleep, work: Promise<T>, ms: number): Promise<{ done: T } | "late"> {
  let isSettled = false;
  const settle = () => {
    isSettled = true;
  };
  work.then(settle, settle);
  for (let turn = 0; turn < TURNS && !isSettled; turn++) await null;
  if (isSettled) return { done: await work };
  const stop = new Stop();
  try {
    return await Promise.race([work.then((done) => ({ done })), sleep(ms, stop).then(() => "late" as const)]);
  } finally {
    stop.now();
  }
}

/** `Sleep` on the platform's timers. */
export function sleep(ms: number, stop?: Stop): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    stop?.do(() => clearTimeout(timer));
  });
}
