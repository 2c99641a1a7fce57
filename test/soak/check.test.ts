// The checks of a soak on a world in order, and on that world with one thing wrong at a time: a check that finds nothing
// there would find nothing after a soak either.
import { describe, expect, it } from "vitest";
import { refundOrderNo } from "../../src/refunds/refund.ts";
import type { StoredLedger } from "../chaos/disk.ts";
import { freshDatabase } from "../domain/database.ts";
import { aCharge, aRefund } from "../domain/refund-fixture.ts";
import { Dice } from "../emulators/dice.ts";
import { Books, type Told, type Wish } from "./books.ts";
import { check, type Evidence } from "./check.ts";
import { drawAsk } from "./mix.ts";
import { hashOf, type OutsideBooks } from "./outside.ts";

const PATH = "/quick";
const ENDPOINT = "we_1";
const TOKEN = "#0#";

/** What each breakage changes. */
interface World extends Omit<Evidence, "ledgers"> {
  ledgers: StoredLedger[];
  ledger: StoredLedger;
  told: Told;
  outside: OutsideBooks;
}

/** A charge with one refund, told to be pending, that succeeded; its two events were delivered. */
function inOrder(): World {
  const facts = aCharge({ orderNo: "order1" });
  const refund = aRefund("succeeded", { description: `${TOKEN} Returned`, seq: 1 });
  const { id, app, amount } = facts;
  const shop = { app, key: "" };
  const books = new Books([shop, shop]);
  const charge = { id, shop, amount, orderNo: "order1", asked: refund.amount, wanted: 0, told: [] as Told[] };
  const wish: Wish = {
    token: TOKEN,
    charge,
    amount: refund.amount,
    body: "",
    headers: {},
    isKeyed: false,
    refund: null,
  };
  const told: Told = { id: refund.id, wish, amount: refund.amount, status: "pending" };
  wish.refund = told;
  charge.told.push(told);
  books.charges.push(charge);
  books.refunds.push(told);
  books.wishes.set(TOKEN, wish);

  const db = freshDatabase();
  const { refundNo, seq, state, timeSucceed, version } = refund;
  insert(db, "charges", {
    app,
    livemode: 0,
    id,
    version: 2,
    order_no: "order1",
    channel: "alipay",
    currency: "cny",
    amount,
    paid: 1,
    refunded: 1,
    amount_refunded: refund.amount,
    amount_pending: 0,
    created: 1,
    highest_seq: 1,
    doc: "{}",
  });
  insert(db, "refunds", {
    app,
    livemode: 0,
    id: refund.id,
    charge: id,
    seq,
    version,
    status: "succeeded",
    state,
    channel: "alipay",
    currency: "cny",
    amount: refund.amount,
    refund_no: refundNo,
    created: 1,
    time_succeed: timeSucceed,
    doc: "{}",
  });
  const outside: OutsideBooks = { numbers: [], violations: [], arrivals: [], changed: [] };
  for (const type of ["refund.created", "refund.succeeded"]) {
    const event = `evt_${type}`;
    insert(db, "events", {
      app,
      livemode: 0,
      id: event,
      type,
      charge: id,
      refund: refund.id,
      created: 1,
      body: type,
    });
    insert(db, "deliveries", {
      id: `dlv_${type}`,
      app,
      livemode: 0,
      event,
      endpoint: ENDPOINT,
      status: "delivered",
      attempts: 1,
      created_at: 1,
    });
    outside.arrivals.push({ path: PATH, id: event, hash: hashOf(type), times: 1 });
  }
  const number = refundOrderNo(refund.id);
  outside.numbers.push({ number, charge: id, amount: refund.amount, effects: 1, moved: true });
  const cover = { schema: 1 as const, charge: facts, freeze: null, synced: 1, syncDueAt: null };
  const ledger: StoredLedger = { cover, refunds: [refund], undelivered: [], bytes: 16_384 };
  const endpoints = [{ id: ENDPOINT, app, path: PATH, events: ["refund.created", "refund.succeeded"] }];
  return { books, db, outside, endpoints, ledgers: [ledger], ledger, told };
}

function insert(db: World["db"], table: string, row: Record<string, string | number | null>): void {
  const names = Object.keys(row);
  db.prepare(`insert into ${table} (${names.join()}) values (${names.map(() => "?").join()})`).run(
    ...Object.values(row),
  );
}

const first = <T>(list: T[]): T => list[0] as T;

const BREAKAGES: [what: string, change: (world: World) => void, words: RegExp][] = [
  ["a refund that is gone", ({ ledger }) => ledger.refunds.pop(), /was acknowledged and does not exist/],
  ["a ledger that is gone", ({ ledgers }) => ledgers.pop(), /lost with its ledger/],
  ["another amount than was told", ({ told }) => told.amount++, /of \d+ is of/],
  ["a success that was told and is none", ({ told }) => (told.status = "failed"), /was told to have failed/],
  [
    "a refund that nobody asked for",
    ({ ledger }) => (first(ledger.refunds).description = "#7#"),
    /nobody asked for/,
  ],
  [
    "a wish that is two refunds",
    ({ ledger }) => ledger.refunds.push({ ...first(ledger.refunds), id: `re_${"2".repeat(24)}`, seq: 2 }),
    /was made twice/,
  ],
  ["a refund that never ends", ({ ledger }) => (first(ledger.refunds).state = "unknown"), /still unknown/],
  ["money that did not move", ({ outside }) => (first(outside.numbers).moved = false), /has not moved/],
  ["money that moved twice", ({ outside }) => (first(outside.numbers).effects = 2), /paid .* 2 times/],
  ["money of another amount", ({ outside }) => first(outside.numbers).amount++, /at the channel/],
  [
    "more than was paid",
    ({ ledger }) => (ledger.cover.charge = aCharge({ orderNo: "order1", amount: 1 })),
    /has left the channel/,
  ],
  [
    "a number that is no refund's",
    ({ outside }) => outside.numbers.push({ ...first(outside.numbers), number: "other" }),
    /which is no refund's/,
  ],
  ["what the channel complains of", ({ outside }) => outside.violations.push("too much"), /too much/],
  ["an event that never left", ({ ledger }) => ledger.undelivered.push("evt_1"), /never left the ledger/],
  ["a frozen charge", ({ ledger }) => (ledger.cover.freeze = "conflict"), /is frozen/],
  ["a row that D1 lacks", ({ db }) => db.exec("delete from refunds"), /D1 lacks/],
  ["a charge that D1 lacks", ({ db }) => db.exec("delete from charges"), /D1 lacks/],
  ["a row that is older", ({ db }) => db.exec("update refunds set version = version - 1"), /version is/],
  ["totals that are wrong", ({ db }) => db.exec("update charges set amount_refunded = 0"), /amount_refunded/],
  [
    "a row too many",
    ({ db }) =>
      db.exec(
        "create table more as select * from refunds; update more set id = 'x'; insert into refunds select * from more",
      ),
    /D1 has 2 refunds/,
  ],
  ["an event too few", ({ db }) => db.exec("delete from events where type = 'refund.succeeded'"), /and told/],
  [
    "an event too many",
    ({ db }) => db.exec("update events set type = 'refund.succeeded'"),
    /told refund.succeeded,refund.succeeded/,
  ],
  ["a delivery too few", ({ db }) => db.exec("delete from deliveries"), /0 deliveries instead of 1/],
  ["a delivery that never came", ({ outside }) => outside.arrivals.pop(), /never came/],
  ["other bytes", ({ outside }) => (first(outside.arrivals).hash = "x"), /other bytes/],
  ["other bytes the second time", ({ outside }) => outside.changed.push("evt"), /the second time/],
  ["more arrivals than attempts", ({ outside }) => (first(outside.arrivals).times = 2), /came 2 times/],
  [
    "an arrival that is no delivery",
    ({ outside }) => outside.arrivals.push({ path: "/other", id: "evt_x", hash: "", times: 1 }),
    /is no delivery/,
  ],
];

describe("after a soak", () => {
  it("a world in order has no violation", () => {
    expect(check(inOrder())).toMatchObject({
      violations: [],
      ledgers: 1,
      refunds: 1,
      arrived: 2,
      duplicates: 0,
    });
  });

  it.each(BREAKAGES)("%s is found", (_, change, words) => {
    const world = inOrder();
    change(world);
    expect(check(world).violations.join("\n")).toMatch(words);
  });

  it("a delivery that waits is no violation, and is counted", () => {
    const world = inOrder();
    world.outside.arrivals.pop();
    world.db.exec(
      "update deliveries set status = 'pending', attempts = 0 where event = 'evt_refund.succeeded'",
    );
    expect(check(world)).toMatchObject({ violations: [], deliveries: { delivered: 1, pending: 1 } });
  });

  it("a refund that was made and never answered is no violation, and is counted", () => {
    const world = inOrder();
    world.told.wish.refund = null;
    world.told.wish.charge.told = [];
    expect(check(world)).toMatchObject({ violations: [], unheard: 1 });
  });
});

describe("the shops", () => {
  it("never ask for more than a charge has, so that no refusal can be true", () => {
    const shop = { app: "app", key: "" };
    const books = new Books([shop, shop]);
    const dice = new Dice(1);
    for (let i = 0; i < 3_000; i++) {
      const ask = drawAsk(books, dice);
      if (ask.kind !== "record") continue;
      const { order_no, amount } = JSON.parse(ask.body ?? "");
      const body = { object: "charge", id: `ch_${i}`, paid: true, refunded: false, amount, order_no };
      expect(ask.judge({ status: 200, headers: {}, text: JSON.stringify(body) })).toBeNull();
    }
    expect(books.wishes.size).toBeGreaterThan(500);
    expect(books.charges.filter(({ asked, amount }) => asked > amount)).toEqual([]);
    expect(books.charges.some(({ asked, amount }) => asked === amount)).toBe(true);
  });
});
