// Reads a refund: from its charge's ledger, so that the answer is strongly consistent, or from the promise that was made
// while the ledger was away.
import type { Principal } from "../auth/principal.ts";
import { readCharge } from "../charges/read-charge.ts";
import { database } from "../db/client.ts";
import type { Env } from "../env.ts";
import { ProblemError } from "../http/problem.ts";
import { isId } from "../ids.ts";
import { findPromised } from "../reconciliation/promise-refund.ts";
import { findCommand } from "../reconciliation/repository.ts";
import { recentCharge } from "./recent-refunds.ts";
import { findRefund } from "./repository.ts";

/** The refund of a charge, rendered. Throws a problem when there is none, or when nobody can tell. */
export async function readRefund(
  env: Env,
  principal: Principal,
  { charge, refund }: { charge: string; refund: string },
): Promise<string> {
  if (!isId("refund", refund)) throw unknownRefund(refund);
  const { app, livemode } = principal;
  const findPromise = () => findPromised(env, { app, livemode, charge, refund });
  const read = () => readCharge(env, principal, charge, { kind: "refund", refund });
  const answer = await read().catch(async (error: unknown) => {
    // A refund that was promised because its ledger is away is answered from the promise.
    const promised = isUnavailable(error) ? await findPromise() : null;
    if (promised === null || promised === "kept") throw error;
    return { ok: promised };
  });
  if ("ok" in answer) return answer.ok;
  const promised = await findPromise();
  if (promised === null) throw unknownRefund(refund);
  if (promised !== "kept") return promised;
  // The ledger has got it between the two questions.
  const kept = await read();
  if (!("ok" in kept)) throw unknownRefund(refund);
  return kept.ok;
}

/** The same by the refund's id alone: D1 tells its charge, unless it was made here a moment ago. */
export async function readRefundById(env: Env, principal: Principal, refund: string): Promise<string> {
  if (!isId("refund", refund)) throw unknownRefund(refund);
  const { app, livemode } = principal;
  const db = database(env, app, livemode);
  const find = async () =>
    (await findRefund(db, app, livemode, refund)) ?? (await findCommand(db, app, livemode, refund));
  const charge = recentCharge({ app, livemode, refund }) ?? (await find())?.charge;
  if (charge === undefined) throw unknownRefund(refund);
  return readRefund(env, principal, { charge, refund });
}

function unknownRefund(id: string): ProblemError {
  return new ProblemError({ code: "not_found", object: "refund", id });
}

function isUnavailable(error: unknown): boolean {
  return error instanceof ProblemError && error.problem.code === "unavailable";
}
