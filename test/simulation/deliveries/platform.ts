// The timers of the platform, run by the virtual clock for as long as a simulation lasts: the service gives a queue's
// send three seconds, and these have to be seconds of the simulation.
import type { VirtualClock } from "../virtual-clock.ts";

export async function onVirtualTimers<T>(
  clock: VirtualClock,
  warned: () => void,
  run: () => Promise<T>,
): Promise<T> {
  const { setTimeout, clearTimeout } = globalThis;
  const { warn } = console;
  const stops = new Map<number, () => void>();
  let count = 0;
  globalThis.setTimeout = ((work: () => void, ms = 0) => {
    count += 1;
    stops.set(count, clock.stopwatch(ms, work));
    return count;
  }) as never;
  globalThis.clearTimeout = ((timer: number) => {
    stops.get(timer)?.();
    stops.delete(timer);
  }) as never;
  console.warn = warned;
  try {
    return await run();
  } finally {
    Object.assign(globalThis, { setTimeout, clearTimeout });
    console.warn = warn;
  }
}
