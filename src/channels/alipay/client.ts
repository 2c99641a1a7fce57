// Alipay over its v3 protocol (https://opendocs.alipay.com/open-v3/054oog): refunds of a merchant's own payments.
// Every question ends as a verdict; what cannot be verified, read or placed is `unknown`. Refunds seldom cause a
// notice, so outcomes are asked for.

import { randomToken } from "../../ids.ts";
import type { FailureCode } from "../../refunds/refund.ts";
import { boundedBytes } from "../bounded-answer.ts";
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
import { type Access, accessOf, readCredentials } from "./credentials.ts";
import { meaningOf } from "./error-codes.ts";
import { alipayFacts } from "./facts.ts";
import { noticeAnswer, readNotice } from "./notice.ts";
import {
  PAYMENT_QUERY_PATH,
  paymentQueryOf,
  REFUND_PATH,
  REFUND_QUERY_PATH,
  refundQueryOf,
  submissionOf,
} from "./order.ts";
import { paymentCheckOf } from "./payment.ts";
import { errorSchema, paymentAnswerSchema, queryAnswerSchema, refundAnswerSchema } from "./schema.ts";
import { authorization, checkAnswer } from "./signature.ts";
import {
  currencyRefused,
  type ErrorWords,
  notConfigured,
  unknown,
  verdictOfError,
  verdictOfQuery,
  verdictOfSubmission,
} from "./verdict.ts";

const ANSWER_BYTES_MAX = 65_536;
const THROTTLED_MS = 3_000;

interface SignedRequest {
  url: string;
  init: RequestInit;
}

/** What came back: a signed 2xx, an error in Alipay's words, or nothing to be believed. */
type Heard =
  | { kind: "answer"; body: unknown }
  | { kind: "error"; error: ErrorWords }
  | { kind: "nothing"; failureCode: FailureCode };

export function alipay(ports: ConnectorPorts): Channel {
  async function refund(
    order: RefundOrder,
    account: ChannelAccount | null,
    now: number,
    signal: AbortSignal,
  ): Promise<Verdict> {
    const body = submissionOf(order);
    if (body === null) return currencyRefused(order, now);
    const ready = await prepare(account, REFUND_PATH, body, now);
    if (ready === null) return notConfigured(order, now);
    const heard = await send(ports, ready, signal);
    if (heard.kind !== "answer") return notAnswered("refund", order, heard, now);
    const read = refundAnswerSchema.safeParse(heard.body);
    if (!read.success) return unknown(order, now, "channel_parse_error");
    const said = {
      tradeNo: read.data.trade_no ?? null,
      outTradeNo: read.data.out_trade_no ?? null,
      fundChange: read.data.fund_change ?? null,
      paidAt: read.data.gmt_refund_pay ?? null,
    };
    return verdictOfSubmission(order, said, now);
  }

  async function query(
    order: RefundOrder,
    account: ChannelAccount | null,
    now: number,
    signal: AbortSignal,
  ): Promise<Verdict> {
    const ready = await prepare(account, REFUND_QUERY_PATH, refundQueryOf(order), now);
    if (ready === null) return unknown(order, now, "channel_request_error");
    const heard = await send(ports, ready, signal);
    if (heard.kind !== "answer") return notAnswered("query", order, heard, now);
    const read = queryAnswerSchema.safeParse(heard.body);
    if (!read.success) return unknown(order, now, "channel_parse_error");
    const said = {
      tradeNo: read.data.trade_no ?? null,
      outTradeNo: read.data.out_trade_no ?? null,
      number: read.data.out_request_no ?? null,
      status: read.data.refund_status ?? null,
      amount: read.data.refund_amount ?? null,
      paidAt: read.data.gmt_refund_pay ?? null,
    };
    return verdictOfQuery(order, said, now);
  }

  function notAnswered(
    asked: "refund" | "query",
    order: RefundOrder,
    heard: Exclude<Heard, { kind: "answer" }>,
    now: number,
  ): Verdict {
    if (heard.kind === "nothing") return unknown(order, now, heard.failureCode);
    // Whoever was turned away together comes back one after the other.
    const jitterMs = Math.floor((THROTTLED_MS * (ports.random(1)[0] ?? 0)) / 256);
    return verdictOfError(asked, order, heard.error, now, THROTTLED_MS + jitterMs);
  }

  async function verifyPayment(
    payment: Payment,
    account: ChannelAccount,
    now: number,
    signal: AbortSignal,
  ): Promise<PaymentCheck> {
    const question = paymentQueryOf(payment.transactionNo, payment.orderNo);
    const ready = await prepare(account, PAYMENT_QUERY_PATH, question, now);
    if (ready === null) return { kind: "unknown" };
    const heard = await send(ports, ready, signal);
    if (heard.kind === "error") {
      return isNoTrade(heard.error) ? { kind: "mismatch", fact: "not_found" } : { kind: "unknown" };
    }
    const read = paymentAnswerSchema.safeParse(heard.kind === "answer" ? heard.body : undefined);
    if (!read.success) return { kind: "unknown" };
    const { trade_no, out_trade_no, trade_status, total_amount, trans_currency, send_pay_date } = read.data;
    return paymentCheckOf(payment, {
      tradeNo: trade_no,
      outTradeNo: out_trade_no,
      status: trade_status,
      amount: total_amount,
      currency: (trans_currency || "CNY").toLowerCase(),
      paidAt: send_pay_date || null,
    });
  }

  /** Asks for a payment that cannot exist: to hear so, the app, its key and Alipay's must be right. */
  async function check(account: ChannelAccount, now: number, signal: AbortSignal): Promise<AccountCheck> {
    const question = paymentQueryOf(null, `check_${randomToken(ports.random)}`);
    const ready = await prepare(account, PAYMENT_QUERY_PATH, question, now);
    if (ready === null) {
      return { kind: "refused", code: "CREDENTIALS", words: "The credentials cannot be used." };
    }
    const heard = await send(ports, ready, signal);
    if (heard.kind === "nothing") {
      if (heard.failureCode !== "channel_sign_error") return { kind: "unknown", words: "No answer." };
      const words = "The answer is not signed with any of alipay_public_keys.";
      return { kind: "refused", code: "ALIPAY_PUBLIC_KEY", words };
    }
    if (heard.kind === "answer" || isNoTrade(heard.error)) return { kind: "ok" };
    const { code, message, status } = heard.error;
    const words = message || `HTTP ${status}`;
    const isRefused = code !== null && status < 500 && meaningOf(code).means === "configuration";
    return isRefused ? { kind: "refused", code, words } : { kind: "unknown", words };
  }

  /** Null when the account cannot be opened or used; then nothing is sent. */
  async function prepare(
    account: ChannelAccount | null,
    path: string,
    body: string,
    now: number,
  ): Promise<{ access: Access; request: SignedRequest } | null> {
    if (account === null) return null;
    try {
      const access = await accessOf(ports, account);
      const headers: Record<string, string> = {
        Accept: "application/json",
        "Content-Type": "application/json",
        Authorization: await authorization(access, "POST", path, body, randomToken(ports.random), now),
      };
      if (access.alipayRootCertSn !== null) headers["alipay-root-cert-sn"] = access.alipayRootCertSn;
      return { access, request: { url: ports.baseUrl + path, init: { method: "POST", headers, body } } };
    } catch {
      return null;
    }
  }

  return {
    facts: alipayFacts,
    refund,
    query,
    verifyPayment,
    check,
    readNotice: async (notice, account, now) => readNotice(notice, await accessOf(ports, account), now),
    noticeAnswer,
    readCredentials,
  };
}

async function send(
  ports: ConnectorPorts,
  { access, request }: { access: Access; request: SignedRequest },
  signal: AbortSignal,
): Promise<Heard> {
  let response: Response;
  let bytes: Uint8Array | null;
  try {
    response = await ports.fetch(request.url, { ...request.init, redirect: "manual", signal });
    bytes = await boundedBytes(response, ANSWER_BYTES_MAX);
  } catch {
    return { kind: "nothing", failureCode: "channel_connection_error" };
  }
  if (bytes === null) return { kind: "nothing", failureCode: "channel_parse_error" };
  const signature = await checkAnswer(access.alipayKeys, response.headers, bytes);
  // As Alipay's own libraries have it: a 2xx is signed, an error may come without (from a gateway that could not tell
  // whose key to use), and a signature that is there must be right.
  const isUnproven = signature === "bad" || (signature === "absent" && response.ok);
  if (isUnproven) return { kind: "nothing", failureCode: "channel_sign_error" };
  const body = parsed(bytes);
  if (response.ok) {
    return body === undefined
      ? { kind: "nothing", failureCode: "channel_parse_error" }
      : { kind: "answer", body };
  }
  const read = errorSchema.safeParse(body);
  const error: ErrorWords = {
    status: response.status,
    code: read.success ? read.data.code : null,
    message: read.success ? (read.data.message ?? "") : "",
    isSigned: signature === "good",
  };
  return { kind: "error", error };
}

/** The JSON, or undefined. */
function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

function isNoTrade({ status, code, isSigned }: ErrorWords): boolean {
  return isSigned && status < 500 && code !== null && meaningOf(code).means === "tradeNotFound";
}
