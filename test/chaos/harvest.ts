// After the storm: waits until everything rests, without touching a ledger, so that what heals is what heals in
// production; reads the lists as clients do; and takes what lies on the disk once the runtime is dead.
import type { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import type { Export } from "../../src/charges/ledger-calls.ts";
import type { Clients } from "./clients.ts";
import { openD1, storedLedgers } from "./disk.ts";
import type { Outside } from "./outside.ts";
import { SIGHTINGS } from "./overseer.ts";
import { answersOf, type Records, type Row, type Rows } from "./records.ts";
import type { Runtime } from "./runtime.ts";
import type { Scene } from "./scene.ts";

const LOOK_MS = 250;
const SAY_MS = 5_000;
/** What is in the ledgers alone is in D1 within seconds. */
const SYNC_MS = 15_000;
const AT_ONCE = 8;

const OPEN = {
  refunds: `select r.id || ' of ' || r.charge || ' is ' || r.state as words from refunds r
    where r.status = 'pending' and r.doc not like '%[sandbox:pending_forever]%'`,
  commands: "select 'the promise of ' || refund || ' waits' as words from commands where due_at is not null",
  deliveries: `select d.id || ' to ' || e.url || ' after ' || d.attempts as words from deliveries d
    join webhook_endpoints e on e.id = d.endpoint where d.status = 'pending'`,
};

/** What is not at rest yet, as D1 and the clients know it. */
async function restless(runtime: Runtime, clients: Clients): Promise<string[]> {
  const statements = ["select id from refunds", ...Object.values(OPEN)];
  const [known = [], ...open] = await runtime.ask<Row[][]>("sql", statements);
  const ids = new Set(known.map(({ id }) => id));
  const missing = clients.wishes
    .flatMap((wish) => answersOf(wish))
    .filter(({ refund }) => !ids.has(refund.id))
    .map(({ refund }) => `D1 does not know ${refund.id} of ${refund.charge}`);
  return [...open.flat().map(({ words }) => String(words)), ...new Set(missing)];
}

/** Resolves with what still works when patience ends; with nothing, as soon as all rests. `say` hears why it takes long. */
export async function untilRest(
  runtime: Runtime,
  clients: Clients,
  outside: Outside,
  until: number,
  say: (line: string) => void,
): Promise<string[]> {
  let left: string[] = [];
  let saidAt = Date.now();
  do {
    left = await restless(runtime, clients).catch((error: unknown) => [String(error)]);
    if (left.length === 0) {
      await outside.settled();
      left = await unsynced(runtime, clients, Math.min(until, Date.now() + SYNC_MS));
      // What a ledger told last may have brought deliveries.
      if (left.length === 0) left = await restless(runtime, clients);
      if (left.length === 0) return [];
    }
    if (Date.now() - saidAt > SAY_MS) {
      saidAt = Date.now();
      say(`${left.length} at work: ${left.slice(0, 3).join("; ")}`);
    }
    await sleep(LOOK_MS);
  } while (Date.now() < until);
  return left;
}

/** Ledgers that D1 has not heard from yet. Looks into them, so only once D1 seems to know everything. */
async function unsynced(runtime: Runtime, clients: Clients, until: number): Promise<string[]> {
  for (;;) {
    const left: string[] = [];
    for (let start = 0; start < clients.charges.length; start += 50) {
      const some = clients.charges.slice(start, start + 50);
      const answers = await runtime.ask<({ ok: Export } | { unhydrated: true })[]>("ledgers", some);
      for (const answer of answers) {
        if (!("ok" in answer)) continue;
        const { charge, refunds, undelivered } = answer.ok;
        const behind = refunds.filter(({ version, synced }) => version > synced);
        if (undelivered.length + behind.length > 0) left.push(`${charge.id} has not told D1 everything`);
      }
    }
    if (left.length === 0 || Date.now() > until) return left;
    await sleep(LOOK_MS);
  }
}

/** Reads every list, both ways, and every charge, as clients do. Answers what could not be read. */
export async function readEverything({ charges, reader }: Clients, scene: Scene): Promise<string[]> {
  const left = [...charges];
  const unread: string[] = [];
  const read = async () => {
    for (let charge = left.pop(); charge !== undefined; charge = left.pop()) {
      const isRead =
        (await reader.readPages(charge, "newest", 7)) &&
        (await reader.readPages(charge, "oldest", 4)) &&
        (await reader.readCharge(charge));
      if (!isRead) unread.push(`${charge.id} cannot be read`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, read));
  for (const shop of [...scene.shops.test, ...scene.shops.live]) {
    if (!(await reader.readCharges(shop))) unread.push(`the charges of ${shop.app} cannot be read`);
  }
  return unread;
}

/** The disk of a runtime that is dead. */
export function readDisk(state: string): Pick<Records, "ledgers" | "rows"> {
  const ledgers = new Map<string, Export>();
  for (const { cover, refunds, undelivered } of storedLedgers(state)) {
    const { charge, freeze } = cover;
    ledgers.set(charge.id, { charge, freeze, refunds, undelivered });
  }
  return { ledgers, rows: readRows(openD1(state)) };
}

function readRows(db: DatabaseSync): Rows {
  try {
    const all = (table: string) => db.prepare(`select * from ${table}`).all() as Row[];
    return {
      charges: all("charges"),
      refunds: all("refunds"),
      events: all("events"),
      deliveries: all("deliveries"),
      endpoints: all("webhook_endpoints"),
      commands: all("commands"),
      sightings: all(SIGHTINGS),
    };
  } finally {
    db.close();
  }
}
