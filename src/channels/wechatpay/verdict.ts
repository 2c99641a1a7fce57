// What WeChat Pay's words mean. The tables of channels.md are these tables; what is in none of them is `unknown`,
// because it may have worked.
import type { RefundOrder, Verdict } from "../channel.ts";

/** What WeChat says of one refund, by its signature. */
export interface RefundWords {
  number: string;
  status: string | null;
  /** WeChat's own number of the refund. */
  refundId: string | null;
  /** Fen; null where it is not said. */
  amount: number | null;
  currency: string | null;
  successTime: string | null;
}

/** The body of an answer that is no 2xx; null where there is none that can be read. */
export interface ErrorWords {
  code: string;
  message: string;
}

const CONFIGURATION_RETRY_MS = 3_600_000;
const WORDS_MAX = 256;

export function verdictOfRefund(said: RefundWords, now: number): Verdict {
  const { number, amount, refundId: transactionNo } = said;
  const facts = { number, amount, currency: said.currency?.toLowerCase() ?? null, askedAt: now };
  switch (said.status) {
    case "PROCESSING":
      return { ...facts, kind: "accepted", transactionNo };
    case "SUCCESS": {
      const succeededAt = secondsOf(said.successTime);
      return { ...facts, kind: "succeeded", transactionNo, succeededAt };
    }
    case "CLOSED":
      return { ...facts, kind: "declined", code: "CLOSED", words: "退款已关闭" };
    // The receiving account is gone: the money is with neither side until the merchant acts in WeChat's back office.
    case "ABNORMAL":
      return { ...facts, kind: "accepted", transactionNo, attention: "channel_abnormal" };
    default: {
      const words = said.status === null ? "The answer carries no status." : said.status;
      return { ...facts, kind: "unknown", failureCode: "refund_unexpected_status", words };
    }
  }
}

type Meaning = "declined" | "configuration" | "throttled" | "notFound";

/** Errors by HTTP status and code. An error of a query says nothing about the refund, but for its absence. */
const MEANINGS: Record<"refund" | "query", Record<string, Meaning>> = {
  refund: {
    "400 PARAM_ERROR": "declined",
    "401 SIGN_ERROR": "configuration",
    "403 USER_ACCOUNT_ABNORMAL": "declined",
    "403 NO_AUTH": "declined",
    "403 NOT_ENOUGH": "declined",
    "404 RESOURCE_NOT_EXISTS": "declined",
    "429 FREQUENCY_LIMITED": "throttled",
  },
  query: {
    "404 RESOURCE_NOT_EXISTS": "notFound",
    "429 FREQUENCY_LIMITED": "throttled",
  },
};

/** `throttledMs`: how long to stay away after "too often". */
export function verdictOfError(
  asked: "refund" | "query",
  order: Pick<RefundOrder, "number">,
  status: number,
  error: ErrorWords | null,
  now: number,
  throttledMs: number,
): Verdict {
  const facts = { number: order.number, amount: null, currency: null, askedAt: now };
  const code = error?.code ?? "";
  const words =
    error === null || error.message === "" ? `HTTP ${status} ${code}`.trim() : bounded(error.message);
  switch (MEANINGS[asked][`${status} ${code}`]) {
    case "declined":
      return {
        ...facts,
        kind: "declined",
        code,
        words,
        failureCode: "refund_refused_msg",
        ...(code === "PARAM_ERROR" ? { malformed: true as const } : {}),
      };
    case "configuration":
      return notSent(order, "configuration", now);
    case "throttled":
      return { ...facts, kind: "notSent", reason: "throttled", retryAt: now + throttledMs };
    case "notFound":
      return { ...facts, kind: "notFound" };
    default:
      return { ...facts, kind: "unknown", failureCode: "channel_request_error", words };
  }
}

/** Certainly not sent: the account must be mended first. */
export function notSent(order: Pick<RefundOrder, "number">, reason: "configuration", now: number): Verdict {
  const facts = { number: order.number, amount: null, currency: null, askedAt: now };
  return { ...facts, kind: "notSent", reason, retryAt: now + CONFIGURATION_RETRY_MS };
}

/**
 * WeChat refunds CNY. Another currency is a definite no and nothing was sent; as a matter of configuration the refund
 * would wait, and hold its money, for a change that cannot come: the currency of a charge never changes.
 */
export function refusedCurrency(order: RefundOrder, now: number): Verdict {
  return {
    number: order.number,
    amount: null,
    currency: null,
    askedAt: now,
    kind: "declined",
    code: "CURRENCY_NOT_SUPPORTED",
    words: `微信支付仅支持人民币退款 (${order.currency})`,
    failureCode: "refund_refused_msg",
    unsent: true,
  };
}

/** RFC 3339 as Unix seconds. A time without its zone would be read in the machine's, so it is not read at all. */
function secondsOf(time: string | null): number | undefined {
  if (time === null || !/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/.test(time))
    return undefined;
  const at = Date.parse(time);
  return Number.isNaN(at) ? undefined : Math.floor(at / 1000);
}

function bounded(words: string): string {
  return [...words].slice(0, WORDS_MAX).join("");
}
