// Dead letters in D1, as the API sees them: of one app and mode. A letter that names no app is nobody's.
import { and, eq, gt, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { keyset, type Position } from "../db/keyset.ts";
import type { Page } from "../http/pagination.ts";
import type { StoredLetter } from "./dead-letter-schema.ts";
import type { DeliveryMessage, Lane } from "./delivery.ts";
import { deadLetters, deliveries, webhookEndpoints } from "./table.ts";

/** A field of the message. SQLite refuses to read JSON that nests too deep; such a message says nothing. */
const inMessage = (path: string) =>
  sql<unknown>`iif(json_valid(${deadLetters.message}), json_extract(${deadLetters.message}, ${path}), null)`;

const storedLetter = {
  id: deadLetters.id,
  queue: deadLetters.queue,
  delivery: inMessage("$.delivery"),
  refund: inMessage("$.refund"),
  charge: inMessage("$.command.charge"),
  livemode: deadLetters.livemode,
  createdAt: deadLetters.createdAt,
  redrivenAt: deadLetters.redrivenAt,
};

const ofApp = (app: string, livemode: boolean) =>
  and(eq(deadLetters.app, app), eq(deadLetters.livemode, livemode));

/** Where a letter stands in the list of its app and mode. */
export async function findLetterPosition(
  db: Database,
  app: string,
  livemode: boolean,
  id: string,
): Promise<Position | null> {
  const [found] = await db
    .select({ created: deadLetters.createdAt, seq: deadLetters.id })
    .from(deadLetters)
    .where(and(ofApp(app, livemode), eq(deadLetters.id, id)));
  return found ?? null;
}

/** The letters nearest to the cursor in the direction of travel, one more than the page holds. */
export async function listLetters(
  db: Database,
  app: string,
  livemode: boolean,
  page: Page,
  cursor: Position | null,
): Promise<StoredLetter[]> {
  const columns = { created: deadLetters.createdAt, seq: deadLetters.id };
  const { where, orderBy, limit } = keyset(columns, page, cursor, { from: null, to: null });
  return await db
    .select(storedLetter)
    .from(deadLetters)
    .where(and(ofApp(app, livemode), where))
    .orderBy(...orderBy)
    .limit(limit);
}

/** The letter, and its message as JSON. */
export async function findLetter(
  db: Database,
  app: string,
  livemode: boolean,
  id: string,
): Promise<(StoredLetter & { message: string }) | null> {
  const [found] = await db
    .select({ ...storedLetter, message: deadLetters.message })
    .from(deadLetters)
    .where(and(ofApp(app, livemode), eq(deadLetters.id, id)));
  return found ?? null;
}

/**
 * Makes a delivery that waits for a later time due at `now` (ms), though not before the slot it has under a rate limit;
 * one that is held until its endpoint answers a ping stays held. Answers the lane it travels in.
 */
export async function hastenDelivery(
  db: Database,
  { delivery, app, livemode }: DeliveryMessage,
  now: number,
): Promise<Lane> {
  const addressed = and(
    eq(deliveries.id, delivery),
    eq(deliveries.app, app),
    eq(deliveries.livemode, livemode),
  );
  const dueAt = sql`max(${now}, coalesce(${deliveries.slotAt}, 0))`;
  const [, found] = await db.batch([
    db
      .update(deliveries)
      .set({ dueAt, trigger: "manual" })
      .where(and(addressed, eq(deliveries.status, "pending"), gt(deliveries.dueAt, dueAt))),
    db
      .select({ lane: webhookEndpoints.lane })
      .from(deliveries)
      .innerJoin(webhookEndpoints, eq(webhookEndpoints.id, deliveries.endpoint))
      .where(addressed),
  ]);
  return found[0]?.lane ?? "slow";
}

/** `now` in ms. */
export async function markRedriven(
  db: Database,
  app: string,
  livemode: boolean,
  id: string,
  now: number,
): Promise<void> {
  await db
    .update(deadLetters)
    .set({ redrivenAt: now })
    .where(and(ofApp(app, livemode), eq(deadLetters.id, id)));
}
