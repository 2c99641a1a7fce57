// Reads of one charge: answered by its ledger, strongly consistent. A read never hydrates a ledger; a charge that has
// none yet is answered from D1.
import type { Principal } from "../auth/principal.ts";
import { database } from "../db/client.ts";
import type { Env } from "../env.ts";
import { ProblemError } from "../http/problem.ts";
import { isChargeId } from "./charge.ts";
import { CALL, type ReadTarget } from "./ledger-calls.ts";
import { askLedger } from "./ledger-client.ts";
import { findHydration } from "./repository.ts";
import { renderView, type View } from "./view.ts";

export async function readCharge(
  env: Env,
  principal: Principal,
  charge: string,
  target: ReadTarget,
): Promise<View> {
  // A guess is refused before it costs anything.
  if (!isChargeId(charge)) throw unknownCharge(charge);
  const { app, livemode, settings } = principal;
  const answer = await askLedger(env, { app, livemode, charge }, settings.location_hint, (ledger) =>
    ledger.read({ ...CALL, requires: target.kind === "timeline" ? ["timeline"] : [], target }),
  );
  if ("refusal" in answer) throw new ProblemError(answer.refusal);
  if (!("unhydrated" in answer)) return answer;
  const known = await findHydration(database(env, app, livemode), app, livemode, charge);
  if (known === null) throw unknownCharge(charge);
  return renderView(known.charge, known.refunds, target);
}

function unknownCharge(id: string): ProblemError {
  return new ProblemError({ code: "not_found", object: "charge", id });
}
