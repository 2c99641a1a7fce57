// What Alipay's error codes mean for a refund. Codes are found by inclusion: they come bare or with the prefix of the
// system that answers (`ACQ.TRADE_NOT_EXIST`, `isv.app-call-limited`). What is not in a table means nothing.
// https://opendocs.alipay.com/open-v3/054fcv

/** Codes of the business, behind the gateway. */
const DECLINES = [
  "SELLER_BALANCE_NOT_ENOUGH",
  "REASON_TRADE_REFUND_FEE_ERR",
  "REFUND_AMT_NOT_EQUAL_TOTAL",
  "TRADE_NOT_EXIST",
  "TRADE_STATUS_ERROR",
  "TRADE_HAS_FINISHED",
  "TRADE_NOT_ALLOW_REFUND",
  "REASON_TRADE_BEEN_FREEZEN",
] as const;

/** Codes after which the refund may well have happened. They win over every other table. */
const OPEN = ["SYSTEM_ERROR", "DISCORDANT_REPEAT_REQUEST"] as const;

/** Codes of the gateway (`CommonErrorType` of the v3 description): it turned the request away before any business. */
const THROTTLES = ["app-call-limited", "method-call-limited"] as const;

/** Also the gateway's: our signature, our clock, our app or its permissions. */
const CONFIGURATION = [
  "invalid-signature",
  "missing-signature",
  "app-key-security-risk",
  "unsupported-expired-app-key-sign",
  "invalid-app-id",
  "missing-app-id",
  "invalid-app-state",
  "app-cert-expired",
  "app-cert-not-exist",
  "alipay-cert-not-exist",
  "missing-app-cert-sn",
  "missing-alipay-cert-sn",
  "alipay-root-cert-sn",
  "invalid-timestamp",
  "illegal-timestamp",
  "missing-timestamp",
  "insufficient-isv-permissions",
  "insufficient-user-permissions",
  "invalid-auth-relations",
  "invalid-app-auth-relations",
  "invalid-subscribe-relations",
  "sevice-not-been-subscribed-to",
  "no-product-reg-by-partner",
  "illegal-client-ip",
  "self-invoke-forbidden",
  "forbidden-api",
  "app-api-punished",
  "app-unbind-partner",
] as const;

/** The same, said by the business. */
const NO_PERMISSION = ["ACCESS_FORBIDDEN"] as const;

export const ERROR_CODES = { DECLINES, OPEN, THROTTLES, CONFIGURATION, NO_PERMISSION } as const;

/**
 * `by` tells who says it. The gateway may not yet know whose key to answer with, so its refusals come unsigned as
 * well; the business signs what it says, and an unsigned word of it is not taken for one.
 */
export type Meaning =
  | { means: "declined" | "tradeNotFound"; by: "business" }
  | { means: "throttled"; by: "gateway" }
  | { means: "configuration"; by: "gateway" | "business" }
  | { means: "nothing" };

export function meaningOf(code: string): Meaning {
  const isIn = (table: readonly string[]) => table.some((known) => code.includes(known));
  if (isIn(OPEN)) return { means: "nothing" };
  if (code.includes("TRADE_NOT_EXIST")) return { means: "tradeNotFound", by: "business" };
  if (isIn(DECLINES)) return { means: "declined", by: "business" };
  if (isIn(NO_PERMISSION)) return { means: "configuration", by: "business" };
  if (isIn(THROTTLES)) return { means: "throttled", by: "gateway" };
  if (isIn(CONFIGURATION)) return { means: "configuration", by: "gateway" };
  return { means: "nothing" };
}
