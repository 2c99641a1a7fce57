// The consumers of the delivery queues and of the dead letters. They never throw: the local emulator would deliver
// acknowledged messages again. A message is retried only when our own database failed; whatever a receiver does is
// a row in D1 and, when its time is near, a new message.
import { database } from "../db/client.ts";
import type { Env } from "../env.ts";
import { derivedId } from "../ids.ts";
import {
  alert,
  attemptDelivery,
  type DeliveryEnv,
  type DeliveryPorts,
  REAL_PORTS,
} from "./attempt-delivery.ts";
import type { DeliveryMessage, Lane } from "./delivery.ts";
import { deliveryRepository } from "./delivery-repository.ts";

/** Consumes `webhook-deliveries` and `webhook-deliveries-slow`. */
export async function consumeDeliveries(
  batch: MessageBatch<unknown>,
  env: DeliveryEnv,
  ports: DeliveryPorts = REAL_PORTS,
): Promise<void> {
  const lane = batch.queue === "webhook-deliveries-slow" ? "slow" : "fast";
  await Promise.allSettled(batch.messages.map((message) => consumeDelivery(message, lane, env, ports)));
}

async function consumeDelivery(
  message: Message<unknown>,
  lane: Lane,
  env: DeliveryEnv,
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
    await attemptDelivery(body, lane, env, ports);
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

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "unknown";
}
