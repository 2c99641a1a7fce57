// Whether this Worker can serve: D1 answers in time, has every column that this version knows, and the master keys can be
// read. Asked for without a key, so it names only what is missing and never why.
import { is, sql } from "drizzle-orm";
import { getTableConfig, SQLiteTable } from "drizzle-orm/sqlite-core";
import { everyDatabase } from "../db/client.ts";
import * as schema from "../db/schema.ts";
import { sleep, within } from "../deadline.ts";
import type { Env } from "../env.ts";
import { masterKeyIds } from "../sealing/sealing.ts";

export type Failing = "d1" | "migrations" | "master_keys";

/** How long D1 may take to answer. */
const TIMEOUT_MS = 2_000;

/** `[table, column]` of everything a migration must have made. */
const WANTED = JSON.stringify(
  Object.values(schema)
    .filter((table) => is(table, SQLiteTable))
    .map((table) => getTableConfig(table as SQLiteTable))
    .flatMap(({ name, columns }) => columns.map((column) => [name, column.name])),
);

/** Nothing when all is well. */
export async function findFailing(env: Pick<Env, "DB" | "MASTER_KEYS">): Promise<Failing[]> {
  const [stored, keys] = await Promise.all([databaseFailing(env), masterKeysFailing(env)]);
  return [...(stored === null ? [] : [stored]), ...(keys === null ? [] : [keys])];
}

async function databaseFailing(env: Pick<Env, "DB">): Promise<Failing | null> {
  try {
    const asked = Promise.all(everyDatabase(env).map((db) => db.all<{ missing: number }>(missingColumns())));
    const outcome = await within(sleep, asked, TIMEOUT_MS);
    if (outcome === "late") return "d1";
    return outcome.done.every(([row]) => row?.missing === 0) ? null : "migrations";
  } catch {
    return "d1";
  }
}

function missingColumns() {
  return sql`select count(*) as missing from json_each(${WANTED}) as wanted
    where not exists (select 1 from pragma_table_info(wanted.value ->> 0) as found where found.name = wanted.value ->> 1)`;
}

async function masterKeysFailing({ MASTER_KEYS }: Pick<Env, "MASTER_KEYS">): Promise<Failing | null> {
  try {
    return (await masterKeyIds(MASTER_KEYS)).length > 0 ? null : "master_keys";
  } catch {
    return "master_keys";
  }
}
