// Tenants with endpoints and deliveries, written straight into D1, and a receiver that answers as a test tells it to.
import { createExecutionContext, createMessageBatch, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { and, asc, eq } from "drizzle-orm";
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
import type { DeliveryEnv, DeliveryPorts } from "../../src/webhooks/attempt-delivery.ts";
import { type DeliveryMessage, deliveryIdOf, type Lane } from "../../src/webhooks/delivery.ts";
import { insertDeliveries, insertEvent, toWake } from "../../src/webhooks/fan-out.ts";
import { consumeDeliveries } from "../../src/webhooks/queue-consumer.ts";
import { generateSigningKeyPair, newSecret } from "../../src/webhooks/signature.ts";
import { deliveries, deliveryAttempts, webhookEndpoints } from "../../src/webhooks/table.ts";

export const NOW = Date.parse("2026-11-05T08:00:00Z");
export const SECONDS = NOW / 1000;
export const HOOKS = "https://shop.example.com/hooks";

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
      url: HOOKS,
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

interface EventChange {
  type?: EventType;
  created?: number;
}

/** An event with a body that has more than ASCII in it. */
function anEvent({ livemode }: Tenant, { type = "refund.succeeded", created = SECONDS }: EventChange = {}) {
  const id = mintId("event", random);
  const refund = mintId("refund", random);
  const object = { id: refund, description: "退款 ✓", metadata: { b: "1", 9: "2" } };
  const body = eventBody({ id, created, livemode, type, object, request: null });
  return { id, type, created, charge: mintId("charge", random), refund, body };
}

/** An event that nobody asked for. */
export async function newEvent(tenant: Tenant, change: EventChange = {}) {
  const { app, livemode } = tenant;
  const event = anEvent(tenant, change);
  await database(env, app, livemode)
    .insert(events)
    .values({ app, livemode, ...event });
  return event;
}

/** An event as a ledger's flush writes it: together with a delivery to every endpoint that asked for its type. */
export async function happens(tenant: Tenant, now: number, change: EventChange = {}) {
  const db = database(env, tenant.app, tenant.livemode);
  const event = anEvent(tenant, { created: Math.floor(now / 1000), ...change });
  const [, written] = await db.batch([
    insertEvent(db, tenant, event),
    insertDeliveries(db, tenant, event, now),
  ]);
  return { ...event, woken: toWake(written).map(({ id }) => id) };
}

/** An event and its delivery to one endpoint, due now. */
export async function newDelivery(
  tenant: Tenant,
  endpoint: { id: string },
  change: Partial<typeof deliveries.$inferInsert> = {},
) {
  const { app, livemode } = tenant;
  const event = await newEvent(tenant);
  const id = deliveryIdOf(event.id, endpoint.id);
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

/** The deliveries to an endpoint with their events, oldest first. */
export async function deliveriesTo(endpoint: string, type?: EventType) {
  const rows = await database(env, "", false)
    .select({ delivery: deliveries, event: events })
    .from(deliveries)
    .innerJoin(events, eq(events.id, deliveries.event))
    .where(and(eq(deliveries.endpoint, endpoint), type === undefined ? undefined : eq(events.type, type)))
    .orderBy(asc(events.seq));
  return rows.map(({ delivery, event }) => ({
    ...delivery,
    type: event.type,
    body: event.body,
    message: { delivery: delivery.id, app: delivery.app, livemode: delivery.livemode },
  }));
}

/** The events of a tenant that are of a type, oldest first. */
export async function eventsOf({ app, livemode }: Tenant, type: EventType) {
  return await database(env, app, livemode)
    .select()
    .from(events)
    .where(and(eq(events.app, app), eq(events.livemode, livemode), eq(events.type, type)))
    .orderBy(asc(events.seq));
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

type Answer = Response | Error | ((url: string) => Response | Promise<Response>);

/** The world around the consumer: a clock that a test moves, even dice, a receiver and two queues that only listen. */
export class World {
  now: number = NOW;
  readonly requests: { url: string; init: RequestInit; headers: Record<string, string>; at: number }[] = [];
  readonly sent: { lane: Lane; body: DeliveryMessage; delaySeconds: number }[] = [];
  readonly #waiting: { lane: Lane; body: DeliveryMessage; at: number }[] = [];
  readonly #answers: Answer[];

  /** Answers in order; the last one repeats. */
  constructor(...answers: Answer[]) {
    this.#answers = answers;
  }

  readonly ports: DeliveryPorts = {
    now: () => this.now,
    // The dice of the jitter are four bytes; ids need more, and have to differ.
    random: (count) => (count === 4 ? new Uint8Array([128, 0, 0, 0]) : random(count)),
    fetch: async (url, init) => {
      this.requests.push({ url, init, headers: Object.fromEntries(new Headers(init.headers)), at: this.now });
      const answer = this.#answers.length > 1 ? this.#answers.shift() : this.#answers[0];
      if (answer instanceof Error) throw answer;
      if (answer === undefined) throw new Error("the receiver expects no request");
      return typeof answer === "function" ? await answer(url) : answer.clone();
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
      const delaySeconds = options?.delaySeconds ?? 0;
      for (const { body } of messages) {
        this.sent.push({ lane, body, delaySeconds });
        this.#waiting.push({ lane, body, at: this.now + delaySeconds * 1000 });
      }
      return { metadata: { metrics: { backlogCount: 0, backlogBytes: 0 } } };
    };
    return { sendBatch } as Queue<DeliveryMessage>;
  }

  /** Whoever answers from now on. */
  answers(...answers: Answer[]): void {
    this.#answers.splice(0, this.#answers.length, ...answers);
  }

  /** Moves this clock and, where a test has stopped it, the API's. */
  at(now: number): void {
    this.now = now;
    if (vi.isFakeTimers()) vi.setSystemTime(now);
  }

  /** Calls the API as a tenant. */
  client(tenant: Tenant) {
    return newClient(tenant, DEFAULT_SCOPES, this);
  }

  /** Consumes messages in one batch; what became of each, in order. */
  async consume(
    messages: unknown[],
    { via = "fast", bindings = {} }: { via?: Lane; bindings?: Partial<DeliveryEnv> } = {},
  ): Promise<("ack" | "retry" | "none")[]> {
    const batch = messageBatch(via === "fast" ? "webhook-deliveries" : "webhook-deliveries-slow", messages);
    const fates = watchFates(batch);
    await consumeDeliveries(batch, { ...this.env, ...bindings }, this.ports);
    return fates;
  }

  /** Lets the queues bring what was sent, each message in its time and through its lane, up to `until`. */
  async run(until = this.now): Promise<void> {
    for (;;) {
      this.#waiting.sort((a, b) => a.at - b.at);
      const next = this.#waiting[0];
      if (next === undefined || next.at > until) break;
      this.#waiting.shift();
      this.at(Math.max(this.now, next.at));
      await this.consume([next.body], { via: next.lane });
    }
    this.at(until);
  }

  /** Makes the attempts of a delivery, each when it is due, until it has ended or its `times` are over. */
  async pursue(delivery: string, times = 100): Promise<void> {
    for (let i = 0; i < times; i++) {
      const row = await readDelivery(delivery);
      if (row?.status !== "pending" || row.dueAt === null) return;
      this.at(Math.max(this.now, row.dueAt));
      const { app, livemode, endpoint } = row;
      await this.consume([{ delivery, app, livemode }], { via: (await readEndpoint(endpoint)).lane });
    }
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

/** A key of the tenant's, and how it calls the API; what the API sends goes to the queues of `world`, if there is one. */
export async function newClient(tenant: Tenant, scopes: readonly Scope[] = DEFAULT_SCOPES, world?: World) {
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
    const context = createExecutionContext();
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
      world?.env ?? env,
      context,
    );
    const text = await response.text();
    await waitOnExecutionContext(context);
    return { status: response.status, text, json: JSON.parse(text) };
  };
}

/** A tenant that has just created an endpoint by the API; the first ping waits in the queue of `world`. */
export async function newShop(
  world: World,
  change: Record<string, unknown> = {},
  { tenant }: { tenant?: Tenant } = {},
) {
  const owner = tenant ?? (await newTenant());
  const api = await world.client(owner);
  const created = (await api("POST", "/v1/webhook_endpoints", { url: HOOKS, ...change })).json;
  const id: string = created.id;
  const path = `/v1/webhook_endpoints/${id}`;
  const show = async () => (await api("GET", path)).json;
  const pings = async () => await deliveriesTo(id, "webhook_endpoint.ping");
  return { tenant: owner, api, id, path, created, show, pings };
}
