// What operators do with ledgers: a frozen charge is adopted, a whole book is read, and D1 is told again what ledgers know,
// also where it has forgotten that there are any. No app learns anything of another's.
import type { Principal } from "../auth/principal.ts";
import { database } from "../db/client.ts";
import type { Env } from "../env.ts";
import { ProblemError } from "../http/problem.ts";
import type { Refund } from "../refunds/refund.ts";
import type { Adoption } from "./book.ts";
import { type Charge, type Freeze, isChargeId } from "./charge.ts";
import { type AdoptAnswer, CALL, type Export, type Hydration } from "./ledger-calls.ts";
import { askLedger, type ChargeReference, callLedger, ledgerId } from "./ledger-client.ts";
import { findHydration } from "./repository.ts";

/** How long the channel may take on top of what a ledger may: a refund in conflict is asked about once more. */
const CHANNEL_PATIENCE_MS = 30_000;

/** Answers with the rendered charge. Throws problems: when nothing is frozen, and when it is too early. */
export async function adoptCharge(
  env: Env,
  principal: Principal,
  charge: string,
  given: { by: string; reason: string; request: string },
): Promise<string> {
  const { app, livemode, apiKey, settings } = principal;
  const reference = referenceOf(principal, charge);
  const adopt = async (hydration?: Hydration): Promise<AdoptAnswer> => {
    const call = { ...CALL, requires: ["adopt"], ...given, apiKey, ...(hydration && { hydration }) };
    const outcome = await callLedger(
      env,
      reference,
      settings.location_hint,
      CHANNEL_PATIENCE_MS,
      async (ledger) => ledger.adopt(call),
    );
    if ("failed" in outcome) throw new ProblemError({ code: "unavailable", retryAfterSeconds: 5 });
    return outcome.answer;
  };
  let answer = await adopt();
  if ("unhydrated" in answer) {
    const known = await findHydration(database(env, app, livemode), app, livemode, charge);
    if (known === null) throw notFound(charge);
    // A ledger that has not been opened yet has nothing that could be frozen; a lost one takes over what D1 knows.
    if (!known.opened) throw new ProblemError({ code: "charge_not_frozen", charge });
    answer = await adopt(known);
  }
  if ("unhydrated" in answer) throw notFound(charge);
  if ("refusal" in answer) throw new ProblemError(answer.refusal);
  return answer.ok.charge;
}

/** A book as operators read it. `source`: what is not in the ledger yet, or not any more, comes from D1. */
export interface LedgerObject {
  object: "ledger";
  source: "ledger" | "database";
  charge: object;
  freeze: Freeze | null;
  adoptions: object[];
  refunds: object[];
  /** The ids of events that D1 does not have yet. */
  undelivered: string[];
}

export async function exportLedger(env: Env, principal: Principal, charge: string): Promise<LedgerObject> {
  const { app, livemode, settings } = principal;
  const reference = referenceOf(principal, charge);
  const answer = await askLedger(env, reference, settings.location_hint, (ledger) =>
    ledger.export({ ...CALL, requires: ["export"] }),
  );
  if ("ok" in answer) return ledgerObject("ledger", answer.ok);
  const known = await findHydration(database(env, app, livemode), app, livemode, charge);
  if (known === null) throw notFound(charge);
  return ledgerObject("database", { ...known, undelivered: [] });
}

export interface Rebuilt {
  ledger?: string;
  charge: string | null;
  status: "told" | "not_found" | "unavailable";
}

/** Has the ledger of each charge tell D1 everything again. */
export function rebuildCharges(
  env: Env,
  principal: Principal,
  charges: readonly string[],
): Promise<Rebuilt[]> {
  return Promise.all(
    charges.map(async (charge) => {
      const { app, livemode } = principal;
      const known = isChargeId(charge) ? { app, livemode, charge } : null;
      return { ...(await retell(env, principal, known)), charge };
    }),
  );
}

/** The same by the ids of the objects, where D1 knows no charge any more. */
export function rebuildLedgers(
  env: Env,
  principal: Principal,
  ledgers: readonly string[],
): Promise<Rebuilt[]> {
  return Promise.all(
    ledgers.map(async (ledger) => ({ ledger, ...(await retell(env, principal, ledgerId(env, ledger))) })),
  );
}

async function retell(
  env: Env,
  { app, livemode, settings }: Principal,
  reference: ChargeReference | DurableObjectId | null,
): Promise<Rebuilt> {
  if (reference === null) return { charge: null, status: "not_found" };
  const outcome = await callLedger(env, reference, settings.location_hint, 0, (ledger) =>
    ledger.retell({ ...CALL, requires: ["retell"], app, livemode }),
  );
  if ("failed" in outcome || "refusal" in outcome.answer) return { charge: null, status: "unavailable" };
  if ("unhydrated" in outcome.answer) return { charge: null, status: "not_found" };
  const { charge, told } = outcome.answer.ok;
  return { charge, status: told ? "told" : "unavailable" };
}

function referenceOf({ app, livemode }: Principal, charge: string): ChargeReference {
  // A guess is refused before it costs anything.
  if (!isChargeId(charge)) throw notFound(charge);
  return { app, livemode, charge };
}

function notFound(id: string): ProblemError {
  return new ProblemError({ code: "not_found", object: "charge", id });
}

function ledgerObject(source: LedgerObject["source"], book: Export): LedgerObject {
  const { freeze, undelivered } = book;
  return {
    object: "ledger",
    source,
    charge: snakeCased(book.charge),
    freeze,
    adoptions: (book.adoptions ?? []).map(snakeCased),
    refunds: book.refunds.map(refundRecord),
    undelivered,
  };
}

/** Without what tells a client's repeats, and without what a connector remembers. */
function refundRecord({ fingerprint, repeats, memory, ...refund }: Refund): object {
  return snakeCased(refund);
}

/** What belongs to the merchant or to a channel keeps its own names. */
const OPAQUE = new Set(["metadata", "extra", "disputes"]);

function snakeCased(record: Charge | Adoption | Omit<Refund, "fingerprint" | "repeats" | "memory">): object {
  return renamed(record) as object;
}

function renamed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(renamed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      OPAQUE.has(name) ? inner : renamed(inner),
    ]),
  );
}
