// Creates a refund: one hop to the charge's ledger, and nothing else on the way. Once a reservation may have been
// made there is no way back to an error: if the ledger's answer stays unknown, the command is stored and replayed
// under the same refund id, and the client is told that the refund is pending.
import { sha256Hex } from "../auth/digest.ts";
import type { Principal } from "../auth/principal.ts";
import { isChargeId } from "../charges/charge.ts";
import {
  CALL,
  type CreateAnswer,
  type CreateCommand,
  type Hydration,
  type Replayed,
} from "../charges/ledger-calls.ts";
import { callLedger } from "../charges/ledger-client.ts";
import { findHydration } from "../charges/repository.ts";
import { database } from "../db/client.ts";
import type { Env } from "../env.ts";
import { invalid, ProblemError } from "../http/problem.ts";
import { canonicalJson, fingerprintOf } from "../idempotency/fingerprint.ts";
import { derivedId, mintId, type Random } from "../ids.ts";
import { promise } from "../reconciliation/promise-refund.ts";
import type { Fingerprints, Language } from "./refund.ts";
import type { CreateRefundBody } from "./schema.ts";

/** Everything of the request that matters to the refund. */
export interface RefundRequest {
  charge: string;
  body: CreateRefundBody;
  idempotencyKey: string | null;
  rawBody: Uint8Array<ArrayBuffer>;
  signature: string | null;
  /** `Pingplusplus-Request-Timestamp`, Unix seconds. */
  timestamp: number | null;
  /** Whether one of Ping++'s SDKs sent it. */
  pingpp: boolean;
  waitMs: number;
  language: Language;
  requestId: string;
  /** When the request came, ms. */
  requestedAt: number;
}

/** Answers with the rendered refund. Throws problems; none of them once the refund may exist. */
export async function createRefund(
  env: Env,
  principal: Principal,
  request: RefundRequest,
  random: Random,
): Promise<{ refund: string; replayed: Replayed }> {
  const unknown = new ProblemError({ code: "not_found", object: "charge", id: request.charge });
  if (!isChargeId(request.charge)) throw unknown;
  const { app, livemode, settings } = principal;
  if (settings.require_amount && request.body.amount === undefined) {
    throw invalid("amount", "缺少该参数", "it is required");
  }
  const command = await commandFrom(principal, request, random);
  const reference = { app, livemode, charge: request.charge };
  const send = (known: CreateCommand, hydration?: Hydration) =>
    callLedger(env, reference, settings.location_hint, request.waitMs, (ledger) =>
      ledger.create({ ...CALL, command: known, hydration }),
    );

  let outcome = await send(command);
  // A try before the ledger lost its memory may have reserved: what it says without it is no answer to that.
  const inDoubt = "answer" in outcome && outcome.inDoubt;
  if ("answer" in outcome && "unhydrated" in outcome.answer) {
    // The ledger has nothing, so nothing was reserved: an error is still an honest answer.
    const hydration = await findHydration(database(env, app, livemode), app, livemode, request.charge);
    if (hydration === null) throw unknown;
    outcome = await send(command, hydration);
  }
  if ("failed" in outcome && outcome.failed === "overloaded" && !inDoubt)
    throw new ProblemError({ code: "unavailable", retryAfterSeconds: 2 });
  if ("failed" in outcome || ((inDoubt || outcome.inDoubt) && !isBinding(outcome.answer))) {
    return { refund: await promise(env, command), replayed: false };
  }
  return answerOf(outcome.answer);
}

/** A ledger that was lost, or that is older than this Worker, cannot say that an earlier try has not reserved. */
function isBinding(answer: CreateAnswer): boolean {
  if (!("refusal" in answer)) return true;
  const { refusal } = answer;
  return refusal.code !== "unsupported" && !(refusal.code === "charge_frozen" && refusal.freeze === "lost");
}

function answerOf(answer: CreateAnswer): { refund: string; replayed: Replayed } {
  if ("ok" in answer) return answer.ok;
  if ("refusal" in answer) throw new ProblemError(answer.refusal);
  throw new ProblemError({ code: "unavailable", retryAfterSeconds: 1 });
}

async function commandFrom(
  principal: Principal,
  request: RefundRequest,
  random: Random,
): Promise<CreateCommand> {
  const { body } = request;
  const { app, livemode, settings, apiKey } = principal;
  const refundNo = body.refund_no ?? (settings.metadata_refund_no ? refundNoIn(body.metadata) : null);
  const keyed = refundNo !== null || request.idempotencyKey !== null;
  const parameters = {
    amount: body.amount,
    description: body.description,
    metadata: body.metadata,
    funding_source: body.funding_source,
    extra: body.extra,
    refund_no: refundNo,
  };
  const fingerprint = keyed ? await fingerprintOf(parameters) : null;
  return {
    app,
    livemode,
    charge: request.charge,
    refund:
      fingerprint === null
        ? mintId("refund", random)
        : await keyedRefundId(principal, request, refundNo, fingerprint),
    amount: body.amount ?? null,
    description: body.description,
    metadata: body.metadata,
    fundingSource: body.funding_source ?? null,
    extra: body.extra,
    refundNo,
    idempotencyKey: request.idempotencyKey,
    fingerprint,
    repeats: keyed ? null : await repeatsOf(principal, request),
    waitMs: request.waitMs,
    language: request.language,
    apiKey,
    request: request.requestId,
    requestedAt: request.requestedAt,
    accounts: principal.accounts,
    rules: {
      windows: settings.refund_windows,
      refundsMax: settings.refunds_max,
      refundAttemptsMax: settings.refund_attempts_max,
      duplicateWindowMs: settings.duplicate_window_seconds * 1000,
      verifyPayments: settings.verify_payments,
    },
  };
}

function refundNoIn(metadata: Record<string, string>): string | null {
  const given = metadata.refund_no;
  if (given === undefined) return null;
  if (/^[0-9A-Za-z_\-|*@]{1,64}$/.test(given)) return given;
  throw invalid(
    "metadata",
    "refund_no 必须为 1 到 64 位字母、数字或 _-|*@",
    "refund_no must be 1 to 64 letters, digits or _-|*@",
  );
}

/**
 * The id of a refund that has a key of its own follows from the key and the parameters: whichever request reaches the
 * ledger first, and also while none does, the same request is the same refund, and another one never takes its place.
 */
async function keyedRefundId(
  { app, livemode }: Principal,
  { charge, idempotencyKey }: RefundRequest,
  refundNo: string | null,
  fingerprint: string,
): Promise<string> {
  const key = refundNo === null ? ["idempotency_key", idempotencyKey] : ["refund_no", refundNo];
  const text = canonicalJson([app, livemode, charge, ...key, fingerprint]);
  return derivedId(
    "refund",
    new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))),
  );
}

async function repeatsOf(principal: Principal, request: RefundRequest): Promise<Fingerprints> {
  return {
    apiKey: principal.apiKey,
    body: await sha256Hex(request.rawBody),
    signature: request.signature,
    timestamp: request.timestamp,
    pingpp: request.pingpp,
  };
}
