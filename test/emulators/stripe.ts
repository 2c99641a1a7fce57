// Stripe on loopback: its refunds, payments and events, and its idempotency keys, which can be made to expire. Amounts
// are in Stripe's own minor units. Books are kept by our refund id in the metadata, and count every refund made.
import { createHmac, randomBytes } from "node:crypto";
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
  type RefundStatus,
  startChannelServer,
} from "./channel-emulator.ts";
import type { Clock } from "./clock.ts";

export interface StripePaymentBook extends EmulatedPayment {
  /** A disputed charge is not refunded. */
  disputed?: boolean;
  /** Authorised, but not taken. */
  captured?: boolean;
}

/** One refund object at Stripe. A number has several only if it was paid more than once. */
export interface StripeRefundBook {
  id: string;
  created: number;
  metadata: Record<string, string>;
  /** Overrides what the course of the refund says. */
  status?: string;
  failureReason?: string;
}

export interface StripeEmulator {
  url: string;
  /** The JSON of an account of ours. */
  credentials: { secret_key: string; webhook_secrets: string[] };
  pay(payment: StripePaymentBook): void;
  books: Books<StripeRefundBook[]>;
  faults: Faults;
  notices: NoticeSender;
  requests: ChannelRequest[];
  /** What the merchant has left, in Stripe's minor units; no refund is made beyond it. */
  balance: number;
  /** Where events go; null: nowhere. */
  notifyUrl: string | null;
  /** Forgets an idempotency key, or all, as Stripe does after a day. */
  expireKeys(key?: string): void;
  /** A refund made by somebody else, in the dashboard. */
  refundElsewhere(transactionNo: string, amount: number, metadata?: Record<string, string>): StripeRefundBook;
  /** An event as Stripe posts it, signed. */
  event(type: string, object: object, kind?: NoticeKind, at?: number): StripePost;
  /** A refund as the API shows it. */
  render(number: string): object;
  close(): Promise<void>;
}

export interface StripePost {
  headers: Record<string, string>;
  body: string;
}

/** An error as Stripe words it. */
export function stripeError(
  status: number,
  error: { type?: string; code?: string; message?: string; param?: string },
  headers?: Record<string, string>,
): Answer {
  const body = { error: { type: "invalid_request_error", message: error.code ?? "An error.", ...error } };
  return { status, headers, body: JSON.stringify(body, null, 2) };
}

/** The header over a body's bytes; `at` in ms. */
export function stripeSignature(secrets: string[], body: string, at: number, scheme = "v1"): string {
  const timestamp = Math.floor(at / 1000);
  const signatures = secrets.map((secret) => {
    const signature = createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex");
    return `${scheme}=${signature}`;
  });
  return [`t=${timestamp}`, ...signatures].join(",");
}

const STATUSES: Record<RefundStatus, string> = {
  processing: "pending",
  succeeded: "succeeded",
  failed: "failed",
  stuck: "requires_action",
  returned: "failed",
};
const REASONS = ["duplicate", "fraudulent", "requested_by_customer"];
const STALE_MS = 400_000;
/** What the books call a refund that somebody else made. */
const ELSEWHERE = "elsewhere_";

export async function startStripeEmulator(
  options: {
    seed?: number;
    faults?: Partial<FaultRates>;
    port?: number;
    notifyUrl?: string | null;
    clock?: Clock;
  } = {},
): Promise<StripeEmulator> {
  const faults = new Faults(options.seed ?? 1, options.faults, options.clock);
  const { clock } = faults;
  const books = new Books<StripeRefundBook[]>(faults);
  const notices = new NoticeSender(faults);
  const credentials = {
    secret_key: `sk_live_${randomBytes(12).toString("hex")}`,
    webhook_secrets: [`whsec_${randomBytes(16).toString("hex")}`],
  };
  /** By key: the parameters it came with first, and the answer they got; null while they are being worked on. */
  const keys = new Map<string, { parameters: string; answer: Answer | null }>();
  let serial = 0;
  const mint = (prefix: string) => `${prefix}_3${faults.dice.between(1e8, 9e8)}${(serial++).toString(36)}`;

  function chargeOf({ transactionNo }: EmulatedPayment): string {
    return transactionNo.replace(/^pi_/, "ch_");
  }

  function statusOf(refund: BookedRefund<StripeRefundBook[]>, object: StripeRefundBook, now: number): string {
    return object.status ?? STATUSES[books.status(refund, now)];
  }

  function show(refund: BookedRefund<StripeRefundBook[]>, object: StripeRefundBook, now = clock.now()) {
    const status = statusOf(refund, object, now);
    return {
      id: object.id,
      object: "refund",
      amount: refund.amount,
      balance_transaction: null,
      charge: chargeOf(refund.payment),
      created: object.created,
      currency: refund.payment.currency,
      ...(status === "failed" ? { failure_reason: object.failureReason ?? "declined" } : {}),
      metadata: object.metadata,
      payment_intent: refund.payment.transactionNo.replace(/^(ch|py)_/, "pi_"),
      reason: null,
      status,
    };
  }

  function findObject(id: string) {
    for (const refund of books.numbers.values()) {
      const object = refund.order.find((one) => one.id === id);
      if (object !== undefined) return { refund, object };
    }
    return null;
  }

  function* objectsOf(payment: EmulatedPayment, now: number) {
    const refunds = [...books.numbers.values()].filter((one) => one.payment === payment);
    // Newest first.
    for (const refund of refunds.reverse()) {
      if (refund.visibleAt <= now) for (const object of [...refund.order].reverse()) yield { refund, object };
    }
  }

  async function serve(request: ChannelRequest): Promise<Answer> {
    const url = new URL(request.url, "http://stripe");
    if (request.headers.authorization !== `Bearer ${credentials.secret_key}`) {
      return stripeError(401, { message: "Invalid API Key provided: sk_live_****" });
    }
    if (!/^\d{4}-\d\d-\d\d/.test(request.headers["stripe-version"] ?? "")) {
      books.violations.push("a request without a pinned Stripe-Version");
    }
    const [, , folder = "", id] = url.pathname.split("/");
    if (request.method === "POST") return once(request, () => change(folder, id, request));
    if (folder === "refunds" && id === undefined) return list(url.searchParams);
    if (folder === "refunds" && id !== undefined) {
      const found = findObject(id);
      return found === null ? missing("refund", id) : ok(show(found.refund, found.object));
    }
    if (folder === "charges" || folder === "payment_intents") return payment(folder, id ?? "");
    return stripeError(404, { message: `Unrecognized request URL (GET: ${url.pathname}).` });
  }

  /** The idempotency layer: the first answer under a key is every answer, and other parameters are refused. */
  async function once(request: ChannelRequest, work: () => Answer | Promise<Answer>): Promise<Answer> {
    const key = request.headers["idempotency-key"];
    if (key === undefined) {
      books.violations.push("a POST without an Idempotency-Key");
      return work();
    }
    const parameters = `${request.url} ${request.body}`;
    const known = keys.get(key);
    if (known === undefined) {
      const entry = { parameters, answer: null as Answer | null };
      keys.set(key, entry);
      entry.answer = await work();
      return entry.answer;
    }
    for (const refund of books.numbers.values()) if (key === `re_${refund.number}`) refund.submissions++;
    if (known.answer === null) return stripeError(409, { code: "idempotency_key_in_use" });
    if (known.parameters === parameters) return known.answer;
    const message = "Keys for idempotent requests can only be used with the same parameters.";
    return stripeError(400, { type: "idempotency_error", message });
  }

  async function change(folder: string, id: string | undefined, request: ChannelRequest): Promise<Answer> {
    const form = new URLSearchParams(request.body);
    if (folder !== "refunds") return stripeError(404, { message: "Unrecognized request URL." });
    const metadata: Record<string, string> = {};
    for (const [name, value] of form) {
      const field = /^metadata\[(\w{1,40})\]$/.exec(name)?.[1];
      if (field === undefined) continue;
      if (value.length > 500) return stripeError(400, { param: name, message: "Too long." });
      metadata[field] = value;
    }
    if (id === undefined) return create(form, metadata, request.headers["idempotency-key"] ?? "");
    const found = findObject(id);
    if (found === null) return missing("refund", id);
    Object.assign(found.object.metadata, metadata);
    return ok(show(found.refund, found.object));
  }

  async function create(
    form: URLSearchParams,
    metadata: Record<string, string>,
    key: string,
  ): Promise<Answer> {
    const reason = form.get("reason");
    if (reason !== null && !REASONS.includes(reason)) {
      return stripeError(400, { param: "reason", message: "Invalid reason." });
    }
    const name = form.has("charge") ? "charge" : "payment_intent";
    const paymentId = form.get(name) ?? "";
    const paid = books.findPayment(paymentId) as StripePaymentBook | undefined;
    if (paid === undefined) return missing(name, paymentId);
    const amount = Number(form.get("amount"));
    if (!/^[1-9]\d*$/.test(form.get("amount") ?? "")) {
      return stripeError(400, { code: "parameter_invalid_integer", param: "amount" });
    }
    if (paid.disputed) return stripeError(400, { code: "charge_disputed" });
    const number = metadata.refund_id?.replace(/^re_/, "") ?? "";
    if (key !== metadata.refund_id) books.violations.push(`key ${key} for ${metadata.refund_id}`);
    const left = paid.amount - books.held(paid);
    const isOurDoing = ![...books.numbers.keys()].some((one) => one.startsWith(ELSEWHERE));
    if (amount > left && isOurDoing) {
      books.violations.push(`more than was paid: ${paymentId} ${number} ${amount}`);
    }
    if (left === 0) return stripeError(400, { code: "charge_already_refunded" });
    if (amount > left) {
      const message = `Refund amount (${amount}) is greater than unrefunded amount on charge (${left})`;
      return stripeError(400, { param: "amount", message });
    }
    if (amount > emulator.balance) return stripeError(400, { code: "balance_insufficient" });
    const { shown, told } = book(number, paid, amount, metadata);
    await told;
    return ok(shown);
  }

  /** Makes a refund: whatever comes this far moves money, also a number that has moved some before. */
  function book(number: string, paid: EmulatedPayment, amount: number, metadata: Record<string, string>) {
    emulator.balance -= amount;
    const object = { id: mint("re"), created: Math.floor(clock.now() / 1000), metadata };
    const known = books.numbers.get(number);
    if (known !== undefined) {
      known.submissions++;
      known.effects++;
      known.order.push(object);
      books.violations.push(`one number, refunded twice: ${number}`);
      return { object, shown: show(known, object), told: undefined };
    }
    const booked = books.submit(number, paid, amount, [object]);
    if (typeof booked === "string") throw new Error(`not booked: ${booked}`);
    const { refund } = booked;
    const told = refund.course.map(({ status, at }, step) => {
      const type = step === 0 ? "created" : STATUSES[status] === "failed" ? "failed" : "updated";
      return announce(`refund.${type}`, refund, object, at);
    });
    return { object, shown: show(refund, object), told: told[0] };
  }

  function announce(
    type: string,
    refund: BookedRefund<StripeRefundBook[]>,
    object: StripeRefundBook,
    at: number,
  ): Promise<void> | undefined {
    const url = emulator.notifyUrl;
    if (url === null) return;
    return notices.announce((kind) => ({ url, ...emulator.event(type, show(refund, object, at), kind) }), at);
  }

  function list(query: URLSearchParams): Answer {
    const name = query.has("charge") ? "charge" : "payment_intent";
    const paid = books.findPayment(query.get(name) ?? "");
    if (paid === undefined) {
      return query.has(name) ? missing(name, query.get(name) ?? "") : ok(page([], false));
    }
    const all = [...objectsOf(paid, clock.now())].map(({ refund, object }) => show(refund, object));
    const start = all.findIndex(({ id }) => id === query.get("starting_after")) + 1;
    const end = start + Number(query.get("limit") ?? 10);
    return ok(page(all.slice(start, end), end < all.length));
  }

  function payment(folder: string, id: string): Answer {
    const paid = books.findPayment(id) as StripePaymentBook | undefined;
    if (paid === undefined) return missing(folder === "charges" ? "charge" : "payment_intent", id);
    const { amount, currency } = paid;
    const isPaid = paid.paid !== false;
    const captured = isPaid && paid.captured !== false;
    const taken = captured ? amount : 0;
    return folder === "charges"
      ? ok({ id, object: "charge", amount, amount_captured: taken, captured, paid: isPaid, currency })
      : ok({
          id,
          object: "payment_intent",
          amount,
          amount_received: taken,
          currency,
          status: captured ? "succeeded" : isPaid ? "requires_capture" : "canceled",
        });
  }

  const server = await startChannelServer(
    {
      operationOf: ({ method, url }) => {
        if (method === "POST") return url === "/v1/refunds" ? "refund" : "other";
        return url.startsWith("/v1/refunds") ? "query" : "payment";
      },
      serve,
      failure: (kind) =>
        kind === "error"
          ? stripeError(500, { type: "api_error" })
          : stripeError(429, { code: "rate_limit" }, { "retry-after": "1" }),
      sign: (answer) => answer,
    },
    faults,
    options.port,
  );

  const emulator: StripeEmulator = {
    url: server.url,
    credentials,
    pay: (one) => books.payments.push(one),
    books,
    faults,
    notices,
    requests: server.requests,
    balance: Number.MAX_SAFE_INTEGER,
    notifyUrl: options.notifyUrl ?? null,
    expireKeys: (key) => (key === undefined ? keys.clear() : void keys.delete(key)),
    refundElsewhere(transactionNo, amount, metadata = {}) {
      const paid = books.findPayment(transactionNo);
      if (paid === undefined) throw new Error(`no such payment: ${transactionNo}`);
      return book(`${ELSEWHERE}${serial++}`, paid, amount, metadata).object;
    },
    event(type, object, kind = "good", at = clock.now()) {
      const body = JSON.stringify({
        id: mint("evt"),
        object: "event",
        api_version: "2024-10-28.acacia",
        created: Math.floor(at / 1000),
        livemode: true,
        type,
        data: { object },
      });
      const secrets = kind === "forged" ? ["whsec_of_somebody_else"] : credentials.webhook_secrets;
      const signature = stripeSignature(
        secrets,
        body,
        kind === "stale" ? at - STALE_MS : at,
        // Stripe's own fake scheme, which it puts on test events.
        kind === "probe" ? "v0" : "v1",
      );
      return { headers: { "stripe-signature": signature, "content-type": "application/json" }, body };
    },
    render(number) {
      const refund = books.numbers.get(number);
      const object = refund?.order[0];
      if (refund === undefined || object === undefined) throw new Error(`no such refund: ${number}`);
      return show(refund, object);
    },
    async close() {
      await notices.close();
      await server.close();
    },
  };
  return emulator;
}

function ok(body: object): Answer {
  return { status: 200, body: JSON.stringify(body, null, 2) };
}

function page(data: object[], hasMore: boolean): object {
  return { object: "list", url: "/v1/refunds", has_more: hasMore, data };
}

function missing(param: string, id: string): Answer {
  return stripeError(404, { code: "resource_missing", param, message: `No such ${param}: '${id}'` });
}
