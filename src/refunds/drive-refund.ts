// Asks the channel the one question that a refund's state calls for. Whatever goes wrong on the way is a verdict too:
// an exception, a time-out and silence all mean that the outcome is unknown.

import type { Channel, ChannelAccount, RefundOrder, Verdict } from "../channels/channel.ts";
import type { Charge } from "../charges/charge.ts";
import type { LedgerPorts } from "../charges/ledger-ports.ts";
import { within } from "../deadline.ts";
import { nameOf } from "../log.ts";
import { type Refund, refundOrderNo } from "./refund.ts";

/** How long the channel may take to answer. */
export const CHANNEL_TIMEOUT_MS = 15_000;
/** A connector that ignores its signal is left behind after this much longer. */
const GRACE_MS = 1_000;
const ACCOUNT_RETRY_MS = 30_000;
const CONFIGURATION_RETRY_MS = 3_600_000;

/** What the channel is told of a refund. */
export function orderOf(refund: Refund, charge: Charge): RefundOrder {
  return {
    number: refundOrderNo(refund.id),
    amount: refund.amount,
    currency: charge.currency,
    chargeAmount: charge.amount,
    charge: charge.id,
    chargeOrderNo: charge.orderNo,
    transactionNo: charge.transactionNo,
    channel: charge.channel,
    livemode: charge.livemode,
    description: refund.sentDescription ?? refund.description,
    fundingSource: refund.fundingSource,
    attempt: refund.attempts,
    submittedAt: refund.firstSubmittedAt,
    created: refund.created,
    memory: refund.memory,
  };
}

/**
 * Asks, and always answers. `pin` keeps the account that a refund is sent with, before it is sent.
 */
export async function askChannel(
  ports: LedgerPorts,
  charge: Charge,
  refund: Refund,
  question: "submit" | "query",
  account: ChannelAccount | null | "unreachable",
  pin: (account: ChannelAccount) => void,
): Promise<Verdict> {
  // The question comes after whatever was heard before it, also when the clock has gone back meanwhile.
  const askedAt = Math.max(ports.now(), refund.askedAt ?? 0, refund.contradictedAt ?? 0);
  const facts = { number: refundOrderNo(refund.id), amount: null, currency: null, askedAt };
  const channel = ports.channel(charge.channel, charge.livemode);
  if (channel === null) {
    const retryAt = askedAt + CONFIGURATION_RETRY_MS;
    return { ...facts, kind: "notSent", reason: "configuration", retryAt };
  }
  if (account === "unreachable") {
    return { ...facts, kind: "notSent", reason: "throttled", retryAt: askedAt + ACCOUNT_RETRY_MS };
  }
  if (account === null && charge.livemode) {
    const retryAt = askedAt + CONFIGURATION_RETRY_MS;
    return { ...facts, kind: "notSent", reason: "configuration", retryAt };
  }
  const { id, revision } = refund.account ?? {};
  const isPinned = account === null || (id === account.id && revision === account.revision);
  if (!isPinned && (question === "submit" || refund.account === null)) pin(account);
  const silence: Verdict = { ...facts, kind: "unknown", failureCode: "channel_connection_error" };
  const signal = new AbortController();
  try {
    const answer = ask(channel, question, orderOf(refund, charge), account, ports.now(), signal.signal);
    let outcome = await within(ports.sleep, answer, CHANNEL_TIMEOUT_MS);
    if (outcome === "late") {
      signal.abort();
      outcome = await within(ports.sleep, answer, GRACE_MS);
    }
    const verdict = outcome === "late" ? silence : outcome.done;
    if (verdict.kind === "unknown" && verdict.failureCode === "channel_sign_error") {
      // One bad answer may be anybody's; every answer so means that the channel signs with a key we do not have.
      ports.alert("channel_answer_not_signed", { charge: charge.id, refund: refund.id });
    }
    if (verdict.kind === "declined" && verdict.malformed) {
      ports.alert("channel_could_not_read_us", { charge: charge.id, refund: refund.id, code: verdict.code });
    }
    // A connector that speaks of another number has a bug; its words are about somebody else's money.
    return verdict.number === facts.number
      ? { ...verdict, askedAt }
      : { ...silence, failureCode: "channel_parse_error" };
  } catch (error) {
    ports.alert("channel_connector_threw", { charge: charge.id, refund: refund.id, error: nameOf(error) });
    return { ...silence, failureCode: "channel_request_error" };
  }
}

function ask(
  channel: Channel,
  question: "submit" | "query",
  order: RefundOrder,
  account: ChannelAccount | null,
  now: number,
  signal: AbortSignal,
): Promise<Verdict> {
  return question === "submit"
    ? channel.refund(order, account, now, signal)
    : channel.query(order, account, now, signal);
}
