// Reverses a charge: the whole payment goes back, as one refund of all of it, and nothing of it may be held before. The
// charge is reversed once that refund has succeeded.
import type { Principal } from "../auth/principal.ts";
import { database } from "../db/client.ts";
import type { Env } from "../env.ts";
import { ProblemError } from "../http/problem.ts";
import type { Random } from "../ids.ts";
import { promise } from "../reconciliation/promise-refund.ts";
import { carryOut } from "../refunds/create-refund.ts";
import { type RefundRequest, refundCommand } from "../refunds/refund-command.ts";
import { isChargeId } from "./charge.ts";
import { findHydration } from "./repository.ts";
import { renderView } from "./view.ts";

export interface Reversed {
  charge: string;
  replayed: boolean;
}

/** What a reversal is called where nobody says otherwise. */
export const REVERSAL = "撤销 Reversed";

/**
 * Answers with the rendered charge, and whether it was reversed before. Throws problems; once the refund may exist none
 * but 503, should D1 fail in the moment after it took the promise: the repeat finds the reversal.
 */
export async function reverseCharge(
  env: Env,
  principal: Principal,
  request: RefundRequest,
  random: Random,
): Promise<Reversed> {
  const { charge } = request;
  const unknown = new ProblemError({ code: "not_found", object: "charge", id: charge });
  if (!isChargeId(charge)) throw unknown;
  // A repeat is told by the reversal there is: nothing of a reversed charge is left for a second one.
  const command = {
    ...(await refundCommand(principal, request, random)),
    repeats: null,
    reverses: true as const,
  };
  const outcome = await carryOut(env, principal, command);
  if ("made" in outcome) return { charge: outcome.made.refund, replayed: outcome.made.replayed !== false };
  await promise(env, outcome.unknown);
  const { app, livemode } = principal;
  const known = await findHydration(database(env, app, livemode), app, livemode, charge);
  if (known === null) throw new ProblemError({ code: "unavailable", retryAfterSeconds: 5 });
  const view = renderView(known.charge, known.refunds, { kind: "charge" });
  if (!("ok" in view)) throw unknown;
  return { charge: view.ok, replayed: false };
}
