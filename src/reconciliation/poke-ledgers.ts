// Ledgers whose next step is long overdue have lost their alarm, or everything: a poke makes them set the alarm again,
// and hands a ledger that has nothing what D1 knows of it. It asks no channel anything; the alarm does the work.
import { CALL, type Hydration } from "../charges/ledger-calls.ts";
import { callLedger } from "../charges/ledger-client.ts";
import { areOwnLedgers } from "../charges/own-ledgers.ts";
import {
  findHydration,
  listOverdueCharges,
  type OverdueCharge,
  postponeOverdue,
} from "../charges/repository.ts";
import type { Database } from "../db/client.ts";
import type { Env } from "../env.ts";

const OVERDUE_MS = 600_000;
const PAGE = 50;

export async function pokeLedgers(env: Env, db: Database, now: number): Promise<void> {
  const overdue = await listOverdueCharges(db, now - OVERDUE_MS, PAGE, await areOwnLedgers(env, db));
  await Promise.allSettled(overdue.map((reference) => poke(env, db, reference, now)));
}

async function poke(env: Env, db: Database, reference: OverdueCharge, now: number): Promise<void> {
  // Written first: the ledger's own next flush says better, and a poke that fails has its turn again later.
  await postponeOverdue(db, reference, now);
  const ask = (hydration?: Hydration) =>
    callLedger(env, reference, null, 0, (ledger) => ledger.poke({ ...CALL, hydration }));
  const outcome = await ask();
  if (!("answer" in outcome) || !("unhydrated" in outcome.answer)) return;
  const { app, livemode, charge } = reference;
  const hydration = await findHydration(db, app, livemode, charge);
  if (hydration !== null) await ask(hydration);
}
