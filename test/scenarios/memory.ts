// What a ledger and D1 remember, taken away from them and given back: lost ledgers, and states of the past.
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import type { ChargeLedger } from "../../src/index.ts";
import type { storedRows } from "../books.ts";

type Rows = Record<string, SqlStorageValue>[];

/** Everything a ledger has stored. */
export type LedgerState = Record<"refunds" | "outbox", Rows>;

/** The ledger has nothing any more. */
export async function loseLedger(ledger: DurableObjectStub<ChargeLedger>): Promise<void> {
  await runInDurableObject(ledger, async (_, { storage }) => {
    await storage.deleteAlarm();
    await storage.deleteAll();
  });
  await evictDurableObject(ledger);
}

export function ledgerState(ledger: DurableObjectStub<ChargeLedger>): Promise<LedgerState> {
  return runInDurableObject(ledger, (_, { storage: { sql } }) => ({
    refunds: sql.exec("SELECT * FROM refunds").toArray(),
    outbox: sql.exec("SELECT * FROM outbox").toArray(),
  }));
}

/** The ledger remembers what it did then, and nothing since. */
export async function rollBackLedger(
  ledger: DurableObjectStub<ChargeLedger>,
  then: LedgerState,
): Promise<void> {
  await runInDurableObject(ledger, (_, { storage }) => {
    storage.transactionSync(() => {
      for (const [table, rows] of Object.entries(then)) {
        storage.sql.exec(`DELETE FROM ${table}`);
        for (const row of rows) {
          const places = Object.keys(row).map(() => "?");
          storage.sql.exec(`INSERT INTO ${table} VALUES (${places})`, ...Object.values(row));
        }
      }
    });
  });
  await evictDurableObject(ledger);
}

/** D1 remembers what it did then, and nothing since. `then`: all its rows, as `storedRows` gives them. */
export async function restoreD1(then: Awaited<ReturnType<typeof storedRows>>): Promise<void> {
  const statements: D1PreparedStatement[] = [];
  for (const [table, rows] of Object.entries(then)) {
    if (table === "d1_migrations") continue;
    statements.push(env.DB.prepare(`DELETE FROM "${table}"`));
    for (const row of rows as Record<string, unknown>[]) {
      const columns = Object.keys(row).map((column) => `"${column}"`);
      const places = columns.map(() => "?");
      const insert = env.DB.prepare(`INSERT INTO "${table}" (${columns}) VALUES (${places})`);
      statements.push(insert.bind(...Object.values(row)));
    }
  }
  await env.DB.batch(statements);
}
