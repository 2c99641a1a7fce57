// A merchant with a live account at a Stripe that the test controls: records charges, refunds them, rotates its keys, and
// is told by Stripe how its refunds stand.
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { hashKey, mintKey } from "../../src/auth/api-key.ts";
import { DEFAULT_SCOPES } from "../../src/auth/scope.ts";
import type { AccountObject } from "../../src/channels/schema.ts";
import { storedRefund } from "../../src/charges/book.ts";
import type { ChargeObject } from "../../src/charges/schema.ts";
import { mintId, randomToken } from "../../src/ids.ts";
import type { Refund } from "../../src/refunds/refund.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { type Answer, BASE, type ErrorObject, eventually, random, TestApp } from "../harness.ts";
import { openBooks, StripeBooks, shown } from "./stripe-books.ts";

export interface Credentials {
  secret_key: string;
  webhook_secrets: string[];
  account?: string;
}

export const credentials = (): Credentials => ({
  secret_key: `sk_live_${randomToken(random)}`,
  webhook_secrets: [`whsec_${randomToken(random)}`],
});

interface Sent {
  headers: { Authorization: string };
}

/** A live key that no isolate remembers: what is known of a key may be 30 s old. */
async function anotherKey(app: TestApp): Promise<Sent> {
  const key = mintKey(true, random);
  const insert = env.DB.prepare(
    "INSERT INTO api_keys (hash, id, app, livemode, name, scopes, created) VALUES (?, ?, ?, 1, 'more', ?, 1)",
  );
  await insert
    .bind(await hashKey(key), mintId("apiKey", random), app.id, JSON.stringify(DEFAULT_SCOPES))
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
  #shop: Sent;

  private constructor(
    app: TestApp,
    books: StripeBooks,
    account: AccountObject,
    secrets: Credentials,
    shop: Sent,
  ) {
    this.app = app;
    this.books = books;
    this.account = account;
    this.credentials = secrets;
    this.#shop = shop;
  }

  /** `books`: another merchant's, whose payments this one sees too. */
  static async create(
    settings: Record<string, unknown> = {},
    books = new StripeBooks(),
  ): Promise<StripeMerchant> {
    const app = await TestApp.create({ settings });
    const secrets = credentials();
    const body = { channel: "stripe", credentials: secrets };
    const made = await app.post<AccountObject>("/v1/channel_accounts", body, { live: true });
    if (made.status !== 200) throw new Error(made.text);
    openBooks(secrets.secret_key, books);
    return new StripeMerchant(app, books, made.body, secrets, await anotherKey(app));
  }

  /** Rotates the account's credentials; the shop's key is one that knows of it. */
  async rotate(secrets = credentials()): Promise<Answer<AccountObject>> {
    const path = `/v1/channel_accounts/${this.account.id}`;
    const rotated = await this.app.post<AccountObject>(path, { credentials: secrets }, { live: true });
    this.account = rotated.body;
    this.credentials = secrets;
    openBooks(secrets.secret_key, this.books);
    await this.useAnotherKey();
    return rotated;
  }

  async useAnotherKey(): Promise<void> {
    this.#shop = await anotherKey(this.app);
  }

  /** The key of the shop's own requests. */
  get sent(): Sent {
    return this.#shop;
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

  /** The notices that nobody could place. */
  async orphans(): Promise<{ number: string; charge: string; verdict: string }[]> {
    const { results } = await env.DB.prepare(
      "SELECT number, charge, verdict FROM orphan_notices WHERE app = ?",
    )
      .bind(this.app.id)
      .all<{ number: string; charge: string; verdict: string }>();
    return results;
  }

  /** What the ledger has stored of a refund. */
  stored(refund: { id: string; charge: string }): Promise<Refund> {
    return runInDurableObject(this.app.ledger({ id: refund.charge }, true), (_, { storage }) => {
      const docs = storage.sql.exec("SELECT doc FROM refunds WHERE seq > 0").toArray();
      return docs.map(({ doc }) => storedRefund(doc as string)).find(({ id }) => id === refund.id) as Refund;
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
    // Every way into a ledger finds an alarm that is not set.
    await this.retrieve(refund);
  }

  /** What Stripe says of one of our refunds; `change`: in other words than its books have. */
  about(refund: { id: string }, change: Record<string, unknown> = {}, type = "refund.updated"): string {
    const [one] = this.books.of(refund);
    if (one === undefined) throw new Error("Stripe does not know this refund");
    return this.event(type, { ...shown(one), ...change });
  }

  /** An event of Stripe's about an object, as it is posted to us. */
  event(type: string, object: Record<string, unknown>): string {
    return JSON.stringify({
      id: `evt_3${randomToken(random)}`,
      object: "event",
      created: Math.floor(Date.now() / 1000),
      livemode: true,
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
  notify(refund: { id: string }, type = "refund.updated"): Promise<{ status: number; text: string }> {
    return this.tell(this.about(refund, {}, type));
  }
}

async function hmac(secret: string, text: string): Promise<string> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const bytes = new TextEncoder();
  const key = await crypto.subtle.importKey("raw", bytes.encode(secret), algorithm, false, ["sign"]);
  const signature = await crypto.subtle.sign(algorithm.name, key, bytes.encode(text));
  return [...new Uint8Array(signature)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
