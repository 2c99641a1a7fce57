// A shop with a past: charges and refunds of all kinds, written into D1 as ledgers write them, and a list that is walked
// page by page in both directions.
import { env } from "cloudflare:workers";
import { expect } from "vitest";
import type { Charge, Freeze } from "../../src/charges/charge.ts";
import { SEARCHED_CHARGES } from "../../src/charges/search.ts";
import { charges } from "../../src/charges/table.ts";
import { database } from "../../src/db/client.ts";
import { mintId } from "../../src/ids.ts";
import {
  APPROVALS,
  type Approval,
  ATTENTIONS,
  type Refund,
  type State,
  statusOf,
} from "../../src/refunds/refund.ts";
import { SEARCHED_REFUNDS } from "../../src/refunds/search.ts";
import { refunds } from "../../src/refunds/table.ts";
import { insertTerms } from "../../src/search/repository.ts";
import { aCharge, aRefund } from "../domain/refund-fixture.ts";
import { random, type TestApp } from "../harness.ts";

export const T = 1_770_000_000;

export const CHANNELS = ["alipay", "wx", "stripe"] as const;
export const CURRENCIES = ["cny", "usd"] as const;
export const DESCRIPTIONS = [
  "Returned",
  "Returned: wrong size",
  "商品质量问题",
  "质量很好 but the wrong colour",
] as const;
export const COLOURS = ["red", '50% "off"', "__proto__"] as const;
/** Keys that a query string, SQL or JavaScript could trip over. */
export const KEYS = ["colour", "__proto__", "a]b[c", "k=v&%", "'; --", '颜色 "q"'] as const;

/** The nth of a list that goes on for ever. */
export const nth = <Item>(items: readonly Item[], n: number): Item => items[n % items.length] as Item;

export interface MadeCharge {
  charge: Charge;
  seq: number;
  refunded: boolean;
  freeze: Freeze | null;
}

export interface MadeRefund {
  refund: Refund;
  charge: Charge;
}

interface Place {
  app: string;
  livemode: boolean;
}

/** Writes charges, in this order; answers with them as D1 has them. */
export async function addCharges(
  { app, livemode }: Place,
  facts: (Partial<Charge> & { refunded?: boolean; freeze?: Freeze | null })[],
): Promise<MadeCharge[]> {
  const db = database(env, app, livemode);
  const made: MadeCharge[] = [];
  for (const { refunded = false, freeze = null, ...changes } of facts) {
    const charge = aCharge({ id: mintId("charge", random), ...changes, app, livemode });
    const { id, version, orderNo, channel, currency, amount, paid, created, transactionNo } = charge;
    const [[row]] = await db.batch([
      db
        .insert(charges)
        .values({
          app,
          livemode,
          id,
          version,
          orderNo,
          channel,
          currency,
          amount,
          paid,
          refunded,
          amountRefunded: 0,
          amountPending: 0,
          created,
          highestSeq: 0,
          freeze,
          doc: charge,
          transactionNo,
          described: charge.described ?? 1,
        })
        .returning({ seq: charges.seq }),
      ...insertTerms(db, SEARCHED_CHARGES, charge, [charge]),
    ]);
    made.push({ charge, refunded, freeze, seq: row?.seq ?? 0 });
  }
  return made;
}

/** Writes refunds of a charge; answers with them as D1 has them. */
export async function addRefunds(
  charge: Charge,
  facts: (Partial<Refund> & { state?: State })[],
): Promise<MadeRefund[]> {
  const { app, livemode } = charge;
  const db = database(env, app, livemode);
  const made: MadeRefund[] = [];
  for (const { state = "succeeded", ...changes } of facts) {
    const refund = aRefund(state, { id: mintId("refund", random), transactionNo: null, ...changes });
    await db.batch([
      db.insert(refunds).values({
        app,
        livemode,
        id: refund.id,
        charge: charge.id,
        seq: refund.seq,
        version: refund.version,
        status: statusOf(state),
        state,
        channel: charge.channel,
        currency: charge.currency,
        amount: refund.amount,
        refundNo: refund.refundNo,
        transactionNo: refund.transactionNo,
        attention: refund.attention,
        approval: refund.approval?.status ?? null,
        batch: refund.batch ?? null,
        described: refund.described ?? 1,
        created: refund.created,
        timeSucceed: refund.timeSucceed,
        dueAt: null,
        doc: refund,
      }),
      ...insertTerms(db, SEARCHED_REFUNDS, charge, [refund]),
    ]);
    made.push({ refund, charge });
  }
  return made;
}

const STATES: readonly State[] = ["succeeded", "succeeded", "failed", "waiting", "unknown"];

/** What any metadata may hold: the key `__proto__` too, as an own property. */
export const pairs = (...of: [string, string][]) => Object.fromEntries(of);

/** Sixty refunds of six charges: every field takes several values, and many share a second or an amount. */
export async function pastRefunds(app: TestApp): Promise<MadeRefund[]> {
  const place = { app: app.id, livemode: false };
  const paid = await addCharges(
    place,
    Array.from({ length: 6 }, (_, i) => ({
      channel: nth(CHANNELS, i),
      currency: nth(CURRENCIES, i),
      // Two charges of one order each.
      orderNo: `order-${Math.floor(i / 2)}`,
    })),
  );
  const batch = mintId("batch", random);
  const made: MadeRefund[] = [];
  for (const [c, { charge }] of paid.entries()) {
    const facts = Array.from({ length: 10 }, (_, i) => {
      const n = c * 10 + i;
      const approval: Approval = {
        status: nth(APPROVALS, n),
        by: null,
        apiKey: null,
        reason: null,
        at: null,
      };
      return {
        seq: i + 1,
        state: nth(STATES, n * 7),
        created: T + (n % 7),
        amount: 100 * (1 + (n % 5)),
        description: nth(DESCRIPTIONS, n * 3),
        metadata: pairs([nth(KEYS, n), nth(COLOURS, n)], ["long", `${"x".repeat(70)}${n % 2}`]),
        refundNo: n % 4 === 0 ? `R-${n % 8}` : null,
        transactionNo: n % 3 === 0 ? `T-${n}` : null,
        attention: n % 6 === 0 ? nth(ATTENTIONS, n / 6) : null,
        ...(n % 5 === 0 ? { approval } : {}),
        ...(n % 11 === 0 ? { batch } : {}),
      };
    });
    made.push(...(await addRefunds(charge, facts)));
  }
  return made;
}

interface List {
  data: { id: string }[];
  has_more: boolean;
}

/** One page's ids. */
export async function page(app: TestApp, path: string, live = false) {
  const { status, body, text } = await app.get<List & { total_count?: number }>(path, { live });
  expect([path, status, text]).toEqual([path, 200, text]);
  return { ids: body.data.map(({ id }) => id), hasMore: body.has_more, total: body.total_count };
}

/** All ids of a list, walked on from its start; checked to be the same walked back from its end. */
export async function walk(app: TestApp, path: string, limit: number): Promise<string[]> {
  const along = `${path}${path.includes("?") ? "&" : "?"}limit=${limit}`;
  const forward: string[] = [];
  let next = await page(app, along);
  forward.push(...next.ids);
  for (let i = 0; next.hasMore && i < 100; i++) {
    expect(next.ids).toHaveLength(limit);
    next = await page(app, `${along}&starting_after=${forward.at(-1)}`);
    forward.push(...next.ids);
  }
  const last = forward.at(-1);
  if (last === undefined) return forward;
  const backward = [last];
  for (let more = true, i = 0; more && i < 100; i++) {
    const before = await page(app, `${along}&ending_before=${backward[0]}`);
    backward.unshift(...before.ids);
    more = before.hasMore;
  }
  expect(backward).toEqual(forward);
  return forward;
}

/** A query string. */
export const queryOf = (filters: Record<string, string>) => `?${new URLSearchParams(filters)}`;
