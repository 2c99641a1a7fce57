// A refund whose ledger did not answer: the command is stored, so that it is replayed until the ledger does, and the
// client gets the refund's id and `pending`. The command's row answers reads of that id meanwhile.
import type { Principal } from "../auth/principal.ts";
import { maxOf } from "../budgets/limits.ts";
import { takeForPromise } from "../budgets/take-allowance.ts";
import type { CreateCommand } from "../charges/ledger-calls.ts";
import { type ChargeRow, findCharge } from "../charges/repository.ts";
import { database } from "../db/client.ts";
import { sleep, within } from "../deadline.ts";
import type { Env } from "../env.ts";
import { ProblemError } from "../http/problem.ts";
import { log } from "../log.ts";
import { promisedRefund } from "../refunds/reserve-refund.ts";
import { refundObject } from "../refunds/schema.ts";
import { findCommand, storeCommand } from "./repository.ts";

/** How long D1 and the queue may take each: both can hang, and the client is waiting. */
const TIMEOUT_MS = 3_000;

/** A command that may have been carried out or not, and whose it is. */
export interface Unanswered {
  principal: Principal;
  command: CreateCommand;
}

/**
 * Stores the command and renders the promised refund. Throws `not_found` when D1 knows of no such charge, and
 * `unavailable` only if neither D1 nor the queue takes it.
 */
export async function promise(env: Env, { principal, command }: Unanswered): Promise<string> {
  const { app, livemode, refund } = command;
  const db = database(env, app, livemode);
  const now = Date.now();
  const charge = await inTime(findCharge(db, app, livemode, command.charge));
  if (charge !== "failed" && charge === undefined) {
    throw new ProblemError({ code: "not_found", object: "charge", id: command.charge });
  }
  const row = charge === "failed" ? undefined : charge;
  // What the client is told is what the ledger will be asked for.
  const told: CreateCommand = {
    ...(await withRoom(env, principal, command, row)),
    amount: command.amount ?? (row === undefined ? null : leftOf(row)),
  };
  const stored = await inTime(storeCommand(db, told, now));
  if (stored === "failed") log("error", { alert: "command_not_stored", refund });
  const message = { app, livemode, refund };
  const sent = env.COMMANDS.send(stored === "failed" ? { ...message, command: told } : message).then(
    () => true,
  );
  const woken = await inTime(sent);
  if (stored === "failed" && woken === "failed") {
    throw new ProblemError({ code: "unavailable", retryAfterSeconds: 5 });
  }
  return render(stored === "failed" ? told : stored, row?.doc, now);
}

/**
 * The command with room within the daily limits for all that is promised, and so without an allowance: the part that was
 * taken may have been a guess, at the amount or at the currency, and fails nothing when the command is replayed. Only if
 * the budget says that there is no room does it stay with what its part allows. Where D1 cannot say what is promised, the
 * part is all that is counted.
 */
async function withRoom(
  env: Env,
  principal: Principal,
  command: CreateCommand,
  row: ChargeRow | undefined,
): Promise<CreateCommand> {
  const { allowance, ...unlimited } = command;
  if (allowance === undefined || row === undefined) return unlimited;
  const { currency } = row;
  const amount = command.reverses ? row.amount : (command.amount ?? leftOf(row));
  const allowed = maxOf({ count: null, amounts: allowance }, currency);
  const isCovered = allowed === null || amount <= allowed;
  const hasRoom =
    isCovered || (await takeForPromise(env, principal, { refund: command.refund, currency, amount }));
  return hasRoom ? unlimited : command;
}

/** What D1 believes is left of a charge; the whole amount if it believes nothing is, for the ledger to refuse. */
function leftOf(row: ChargeRow): number {
  return Math.max(0, row.amount - row.amountRefunded - row.amountPending - row.doc.disputed) || row.amount;
}

async function inTime<T>(work: Promise<T>): Promise<T | "failed"> {
  const outcome = await within(
    sleep,
    work.catch(() => "failed" as const),
    TIMEOUT_MS,
  );
  return outcome === "late" ? "failed" : outcome.done;
}

/**
 * A refund that was promised and has not reached its ledger yet, rendered; `"kept"` when its ledger has it by now; null
 * when it was never promised.
 */
export async function findPromised(
  env: Env,
  reference: { app: string; livemode: boolean; charge: string; refund: string },
): Promise<string | "kept" | null> {
  const db = database(env, reference.app, reference.livemode);
  const row = await findCommand(db, reference.app, reference.livemode, reference.refund);
  if (row === undefined || row.charge !== reference.charge) return null;
  if (row.dueAt === null) return "kept";
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
