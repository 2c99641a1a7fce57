// The published schedules, written down a second time: a simulation that asked the service for them would believe it.
import type { PostAnswer } from "../../../src/webhooks/client.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const DELAYS = {
  standard: [5_000, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR],
  pingpp: [
    ...[5_000, 10_000, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE],
    ...[HOUR, 2 * HOUR, 6 * HOUR, 15 * HOUR],
  ],
} as const;

export const ATTEMPTS_MAX = { standard: 10, pingpp: 11 } as const;

/** The shortest time that may pass after the attempt of this number in its run failed so, ms. */
export function earliestDelay(
  schedule: keyof typeof DELAYS,
  number: number,
  answer: PostAnswer,
  now: number,
): number {
  const planned = DELAYS[schedule][number - 1] ?? 0;
  let earliest = planned * 0.8;
  if ((answer.status === 429 || answer.status === 503) && answer.retryAfter !== null) {
    const seconds = Number(answer.retryAfter);
    const asked = Number.isNaN(seconds) ? Date.parse(answer.retryAfter) - now : seconds * 1000;
    earliest = Math.max(earliest, Math.min(asked, 24 * HOUR));
  }
  if (answer.status === 429 || answer.failure === "timeout") earliest = Math.max(earliest, MINUTE);
  return earliest;
}

/** How the plan was stretched, if nothing but the plan decided; null if something else did. */
export function stretch(
  schedule: keyof typeof DELAYS,
  number: number,
  answer: PostAnswer,
  delayMs: number,
): number | null {
  const planned = DELAYS[schedule][number - 1] ?? 0;
  const isPlain = answer.status !== 429 && answer.status !== 503 && answer.failure !== "timeout";
  return isPlain && planned >= 5 * MINUTE ? delayMs / planned : null;
}
