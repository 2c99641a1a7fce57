// Whose ledgers a database belongs to. A renamed Worker, or staging pointed at production's database, has ledgers that
// are empty: what it would do with live money, it would do without knowing what was done before.
import type { Database } from "../db/client.ts";
import type { Env } from "../env.ts";
import { ledgerFingerprint } from "../http/admit.ts";
import { findLedgerNamespace } from "./repository.ts";

/** Whether live money may be moved with this database: its ledgers are ours, or it has none yet. */
export async function areOwnLedgers(env: Pick<Env, "LEDGERS">, db: Database): Promise<boolean> {
  const recorded = await findLedgerNamespace(db);
  if (recorded === null || recorded === ledgerFingerprint(env)) return true;
  console.error(JSON.stringify({ alert: "wrong_namespace" }));
  return false;
}
