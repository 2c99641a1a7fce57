// Waiting with an end. The timer is stopped as soon as the work is done: a pending timer would keep an idle Durable
// Object in memory, and billed, for as long as it runs.

/** Resolves after `ms`, or as soon as `stop` fires. */
export type Sleep = (ms: number, stop?: AbortSignal) => Promise<void>;

/** What the work gave, or `"late"` if it took longer than `ms`. Rejects as the work does. */
export async function within<T>(sleep: Sleep, work: Promise<T>, ms: number): Promise<{ done: T } | "late"> {
  const timer = new AbortController();
  try {
    return await Promise.race([
      work.then((done) => ({ done })),
      sleep(ms, timer.signal).then(() => "late" as const),
    ]);
  } finally {
    timer.abort();
  }
}

/** `Sleep` on the platform's timers. */
export function sleep(ms: number, stop?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (stop?.aborted) return resolve();
    const timer = setTimeout(resolve, ms);
    stop?.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
