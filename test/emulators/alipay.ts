// Alipay on loopback, as its v3 protocol shows it: checks the signatures of what comes, signs what it says (but for
// the gateway's own refusals, which come before it knows whose key to use), and keeps the books of a merchant's
// trades. A number is refunded once; whoever repeats it hears `fund_change: N`. Of the shared faults, `sticks` and
// `reverses` are not Alipay's: it has no words for them.
import { generateKeyPairSync, sign, verify } from "node:crypto";
import { currencyExponent, decimalAmount } from "../../src/money.ts";
import {
  type Answer,
  type BookedRefund,
  Books,
  type ChannelRequest,
  type EmulatedPayment,
  type FaultRates,
  Faults,
  type NoticeKind,
  NoticeSender,
  type Operation,
  type PostedNotice,
  startChannelServer,
} from "./channel-emulator.ts";
import type { Clock } from "./clock.ts";

const PATHS: Record<string, Operation> = {
  "/v3/alipay/trade/refund": "refund",
  "/v3/alipay/trade/fastpay/refund/query": "query",
  "/v3/alipay/trade/query": "payment",
};
const CLOCK_TOLERANCE_MS = 600_000;
const SPACING_MS = 3_000;
/** What may get lost of a gap on the way. */
const SPACING_TOLERANCE_MS = 300;
const NUMBER_LENGTH_MAX = 64;
const REASON_BYTES_MAX = 256;

export interface AlipayOptions {
  port?: number;
  seed?: number;
  faults?: Partial<FaultRates>;
  clock?: Clock;
  certificateMode?: boolean;
  /** False: refunds of a trade that follow each other closely are no violation. */
  minds3Seconds?: boolean;
  /** Where notices of refunds go; without it there are none, as for most refunds of Alipay's. */
  notifyUrl?: (payment: EmulatedPayment) => string;
}

interface Order {
  reason: string | undefined;
}

/** What a request asks for; every field as it came. */
interface Question {
  trade_no?: string;
  out_trade_no?: string;
  out_request_no?: string;
  refund_amount?: string;
  refund_reason?: string;
}

export type AlipayEmulator = Awaited<ReturnType<typeof startAlipayEmulator>>;

/** Made once: that takes longer than everything else here. Alipay's second key is live beside the first, for a roll. */
let keys: { ours: KeyPair; alipays: readonly [KeyPair, KeyPair] } | undefined;
type KeyPair = ReturnType<typeof newKeyPair>;

export async function startAlipayEmulator(options: AlipayOptions = {}) {
  const faults = new Faults(options.seed ?? 1, options.faults, options.clock);
  const { clock } = faults;
  const books = new Books<Order>(faults);
  const notices = new NoticeSender(faults);
  keys ??= { ours: newKeyPair(), alipays: [newKeyPair(), newKeyPair()] };
  const { ours, alipays } = keys;
  const appId = "2021000000000001";
  const sellerId = "2088000000000001";
  const certificates = options.certificateMode
    ? {
        app_cert_sn: "50fa7bc5dc305a4fbdbe166689ddc827",
        alipay_root_cert_sn: "687b59193f3f462d_02941eef3187dddf",
      }
    : {};
  const credentials = {
    app_id: appId,
    private_key: ours.privateKey,
    alipay_public_keys: alipays.map(({ publicKey }) => publicKey),
    seller_id: sellerId,
    ...certificates,
  };
  let signingKey: 0 | 1 = 0;
  /** Trades that refuse refunds, and the code they refuse them with. */
  const refusals = new Map<string, string>();
  const unsigned = new WeakSet<Answer>();
  const nonces = new Set<string>();
  const lastRefund = new Map<EmulatedPayment, number>();

  /** A refusal of the gateway's. */
  function turnedAway(status: number, code: string): Answer {
    const answer = error(status, code);
    unsigned.add(answer);
    return answer;
  }

  /** Null when the request is signed by our app. */
  function refusalOfSignature(request: ChannelRequest): Answer | null {
    const [, authString = "", signature = ""] =
      /^ALIPAY-SHA256withRSA (.+),sign=([^,]+)$/.exec(request.headers.authorization ?? "") ?? [];
    const fields = new Map(authString.split(",").map((field) => field.split("=", 2) as [string, string]));
    if (signature === "") return turnedAway(401, "missing-signature");
    if (fields.get("app_id") !== appId) return turnedAway(400, "invalid-app-id");
    if (fields.get("app_cert_sn") !== certificates.app_cert_sn) return turnedAway(400, "missing-app-cert-sn");
    if (request.headers["alipay-root-cert-sn"] !== certificates.alipay_root_cert_sn) {
      return turnedAway(400, "missing-alipay-root-cert-sn");
    }
    const message = `${authString}\n${request.method}\n${request.url}\n${request.body}\n`;
    const isSigned = verify("sha256", Buffer.from(message), ours.publicKey, Buffer.from(signature, "base64"));
    if (!isSigned) return turnedAway(401, "invalid-signature");
    if (Math.abs(clock.now() - Number(fields.get("timestamp"))) > CLOCK_TOLERANCE_MS) {
      return turnedAway(400, "invalid-timestamp");
    }
    const nonce = fields.get("nonce") ?? "";
    if (nonces.has(nonce)) books.violations.push(`one nonce, two requests: ${nonce}`);
    nonces.add(nonce);
    return null;
  }

  async function serve(request: ChannelRequest, operation: Operation): Promise<Answer> {
    const refusal = refusalOfSignature(request);
    if (refusal !== null) return refusal;
    if (operation === "other" || request.method !== "POST") return turnedAway(404, "invalid-method");
    const question = JSON.parse(request.body) as Question;
    const payment = books.findPayment(question.trade_no ?? question.out_trade_no);
    if (payment === undefined) return error(400, "ACQ.TRADE_NOT_EXIST");
    if (operation === "payment") return tradeAnswer(payment, books.moved(payment.transactionNo), clock.now());
    const number = question.out_request_no ?? "";
    if (number === "" || number.length > NUMBER_LENGTH_MAX) return error(400, "ACQ.INVALID_PARAMETER");
    return operation === "refund" ? refund(payment, number, question) : query(payment, number);
  }

  async function refund(payment: EmulatedPayment, number: string, question: Question): Promise<Answer> {
    const amount = minorUnits(question.refund_amount, payment.currency);
    if (amount === null || Buffer.byteLength(question.refund_reason ?? "") > REASON_BYTES_MAX) {
      books.violations.push(`not as Alipay wants it: ${number} ${question.refund_amount}`);
      return error(400, "ACQ.INVALID_PARAMETER");
    }
    if (!books.numbers.has(number)) {
      const code =
        refusals.get(payment.transactionNo) ?? (payment.paid === false ? "TRADE_STATUS_ERROR" : null);
      if (code !== null) return error(400, `ACQ.${code}`);
    }
    const booked = books.submit(number, payment, amount, { reason: question.refund_reason });
    if (booked === "discordant") return error(400, "ACQ.DISCORDANT_REPEAT_REQUEST");
    if (booked === "exceeds") return error(400, "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL");
    const isAgain = !booked.isNew && books.status(booked.refund) === "failed";
    if (isAgain && !triedAgain(booked.refund)) return error(400, "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL");
    if (booked.isNew) spaced(payment, number);
    const isDone = books.status(booked.refund) === "succeeded";
    const moves = isDone && (booked.isNew || isAgain);
    if (moves && options.notifyUrl !== undefined) {
      await notices.announce((kind) => noticeOf(number, kind));
    }
    return ok({
      trade_no: payment.transactionNo,
      out_trade_no: payment.orderNo,
      buyer_open_id: "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5lsNpazWYoCo5",
      fund_change: moves ? "Y" : "N",
      // The trade's running total.
      refund_fee: decimalAmount(books.moved(payment.transactionNo), payment.currency),
    });
  }

  /** A refund that failed may be asked for again by its number: nothing had moved for it. */
  function triedAgain(refund: BookedRefund<Order>): boolean {
    if (books.held(refund.payment) + refund.amount > refund.payment.amount) return false;
    refund.course.push({ status: "succeeded", at: clock.now() });
    return true;
  }

  function spaced(payment: EmulatedPayment, number: string): void {
    const now = clock.now();
    const gap = now - (lastRefund.get(payment) ?? 0);
    lastRefund.set(payment, now);
    if (options.minds3Seconds !== false && gap < SPACING_MS - SPACING_TOLERANCE_MS) {
      books.violations.push(`${gap} ms after another refund of ${payment.transactionNo}: ${number}`);
    }
  }

  function query(payment: EmulatedPayment, number: string): Answer {
    const refund = books.find(number);
    if (refund === undefined || refund.payment !== payment) return ok({});
    const names = {
      trade_no: payment.transactionNo,
      out_trade_no: payment.orderNo,
      out_request_no: number,
    };
    if (books.status(refund) !== "succeeded") return ok(names);
    return ok({
      ...names,
      total_amount: decimalAmount(payment.amount, payment.currency),
      refund_amount: decimalAmount(refund.amount, payment.currency),
      refund_status: "REFUND_SUCCESS",
      gmt_refund_pay: beijing(
        refund.course.findLast(({ at }) => at <= clock.now())?.at ?? refund.submittedAt,
      ),
    });
  }

  /** The form that Alipay posts about a refund. A probe carries no real signature. */
  function noticeOf(
    number: string,
    kind: NoticeKind = "good",
    changes: Record<string, string> = {},
  ): PostedNotice {
    const refund = books.numbers.get(number);
    if (refund === undefined) throw new Error(`no refund ${number}`);
    const { payment } = refund;
    const form: Record<string, string> = {
      notify_time: beijing(clock.now() - (kind === "stale" ? 3_600_000 : 0)),
      notify_type: "trade_status_sync",
      notify_id: `notify${number}`,
      charset: "utf-8",
      version: "1.0",
      app_id: appId,
      seller_id: sellerId,
      trade_no: payment.transactionNo,
      out_trade_no: payment.orderNo,
      out_biz_no: number,
      trade_status: books.moved(payment.transactionNo) === payment.amount ? "TRADE_CLOSED" : "TRADE_SUCCESS",
      subject: "大杯 拿铁 & 蛋糕=1",
      total_amount: decimalAmount(payment.amount, payment.currency),
      refund_fee: decimalAmount(books.moved(payment.transactionNo), payment.currency),
      gmt_refund: `${beijing(refund.submittedAt)}.123`,
      ...changes,
    };
    const message = Object.keys(form)
      .sort()
      .map((name) => `${name}=${form[name]}`)
      .join("&");
    const key = kind === "forged" ? ours.privateKey : alipays[signingKey].privateKey;
    const signature = kind === "probe" ? "SIGNTEST" : signed(message, key);
    const body = new URLSearchParams({ ...form, sign: signature, sign_type: "RSA2" }).toString();
    const headers = { "content-type": "application/x-www-form-urlencoded; charset=utf-8" };
    return { url: options.notifyUrl?.(payment) ?? "", headers, body };
  }

  const server = await startChannelServer(
    {
      operationOf: ({ url }) => PATHS[url] ?? "other",
      serve,
      failure: (kind) =>
        kind === "error" ? error(500, "ACQ.SYSTEM_ERROR") : turnedAway(429, "app-call-limited"),
      sign(answer) {
        if (unsigned.has(answer)) return answer;
        const timestamp = String(clock.now());
        const nonce = `${timestamp}${answer.body.length}`;
        const message = `${timestamp}\n${nonce}\n${answer.body}\n`;
        const headers = {
          ...answer.headers,
          "alipay-timestamp": timestamp,
          "alipay-nonce": nonce,
          "alipay-signature": signed(message, alipays[signingKey].privateKey),
        };
        return { ...answer, headers };
      },
    },
    faults,
    options.port,
  );

  return {
    url: server.url,
    requests: server.requests,
    /** What an account at this Alipay looks like. */
    credentials,
    books,
    faults,
    notices,
    /** Puts a payment on the books. */
    pay(payment: EmulatedPayment): EmulatedPayment {
      books.payments.push(payment);
      return payment;
    },
    /** From now on new refunds of a trade are refused with a code (without `ACQ.`); null: no longer. */
    refuse(transactionNo: string, code: string | null): void {
      if (code === null) refusals.delete(transactionNo);
      else refusals.set(transactionNo, code);
    },
    /** Which of its two keys Alipay signs with. */
    signWith(key: 0 | 1): void {
      signingKey = key;
    },
    noticeOf,
    async close(): Promise<void> {
      await notices.close();
      await server.close();
    },
  };
}

/** An error in the form of v3. Most of Alipay's statuses are 400; the code is what counts. */
export function error(status: number, code: string): Answer {
  const links = [{ link: "https://open.alipay.com/api/errCheck", desc: "解决方案" }];
  return { status, body: JSON.stringify({ code, message: `说明：${code}`, links }) };
}

export function ok(body: object): Answer {
  return { status: 200, body: JSON.stringify(body) };
}

function tradeAnswer(payment: EmulatedPayment, moved: number, now: number): Answer {
  const isPaid = payment.paid !== false;
  const isClosed = isPaid && moved === payment.amount;
  return ok({
    trade_no: payment.transactionNo,
    out_trade_no: payment.orderNo,
    trade_status: isClosed ? "TRADE_CLOSED" : isPaid ? "TRADE_SUCCESS" : "WAIT_BUYER_PAY",
    total_amount: decimalAmount(payment.amount, payment.currency),
    ...(payment.currency === "cny" ? {} : { trans_currency: payment.currency.toUpperCase() }),
    ...(isPaid ? { send_pay_date: beijing(now) } : {}),
  });
}

/** Exactly as many decimals as the currency has, or it is no amount. */
function minorUnits(text: string | undefined, currency: string): number | null {
  const exponent = currencyExponent(currency);
  const form = exponent === 0 ? /^[1-9]\d*$/ : new RegExp(`^(0|[1-9]\\d*)\\.\\d{${exponent}}$`);
  const amount = Number((text ?? "").replace(".", ""));
  return form.test(text ?? "") && amount > 0 ? amount : null;
}

function beijing(at: number): string {
  return new Date(at + 8 * 3_600_000).toISOString().slice(0, 19).replace("T", " ");
}

function signed(message: string, privateKey: string): string {
  return sign("sha256", Buffer.from(message), privateKey).toString("base64");
}

function newKeyPair() {
  return generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
}
