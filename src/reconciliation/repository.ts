import { and, asc, eq, isNotNull, lte, type SQL, sql } from "drizzle-orm";
import type { CreateCommand } from "../charges/ledger-calls.ts";
import type { Database } from "../db/client.ts";
import { commands } from "./table.ts";

export type CommandRow = typeof commands.$inferSelect;

const ofRefund = (app: string, livemode: boolean, refund: string) =>
  and(eq(commands.app, app), eq(commands.livemode, livemode), eq(commands.refund, refund));

/** Stores a command, due at once, unless one for the same refund is stored; answers with the one that is. `now` in ms. */
export async function storeCommand(
  db: Database,
  command: CreateCommand,
  now: number,
): Promise<CreateCommand> {
  const { app, livemode, refund, charge } = command;
  const [, rows] = await db.batch([
    db
      .insert(commands)
      .values({ app, livemode, refund, charge, command, attempts: 0, dueAt: now, createdAt: now })
      .onConflictDoNothing(),
    db
      .select({ command: commands.command })
      .from(commands)
      .where(ofRefund(app, livemode, refund)),
  ]);
  return rows[0]?.command ?? command;
}

/** So much JSON is bound at once, and no more: D1 takes 2 MB of it. */
const INSERTED_AT_ONCE = 20;

/** Stores commands of one app and mode, due at once, if `when` holds: statements for one batch. `now` in ms. */
export function insertCommands(
  db: Database,
  { app, livemode }: { app: string; livemode: boolean },
  given: readonly CreateCommand[],
  now: number,
  when: SQL,
) {
  const inserts = [];
  for (let start = 0; start < given.length; start += INSERTED_AT_ONCE) {
    const page = JSON.stringify(given.slice(start, start + INSERTED_AT_ONCE));
    // Every column in the order of the table: that is what an insert from a query gives.
    inserts.push(
      db
        .insert(commands)
        .select(
          sql`select ${app}, ${livemode ? 1 : 0}, value ->> '$.refund', value ->> '$.charge', value, 0, ${now}, ${now}
            from json_each(${page}) where ${when}`,
        )
        .onConflictDoNothing(),
    );
  }
  return inserts;
}

export async function findCommand(
  db: Database,
  app: string,
  livemode: boolean,
  refund: string,
): Promise<CommandRow | undefined> {
  const [row] = await db
    .select()
    .from(commands)
    .where(ofRefund(app, livemode, refund));
  return row;
}

/** The ledger has answered. */
export async function endCommand(db: Database, command: CreateCommand): Promise<void> {
  await db
    .update(commands)
    .set({ dueAt: null })
    .where(ofRefund(command.app, command.livemode, command.refund));
}

export async function postponeCommand(db: Database, row: CommandRow, dueAt: number): Promise<void> {
  await db
    .update(commands)
    .set({ dueAt, attempts: row.attempts + 1 })
    .where(and(ofRefund(row.app, row.livemode, row.refund), isNotNull(commands.dueAt)));
}

/**
 * Commands that are due, app by app in turn and the longest first: a batch of one app keeps no other waiting. Without
 * `live`, those of test mode alone.
 */
export async function listDueCommands(
  db: Database,
  now: number,
  limit: number,
  live = true,
): Promise<CommandRow[]> {
  const { app, livemode, refund, dueAt } = commands;
  const turn = sql<number>`row_number() over (partition by ${app}, ${livemode} order by ${dueAt})`;
  const due = db
    .select({ app, livemode, refund, dueAt, turn: turn.as("turn") })
    .from(commands)
    .where(and(lte(dueAt, now), live ? undefined : eq(livemode, false)))
    .as("due");
  const rows = await db
    .select({ command: commands })
    .from(due)
    .innerJoin(
      commands,
      and(eq(commands.app, due.app), eq(commands.livemode, due.livemode), eq(commands.refund, due.refund)),
    )
    .orderBy(asc(due.turn), asc(due.dueAt))
    .limit(limit);
  return rows.map(({ command }) => command);
}

/** Forgets commands that their ledgers have answered: at most `limit` of those stored before `before`, ms. */
export async function forgetCommands(db: Database, before: number, limit: number): Promise<void> {
  await db.run(sql`delete from ${commands} where rowid in (select rowid from ${commands} indexed by commands_done
    where ${commands.dueAt} is null and ${commands.createdAt} < ${before} limit ${limit})`);
}
