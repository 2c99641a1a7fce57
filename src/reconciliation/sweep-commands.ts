// Stored commands find their way to their ledgers: woken by a queue message, and swept by the cron when none comes. The
// same queue wakes batches of which a refund has ended.
import { completeBatch } from "../batches/complete-batch.ts";
import { areOwnLedgers } from "../charges/own-ledgers.ts";
import type { Database } from "../db/client.ts";
import { database } from "../db/client.ts";
import { sleep, within } from "../deadline.ts";
import type { Env } from "../env.ts";
import { log, nameOf } from "../log.ts";
import { type PromiseMessage, readMessage } from "./command.ts";
import { replayCommand } from "./replay-command.ts";
import {
  type CommandRow,
  endCommand,
  findCommand,
  listDueCommands,
  postponeCommand,
  storeCommand,
} from "./repository.ts";

/** A run replays so many, and stays well within what a Worker may ask of others in one. */
const PAGE = 50;
/** How long a command that only the queue knows waits for the next try. */
const CARRY_SECONDS = 60;
const STORE_TIMEOUT_MS = 3_000;
const DELAYS_MS = [5_000, 30_000, 60_000, 300_000, 900_000] as const;

export async function consumeCommands(batch: MessageBatch<unknown>, env: Env): Promise<void> {
  await Promise.allSettled(
    batch.messages.map(async (message) => {
      try {
        await consume(env, message.body);
        message.ack();
      } catch (error) {
        log("error", { alert: "command_not_replayed", error: nameOf(error) });
        message.retry();
      }
    }),
  );
}

async function consume(env: Env, body: unknown): Promise<void> {
  const message = readMessage(body);
  // It may be all there is of a promise: it ends among the dead letters, where a person sees it.
  if (message === null) throw new Error("none of our messages");
  if (message.batch === undefined) return await take(env, message);
  const { app, livemode, batch: id } = message;
  try {
    await completeBatch(env, { app, livemode, id }, Date.now());
  } catch (error) {
    // Nothing is lost: the cron finds it by its row.
    log("warn", { failure: "batch_not_completed", batch: id, error: nameOf(error) });
  }
}

async function take(env: Env, message: PromiseMessage): Promise<void> {
  const { app, livemode, refund, command } = message;
  const db = database(env, app, livemode);
  const own = () => !livemode || areOwnLedgers(env, db);
  if (command === undefined) {
    if (!(await own())) return;
    const row = await findCommand(db, app, livemode, refund);
    if (row !== undefined && row.dueAt !== null) await attempt(env, db, row, Date.now());
    return;
  }
  // Nothing but this message knows of the command: it ends in the ledger, in D1, or in another message, because
  // retries are counted and an outage may outlast them.
  // While D1 cannot say whose ledgers these are, they are those of the Worker that made the promise.
  const mayReplay = await Promise.resolve(own()).catch(() => true);
  if (!mayReplay) {
    // Neither these ledgers nor this database are where it belongs.
    await env.COMMANDS.send(message, { delaySeconds: CARRY_SECONDS });
    return;
  }
  if (await replayCommand(env, command).catch(() => false)) return;
  const stored = await within(sleep, storeCommand(db, command, Date.now()), STORE_TIMEOUT_MS).catch(
    () => "late",
  );
  if (stored === "late") await env.COMMANDS.send(message, { delaySeconds: CARRY_SECONDS });
}

/** Replays what is due, oldest first. */
export async function sweepCommands(env: Env, db: Database, now: number): Promise<void> {
  const due = await listDueCommands(db, now, PAGE, await areOwnLedgers(env, db));
  await Promise.allSettled(due.map((row) => attempt(env, db, row, now)));
}

async function attempt(env: Env, db: Database, row: CommandRow, now: number): Promise<void> {
  const delay = DELAYS_MS[Math.min(row.attempts, DELAYS_MS.length - 1)] as number;
  // Written first: a replay that dies is taken up again later, not at once.
  await postponeCommand(db, row, now + delay);
  if (await replayCommand(env, row.command)) await endCommand(db, row.command);
}
