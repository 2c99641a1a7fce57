// The sweeper's part in batches, every minute: those that have ended and that nobody was woken for.
import type { Database } from "../db/client.ts";
import type { Env } from "../env.ts";
import { completeBatch } from "./complete-batch.ts";
import { listEnded } from "./repository.ts";

const PAGE = 50;

/** `now` in ms. Throws when D1 fails. */
export async function sweepBatches(env: Env, db: Database, now: number): Promise<void> {
  const ended = await listEnded(db, PAGE);
  const outcomes = await Promise.allSettled(ended.map((batch) => completeBatch(env, batch, now)));
  const failed = outcomes.filter(({ status }) => status === "rejected").length;
  if (failed > 0) throw new Error(`${failed} batches could not be completed`);
}
