// Stripe in the hands of a test: answers in the place of `fetch`, keeps refunds by their idempotency key, counts what
// it was sent, and signs events. And a merchant with a live account there, told as a story needs it.

import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { afterAll, beforeAll, vi } from "vitest";
import { hashKey, mintKey } from "../../src/auth/api-key.ts";
import { DEFAULT_SCOPES, type Scope } from "../../src/auth/scope.ts";
import type { AccountObject } from "../../src/channels/schema.ts";
import type { ChargeObject } from "../../src/charges/schema.ts";
import { mintId, randomToken } from "../../src/ids.ts";
import type { Refund } from "../../src/refunds/refund.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { type Answer, BASE, type ErrorObject, eventually, random, TestApp } from "../harness.ts";

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
  #says: ((path: string, bearer: string) => Response | "reset" | null) | null = null;
  #serial = 0;

  onSubmission(turn: (submission: Submission, attempt: number) => Turn): void {
    this.#turn = turn;
  }

  /** Answers questions in place of the books; null lets the books answer. */
  onQuestion(say: (path: string, bearer: string) => Response | "reset" | null): void {
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
    const bearer = request.headers.get("authorization")?.replace(/^Bearer /, "") ?? "";
    const [, , folder = "", id] = pathname.split("/");
    if (request.method === "POST") {
      const form = new URLSearchParams(await request.text());
      if (id === undefined) return this.#submit(form, request.headers.get("idempotency-key") ?? "", bearer);
      const refund = this.refunds.find((one) => one.id === id);
      Object.assign(refund?.metadata ?? {}, metadataIn(form));
      return refund === undefined ? missing() : Response.json(shown(refund));
    }
    this.questions.push({ path: `${pathname}${search}`, bearer });
    const said = this.#says?.(pathname, bearer) ?? null;
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

let books = new StripeBooks();

/** Puts the test in Stripe's place; call it once at the top, then `StripeMerchant.create()` in each test. */
export function stripeInTheTest(): void {
  beforeAll(() => {
    env.PUBLIC_URL = "https://refunds.example.com";
    const real = globalThis.fetch;
    vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
      const request = new Request(input as RequestInfo, init as RequestInit);
      return request.url.startsWith(STRIPE) ? books.answer(request) : real(input, init);
    });
  });
  afterAll(() => {
    env.PUBLIC_URL = undefined;
    vi.restoreAllMocks();
  });
}

export interface Credentials {
  secret_key: string;
  webhook_secrets: string[];
  account?: string;
}

export const credentials = (): Credentials => ({
  secret_key: `sk_live_${randomToken(random)}`,
  webhook_secrets: [`whsec_${randomToken(random)}`],
});

/** A live key that no isolate remembers: what is known of a key may be 30 s old. */
export async function anotherKey(
  app: TestApp,
  livemode = true,
  scopes: readonly Scope[] = DEFAULT_SCOPES,
): Promise<{ headers: { Authorization: string } }> {
  const key = mintKey(livemode, random);
  await env.DB.prepare(
    "INSERT INTO api_keys (hash, id, app, livemode, name, scopes, created) VALUES (?, ?, ?, ?, ?, ?, ?)",
  )
    .bind(
      await hashKey(key),
      mintId("apiKey", random),
      app.id,
      livemode ? 1 : 0,
      "more",
      JSON.stringify(scopes),
      1,
    )
    .run();
  return { headers: { Authorization: `Bearer ${key}` } };
}

/** An app with a live account at Stripe. */
export class StripeMerchant {
  readonly app: TestApp;
  readonly books: StripeBooks;
  account: AccountObject;
  credentials: Credentials;
  /** What the shop's requests are sent with. */
  #shop: { headers: { Authorization: string } };

  private constructor(
    app: TestApp,
    account: AccountObject,
    secrets: Credentials,
    shop: { headers: { Authorization: string } },
  ) {
    this.app = app;
    this.books = books;
    this.account = account;
    this.credentials = secrets;
    this.#shop = shop;
  }

  /** `beside`: shares the books of the one that was created last. */
  static async create(settings: Record<string, unknown> = {}, beside = false): Promise<StripeMerchant> {
    if (!beside) books = new StripeBooks();
    const app = await TestApp.create({ settings });
    const secrets = credentials();
    const body = { channel: "stripe", credentials: secrets };
    const made = await app.post<AccountObject>("/v1/channel_accounts", body, { live: true });
    if (made.status !== 200) throw new Error(made.text);
    return new StripeMerchant(app, made.body, secrets, await anotherKey(app));
  }

  /** Rotates the account's credentials; the shop's key is one that knows of it. */
  async rotate(secrets = credentials()): Promise<Answer<AccountObject>> {
    const path = `/v1/channel_accounts/${this.account.id}`;
    const rotated = await this.app.post<AccountObject>(path, { credentials: secrets }, { live: true });
    this.account = rotated.body;
    this.credentials = secrets;
    await this.useAnotherKey();
    return rotated;
  }

  async useAnotherKey(): Promise<void> {
    this.#shop = await anotherKey(this.app);
  }

  send<Body = ErrorObject>(method: string, path: string, body?: unknown): Promise<Answer<Body>> {
    return this.app.send<Body>(method, path, { ...this.#shop, body });
  }

  /** A recorded charge of 10000 cents that Stripe has taken, unless the facts say otherwise. */
  charge(facts: Record<string, unknown> = {}): Promise<ChargeObject> {
    const transaction_no = facts.transaction_no ?? this.books.pay();
    return this.app.charge({ channel: "stripe", currency: "usd", ...facts, transaction_no }, this.#shop);
  }

  refund<Body = RefundObject>(
    charge: { id: string },
    body: Record<string, unknown> = {},
  ): Promise<Answer<Body>> {
    return this.app.refund<Body>(charge, body, this.#shop);
  }

  async retrieve(refund: { id: string; charge: string }): Promise<RefundObject> {
    const { body } = await this.send<RefundObject>(
      "GET",
      `/v1/charges/${refund.charge}/refunds/${refund.id}`,
    );
    return body;
  }

  async retrieveCharge(charge: { id: string }): Promise<ChargeObject> {
    return (await this.send<ChargeObject>("GET", `/v1/charges/${charge.id}`)).body;
  }

  /** What is done to a refund by hand: `sync`, `claim`, `resolve`. */
  act<Body = RefundObject & ErrorObject>(
    refund: { id: string; charge: string },
    verb: string,
    body: Record<string, unknown> = {},
  ): Promise<Answer<Body>> {
    return this.send<Body>("POST", `/v1/charges/${refund.charge}/refunds/${refund.id}/${verb}`, body);
  }

  /** The refund once it looks as wanted. */
  seen(refund: RefundObject, wanted: (now: RefundObject) => boolean): Promise<RefundObject> {
    return eventually(async () => {
      const now = await this.retrieve(refund);
      return wanted(now) && now;
    });
  }

  /** The types of the events about a refund, oldest first, once there are so many. */
  async events(refund: { id: string }, count: number): Promise<string[]> {
    return eventually(async () => {
      const { body } = await this.send<{ data: { type: string; data: { object: { id: string } } }[] }>(
        "GET",
        "/v1/events?limit=20",
      );
      const mine = body.data.filter(({ data }) => data.object.id === refund.id);
      return mine.length >= count && mine.map(({ type }) => type).reverse();
    });
  }

  /** What the ledger has stored of a refund. */
  stored(refund: { id: string; charge: string }): Promise<Refund> {
    return runInDurableObject(this.app.ledger({ id: refund.charge }, true), (_, { storage }) => {
      const docs = storage.sql.exec("SELECT doc FROM refunds WHERE seq > 0").toArray();
      return docs
        .map(({ doc }) => JSON.parse(doc as string) as Refund)
        .find(({ id }) => id === refund.id) as Refund;
    });
  }

  /** Time goes by: changes what the ledger has stored of a refund, and forgets what it has in memory. */
  async rewrite(refund: { id: string; charge: string }, change: Partial<Refund>): Promise<void> {
    const ledger = this.app.ledger({ id: refund.charge }, true);
    const { seq, ...doc } = await this.stored(refund);
    await runInDurableObject(ledger, (_, { storage }) => {
      storage.sql.exec(
        "UPDATE refunds SET doc = ? WHERE seq = ?",
        JSON.stringify({ seq, ...doc, ...change }),
        seq,
      );
    });
    await evictDurableObject(ledger);
  }

  /** An event of Stripe's about an object, as it is posted to us. */
  event(type: string, object: Record<string, unknown>, livemode = true): string {
    return JSON.stringify({
      id: `evt_3${randomToken(random)}`,
      object: "event",
      created: Math.floor(Date.now() / 1000),
      livemode,
      type,
      data: { object },
    });
  }

  /** Posts an event, signed, to the account's address; answers with the status. */
  async tell(
    body: string,
    how: { secret?: string; at?: number; url?: string } = {},
  ): Promise<{ status: number; text: string }> {
    const secret = how.secret ?? this.credentials.webhook_secrets[0] ?? "";
    const t = Math.floor((how.at ?? Date.now()) / 1000);
    const path = new URL(how.url ?? this.account.notice_url ?? "").pathname;
    const response = await exports.default.fetch(`${BASE}${path}`, {
      method: "POST",
      headers: { "Stripe-Signature": `t=${t},v1=${await hmac(secret, `${t}.${body}`)}` },
      body,
    });
    return { status: response.status, text: await response.text() };
  }

  /** Stripe tells how one of our refunds stands there. */
  async notify(refund: { id: string }, type = "refund.updated"): Promise<{ status: number; text: string }> {
    const [one] = this.books.of(refund);
    if (one === undefined) throw new Error("Stripe does not know this refund");
    return this.tell(this.event(type, shown(one)));
  }
}

async function hmac(secret: string, text: string): Promise<string> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const bytes = new TextEncoder();
  const key = await crypto.subtle.importKey("raw", bytes.encode(secret), algorithm, false, ["sign"]);
  const signature = await crypto.subtle.sign(algorithm.name, key, bytes.encode(text));
  return [...new Uint8Array(signature)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
