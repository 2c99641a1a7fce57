// Tenants with endpoints and deliveries, written straight into D1, and a receiver that answers as a test tells it to.
import { createMessageBatch } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { vi } from "vitest";
import { app as api } from "../../src/app.ts";
import { apps } from "../../src/apps/table.ts";
import { sha256Hex } from "../../src/auth/digest.ts";
import { DEFAULT_SCOPES, type Scope } from "../../src/auth/scope.ts";
import { apiKeys, signingKeys } from "../../src/auth/table.ts";
import { database } from "../../src/db/client.ts";
import { type EventType, eventBody } from "../../src/events/event.ts";
import { events } from "../../src/events/table.ts";
import { mintId, randomToken } from "../../src/ids.ts";
import { seal } from "../../src/sealing/sealing.ts";
import type { DeliveryMessage, Lane } from "../../src/webhooks/delivery.ts";
import { consumeDeliveries } from "../../src/webhooks/queue-consumer.ts";
import { generateSigningKeyPair, newSecret } from "../../src/webhooks/signature.ts";
import { deliveries, deliveryAttempts, webhookEndpoints } from "../../src/webhooks/table.ts";

export const NOW = Date.parse("2026-11-05T08:00:00Z");
export const SECONDS = NOW / 1000;

const random = (count: number) => crypto.getRandomValues(new Uint8Array(count));

/** One pair for all tenants: making one takes longer than most tests. */
const pair = generateSigningKeyPair();

export interface Tenant {
  app: string;
  livemode: boolean;
  publicKey: string;
  /** The id of the signing key. */
  signingKey: string;
}

export async function newTenant({ livemode = false } = {}): Promise<Tenant> {
  const { publicKey, privateKey } = await pair;
  const app = mintId("app", random);
  const id = mintId("signingKey", random);
  const place = { table: "signing_keys", row: id, app, livemode, field: "private_key" };
  const sealed = await seal(env.MASTER_KEYS, place, privateKey);
  const row = { id, app, livemode, publicKey, privateKey: sealed, created: SECONDS };
  await database(env, app, livemode).insert(signingKeys).values(row);
  return { app, livemode, publicKey, signingKey: id };
}

type EndpointChange = Partial<typeof webhookEndpoints.$inferInsert> & { secretExpiries?: (number | null)[] };

export async function newEndpoint(tenant: Tenant, change: EndpointChange = {}) {
  const { secretExpiries = [null], ...columns } = change;
  const { app, livemode } = tenant;
  const id = mintId("endpoint", random);
  const secrets = secretExpiries.map(() => newSecret(random));
  const place = { table: "webhook_endpoints", row: id, app, livemode, field: "secrets" };
  const sealed = await Promise.all(secrets.map((secret) => seal(env.MASTER_KEYS, place, secret)));
  await database(env, app, livemode)
    .insert(webhookEndpoints)
    .values({
      id,
      app,
      livemode,
      url: "https://shop.example.com/hooks",
      enabledEvents: ["refund.succeeded"],
      status: "enabled",
      schedule: "standard",
      secrets: sealed.map((text, i) => ({
        sealed: text,
        createdAt: NOW,
        expiresAt: secretExpiries[i] ?? null,
      })),
      description: null,
      metadata: {},
      created: SECONDS,
      ...columns,
    });
  return { id, secrets };
}

/** An event as a ledger's flush leaves it, with a body that has more than ASCII in it. */
export async function newEvent(
  tenant: Tenant,
  { type = "refund.succeeded", created = SECONDS }: { type?: EventType; created?: number } = {},
) {
  const { app, livemode } = tenant;
  const id = mintId("event", random);
  const object = { id: mintId("refund", random), description: "退款 ✓", metadata: { b: "1", 9: "2" } };
  const body = eventBody({ id, created, livemode, type, object, request: null });
  await database(env, app, livemode)
    .insert(events)
    .values({ app, livemode, id, type, charge: mintId("charge", random), refund: object.id, created, body });
  return { id, body };
}

/** An event and its delivery to one endpoint, due now. */
export async function newDelivery(
  tenant: Tenant,
  endpoint: { id: string },
  change: Partial<typeof deliveries.$inferInsert> = {},
) {
  const { app, livemode } = tenant;
  const event = await newEvent(tenant);
  const id = `dlv_${randomToken(random)}`;
  await database(env, app, livemode)
    .insert(deliveries)
    .values({
      id,
      app,
      livemode,
      event: event.id,
      endpoint: endpoint.id,
      status: "pending",
      dueAt: NOW,
      createdAt: NOW,
      ...change,
    });
  return { id, event, message: { delivery: id, app, livemode } satisfies DeliveryMessage };
}

/** A tenant, an endpoint and one delivery that is due. */
export async function newDue(endpoint: Parameters<typeof newEndpoint>[1] = {}, tenant?: Tenant) {
  const owner = tenant ?? (await newTenant());
  const receiver = await newEndpoint(owner, endpoint);
  return { tenant: owner, receiver, delivery: await newDelivery(owner, receiver) };
}

export async function readDelivery(id: string) {
  const [row] = await database(env, "", false).select().from(deliveries).where(eq(deliveries.id, id));
  return row;
}

export async function readEndpoint(id: string) {
  const db = database(env, "", false);
  const [row] = await db.select().from(webhookEndpoints).where(eq(webhookEndpoints.id, id));
  if (row === undefined) throw new Error(`no endpoint ${id}`);
  return row;
}

export async function readAttempts(delivery: string) {
  return await database(env, "", false)
    .select()
    .from(deliveryAttempts)
    .where(eq(deliveryAttempts.delivery, delivery))
    .orderBy(deliveryAttempts.number);
}

type Answer = Response | Error | (() => Response | Promise<Response>);

/** The world around the consumer: a clock that a test moves, even dice, a receiver and two queues that only listen. */
export class World {
  now = NOW;
  readonly requests: { url: string; init: RequestInit; headers: Record<string, string> }[] = [];
  readonly sent: { lane: Lane; body: DeliveryMessage; delaySeconds: number }[] = [];
  readonly #answers: Answer[];

  /** Answers in order; the last one repeats. */
  constructor(...answers: Answer[]) {
    this.#answers = answers;
  }

  readonly ports = {
    now: () => this.now,
    random: (count: number) => new Uint8Array(count).fill(128, 0, 1),
    fetch: async (url: string, init: RequestInit) => {
      this.requests.push({ url, init, headers: Object.fromEntries(new Headers(init.headers)) });
      const answer = this.#answers.length > 1 ? this.#answers.shift() : this.#answers[0];
      if (answer instanceof Error) throw answer;
      if (answer === undefined) throw new Error("the receiver expects no request");
      return typeof answer === "function" ? await answer() : answer.clone();
    },
  };

  readonly env = {
    ...env,
    RETRY_SCALE: "1",
    DELIVERIES: this.#queue("fast"),
    DELIVERIES_SLOW: this.#queue("slow"),
  };

  #queue(lane: Lane): Queue<DeliveryMessage> {
    const sendBatch: Queue<DeliveryMessage>["sendBatch"] = async (messages, options) => {
      for (const { body } of messages) {
        this.sent.push({ lane, body, delaySeconds: options?.delaySeconds ?? 0 });
      }
      return { metadata: { metrics: { backlogCount: 0, backlogBytes: 0 } } };
    };
    return { sendBatch } as Queue<DeliveryMessage>;
  }

  /** Consumes messages in one batch; what became of each, in order. */
  async consume(
    messages: unknown[],
    change: Partial<World["env"]> = {},
  ): Promise<("ack" | "retry" | "none")[]> {
    const batch = messageBatch("webhook-deliveries", messages);
    const fates = watchFates(batch);
    await consumeDeliveries(batch, { ...this.env, ...change }, this.ports);
    return fates;
  }
}

export function messageBatch(queue: string, bodies: unknown[]): MessageBatch<unknown> {
  return createMessageBatch(
    queue,
    bodies.map((body) => ({ id: crypto.randomUUID(), timestamp: new Date(NOW), attempts: 1, body })),
  );
}

/** Fills in what the consumer does with each message. */
export function watchFates(batch: MessageBatch<unknown>): ("ack" | "retry" | "none")[] {
  const fates = batch.messages.map(() => "none" as "ack" | "retry" | "none");
  batch.messages.forEach((message, i) => {
    vi.spyOn(message, "ack").mockImplementation(() => {
      fates[i] = "ack";
    });
    vi.spyOn(message, "retry").mockImplementation(() => {
      fates[i] = "retry";
    });
  });
  return fates;
}

/** A D1 that works up to the writes of a batch. */
export function withoutBatches(db: D1Database): D1Database {
  return {
    prepare: (query: string) => db.prepare(query),
    batch: () => Promise.reject(new Error("D1_ERROR: storage is down")),
  } as unknown as D1Database;
}

/** A D1 that fails whatever it is asked. */
export function downDatabase(): D1Database {
  return {
    prepare: () => {
      throw new Error("D1_ERROR: storage is down");
    },
    batch: () => Promise.reject(new Error("D1_ERROR: storage is down")),
  } as unknown as D1Database;
}

/** A key of the tenant's, and how it calls the API. */
export async function newClient(tenant: Tenant, scopes: readonly Scope[] = DEFAULT_SCOPES) {
  const { app, livemode } = tenant;
  const key = `sk_${livemode ? "live" : "test"}_${randomToken(random)}`;
  const db = database(env, app, livemode);
  await db
    .insert(apps)
    .values({ id: app, name: "shop", settings: {}, created: SECONDS })
    .onConflictDoNothing();
  await db.insert(apiKeys).values({
    hash: await sha256Hex(new TextEncoder().encode(key)),
    id: mintId("apiKey", random),
    app,
    livemode,
    name: "test",
    scopes: [...scopes],
    created: SECONDS,
  });
  return async (method: string, path: string, body?: unknown) => {
    const response = await api.request(
      `https://refunds.example.com${path}`,
      {
        method,
        headers: {
          Authorization: `Bearer ${key}`,
          "Accept-Language": "en",
          ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        },
        body: body === undefined ? undefined : JSON.stringify(body),
      },
      env,
    );
    const text = await response.text();
    return { status: response.status, text, json: JSON.parse(text) };
  };
}
