// The Worker's way to a charge's ledger. An error from a call says nothing about its effect, so a call may be repeated
// only because every call is idempotent; what cannot be known in time is reported as unknown, never as a no.
import type { AppSettings } from "../apps/schema.ts";
import { sleep, within } from "../deadline.ts";
import type { Env } from "../env.ts";
import { ProblemError } from "../http/problem.ts";
import { log, nameOf } from "../log.ts";
import { TRIES_MS } from "../refunds/reserve-refund.ts";
import { ledgerName } from "./charge.ts";
import type { LedgerSurface } from "./ledger-calls.ts";

export interface ChargeReference {
  app: string;
  livemode: boolean;
  charge: string;
}

/**
 * `overloaded`: every try was turned away before it began; `unknown`: some try may have taken effect. `inDoubt`: so may
 * one that came before the try with this answer.
 */
export type LedgerOutcome<Answer> =
  | { answer: Answer; inDoubt: boolean }
  | { failed: "overloaded" | "unknown" };

const TRIES_MAX = 3;
const PAUSE_MS = 100;

/** The ledger with this object id; null for what is not an id of our ledgers. */
export function ledgerId(env: Pick<Env, "LEDGERS">, id: string): DurableObjectId | null {
  try {
    return env.LEDGERS.idFromString(id);
  } catch {
    return null;
  }
}

/** Calls the ledger, at most three times and 15 s (`patienceMs` on top, for calls that wait for a channel). */
export async function callLedger<Answer>(
  env: Pick<Env, "LEDGERS">,
  reference: ChargeReference | DurableObjectId,
  locationHint: AppSettings["location_hint"],
  patienceMs: number,
  call: (ledger: LedgerSurface) => Promise<Answer>,
): Promise<LedgerOutcome<Answer>> {
  const deadline = Date.now() + TRIES_MS + patienceMs;
  let failed: "overloaded" | "unknown" = "overloaded";
  for (let attempt = 1; attempt <= TRIES_MAX; attempt++) {
    const left = deadline - Date.now();
    if (left <= 0) break;
    try {
      // A new stub each time: one that has failed stays broken.
      const ledger = ledgerOf(env, reference, locationHint === null ? {} : { locationHint });
      const outcome = await within(sleep, call(ledger as unknown as LedgerSurface), left);
      // A call that may still be on its way could arrive behind the next one, and make what that was refused.
      if (outcome === "late") return { failed: "unknown" };
      return { answer: outcome.done, inDoubt: failed === "unknown" };
    } catch (error) {
      // What cannot be serialised was never sent: a mistake of ours, and no doubt about the outcome.
      if (error instanceof Error && error.name === "DataCloneError") throw error;
      if (!(error as { overloaded?: boolean }).overloaded) failed = "unknown";
      const { overloaded } = error as { overloaded?: boolean };
      log("warn", { failure: "ledger_call", attempt, overloaded, error: nameOf(error) });
      if (attempt < TRIES_MAX) await sleep(PAUSE_MS * attempt);
    }
  }
  return { failed };
}

function ledgerOf(
  { LEDGERS }: Pick<Env, "LEDGERS">,
  reference: ChargeReference | DurableObjectId,
  options: DurableObjectNamespaceGetDurableObjectOptions,
) {
  if (!("app" in reference)) return LEDGERS.get(reference, options);
  return LEDGERS.getByName(ledgerName(reference.app, reference.livemode, reference.charge), options);
}

/** As `callLedger`, for calls whose outcome the client may simply ask for again: throws `unavailable`. */
export async function askLedger<Answer>(
  env: Pick<Env, "LEDGERS">,
  reference: ChargeReference,
  locationHint: AppSettings["location_hint"],
  call: (ledger: LedgerSurface) => Promise<Answer>,
): Promise<Answer> {
  const outcome = await callLedger(env, reference, locationHint, 0, call);
  if ("failed" in outcome) throw new ProblemError({ code: "unavailable", retryAfterSeconds: 5 });
  return outcome.answer;
}
