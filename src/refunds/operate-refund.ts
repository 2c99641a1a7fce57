// What people do to a refund besides making it: have the channel asked now, take it in hand, end it in the channel's place,
// cancel it, decide whether it may go out, and say something else of it.
import type { Principal } from "../auth/principal.ts";
import type { Metadata } from "../charges/charge.ts";
import { CALL, type DecideCall, type LedgerSurface, type SyncAnswer } from "../charges/ledger-calls.ts";
import { type ChargeReference, callLedger } from "../charges/ledger-client.ts";
import { findHydration } from "../charges/repository.ts";
import { database } from "../db/client.ts";
import type { Env } from "../env.ts";
import { ProblemError } from "../http/problem.ts";
import { isId } from "../ids.ts";
import { findPromised } from "../reconciliation/promise-refund.ts";
import type { Resolution } from "./refund.ts";
import { rulesOf } from "./refund-command.ts";

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
    ledger.claim({ ...requiring("claim"), refund, apiKey: principal.apiKey, by, from }),
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
    ledger.resolve({
      ...requiring("resolve"),
      refund,
      apiKey: principal.apiKey,
      resolution,
      transactionNo,
    }),
  );
}

/** Who decides, and why; both as they like. */
export interface Decision {
  decision: DecideCall["decision"];
  by: string | null;
  reason: string | null;
}

/** `waitMs`: how long an approval waits for the channel, to which it sends the refund. */
export function decideRefund(
  env: Env,
  principal: Principal,
  reference: RefundReference,
  { decision, by, reason }: Decision,
  waitMs: number,
): Promise<string> {
  const { refund } = reference;
  const { accounts, apiKey, settings } = principal;
  const decider = { apiKey, by };
  const rules = rulesOf(settings);
  return operate(env, principal, reference, (ledger) =>
    ledger.decide({ ...requiring("decide"), refund, decision, decider, reason, waitMs, accounts, rules }),
  );
}

/** What is left out stays as it is. */
export function updateRefund(
  env: Env,
  principal: Principal,
  reference: RefundReference,
  change: { metadata?: Metadata; description?: string },
): Promise<string> {
  const { refund } = reference;
  const decider = { apiKey: principal.apiKey, by: null };
  return operate(env, principal, reference, (ledger) =>
    ledger.update({ ...requiring("update"), refund, ...change, decider }),
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
  if ("unhydrated" in answer) answer = { refusal: { code: "unknown_refund", refund } };
  if (!("refusal" in answer)) return answer.ok.refund;
  if (answer.refusal.code !== "unknown_refund") throw new ProblemError(answer.refusal);
  // One that was promised is on its way to its ledger.
  const promised = await findPromised(env, { ...reference, refund });
  throw promised === null ? unknown : new ProblemError({ code: "unavailable", retryAfterSeconds: 5 });
}

/** Hands a ledger that was lost what D1 knows of its refunds; false when there are none. */
async function isRestored(env: Env, reference: ChargeReference): Promise<boolean> {
  const { app, livemode, charge } = reference;
  const hydration = await findHydration(database(env, app, livemode), app, livemode, charge);
  if (hydration === null || hydration.refunds.length === 0) return false;
  await callLedger(env, reference, null, 0, (ledger) => ledger.poke({ ...CALL, hydration }));
  return true;
}
