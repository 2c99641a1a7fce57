// Creates a batch: it is stored with the commands of all its refunds, and only then are their ledgers asked, by whoever
// replays stored commands. So a crash at any charge leaves nothing undone and nothing done twice: the ids of a batch and
// of its refunds follow from its number, and of two batches under one number the second is the first.
//
// A charge that D1 knows to be beyond a refund refuses the whole batch, which names it. What only its ledger knows comes
// too late for that: that refund comes to exist as failed, in the words of the refusal. An amount that is left out is what
// D1 says is left now: what the client is told is what the ledger is asked for, and it refuses what is no longer there.
import type { Principal } from "../auth/principal.ts";
import { giveBackForBatch, takeForBatch } from "../budgets/take-allowance.ts";
import { isChargeId } from "../charges/charge.ts";
import { database } from "../db/client.ts";
import type { Env } from "../env.ts";
import { invalid, ProblemError } from "../http/problem.ts";
import { canonicalJson, fingerprintOf } from "../idempotency/fingerprint.ts";
import { derivedId, type IdKind } from "../ids.ts";
import type { Language } from "../refunds/refund.ts";
import { rulesOf } from "../refunds/refund-command.ts";
import { type BatchItem, leftOf, refusalOf } from "./batch.ts";
import { itemCommand } from "./item-command.ts";
import { type BatchRow, findSituation, insertBatch, type NewBatch, type Situation } from "./repository.ts";
import type { CreateBatchBody } from "./schema.ts";

export interface BatchRequest {
  body: CreateBatchBody;
  language: Language;
  requestId: string;
  /** ms. */
  requestedAt: number;
}

/** The batch as it is stored, and whether it was before; its commands are still to be woken. Throws problems; none of them once it may be stored, but 503. */
export async function createBatch(
  env: Env,
  principal: Principal,
  request: BatchRequest,
): Promise<{ batch: BatchRow; replayed: boolean }> {
  const { app, livemode } = principal;
  const { body } = request;
  refuseRepeatedCharges(body);
  const fingerprint = await fingerprintOf({
    charges: [...body.charges].sort((a, b) => (a.charge < b.charge ? -1 : 1)),
    description: body.description,
    metadata: body.metadata,
  });
  const db = database(env, app, livemode);
  const ids = body.charges.map(({ charge }) => charge);
  const situation = await findSituation(db, app, livemode, body.batch_no, ids);
  if (situation.batch !== undefined) return repeatOf(situation.batch, fingerprint);

  const items = await Promise.all(body.charges.map((given) => itemOf(principal, body, given, situation)));
  const batch: NewBatch = {
    app,
    livemode,
    id: await idOf("batch", app, livemode, body.batch_no),
    batchNo: body.batch_no,
    description: body.description,
    metadata: body.metadata,
    items,
    fingerprint,
    request: request.requestId,
    state: "processing",
    created: Math.floor(request.requestedAt / 1000),
    timeSucceeded: null,
  };
  // Of two requests under one number both may take it: the refunds are the same, and count once.
  const allowances = await takeForBatch(
    env,
    principal,
    items.map(({ charge, refund, amount }) => ({ refund, amount, currency: currencyOf(situation, charge) })),
  );
  const commands = items.map((item, i) => {
    // Of the app's accounts only the charge's own: a hundred commands would be a hundred copies of each.
    const channel = situation.charges.get(item.charge)?.channel;
    const accounts = Object.entries(principal.accounts).filter(([name]) => name === channel);
    const allowance = allowances[i];
    return itemCommand(batch, item, {
      apiKey: principal.apiKey,
      language: request.language,
      request: request.requestId,
      requestedAt: request.requestedAt,
      accounts: Object.fromEntries(accounts),
      rules: rulesOf(principal.settings),
      ...(allowance === undefined ? {} : { allowance }),
    });
  });
  const stored = await insertBatch(db, batch, commands, request.requestedAt);
  if (stored?.request !== batch.request) {
    await giveBackForBatch(env, principal, surplusOf(items, stored?.items ?? []));
  }
  if (stored === undefined) throw new ProblemError({ code: "unavailable", retryAfterSeconds: 5 });
  if (stored.request !== batch.request) return repeatOf(stored, fingerprint);
  return { batch: stored, replayed: false };
}

function repeatOf(batch: BatchRow, fingerprint: string): { batch: BatchRow; replayed: boolean } {
  if (batch.fingerprint === fingerprint) return { batch, replayed: true };
  throw new ProblemError({ code: "batch_no_used", batchNo: batch.batchNo, batch: batch.id });
}

/** What is left to be made of the refunds of a batch that another one came before, where that is less than it wanted. */
function surplusOf(wanted: readonly BatchItem[], stored: readonly BatchItem[]) {
  const kept = new Map(stored.map(({ refund, amount }) => [refund, amount]));
  return wanted.flatMap(({ refund, amount }) => {
    const left = kept.get(refund) ?? 0;
    return left < amount ? [{ refund, amount: left }] : [];
  });
}

function refuseRepeatedCharges({ charges }: CreateBatchBody): void {
  const seen = new Set<string>();
  for (const { charge } of charges) {
    if (seen.has(charge)) throw invalid("charges", `${charge} 重复`, `${charge} is in it twice`);
    seen.add(charge);
  }
}

async function itemOf(
  { app, livemode, settings }: Principal,
  body: CreateBatchBody,
  given: CreateBatchBody["charges"][number],
  situation: Situation,
): Promise<BatchItem> {
  const { charge: id, amount, description, funding_source: fundingSource } = given;
  const charge = isChargeId(id) ? situation.charges.get(id) : undefined;
  if (charge === undefined) throw new ProblemError({ code: "not_found", object: "charge", id });
  if (settings.require_amount && amount === undefined) {
    throw invalid("charges", `${id} 缺少 amount`, `${id} comes without its amount`);
  }
  const refusal = refusalOf(charge, amount, settings.refund_attempts_max);
  if (refusal !== null) throw new ProblemError({ code: "batch_refused", charge: id, refusal });
  return {
    charge: id,
    orderNo: charge.orderNo,
    refund: await idOf("refund", app, livemode, body.batch_no, id),
    amount: amount ?? leftOf(charge),
    ...(description === undefined ? {} : { description }),
    ...(fundingSource === undefined ? {} : { fundingSource }),
  };
}

function currencyOf({ charges }: Situation, id: string): string {
  return charges.get(id)?.currency ?? "";
}

async function idOf(kind: IdKind, ...facts: (string | boolean)[]): Promise<string> {
  const text = canonicalJson(["batch_no", ...facts]);
  return derivedId(
    kind,
    new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))),
  );
}
