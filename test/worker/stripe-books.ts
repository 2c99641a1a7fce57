// Stripe in the hands of a test: answers in the place of `fetch`, keeps refunds by their idempotency key, and remembers
// what it was asked. Whose books are asked is told by the account's key.
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, vi } from "vitest";
import { mintId, randomToken } from "../../src/ids.ts";
import { random } from "../harness.ts";

const STRIPE = "https://api.stripe.com";

export type Status = "pending" | "succeeded" | "failed" | "canceled" | "requires_action";

/** A refund at Stripe. */
export interface StripeRefund {
  id: string;
  payment: string;
  amount: number;
  currency: string;
  status: Status;
  created: number;
  metadata: Record<string, string>;
}

/** A request to refund, as Stripe reads it. */
export interface Submission {
  key: string;
  bearer: string;
  payment: string;
  amount: number;
  number: string;
}

/** What Stripe does with a submission, and what it says of it. */
export interface Turn {
  effect: Status | "none";
  /** An HTTP status and an error code, or a broken connection, in place of the truth. */
  says?: "reset" | { status: number; code?: string };
  after?: Promise<unknown>;
}

type Said = Response | "reset" | null;
type Says = (path: string, bearer: string) => Said | Promise<Said>;

interface Payment {
  amount: number;
  currency: string;
  paid?: boolean;
}

export class StripeBooks {
  readonly submissions: Submission[] = [];
  /** Path and key of everything that was asked without moving money. */
  readonly questions: { path: string; bearer: string }[] = [];
  readonly refunds: StripeRefund[] = [];
  readonly payments = new Map<string, Payment>();
  readonly #byKey = new Map<string, StripeRefund>();
  #turn: (submission: Submission, attempt: number) => Turn = () => ({ effect: "succeeded" });
  #says: Says = () => null;
  #serial = 0;

  onSubmission(turn: (submission: Submission, attempt: number) => Turn): void {
    this.#turn = turn;
  }

  /** Answers questions in place of the books; null lets the books answer. */
  onQuestion(say: Says): void {
    this.#says = say;
  }

  /** A payment that was taken, under a new serial number. */
  pay(payment: Payment = { amount: 10_000, currency: "usd" }): string {
    const id = `ch_3${randomToken(random)}`;
    this.payments.set(id, payment);
    return id;
  }

  /** Refunds at Stripe under one of our numbers. */
  of(refund: { id: string }): StripeRefund[] {
    return this.refunds.filter(({ metadata }) => metadata.refund_id === refund.id);
  }

  /** How our refund stands at Stripe from now on. */
  set(refund: { id: string }, status: Status): void {
    for (const one of this.of(refund)) one.status = status;
  }

  /** How much money has moved for a payment. */
  moved(payment: string): number {
    let sum = 0;
    for (const refund of this.refunds) {
      if (refund.payment === payment && refund.status === "succeeded") sum += refund.amount;
    }
    return sum;
  }

  /** A refund that somebody made in the dashboard. */
  refundElsewhere(payment: string, amount: number): StripeRefund {
    return this.#book(payment, amount, "succeeded", {});
  }

  async answer(request: Request): Promise<Response> {
    const { pathname, search, searchParams } = new URL(request.url);
    const bearer = bearerOf(request);
    const [, , folder = "", id] = pathname.split("/");
    if (request.method === "POST") {
      const form = new URLSearchParams(new TextDecoder().decode(await request.arrayBuffer()));
      if (id === undefined) return this.#submit(form, request.headers.get("idempotency-key") ?? "", bearer);
      const refund = this.refunds.find((one) => one.id === id);
      Object.assign(refund?.metadata ?? {}, metadataIn(form));
      return refund === undefined ? missing() : Response.json(shown(refund));
    }
    this.questions.push({ path: `${pathname}${search}`, bearer });
    const said = await this.#says(pathname, bearer);
    if (said === "reset") throw new TypeError("connection reset");
    if (said !== null) return said;
    if (folder === "refunds" && id === undefined) {
      const payment = searchParams.get("charge") ?? searchParams.get("payment_intent");
      const data = this.refunds.filter((one) => one.payment === payment).reverse();
      return Response.json({ object: "list", data: data.map(shown), has_more: false });
    }
    if (folder === "refunds") {
      const refund = this.refunds.find((one) => one.id === id);
      return refund === undefined ? missing() : Response.json(shown(refund));
    }
    const payment = this.payments.get(id ?? "");
    if (payment === undefined) return missing();
    const { amount, currency, paid = true } = payment;
    return Response.json({
      object: "charge",
      id,
      amount,
      amount_captured: paid ? amount : 0,
      captured: paid,
      paid,
      currency,
    });
  }

  async #submit(form: URLSearchParams, key: string, bearer: string): Promise<Response> {
    const payment = form.get("charge") ?? form.get("payment_intent") ?? "";
    const amount = Number(form.get("amount"));
    const metadata = metadataIn(form);
    const number = metadata.refund_id?.slice("re_".length) ?? "";
    const submission = { key, bearer, payment, amount, number };
    this.submissions.push(submission);
    const attempt = this.submissions.filter((one) => one.key === key).length;
    const turn = this.#turn(submission, attempt);
    let refund = this.#byKey.get(key);
    const { effect } = turn;
    if (refund === undefined && effect !== "none") {
      refund = this.#book(payment, amount, effect, metadata);
      this.#byKey.set(key, refund);
    }
    await turn.after;
    if (turn.says === "reset") throw new TypeError("connection reset");
    if (turn.says !== undefined) return failure(turn.says.status, turn.says.code);
    return refund === undefined ? failure(500) : Response.json(shown(refund));
  }

  #book(payment: string, amount: number, status: Status, metadata: Record<string, string>): StripeRefund {
    const currency = this.payments.get(payment)?.currency ?? "usd";
    const created = Math.floor(Date.now() / 1000);
    const id = `re_3Stripe${this.#serial++}`;
    const refund = { id, payment, amount, currency, status, created, metadata };
    this.refunds.push(refund);
    return refund;
  }
}

function bearerOf(request: Request): string {
  return request.headers.get("authorization")?.replace(/^Bearer /, "") ?? "";
}

/** An error as Stripe words it. */
export function failure(status: number, code?: string): Response {
  const type = status >= 500 ? "api_error" : "invalid_request_error";
  return Response.json({ error: { type, code, message: code ?? "An error." } }, { status });
}

const missing = () => failure(404, "resource_missing");

function metadataIn(form: URLSearchParams): Record<string, string> {
  const fields = [...form].map(([name, value]) => [/^metadata\[(\w+)\]$/.exec(name)?.[1], value] as const);
  return Object.fromEntries(fields.filter(([name]) => name !== undefined)) as Record<string, string>;
}

export function shown(refund: StripeRefund): Record<string, unknown> {
  const { payment, ...facts } = refund;
  return { object: "refund", charge: payment, ...facts };
}

/** Whose books an account's key opens: what an earlier test left running asks those of its own. */
const opened = new Map<string, StripeBooks>();

/** From now on whoever comes with this key is asking these books. */
export function openBooks(secretKey: string, books: StripeBooks): void {
  opened.set(secretKey, books);
}

/** Puts the test in Stripe's place; call it once at the top, then `StripeMerchant.create()` in each test. */
export function stripeInTheTest(): void {
  beforeAll(() => {
    env.PUBLIC_URL = "https://refunds.example.com";
    const real = globalThis.fetch;
    vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
      const request = new Request(input as RequestInfo, init as RequestInit);
      if (!request.url.startsWith(STRIPE)) return real(input, init);
      return opened.get(bearerOf(request))?.answer(request) ?? failure(401);
    });
  });
  afterAll(() => {
    env.PUBLIC_URL = undefined;
    vi.restoreAllMocks();
  });
}

/** A refund at Stripe that bears a number, and perhaps a charge, which nobody here knows. */
export function refundOfNobody(number = randomToken(random), charge = mintId("charge", random)) {
  return {
    object: "refund",
    id: "re_3Nobody",
    amount: 100,
    currency: "usd",
    status: "succeeded",
    created: 1,
    charge: "ch_3nobody",
    metadata: { refund_id: `re_${number}`, charge_id: charge },
  };
}
