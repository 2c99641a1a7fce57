// The consumers of the delivery queues and of the dead letters. They never throw: the local emulator would deliver
// acknowledged messages again. A message is retried only when our own database failed; whatever a receiver does is
// a row in D1 and, when its time is near, a new message.
import { database } from "../db/client.ts";
import { type Env, isLocalDevelopment } from "../env.ts";
import { derivedId, type Random } from "../ids.ts";
import { unseal } from "../sealing/sealing.ts";
import { type Fetch, post } from "./client.ts";
import { type DeliveryTools, deliverEvent } from "./deliver-event.ts";
import type { DeliveryMessage } from "./delivery.ts";
import { type DueDelivery, deliveryRepository } from "./delivery-repository.ts";
import { retryScale } from "./retry-schedule.ts";
import { pingppSignature, standardSignature } from "./signature.ts";
import { refuseUrl } from "./url-guard.ts";
import { wakeDeliveries } from "./wake.ts";

/** The world outside, so that tests can be it. */
export interface DeliveryPorts {
  /** ms since the epoch. */
  now(): number;
  random: Random;
  fetch: Fetch;
}

export const REAL_PORTS: DeliveryPorts = {
  now: () => Date.now(),
  random: (count) => crypto.getRandomValues(new Uint8Array(count)),
  fetch: (url, init) => fetch(url, init),
};

/** What the consumers are bound to. `OWN_HOSTS`: names this service answers under, separated by commas. */
type ConsumerEnv = Pick<
  Env,
  "DB" | "DELIVERIES" | "DELIVERIES_SLOW" | "MASTER_KEYS" | "LOCAL_DEV" | "RETRY_SCALE"
> & {
  OWN_HOSTS?: string;
};

/** Later tries wait in D1 for the cron: queues forget messages after days and cannot delay for longer. */
const MESSAGE_DELAY_MAX_MS = 10 * 60_000;

/** Consumes `webhook-deliveries` and `webhook-deliveries-slow`. */
export async function consumeDeliveries(
  batch: MessageBatch<unknown>,
  env: ConsumerEnv,
  ports: DeliveryPorts = REAL_PORTS,
): Promise<void> {
  await Promise.allSettled(batch.messages.map((message) => consumeDelivery(message, env, ports)));
}

async function consumeDelivery(
  message: Message<unknown>,
  env: ConsumerEnv,
  ports: DeliveryPorts,
): Promise<void> {
  const { body } = message;
  if (!isDeliveryMessage(body)) {
    // Nothing is lost: if it was about a delivery, the cron finds that by its row.
    alert("delivery_message_unreadable", { message: message.id });
    message.ack();
    return;
  }
  try {
    const next = await deliverEvent(body, toolsFor(body, env, ports));
    if (next !== null && next.delayMs <= MESSAGE_DELAY_MAX_MS) {
      const { delivery: id, app, livemode } = body;
      await wakeDeliveries(env, [{ id, app, livemode, lane: next.lane }], Math.floor(next.delayMs / 1000));
    }
    message.ack();
  } catch (error) {
    // The message of a database error carries its parameters, and those are a customer's.
    alert("delivery_not_recorded", { delivery: body.delivery, error: nameOf(error) });
    message.retry();
  }
}

function isDeliveryMessage(body: unknown): body is DeliveryMessage {
  const { delivery, app, livemode } = (body ?? {}) as Partial<Record<keyof DeliveryMessage, unknown>>;
  return typeof delivery === "string" && typeof app === "string" && typeof livemode === "boolean";
}

function toolsFor({ app, livemode }: DeliveryMessage, env: ConsumerEnv, ports: DeliveryPorts): DeliveryTools {
  const ownHosts = env.OWN_HOSTS?.split(",").map((name) => name.trim());
  const localDevelopment = isLocalDevelopment(env);
  return {
    now: ports.now,
    dice: () => diceFrom(ports.random),
    retryScale: retryScale(env.RETRY_SCALE),
    deliveries: deliveryRepository(database(env, app, livemode)),
    refuseUrl: (url, mode) => refuseUrl(url, { livemode: mode, localDevelopment, ownHosts }),
    sign: (delivery, timestamp, now) => signedHeaders(delivery, timestamp, now, env.MASTER_KEYS),
    post: (url, headers, body) => post(ports.fetch, url, headers, body),
    alert,
  };
}

/** Every header we send: a fresh timestamp and fresh signatures, the same id on every attempt. */
async function signedHeaders(
  { app, livemode, endpoint, event, signingKey }: DueDelivery,
  timestamp: number,
  now: number,
  masterKeys: string,
): Promise<Record<string, string>> {
  if (signingKey === null) throw new Error("the app has no signing key in this mode");
  const open = (table: string, row: string, field: string, sealed: string) =>
    unseal(masterKeys, { table, row, app, livemode, field }, sealed);
  const live = endpoint.secrets.filter((secret) => secret.expiresAt === null || secret.expiresAt > now);
  const [privateKey, ...secrets] = await Promise.all([
    open("signing_keys", signingKey.id, "private_key", signingKey.privateKey),
    ...live.map((secret) => open("webhook_endpoints", endpoint.id, "secrets", secret.sealed)),
  ]);
  return {
    "Content-Type": "application/json; charset=utf-8",
    "User-Agent": "edge-refunds/1",
    "X-Pingplusplus-Signature": await pingppSignature(privateKey, event.body),
    "webhook-id": event.id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": await standardSignature(secrets, event.id, timestamp, event.body),
  };
}

/** Consumes `dead-letters`: what the other queues gave up on is kept for a person to see and send again. */
export async function consumeDeadLetters(
  batch: MessageBatch<unknown>,
  env: Pick<Env, "DB">,
  ports: Pick<DeliveryPorts, "now"> = REAL_PORTS,
): Promise<void> {
  await Promise.allSettled(
    batch.messages.map(async (message) => {
      try {
        await buryMessage(message, env, ports.now());
        message.ack();
      } catch (error) {
        alert("dead_letter_not_recorded", { message: message.id, error: nameOf(error) });
        message.retry();
      }
    }),
  );
}

async function buryMessage(message: Message<unknown>, env: Pick<Env, "DB">, now: number): Promise<void> {
  const { app, livemode, delivery, refund } = (message.body ?? {}) as Record<string, unknown>;
  // The same message makes the same letter, however often the queue brings it.
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(message.id));
  const letter = {
    id: derivedId("deadLetter", new Uint8Array(digest)),
    app: typeof app === "string" ? app : "",
    livemode: livemode === true,
    // A dead letter does not say where it came from; what it carries does.
    queue:
      delivery !== undefined ? "webhook-deliveries" : refund !== undefined ? "ledger-commands" : "unknown",
    message: JSON.stringify(message.body) ?? "null",
    createdAt: now,
  };
  const deliveries = deliveryRepository(database(env, letter.app, letter.livemode));
  await deliveries.bury(letter, typeof delivery === "string" ? delivery : null);
  alert("dead_letter", { letter: letter.id, queue: letter.queue });
}

function diceFrom(random: Random): number {
  const [a = 0, b = 0, c = 0, d = 0] = random(4);
  return (a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d) / 2 ** 32;
}

function alert(kind: string, facts: Record<string, string | boolean>): void {
  console.error(JSON.stringify({ alert: kind, ...facts }));
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "unknown";
}
