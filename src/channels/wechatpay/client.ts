// WeChat Pay, APIv3 (https://pay.weixin.qq.com/doc/v3/merchant/4012552567): domestic refunds of a merchant's own
// payments. Every question ends as a verdict; what cannot be verified, read or placed is `unknown`.

import { randomToken } from "../../ids.ts";
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
import { wechatpayFacts } from "./facts.ts";
import { noticeAnswer, parsed, readNotice } from "./notice.ts";
import { paymentPath, REFUNDS_PATH, refundPath, submissionOf } from "./order.ts";
import { errorSchema, type PaymentAnswer, paymentAnswerSchema, refundAnswerSchema } from "./schema.ts";
import { authorization, signatureFault } from "./signature.ts";
import { type ErrorWords, notSent, refusedCurrency, verdictOfError, verdictOfRefund } from "./verdict.ts";

const ANSWER_BYTES_MAX = 65_536;
const THROTTLED_MS = 5_000;
const PAID_STATES = ["SUCCESS", "REFUND"];
const UNPAID_STATES = ["NOTPAY", "CLOSED", "REVOKED", "USERPAYING", "PAYERROR"];

/** A request ready to be sent. */
interface SignedRequest {
  url: string;
  init: RequestInit;
}

interface Answer {
  status: number;
  headers: Headers;
  /** Null when there was more of it than is read. */
  body: Uint8Array | null;
}

export function wechatpay(ports: ConnectorPorts): Channel {
  async function refund(
    order: RefundOrder,
    account: ChannelAccount | null,
    now: number,
    signal: AbortSignal,
  ): Promise<Verdict> {
    if (order.currency !== "cny") return refusedCurrency(order, now);
    if (account === null) return notSent(order, "configuration", now);
    let access: Access;
    let request: SignedRequest;
    try {
      access = await accessOf(ports, account);
      const body = submissionOf(order, await ports.notifyUrl(account, order.charge));
      request = await signed(ports, access, "POST", REFUNDS_PATH, body, now);
    } catch {
      return notSent(order, "configuration", now);
    }
    return hear("refund", order, access, request, now, signal);
  }

  async function query(
    order: RefundOrder,
    account: ChannelAccount | null,
    now: number,
    signal: AbortSignal,
  ): Promise<Verdict> {
    let access: Access;
    let request: SignedRequest;
    try {
      if (account === null) throw new Error("no account");
      access = await accessOf(ports, account);
      request = await signed(ports, access, "GET", refundPath(order.number), "", now);
    } catch {
      return unknown(order, now, "channel_request_error", "The account's credentials cannot be used.");
    }
    return hear("query", order, access, request, now, signal);
  }

  async function hear(
    asked: "refund" | "query",
    order: RefundOrder,
    access: Access,
    request: SignedRequest,
    now: number,
    signal: AbortSignal,
  ): Promise<Verdict> {
    const answer = await send(ports, request, signal);
    if (answer === null) return unknown(order, now, "channel_connection_error");
    if (!isSuccess(answer)) {
      const throttledMs = THROTTLED_MS + jitter(ports, THROTTLED_MS);
      return verdictOfError(asked, order, answer.status, errorOf(answer), now, throttledMs);
    }
    if (answer.body === null) return unknown(order, now, "channel_parse_error");
    const fault = await signatureFault(answer.headers, answer.body, access.platformKeys, now);
    if (fault !== null) return unknown(order, now, "channel_sign_error", fault);
    const read = refundAnswerSchema.safeParse(parsed(answer.body));
    if (answer.status !== 200 || !read.success || read.data.out_refund_no !== order.number) {
      return unknown(order, now, "channel_parse_error");
    }
    const { status, refund_id, success_time, amount } = read.data;
    return verdictOfRefund(
      {
        number: order.number,
        status: status ?? null,
        refundId: refund_id ?? null,
        amount: amount?.refund ?? null,
        currency: amount?.currency ?? null,
        successTime: success_time ?? null,
      },
      now,
    );
  }

  async function verifyPayment(
    payment: Payment,
    account: ChannelAccount,
    now: number,
    signal: AbortSignal,
  ): Promise<PaymentCheck> {
    let access: Access;
    let request: SignedRequest;
    try {
      access = await accessOf(ports, account);
      request = await signed(ports, access, "GET", paymentPath(payment, access.mchid), "", now);
    } catch {
      return { kind: "unknown" };
    }
    const answer = await send(ports, request, signal);
    if (answer === null) return { kind: "unknown" };
    if (!isSuccess(answer)) {
      const code = errorOf(answer)?.code ?? "";
      const isMissing = answer.status === 404 && ["ORDER_NOT_EXIST", "RESOURCE_NOT_EXISTS"].includes(code);
      return isMissing ? { kind: "mismatch", fact: "not_found" } : { kind: "unknown" };
    }
    if (answer.status !== 200 || answer.body === null) return { kind: "unknown" };
    const fault = await signatureFault(answer.headers, answer.body, access.platformKeys, now);
    const read = paymentAnswerSchema.safeParse(parsed(answer.body));
    return fault === null && read.success ? compare(payment, read.data, access.mchid) : { kind: "unknown" };
  }

  /** Asks for a refund that cannot exist: to hear so, the merchant, the certificate and its key must be right. */
  async function check(account: ChannelAccount, now: number, signal: AbortSignal): Promise<AccountCheck> {
    let access: Access;
    let request: SignedRequest;
    try {
      access = await accessOf(ports, account);
      // No refund of ours has a number with an underscore.
      request = await signed(ports, access, "GET", refundPath(`check_${randomToken(ports.random)}`), "", now);
    } catch {
      return { kind: "refused", code: "CREDENTIALS", words: "The credentials cannot be used." };
    }
    const answer = await send(ports, request, signal);
    if (answer === null) return { kind: "unknown", words: "No answer." };
    const error = errorOf(answer);
    if (answer.status === 404 && error?.code === "RESOURCE_NOT_EXISTS") {
      const serial = answer.headers.get("Wechatpay-Serial");
      if (serial === null || access.platformKeys.has(serial)) return { kind: "ok" };
      const words = `WeChat Pay signs with ${serial}, which is not among platform_keys.`;
      return { kind: "refused", code: "PLATFORM_KEY_UNKNOWN", words };
    }
    const words = error?.message || `HTTP ${answer.status}`;
    const isRefused = [400, 401, 403].includes(answer.status) && error !== null;
    return isRefused ? { kind: "refused", code: error.code, words } : { kind: "unknown", words };
  }

  return {
    facts: wechatpayFacts,
    refund,
    query,
    verifyPayment,
    check,
    readNotice: async (notice, account, now) => readNotice(notice, await accessOf(ports, account), now),
    noticeAnswer,
    readCredentials,
  };
}

async function signed(
  ports: ConnectorPorts,
  access: Access,
  method: "GET" | "POST",
  path: string,
  body: string,
  now: number,
): Promise<SignedRequest> {
  const nonce = Array.from(ports.random(16), (byte) => byte.toString(16).padStart(2, "0"))
    .join("")
    .toUpperCase();
  const seconds = Math.floor(now / 1000);
  const headers: Record<string, string> = {
    Accept: "application/json",
    // WeChat refuses requests that do not say who asks.
    "User-Agent": "edge-refunds",
    Authorization: await authorization(access, { method, path, body, seconds, nonce }),
  };
  if (access.answerSerial !== null) headers["Wechatpay-Serial"] = access.answerSerial;
  if (method === "POST") headers["Content-Type"] = "application/json";
  const init = { method, headers, body: method === "POST" ? body : undefined };
  return { url: ports.baseUrl + path, init };
}

/** Null when no answer came, or it broke off. */
async function send(
  ports: ConnectorPorts,
  { url, init }: SignedRequest,
  signal: AbortSignal,
): Promise<Answer | null> {
  try {
    const response = await ports.fetch(url, { ...init, redirect: "manual", signal });
    return {
      status: response.status,
      headers: response.headers,
      body: await boundedBytes(response, ANSWER_BYTES_MAX),
    };
  } catch {
    return null;
  }
}

function isSuccess({ status }: Answer): boolean {
  return status >= 200 && status < 300;
}

function errorOf({ body }: Answer): ErrorWords | null {
  const read = errorSchema.safeParse(body === null ? undefined : parsed(body));
  return read.success ? { code: read.data.code, message: read.data.message ?? "" } : null;
}

function compare(payment: Payment, said: PaymentAnswer, mchid: string): PaymentCheck {
  const transactionNo = said.transaction_id ?? null;
  const isAnother = payment.transactionNo !== null && payment.transactionNo !== transactionNo;
  if (said.mchid !== mchid || said.out_trade_no !== payment.orderNo || isAnother) {
    return { kind: "mismatch", fact: "number" };
  }
  if (UNPAID_STATES.includes(said.trade_state)) return { kind: "mismatch", fact: "unpaid" };
  if (!PAID_STATES.includes(said.trade_state) || said.amount?.total == null) return { kind: "unknown" };
  // WeChat leaves the currency out where it can only be this one.
  const currency = (said.amount.currency ?? "CNY").toLowerCase();
  if (currency !== payment.currency) return { kind: "mismatch", fact: "currency" };
  if (said.amount.total !== payment.amount) return { kind: "mismatch", fact: "amount" };
  return { kind: "paid", transactionNo };
}

function unknown(
  order: RefundOrder,
  now: number,
  failureCode: NonNullable<Extract<Verdict, { kind: "unknown" }>["failureCode"]>,
  words?: string,
): Verdict {
  return {
    kind: "unknown",
    failureCode,
    words,
    number: order.number,
    amount: null,
    currency: null,
    askedAt: now,
  };
}

/** Up to `ms`: whoever was turned away together comes back one after the other. */
function jitter(ports: ConnectorPorts, ms: number): number {
  return Math.floor((ms * (ports.random(1)[0] ?? 0)) / 256);
}
