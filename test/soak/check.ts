// Nothing lost: what the shops were told, the ledgers on the disk, D1, the channel's books and the receivers' books
// tell one story. Reads ledgers and rows one after another, so that a long soak can be checked too.
import type { DatabaseSync } from "node:sqlite";
import { isFinal, type Refund, refundOrderNo, statusOf } from "../../src/refunds/refund.ts";
import type { StoredLedger } from "../chaos/disk.ts";
import type { Books, Charge } from "./books.ts";
import { type Arrival, type BookedNumber, hashOf, type OutsideBooks } from "./outside.ts";

const VIOLATIONS_MAX = 50;

export interface Endpoint {
  id: string;
  app: string;
  path: string;
  events: readonly string[];
}

export interface Verdict {
  /** The first ones, in words. */
  violations: string[];
  count: number;
  ledgers: number;
  refunds: number;
  /** Asked for, never answered, and made: nobody was told. */
  unheard: number;
  arrived: number;
  duplicates: number;
  deliveries: Record<string, number>;
}

export interface Evidence {
  books: Books;
  ledgers: Iterable<StoredLedger>;
  db: DatabaseSync;
  outside: OutsideBooks;
  endpoints: readonly Endpoint[];
}

export function check(evidence: Evidence): Verdict {
  const verdict: Verdict = {
    violations: [],
    count: 0,
    ledgers: 0,
    refunds: 0,
    unheard: 0,
    arrived: 0,
    duplicates: 0,
    deliveries: {},
  };
  const blame = (words: string) => {
    verdict.count++;
    if (verdict.violations.length < VIOLATIONS_MAX) verdict.violations.push(words);
  };
  for (const words of evidence.outside.violations) blame(`at the channel: ${words}`);
  checkLedgers(evidence, verdict, blame);
  checkEvents(evidence, verdict, blame);
  return verdict;
}

type Blame = (words: string) => void;

function checkLedgers(evidence: Evidence, verdict: Verdict, blame: Blame): void {
  const { books, ledgers, db, outside } = evidence;
  const charges = new Map(books.charges.map((charge) => [charge.id, charge]));
  const numbers = new Map(outside.numbers.map((book) => [book.number, book]));
  const chargeRow = db.prepare("select * from charges where app = ? and livemode = 0 and id = ?");
  const refundRow = db.prepare("select * from refunds where app = ? and livemode = 0 and id = ?");
  const seen = new Set<string>();
  for (const ledger of ledgers) {
    const { cover, refunds } = ledger;
    const { id, app } = cover.charge;
    verdict.ledgers++;
    verdict.refunds += refunds.length;
    seen.add(id);
    const charge = charges.get(id);
    if (charge === undefined) {
      if (!books.lostOrders.has(cover.charge.orderNo)) blame(`nobody recorded ${id}`);
    } else checkTold(ledger, charge, books, verdict, blame);
    if (ledger.undelivered.length > 0)
      blame(`${ledger.undelivered.length} events never left the ledger of ${id}`);
    if (cover.freeze !== null) blame(`${id} is frozen: ${cover.freeze}`);
    let moved = 0;
    for (const refund of refunds) {
      const book = numbers.get(refundOrderNo(refund.id));
      numbers.delete(refundOrderNo(refund.id));
      checkBooked(refund, id, book, blame);
      if (book?.moved) moved += book.amount * book.effects;
      checkRefundRow(refund, refundRow.get(app, refund.id), id, blame);
    }
    if (moved > cover.charge.amount)
      blame(`${moved} of ${cover.charge.amount} has left the channel for ${id}`);
    checkChargeRow(ledger, chargeRow.get(app, id), blame);
  }
  for (const { id, shop, told } of books.charges) {
    if (seen.has(id)) continue;
    if (told.length > 0) blame(`${told.length} refunds of ${id} are lost with its ledger`);
    else if (chargeRow.get(shop.app, id) === undefined) blame(`the recorded charge ${id} is lost`);
  }
  for (const { number } of numbers.values()) blame(`the channel knows ${number}, which is no refund's`);
  const { rows } = db.prepare("select count(*) as rows from refunds").get() as { rows: number };
  if (rows !== verdict.refunds) blame(`D1 has ${rows} refunds and the ledgers ${verdict.refunds}`);
}

/** What was told is so, what was made was asked for, and each wish is one refund. */
function checkTold(
  { cover, refunds }: StoredLedger,
  charge: Charge,
  books: Books,
  verdict: Verdict,
  blame: Blame,
): void {
  const stored = new Map(refunds.map((refund) => [refund.id, refund]));
  for (const told of charge.told) {
    const refund = stored.get(told.id);
    if (refund === undefined) {
      blame(`${told.id} was acknowledged and does not exist`);
      continue;
    }
    if (refund.amount !== told.amount) blame(`${told.id} of ${told.amount} is of ${refund.amount}`);
    const status = statusOf(refund.state);
    if (told.status !== "pending" && told.status !== status) {
      blame(`${told.id} was told to have ${told.status} and is ${status}`);
    }
  }
  const tokens = new Set<string>();
  for (const refund of refunds) {
    const token = /^#\d+#/.exec(refund.description)?.[0] ?? "";
    const wish = books.wishes.get(token);
    if (wish?.charge !== charge) blame(`nobody asked for ${refund.id}: ${refund.description}`);
    if (tokens.has(token)) blame(`${token} was made twice, also as ${refund.id}`);
    tokens.add(token);
    if (wish !== undefined && wish.refund === null) verdict.unheard++;
    if (wish?.refund && wish.refund.id !== refund.id) {
      blame(`${token} was told to be ${wish.refund.id} and is ${refund.id}`);
    }
  }
  if (cover.charge.amount !== charge.amount || cover.charge.orderNo !== charge.orderNo) {
    blame(`${charge.id} is another charge than was recorded`);
  }
}

/** All of them end, and the channel's own book says how. */
function checkBooked(refund: Refund, charge: string, book: BookedNumber | undefined, blame: Blame): void {
  const { id, state } = refund;
  if (!isFinal(refund)) blame(`${id} of ${charge} is still ${state}`);
  const hasMoved = book?.moved ?? false;
  if (hasMoved !== (state === "succeeded")) {
    blame(`${id} is ${state}, and its money has ${hasMoved ? "" : "not "}moved`);
  }
  if (book === undefined) return;
  if (book.charge !== charge || book.amount !== refund.amount) {
    blame(`${id} is a refund of ${book.amount} of ${book.charge} at the channel`);
  }
  if (book.effects > 1) blame(`the channel paid ${id} ${book.effects} times`);
}

type Row = Record<string, unknown> | undefined;

function checkRefundRow(refund: Refund, row: Row, charge: string, blame: Blame): void {
  const expected = {
    charge,
    seq: refund.seq,
    version: refund.version,
    state: refund.state,
    status: statusOf(refund.state),
    amount: refund.amount,
    refund_no: refund.refundNo,
    time_succeed: refund.timeSucceed,
  };
  compare(refund.id, row, expected, blame);
}

function checkChargeRow({ cover, refunds }: StoredLedger, row: Row, blame: Blame): void {
  const sum = (wanted: (refund: Refund) => boolean) =>
    refunds.reduce((total, refund) => total + (wanted(refund) ? refund.amount : 0), 0);
  const expected = {
    amount: cover.charge.amount,
    amount_refunded: sum(({ state }) => state === "succeeded"),
    amount_pending: sum((refund) => !isFinal(refund)),
    highest_seq: Math.max(0, ...refunds.map(({ seq }) => seq)),
  };
  compare(cover.charge.id, row, expected, blame);
}

function compare(id: string, row: Row, expected: object, blame: Blame): void {
  if (row === undefined) {
    blame(`D1 lacks ${id}`);
    return;
  }
  for (const [column, value] of Object.entries(expected)) {
    if (row[column] !== value) blame(`${id}.${column} is ${row[column]} in D1 and ${value} in its ledger`);
  }
}

/** Each refund told of its beginning and its end, once; each endpoint that asked has each event, or D1 says why not. */
function checkEvents({ db, outside, endpoints }: Evidence, verdict: Verdict, blame: Blame): void {
  const arrivals = new Map<string, Arrival>();
  for (const arrival of outside.arrivals) {
    arrivals.set(`${arrival.path} ${arrival.id}`, arrival);
    verdict.arrived += arrival.times;
    verdict.duplicates += arrival.times - 1;
  }
  for (const key of outside.changed) blame(`${key} arrived with other bytes the second time`);
  const deliveries = db.prepare("select endpoint, status, attempts from deliveries where event = ?");
  for (const row of db.prepare("select id, app, type, body, endpoint from events").iterate()) {
    const { id, app, type, body, endpoint: only } = row as Record<string, string>;
    const isPing = type === "webhook_endpoint.ping";
    const asked = endpoints.filter((one) =>
      isPing ? one.id === only : one.app === app && one.events.includes(String(type)),
    );
    const found = deliveries.all(String(id)) as { endpoint: string; status: string; attempts: number }[];
    if (found.length !== asked.length) {
      blame(`${id} (${type}) has ${found.length} deliveries instead of ${asked.length}`);
    }
    for (const { endpoint, status, attempts } of found) {
      verdict.deliveries[status] = (verdict.deliveries[status] ?? 0) + 1;
      const path = asked.find((one) => one.id === endpoint)?.path;
      const key = `${path} ${id}`;
      const arrival = arrivals.get(key);
      arrivals.delete(key);
      if (status === "delivered" && arrival === undefined)
        blame(`${id} is delivered and never came to ${path}`);
      if (arrival === undefined) continue;
      if (arrival.hash !== hashOf(String(body))) blame(`${id} came to ${path} with other bytes`);
      if (arrival.times > attempts)
        blame(`${id} came ${arrival.times} times to ${path} in ${attempts} attempts`);
    }
  }
  for (const key of arrivals.keys()) blame(`${key} arrived and is no delivery`);
  const untold = db.prepare(`select r.id, r.status, group_concat(e.type) as told from refunds r
    left join (select refund, type from events where type <> 'refund.updated' order by seq) e on e.refund = r.id
    group by r.id having told is not 'refund.created,refund.' || r.status`);
  for (const { id, status, told } of untold.iterate())
    blame(`${id} is ${status} and told ${told ?? "nothing"}`);
}
