// A refund whose ledger did not answer: the command is stored, so that it is replayed until the ledger does, and the
// client gets the refund's id and `pending`. The command's row answers reads of that id meanwhile.
import type { CreateCommand } from "../charges/ledger-calls.ts";
import { findCharge } from "../charges/repository.ts";
import { database } from "../db/client.ts";
import { sleep, within } from "../deadline.ts";
import type { Env } from "../env.ts";
import { ProblemError } from "../http/problem.ts";
import { promisedRefund } from "../refunds/reserve-refund.ts";
import { refundObject } from "../refunds/schema.ts";
import { findCommand, storeCommand } from "./repository.ts";

const SEND_TIMEOUT_MS = 3_000;

/** Stores the command and renders the promised refund. Throws only if neither D1 nor the queue takes it. */
export async function promise(env: Env, command: CreateCommand): Promise<string> {
  const { app, livemode, refund } = command;
  const now = Date.now();
  let charge: { orderNo: string; amount: number } | undefined;
  let stored = false;
  try {
    await storeCommand(database(env, app, livemode), command, now);
    stored = true;
    charge = (await findCharge(database(env, app, livemode), app, livemode, command.charge))?.doc;
  } catch {
    console.error(JSON.stringify({ alert: "command_not_stored", refund }));
  }
  const woken = await send(env, stored ? { app, livemode, refund } : { app, livemode, refund, command });
  if (!stored && !woken) throw new ProblemError({ code: "unavailable", retryAfterSeconds: 5 });
  return render(command, charge, now);
}

/** A refund that was promised and has not reached its ledger yet, rendered; null when there is no such promise. */
export async function findPromised(
  env: Env,
  reference: { app: string; livemode: boolean; charge: string; refund: string },
): Promise<string | null> {
  const db = database(env, reference.app, reference.livemode);
  const row = await findCommand(db, reference.app, reference.livemode, reference.refund);
  if (row === undefined || row.charge !== reference.charge || row.dueAt === null) return null;
  const charge = await findCharge(db, reference.app, reference.livemode, reference.charge);
  return render(row.command, charge?.doc, row.createdAt);
}

function render(
  command: CreateCommand,
  charge: { orderNo: string; amount: number } | undefined,
  now: number,
): string {
  const refund = promisedRefund(command, charge?.amount ?? 0, now);
  return JSON.stringify(
    refundObject(refund, { id: command.charge, orderNo: charge?.orderNo ?? "", app: command.app }),
  );
}

async function send(env: Env, message: Parameters<Env["COMMANDS"]["send"]>[0]): Promise<boolean> {
  // Sending can hang for a minute; the sweeper finds a stored command without it.
  const sent = env.COMMANDS.send(message).then(
    () => true,
    () => false,
  );
  const outcome = await within(sleep, sent, SEND_TIMEOUT_MS);
  return outcome !== "late" && outcome.done;
}
