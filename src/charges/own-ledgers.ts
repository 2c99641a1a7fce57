// Whose ledgers a database belongs to. A renamed Worker, or staging pointed at production's database, has ledgers that
// are empty: what it would do with live money, it would do without knowing what was done before.
import type { Database } from "../db/client.ts";
import { log } from "../log.ts";
import { isOwnNamespace, type Ledgers } from "./ledger-namespace.ts";
import { findLedgerNamespace } from "./repository.ts";

/** Whether live money may be moved with this database: its ledgers are ours, or it has none yet. */
export async function areOwnLedgers(env: Ledgers, db: Database): Promise<boolean> {
  if (isOwnNamespace(env, await findLedgerNamespace(db))) return true;
  log("error", { alert: "wrong_namespace" });
  return false;
}
