// How many requests a key may make: a bucket of twice as many as it may make a second, filled at that rate. Each isolate
// counts what it sees: a limit on what one caller does to those it shares a machine with, not a quota. What a key may
// refund is limited elsewhere, and exactly.
import { BoundedMap } from "./bounded-map.ts";

/** Requests at once, as a multiple of those a second. */
const BURST_SECONDS = 2;
const KEYS_MAX = 10_000;

/** What a key has left, as its answers say. */
export interface Rate {
  /** Requests at once. */
  limit: number;
  remaining: number;
  /** Until the bucket is full again. */
  resetSeconds: number;
}

interface Bucket {
  tokens: number;
  /** When it was last looked at, ms. */
  at: number;
}

export class RateLimiter {
  readonly #buckets = new BoundedMap<Bucket>(KEYS_MAX);

  /** Counts a request, unless there are too many; `now` in ms. */
  admit(key: string, perSecond: number, now: number): Rate & { admitted: boolean } {
    const limit = perSecond * BURST_SECONDS;
    const bucket = this.#buckets.get(key);
    // A clock that was set back fills nothing.
    const seconds = bucket === undefined ? BURST_SECONDS : Math.max(0, now - bucket.at) / 1000;
    const tokens = Math.min(limit, (bucket?.tokens ?? 0) + seconds * perSecond);
    const admitted = tokens >= 1;
    const left = admitted ? tokens - 1 : tokens;
    this.#buckets.set(key, { tokens: left, at: now });
    const resetSeconds = Math.ceil((limit - left) / perSecond);
    return { admitted, limit, remaining: Math.floor(left), resetSeconds };
  }
}

/**
 * The status Ping++'s SDKs understand: theirs is 403, and only the one for PHP tells 429 from other errors. Everybody else
 * expects 429.
 */
export function rateLimitedStatus(userAgent: string): 403 | 429 {
  return /^Pingpp\b/i.test(userAgent) && !userAgent.includes("PhpBindings") ? 403 : 429;
}

/** What every answer to a known key says, in the words of the IETF's draft that most clients read. */
export function rateHeaders({ limit, remaining, resetSeconds }: Rate): Record<string, string> {
  return {
    "RateLimit-Limit": String(limit),
    "RateLimit-Remaining": String(remaining),
    "RateLimit-Reset": String(resetSeconds),
  };
}
