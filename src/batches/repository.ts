// Batches in D1, and what their refunds have come to as far as D1 has heard.
import { and, eq, sql } from "drizzle-orm";
import type { CreateCommand } from "../charges/ledger-calls.ts";
import { charges } from "../charges/table.ts";
import type { Database } from "../db/client.ts";
import { keyset, type Position } from "../db/keyset.ts";
import type { CreatedRange, Page } from "../http/pagination.ts";
import { insertCommands } from "../reconciliation/repository.ts";
import type { Refund, State } from "../refunds/refund.ts";
import { refunds } from "../refunds/table.ts";
import type { KnownCharge } from "./batch.ts";
import type { MadeRefund } from "./schema.ts";
import { batchRefunds } from "./table.ts";

export type BatchRow = typeof batchRefunds.$inferSelect;
export type NewBatch = Omit<BatchRow, "seq">;

export interface BatchKey {
  app: string;
  livemode: boolean;
  id: string;
}

const ofApp = (app: string, livemode: boolean) =>
  and(eq(batchRefunds.app, app), eq(batchRefunds.livemode, livemode));
const ofBatch = ({ app, livemode, id }: BatchKey) => and(ofApp(app, livemode), eq(batchRefunds.id, id));

/** What D1 knows before a batch is made: one under the same number, and the charges. */
export interface Situation {
  batch: BatchRow | undefined;
  charges: ReadonlyMap<string, KnownCharge & { channel: string; currency: string }>;
}

export async function findSituation(
  db: Database,
  app: string,
  livemode: boolean,
  batchNo: string,
  ids: readonly string[],
): Promise<Situation> {
  // In one batch, so that refunds of an earlier one are never seen without it.
  const [batches, known] = await db.batch([
    db
      .select()
      .from(batchRefunds)
      .where(and(ofApp(app, livemode), eq(batchRefunds.batchNo, batchNo))),
    db
      .select({
        id: charges.id,
        channel: charges.channel,
        currency: charges.currency,
        orderNo: charges.orderNo,
        amount: charges.amount,
        paid: charges.paid,
        reversed: sql<number>`json_extract(${charges.doc}, '$.reversed')`.as("reversed"),
        freeze: charges.freeze,
        refunded: charges.amountRefunded,
        pending: charges.amountPending,
        disputed: sql<number>`json_extract(${charges.doc}, '$.disputed')`.as("disputed"),
        attempts: charges.highestSeq,
      })
      .from(charges)
      .where(
        and(
          eq(charges.app, app),
          eq(charges.livemode, livemode),
          sql`${charges.id} in (select value from json_each(${JSON.stringify(ids)}))`,
        ),
      ),
  ]);
  return {
    batch: batches[0],
    charges: new Map(known.map((row) => [row.id, { ...row, reversed: row.reversed === 1 }])),
  };
}

/**
 * Stores a batch and the commands of its refunds, all or nothing, unless there is one under its number; answers with the
 * one that is stored. `now` in ms: from then on the commands are due.
 */
export async function insertBatch(
  db: Database,
  batch: NewBatch,
  commands: readonly CreateCommand[],
  now: number,
): Promise<BatchRow | undefined> {
  const { app, livemode, batchNo, request } = batch;
  const ofNumber = and(ofApp(app, livemode), eq(batchRefunds.batchNo, batchNo));
  const isOurs = sql`exists (select 1 from ${batchRefunds} where ${ofNumber} and ${batchRefunds.request} = ${request})`;
  const results = await db.batch([
    db.insert(batchRefunds).values(batch).onConflictDoNothing(),
    ...insertCommands(db, batch, commands, now, isOurs),
    db.select().from(batchRefunds).where(ofNumber),
  ]);
  return (results.at(-1) as BatchRow[])[0];
}

export async function findBatch(db: Database, key: BatchKey): Promise<BatchRow | undefined> {
  const [row] = await db.select().from(batchRefunds).where(ofBatch(key));
  return row;
}

/** The batches nearest to the cursor in the direction of travel, one more than the page holds; `offset` skips the first. */
export async function listBatches(
  db: Database,
  app: string,
  livemode: boolean,
  page: Page,
  cursor: Position | null,
  range: CreatedRange,
  offset: number,
): Promise<BatchRow[]> {
  const { created, seq } = batchRefunds;
  const { where, orderBy, limit } = keyset({ created, seq }, page, cursor, range);
  return await db
    .select()
    .from(batchRefunds)
    .where(and(ofApp(app, livemode), where))
    .orderBy(...orderBy)
    .limit(limit)
    .offset(offset);
}

/** The refunds that are made of these batches, by batch; of each the first `shown` of its items with all there is. */
export async function findMade(
  db: Database,
  app: string,
  livemode: boolean,
  batches: readonly Pick<BatchRow, "id" | "items">[],
  shown: number,
): Promise<Map<string, MadeRefund[]>> {
  const made = new Map<string, MadeRefund[]>();
  if (batches.length === 0) return made;
  const whole = batches.flatMap(({ items }) => items.slice(0, shown).map(({ refund }) => refund));
  const rows = await db
    .select({
      id: refunds.id,
      batch: refunds.batch,
      status: refunds.status,
      failureMsg: sql<string | null>`json_extract(${refunds.doc}, '$.failureMsg')`.as("failure_msg"),
      doc: sql<
        string | null
      >`iif(${refunds.id} in (select value from json_each(${JSON.stringify(whole)})), ${refunds.doc}, null)`.as(
        "shown",
      ),
    })
    .from(refunds)
    .where(
      and(
        sql`${refunds.batch} in (select value from json_each(${JSON.stringify(batches.map(({ id }) => id))}))`,
        // The `+` keeps SQLite from walking through the app's refunds for them.
        sql`+${refunds.app} = ${app} and +${refunds.livemode} = ${livemode ? 1 : 0}`,
      ),
    );
  for (const { batch, doc, ...row } of rows) {
    const refund = { ...row, doc: doc === null ? null : (JSON.parse(doc) as Refund) };
    const list = made.get(batch ?? "");
    if (list === undefined) made.set(batch ?? "", [refund]);
    else list.push(refund);
  }
  return made;
}

/** The `+` keeps SQLite from walking through the app's refunds for those of the batch. */
const madeBy = ({ app, livemode, id }: BatchKey) =>
  and(eq(refunds.batch, id), sql`+${refunds.app} = ${app} and +${refunds.livemode} = ${livemode ? 1 : 0}`);

/** A batch and its refunds, as they were in one moment. */
export async function findWhole(
  db: Database,
  key: BatchKey,
): Promise<{ batch: BatchRow; refunds: { state: State; timeSucceed: number | null; doc: Refund }[] } | null> {
  const [batches, made] = await db.batch([
    db.select().from(batchRefunds).where(ofBatch(key)),
    db
      .select({ state: refunds.state, timeSucceed: refunds.timeSucceed, doc: refunds.doc })
      .from(refunds)
      .where(madeBy(key)),
  ]);
  return batches[0] === undefined ? null : { batch: batches[0], refunds: made };
}

/** A batch as it was seen, with its refunds. */
export type Seen = NonNullable<Awaited<ReturnType<typeof findWhole>>>;

/** Whether a batch is still in the state it was seen in, and its refunds have ended as they were seen to have ended. */
const isAsSeen = (key: BatchKey, { batch, refunds: made }: Seen) => {
  const ended = (state: State) => made.filter((refund) => refund.state === state).length;
  return and(
    ofBatch(key),
    eq(batchRefunds.state, batch.state),
    sql`(select coalesce(sum(${refunds.state} = 'succeeded'), 0), coalesce(sum(${refunds.state} = 'failed'), 0)
      from ${refunds} where ${madeBy(key)}) = (${ended("succeeded")}, ${ended("failed")})`,
  );
};

/** The same, as a condition of another statement. */
export const isStill = (key: BatchKey, seen: Seen) =>
  sql`exists (select 1 from ${batchRefunds} where ${isAsSeen(key, seen)})`;

/** The batch goes on to what it has come to, unless something of it has changed since it was seen. */
export function moveBatch(
  db: Database,
  key: BatchKey,
  seen: Seen,
  to: Pick<BatchRow, "state" | "timeSucceeded">,
) {
  return db.update(batchRefunds).set(to).where(isAsSeen(key, seen));
}

/** Batches that are being processed although every refund of theirs has ended, the oldest first. */
export async function listEnded(db: Database, limit: number): Promise<BatchKey[]> {
  const { app, livemode, id, items, state, created } = batchRefunds;
  const made = sql`from ${refunds} where ${refunds.batch} = ${id} and +${refunds.app} = ${app}
    and +${refunds.livemode} = ${livemode}`;
  return await db
    .select({ app, livemode, id })
    .from(batchRefunds)
    .where(
      // Most that are open wait for some refund: that is seen from the first of them.
      sql`${state} = 'processing' and not exists (select 1 ${made} and ${refunds.status} = 'pending')
        and (select count(*) ${made}) = json_array_length(${items})`,
    )
    .orderBy(created)
    .limit(limit);
}
