// WeChat Pay on loopback: verifies our signatures and refuses with the real errors, signs its answers and notices,
// and keeps books. It holds one merchant with throw-away keys, and two keys of its own that are live at once. A query
// or an answer is what the books say at that moment; faults and what comes late are the shared emulator's.
import {
  constants,
  createCipheriv,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from "node:crypto";
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
  type RefundStatus,
  startChannelServer,
} from "./channel-emulator.ts";
import type { Clock } from "./clock.ts";

/** What WeChat keeps of a submission. */
export interface WechatpayOrder {
  refundId: string;
  reason: string | null;
  notifyUrl: string | null;
  fundsAccount: string | null;
}

type Refund = BookedRefund<WechatpayOrder>;

const WORDS: Record<RefundStatus, "PROCESSING" | "SUCCESS" | "CLOSED" | "ABNORMAL"> = {
  processing: "PROCESSING",
  succeeded: "SUCCESS",
  failed: "CLOSED",
  stuck: "ABNORMAL",
  returned: "CLOSED",
};

const REFUNDS = "/v3/refund/domestic/refunds";
const FUNDS_ACCOUNTS = ["AVAILABLE"];
const MESSAGES: Record<string, [status: number, message: string]> = {
  PARAM_ERROR: [400, "参数错误"],
  INVALID_REQUEST: [400, "订单金额或退款金额与之前请求不一致，请核实后再试"],
  SIGN_ERROR: [401, "签名错误，请检查后再试"],
  NO_AUTH: [403, "商户无权限"],
  NOT_ENOUGH: [403, "基本账户余额不足，请充值后重新发起"],
  USER_ACCOUNT_ABNORMAL: [403, "用户账户异常或已注销，不能原路退回"],
  RESOURCE_NOT_EXISTS: [404, "退款单不存在"],
  ORDER_NOT_EXIST: [404, "订单不存在"],
  FREQUENCY_LIMITED: [429, "频率限制，请降低频率后重试"],
  SYSTEM_ERROR: [500, "系统异常，请稍后重试"],
};

/** An error as WeChat words it, for a strike by hand. */
export function wechatpayError(code: string, status = MESSAGES[code]?.[0] ?? 400): Answer {
  const message = MESSAGES[code]?.[1] ?? "";
  return { status, body: JSON.stringify({ code, message, detail: { issue: "" } }) };
}

interface KeyPair {
  publicKey: string;
  privateKey: string;
}

/** Pairs of RSA keys in PEM, the same for all emulators of a process: making them takes long. */
let pairs: KeyPair[] | null = null;

function keyPairs() {
  pairs ??= [0, 1, 2].map(() =>
    generateKeyPairSync("rsa", {
      modulusLength: 2048,
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
    }),
  );
  return pairs as [KeyPair, KeyPair, KeyPair];
}

export async function startWechatpayEmulator(
  options: { seed?: number; faults?: Partial<FaultRates>; port?: number; clock?: Clock } = {},
) {
  const faults = new Faults(options.seed ?? 1, options.faults, options.clock);
  const { clock } = faults;
  const books = new Books<WechatpayOrder>(faults);
  const notices = new NoticeSender(faults);
  const [merchant, publicKey, certificate] = keyPairs();
  /** WeChat's own keys: a public key by its id, and the platform certificate it replaces. */
  const platform = [
    { serial: "PUB_KEY_ID_0116000000012024101100397200000006", ...publicKey },
    { serial: "5157F09EFDC096DE15EBE81A47057A7232F1B8E1", ...certificate },
  ];
  const credentials = {
    mchid: "1900000109",
    serial_no: "1DDE55AD98ED71D6EDD4A4A16996DE7B47773A8C",
    private_key: merchant.privateKey,
    api_v3_key: randomBytes(16).toString("hex"),
    platform_keys: platform.map(({ serial, publicKey }) => ({ serial, public_key: publicKey })),
    appid: "wx8888888888888888",
  };
  const merchantKey = createPublicKey(merchant.publicKey);
  /** The key that signs everything, if a test says so. */
  let forced: 0 | 1 | null = null;
  let minted = 0;

  const server = await startChannelServer(
    {
      operationOf,
      serve(request, operation) {
        const fault = signatureFault(request, merchantKey, credentials, clock.now());
        if (fault !== null) {
          books.violations.push(`a request that is not signed well: ${fault}`);
          return wechatpayError("SIGN_ERROR");
        }
        if (operation === "refund") return submit(request);
        if (operation === "query") return query(request);
        return operation === "payment" ? payment(request) : wechatpayError("RESOURCE_NOT_EXISTS");
      },
      failure: (kind) => wechatpayError(kind === "error" ? "SYSTEM_ERROR" : "FREQUENCY_LIMITED"),
      // The request chooses the public key; otherwise the certificate signs.
      sign(answer, { headers }) {
        const key = forced ?? (headers["wechatpay-serial"] === platform[0]?.serial ? 0 : 1);
        return { ...answer, headers: { ...answer.headers, ...signatureOf(answer.body, "good", key) } };
      },
    },
    faults,
    options.port,
  );

  async function submit(request: ChannelRequest): Promise<Answer> {
    const body = JSON.parse(request.body);
    const wrong = wrongParameter(body);
    if (wrong !== null) {
      books.violations.push(`a parameter that WeChat refuses: ${wrong}`);
      return wechatpayError("PARAM_ERROR");
    }
    const paid = books.findPayment(body.transaction_id ?? body.out_trade_no);
    if (paid === undefined || paid.paid === false) return wechatpayError("RESOURCE_NOT_EXISTS");
    if (body.amount.total !== paid.amount) return wechatpayError("INVALID_REQUEST");
    minted += 1;
    const booked = books.submit(body.out_refund_no, paid, body.amount.refund, {
      refundId: `5030000${String(minted).padStart(22, "0")}`,
      reason: body.reason ?? null,
      notifyUrl: body.notify_url ?? null,
      fundsAccount: body.funds_account ?? null,
    });
    if (booked === "discordant" || booked === "exceeds") return wechatpayError("INVALID_REQUEST");
    const { refund, isNew } = booked;
    if (isNew) for (const { status, at } of refund.course) await announce(refund, status, at);
    return answerOf(refund);
  }

  async function announce(refund: Refund, status: RefundStatus, at: number): Promise<void> {
    if (status === "processing" || refund.order.notifyUrl === null) return;
    await notices.announce((kind) => notice(refund, kind, status), at);
  }

  function query(request: ChannelRequest): Answer {
    const refund = books.find(decodeURIComponent(request.url.slice(REFUNDS.length + 1)));
    return refund === undefined ? wechatpayError("RESOURCE_NOT_EXISTS") : answerOf(refund);
  }

  function payment(request: ChannelRequest): Answer {
    const url = new URL(request.url, "http://127.0.0.1");
    if (url.searchParams.get("mchid") !== credentials.mchid) return wechatpayError("PARAM_ERROR");
    const paid = books.findPayment(decodeURIComponent(url.pathname.split("/").at(-1) ?? ""));
    if (paid === undefined) return wechatpayError("ORDER_NOT_EXIST");
    const isPaid = paid.paid !== false;
    const state = books.held(paid) > 0 ? "REFUND" : "SUCCESS";
    const body = {
      appid: credentials.appid,
      mchid: credentials.mchid,
      out_trade_no: paid.orderNo,
      ...(isPaid ? { transaction_id: paid.transactionNo, trade_type: "JSAPI" } : {}),
      trade_state: isPaid ? state : "NOTPAY",
      trade_state_desc: "",
      amount: { total: paid.amount, payer_total: paid.amount, currency: paid.currency.toUpperCase() },
    };
    return { status: 200, body: JSON.stringify(body) };
  }

  function answerOf(refund: Refund): Answer {
    const { order } = refund;
    const body = {
      refund_id: order.refundId,
      out_refund_no: refund.number,
      transaction_id: refund.payment.transactionNo,
      out_trade_no: refund.payment.orderNo,
      channel: "ORIGINAL",
      user_received_account: "招商银行信用卡0403",
      ...successTime(refund),
      create_time: rfc3339(refund.submittedAt),
      status: WORDS[books.status(refund)],
      funds_account: order.fundsAccount ?? "UNSETTLED",
      amount: { ...amountOf(refund), currency: "CNY", from: [], discount_refund: 0 },
      promotion_detail: [],
    };
    return { status: 200, body: JSON.stringify(body) };
  }

  function successTime(refund: Refund): { success_time?: string } {
    const success = refund.course.findLast(({ status, at }) => status === "succeeded" && at <= clock.now());
    return success === undefined ? {} : { success_time: rfc3339(success.at) };
  }

  /** A notice of a refund, as it is or as it then was. */
  function notice(refund: Refund, kind: NoticeKind = "good", status = books.status(refund)): PostedNotice {
    const word = WORDS[status];
    const plain = JSON.stringify({
      mchid: credentials.mchid,
      transaction_id: refund.payment.transactionNo,
      out_trade_no: refund.payment.orderNo,
      refund_id: refund.order.refundId,
      out_refund_no: refund.number,
      refund_status: word,
      ...(word === "SUCCESS" ? successTime(refund) : {}),
      user_received_account: "招商银行信用卡0403",
      amount: amountOf(refund),
    });
    return { url: refund.order.notifyUrl ?? "", ...envelope(`REFUND.${word}`, plain, kind) };
  }

  /** Any text, encrypted and signed as a notice. */
  function envelope(event: string, plain: string, kind: NoticeKind = "good", aad = "refund") {
    const nonce = randomBytes(6).toString("hex");
    const cipher = createCipheriv("aes-256-gcm", credentials.api_v3_key, nonce);
    cipher.setAAD(Buffer.from(aad));
    const sealed = Buffer.concat([cipher.update(plain, "utf8"), cipher.final(), cipher.getAuthTag()]);
    const body = JSON.stringify({
      id: `EV-${randomBytes(8).toString("hex")}`,
      create_time: rfc3339(clock.now()),
      resource_type: "encrypt-resource",
      event_type: event,
      summary: "退款通知",
      resource: {
        original_type: "refund",
        algorithm: "AEAD_AES_256_GCM",
        ciphertext: sealed.toString("base64"),
        nonce,
        associated_data: aad,
      },
    });
    // Of notices WeChat alone decides, and takes one or the other while it changes over.
    const key = forced ?? (faults.dice.chance(0.5) ? 0 : 1);
    return { headers: { "content-type": "application/json", ...signatureOf(body, kind, key) }, body };
  }

  function signatureOf(body: string, kind: NoticeKind, key: 0 | 1): Record<string, string> {
    const { serial, privateKey } = platform[key] as (typeof platform)[number];
    const seconds = Math.floor(clock.now() / 1000) - (kind === "stale" ? 301 : 0);
    const nonce = randomBytes(16).toString("hex");
    const message = `${seconds}\n${nonce}\n${body}\n`;
    const signature = sign("sha256", Buffer.from(kind === "forged" ? `${message} ` : message), privateKey);
    return {
      "wechatpay-timestamp": String(seconds),
      "wechatpay-nonce": nonce,
      "wechatpay-serial": serial,
      "wechatpay-signature": `${kind === "probe" ? "WECHATPAY/SIGNTEST/" : ""}${signature.toString("base64")}`,
      "wechatpay-signature-type": "WECHATPAY2-SHA256-RSA2048",
    };
  }

  return {
    url: server.url,
    requests: server.requests,
    credentials,
    books,
    faults,
    notices,
    notice,
    envelope,
    /** Puts a payment on the books. */
    pay(paid: EmulatedPayment): EmulatedPayment {
      books.payments.push(paid);
      return paid;
    },
    /** Changes what a refund is, from now on, and sends the notice of it. */
    move(number: string, status: RefundStatus): void {
      const refund = books.numbers.get(number);
      if (refund === undefined) throw new Error(`no such number: ${number}`);
      refund.course = refund.course.filter(({ at }) => at <= clock.now());
      refund.course.push({ status, at: clock.now() });
      void announce(refund, status, clock.now());
    },
    /** Signs all with the public key (0) or with the certificate (1) from now on. */
    signWith(key: 0 | 1): void {
      forced = key;
    },
    async close(): Promise<void> {
      await notices.close();
      await server.close();
    },
  };
}

export type WechatpayEmulator = Awaited<ReturnType<typeof startWechatpayEmulator>>;

function operationOf({ method, url }: ChannelRequest): Operation {
  if (method === "POST" && url === REFUNDS) return "refund";
  if (method === "GET" && url.startsWith(`${REFUNDS}/`)) return "query";
  return method === "GET" && url.startsWith("/v3/pay/transactions/") ? "payment" : "other";
}

/** What is wrong with the signature of a request, as WeChat would find it. */
function signatureFault(
  { method, url, headers, body }: ChannelRequest,
  key: KeyObject,
  { mchid, serial_no }: { mchid: string; serial_no: string },
  now: number,
): string | null {
  const [scheme, rest = ""] = (headers.authorization ?? "").split(/ (.*)/s);
  if (scheme !== "WECHATPAY2-SHA256-RSA2048") return "scheme";
  const said = Object.fromEntries(
    [...rest.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]),
  );
  if (said.mchid !== mchid || said.serial_no !== serial_no) return "merchant";
  if (Math.abs(now / 1000 - Number(said.timestamp)) > 300) return "timestamp";
  const message = Buffer.from(`${method}\n${url}\n${said.timestamp}\n${said.nonce_str}\n${body}\n`);
  const padding = { key, padding: constants.RSA_PKCS1_PADDING };
  return verify("sha256", message, padding, Buffer.from(said.signature ?? "", "base64")) ? null : "signature";
}

/** The first parameter of a submission that WeChat would not take. */
function wrongParameter(body: Record<string, unknown> & { amount?: Record<string, unknown> }): string | null {
  const isText = (value: unknown, pattern: RegExp) => typeof value === "string" && pattern.test(value);
  if ((body.transaction_id === undefined) === (body.out_trade_no === undefined)) return "transaction_id";
  if (!isText(body.out_refund_no, /^[0-9A-Za-z_\-|*@]{1,64}$/)) return "out_refund_no";
  const { reason, notify_url, funds_account, amount } = body;
  if (reason !== undefined && (!isText(reason, /./s) || Buffer.byteLength(String(reason)) > 80))
    return "reason";
  if (notify_url !== undefined && !isText(notify_url, /^https?:\/\/[^?#]{1,248}$/)) return "notify_url";
  if (funds_account !== undefined && !FUNDS_ACCOUNTS.includes(String(funds_account))) return "funds_account";
  const isFen = (value: unknown) => Number.isSafeInteger(value) && Number(value) > 0;
  if (!isFen(amount?.refund) || !isFen(amount?.total)) return "amount";
  return amount?.currency === "CNY" ? null : "currency";
}

function amountOf({ amount, payment }: Refund) {
  return { total: payment.amount, refund: amount, payer_total: payment.amount, payer_refund: amount };
}

/** In Beijing time, as WeChat writes it. */
function rfc3339(at: number): string {
  return `${new Date(at + 8 * 3_600_000).toISOString().slice(0, 19)}+08:00`;
}
