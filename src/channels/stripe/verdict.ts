// What Stripe's words mean: the table of refund statuses and the table of errors. What is in neither is `unknown`.
import type { RefundOrder, Verdict } from "../channel.ts";
import { fromStripeAmount } from "./amount.ts";
import { numberIn } from "./refund-form.ts";
import type { StripeError, StripeRefund } from "./schema.ts";

type DistributiveOmit<Union, Keys extends string> = Union extends unknown ? Omit<Union, Keys> : never;
/** A verdict without the facts that every verdict carries. */
export type Said = DistributiveOmit<Verdict, "number" | "amount" | "currency" | "askedAt">;

/** A definite no: the parameters were understood, and nothing moved. */
const REFUSALS = new Set([
  "amount_too_small",
  "balance_insufficient",
  "charge_disputed",
  "insufficient_funds",
  "invalid_charge_amount_no_decimal_compatible",
  "parameter_invalid_empty",
  "parameter_invalid_integer",
  "parameter_missing",
  "parameter_unknown",
  "parameters_exclusive",
  "payment_intent_unexpected_state",
  "refund_disputed_payment",
  "resource_missing",
]);

/** The account, not the refund, is what Stripe objects to. */
const CONFIGURATION = new Set([
  "account_invalid",
  "api_key_expired",
  "livemode_mismatch",
  "platform_api_key_expired",
  "secret_key_required",
  "testmode_charges_only",
]);

const WORDS_MAX = 500;
const CONFIGURATION_RETRY_MS = 3_600_000;

/** What a refund at Stripe says of ours. `succeededAt` (Unix seconds) where the time of success is known. */
export function readRefund(refund: StripeRefund, number: string, now: number, succeededAt?: number): Verdict {
  const currency = refund.currency.toLowerCase();
  const amount = fromStripeAmount(refund.amount, currency);
  const facts = { number, amount, currency, askedAt: now, memory: refund.id };
  switch (refund.status) {
    case "succeeded":
      return { ...facts, kind: "succeeded", transactionNo: refund.id, succeededAt };
    case "pending":
      return { ...facts, kind: "accepted", transactionNo: refund.id };
    // The customer has to tell Stripe where the money is to go; nobody else can move it on.
    case "requires_action":
      return { ...facts, kind: "accepted", transactionNo: refund.id, attention: "channel_abnormal" };
    case "failed":
    case "canceled": {
      const code = refund.failure_reason ?? refund.status;
      const words = `The refund ${refund.status} at Stripe: ${code}.`;
      const failureCode = refund.status === "canceled" ? "refund_canceled" : "refund_refused_msg";
      return { ...facts, kind: "declined", code, words, failureCode };
    }
    default:
      return { ...facts, kind: "unknown", failureCode: "refund_unexpected_status" };
  }
}

/**
 * What an error says of a submission. `refundedElsewhere`: the charge has less left than is asked for, which is not a
 * plain failure; what was refunded must be looked at first.
 */
export function readError(
  status: number,
  error: StripeError | null,
  now: number,
  throttledUntil: number,
): Said | "refundedElsewhere" {
  const code = error?.code ?? error?.type ?? `http_${status}`;
  const words = (error?.message ?? "").slice(0, WORDS_MAX);
  if (status === 429) return { kind: "notSent", reason: "throttled", retryAt: throttledUntil };
  const isOurAccount = status === 401 || status === 403 || (status < 500 && CONFIGURATION.has(code));
  if (isOurAccount) return misconfigured(now);
  if (status === 400 || status === 402 || status === 404) {
    if (code === "charge_already_refunded" || (status === 400 && exceedsWhatIsLeft(error)))
      return "refundedElsewhere";
    if (REFUSALS.has(code)) return { kind: "declined", code, words, failureCode: "refund_refused_msg" };
  }
  return { kind: "unknown", failureCode: "channel_request_error", words: `${code} ${words}`.trim() };
}

/** Nothing was sent, because the account cannot be used; somebody must mend it. */
export function misconfigured(now: number): Said {
  return { kind: "notSent", reason: "configuration", retryAt: now + CONFIGURATION_RETRY_MS };
}

/** Stripe names the parameter, and mostly no code, when a refund is greater than what is left of its charge. */
function exceedsWhatIsLeft(error: StripeError | null): boolean {
  const isUncoded = error?.code === undefined || error.code === null || error.code === "amount_too_large";
  return isUncoded && error?.type === "invalid_request_error" && error.param === "amount";
}

/** A verdict in which Stripe says nothing of an amount. */
export function saying(order: RefundOrder, now: number, said: Said): Verdict {
  return { ...said, number: order.number, amount: null, currency: null, askedAt: now };
}

/** Those of a charge's refunds that bear our number. */
export function bearing(number: string, refunds: readonly StripeRefund[]): StripeRefund[] {
  return refunds.filter(({ metadata }) => numberIn(metadata?.refund_id) === number);
}

/** Of the refunds that bear a number, what is true of it; null when there is none. */
export function readBearing(found: readonly StripeRefund[], number: string, now: number): Verdict | null {
  const standing = found.filter(isStanding);
  const [refund] = standing.length > 0 ? standing : found;
  if (refund === undefined) return null;
  const verdict = readRefund(refund, number, now);
  if (standing.length <= 1) return verdict;
  // One number, paid twice: the sum is another amount than was asked for, and so raises attention.
  const amount = standing.reduce((sum, one) => sum + fromStripeAmount(one.amount, one.currency), 0);
  return { ...verdict, amount };
}

/** Refunds of the same amount that bear no number of ours: made by somebody else, or with their metadata edited. */
export function unnumbered(
  refunds: readonly StripeRefund[],
  order: RefundOrder,
  sinceSeconds = 0,
): StripeRefund[] {
  return refunds.filter(
    (refund) =>
      isStanding(refund) &&
      (refund.metadata?.refund_id ?? "") === "" &&
      refund.created >= sinceSeconds &&
      refund.currency.toLowerCase() === order.currency &&
      fromStripeAmount(refund.amount, order.currency) === order.amount,
  );
}

function isStanding({ status }: StripeRefund): boolean {
  return status !== "failed" && status !== "canceled";
}
