// What the platform gives the Worker without being asked for it: the time, timers, random bytes, digests and a console.
// While a simulation runs they are the simulation's, so that its seed decides them too. Work that would end on another
// thread is refused: nobody could tell when it is done.
import { createHash } from "node:crypto";
import type { Dice } from "../emulators/dice.ts";
import type { VirtualClock } from "./virtual-clock.ts";

export interface Platform {
  clock: VirtualClock;
  dice: Dice;
  /** Hears every line the Worker writes to its log. */
  logged(level: "warn" | "error", line: string): void;
}

export async function onPlatform<T>({ clock, dice, logged }: Platform, run: () => Promise<T>): Promise<T> {
  const real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
  const { warn, error } = console;
  const { now } = Date;
  const crypto = Object.getOwnPropertyDescriptor(globalThis, "crypto") as PropertyDescriptor;
  const stops = new Map<number, () => void>();
  let count = 0;
  const virtual = {
    setTimeout: (work: () => void, ms = 0) => {
      count += 1;
      stops.set(count, clock.stopwatch(ms, work));
      return count;
    },
    clearTimeout: (timer: number) => {
      stops.get(timer)?.();
      stops.delete(timer);
    },
  };
  Object.assign(globalThis, virtual);
  Object.defineProperty(globalThis, "crypto", { value: cryptoOf(dice), configurable: true });
  Date.now = () => clock.now();
  console.warn = (line) => logged("warn", String(line));
  console.error = (line) => logged("error", String(line));
  try {
    return await run();
  } finally {
    Object.assign(globalThis, real);
    Object.defineProperty(globalThis, "crypto", crypto);
    Object.assign(console, { warn, error });
    Date.now = now;
  }
}

function cryptoOf(dice: Dice) {
  return {
    getRandomValues: (bytes: Uint8Array) => {
      bytes.set(dice.bytes(bytes.length));
      return bytes;
    },
    subtle: {
      digest: async (name: string, bytes: Uint8Array) => {
        const digest = createHash(name.replace("-", "")).update(bytes).digest();
        return digest.buffer.slice(digest.byteOffset, digest.byteOffset + digest.length);
      },
    },
  };
}
