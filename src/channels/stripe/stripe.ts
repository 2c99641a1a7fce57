// Stripe. Two things keep money from moving twice: the `Idempotency-Key`, which Stripe remembers for 24 hours, and our
// refund id in the refund's metadata, which it keeps for ever. So within a day of the first submission a refund may be
// sent again under its key, whatever became of it; later the list of the charge's refunds decides alone, and nothing
// is sent any more. An hour lies between the two, in which nothing is sent and nothing is concluded: a list that is
// read at its end was read long after the last submission was over.
import type {
  AccountCheck,
  Channel,
  ChannelAccount,
  ConnectorPorts,
  Payment,
  PaymentCheck,
  RefundOrder,
  Verdict,
} from "../channel.ts";
import { fromStripeAmount, toStripeAmount } from "./amount.ts";
import { type StripeAnswer, type StripeClient, stripeClient } from "./client.ts";
import { parseCredentials, readCredentials, type StripeCredentials } from "./credentials.ts";
import { stripeFacts } from "./facts.ts";
import { readStripeNotice } from "./notice.ts";
import {
  metadataForm,
  numberIn,
  paymentIn,
  refundForm,
  refundIdOf,
  type StripePayment,
} from "./refund-form.ts";
import {
  chargeSchema,
  paymentIntentSchema,
  refundListSchema,
  refundSchema,
  type StripeRefund,
} from "./schema.ts";
import {
  bearing,
  misconfigured,
  readBearing,
  readError,
  readRefund,
  type Said,
  saying,
  unnumbered,
} from "./verdict.ts";

const HOUR_MS = 3_600_000;
/** From this age of the first submission on nothing is sent: Stripe may forget the key at 24 hours. */
const SENDABLE_MS = 23 * HOUR_MS;
/** From this age on a list without the refund means that it was never made. */
const CONCLUSIVE_MS = 24 * HOUR_MS;
const THROTTLED_MS = 2_000;
const ATTENTION_ASK_MS = 24 * HOUR_MS;
/** Clocks may differ: a refund made up to so long before our first submission may be ours. */
const CLOCK_SKEW_SECONDS = 300;
const PAGE = 50;
const PAGES_MAX = 10;

/** What is remembered of a refund that Stripe refused because the charge has nothing left. */
const REFUNDED_ELSEWHERE = "refunded_elsewhere";

const SILENCE: Said = { kind: "unknown", failureCode: "channel_connection_error" };
const UNASKED: Said = { kind: "unknown", failureCode: "channel_request_error" };
const UNREADABLE: Said = { kind: "unknown", failureCode: "channel_parse_error" };

export function stripe(ports: ConnectorPorts): Channel {
  /** Null when the account's credentials cannot be opened or used. */
  const clientOf = async (account: ChannelAccount | null): Promise<StripeClient | null> => {
    if (account === null) return null;
    try {
      return stripeClient(ports, await credentialsOf(account));
    } catch {
      return null;
    }
  };
  const credentialsOf = async (account: ChannelAccount): Promise<StripeCredentials> =>
    parseCredentials(await ports.credentials(account));

  const throttledUntil = (now: number, answer: StripeAnswer) => {
    const ms = answer.retryAfter === null ? THROTTLED_MS : answer.retryAfter * 1000;
    // Those who were turned away together should not come back together.
    return now + ms + Math.round(((ports.random(1)[0] as number) / 255) * THROTTLED_MS);
  };

  return {
    facts: stripeFacts,

    async refund(order, account, now, signal) {
      const payment = paymentIn(order.transactionNo);
      const amount = toStripeAmount(order.amount, order.currency);
      if (payment === null) return saying(order, now, NO_PAYMENT);
      if (amount === null) return saying(order, now, NO_AMOUNT);
      const client = await clientOf(account);
      if (client === null) return saying(order, now, misconfigured(now));
      const isKnown = order.memory !== null;
      if (isKnown || ageOf(order, now) >= SENDABLE_MS) return ask(client, order, payment, now, signal);
      const key = refundIdOf(order.number);
      const answer = await client.post("/v1/refunds", key, refundForm(order, payment, amount), signal);
      if (answer === "silent") return saying(order, now, SILENCE);
      if (answer.status === 200) return readOurs(answer, order, now);
      const said = readError(answer.status, answer.error, now, throttledUntil(now, answer));
      if (said !== "refundedElsewhere") return saying(order, now, said);
      return match(client, order, payment, now, signal);
    },

    async query(order, account, now, signal) {
      const payment = paymentIn(order.transactionNo);
      if (payment === null) return saying(order, now, NO_PAYMENT);
      const client = await clientOf(account);
      if (client === null) return saying(order, now, UNASKED);
      return ask(client, order, payment, now, signal);
    },

    async verifyPayment(payment, account, _now, signal) {
      const client = await clientOf(account);
      const known = paymentIn(payment.transactionNo);
      if (known === null) return { kind: "mismatch", fact: "number" };
      return client === null ? { kind: "unknown" } : verify(client, payment, known, signal);
    },

    async check(account, _now, signal) {
      const client = await clientOf(account);
      return client === null
        ? { kind: "refused", code: "credentials", words: "The credentials cannot be used." }
        : probe(client, signal);
    },

    /** Throws when the credentials cannot be opened: that is no fault of the notice, and Stripe sends it again. */
    readNotice: async (notice, account, now) =>
      readStripeNotice(notice, await credentialsOf(account), account.livemode, now),

    noticeAnswer: (outcome) => ({ status: { kept: 200, refused: 401, failed: 500 }[outcome], body: null }),

    readCredentials,
  };
}

const NO_PAYMENT: Said = {
  kind: "declined",
  code: "transaction_no_invalid",
  words: "The charge's transaction_no is no charge or payment intent of Stripe's; nothing was sent.",
  failureCode: "refund_refused",
  unsent: true,
};

const NO_AMOUNT: Said = {
  kind: "declined",
  code: "amount_not_expressible",
  words: "Stripe takes no such fraction of this currency; nothing was sent.",
  failureCode: "refund_refused",
  unsent: true,
};

function ageOf(order: RefundOrder, now: number): number {
  return order.submittedAt === null ? 0 : now - order.submittedAt;
}

/** Asks without sending: by Stripe's own id where it is known, else in the list of the charge's refunds. */
async function ask(
  client: StripeClient,
  order: RefundOrder,
  payment: StripePayment,
  now: number,
  signal: AbortSignal,
): Promise<Verdict> {
  if (order.memory !== null && order.memory !== REFUNDED_ELSEWHERE) {
    const answer = await client.get(`/v1/refunds/${encodeURIComponent(order.memory)}`, signal);
    if (answer === "silent") return saying(order, now, SILENCE);
    // Stripe told us the id itself: whatever else it says now, the refund is not "not found".
    return answer.status === 200 ? readOurs(answer, order, now) : saying(order, now, refusedQuestion(answer));
  }
  const refunds = await list(client, payment, signal);
  if (!Array.isArray(refunds)) return saying(order, now, refunds);
  return readBearing(bearing(order.number, refunds), order.number, now) ?? notListed(order, refunds, now);
}

/**
 * What a complete list without the refund means.
 * - While the key lives: `notFound`. It leads to a repeat under the same key, which is safe.
 * - When the key may be forgotten: never `notFound`, because a repeat would be a new refund to Stripe. A first
 *   submission that ended before that hour would be listed by now, so the refund was never made: a definite no, which
 *   the ledger books only once a second list says the same.
 * - Unless there is a refund of that amount, made since, without any number: it may be ours with its metadata edited,
 *   and only a person can tell.
 */
function notListed(order: RefundOrder, refunds: StripeRefund[], now: number): Verdict {
  if (order.memory === REFUNDED_ELSEWHERE) return saying(order, now, elsewhere(now));
  const age = ageOf(order, now);
  if (age < SENDABLE_MS) return saying(order, now, { kind: "notFound" });
  if (age < CONCLUSIVE_MS) return saying(order, now, { kind: "unknown", failureCode: "refund_not_found" });
  const since = Math.floor((order.submittedAt ?? 0) / 1000) - CLOCK_SKEW_SECONDS;
  if (unnumbered(refunds, order, since).length > 0) return saying(order, now, elsewhere(now));
  return saying(order, now, {
    kind: "declined",
    code: "refund_not_found",
    words: "No refund with this number was ever made at Stripe.",
    failureCode: "refund_not_found",
  });
}

/**
 * The charge has less left than we ask for: either our own refund took it, or somebody refunded at Stripe. Exactly one
 * refund of the same amount without a number is taken for ours, and marked so at Stripe, where no second refund of
 * ours can claim it; otherwise a person must look.
 */
async function match(
  client: StripeClient,
  order: RefundOrder,
  payment: StripePayment,
  now: number,
  signal: AbortSignal,
): Promise<Verdict> {
  const refunds = await list(client, payment, signal);
  if (!Array.isArray(refunds)) return saying(order, now, refunds);
  const ours = readBearing(bearing(order.number, refunds), order.number, now);
  if (ours !== null) return ours;
  const [candidate, ...others] = unnumbered(refunds, order);
  if (candidate === undefined || others.length > 0) return saying(order, now, elsewhere(now));
  // The key is the candidate's, not ours: of two refunds that claim it at once, Stripe refuses the second.
  const path = `/v1/refunds/${encodeURIComponent(candidate.id)}`;
  const claimed = await client.post(path, `claim_${candidate.id}`, metadataForm(order), signal);
  if (claimed === "silent") return saying(order, now, SILENCE);
  if (claimed.status === 200) return readOurs(claimed, order, now);
  const isOpen = claimed.status >= 500 || claimed.status === 429;
  return saying(order, now, isOpen ? refusedQuestion(claimed) : elsewhere(now));
}

function elsewhere(now: number): Said {
  return {
    kind: "accepted",
    attention: "already_refunded",
    memory: REFUNDED_ELSEWHERE,
    askAgainAt: now + ATTENTION_ASK_MS,
  };
}

/** An answer about one refund, which must bear our number. */
function readOurs(answer: StripeAnswer, order: RefundOrder, now: number): Verdict {
  const read = refundSchema.safeParse(answer.body);
  if (!read.success || numberIn(read.data.metadata?.refund_id) !== order.number) {
    return saying(order, now, UNREADABLE);
  }
  return readRefund(read.data, order.number, now);
}

/** All refunds of a payment, newest first; what is unknown when the list cannot be read to its end. */
async function list(
  client: StripeClient,
  payment: StripePayment,
  signal: AbortSignal,
): Promise<StripeRefund[] | Said> {
  const refunds: StripeRefund[] = [];
  for (let page = 0; page < PAGES_MAX; page++) {
    const after = refunds.at(-1);
    const query = new URLSearchParams({
      [payment.name]: payment.id,
      limit: String(PAGE),
      ...(after === undefined ? {} : { starting_after: after.id }),
    });
    const answer = await client.get(`/v1/refunds?${query}`, signal);
    if (answer === "silent") return SILENCE;
    // A payment that this account does not have has no refunds; the submission says the same of it.
    if (page === 0 && answer.status === 404 && answer.error?.code === "resource_missing") return [];
    if (answer.status !== 200) return refusedQuestion(answer);
    const read = refundListSchema.safeParse(answer.body);
    if (!read.success) return UNREADABLE;
    refunds.push(...read.data.data);
    if (!read.data.has_more) return refunds;
    if (read.data.data.length === 0) return UNREADABLE;
  }
  return { kind: "unknown", failureCode: "channel_request_error", words: "The charge has too many refunds." };
}

function refusedQuestion({ status, error }: StripeAnswer): Said {
  const words = error?.code ?? error?.type ?? `http_${status}`;
  return { kind: "unknown", failureCode: "channel_request_error", words };
}

async function verify(
  client: StripeClient,
  payment: Payment,
  known: StripePayment,
  signal: AbortSignal,
): Promise<PaymentCheck> {
  const folder = known.name === "charge" ? "charges" : "payment_intents";
  const answer = await client.get(`/v1/${folder}/${encodeURIComponent(known.id)}`, signal);
  if (answer === "silent") return { kind: "unknown" };
  if (answer.status === 404 && answer.error?.code === "resource_missing") {
    return { kind: "mismatch", fact: "not_found" };
  }
  const taken = answer.status === 200 ? takenBy(answer.body) : null;
  if (taken === null) return { kind: "unknown" };
  if (taken.id !== known.id) return { kind: "mismatch", fact: "number" };
  if (!taken.isPaid) return { kind: "mismatch", fact: "unpaid" };
  const currency = taken.currency.toLowerCase();
  if (currency !== payment.currency) return { kind: "mismatch", fact: "currency" };
  if (fromStripeAmount(taken.amount, currency) !== payment.amount) {
    return { kind: "mismatch", fact: "amount" };
  }
  return { kind: "paid", transactionNo: known.id };
}

/** What a charge or a payment intent has taken, in Stripe's minor units: what was only authorised does not count. */
function takenBy(body: unknown): { id: string; amount: number; currency: string; isPaid: boolean } | null {
  const charge = chargeSchema.safeParse(body);
  if (charge.success) {
    const { id, amount_captured: amount, currency, paid, captured } = charge.data;
    return { id, amount, currency, isPaid: paid && captured };
  }
  const intent = paymentIntentSchema.safeParse(body);
  if (!intent.success) return null;
  const { id, amount_received: amount, currency, status } = intent.data;
  return { id, amount, currency, isPaid: status === "succeeded" };
}

/** A list of refunds: of all that moves no money, the question that needs the rights a refund needs. */
async function probe(client: StripeClient, signal: AbortSignal): Promise<AccountCheck> {
  const answer = await client.get("/v1/refunds?limit=1", signal);
  if (answer === "silent") return { kind: "unknown", words: "Stripe did not answer." };
  if (answer.status === 200 && refundListSchema.safeParse(answer.body).success) return { kind: "ok" };
  const code = answer.error?.code ?? answer.error?.type ?? `http_${answer.status}`;
  if (answer.status >= 400 && answer.status < 500 && answer.status !== 429 && answer.status !== 409) {
    return { kind: "refused", code, words: `Stripe refused the key: ${code}.` };
  }
  return { kind: "unknown", words: `Stripe answered ${answer.status}.` };
}
