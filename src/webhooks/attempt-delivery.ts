// One attempt with the platform behind it: D1, the master keys, `fetch`, the queues. What the consumers run for every
// message, and a route for a person who asks for an attempt now.
import { database } from "../db/client.ts";
import { type Env, isLocalDevelopment } from "../env.ts";
import type { Random } from "../ids.ts";
import { log } from "../log.ts";
import { unseal } from "../sealing/sealing.ts";
import { type Fetch, post } from "./client.ts";
import { type DeliveryTools, deliverEvent } from "./deliver-event.ts";
import type { DeliveryMessage, Lane } from "./delivery.ts";
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

/** What an attempt is bound to. */
export type DeliveryEnv = Pick<
  Env,
  "DB" | "DELIVERIES" | "DELIVERIES_SLOW" | "MASTER_KEYS" | "LOCAL_DEV" | "RETRY_SCALE" | "OWN_HOSTS"
>;

/** Later tries wait in D1 for the cron: queues forget messages after days and cannot delay for longer. */
const MESSAGE_DELAY_MAX_MS = 10 * 60_000;
/** Queues delay for no longer than this. */
const QUEUE_DELAY_MAX_MS = 12 * 3_600_000;

/** Makes the attempt and sends the wake-ups that follow from it. Throws only when the database fails. */
export async function attemptDelivery(
  message: DeliveryMessage,
  via: Lane | null,
  env: DeliveryEnv,
  ports: DeliveryPorts = REAL_PORTS,
): Promise<void> {
  const wakes = await deliverEvent(message, via, toolsFor(message, env, ports));
  await Promise.all(
    wakes
      .filter(({ delayMs, onTime }) => delayMs <= (onTime ? QUEUE_DELAY_MAX_MS : MESSAGE_DELAY_MAX_MS))
      .map(({ deliveries, delayMs }) => wakeDeliveries(env, deliveries, Math.floor(delayMs / 1000))),
  );
}

function toolsFor({ app, livemode }: DeliveryMessage, env: DeliveryEnv, ports: DeliveryPorts): DeliveryTools {
  const localDevelopment = isLocalDevelopment(env);
  const ownHosts = ownHostsOf(env);
  return {
    now: ports.now,
    random: ports.random,
    scale: retryScale(env.RETRY_SCALE),
    deliveries: deliveryRepository(database(env, app, livemode)),
    refuseUrl: (url, mode) => refuseUrl(url, { livemode: mode, localDevelopment, ownHosts }),
    sign: (delivery, timestamp, now) => signedHeaders(delivery, timestamp, now, env.MASTER_KEYS),
    post: (url, headers, body) => post(ports.fetch, url, headers, body),
    alert,
  };
}

/** The names this service was told that it answers under. */
export function ownHostsOf(env: Pick<Env, "OWN_HOSTS">): string[] {
  return env.OWN_HOSTS?.split(",").map((name) => name.trim()) ?? [];
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
  if (live.length === 0) throw new Error("the endpoint has no secret that signs");
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

/** Says something an operator must hear. */
export function alert(kind: string, facts: Record<string, string | boolean>): void {
  log("error", { alert: kind, ...facts });
}
