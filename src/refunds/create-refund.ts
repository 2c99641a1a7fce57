// Creates a refund: one hop to the charge's ledger, and nothing else on the way. Once a reservation may have been
// made there is no way back to an error: if the ledger's answer stays unknown, the command is stored and replayed
// under the same refund id, and the client is told that the refund is pending.
import type { Principal } from "../auth/principal.ts";
import { type CarriedOut, withAllowance } from "../budgets/take-allowance.ts";
import { isChargeId } from "../charges/charge.ts";
import {
  CALL,
  type CreateAnswer,
  type CreateCommand,
  type Hydration,
  type Replayed,
} from "../charges/ledger-calls.ts";
import { callLedger } from "../charges/ledger-client.ts";
import { findHydration } from "../charges/repository.ts";
import { database } from "../db/client.ts";
import type { Env } from "../env.ts";
import { invalid, ProblemError } from "../http/problem.ts";
import type { Random } from "../ids.ts";
import { promise, type Unanswered } from "../reconciliation/promise-refund.ts";
import { rememberRefund } from "./recent-refunds.ts";
import { featuresOf, type RefundRequest, refundCommand } from "./refund-command.ts";

/** What the client is told, rendered: the refund, or the charge that was reversed. */
export interface Made {
  refund: string;
  replayed: Replayed;
}

/** Answers with the rendered refund. Throws problems; none of them once the refund may exist. */
export async function createRefund(
  env: Env,
  principal: Principal,
  request: RefundRequest,
  random: Random,
): Promise<Made> {
  if (!isChargeId(request.charge)) throw unknownCharge(request.charge);
  if (principal.settings.require_amount && request.body.amount === undefined) {
    throw invalid("amount", "缺少该参数", "it is required");
  }
  const outcome = await carryOut(env, principal, await refundCommand(principal, request, random));
  return "made" in outcome ? outcome.made : { refund: await promise(env, outcome.unknown), replayed: false };
}

/**
 * Has the ledger carry a command out, within the app's daily limits; `unknown`: nobody knows whether it did, and that is
 * the command to be promised. Throws problems.
 */
export async function carryOut(
  env: Env,
  principal: Principal,
  command: CreateCommand,
): Promise<{ made: Made } | { unknown: Unanswered }> {
  rememberRefund(command);
  const { answer, command: allowed } = await withAllowance(env, principal, command, (allowed) =>
    askToCreate(env, principal, allowed),
  );
  if (answer === null) return { unknown: { principal, command: allowed } };
  if ("refusal" in answer) throw new ProblemError(answer.refusal);
  return { made: answer.ok };
}

/** Throws problems only if the ledger has certainly made nothing. */
async function askToCreate(env: Env, principal: Principal, command: CreateCommand): Promise<CarriedOut> {
  const { app, livemode, charge } = command;
  const send = (hydration?: Hydration) =>
    callLedger(env, { app, livemode, charge }, principal.settings.location_hint, command.waitMs, (ledger) =>
      ledger.create({ ...CALL, requires: featuresOf(command), command, hydration }),
    );

  let outcome = await send();
  // A try before the ledger lost its memory may have reserved: what it says without it is no answer to that.
  const inDoubt = "answer" in outcome && outcome.inDoubt;
  if ("answer" in outcome && "unhydrated" in outcome.answer) {
    // The ledger has nothing, so nothing was reserved: an error is still an honest answer.
    const hydration = await findHydration(database(env, app, livemode), app, livemode, charge);
    if (hydration === null) throw unknownCharge(charge);
    outcome = await send(hydration);
  }
  if ("failed" in outcome && outcome.failed === "overloaded" && !inDoubt)
    throw new ProblemError({ code: "unavailable", retryAfterSeconds: 2 });
  if ("failed" in outcome || ((inDoubt || outcome.inDoubt) && !isBinding(outcome.answer))) return null;
  if ("unhydrated" in outcome.answer) throw new ProblemError({ code: "unavailable", retryAfterSeconds: 1 });
  return outcome.answer;
}

function unknownCharge(id: string): ProblemError {
  return new ProblemError({ code: "not_found", object: "charge", id });
}

/** A ledger that was lost, or that is older than this Worker, cannot say that an earlier try has not reserved. */
function isBinding(answer: CreateAnswer): boolean {
  if (!("refusal" in answer)) return true;
  const { refusal } = answer;
  return refusal.code !== "unsupported" && !(refusal.code === "charge_frozen" && refusal.freeze === "lost");
}
