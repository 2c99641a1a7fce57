// The header `Server-Timing`: where a request's time went, in ms. Workers advance their clock only when something comes
// in from outside, so it counts waiting for D1, ledgers and channels, and never the computing in between.

/** `admittedAt` is undefined when the request was refused before any handler saw it. All times in ms. */
export function serverTiming(startedAt: number, admittedAt: number | undefined, endedAt: number): string {
  const admitted = admittedAt ?? endedAt;
  // A clock may be set back meanwhile.
  const took = (from: number, until: number) => Math.max(0, until - from);
  const parts = [`total;dur=${took(startedAt, endedAt)}`, `key;dur=${took(startedAt, admitted)}`];
  if (admittedAt !== undefined) parts.push(`handler;dur=${took(admitted, endedAt)}`);
  return parts.join(", ");
}
