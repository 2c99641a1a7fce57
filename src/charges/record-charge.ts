// Records a payment that was collected elsewhere. D1 first, because only there can one see that a transaction_no
// belongs to another charge; then the ledger, which owns the facts from then on. Repeating a call is harmless.
import type { Principal } from "../auth/principal.ts";
import { type Database, database } from "../db/client.ts";
import type { Env } from "../env.ts";
import { invalid, ProblemError } from "../http/problem.ts";
import { canonicalJson } from "../idempotency/fingerprint.ts";
import { derivedId } from "../ids.ts";
import { type Charge, isChargeId } from "./charge.ts";
import { CALL, type ChargeChange, type HeldPayment, type RecordAnswer } from "./ledger-calls.ts";
import { askLedger } from "./ledger-client.ts";
import { ledgerFingerprint } from "./ledger-namespace.ts";
import {
  claimPayment,
  findCharge,
  findHydration,
  hydrationOf,
  insertCharge,
  releasePayment,
} from "./repository.ts";
import type { RecordChargeBody, UpdateChargeBody } from "./schema.ts";

/** How far a merchant's clock may be ahead of ours. */
const CLOCK_SKEW_MS = 300_000;

/** Answers with the rendered charge. `now` in ms since the epoch. */
export async function recordCharge(
  env: Env,
  principal: Principal,
  body: RecordChargeBody,
  now: number,
): Promise<string> {
  const charge = await chargeFrom(principal, body, now);
  const recorded = await record(env, principal, charge, body);
  if (recorded !== "another_payment") return recorded;
  if (body.id !== undefined) {
    throw invalid("id", "该 id 已用于另一笔付款", "this id belongs to another payment");
  }
  // The order was paid once more: another transaction_no is another payment and gets a charge of its own.
  const second = { ...charge, id: await chargeIdOf(charge, charge.transactionNo) };
  const again = await record(env, principal, second, body);
  if (again === "another_payment") throw new ProblemError({ code: "transaction_no_used" });
  return again;
}

async function record(
  env: Env,
  principal: Principal,
  charge: Charge,
  body: RecordChargeBody,
): Promise<string | "another_payment"> {
  const db = database(env, charge.app, charge.livemode);
  const { row, owner, claimed } = await insertCharge(db, charge, ledgerFingerprint(env));
  const { transactionNo } = charge;
  if (row !== undefined) refuseOtherFacts(row.doc, charge);
  if (transactionNo !== null && owner !== charge.id) {
    const second = body.id === undefined ? await chargeIdOf(charge, transactionNo) : null;
    // No owner: this charge has another payment already. The second charge owns it: it was recorded before.
    if (owner === null || owner === second) return "another_payment";
    throw new ProblemError({ code: "transaction_no_used" });
  }
  if (row === undefined) throw new ProblemError({ code: "internal" });

  // A repeat says what a first recording would have said.
  const change: ChargeChange = {};
  if (charge.paid) change.paid = true;
  if (charge.timePaid !== null) change.timePaid = charge.timePaid;
  if (transactionNo !== null) change.transactionNo = transactionNo;
  const hydration = row.ledgerOpenedAt === null ? hydrationOf(row, []) : undefined;
  const answer = await recordInLedger(env, principal, charge.id, change, false, hydration);
  await releaseOthers(db, charge, answer.held, claimed ? transactionNo : null);
  if ("ok" in answer) return answer.ok.charge;
  if (answer.refusal.code === "another_payment") return "another_payment";
  throw new ProblemError(answer.refusal);
}

/** Gives up the claims of a charge to payments that its ledger does not hold: only the ledger knows which it holds. */
async function releaseOthers(
  db: Database,
  charge: Charge,
  held: HeldPayment,
  claimed: string | null,
): Promise<void> {
  for (const transactionNo of new Set([claimed, held.before])) {
    if (transactionNo !== null && transactionNo !== held.after)
      await releasePayment(db, charge, transactionNo);
  }
}

/** Changes a recorded charge. Answers with the rendered charge. */
export async function updateCharge(
  env: Env,
  principal: Principal,
  id: string,
  body: UpdateChargeBody,
  now: number,
): Promise<string> {
  const unknown = new ProblemError({ code: "not_found", object: "charge", id });
  if (!isChargeId(id)) throw unknown;
  refuseFuture("time_paid", body.time_paid, now);
  const { app, livemode } = principal;
  const db = database(env, app, livemode);
  const change: ChargeChange = {
    metadata: body.metadata,
    description: body.description,
    paid: body.paid,
    timePaid: body.time_paid,
    transactionNo: body.transaction_no,
  };
  const { transactionNo } = change;
  if (transactionNo === undefined) {
    const answer = await recordInLedger(env, principal, id, change, true);
    if ("refusal" in answer) throw new ProblemError(answer.refusal);
    return answer.ok.charge;
  }
  const known = await findCharge(db, app, livemode, id);
  if (known === undefined) throw unknown;
  const { owner, claimed } = await claimPayment(db, known.doc, transactionNo);
  if (owner !== id) throw new ProblemError({ code: "transaction_no_used" });
  const answer = await recordInLedger(env, principal, id, change, true);
  await releaseOthers(db, known.doc, answer.held, claimed ? transactionNo : null);
  if ("refusal" in answer) throw new ProblemError(answer.refusal);
  return answer.ok.charge;
}

async function recordInLedger(
  env: Env,
  principal: Principal,
  charge: string,
  change: ChargeChange,
  correct: boolean,
  hydration?: NonNullable<Awaited<ReturnType<typeof findHydration>>>,
): Promise<Exclude<RecordAnswer, { unhydrated: true }>> {
  const { app, livemode, settings } = principal;
  const reference = { app, livemode, charge };
  const ask = (known: typeof hydration) =>
    askLedger(env, reference, settings.location_hint, (ledger) =>
      ledger.record({ ...CALL, change, correct, hydration: known }),
    );
  const answer = await ask(hydration);
  if (!("unhydrated" in answer)) return answer;
  const known = await findHydration(database(env, app, livemode), app, livemode, charge);
  if (known === null) throw new ProblemError({ code: "not_found", object: "charge", id: charge });
  const second = await ask(known);
  if ("unhydrated" in second) throw new ProblemError({ code: "unavailable", retryAfterSeconds: 1 });
  return second;
}

async function chargeFrom(principal: Principal, body: RecordChargeBody, now: number): Promise<Charge> {
  const { app, livemode, settings } = principal;
  // A create names its app. A whole charge object, which has an id, says under which app Ping++ had it.
  const isWhole = body.id !== undefined && typeof body.app === "string";
  const named = typeof body.app === "string" ? body.app : body.app?.id;
  if (named !== undefined && named !== app && !isWhole) {
    throw invalid("app", "与 API KEY 所属的应用不符", "it is not the app of this API key");
  }
  if (body.id !== undefined && !isChargeId(body.id)) {
    throw invalid("id", "格式必须为 ch_ 加 24 位字母或数字", "it must be ch_ and 24 letters or digits");
  }
  const transactionNo = body.transaction_no ?? null;
  if (livemode && body.paid === undefined && transactionNo === null && body.id === undefined) {
    throw new ProblemError({ code: "checkout_call" });
  }
  if (body.amount > settings.charge_amount_max) {
    const max = settings.charge_amount_max;
    throw invalid("amount", `不能大于 ${max}`, `it must be at most ${max}`);
  }
  refuseFuture("time_paid", body.time_paid, now);
  refuseFuture("created", body.created, now);
  const refundedElsewhere = body.amount_refunded ?? 0;
  if (refundedElsewhere > body.amount) {
    throw invalid("amount_refunded", "不能大于 amount", "it must not exceed amount");
  }
  const paid = body.paid ?? (!livemode || transactionNo !== null);
  const created = body.created ?? Math.floor(now / 1000);
  const facts = {
    app,
    livemode,
    orderNo: body.order_no,
    channel: body.channel,
    amount: body.amount,
    currency: body.currency,
  };
  return {
    ...facts,
    id: body.id ?? (await chargeIdOf(facts, null)),
    created,
    paid,
    reversed: body.reversed ?? false,
    clientIp: body.client_ip ?? null,
    amountSettle: body.amount_settle ?? 0,
    subject: body.subject ?? "",
    body: body.body ?? "",
    extra: body.extra,
    timePaid: paid ? (body.time_paid ?? created) : null,
    timeExpire: body.time_expire ?? null,
    timeSettle: body.time_settle ?? null,
    transactionNo,
    refundedElsewhere,
    disputed: 0,
    metadata: body.metadata,
    description: body.description ?? null,
    version: 1,
  };
}

/** Refund windows run from the payment: one that is still to come would stretch them. */
function refuseFuture(param: string, seconds: number | null | undefined, now: number): void {
  if (seconds == null || seconds * 1000 <= now + CLOCK_SKEW_MS) return;
  throw invalid(param, "不能晚于现在", "it must not lie in the future");
}

/** The id of a charge that came without one: the same for the same order, so that repeating a call is harmless. */
async function chargeIdOf(
  facts: Pick<Charge, "app" | "livemode" | "orderNo" | "channel" | "amount" | "currency">,
  transactionNo: string | null,
): Promise<string> {
  const { app, livemode, orderNo, channel, amount, currency } = facts;
  const text = canonicalJson([app, livemode, orderNo, channel, amount, currency, transactionNo]);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return derivedId("charge", new Uint8Array(digest));
}

/** A given id must mean the same payment every time. */
function refuseOtherFacts(known: Charge, told: Charge): void {
  for (const fact of ["amount", "currency", "channel", "orderNo"] as const) {
    if (known[fact] !== told[fact]) {
      const param = fact === "orderNo" ? "order_no" : fact;
      throw invalid(
        param,
        "与该 id 已记录的 charge 不符",
        "a charge with this id was recorded with another value",
      );
    }
  }
}
