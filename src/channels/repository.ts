// Channel accounts in D1. Credentials stay sealed here; a revision that refunds are pinned to is retired, never deleted.
import { and, desc, eq, isNull, lt, ne, type SQL, sql } from "drizzle-orm";
import type { Charge } from "../charges/charge.ts";
import type { Database } from "../db/client.ts";
import { keyset, type Position } from "../db/keyset.ts";
import type { Page } from "../http/pagination.ts";
import type { ChannelAccount } from "./channel.ts";
import { channelAccounts, claimedPayments, orphanNotices } from "./table.ts";

export type AccountRow = typeof channelAccounts.$inferSelect;

/** Notices about unknown numbers that are kept for an app and mode; what comes beyond is only alarmed. */
const ORPHANS_MAX = 1000;
/** How many earlier revisions of a channel's accounts are tried for a notice: refunds may be pinned to them. */
const REVISIONS_MAX = 5;

const columns = {
  app: channelAccounts.app,
  livemode: channelAccounts.livemode,
  channel: channelAccounts.channel,
  id: channelAccounts.id,
  revision: channelAccounts.revision,
  merchant: channelAccounts.merchant,
  credentials: channelAccounts.credentials,
};

function ofApp(app: string, livemode: boolean): SQL | undefined {
  return and(eq(channelAccounts.app, app), eq(channelAccounts.livemode, livemode));
}

/**
 * The pinned revision, or with `newest` the newest of the pinned account; without a pin the current account of the charge's
 * channel. Null when there is none.
 */
export async function findAccount(
  db: Database,
  charge: Pick<Charge, "app" | "livemode" | "channel">,
  pinned: { id: string; revision: number } | null,
  newest = false,
): Promise<ChannelAccount | null> {
  const which =
    pinned === null
      ? isNull(channelAccounts.retiredAt)
      : and(
          eq(channelAccounts.id, pinned.id),
          newest ? undefined : eq(channelAccounts.revision, pinned.revision),
        );
  const rows = await db
    .select(columns)
    .from(channelAccounts)
    .where(and(ofApp(charge.app, charge.livemode), eq(channelAccounts.channel, charge.channel), which))
    .orderBy(desc(channelAccounts.revision))
    .limit(1);
  return rows[0] ?? null;
}

/** The accounts whose keys may have signed a notice: the current revision first, then those retired last. */
export async function listNoticeAccounts(
  db: Database,
  app: string,
  livemode: boolean,
  channel: string,
): Promise<ChannelAccount[]> {
  return await db
    .select(columns)
    .from(channelAccounts)
    .where(and(ofApp(app, livemode), eq(channelAccounts.channel, channel)))
    .orderBy(
      sql`${channelAccounts.retiredAt} is not null`,
      desc(channelAccounts.created),
      desc(channelAccounts.revision),
    )
    .limit(REVISIONS_MAX);
}

/** Adds the first revision of an account; false when the channel has a current one. */
export async function addAccount(db: Database, account: AccountRow): Promise<boolean> {
  const result = await db.insert(channelAccounts).values(account).onConflictDoNothing();
  return result.meta.changes > 0;
}

/** Puts a new revision in the place of the current one; false when that is current no more. */
export async function addRevision(db: Database, before: AccountRow, after: AccountRow): Promise<boolean> {
  const isRevision = (revision: number) =>
    and(
      ofApp(before.app, before.livemode),
      eq(channelAccounts.channel, before.channel),
      eq(channelAccounts.id, before.id),
      eq(channelAccounts.revision, revision),
    );
  const isCurrent = and(isRevision(before.revision), isNull(channelAccounts.retiredAt));
  const values = sql`select ${after.id}, ${after.revision}, ${after.app}, ${after.livemode ? 1 : 0}, ${after.channel},
    ${after.credentials}, ${after.merchant}, ${JSON.stringify(after.noticeKeys)}, ${after.description}, ${after.created},
    ${after.created} from ${channelAccounts} where ${isCurrent}`;
  // It comes retired and takes the place once that is free. No two sealed texts are alike: this one tells whose row it is.
  const isOurs = and(isRevision(after.revision), eq(channelAccounts.credentials, after.credentials));
  const [, , placed] = await db.batch([
    db.insert(channelAccounts).select(values).onConflictDoNothing(),
    db.update(channelAccounts).set({ retiredAt: after.created }).where(isCurrent),
    db.update(channelAccounts).set({ retiredAt: null }).where(isOurs),
  ]);
  return placed.meta.changes > 0;
}

/** Describes an account otherwise; nothing that money depends on. */
export async function changeAccount(
  db: Database,
  account: AccountRow,
  description: string | null,
): Promise<void> {
  await db
    .update(channelAccounts)
    .set({ description })
    .where(
      and(
        ofApp(account.app, account.livemode),
        eq(channelAccounts.id, account.id),
        eq(channelAccounts.revision, account.revision),
      ),
    );
}

/** Retires an account; false when it is not in use. `now` in Unix seconds. */
export async function retireAccount(
  db: Database,
  app: string,
  livemode: boolean,
  id: string,
  now: number,
): Promise<boolean> {
  const result = await db
    .update(channelAccounts)
    .set({ retiredAt: now })
    .where(and(ofApp(app, livemode), eq(channelAccounts.id, id), isNull(channelAccounts.retiredAt)));
  return result.meta.changes > 0;
}

/** The newest revision of every account, newest first. */
export async function listAccounts(db: Database, app: string, livemode: boolean): Promise<AccountRow[]> {
  return await db
    .select()
    .from(channelAccounts)
    .where(and(ofApp(app, livemode), isNewest))
    .orderBy(desc(channelAccounts.created), desc(channelAccounts.id));
}

/** The newest revision of an account. */
export async function findAccountById(
  db: Database,
  app: string,
  livemode: boolean,
  id: string,
): Promise<AccountRow | null> {
  const [found] = await db
    .select()
    .from(channelAccounts)
    .where(and(ofApp(app, livemode), eq(channelAccounts.id, id)))
    .orderBy(desc(channelAccounts.revision))
    .limit(1);
  return found ?? null;
}

const isNewest = sql`not exists (select 1 from channel_accounts later where later.app = ${channelAccounts.app}
  and later.livemode = ${channelAccounts.livemode} and later.channel = ${channelAccounts.channel}
  and later.id = ${channelAccounts.id} and later.revision > ${channelAccounts.revision})`;

/**
 * Claims a payment at the channel for a charge, across apps: whoever refunds it first owns it. False when another charge
 * does.
 */
export async function claimChannelPayment(
  db: Database,
  connector: string,
  merchant: string,
  transactionNo: string,
  charge: Pick<Charge, "app" | "id">,
): Promise<boolean> {
  const { app, id } = charge;
  const payment = and(
    eq(claimedPayments.connector, connector),
    eq(claimedPayments.merchant, merchant),
    eq(claimedPayments.transactionNo, transactionNo),
  );
  // A number that the charge was recorded with by mistake is given up: only before anything was sent is one claimed.
  const mistaken = and(
    eq(claimedPayments.connector, connector),
    eq(claimedPayments.merchant, merchant),
    eq(claimedPayments.app, app),
    eq(claimedPayments.charge, id),
    ne(claimedPayments.transactionNo, transactionNo),
  );
  const [, , others] = await db.batch([
    db.delete(claimedPayments).where(mistaken),
    db
      .insert(claimedPayments)
      .values({ connector, merchant, transactionNo, app, charge: id })
      .onConflictDoNothing(),
    db
      .select({ charge: claimedPayments.charge })
      .from(claimedPayments)
      .where(and(payment, sql`(${ne(claimedPayments.app, app)} or ${ne(claimedPayments.charge, id)})`)),
  ]);
  return others.length === 0;
}

export type OrphanRow = typeof orphanNotices.$inferSelect;

/** The orphans nearest to the cursor in the direction of travel, one more than the page holds. */
export async function listOrphans(
  db: Database,
  app: string,
  livemode: boolean,
  page: Page,
  cursor: Position | null,
): Promise<OrphanRow[]> {
  const { receivedAt, id } = orphanNotices;
  const { where, orderBy, limit } = keyset({ created: receivedAt, seq: id }, page, cursor, {
    from: null,
    to: null,
  });
  return await db
    .select()
    .from(orphanNotices)
    .where(and(ofTenant(app, livemode), where))
    .orderBy(...orderBy)
    .limit(limit);
}

/** Where an orphan stands in the list of its app and mode. */
export async function findOrphanPosition(
  db: Database,
  app: string,
  livemode: boolean,
  orphan: string,
): Promise<Position | null> {
  const [found] = await db
    .select({ created: orphanNotices.receivedAt, seq: orphanNotices.id })
    .from(orphanNotices)
    .where(and(ofTenant(app, livemode), eq(orphanNotices.id, orphan)));
  return found ?? null;
}

function ofTenant(app: string, livemode: boolean): SQL | undefined {
  return and(eq(orphanNotices.app, app), eq(orphanNotices.livemode, livemode));
}

/** Forgets orphans from before `before` (ms), so that the inbox has room for new ones. */
export async function forgetOrphans(db: Database, before: number): Promise<void> {
  await db.delete(orphanNotices).where(lt(orphanNotices.receivedAt, before));
}

/** Keeps a notice nobody can place, once however often it comes, and up to a bound. */
export async function keepOrphan(db: Database, orphan: typeof orphanNotices.$inferInsert): Promise<void> {
  const kept = sql`select count(*) from ${orphanNotices} where ${orphanNotices.app} = ${orphan.app}
    and ${orphanNotices.livemode} = ${orphan.livemode ? 1 : 0}`;
  await db
    .insert(orphanNotices)
    .select(
      sql`select ${orphan.id}, ${orphan.app}, ${orphan.livemode ? 1 : 0}, ${orphan.channel}, ${orphan.charge},
        ${orphan.number}, ${JSON.stringify(orphan.verdict)}, ${orphan.receivedAt} where (${kept}) < ${ORPHANS_MAX}`,
    )
    .onConflictDoNothing();
}
