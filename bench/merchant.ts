// A merchant of the benchmark: one app with a key, who records charges, refunds them and reads what came of it. Every
// answer is judged, and at the end the books must add up: a benchmark that takes errors for work measures nothing.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { unstable_splitSqlQuery } from "wrangler";
import { changeSetting, newApp } from "../scripts/admin-sql.ts";
import { newMasterKeys } from "../scripts/dev-vars.ts";
import { PROJECT } from "../scripts/wrangler.ts";
import type { Bundle } from "./bundle.ts";
import type { Load, LoadAnswer, LoadOutcome, LoadRequest } from "./load.ts";
import { type Judge, sendJudged } from "./measure.ts";
import { untilIdle } from "./process-time.ts";
import { type Runtime, startRuntime } from "./runtime.ts";

/** A ledger's alarm fires 2 s after its last change. */
const ALARM_MS = 2_200;
/** The ping of a new endpoint travels through the queue. */
const ENABLED_MS = 10_000;
export const CHARGE_AMOUNT = 10_000;
const REFUND_AMOUNT = 100;

/** How a load is sent, where the merchant's own way is not meant. */
export type Pace = Partial<Pick<Load, "perSecond" | "concurrency">>;

export interface RefundOf {
  charge: string;
  refund: string;
}

export interface MerchantOptions {
  state: string;
  /** Clients at once, where a load does not say how many. */
  concurrency: number;
  /** How long after a refund its ledger may still have an alarm to come, ms. */
  alarmMs?: number;
  inspect?: boolean;
  /** Webhooks may go to this machine. */
  loopbackWebhooks?: boolean;
}

export class Merchant {
  readonly runtime: Runtime;
  readonly #app: string;
  readonly #key: string;
  readonly #concurrency: number;
  readonly #alarmMs: number;
  readonly #charges: string[] = [];
  readonly #refunds = new Set<string>();
  #orders = 0;
  #lastRefundAt = 0;

  private constructor(runtime: Runtime, app: string, key: string, options: MerchantOptions) {
    this.runtime = runtime;
    this.#app = app;
    this.#key = key;
    this.#concurrency = options.concurrency;
    this.#alarmMs = options.alarmMs ?? ALARM_MS;
  }

  /** Starts the Worker on an empty database and opens an app in it. */
  static async open(bundle: Bundle, options: MerchantOptions): Promise<Merchant> {
    const masterKeys = newMasterKeys();
    const secrets = { MASTER_KEYS: masterKeys, ...(options.loopbackWebhooks ? { LOCAL_DEV: "true" } : {}) };
    const runtime = await startRuntime(bundle, { state: options.state, secrets, inspect: options.inspect });
    try {
      const random = (count: number) => crypto.getRandomValues(new Uint8Array(count));
      const created = await newApp("Benchmark", masterKeys, { random, now: Math.floor(Date.now() / 1000) });
      const db = await runtime.database("DB");
      // What is measured is the Worker, not its patience.
      const unlimited = await changeSetting(created.app, "rate_limit", "10000");
      const statements = [...(await migrations()), ...created.statements, unlimited];
      await db.batch(statements.map((statement) => db.prepare(statement)));
      return new Merchant(runtime, created.app, created.testKey, options);
    } catch (error) {
      await runtime.stop();
      throw error;
    }
  }

  /** Sends requests under the merchant's key and throws unless each one got the answer it should. */
  async send(requests: LoadRequest[], judge: Judge, pace: Pace = {}): Promise<LoadOutcome> {
    const headers = { Authorization: `Bearer ${this.#key}` };
    const load = { url: this.runtime.url, headers, concurrency: this.#concurrency, ...pace, requests };
    const outcome = await sendJudged(load, judge);
    const known = this.#refunds.size;
    for (const [i, { method, path }] of requests.entries()) {
      const answer = outcome.answers[i];
      if (method !== "POST" || answer?.status !== 200) continue;
      if (path === "/v1/charges") this.#charges.push(String(bodyOf(answer).id));
      else if (path.endsWith("/refunds")) this.#refunds.add(String(bodyOf(answer).id));
    }
    if (this.#refunds.size > known) this.#lastRefundAt = Date.now();
    return outcome;
  }

  /** Records paid charges and returns their ids. */
  async record(count: number, pace: Pace = {}): Promise<string[]> {
    const requests = Array.from({ length: count }, () => this.charge());
    const { answers } = await this.send(requests, Merchant.recorded, pace);
    return answers.map((answer) => String(bodyOf(answer).id));
  }

  /** A request that records another paid charge; `recorded` judges its answer. */
  charge(): LoadRequest {
    const body = {
      order_no: `order${this.#orders++}`,
      channel: "alipay",
      amount: CHARGE_AMOUNT,
      currency: "cny",
      subject: "Tea",
      body: "Two tins of tea",
      client_ip: "192.0.2.1",
      paid: true,
    };
    return { method: "POST", path: "/v1/charges", body: JSON.stringify(body) };
  }

  static recorded(answer: LoadAnswer): boolean {
    const { object, paid, amount } = bodyOf(answer);
    return object === "charge" && paid === true && amount === CHARGE_AMOUNT;
  }

  /** Creates an endpoint for Ping++'s events and waits until it is enabled. */
  async openEndpoint(url: string): Promise<{ id: string; secret: string }> {
    const create = { method: "POST", path: "/v1/webhook_endpoints", body: JSON.stringify({ url }) } as const;
    const judge: Judge = (answer) => bodyOf(answer).object === "webhook_endpoint";
    const created = await this.send([create], judge);
    const { id, secret } = bodyOf(created.answers[0] as LoadAnswer);
    const look = { method: "GET", path: `/v1/webhook_endpoints/${id}` } as const;
    const deadline = Date.now() + ENABLED_MS;
    for (;;) {
      const { answers } = await this.send([look], judge);
      if (bodyOf(answers[0] as LoadAnswer).status === "enabled") break;
      if (Date.now() > deadline) throw new Error(`the endpoint ${id} is not enabled by its ping`);
    }
    return { id: String(id), secret: String(secret) };
  }

  /** A request that refunds a part of a charge; `refunded` judges its answer. */
  refund(charge: string, headers: Record<string, string> = {}, amount = REFUND_AMOUNT): LoadRequest {
    const body = JSON.stringify({ amount, description: "Returned" });
    return { method: "POST", path: `/v1/charges/${charge}/refunds`, body, headers };
  }

  static refunded(answer: LoadAnswer, charge: string | undefined): boolean {
    const { object, status, succeed, amount, charge: of } = bodyOf(answer);
    return (
      object === "refund" &&
      status === "succeeded" &&
      succeed === true &&
      amount === REFUND_AMOUNT &&
      of === charge
    );
  }

  /** The same for an answer that does not wait for the channel. */
  static accepted(answer: LoadAnswer, charge: string | undefined): boolean {
    const { object, status, amount, charge: of } = bodyOf(answer);
    const isMade = object === "refund" && amount === REFUND_AMOUNT && of === charge;
    return isMade && (status === "pending" || status === "succeeded");
  }

  look(charge: string): LoadRequest {
    return { method: "GET", path: `/v1/charges/${charge}` };
  }

  retrieve({ charge, refund }: RefundOf): LoadRequest {
    return { method: "GET", path: `/v1/charges/${charge}/refunds/${refund}` };
  }

  list(charge: string): LoadRequest {
    return { method: "GET", path: `/v1/charges/${charge}/refunds?limit=10` };
  }

  /** Waits until no work is left, alarms included. */
  async rest(): Promise<void> {
    const untilAlarms = this.#lastRefundAt + this.#alarmMs - Date.now();
    // Sampling keeps the process busy.
    if (this.runtime.inspector !== null) await sleep(2 * ALARM_MS);
    else await untilIdle(this.runtime.pid, untilAlarms);
  }

  /** Compares D1 and every ledger with what was made. Throws when something is missing or too much. */
  async verify(): Promise<string> {
    const db = await this.runtime.database("DB");
    const total = this.#refunds.size * REFUND_AMOUNT;
    const figures = async (query: string) => (await db.prepare(query).bind(this.#app).first()) ?? {};
    const refunds = await figures(
      "select count(*) as refunds, sum(amount) as amount from refunds where app = ? and status = 'succeeded'",
    );
    const all = await figures("select count(*) as refunds from refunds where app = ?");
    const charges = await figures(
      "select count(*) as charges, sum(amount_refunded) as amount, sum(amount_pending) as pending from charges where app = ?",
    );
    const events = (type: string) =>
      figures(
        `select count(*) as events, count(distinct refund) as refunds from events where app = ? and type = '${type}'`,
      );
    expectEqual("refunds in D1", all.refunds, this.#refunds.size);
    expectEqual("succeeded refunds in D1", refunds.refunds, this.#refunds.size);
    expectEqual("their sum", refunds.amount ?? 0, total);
    expectEqual("charges in D1", charges.charges, this.#charges.length);
    expectEqual("amount_refunded of all charges in D1", charges.amount, total);
    expectEqual("amount_pending of all charges in D1", charges.pending, 0);
    for (const type of ["refund.created", "refund.succeeded"]) {
      const told = await events(type);
      expectEqual(`events ${type}`, told.events, this.#refunds.size);
      expectEqual(`refunds with an event ${type}`, told.refunds, this.#refunds.size);
    }

    const reads = this.#charges.map((charge) => this.look(charge));
    const { answers } = await this.send(reads, (a, i) => bodyOf(a).id === this.#charges[i]);
    const held = answers.reduce((sum, answer) => sum + Number(bodyOf(answer).amount_refunded), 0);
    expectEqual("amount_refunded of all charges in their ledgers", held, total);
    return `${this.#refunds.size} refunds of ${this.#charges.length} charges, ${total} in all: ledgers, D1 and events agree`;
  }
}

/** The body of an answer; empty when it is no object. */
export function bodyOf(answer: LoadAnswer): Record<string, unknown> {
  const body: unknown = JSON.parse(answer.text);
  return typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
}

function expectEqual(what: string, found: unknown, expected: number): void {
  if (found !== expected) throw new Error(`${what}: ${found}, but there should be ${expected}`);
}

/** The statements that make the tables. */
export async function migrations(): Promise<string[]> {
  const directory = join(PROJECT, "migrations");
  const files = (await readdir(directory)).filter((file) => file.endsWith(".sql")).sort();
  const texts = await Promise.all(files.map((file) => readFile(join(directory, file), "utf8")));
  return texts.flatMap((text) => unstable_splitSqlQuery(text));
}
