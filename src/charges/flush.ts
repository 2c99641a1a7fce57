// One atomic batch that brings D1 up to date with a ledger: refunds and the charge guarded by version, events and a
// delivery for every endpoint that asked for them. It may run twice and late; it never takes anything back. What D1 has
// under the same version is the same, unless the ledger has been rolled back since: then the ledger's is what counts.
import { and, count, eq, ne, sql } from "drizzle-orm";
import type { BatchItem } from "drizzle-orm/batch";
import { batchRefunds } from "../batches/table.ts";
import type { Database } from "../db/client.ts";
import { type Approval, isFinal, type Refund, statusOf } from "../refunds/refund.ts";
import { SEARCHED_REFUNDS } from "../refunds/search.ts";
import { refunds } from "../refunds/table.ts";
import { insertTimeline } from "../refunds/timeline-repository.ts";
import { insertTerms } from "../search/repository.ts";
import type { Wakeable } from "../webhooks/delivery.ts";
import { insertDeliveries, insertEvent, toWake } from "../webhooks/fan-out.ts";
import type { Charge } from "./charge.ts";
import type { FlushBatch, FlushReceipt } from "./ledger-ports.ts";
import { SEARCHED_CHARGES } from "./search.ts";
import { charges, payments } from "./table.ts";

export async function flushToD1(
  db: Database,
  batch: FlushBatch,
): Promise<{ receipt: FlushReceipt; deliveries: Wakeable[] }> {
  const { charge } = batch;
  const held = db
    .select({ version: charges.version })
    .from(charges)
    .where(
      and(eq(charges.app, charge.app), eq(charges.livemode, charge.livemode), eq(charges.id, charge.id)),
    );
  const writes: BatchItem<"sqlite">[] = [
    upsertCharge(db, batch),
    ...claimAgain(db, batch),
    ...batch.refunds.flatMap((refund) => reopenBatch(db, charge, refund)),
    ...batch.refunds.map((refund) => upsertRefund(db, charge, refund)),
    ...insertTimeline(db, charge, batch.refunds),
    ...insertTerms(db, SEARCHED_CHARGES, charge, isUntold(charge, batch.synced) ? [charge] : []),
    ...insertTerms(
      db,
      SEARCHED_REFUNDS,
      charge,
      batch.refunds.filter((refund) => isUntold(refund, refund.synced)),
    ),
  ];
  const announcements = batch.events.flatMap((event) => [
    insertEvent(db, charge, event),
    insertDeliveries(db, charge, event, batch.now),
  ]);
  const made = db
    .select({ count: count(), versions: sql<number>`coalesce(sum(${refunds.version}), 0)` })
    .from(refunds)
    .where(
      and(eq(refunds.app, charge.app), eq(refunds.livemode, charge.livemode), eq(refunds.charge, charge.id)),
    );
  // The version is read before it is written, when it can still tell that it was ahead; the refunds are counted after,
  // when any that the ledger does not know is one too many.
  const results = await db.batch([held, ...writes, ...announcements, made]);
  const [before] = results[0] as { version: number }[];
  const [after] = results.at(-1) as { count: number; versions: number }[];
  // Event, its deliveries, event, its deliveries …
  const announced = results.slice(1 + writes.length, -1) as unknown[];
  const deliveries = announced.filter((_, i) => i % 2 === 1).flat();
  return {
    receipt: { version: before?.version ?? 0, refunds: after?.count ?? 0, versions: after?.versions ?? 0 },
    deliveries: toWake(charge, deliveries),
  };
}

/** Whether the description or the metadata is newer than what D1 has. */
function isUntold({ described = 1 }: { described?: number }, synced: number): boolean {
  return described > synced;
}

function upsertCharge(db: Database, batch: FlushBatch) {
  const { charge, balance } = batch;
  const projected = {
    version: batch.version,
    paid: charge.paid,
    refunded: batch.refunded,
    amountRefunded: balance.refunded,
    amountPending: balance.pending,
    highestSeq: batch.highestSeq,
    freeze: batch.freeze,
    transactionNo: charge.transactionNo,
    described: charge.described ?? 1,
    doc: charge,
  };
  return db
    .insert(charges)
    .values({
      ...projected,
      app: charge.app,
      livemode: charge.livemode,
      id: charge.id,
      orderNo: charge.orderNo,
      channel: charge.channel,
      currency: charge.currency,
      amount: charge.amount,
      created: charge.created,
      ledgerOpenedAt: batch.now,
    })
    .onConflictDoUpdate({
      target: [charges.app, charges.livemode, charges.id],
      set: { ...projected, ledgerOpenedAt: sql`coalesce(${charges.ledgerOpenedAt}, ${batch.now})` },
      setWhere: sql`excluded.version >= ${charges.version}`,
    });
}

/**
 * The charge's claim of its payment, where D1 may have forgotten it too: not one that has been given up since, nor one that
 * is another charge's.
 */
function claimAgain(db: Database, { charge, synced }: FlushBatch): BatchItem<"sqlite">[] {
  const { app, id, channel, transactionNo } = charge;
  if (synced > 0 || transactionNo === null) return [];
  const livemode = charge.livemode ? 1 : 0;
  return [
    db
      .insert(payments)
      .select(
        sql`select ${app}, ${livemode}, ${channel}, ${transactionNo}, ${id} where exists (select 1 from ${charges}
          where ${charges.app} = ${app} and ${charges.livemode} = ${livemode} and ${charges.id} = ${id}
            and ${charges.transactionNo} = ${transactionNo})`,
      )
      .onConflictDoNothing(),
  ];
}

/**
 * A batch whose refund goes on to another state is being processed again, if it was not: then the cron finds it also when
 * nobody wakes it. To be run before the refund itself is written.
 */
function reopenBatch(db: Database, { app, livemode }: Charge, { id, batch, state }: Refund) {
  if (batch === undefined) return [];
  const { app: ofApp, livemode: ofMode, id: ofBatch, state: batchState } = batchRefunds;
  const moves = sql`exists (select 1 from ${refunds} where ${refunds.app} = ${app}
    and ${refunds.livemode} = ${livemode ? 1 : 0} and ${refunds.id} = ${id} and ${refunds.state} <> ${state})`;
  return [
    db
      .update(batchRefunds)
      .set({ state: "processing", timeSucceeded: null })
      .where(
        and(eq(ofApp, app), eq(ofMode, livemode), eq(ofBatch, batch), ne(batchState, "processing"), moves),
      ),
  ];
}

/** What ended undecided does not wait for approval any more. */
function approvalOf(refund: Refund): Approval["status"] | null {
  const status = refund.approval?.status ?? null;
  return status === "required" && isFinal(refund) ? null : status;
}

function upsertRefund(db: Database, charge: Charge, refund: Refund) {
  const projected = {
    seq: refund.seq,
    version: refund.version,
    status: statusOf(refund.state),
    state: refund.state,
    transactionNo: refund.transactionNo,
    attention: refund.attention,
    approval: approvalOf(refund),
    batch: refund.batch ?? null,
    described: refund.described ?? 1,
    timeSucceed: refund.timeSucceed,
    dueAt: refund.dueAt,
    doc: refund,
  };
  return db
    .insert(refunds)
    .values({
      ...projected,
      app: charge.app,
      livemode: charge.livemode,
      id: refund.id,
      charge: charge.id,
      channel: charge.channel,
      currency: charge.currency,
      amount: refund.amount,
      refundNo: refund.refundNo,
      created: refund.created,
    })
    .onConflictDoUpdate({
      target: [refunds.app, refunds.livemode, refunds.id],
      set: projected,
      setWhere: sql`excluded.version >= ${refunds.version}`,
    });
}
