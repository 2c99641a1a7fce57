// The command a refund is made with: the request, and everything of the app that its charge's ledger must know, resolved
// by the Worker so that the ledger needs to ask nobody.
import type { AppSettings } from "../apps/schema.ts";
import { sha256Hex } from "../auth/digest.ts";
import type { Principal } from "../auth/principal.ts";
import type { CreateCommand, RefundRules } from "../charges/ledger-calls.ts";
import { invalid } from "../http/problem.ts";
import { canonicalJson, fingerprintOf } from "../idempotency/fingerprint.ts";
import { derivedId, mintId, type Random } from "../ids.ts";
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

/** Throws `invalid_parameter` for a refund_no in the metadata that cannot be one. */
export async function refundCommand(
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
    rules: rulesOf(settings),
  };
}

/** An app's settings as far as ledgers need them. */
export function rulesOf(settings: AppSettings): RefundRules {
  const approvalLimits = settings.approval_limit;
  return {
    windows: settings.refund_windows,
    refundsMax: settings.refunds_max,
    refundAttemptsMax: settings.refund_attempts_max,
    duplicateWindowMs: settings.duplicate_window_seconds * 1000,
    verifyPayments: settings.verify_payments,
    ...(Object.keys(approvalLimits).length === 0 ? {} : { approvalLimits }),
    ...(settings.delay_seconds === 0 ? {} : { delayMs: settings.delay_seconds * 1000 }),
  };
}

/** What the ledger must know to carry a command out: an older one refuses what it would otherwise overlook. */
export function featuresOf(command: CreateCommand): string[] {
  const features: string[] = [];
  if (command.rules.approvalLimits !== undefined) features.push("approval");
  if (command.rules.delayMs !== undefined) features.push("delay");
  if (command.reverses) features.push("reverse");
  if (command.batch !== undefined) features.push("batch");
  if (command.allowance !== undefined) features.push("allowance");
  return features;
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
