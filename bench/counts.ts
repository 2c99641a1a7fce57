// What one request does, counted exactly: until it is answered, and in the background after it. See counting-worker.ts.
// Everything that ledgers send is held back until the answer is there, so an answer that came did not wait for any of it.
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { changeSetting, newApp } from "../scripts/admin-sql.ts";
import { newMasterKeys } from "../scripts/dev-vars.ts";
import { PROJECT } from "../scripts/wrangler.ts";
import { ledgerName } from "../src/charges/charge.ts";
import { bundleWorker } from "../test/chaos/bundle.ts";
import { COUNTERS, type Control, type Controlled, type Counter, type Counts, HEADER } from "./counters.ts";
import { migrations } from "./merchant.ts";
import { type Runtime, startRuntime } from "./runtime.ts";

const REST_MS = 20_000;
const LOOK_MS = 5;
const ANSWER_MS = 5_000;
const CHARGE = { channel: "alipay", amount: 10_000, currency: "cny", paid: true };
export const REFUND = { amount: 100, description: "Returned" };

export const COUNTED = {
  "record charge": "a new charge",
  create: "a charge's first refund",
  "create-more": "its third, with an alarm still armed",
  "create-twentieth": "its twentieth",
  replay: "a refund that is there already, by its Idempotency-Key",
  retrieve: "a refund",
  list: "the refunds of a charge",
  "charge-retrieve": "a charge",
  "bad-request": "a refund refused by validation",
  "bad-refund": "a refund refused by the ledger",
  "create-async": "a refund with Prefer: respond-async",
  unauthenticated: "a key that is known to be none",
  "with-endpoint": "a refund that one endpoint hears of",
} as const;
export type Case = keyof typeof COUNTED;

export interface Counted {
  /** Until the answer. */
  before: Counts;
  /** Afterwards, the alarm and webhooks included. */
  after: Counts;
  /** What the charge's ledger occupies then; 0 where there is none. */
  bytes: number;
}

interface Asked {
  key?: string;
  body?: object;
  headers?: Record<string, string>;
  /** What it must be answered with. */
  status?: number;
  /** Whose ledger is waited for. */
  charge?: string;
  /** Its alarm rings too. */
  alarm?: boolean;
}

/** A shop on the counting Worker, one request at a time. */
export class CountingShop {
  readonly #runtime: Runtime;
  readonly #app: string;
  readonly key: string;
  #orders = 0;

  private constructor(runtime: Runtime, app: string, key: string) {
    this.#runtime = runtime;
    this.#app = app;
    this.key = key;
  }

  static async open(state: string): Promise<CountingShop> {
    await mkdir(state, { recursive: true });
    const code = await bundleWorker("bench/counting-worker.ts");
    const secrets = { MASTER_KEYS: newMasterKeys(), LOCAL_DEV: "true" };
    const bundle = { config: await impatientConfig(state), file: "/counting-worker.js", code };
    const runtime = await startRuntime(bundle, { state, secrets });
    try {
      const mint = {
        random: (count: number) => crypto.getRandomValues(new Uint8Array(count)),
        now: Math.floor(Date.now() / 1000),
      };
      const { app, testKey, statements } = await newApp("Counts", secrets.MASTER_KEYS, mint);
      const db = await runtime.database("DB");
      const unlimited = await changeSetting(app, "rate_limit", "10000");
      const all = [...(await migrations()), ...statements, unlimited];
      await db.batch(all.map((statement) => db.prepare(statement)));
      const shop = new CountingShop(runtime, app, testKey);
      // The key is looked up once and then remembered.
      await shop.send("GET", "/public_keys");
      return shop;
    } catch (error) {
      await runtime.stop();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#runtime.stop();
  }

  async send(method: string, path: string, { key = this.key, body, headers, status = 200 }: Asked = {}) {
    const answer = await fetch(`${this.#runtime.url}/v1${path}`, {
      method,
      // What waits for D1 or a queue while they are held back gets none.
      signal: AbortSignal.timeout(ANSWER_MS),
      headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (answer.status !== status)
      throw new Error(`${method} ${path} was answered ${answer.status} ${text.slice(0, 500)}`);
    return { body: JSON.parse(text), before: JSON.parse(answer.headers.get(HEADER) ?? "{}") as Counts };
  }

  /** Asks while everything is held back, then lets it go and counts the rest. */
  async count(method: string, path: string, asked: Asked = {}): Promise<Counted & { id: string }> {
    await this.#control({ clear: true, hold: true });
    const { body, before } = await this.send(method, path, asked);
    await this.#control({ hold: false });
    await this.rest(asked.charge);
    if (asked.charge !== undefined && asked.alarm) await this.#control({ ring: this.#ledger(asked.charge) });
    const { counts, bytes } = await this.rest(asked.charge);
    const after = COUNTERS.map((counter): [Counter, number] => [counter, counts[counter] - before[counter]]);
    return { id: body.id, before, after: Object.fromEntries(after) as Counts, bytes };
  }

  /** The ledger leaves memory: the next call reads it from storage. */
  async evict(charge: string): Promise<void> {
    await this.#control({ evict: this.#ledger(charge) });
  }

  /** Until D1 knows everything of the charge and no message is on its way. */
  async rest(charge?: string): Promise<Controlled> {
    const look = charge === undefined ? undefined : this.#ledger(charge);
    const deadline = Date.now() + REST_MS;
    for (;;) {
      const now = await this.#control({ look });
      if (now.told && now.travelling === 0) return now;
      if (Date.now() > deadline) throw new Error("the background work does not end");
      await sleep(LOOK_MS);
    }
  }

  newCharge(): object {
    return { ...CHARGE, order_no: `order${++this.#orders}` };
  }

  async recordedCharge(): Promise<string> {
    return (await this.send("POST", "/charges", { body: this.newCharge() })).body.id;
  }

  /** A charge with two refunds. The alarm that was set for the second is still armed. */
  async refundedCharge(): Promise<string> {
    const charge = await this.recordedCharge();
    for (let n = 1; n <= 2; n++) {
      await this.send("POST", refundsOf(charge), { body: REFUND });
      await this.rest(charge);
    }
    return charge;
  }

  /** Has a receiver's endpoint enabled. */
  async openEndpoint(url: string): Promise<void> {
    const endpoint = await this.send("POST", "/webhook_endpoints", { body: { url } });
    const deadline = Date.now() + REST_MS;
    while ((await this.send("GET", `/webhook_endpoints/${endpoint.body.id}`)).body.status !== "enabled") {
      if (Date.now() > deadline) throw new Error("the endpoint is not enabled by its ping");
      await sleep(LOOK_MS);
    }
    await this.rest();
  }

  #ledger(charge: string): string {
    return ledgerName(this.#app, false, charge);
  }

  async #control(asked: Control): Promise<Controlled> {
    const posted = { method: "POST", body: JSON.stringify(asked) };
    const answer = await fetch(`${this.#runtime.url}/counts`, posted);
    if (!answer.ok) throw new Error(`the counts were answered ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as Controlled;
  }
}

export const refundsOf = (charge: string) => `/charges/${charge}/refunds`;

/** The project's configuration, but for queues that wait for more messages. */
async function impatientConfig(state: string): Promise<string> {
  const config = await readFile(join(PROJECT, "wrangler.toml"), "utf8");
  const file = join(state, "wrangler.toml");
  const path = (name: string) => `"${join(PROJECT, name)}"`;
  await writeFile(
    file,
    config
      .replaceAll(/^max_batch_timeout = \d+$/gm, "max_batch_timeout = 0")
      .replace('"./public"', path("public"))
      .replace('"src/index.ts"', path("src/index.ts")),
  );
  return file;
}

/** Every case once, by name; `state` is an empty directory. Throws when an answer is not the one that was wanted. */
export async function countWork(state: string): Promise<Map<Case, Counted>> {
  const receiver = createServer((request, response) => {
    request.resume().once("end", () => response.end());
  }).listen(0, "127.0.0.1");
  await once(receiver, "listening");
  const shop = await CountingShop.open(state);
  try {
    const { port } = receiver.address() as AddressInfo;
    return await countCases(shop, `http://127.0.0.1:${port}/`);
  } finally {
    receiver.close();
    receiver.closeAllConnections();
    await shop.close();
  }
}

async function countCases(shop: CountingShop, receiver: string): Promise<Map<Case, Counted>> {
  const found = new Map<Case, Counted>();
  const count = async (name: Case, method: string, path: string, asked: Asked = {}): Promise<string> => {
    const { id, ...counted } = await shop.count(method, path, asked);
    found.set(name, counted);
    return id;
  };
  const charge = await count("record charge", "POST", "/charges", { body: shop.newCharge() });
  const refunds = refundsOf(charge);
  await count("create", "POST", refunds, { charge, body: REFUND, alarm: true });
  const again = await shop.refundedCharge();
  await count("create-more", "POST", refundsOf(again), { charge: again, body: REFUND });
  for (let n = 4; n < 20; n++) await shop.send("POST", refundsOf(again), { body: REFUND });
  await shop.rest(again);
  await count("create-twentieth", "POST", refundsOf(again), { charge: again, body: REFUND });

  const headers = { "Idempotency-Key": "once" };
  const refund = (await shop.send("POST", refunds, { body: REFUND, headers })).body.id;
  await shop.rest(charge);
  await count("replay", "POST", refunds, { charge, body: REFUND, headers });
  await count("retrieve", "GET", `${refunds}/${refund}`, { charge });
  await count("list", "GET", `${refunds}?limit=10`, { charge });
  await count("charge-retrieve", "GET", `/charges/${charge}`, { charge });
  await count("bad-request", "POST", refunds, { charge, body: { amount: 0 }, status: 400 });
  const tooMuch = { amount: 1_000_000, description: "Returned" };
  await count("bad-refund", "POST", refunds, { charge, body: tooMuch, status: 400 });

  const later = await shop.recordedCharge();
  const prefer = { Prefer: "respond-async" };
  await count("create-async", "POST", refundsOf(later), {
    ...{ charge: later, body: REFUND, headers: prefer, alarm: true },
  });

  const stranger = { key: `${shop.key.slice(0, -4)}0000`, status: 401 };
  await shop.send("GET", `/charges/${charge}`, stranger);
  await count("unauthenticated", "GET", `/charges/${charge}`, stranger);

  const heard = await shop.recordedCharge();
  await shop.openEndpoint(receiver);
  await count("with-endpoint", "POST", refundsOf(heard), { charge: heard, body: REFUND, alarm: true });
  return found;
}
