// What an operator should hear of, across all apps, from D1: one statement a kind, each along an index that holds nothing
// but what is in trouble, and at most TROUBLES_MAX rows of it. What lies behind those is found once they are dealt with.
import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import type { AlertKind, Trouble } from "./alert.ts";

export const TROUBLES_MAX = 10_000;
const EXAMPLES_MAX = 5;

/** How long a refund may be pending, and a promised one without its ledger. */
const PENDING_MS = 24 * 3_600_000;
const UNSYNCED_MS = 10 * 60_000;

interface Row {
  app: string;
  livemode: number;
  count: number;
  oldest: number;
  examples: string;
}

/** `cut`: kinds of which there are more than were looked at, so that what was not found may be there all the same. */
export interface Troubles {
  found: Trouble[];
  cut: ReadonlySet<AlertKind>;
}

/** `now` in ms since the epoch. */
export async function findTroubles(db: Database, now: number): Promise<Troubles> {
  const found = await Promise.all(
    Object.entries(troubleStatements(now)).map(async ([kind, statement]) => {
      const rows = await db.all<Row>(statement);
      return rows.map(({ app, livemode, count, oldest, examples }) => ({
        kind: kind as AlertKind,
        app,
        livemode: livemode === 1,
        count,
        oldestAt: oldest,
        examples: JSON.parse(examples) as string[],
      }));
    }),
  );
  const cut = found
    .filter((troubles) => troubles.reduce((sum, { count }) => sum + count, 0) >= TROUBLES_MAX)
    .flatMap(([trouble]) => (trouble === undefined ? [] : [trouble.kind]));
  return { found: found.flat(), cut: new Set(cut) };
}

/** Indexes are named: without statistics SQLite cannot know that these are the short ones. */
export function troubleStatements(now: number): Record<AlertKind, SQL> {
  const pendingSince = Math.floor((now - PENDING_MS) / 1000);
  return {
    attention: grouped(sql`select app, livemode, id, created * 1000 as since
      from refunds indexed by refunds_attention where attention is not null`),
    frozen: grouped(sql`select app, livemode, id, created * 1000 as since
      from charges indexed by charges_frozen where freeze is not null`),
    oldest_pending: grouped(sql`select app, livemode, id, created * 1000 as since
      from refunds indexed by refunds_pending where status = 'pending' and created < ${pendingSince}`),
    oldest_unsynced: grouped(sql`select app, livemode, refund as id, created_at as since
      from commands indexed by commands_waiting where due_at is not null and created_at < ${now - UNSYNCED_MS}`),
    dead_letters: grouped(sql`select app, livemode, id, created_at as since
      from dead_letters indexed by dead_letters_waiting where redriven_at is null`),
    // Who disabled an endpoint by request knows of it.
    disabled_endpoints: grouped(sql`select app, livemode, id, coalesce(disabled_at, created) * 1000 as since
      from webhook_endpoints indexed by webhook_endpoints_disabled
      where status = 'disabled' and deleted_at is null and disabled_reason <> 'by_request'`),
  };
}

function grouped(rows: SQL): SQL {
  return sql`select app, livemode, count(*) as count, min(since) as oldest,
      json_group_array(id) filter (where place <= ${sql.raw(String(EXAMPLES_MAX))}) as examples
    from (select app, livemode, id, since, row_number() over (partition by app, livemode order by since, id) as place
      from (${rows} limit ${sql.raw(String(TROUBLES_MAX))}))
    group by app, livemode`;
}
