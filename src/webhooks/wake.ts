// Wake-up calls for deliveries. D1 holds the truth and the cron repairs, so a call that cannot be sent is let go:
// nobody waits for a queue that hangs, and nobody fails because of it.

import { log, nameOf } from "../log.ts";
import type { DeliveryMessage, Lane, Wakeable } from "./delivery.ts";

/** The two lanes' queues, as the Worker and the ledgers are bound to them. */
export interface DeliveryQueues {
  DELIVERIES: Queue<DeliveryMessage>;
  DELIVERIES_SLOW: Queue<DeliveryMessage>;
}

/** What a queue takes in one call. */
const PAGE = 100;
/** A send can hang for a minute (workerd#6053). */
const SEND_TIMEOUT_MS = 3000;

/** Sends a wake-up per delivery to its lane's queue, `delaySeconds` from now. Settles within 3 s, never throws. */
export async function wakeDeliveries(
  env: DeliveryQueues,
  deliveries: readonly Wakeable[],
  delaySeconds = 0,
): Promise<void> {
  const lanes: [Lane, Queue<DeliveryMessage>][] = [
    ["fast", env.DELIVERIES],
    ["slow", env.DELIVERIES_SLOW],
  ];
  const sends: Promise<void>[] = [];
  for (const [lane, queue] of lanes) {
    const messages = deliveries
      .filter((delivery) => delivery.lane === lane)
      .map(({ id, app, livemode }) => ({ body: { delivery: id, app, livemode } }));
    for (let start = 0; start < messages.length; start += PAGE) {
      sends.push(send(queue, messages.slice(start, start + PAGE), delaySeconds));
    }
  }
  if (sends.length === 0) return;
  let timer: ReturnType<typeof setTimeout> | null = null;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, SEND_TIMEOUT_MS);
  });
  await Promise.race([Promise.all(sends), late]);
  clearTimeout(timer);
}

async function send(
  queue: Queue<DeliveryMessage>,
  messages: { body: DeliveryMessage }[],
  delaySeconds: number,
): Promise<void> {
  try {
    await queue.sendBatch(messages, { delaySeconds });
  } catch (error) {
    log("warn", { failure: "wake_ups_not_sent", count: messages.length, error: nameOf(error) });
  }
}
