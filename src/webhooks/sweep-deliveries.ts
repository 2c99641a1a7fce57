// The sweeper's part in webhooks, every minute: wakes deliveries that are due and not under way, whatever became of
// their messages, and lets go of what is past its retention. Waking one twice is harmless: only one claim succeeds.
import type { Wakeable } from "./delivery.ts";
import type { DeliveryRepository } from "./delivery-repository.ts";
import { type DeliveryQueues, wakeDeliveries } from "./wake.ts";

/** A run wakes this many at most, endpoint by endpoint in turn: one that has fallen behind keeps nobody waiting. */
const WOKEN_MAX = 5000;
const PER_ENDPOINT_MAX = 2000;
/** Attempts, and deliveries that arrived, are kept for 30 days. */
const RETENTION_MS = 30 * 86_400_000;
const FORGET_MAX = 500;

/** `now` in ms since the epoch. Answers how many were woken. Throws when a database fails. */
export async function sweepDeliveries(
  env: DeliveryQueues,
  databases: readonly DeliveryRepository[],
  now: number,
): Promise<number> {
  const due: Wakeable[] = [];
  for (const deliveries of databases) {
    due.push(...(await deliveries.listOverdue(now, PER_ENDPOINT_MAX, WOKEN_MAX)));
  }
  // All in one call, whose time-out holds for the whole of it.
  await wakeDeliveries(env, due);
  for (const deliveries of databases) await deliveries.forget(now - RETENTION_MS, FORGET_MAX);
  return due.length;
}
