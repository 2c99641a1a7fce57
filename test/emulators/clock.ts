// The emulators' time: real, unless a test that lets days pass in seconds gives them its own.
import { setTimeout as wait } from "node:timers/promises";

export interface Clock {
  /** ms since the epoch. */
  now(): number;
  /** Rejects when `stop` fires. */
  sleep(ms: number, stop: AbortSignal): Promise<void>;
  /** Does what takes real time, such as a request; a clock of a test's own stands still meanwhile. */
  busy<T>(work: () => Promise<T>): Promise<T>;
}

export const REAL_TIME: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) => wait(ms, undefined, { signal }),
  busy: (work) => work(),
};
