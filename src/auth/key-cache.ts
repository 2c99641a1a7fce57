// What an isolate remembers of keys, so that most requests ask D1 nothing and all of them survive its outages.
// A known key is fresh for 30 s and then asked for again; while D1 cannot answer it is used for up to 24 h. A revoked
// key therefore works for 33 s more at most, and as long as an outage lasts. Unknown keys are remembered for 5 s.
import { BoundedMap } from "./bounded-map.ts";
import type { Principal } from "./principal.ts";
import type { KnownKey } from "./repository.ts";

const FRESH_MS = 30_000;
const STALE_MS = 24 * 3_600_000;
const UNKNOWN_MS = 5_000;
/** After D1 failed, how long a stale key is used before D1 is asked again: an outage must not slow every request. */
const PAUSE_MS = 5_000;
/** How long D1 may take to answer. */
const TIMEOUT_MS = 3_000;
const KEYS_MAX = 1000;

/** D1 cannot answer, and this isolate has not seen the key lately. */
export class KeysUnavailableError extends Error {}

interface Remembered {
  key: KnownKey;
  /** When D1 was asked, ms. */
  askedAt: number;
  /** Until when D1 is not asked again, ms. */
  pausedUntil: number;
}

type Ask = () => Promise<KnownKey | null>;

export class KeyCache {
  readonly #known = new BoundedMap<Remembered>(KEYS_MAX);
  // Apart from the known ones, so that guesses cannot push those out.
  readonly #unknown = new BoundedMap<number>(KEYS_MAX);
  readonly #timeoutMs: number;

  constructor(timeoutMs = TIMEOUT_MS) {
    this.#timeoutMs = timeoutMs;
  }

  /**
   * The principal of the key with that hash; null when there is none. `ask` reads D1. Nothing but values is shared
   * between requests: a promise that another request began dies with that request. So while one of them asks about a
   * key that has gone stale, the others go on with what is remembered; with `anew` D1 is asked in any case. `now` in ms
   * since the epoch. Throws KeysUnavailableError.
   */
  async find(hash: string, now: number, ask: Ask, anew = false): Promise<Principal | null> {
    const remembered = this.#known.get(hash);
    const isFresh =
      remembered !== undefined && now < Math.max(remembered.askedAt + FRESH_MS, remembered.pausedUntil);
    if (isFresh && !anew) {
      return principalAt(remembered.key, now);
    }
    if ((this.#unknown.get(hash) ?? 0) > now) return null;
    const usable = remembered !== undefined && now < remembered.askedAt + STALE_MS;
    if (usable) remembered.pausedUntil = now + this.#timeoutMs;
    try {
      return principalAt(await this.#ask(hash, now, ask), now);
    } catch {
      // The reason is not told: a database error carries its parameters.
      if (!usable) throw new KeysUnavailableError();
      remembered.pausedUntil = now + PAUSE_MS;
      return principalAt(remembered.key, now);
    }
  }

  /** The next request asks D1 again: what this key stands for has just changed. */
  forget(hash: string): void {
    this.#known.delete(hash);
  }

  async #ask(hash: string, now: number, ask: Ask): Promise<KnownKey | null> {
    const key = await within(this.#timeoutMs, ask());
    if (key === LATE) throw new KeysUnavailableError();
    if (key === null) {
      this.#known.delete(hash);
      this.#unknown.set(hash, now + UNKNOWN_MS);
    } else {
      this.#known.set(hash, { key, askedAt: now, pausedUntil: 0 });
    }
    return key;
  }
}

function principalAt(key: KnownKey | null, now: number): Principal | null {
  if (key === null || (key.expiresAt !== null && now >= key.expiresAt * 1000)) return null;
  return key.principal;
}

const LATE = Symbol("late");

async function within<Value>(ms: number, answer: Promise<Value>): Promise<Value | typeof LATE> {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const late = new Promise<typeof LATE>((resolve) => {
    timer = setTimeout(() => resolve(LATE), ms);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
