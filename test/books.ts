// Everything the service has stored, for tests that claim that nothing was.
import { listDurableObjectIds, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";

/** Every row of every table of D1, by table; but not when a key was last used, which every first request writes. */
export async function storedRows(): Promise<Record<string, unknown[]>> {
  const { results: tables } = await env.DB.prepare(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_cf_*' AND name NOT GLOB 'sqlite_*' ORDER BY name",
  ).all<{ name: string }>();
  const answers = await env.DB.batch(tables.map(({ name }) => env.DB.prepare(`SELECT * FROM "${name}"`)));
  return Object.fromEntries(
    tables.map(({ name }, i) => {
      const rows = (answers[i]?.results ?? []) as Record<string, unknown>[];
      return [name, name === "api_keys" ? rows.map(({ last_used_at, ...row }) => row) : rows];
    }),
  );
}

/** The rows that belong to an app in the tables that refunds write to. */
export async function storedRefunds(app: string): Promise<{ refunds: number; events: number }> {
  const count = (table: string) =>
    env.DB.prepare(`SELECT count(*) AS count FROM ${table} WHERE app = ?`)
      .bind(app)
      .first<number>("count")
      .then((found) => found ?? 0);
  return { refunds: await count("refunds"), events: await count("events") };
}

/** What a ledger's own storage holds: tables (the runtime's aside), and whether an alarm is set. */
export function inLedger(ledger: DurableObjectStub): Promise<{ tables: string[]; alarm: boolean }> {
  return runInDurableObject(ledger, async (_, state) => {
    const tables = state.storage.sql
      .exec("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_cf_*' ORDER BY name")
      .toArray()
      .map(({ name }) => name as string);
    return { tables, alarm: (await state.storage.getAlarm()) !== null };
  });
}

/** Ledgers of the files that ran before in this runtime. They were emptied, and are listed for ever. */
const earlierLedgers = new Set<string>();

/** Before a file's first test: from here on only its own ledgers are looked at. */
export async function forgetEarlierLedgers(): Promise<void> {
  for (const id of await listDurableObjectIds(env.LEDGERS)) earlierLedgers.add(id.toString());
}

/** The ids of all ledgers of this file's that hold a table or an alarm. */
export async function ledgersInUse(): Promise<string[]> {
  const used: string[] = [];
  for (const id of await listDurableObjectIds(env.LEDGERS)) {
    if (earlierLedgers.has(id.toString())) continue;
    const { tables, alarm } = await inLedger(env.LEDGERS.get(id) as unknown as DurableObjectStub);
    if (tables.length > 0 || alarm) used.push(id.toString());
  }
  return used.sort();
}
