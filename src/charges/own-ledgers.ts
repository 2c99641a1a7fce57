// Whose ledgers a database belongs to. A renamed Worker, or staging pointed at production's database, has ledgers that
// are empty: what it would do with live money, it would do without knowing what was done before.
import type { Database } from "../db/client.ts";
import type { Env } from "../env.ts";
import { log } from "../log.ts";
import { findLedgerNamespace } from "./repository.ts";

type Ledgers = Pick<Env, "LEDGERS">;

/** What tells this deployment's ledgers from any other's. */
export function ledgerFingerprint(env: Ledgers): string {
  return env.LEDGERS.idFromName("fingerprint").toString();
}

/** Whether a recorded fingerprint is that of our ledgers; null before the first charge, when they may become ours. */
export function isOwnNamespace(env: Ledgers, recorded: string | null): boolean {
  return recorded === null || recorded === ledgerFingerprint(env);
}

/** Whether live money may be moved with this database: its ledgers are ours, or it has none yet. */
export async function areOwnLedgers(env: Ledgers, db: Database): Promise<boolean> {
  if (isOwnNamespace(env, await findLedgerNamespace(db))) return true;
  log("error", { alert: "wrong_namespace" });
  return false;
}
