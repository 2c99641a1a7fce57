// Charges in D1: their first recording, what ledgers are hydrated from, and what can be asked across charges.
import { and, desc, eq, inArray, lt, lte, min, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import type { Refund } from "../refunds/refund.ts";
import { refunds } from "../refunds/table.ts";
import { insertTerms } from "../search/repository.ts";
import type { Charge } from "./charge.ts";
import type { Hydration } from "./ledger-calls.ts";
import { SEARCHED_CHARGES } from "./search.ts";
import { charges, ledgerNamespaces, payments } from "./table.ts";

export type ChargeRow = typeof charges.$inferSelect;

/** What D1 holds after a recording. */
export interface Recorded {
  /** Absent when the payment belongs to another charge. */
  row: ChargeRow | undefined;
  /** The charge that owns the transaction_no; null when none was given, or when the charge has another one already. */
  owner: string | null;
  /** Whether this recording made the claim. */
  claimed: boolean;
}

const ofCharge = (app: string, livemode: boolean, id: string) =>
  and(eq(charges.app, app), eq(charges.livemode, livemode), eq(charges.id, id));

const ofPayment = (charge: Charge, transactionNo: string) =>
  and(
    eq(payments.app, charge.app),
    eq(payments.livemode, charge.livemode),
    eq(payments.channel, charge.channel),
    eq(payments.transactionNo, transactionNo),
  );

/**
 * Claims the payment and inserts the charge, as far as they are new, in one batch. A charge is inserted only if it owns
 * its payment, and a payment is claimed only for a charge that has no other: one payment never gets two ledgers.
 */
export async function insertCharge(db: Database, charge: Charge, namespace: string): Promise<Recorded> {
  const { app, id, channel, transactionNo } = charge;
  const livemode = charge.livemode ? 1 : 0;
  const recorded = db
    .select()
    .from(charges)
    .where(ofCharge(app, charge.livemode, id));
  // Every column in the order of the table: that is what an insert from a query gives.
  const values = sql`null, ${app}, ${livemode}, ${id}, ${charge.version}, ${charge.orderNo}, ${channel},
    ${charge.currency}, ${charge.amount}, ${charge.paid ? 1 : 0}, ${charge.refundedElsewhere > 0 ? 1 : 0},
    ${charge.refundedElsewhere}, 0, ${charge.created}, 0, null, null, ${JSON.stringify(charge)}, ${transactionNo}, 1`;
  // Of a charge that was recorded before, the description may be another by now: that one has terms of its own.
  const isThis = sql`${charges.doc} = ${JSON.stringify(charge)}`;
  const terms = insertTerms(db, SEARCHED_CHARGES, charge, [charge], isThis);
  const own = db.insert(ledgerNamespaces).values({ id: 1, fingerprint: namespace }).onConflictDoNothing();
  if (transactionNo === null) {
    const insert = db.insert(charges).select(sql`select ${values} where true`).onConflictDoNothing();
    const [, , rows] = await db.batch([own, insert, recorded, ...terms]);
    return { row: rows[0], owner: null, claimed: false };
  }
  // A charge with this id that has another payment, or is another charge altogether: nothing is claimed for it.
  const otherPayment = sql`select 1 from ${charges} where ${ofCharge(app, charge.livemode, id)}
    and (json_extract(${charges.doc}, '$.transactionNo') <> ${transactionNo}
      or ${charges.amount} <> ${charge.amount} or ${charges.currency} <> ${charge.currency}
      or ${charges.channel} <> ${channel} or ${charges.orderNo} <> ${charge.orderNo})`;
  const ownPayment = sql`select 1 from ${payments}
    where ${ofPayment(charge, transactionNo)} and ${payments.charge} = ${id}`;
  const [, made, , rows, owners] = await db.batch([
    own,
    db
      .insert(payments)
      .select(
        sql`select ${app}, ${livemode}, ${channel}, ${transactionNo}, ${id} where not exists (${otherPayment})`,
      )
      .onConflictDoNothing()
      .returning({ charge: payments.charge }),
    db.insert(charges).select(sql`select ${values} where exists (${ownPayment})`).onConflictDoNothing(),
    recorded,
    db.select({ charge: payments.charge }).from(payments).where(ofPayment(charge, transactionNo)),
    ...terms,
  ]);
  return { row: rows[0], owner: owners[0]?.charge ?? null, claimed: made.length > 0 };
}

/** Claims a payment for a charge that exists already; answers with the owner, and whether this call made the claim. */
export async function claimPayment(
  db: Database,
  charge: Charge,
  transactionNo: string,
): Promise<{ owner: string; claimed: boolean }> {
  const { app, livemode, channel } = charge;
  const [made, owners] = await db.batch([
    db
      .insert(payments)
      .values({ app, livemode, channel, transactionNo, charge: charge.id })
      .onConflictDoNothing()
      .returning({ charge: payments.charge }),
    db.select({ charge: payments.charge }).from(payments).where(ofPayment(charge, transactionNo)),
  ]);
  return { owner: owners[0]?.charge ?? charge.id, claimed: made.length > 0 };
}

/** Gives up a claim that turned out not to be this charge's payment. */
export async function releasePayment(db: Database, charge: Charge, transactionNo: string): Promise<void> {
  await db.delete(payments).where(and(ofPayment(charge, transactionNo), eq(payments.charge, charge.id)));
}

export async function findCharge(
  db: Database,
  app: string,
  livemode: boolean,
  id: string,
): Promise<ChargeRow | undefined> {
  const [row] = await db
    .select()
    .from(charges)
    .where(ofCharge(app, livemode, id));
  return row;
}

/** A charge with its refunds, as a ledger takes them over. */
export async function findHydration(
  db: Database,
  app: string,
  livemode: boolean,
  id: string,
): Promise<Hydration | null> {
  const [rows, made] = await db.batch([
    db
      .select()
      .from(charges)
      .where(ofCharge(app, livemode, id)),
    db
      .select({ doc: refunds.doc })
      .from(refunds)
      .where(and(eq(refunds.app, app), eq(refunds.livemode, livemode), eq(refunds.charge, id)))
      .orderBy(refunds.seq),
  ]);
  const row = rows[0];
  if (row === undefined) return null;
  return hydrationOf(
    row,
    made.map(({ doc }) => doc),
  );
}

export function hydrationOf(row: ChargeRow, made: Refund[]): Hydration {
  return { charge: row.doc, refunds: made, freeze: row.freeze, opened: row.ledgerOpenedAt !== null };
}

export interface OverdueCharge {
  app: string;
  livemode: boolean;
  charge: string;
}

/** The fingerprint of the ledgers that the database belongs to; null before the first charge. */
export async function findLedgerNamespace(db: Database): Promise<string | null> {
  const [row] = await db.select().from(ledgerNamespaces).orderBy(desc(ledgerNamespaces.id)).limit(1);
  return row?.fingerprint ?? null;
}

/** The database belongs to these ledgers from now on. */
export async function adoptLedgerNamespace(db: Database, fingerprint: string): Promise<void> {
  const newest = sql`(select fingerprint from ${ledgerNamespaces} order by id desc limit 1)`;
  await db
    .insert(ledgerNamespaces)
    .select(sql`select null, ${fingerprint} where ${newest} is not ${fingerprint}`);
}

/**
 * Ledgers whose next step is long overdue, the longest first: at most `limit`; without `live`, those of test mode alone.
 * `before` in ms.
 */
export async function listOverdueCharges(
  db: Database,
  before: number,
  limit: number,
  live = true,
): Promise<OverdueCharge[]> {
  // Without the sign, which keeps its index from the grouping, every refund there is would be walked charge by charge.
  const app = sql`+${refunds.app}`;
  return db
    .select({ app: refunds.app, livemode: refunds.livemode, charge: refunds.charge })
    .from(refunds)
    .where(and(lte(refunds.dueAt, before), live ? undefined : eq(refunds.livemode, false)))
    .groupBy(app, refunds.livemode, refunds.charge)
    .orderBy(min(refunds.dueAt))
    .limit(limit);
}

/** Puts off the overdue refunds of a charge, so that one that stays overdue does not keep others from their turn. */
export async function postponeOverdue(db: Database, overdue: OverdueCharge, dueAt: number): Promise<void> {
  const { app, livemode, charge } = overdue;
  await db
    .update(refunds)
    .set({ dueAt })
    .where(
      and(
        eq(refunds.app, app),
        eq(refunds.livemode, livemode),
        eq(refunds.charge, charge),
        lt(refunds.dueAt, dueAt),
      ),
    );
}

/** The charge that owns a payment at a channel, by any of its serial numbers; null when nobody recorded it. */
export async function findPaidCharge(
  db: Database,
  app: string,
  livemode: boolean,
  channel: string,
  transactionNos: readonly string[],
): Promise<string | null> {
  const { app: ofApp, livemode: ofMode, channel: ofChannel, transactionNo: ofNumber } = payments;
  const [found] = await db
    .select({ charge: payments.charge })
    .from(payments)
    .where(
      and(
        eq(ofApp, app),
        eq(ofMode, livemode),
        eq(ofChannel, channel),
        inArray(ofNumber, [...transactionNos]),
      ),
    );
  return found?.charge ?? null;
}
