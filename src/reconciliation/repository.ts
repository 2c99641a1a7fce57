import { and, asc, eq, isNotNull, lte } from "drizzle-orm";
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

/** Commands that are due, the longest first; without `live`, those of test mode alone. */
export async function listDueCommands(
  db: Database,
  now: number,
  limit: number,
  live = true,
): Promise<CommandRow[]> {
  return db
    .select()
    .from(commands)
    .where(and(lte(commands.dueAt, now), live ? undefined : eq(commands.livemode, false)))
    .orderBy(asc(commands.dueAt))
    .limit(limit);
}
