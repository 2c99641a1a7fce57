// What a flush leaves in D1, value by value: rows travel as JSON, and come to rest as if each had been bound by itself. And
// that what D1 has forgotten shows until it has been told again, however often a batch arrives.
import { env } from "cloudflare:workers";
import { beforeEach, expect, test } from "vitest";
import { flushToD1 } from "../../src/charges/flush.ts";
import type { FlushBatch } from "../../src/charges/ledger-ports.ts";
import { database } from "../../src/db/client.ts";
import type { Event } from "../../src/events/event.ts";
import type { Refund } from "../../src/refunds/refund.ts";
import { aCharge, aRefund, NOW } from "../domain/refund-fixture.ts";

const db = database(env, "", false);
/** Texts that JSON, SQLite or a number could be taken for, or that one of them writes in its own way. */
const TEXTS = [
  ...["00123", "1e5", "9007199254740993", "-0", "0x10", "1.10", "null", "true", " 7 ", "[1]", '{"a":1}', '"'],
  ...[
    "'; --",
    "\\",
    "\\u0041",
    "\u2028\u2029",
    "\u0001\u001f\u007f",
    "😀𠮷",
    "é e\u0301",
    "\ufeff",
    "\uffff",
    "?1 :a $b",
  ],
];
/** The same again, as long as a page of rows. */
const LONG = "长".repeat(60_000);

let serial = 0;

beforeEach(async () => {
  await env.DB.batch(
    ["charges", "refunds", "refund_timeline", "events", "deliveries"].map((table) =>
      env.DB.prepare(`DELETE FROM ${table}`),
    ),
  );
});

function idOf(prefix: string): string {
  return `${prefix}_${String(++serial).padStart(24, "0")}`;
}

function batchOf(refunds: Refund[], changes: Partial<FlushBatch> = {}): FlushBatch {
  return {
    charge: aCharge(),
    synced: 0,
    version: 1 + refunds.reduce((sum, { version }) => sum + version, 0),
    balance: { refunded: 0, pending: 0, refundable: 10_000 } as FlushBatch["balance"],
    freeze: null,
    highestSeq: refunds.length,
    refunded: refunds.length > 0,
    refunds,
    events: [],
    now: NOW,
    ...changes,
  };
}

async function rowsOf(table: string, ...columns: string[]): Promise<unknown[]> {
  const asked = columns.flatMap((column) => [column, `typeof(${column})`]);
  const [, ...rows] = await env.DB.prepare(`SELECT ${asked.join()} FROM ${table} ORDER BY rowid`).raw({
    columnNames: true,
  });
  return rows;
}

test("every text is stored as it is, as text", async () => {
  const refunds = TEXTS.map((text, i) =>
    aRefund("waiting", {
      id: idOf("re"),
      seq: i + 1,
      refundNo: text,
      transactionNo: text,
      metadata: { [text]: text },
    }),
  );
  const events: Event[] = refunds.map(({ id, metadata }) => ({
    id: idOf("evt"),
    type: "refund.created",
    created: 7,
    charge: aCharge().id,
    refund: id,
    body: JSON.stringify({ metadata, "": null }),
  }));
  const [first] = TEXTS;
  await flushToD1(db, [
    batchOf(refunds, {
      charge: aCharge({ orderNo: first as string, transactionNo: "1e5", description: TEXTS.join(" ") }),
      events,
    }),
  ]);

  expect(await rowsOf("charges", "order_no", "transaction_no")).toEqual([["00123", "text", "1e5", "text"]]);
  expect(await rowsOf("refunds", "refund_no", "transaction_no")).toEqual(
    TEXTS.map((text) => [text, "text", text, "text"]),
  );
  expect(await rowsOf("refunds", "doc")).toEqual(refunds.map((refund) => [JSON.stringify(refund), "text"]));
  expect(await rowsOf("events", "body", "refund")).toEqual(
    events.map(({ body, refund }) => [body, "text", refund, "text"]),
  );
});

test("numbers, truth and nothing keep their types", async () => {
  const large = Number.MAX_SAFE_INTEGER;
  const refund = aRefund("waiting", {
    id: idOf("re"),
    seq: 1,
    amount: large,
    refundNo: null,
    transactionNo: null,
    dueAt: null,
  });
  await flushToD1(db, [batchOf([refund], { freeze: "lost", now: NOW })]);
  const columns = [
    "seq",
    "livemode",
    "version",
    "amount",
    "refund_no",
    "attention",
    "due_at",
    "time_succeed",
  ];
  expect(await rowsOf("refunds", ...columns)).toEqual([
    [
      ...[1, "integer", 0, "integer", refund.version, "integer", large, "integer"],
      ...[null, "null", null, "null", null, "null", refund.timeSucceed, "null"],
    ],
  ]);
  expect(await rowsOf("charges", "livemode", "paid", "refunded", "freeze", "ledger_opened_at")).toEqual([
    [0, "integer", 1, "integer", 1, "integer", "lost", "text", NOW, "integer"],
  ]);
});

test("rows longer than a parameter may be are all written, each once", async () => {
  const refunds = Array.from({ length: 20 }, (_, i) =>
    aRefund("waiting", { id: idOf("re"), seq: i + 1, extra: { text: LONG } }),
  );
  const batch = batchOf(refunds);
  for (let time = 0; time < 2; time++) {
    const { receipts } = await flushToD1(db, [batch]);
    expect(receipts).toEqual([{ version: time === 0 ? 0 : batch.version, versions: batch.version - 1 }]);
  }
  const docs = await rowsOf("refunds", "doc");
  expect(docs).toHaveLength(20);
  expect(docs[19]).toEqual([JSON.stringify(refunds[19]), "text"]);
});

test("what D1 has forgotten shows until it is told again, also to whoever comes after a batch without a receipt", async () => {
  const [one, two, three] = [1, 2, 3].map((seq) => aRefund("waiting", { id: idOf("re"), seq })) as [
    Refund,
    Refund,
    Refund,
  ];
  const all = batchOf([one, two, three]);
  await flushToD1(db, [batchOf([one])]);
  await flushToD1(db, [batchOf([two], { version: batchOf([one, two]).version })]);
  // D1 goes back to before the second.
  await env.DB.prepare("DELETE FROM refunds WHERE id = ?").bind(two.id).run();
  for (let time = 0; time < 3; time++) {
    const { receipts } = await flushToD1(db, [batchOf([three], { version: all.version })]);
    expect(receipts[0]?.versions).toBe(one.version + three.version);
  }
  await flushToD1(db, [all]);
  const { receipts } = await flushToD1(db, [batchOf([three], { version: all.version })]);
  expect(receipts).toEqual([{ version: all.version, versions: all.version - 1 }]);
});

test("what D1 has beyond the ledger shows, however often the ledger tells of other things", async () => {
  const [one, two] = [1, 2].map((seq) => aRefund("waiting", { id: idOf("re"), seq })) as [Refund, Refund];
  await flushToD1(db, [batchOf([{ ...one, version: 5 }, two])]);
  const rolledBack = batchOf([{ ...two, version: two.version + 4 }], { version: 100 });
  for (let time = 0; time < 2; time++) {
    const { receipts } = await flushToD1(db, [rolledBack]);
    expect(receipts[0]?.versions).toBe(5 + two.version + 4);
  }
  const other = aRefund("waiting", { id: idOf("re"), seq: 2 });
  const { receipts } = await flushToD1(db, [batchOf([other], { version: 100 })]);
  expect(receipts[0]?.versions).toBe(5 + two.version + 4 + other.version);
});
