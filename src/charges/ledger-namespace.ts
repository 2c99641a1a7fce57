// What tells this deployment's ledgers from any other's, and whether what a database has recorded is theirs.
import type { Env } from "../env.ts";

export type Ledgers = Pick<Env, "LEDGERS">;

/** What tells this deployment's ledgers from any other's. */
export function ledgerFingerprint(env: Ledgers): string {
  return env.LEDGERS.idFromName("fingerprint").toString();
}

/** Whether a recorded fingerprint is that of our ledgers; null before the first charge, when they may become ours. */
export function isOwnNamespace(env: Ledgers, recorded: string | null): boolean {
  return recorded === null || recorded === ledgerFingerprint(env);
}
