// Before a charge's first live refund is sent: the payment is claimed for the charge, so that two apps cannot refund the
// same one, and confirmed at the channel as it was recorded. Nothing has been sent by then, so a definite no ends the
// refund, and what cannot be told is tried again later.
import type { Channel, ChannelAccount, PaymentCheck, Verdict } from "../channels/channel.ts";
import type { Charge } from "../charges/charge.ts";
import type { LedgerPorts } from "../charges/ledger-ports.ts";
import { within } from "../deadline.ts";
import { nameOf } from "../log.ts";
import { type Refund, refundOrderNo } from "./refund.ts";

const CLAIM_TIMEOUT_MS = 5_000;
const CHECK_TIMEOUT_MS = 10_000;
/** All of them together stay within the lease of the submission. */
const TURNED_AWAY_TIMEOUT_MS = 4_000;
const RETRY_MS = 30_000;
/** Sooner when somebody asks for it (`sync`). */
const CONFIGURATION_RETRY_MS = 3_600_000;

export type PaymentOutcome =
  /** `transactionNo`: the channel's, for a charge that was recorded without. */
  { verified: true; transactionNo: string | null } | { verdict: Verdict };

/** Never throws. */
export async function verifyPayment(
  ports: LedgerPorts,
  charge: Charge,
  refund: Refund,
  channel: Channel,
  account: ChannelAccount,
): Promise<PaymentOutcome> {
  const askedAt = Math.max(ports.now(), refund.askedAt ?? 0);
  const facts = { number: refundOrderNo(refund.id), amount: null, currency: null, askedAt };
  const later: PaymentOutcome = {
    verdict: { ...facts, kind: "notSent", reason: "throttled", retryAt: askedAt + RETRY_MS },
  };
  const refused = (code: string, words: string): PaymentOutcome => ({
    verdict: { ...facts, kind: "declined", code, words, failureCode: "refund_refused", unsent: true },
  });

  let transactionNo = charge.transactionNo;
  if (refund.verifies && channel.verifyPayment !== undefined) {
    const check = await checked(ports, charge, channel, account);
    if (check.kind === "unknown") {
      if (!(await isTurnedAway(ports, charge, channel, account))) return later;
      const retryAt = askedAt + CONFIGURATION_RETRY_MS;
      return { verdict: { ...facts, kind: "notSent", reason: "configuration", retryAt } };
    }
    if (check.kind === "mismatch") {
      return refused(
        "payment_mismatch",
        `the channel's books differ from the recorded payment: ${check.fact}`,
      );
    }
    transactionNo ??= check.transactionNo;
  }
  if (transactionNo !== null) {
    try {
      const claim = ports.claimPayment(charge, account, transactionNo);
      const outcome = await within(ports.sleep, claim, CLAIM_TIMEOUT_MS);
      if (outcome === "late") return later;
      if (!outcome.done) {
        ports.alert("payment_claimed_elsewhere", { charge: charge.id });
        return refused("transaction_no_used", "the transaction_no belongs to another charge");
      }
    } catch {
      return later;
    }
  }
  return { verified: true, transactionNo };
}

/** Whether it is the credentials that the channel does not take: then waiting does not help, and a person must look. */
async function isTurnedAway(
  ports: LedgerPorts,
  charge: Charge,
  channel: Channel,
  account: ChannelAccount,
): Promise<boolean> {
  const signal = new AbortController();
  try {
    const check = channel.check?.(account, ports.now(), signal.signal);
    const outcome = await within(ports.sleep, Promise.resolve(check), TURNED_AWAY_TIMEOUT_MS);
    if (outcome === "late") signal.abort();
    else return outcome.done?.kind === "refused";
  } catch (error) {
    ports.alert("channel_connector_threw", { charge: charge.id, error: nameOf(error) });
  }
  return false;
}

async function checked(
  ports: LedgerPorts,
  charge: Charge,
  channel: Channel,
  account: ChannelAccount,
): Promise<PaymentCheck> {
  const { transactionNo, orderNo, amount, currency } = charge;
  const signal = new AbortController();
  try {
    const check = channel.verifyPayment?.(
      { transactionNo, orderNo, amount, currency },
      account,
      ports.now(),
      signal.signal,
    );
    const outcome = await within(ports.sleep, Promise.resolve(check), CHECK_TIMEOUT_MS);
    if (outcome !== "late") return outcome.done ?? { kind: "unknown" };
    signal.abort();
  } catch (error) {
    ports.alert("channel_connector_threw", { charge: charge.id, error: nameOf(error) });
  }
  return { kind: "unknown" };
}
