// What Alipay's words mean. The tables of channels.md and `error-codes.ts` are all there is; what is in none of them
// is `unknown`, because it may have worked.
import type { RefundOrder, Verdict } from "../channel.ts";
import { parseAmount } from "./amount.ts";
import { beijingTime } from "./beijing-time.ts";
import { meaningOf } from "./error-codes.ts";

const CONFIGURATION_RETRY_MS = 3_600_000;
const WORDS_MAX = 256;

/** The trade an answer speaks of. */
interface TradeWords {
  tradeNo: string | null;
  outTradeNo: string | null;
}

/** The answer to a submission. `refund_fee` is not among it: it is the trade's running total, not this refund's. */
export interface SubmissionWords extends TradeWords {
  fundChange: string | null;
  paidAt: string | null;
}

export function verdictOfSubmission(order: RefundOrder, said: SubmissionWords, now: number): Verdict {
  if (!isAboutTrade(order, said)) return unknown(order, now, "channel_parse_error");
  // N, or nothing, is what a repeat hears too: whether money moved for this number, only a query tells.
  if (said.fundChange !== "Y") {
    return { ...unknown(order, now, "refund_pending"), words: `fund_change: ${said.fundChange}` };
  }
  return {
    ...silentFacts(order, now),
    kind: "succeeded",
    transactionNo: said.tradeNo,
    succeededAt: secondsOf(said.paidAt),
  };
}

const NAMED_MS = 86_400_000;

export interface QueryWords extends TradeWords {
  number: string | null;
  status: string | null;
  /** This refund's. */
  amount: string | number | null;
  paidAt: string | null;
}

export function verdictOfQuery(order: RefundOrder, said: QueryWords, now: number): Verdict {
  if (said.number !== null && said.number !== order.number) return unknown(order, now, "channel_parse_error");
  const saysNothing = said.status === null && said.amount === null && said.paidAt === null;
  // Alipay's word for "no such refund, or it did not happen" is to leave out everything about it; it then allows the
  // same number again. Whether it is too early to believe that is the asker's to judge (settlingMs). A number that is
  // named without an outcome may be under way still: only after a day does that mean that it did not happen.
  const isOld = order.submittedAt !== null && now - order.submittedAt >= NAMED_MS;
  if (saysNothing && said.number !== null && !isOld) return unknown(order, now, "refund_unexpected_status");
  if (saysNothing) return { ...silentFacts(order, now), kind: "notFound" };
  if (said.status !== "REFUND_SUCCESS") {
    return { ...unknown(order, now, "refund_unexpected_status"), words: `refund_status: ${said.status}` };
  }
  const amount = said.amount === null ? null : parseAmount(said.amount, order.currency);
  const isReadable = said.amount === null || amount !== null;
  if (said.number === null || !isAboutTrade(order, said) || !isReadable) {
    return unknown(order, now, "channel_parse_error");
  }
  return {
    ...silentFacts(order, now),
    amount,
    kind: "succeeded",
    transactionNo: said.tradeNo,
    succeededAt: secondsOf(said.paidAt),
  };
}

/** An answer that is no 2xx. */
export interface ErrorWords {
  status: number;
  /** Null when the body is no error of Alipay's. */
  code: string | null;
  message: string;
  /** Whether Alipay's signature is on it. A wrong one never comes this far. */
  isSigned: boolean;
}

/** `throttledMs`: how long to stay away after "too often". */
export function verdictOfError(
  asked: "refund" | "query",
  order: RefundOrder,
  said: ErrorWords,
  now: number,
  throttledMs: number,
): Verdict {
  const code = said.code ?? "";
  const words = `HTTP ${said.status} ${code}`.trim();
  if (said.status >= 400 && said.status < 500) {
    const meaning = meaningOf(code);
    const isThrottled = meaning.means === "throttled" || (said.status === 429 && said.code === null);
    if (isThrottled) {
      return {
        ...silentFacts(order, now),
        kind: "notSent",
        reason: "throttled",
        retryAt: now + throttledMs,
      };
    }
    // A no of the business comes signed. One that does not could be anybody's on the way, and it would release money.
    const isUnproven = meaning.means !== "nothing" && meaning.by === "business" && !said.isSigned;
    if (isUnproven) return { ...unknown(order, now, "channel_sign_error"), words };
    if (asked === "query") {
      // Errors of a query say nothing about the refund, but for a trade that does not exist: it has no refunds.
      if (meaning.means === "tradeNotFound") return { ...silentFacts(order, now), kind: "notFound" };
    } else if (meaning.means === "configuration") {
      return notConfigured(order, now);
    } else if (meaning.means === "declined" || meaning.means === "tradeNotFound") {
      return declined(order, now, code, said.message || code);
    }
  }
  return { ...unknown(order, now, "channel_request_error"), words };
}

/** Certainly not sent: the account must be mended first. */
export function notConfigured(order: RefundOrder, now: number): Verdict {
  const retryAt = now + CONFIGURATION_RETRY_MS;
  return { ...silentFacts(order, now), kind: "notSent", reason: "configuration", retryAt };
}

/** A definite no, and nothing was sent: the currency of a charge never changes, so waiting would hold money for ever. */
export function currencyRefused(order: RefundOrder, now: number): Verdict {
  return declined(order, now, "CURRENCY_NOT_SUPPORTED", `支付宝不支持该币种 (${order.currency})`);
}

function declined(order: RefundOrder, now: number, code: string, words: string): Verdict {
  return {
    ...silentFacts(order, now),
    kind: "declined",
    code,
    words: [...words].slice(0, WORDS_MAX).join(""),
    failureCode: "refund_refused_msg",
  };
}

type UnknownVerdict = Extract<Verdict, { kind: "unknown" }>;

export function unknown(
  order: RefundOrder,
  now: number,
  failureCode: NonNullable<UnknownVerdict["failureCode"]>,
): UnknownVerdict {
  return { ...silentFacts(order, now), kind: "unknown", failureCode };
}

/** A verdict in which Alipay says nothing of an amount. It never names a refund's currency. */
function silentFacts(order: RefundOrder, now: number) {
  return { number: order.number, amount: null, currency: null, askedAt: now };
}

/** The number we asked by is the one that must come back. */
function isAboutTrade(order: RefundOrder, said: TradeWords): boolean {
  return order.transactionNo === null
    ? said.outTradeNo === order.chargeOrderNo
    : said.tradeNo === order.transactionNo;
}

function secondsOf(time: string | null): number | undefined {
  const at = time === null ? null : beijingTime(time);
  return at === null ? undefined : Math.floor(at / 1000);
}
