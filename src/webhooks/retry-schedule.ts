// When a delivery is tried again: two schedules, jitter, and what the receiver asked for with Retry-After.
// Delays in ms. The number of attempts is the number of delays and one.
import type { Schedule } from "./endpoint.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** The delays after the first, second, … failed attempt. */
export const DELAYS: Record<Schedule, readonly number[]> = {
  standard: [
    5 * SECOND,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
  ],
  pingpp: [
    5 * SECOND,
    10 * SECOND,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    6 * HOUR,
    15 * HOUR,
  ],
};

const JITTER_MIN = 0.8;
const JITTER_SPAN = 0.4;
/** The longest a receiver can ask for. */
const RETRY_AFTER_MAX_MS = 24 * HOUR;
/** A receiver that is overloaded or hangs is left alone at least this long. */
const OVERLOADED_MS = MINUTE;

export interface FailedAttempt {
  /** Attempts made so far, this one included. */
  attempts: number;
  /** The HTTP status; null when none came. */
  status: number | null;
  timedOut: boolean;
  /** The header `Retry-After` as it came. */
  retryAfter: string | null;
}

export function attemptsMax(schedule: Schedule): number {
  return DELAYS[schedule].length + 1;
}

/**
 * How long to wait after a failed attempt; null when the schedule has run out. `dice` from 0 up to 1; `scale`
 * multiplies the whole delay. From one second on, delays are whole seconds, rounded up: a queue knows no others.
 */
export function nextDelay(
  schedule: Schedule,
  failed: FailedAttempt,
  dice: number,
  now: number,
  scale = 1,
): number | null {
  const planned = DELAYS[schedule][failed.attempts - 1];
  if (planned === undefined) return null;
  let delay = planned * (JITTER_MIN + JITTER_SPAN * dice);
  if (failed.status === 429 || failed.status === 503) {
    const asked = retryAfterMs(failed.retryAfter, now) ?? 0;
    delay = Math.max(delay, Math.min(asked, RETRY_AFTER_MAX_MS));
  }
  if (failed.status === 429 || failed.timedOut) delay = Math.max(delay, OVERLOADED_MS);
  const scaled = delay * scale;
  return scaled < SECOND ? Math.ceil(scaled) : Math.ceil(scaled / SECOND) * SECOND;
}

/** Reads `Retry-After` (RFC 9110 §10.2.3): seconds, or a date; null for neither. Never negative. */
export function retryAfterMs(header: string | null, now: number): number | null {
  const text = header?.trim() ?? "";
  if (/^\d+$/.test(text)) return Number(text) * SECOND;
  // Only the forms that name their zone: other texts that Date.parse takes depend on where it runs.
  if (!/^[A-Za-z]{3,9}, .* GMT$/.test(text)) return null;
  const date = Date.parse(text);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}

/** The factor of `RETRY_SCALE`; anything that is not a positive number leaves the schedules as they are. */
export function retryScale(text: string | undefined): number {
  const scale = Number(text ?? "1");
  return Number.isFinite(scale) && scale > 0 ? scale : 1;
}
