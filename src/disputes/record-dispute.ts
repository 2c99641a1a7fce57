// Books what is heard of a dispute in the charge's ledger, from a merchant or from the channel itself.
import { CALL, type DisputeAnswer, type Hydration } from "../charges/ledger-calls.ts";
import { askLedger, type ChargeReference } from "../charges/ledger-client.ts";
import { findHydration } from "../charges/repository.ts";
import { database } from "../db/client.ts";
import type { Env } from "../env.ts";
import { ProblemError } from "../http/problem.ts";
import type { Dispute, DisputeStatus } from "./dispute.ts";

export interface HeardDispute {
  /** The channel's id. */
  id: string;
  status: DisputeStatus;
  /** Minor units of the charge's currency; as known before when absent. */
  amount?: number;
  /** Where the channel tells it. */
  currency?: string;
}

/** The dispute as it stands then and what is left to refund; null when there is no such charge. Throws problems. */
export async function recordDispute(
  env: Env,
  reference: ChargeReference,
  heard: HeardDispute,
): Promise<{ dispute: Dispute; refundable: number } | null> {
  const ask = (hydration?: Hydration): Promise<DisputeAnswer> =>
    askLedger(env, reference, null, (ledger) =>
      ledger.dispute({ ...CALL, requires: ["dispute"], ...heard, hydration }),
    );
  let answer = await ask();
  if ("unhydrated" in answer) {
    const { app, livemode, charge } = reference;
    const known = await findHydration(database(env, app, livemode), app, livemode, charge);
    if (known === null) return null;
    answer = await ask(known);
  }
  if ("unhydrated" in answer) throw new ProblemError({ code: "unavailable", retryAfterSeconds: 1 });
  if ("refusal" in answer) throw new ProblemError(answer.refusal);
  return answer.ok;
}
