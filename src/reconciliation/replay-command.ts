// Replays a create command until its ledger has answered. The refund id makes every replay the same command; a refusal
// comes too late for the client, so the refund comes to exist as failed.
import { CALL, type CreateCommand } from "../charges/ledger-calls.ts";
import { callLedger } from "../charges/ledger-client.ts";
import { findHydration } from "../charges/repository.ts";
import { database } from "../db/client.ts";
import type { Env } from "../env.ts";
import { log } from "../log.ts";
import { featuresOf } from "../refunds/refund-command.ts";

/** Whether the ledger has answered. Throws when D1 must be read and cannot be. */
export async function replayCommand(env: Env, command: CreateCommand): Promise<boolean> {
  const { app, livemode, charge } = command;
  const waiting = { ...command, waitMs: 0 };
  const send = (hydration?: NonNullable<Awaited<ReturnType<typeof findHydration>>>) =>
    callLedger(env, { app, livemode, charge }, null, 0, (ledger) =>
      ledger.create({
        ...CALL,
        requires: featuresOf(command),
        command: waiting,
        promised: true,
        hydration,
      }),
    );
  let outcome = await send();
  if ("answer" in outcome && "unhydrated" in outcome.answer) {
    const hydration = await findHydration(database(env, app, livemode), app, livemode, charge);
    // D1 knew the charge when the promise was made: it has lost it since, and an operator must bring it back.
    if (hydration === null) {
      log("error", { alert: "promised_charge_missing", charge, refund: command.refund });
      return false;
    }
    outcome = await send(hydration);
  }
  return "answer" in outcome && "ok" in outcome.answer;
}
