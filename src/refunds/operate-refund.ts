// What people do to a refund besides making it: have the channel asked now, take it in hand, end it in the channel's place.
import type { Principal } from "../auth/principal.ts";
import { CALL, type LedgerSurface, type SyncAnswer } from "../charges/ledger-calls.ts";
import { type ChargeReference, callLedger } from "../charges/ledger-client.ts";
import { findHydration } from "../charges/repository.ts";
import { database } from "../db/client.ts";
import type { Env } from "../env.ts";
import { ProblemError } from "../http/problem.ts";
import { isId } from "../ids.ts";
import type { Resolution } from "./refund.ts";

/** How long a channel may take on top of what a ledger may: its time-out and that of the payment's check. */
const CHANNEL_PATIENCE_MS = 30_000;

export interface RefundReference {
  charge: string;
  refund: string;
}

/** Answers with the rendered refund once the channel has answered. */
export function syncRefund(env: Env, principal: Principal, reference: RefundReference): Promise<string> {
  const { refund } = reference;
  return operate(env, principal, reference, (ledger) => ledger.sync({ ...requiring("sync"), refund }));
}

/** `by`: who takes it in hand; `from`: who had it so far. */
export function claimRefund(
  env: Env,
  principal: Principal,
  reference: RefundReference,
  by: string,
  from?: string,
): Promise<string> {
  const { refund } = reference;
  return operate(env, principal, reference, (ledger) =>
    ledger.claim({ ...requiring("claim"), refund, by, from }),
  );
}

export function resolveRefund(
  env: Env,
  principal: Principal,
  reference: RefundReference,
  resolution: Omit<Resolution, "at">,
  transactionNo: string | null,
): Promise<string> {
  const { refund } = reference;
  return operate(env, principal, reference, (ledger) =>
    ledger.resolve({ ...requiring("resolve"), refund, resolution, transactionNo }),
  );
}

function requiring(feature: string) {
  return { ...CALL, requires: [feature] };
}

async function operate(
  env: Env,
  { app, livemode, settings }: Principal,
  { charge, refund }: RefundReference,
  work: (ledger: LedgerSurface) => Promise<SyncAnswer>,
): Promise<string> {
  const unknown = new ProblemError({ code: "not_found", object: "refund", id: refund });
  // A guess is refused before it costs anything.
  if (!isId("charge", charge) || !isId("refund", refund)) throw unknown;
  const reference = { app, livemode, charge };
  const ask = async (): Promise<SyncAnswer> => {
    const outcome = await callLedger(env, reference, settings.location_hint, CHANNEL_PATIENCE_MS, work);
    if ("failed" in outcome) throw new ProblemError({ code: "unavailable", retryAfterSeconds: 5 });
    return outcome.answer;
  };
  let answer = await ask();
  if ("unhydrated" in answer && (await isRestored(env, reference))) answer = await ask();
  // A charge without a ledger has no refunds.
  if ("unhydrated" in answer) throw unknown;
  if ("refusal" in answer) throw new ProblemError(answer.refusal);
  return answer.ok.refund;
}

/** Hands a ledger that was lost what D1 knows of its refunds; false when there are none. */
async function isRestored(env: Env, reference: ChargeReference): Promise<boolean> {
  const { app, livemode, charge } = reference;
  const hydration = await findHydration(database(env, app, livemode), app, livemode, charge);
  if (hydration === null || hydration.refunds.length === 0) return false;
  await callLedger(env, reference, null, 0, (ledger) => ledger.poke({ ...CALL, hydration }));
  return true;
}
