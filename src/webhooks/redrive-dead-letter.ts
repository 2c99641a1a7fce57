// Sends the message of a dead letter again. It is marked only once the queue has it, and doing it twice is harmless:
// a delivery is claimed by one worker, and a command carries the id of its refund. A delivery is made due first, so that
// the cron sends it should the queue refuse.
import { database } from "../db/client.ts";
import { sleep, within } from "../deadline.ts";
import type { Env } from "../env.ts";
import { ProblemError } from "../http/problem.ts";
import type { CommandMessage } from "../reconciliation/command.ts";
import { findLetter, hastenDelivery, markRedriven } from "./dead-letter-repository.ts";
import type { StoredLetter } from "./dead-letter-schema.ts";
import type { DeliveryMessage } from "./delivery.ts";

type RedriveEnv = Pick<Env, "DB" | "DELIVERIES" | "DELIVERIES_SLOW" | "COMMANDS">;

/** A send can hang for a minute (workerd#6053), and the client is waiting. */
const SEND_TIMEOUT_MS = 3000;

/**
 * The letter as it now stands, null if there is none. Throws `dead_letter_unreadable` when the message is none of ours,
 * and `unavailable` when the queue does not take it. `now` in ms.
 */
export async function redriveDeadLetter(
  env: RedriveEnv,
  app: string,
  livemode: boolean,
  id: string,
  now: number,
): Promise<StoredLetter | null> {
  const db = database(env, app, livemode);
  const letter = await findLetter(db, app, livemode, id);
  if (letter === null) return null;

  const message: unknown = JSON.parse(letter.message);
  if (isDelivery(message)) {
    const lane = await hastenDelivery(db, message, now);
    await send(lane === "fast" ? env.DELIVERIES : env.DELIVERIES_SLOW, message);
  } else if (isCommand(message)) {
    await send(env.COMMANDS, message);
  } else {
    throw new ProblemError({ code: "dead_letter_unreadable", letter: id });
  }
  await markRedriven(db, app, livemode, id, now);
  return { ...letter, redrivenAt: now };
}

async function send<Body>(queue: Queue<Body>, message: Body): Promise<void> {
  const sent = queue.send(message).then(
    () => true,
    () => false,
  );
  const outcome = await within(sleep, sent, SEND_TIMEOUT_MS);
  if (outcome === "late" || !outcome.done)
    throw new ProblemError({ code: "unavailable", retryAfterSeconds: 5 });
}

function isDelivery(message: unknown): message is DeliveryMessage {
  const { delivery, app, livemode } = fieldsOf(message);
  return typeof delivery === "string" && typeof app === "string" && typeof livemode === "boolean";
}

function isCommand(message: unknown): message is CommandMessage {
  const { refund, app, livemode, command } = fieldsOf(message);
  return (
    typeof refund === "string" &&
    typeof app === "string" &&
    typeof livemode === "boolean" &&
    (command === undefined || (typeof command === "object" && command !== null))
  );
}

const fieldsOf = (message: unknown) => (message ?? {}) as Record<string, unknown>;
