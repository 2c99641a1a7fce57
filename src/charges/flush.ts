// One atomic batch that brings D1 up to date with ledgers: refunds and charges guarded by version, events and a delivery
// for every endpoint that asked for them. It may run twice and late; it never takes anything back. What D1 has under the
// same version is the same, unless a ledger has been rolled back since: then the ledger's is what counts. However much
// there is to tell, the statements and their texts stay the same few.
import { and, eq, ne, sql } from "drizzle-orm";
import { batchRefunds } from "../batches/table.ts";
import { batchOf, type Database } from "../db/client.ts";
import { excluded, FixedStatement, pagesOf, parametersOf, rowsOf } from "../db/fixed-statement.ts";
import { type Approval, isFinal, type Refund, statusOf } from "../refunds/refund.ts";
import { SEARCHED_REFUNDS } from "../refunds/search.ts";
import { refunds } from "../refunds/table.ts";
import { insertTimeline } from "../refunds/timeline-repository.ts";
import { TermsInsert } from "../search/repository.ts";
import type { Wakeable } from "../webhooks/delivery.ts";
import { announce, toWake } from "../webhooks/fan-out.ts";
import type { Charge } from "./charge.ts";
import type { FlushBatch, FlushReceipt } from "./ledger-ports.ts";
import { SEARCHED_CHARGES } from "./search.ts";
import { charges, payments } from "./table.ts";

/** A receipt for each batch, in their order. */
export async function flushToD1(
  db: Database,
  batches: readonly FlushBatch[],
): Promise<{ receipts: FlushReceipt[]; deliveries: Wakeable[] }> {
  const told = batches.flatMap(({ charge, refunds }) =>
    refunds.map((refund) => ({ tenant: charge, charge, refund })),
  );
  const held = pagesOf(batches.map(heldBefore)).map((page) => HELD.bind(db, { told: page }));
  const { inserts, deliveries } = announce(
    db,
    batches.flatMap(({ charge, events }) => events.map((event) => ({ tenant: charge, event }))),
    Math.max(...batches.map(({ now }) => now)),
  );
  const results = await batchOf(db, [
    ...held,
    ...parametersOf(charges, batches.map(chargeRow)).map((rows) => UPSERT_CHARGES.bind(db, { rows })),
    ...batches.flatMap((batch) => claimAgain(db, batch)),
    ...told.flatMap(({ charge, refund }) => reopenBatch(db, charge, refund)),
    ...parametersOf(
      refunds,
      told.map(({ charge, refund }) => refundRow(charge, refund)),
    ).map((rows) => UPSERT_REFUNDS.bind(db, { rows })),
    ...insertTimeline(db, told),
    ...CHARGE_TERMS.bind(
      db,
      batches.flatMap(({ charge, synced }) =>
        isUntold(charge, synced) ? [{ tenant: charge, object: charge }] : [],
      ),
    ),
    ...REFUND_TERMS.bind(
      db,
      told.flatMap(({ tenant, refund }) =>
        isUntold(refund, refund.synced) ? [{ tenant, object: refund }] : [],
      ),
    ),
    ...inserts,
    ...deliveries,
  ]);
  return {
    receipts: results.slice(0, held.length).flat() as unknown as FlushReceipt[],
    deliveries: toWake(deliveries.length === 0 ? [] : results.slice(-deliveries.length).flat()),
  };
}

/** Whether the description or the metadata is newer than what D1 has. */
function isUntold({ described = 1 }: { described?: number }, synced: number): boolean {
  return described > synced;
}

/**
 * What D1 holds, looked up by index before it is written: the charge's version as it was, and the versions of its refunds
 * as they will be. No version in D1 ever falls, so each refund that is told of adds what D1 lacks of it, or nothing.
 */
const HELD = new FixedStatement<"told">((db) =>
  db
    .select({
      version: sql<number>`coalesce((select c.version from charges as c
        where c.app = told.value ->> 0 and c.livemode = told.value ->> 1 and c.id = told.value ->> 2), 0)`.as(
        "version",
      ),
      versions: sql<number>`(select coalesce(sum(r.version), 0) from refunds as r indexed by refunds_charge
          where r.app = told.value ->> 0 and r.livemode = told.value ->> 1 and r.charge = told.value ->> 2)
        + (select coalesce(sum(max(0, (sent.value ->> 1) - coalesce(r.version, 0))), 0)
          from json_each(told.value, '$[3]') as sent left join refunds as r indexed by refunds_id
            on r.app = told.value ->> 0 and r.livemode = told.value ->> 1 and r.id = sent.value ->> 0)`.as(
        "versions",
      ),
    })
    .from(sql`json_each(${sql.placeholder("told")}) as told`)
    .orderBy(sql`told.key`),
);

function heldBefore({ charge: { app, livemode, id }, refunds }: FlushBatch) {
  return [app, livemode ? 1 : 0, id, refunds.map((refund) => [refund.id, refund.version])];
}

const CHARGE_TERMS = new TermsInsert(SEARCHED_CHARGES);
const REFUND_TERMS = new TermsInsert(SEARCHED_REFUNDS);

const UPSERT_CHARGES = new FixedStatement((db) =>
  db
    .insert(charges)
    .select(rowsOf(charges))
    .onConflictDoUpdate({
      target: [charges.app, charges.livemode, charges.id],
      set: {
        ...excluded(charges, [
          ...["version", "paid", "refunded", "amountRefunded", "amountPending", "highestSeq", "freeze"],
          ...["transactionNo", "described", "doc"],
        ]),
        ledgerOpenedAt: sql`coalesce(${charges.ledgerOpenedAt}, excluded.ledger_opened_at)`,
      },
      setWhere: sql`excluded.version >= ${charges.version}`,
    }),
);

function chargeRow(batch: FlushBatch): typeof charges.$inferSelect {
  const { charge, balance } = batch;
  return {
    // The row id is D1's.
    seq: null as never,
    app: charge.app,
    livemode: charge.livemode,
    id: charge.id,
    version: batch.version,
    orderNo: charge.orderNo,
    channel: charge.channel,
    currency: charge.currency,
    amount: charge.amount,
    paid: charge.paid,
    refunded: batch.refunded,
    amountRefunded: balance.refunded,
    amountPending: balance.pending,
    created: charge.created,
    highestSeq: batch.highestSeq,
    freeze: batch.freeze,
    ledgerOpenedAt: batch.now,
    doc: charge,
    transactionNo: charge.transactionNo,
    described: charge.described ?? 1,
  };
}

const UPSERT_REFUNDS = new FixedStatement((db) =>
  db
    .insert(refunds)
    .select(rowsOf(refunds))
    .onConflictDoUpdate({
      target: [refunds.app, refunds.livemode, refunds.id],
      set: excluded(refunds, [
        ...[
          "seq",
          "version",
          "status",
          "state",
          "transactionNo",
          "attention",
          "approval",
          "batch",
          "described",
        ],
        ...["timeSucceed", "dueAt", "doc"],
      ]),
      setWhere: sql`excluded.version >= ${refunds.version}`,
    }),
);

function refundRow(charge: Charge, refund: Refund): typeof refunds.$inferSelect {
  return {
    app: charge.app,
    livemode: charge.livemode,
    id: refund.id,
    charge: charge.id,
    seq: refund.seq,
    version: refund.version,
    status: statusOf(refund.state),
    state: refund.state,
    channel: charge.channel,
    currency: charge.currency,
    amount: refund.amount,
    refundNo: refund.refundNo,
    transactionNo: refund.transactionNo,
    attention: refund.attention,
    approval: approvalOf(refund),
    batch: refund.batch ?? null,
    described: refund.described ?? 1,
    created: refund.created,
    timeSucceed: refund.timeSucceed,
    dueAt: refund.dueAt,
    doc: refund,
  };
}

/** What ended undecided does not wait for approval any more. */
function approvalOf(refund: Refund): Approval["status"] | null {
  const status = refund.approval?.status ?? null;
  return status === "required" && isFinal(refund) ? null : status;
}

/**
 * The charge's claim of its payment, where D1 may have forgotten it too: not one that has been given up since, nor one that
 * is another charge's.
 */
const CLAIM_AGAIN = new FixedStatement<"app" | "livemode" | "channel" | "transactionNo" | "id">((db) => {
  const { placeholder } = sql;
  const [app, livemode, transactionNo, id] = [
    placeholder("app"),
    placeholder("livemode"),
    placeholder("transactionNo"),
    placeholder("id"),
  ];
  return db
    .insert(payments)
    .select(
      sql`select ${app}, ${livemode}, ${placeholder("channel")}, ${transactionNo}, ${id} where exists (select 1 from ${charges}
        where ${charges.app} = ${app} and ${charges.livemode} = ${livemode} and ${charges.id} = ${id}
          and ${charges.transactionNo} = ${transactionNo})`,
    )
    .onConflictDoNothing();
});

function claimAgain(db: Database, { charge, synced }: FlushBatch): D1PreparedStatement[] {
  const { app, id, channel, transactionNo } = charge;
  if (synced > 0 || transactionNo === null) return [];
  return [CLAIM_AGAIN.bind(db, { app, livemode: charge.livemode ? 1 : 0, channel, transactionNo, id })];
}

/**
 * A batch whose refund goes on to another state is being processed again, if it was not: then the cron finds it also when
 * nobody wakes it. To be run before the refund itself is written.
 */
const REOPEN_BATCH = new FixedStatement<"app" | "livemode" | "batch" | "id" | "state">((db) => {
  const { placeholder } = sql;
  const [app, livemode] = [placeholder("app"), placeholder("livemode")];
  const { app: ofApp, livemode: ofMode, id: ofBatch, state: batchState } = batchRefunds;
  const moves = sql`exists (select 1 from ${refunds} where ${refunds.app} = ${app}
    and ${refunds.livemode} = ${livemode} and ${refunds.id} = ${placeholder("id")}
    and ${refunds.state} <> ${placeholder("state")})`;
  return db
    .update(batchRefunds)
    .set({ state: "processing", timeSucceeded: null })
    .where(
      and(
        eq(ofApp, app),
        sql`${ofMode} = ${livemode}`,
        eq(ofBatch, placeholder("batch")),
        ne(batchState, "processing"),
        moves,
      ),
    );
});

function reopenBatch(
  db: Database,
  { app, livemode }: Charge,
  { id, batch, state }: Refund,
): D1PreparedStatement[] {
  if (batch === undefined) return [];
  return [REOPEN_BATCH.bind(db, { app, livemode: livemode ? 1 : 0, batch, id, state })];
}
