// A merchant with an app of its own, for tests: records charges, makes refunds, and reads what came of them, all over
// the public interface. Every test mints its own app and charge.
import { env, exports } from "cloudflare:workers";
import { hashKey, mintKey } from "../src/auth/api-key.ts";
import { DEFAULT_SCOPES, type Scope } from "../src/auth/scope.ts";
import { ledgerName } from "../src/charges/charge.ts";
import type { ChargeObject } from "../src/charges/schema.ts";
import { mintId, randomToken } from "../src/ids.ts";
import type { RefundObject } from "../src/refunds/schema.ts";
import { seal } from "../src/sealing/sealing.ts";
import { generateSigningKeyPair } from "../src/webhooks/signature.ts";

export const BASE = "http://127.0.0.1";

export const random = (count: number) => crypto.getRandomValues(new Uint8Array(count));

export interface ErrorObject {
  error: { type: string; message: string; code?: string; param?: string };
}

export interface Answer<Body = unknown> {
  status: number;
  headers: Headers;
  text: string;
  body: Body;
}

export interface Sent {
  /** Sent as JSON unless it is a string, which goes as it is. */
  body?: unknown;
  headers?: Record<string, string>;
  live?: boolean;
}

/**
 * Gives every app that is made from here on the same RSA pair: making one takes longer than most requests. Returns what
 * puts the platform's own back.
 */
export async function shareOneKeyPair(): Promise<() => void> {
  const { subtle } = crypto;
  const generate = subtle.generateKey;
  const algorithm = {
    name: "RSASSA-PKCS1-v1_5",
    hash: "SHA-256",
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
  };
  const pair = await generate.call(subtle, algorithm, true, ["sign", "verify"]);
  subtle.generateKey = (async (wanted: { name: string }, ...rest: [boolean, string[]]) =>
    wanted.name === algorithm.name ? pair : generate.call(subtle, wanted as never, ...rest)) as never;
  return () => {
    subtle.generateKey = generate;
  };
}

let signingKeys: Promise<{ publicKey: string; privateKey: string }> | undefined;

export class TestApp {
  readonly id: string;
  readonly testKey: string;
  readonly liveKey: string;

  private constructor(id: string, testKey: string, liveKey: string) {
    this.id = id;
    this.testKey = testKey;
    this.liveKey = liveKey;
  }

  static async create(
    options: { settings?: Record<string, unknown>; scopes?: readonly Scope[] } = {},
  ): Promise<TestApp> {
    const app = new TestApp(mintId("app", random), mintKey(false, random), mintKey(true, random));
    // One pair for all: making one takes longer than most tests.
    signingKeys ??= generateSigningKeyPair();
    const pair = await signingKeys;
    const now = Math.floor(Date.now() / 1000);
    const rows = [
      env.DB.prepare("INSERT INTO apps (id, name, settings, created) VALUES (?, ?, ?, ?)").bind(
        app.id,
        "Test shop",
        // Tests ask faster than any shop does.
        JSON.stringify({ rate_limit: 10_000, ...options.settings }),
        now,
      ),
    ];
    for (const livemode of [false, true]) {
      const key = livemode ? app.liveKey : app.testKey;
      rows.push(
        env.DB.prepare(
          "INSERT INTO api_keys (hash, id, app, livemode, name, scopes, created) VALUES (?, ?, ?, ?, ?, ?, ?)",
        ).bind(
          await hashKey(key),
          mintId("apiKey", random),
          app.id,
          livemode ? 1 : 0,
          "tests",
          JSON.stringify(options.scopes ?? DEFAULT_SCOPES),
          now,
        ),
      );
      const id = mintId("signingKey", random);
      const context = { table: "signing_keys", row: id, app: app.id, livemode, field: "private_key" };
      rows.push(
        env.DB.prepare(
          "INSERT INTO signing_keys (id, app, livemode, public_key, private_key, created) VALUES (?, ?, ?, ?, ?, ?)",
        ).bind(
          id,
          app.id,
          livemode ? 1 : 0,
          pair.publicKey,
          await seal(env.MASTER_KEYS, context, pair.privateKey),
          now,
        ),
      );
    }
    await env.DB.batch(rows);
    return app;
  }

  async send<Body = ErrorObject>(method: string, path: string, sent: Sent = {}): Promise<Answer<Body>> {
    const headers = new Headers({
      Authorization: `Bearer ${sent.live ? this.liveKey : this.testKey}`,
      ...(sent.body === undefined ? {} : { "Content-Type": "application/json" }),
      ...sent.headers,
    });
    const body =
      sent.body === undefined || typeof sent.body === "string" ? sent.body : JSON.stringify(sent.body);
    const response = await exports.default.fetch(`${BASE}${path}`, { method, headers, body });
    const text = await response.text();
    const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: (isJson && text !== "" ? JSON.parse(text) : null) as Body,
    };
  }

  get<Body = ErrorObject>(path: string, sent: Sent = {}): Promise<Answer<Body>> {
    return this.send<Body>("GET", path, sent);
  }

  post<Body = ErrorObject>(path: string, body: unknown, sent: Sent = {}): Promise<Answer<Body>> {
    return this.send<Body>("POST", path, { ...sent, body });
  }

  /** A recorded charge of 10000 fen, paid now, unless the facts say otherwise. */
  async charge(facts: Record<string, unknown> = {}, sent: Sent = {}): Promise<ChargeObject> {
    const body = {
      order_no: randomToken(random),
      channel: "alipay",
      amount: 10_000,
      currency: "cny",
      subject: "Tea",
      body: "Two tins of tea",
      client_ip: "192.0.2.1",
      paid: true,
      ...facts,
    };
    const answer = await this.post<ChargeObject>("/v1/charges", body, sent);
    if (answer.status !== 200) throw new Error(`the charge was not recorded: ${answer.text}`);
    return answer.body;
  }

  refund<Body = RefundObject>(
    charge: { id: string },
    body: Record<string, unknown>,
    sent: Sent = {},
  ): Promise<Answer<Body>> {
    return this.post<Body>(`/v1/charges/${charge.id}/refunds`, { description: "Returned", ...body }, sent);
  }

  async retrieveCharge(charge: { id: string }): Promise<ChargeObject> {
    return (await this.get<ChargeObject>(`/v1/charges/${charge.id}`)).body;
  }

  async retrieveRefund(refund: { id: string; charge: string }): Promise<RefundObject> {
    return (await this.get<RefundObject>(`/v1/charges/${refund.charge}/refunds/${refund.id}`)).body;
  }

  /** The charge's ledger itself, for evicting it and looking inside. */
  ledger(charge: { id: string }, livemode = false) {
    return env.LEDGERS.getByName(ledgerName(this.id, livemode, charge.id));
  }
}

/** Waits until something holds, looking every 10 ms for at most 15 s: the runtime's own alarms and queues are at work. */
export async function eventually<T>(look: () => Promise<T | undefined | null | false>): Promise<T> {
  for (let i = 0; i < 1500; i++) {
    const seen = await look();
    if (seen !== undefined && seen !== null && seen !== false) return seen;
    await scheduler.wait(10);
  }
  throw new Error("it did not happen within 15 seconds");
}
