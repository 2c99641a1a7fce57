// Ledgers whose next step is long overdue have lost their alarm: a poke makes them set it again. It asks nobody
// anything; the alarm does the work.
import { CALL } from "../charges/ledger-calls.ts";
import { callLedger } from "../charges/ledger-client.ts";
import { listOverdueCharges } from "../charges/repository.ts";
import type { Database } from "../db/client.ts";
import type { Env } from "../env.ts";

const OVERDUE_MS = 600_000;
const PAGE = 50;

export async function pokeLedgers(env: Env, db: Database, now: number): Promise<void> {
  const overdue = await listOverdueCharges(db, now - OVERDUE_MS, PAGE);
  await Promise.allSettled(
    overdue.map((reference) => callLedger(env, reference, null, 0, (ledger) => ledger.poke(CALL))),
  );
}
