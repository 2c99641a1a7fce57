// A webhook endpoint: an address of the merchant that receives deliveries. It is `pending` until it has answered a ping,
// and what happens meanwhile waits for that; while it is `disabled`, what happens is recorded as skipped.
import type { Result } from "../result.ts";

export const ENDPOINT_STATUSES = ["pending", "enabled", "disabled"] as const;

export const SCHEDULES = ["standard", "pingpp"] as const;
export type Schedule = (typeof SCHEDULES)[number];

/**
 * Why an endpoint was disabled: it answered 410; nothing but failures for five days; an API call; or its ping was
 * answered by no 2xx until the schedule ran out.
 */
export const DISABLED_REASONS = ["gone", "failing", "by_request", "unanswered"] as const;
export type DisabledReason = (typeof DISABLED_REASONS)[number];

/** Endpoints an app may have in each mode. */
export const ENDPOINTS_MAX = 16;
/** The highest rate limit that can be asked for, in deliveries a second. */
export const RATE_LIMIT_MAX = 1000;
/** How long an endpoint may answer nothing but failures. */
export const FAILING_MS = 5 * 86_400_000;
/** How far back and how long a period `recover` takes. */
export const RECOVERY_MS = 14 * 86_400_000;

/** Secrets that sign at the same time. */
export const SECRETS_MAX = 3;
/** How long a secret goes on signing after it was rolled, in seconds. */
export const ROLL_SECONDS = { standard: 86_400, max: 7 * 86_400 } as const;

/** A secret of an endpoint, sealed; `expiresAt` (ms) is set once it was rolled. */
export interface SealedSecret {
  sealed: string;
  createdAt: number;
  expiresAt: number | null;
}

/**
 * The secrets with a new one in front. The earlier ones sign for `overlapMs` more, or less if they were to end before:
 * with 0 they are worth nothing any more. Refused while as many as may sign would go on signing; says when the next ends.
 */
export function rollSecrets(
  secrets: readonly SealedSecret[],
  sealed: string,
  overlapMs: number,
  now: number,
): Result<SealedSecret[], { freeAt: number }> {
  const until = now + overlapMs;
  const earlier = secrets
    .map((secret) => ({ ...secret, expiresAt: Math.min(secret.expiresAt ?? until, until) }))
    .filter((secret) => secret.expiresAt > now);
  if (earlier.length >= SECRETS_MAX) {
    return { refusal: { freeAt: Math.min(...earlier.map((secret) => secret.expiresAt)) } };
  }
  return { ok: [{ sealed, createdAt: now, expiresAt: null }, ...earlier] };
}

/** Whether an endpoint has answered nothing but failures for too long. `firstFailureAt` in Unix seconds, `now` in ms. */
export function isFailing(
  firstFailureAt: number | null,
  hasExhausted: boolean,
  now: number,
  scale = 1,
): boolean {
  return hasExhausted && firstFailureAt !== null && now - firstFailureAt * 1000 >= FAILING_MS * scale;
}
