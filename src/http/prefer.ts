// `Prefer` (RFC 7240): how long a caller wants to wait for the channel's verdict.

export const WAIT_DEFAULT_MS = 8_000;
export const WAIT_MAX_SECONDS = 25;

/** `respond-async` → 0, `wait=N` → N seconds in ms (at most 25 s); the default for anything else, as the RFC asks. */
export function waitMsOf(prefer: string | undefined): number {
  if (prefer === undefined) return WAIT_DEFAULT_MS;
  for (const part of prefer.split(",")) {
    // A preference may carry parameters; none is known for these two.
    const preference = part.split(";", 1)[0]?.trim().toLowerCase() ?? "";
    if (preference === "respond-async") return 0;
    const wait = /^wait\s*=\s*"?(\d{1,6})"?$/.exec(preference)?.[1];
    if (wait !== undefined) return Math.min(Number(wait), WAIT_MAX_SECONDS) * 1000;
  }
  return WAIT_DEFAULT_MS;
}
