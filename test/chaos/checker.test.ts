// The checker is no fool: records that are in order pass, and each way in which a storm could have gone wrong is seen
// for what it is. Every case takes the same records and breaks one thing.
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { check } from "./checker.ts";
import { answer, at, balance, CHARGE, OTHER, orderly, refusal, SHOP, seen } from "./orderly-records.ts";
import { OVERSEER, SIGHTINGS } from "./overseer.ts";
import type { Records, Row, SeenRefund } from "./records.ts";

/** The first of a kind. Throws where there is none, so that no case breaks nothing. */
function first<Item>(list: Item[], wanted: (item: Item) => boolean = () => true): Item {
  const found = list.find(wanted);
  if (found === undefined) throw new Error("there is nothing to break");
  return found;
}

const ledgerOf = (records: Records) => first([...records.ledgers.values()]);
const refundOf = (records: Records, id: string) => first(ledgerOf(records).refunds, (one) => one.id === id);
const reading = <Kind extends Records["readings"][number]["kind"]>(records: Records, kind: Kind) =>
  first(records.readings, (one) => one.kind === kind) as Extract<Records["readings"][number], { kind: Kind }>;
const rulesOf = (records: Records) => new Set(check(records).map(({ rule }) => rule));

const CASES: [claim: string, rule: string, breaks: (records: Records) => void][] = [
  [
    "more is held than was paid",
    "I1",
    (records) => {
      ledgerOf(records).charge.amount = 699;
    },
  ],
  [
    "a doubled entry in the channel's book",
    "I2",
    (records) => {
      first(records.booked).effects = 2;
    },
  ],
  [
    "more money left the channel than was paid",
    "I2",
    (records) => {
      records.booked.push({ ...first(records.booked), number: "9", amount: 600 });
    },
  ],
  [
    "something the channel itself calls a violation",
    "I2",
    (records) => {
      records.channelViolations.push("more than was paid");
    },
  ],
  [
    "money that moved for a refund that failed",
    "I3",
    (records) => {
      first(records.booked, ({ number }) => number === "2").moved = true;
    },
  ],
  [
    "a success for which no money moved",
    "I3",
    (records) => {
      first(records.booked, ({ number }) => number === "3").moved = false;
    },
  ],
  [
    "a frozen charge",
    "I3",
    (records) => {
      ledgerOf(records).freeze = "conflict";
    },
  ],
  [
    "an acknowledged refund that is gone",
    "I4",
    (records) => {
      ledgerOf(records).refunds.pop();
    },
  ],
  [
    "an acknowledged refund with another amount",
    "I4",
    (records) => {
      refundOf(records, "re_3").amount = 399;
    },
  ],
  [
    "a refund of another charge than was acknowledged",
    "I4",
    (records) => {
      (first(first(records.wishes).attempts, ({ status }) => status === 200).body as SeenRefund).charge =
        "ch_2";
    },
  ],
  [
    "an error for a request that made a refund",
    "I4",
    (records) => {
      const body = { error: { type: "api_error", message: "later" } };
      first(records.wishes).attempts.unshift(answer(100, 503, "iar_1", body));
    },
  ],
  [
    "a refund that nobody asked for",
    "I4",
    (records) => {
      records.wishes.shift();
    },
  ],
  [
    "a recorded charge that is gone",
    "I4",
    (records) => {
      records.rows.charges.pop();
    },
  ],
  [
    "a row that D1 lacks",
    "I5",
    (records) => {
      records.rows.refunds.pop();
    },
  ],
  [
    "a row that no ledger knows",
    "I5",
    (records) => {
      records.rows.refunds.push({ ...first(records.rows.refunds), id: "re_9" });
    },
  ],
  [
    "a row that is a version behind",
    "I5",
    (records) => {
      first(records.rows.refunds).version = 1;
    },
  ],
  [
    "a sum in D1 that is not the ledger's",
    "I5",
    (records) => {
      first(records.rows.charges).amount_refunded = 300;
    },
  ],
  [
    "a document in D1 that is not the ledger's",
    "I5",
    (records) => {
      const row = first(records.rows.refunds);
      row.doc = String(row.doc).replace("no-1", "no-2");
    },
  ],
  [
    "a list out of order",
    "I6",
    (records) => {
      reading(records, "pages").ids.reverse();
    },
  ],
  [
    "a list with a gap",
    "I6",
    (records) => {
      reading(records, "pages").ids.splice(1, 1);
    },
  ],
  [
    "a refund that never ends",
    "I7",
    (records) => {
      refundOf(records, "re_1").state = "unknown";
    },
  ],
  [
    "a request that is never answered",
    "I7",
    (records) => {
      first(records.wishes).attempts.pop();
    },
  ],
  [
    "a promise that is never kept",
    "I7",
    (records) => {
      records.rows.commands.push({ refund: "re_1", charge: CHARGE, due_at: 5 });
    },
  ],
  [
    "unrest",
    "I7",
    (records) => {
      records.restless.push("a delivery waits");
    },
  ],
  [
    "a missing event",
    "I9",
    (records) => {
      const { id } = records.rows.events.pop() as Row;
      records.rows.deliveries = records.rows.deliveries.filter(({ event }) => event !== id);
      records.receipts = records.receipts.filter((receipt) => receipt.id !== id);
    },
  ],
  [
    "an event that is told twice",
    "I9",
    (records) => {
      const event = first(records.rows.events, ({ type }) => type === "refund.created");
      records.rows.events.push({
        ...event,
        id: "evt_99",
        body: String(event.body).replace(String(event.id), "evt_99"),
      });
    },
  ],
  [
    "an event that never left the ledger",
    "I9",
    (records) => {
      ledgerOf(records).undelivered.push("evt_10");
    },
  ],
  [
    "an event of another status than its refund's",
    "I9",
    (records) => {
      const event = first(records.rows.events, ({ type }) => type === "refund.failed");
      event.body = String(event.body).replace('"failed"', '"succeeded"');
    },
  ],
  [
    "a missing delivery",
    "I9",
    (records) => {
      records.rows.deliveries.pop();
    },
  ],
  [
    "a delivery that was called delivered and never arrived",
    "I9",
    (records) => {
      records.receipts.pop();
    },
  ],
  [
    "a healthy receiver that was given up",
    "I9",
    (records) => {
      Object.assign(first(records.rows.deliveries), { status: "exhausted", attempts: 10 });
    },
  ],
  [
    "a delivery that was given up early",
    "I9",
    (records) => {
      first(records.endpoints).healthy = false;
      Object.assign(first(records.rows.deliveries), { status: "exhausted", attempts: 3 });
    },
  ],
  [
    "a repeat with other bytes",
    "I9",
    (records) => {
      records.receipts.push({ ...first(records.receipts), body: "{}" });
    },
  ],
  [
    "one key, two refunds, in the answers",
    "I10",
    (records) => {
      first(records.wishes).attempts.push(answer(150, 200, "iar_9", seen(refundOf(records, "re_3"))));
    },
  ],
  [
    "one key, two refunds, in the ledger",
    "I10",
    (records) => {
      refundOf(records, "re_3").refundNo = "no-1";
    },
  ],
  [
    "one wish, two refunds",
    "I10",
    (records) => {
      refundOf(records, "re_3").description = "#1#";
    },
  ],
  [
    "another amount under a known key",
    "I10",
    (records) => {
      first(records.wishes, ({ token }) => token === "#3#").reuses = "#1#";
    },
  ],
  [
    "a row in D1 that went back",
    "I11",
    (records) => {
      records.rows.sightings.push({ charge: CHARGE, words: "re_1 went from version 2 to 1" });
    },
  ],
  [
    "a number at the channel that is no refund's",
    "I12",
    (records) => {
      records.booked.push({ ...first(records.booked), number: "9", moved: false });
    },
  ],
  [
    "a number with another amount at the channel",
    "I12",
    (records) => {
      first(records.booked).amount = 299;
    },
  ],
  [
    "a number under another payment",
    "I12",
    (records) => {
      first(records.booked).payment = "ch_2";
    },
  ],
  [
    "a refusal of too much that was never true",
    "I13",
    (records) => {
      first(records.wishes, ({ token }) => token === "#4#").amount = 100;
    },
  ],
  [
    "a refusal of too many that was never true",
    "I13",
    (records) => {
      first(records.wishes, ({ token }) => token === "#4#").attempts = [
        answer(400, 400, "iar_4", refusal("too_many_refunds")),
      ];
    },
  ],
  [
    "another shop's refund that can be read",
    "I14",
    (records) => {
      reading(records, "foreign").status = 200;
    },
  ],
  [
    "another shop's charge in a list",
    "I14",
    (records) => {
      reading(records, "charges").shop = OTHER;
    },
  ],
  [
    "an event that another shop's receiver gets",
    "I14",
    (records) => {
      first(records.endpoints).shop = OTHER;
    },
  ],
  [
    "a success without its time",
    "I15",
    (records) => {
      refundOf(records, "re_1").timeSucceed = null;
    },
  ],
  [
    "an answer that calls a failure a success",
    "I15",
    (records) => {
      (reading(records, "refund").body as SeenRefund).succeed = false;
    },
  ],
  [
    "a balance that does not add up",
    "I15",
    (records) => {
      reading(records, "charge").body = balance(700, 0, 400);
    },
  ],
  [
    "an acknowledged refund that is not found",
    "I16",
    (records) => {
      reading(records, "refund").status = 404;
    },
  ],
  [
    "a recorded charge that is not found",
    "I16",
    (records) => {
      reading(records, "charge").status = 404;
    },
  ],
  [
    "an acknowledged refund that is missing in a list",
    "I16",
    (records) => {
      const pages = reading(records, "pages");
      pages.ids = pages.ids.slice(1);
    },
  ],
  [
    "a recorded charge that is missing in a list",
    "I16",
    (records) => {
      reading(records, "charges").ids = [];
    },
  ],
  [
    "an error that the contract does not know",
    "answer",
    (records) => {
      first(records.wishes).attempts.unshift(
        answer(90, 500, "iar_9", { error: { type: "api_error", message: "?" } }),
      );
    },
  ],
  [
    "a list that is refused",
    "answer",
    (records) => {
      const body = { error: { type: "api_error", message: "?" } };
      records.readings.push({ ...at(900), shop: SHOP, kind: "refused", path: "/charges", status: 500, body });
    },
  ],
  [
    "an answer that is no JSON",
    "answer",
    (records) => {
      first(records.wishes).attempts.unshift(answer(90, 503, "iar_9", "<html>"));
    },
  ],
];

describe("D1's overseer", () => {
  const seen = (...changes: string[]) => {
    const db = new DatabaseSync(":memory:");
    db.exec("create table refunds (id, charge, seq, version, amount, refund_no, status, state)");
    db.exec("create table charges (id, version, highest_seq)");
    db.exec("create table events (id, charge, body)");
    for (const statement of OVERSEER) db.exec(statement);
    db.exec("insert into refunds values ('re_1', 'ch_1', 1, 2, 300, 'no-1', 'succeeded', 'succeeded')");
    db.exec("insert into refunds values ('re_2', 'ch_1', 2, 2, 300, 'no-2', 'pending', 'accepted')");
    db.exec("insert into charges values ('ch_1', 4, 2)");
    db.exec("insert into events values ('evt_1', 'ch_1', '{}')");
    for (const change of changes) db.exec(change);
    return db
      .prepare(`select words from ${SIGHTINGS}`)
      .all()
      .map(({ words }) => words);
  };

  it("says nothing of what may happen", () => {
    const later = "update refunds set version = 3, status = 'failed', state = 'failed' where id = 're_1'";
    expect(seen(later, "update charges set version = 5", "update events set body = body")).toEqual([]);
  });

  it.each([
    "update refunds set version = 1 where id = 're_1'",
    "update refunds set amount = 200, version = 3 where id = 're_1'",
    "update refunds set seq = 7, version = 3 where id = 're_1'",
    "update refunds set refund_no = null, version = 3 where id = 're_1'",
    "update refunds set status = 'pending', state = 'unknown', version = 3 where id = 're_1'",
    "update refunds set state = 'submitting', version = 3 where id = 're_2'",
    "delete from refunds where id = 're_1'",
    "update charges set version = 3",
    "update charges set highest_seq = 1, version = 5",
    "update events set body = '[]'",
    "delete from events",
  ])("sees %s", (change) => {
    expect(seen(change)).toHaveLength(1);
  });
});

describe("the checker", () => {
  it("finds nothing in records that are in order", () => {
    expect(check(orderly())).toEqual([]);
  });

  it.each(CASES)("sees %s (%s)", (_, rule, breaks) => {
    const records = orderly();
    breaks(records);
    expect(rulesOf(records)).toContain(rule);
  });
});
