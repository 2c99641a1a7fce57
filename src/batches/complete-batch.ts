// A batch whose refunds have all ended: what it has come to, and its event if all succeeded, in one commit. The refunds
// in D1 are the truth, so it may be called at any time and twice: of two at once one moves the batch, and a batch has one
// event for ever. A refund that changes its outcome later opens its batch again in the commit that says so, and one that
// does so meanwhile leaves it open: what nobody is woken for is found by the cron.
import { database } from "../db/client.ts";
import type { Env } from "../env.ts";
import { eventBody } from "../events/event.ts";
import { canonicalJson } from "../idempotency/fingerprint.ts";
import { derivedId } from "../ids.ts";
import { statusOf } from "../refunds/refund.ts";
import { insertDeliveries, insertEvent, toWake } from "../webhooks/fan-out.ts";
import { wakeDeliveries } from "../webhooks/wake.ts";
import { outcomeOf } from "./batch.ts";
import { type BatchKey, type BatchRow, findWhole, isStill, moveBatch } from "./repository.ts";
import { batchObject } from "./schema.ts";

const TYPE = "batch_refund.succeeded";

/** Answers whether the batch has moved. Throws when D1 fails. `now` in ms. */
export async function completeBatch(
  env: Pick<Env, "DB" | "DELIVERIES" | "DELIVERIES_SLOW">,
  key: BatchKey,
  now: number,
): Promise<boolean> {
  const db = database(env, key.app, key.livemode);
  const whole = await findWhole(db, key);
  if (whole === null) return false;
  const { batch, refunds } = whole;
  const state = outcomeOf(batch, refunds);
  if (state === null || state === batch.state) return false;
  if (state !== "succeeded") {
    const moved = await moveBatch(db, key, whole, { state, timeSucceeded: null });
    return moved.meta.changes > 0;
  }
  const timeSucceeded = Math.max(batch.created, ...refunds.map(({ timeSucceed }) => timeSucceed ?? 0));
  const succeeded: BatchRow = { ...batch, state, timeSucceeded };
  const object = batchObject(
    succeeded,
    refunds.map(({ state, doc }) => ({
      id: doc.id,
      status: statusOf(state),
      failureMsg: doc.failureMsg,
      doc,
    })),
  );
  const id = await eventIdOf(key);
  const created = Math.floor(now / 1000);
  const body = eventBody({ id, created, livemode: key.livemode, type: TYPE, object, request: null });
  const event = { id, type: TYPE, created, batch: key.id, body } as const;
  const [, deliveries, moved] = await db.batch([
    insertEvent(db, key, event, isStill(key, whole)),
    insertDeliveries(db, key, event, now),
    moveBatch(db, key, whole, { state, timeSucceeded }),
  ]);
  await wakeDeliveries(env, toWake(deliveries));
  return moved.meta.changes > 0;
}

/** One event for each batch, whoever makes it. */
async function eventIdOf({ app, livemode, id }: BatchKey): Promise<string> {
  const text = canonicalJson([TYPE, app, livemode, id]);
  return derivedId(
    "event",
    new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))),
  );
}
