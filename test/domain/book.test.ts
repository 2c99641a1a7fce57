// A ledger's book on real SQL: what it takes over from D1 never displaces what it has.
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { Book } from "../../src/charges/book.ts";
import { bookFrom, withProjection } from "../../src/charges/hydrate.ts";
import type { Hydration } from "../../src/charges/ledger-calls.ts";
import type { LedgerStorage, SqlValue } from "../../src/charges/ledger-ports.ts";
import type { Refund } from "../../src/refunds/refund.ts";
import { reserveRefund } from "../../src/refunds/reserve-refund.ts";
import { aCharge, aCommand, aRefund, NOW } from "./refund-fixture.ts";

function memory(): LedgerStorage {
  const db = new DatabaseSync(":memory:");
  return {
    sql: {
      exec: (query, ...bindings) => {
        const rows = db.prepare(query).all(...bindings) as Record<string, SqlValue>[];
        return { toArray: () => rows };
      },
    },
    transactionSync: (work) => work(),
    setAlarm: () => {},
    deleteAlarm: () => {},
  };
}

const hydration = (refunds: Refund[], changes: Partial<Hydration> = {}): Hydration => ({
  charge: aCharge(),
  refunds,
  freeze: null,
  opened: false,
  ...changes,
});
const refund = (id: string, seq: number, changes: Partial<Refund> = {}) =>
  aRefund("succeeded", { id, seq, amount: 10, ...changes });
const order = (book: Book | null) => book?.refunds.map(({ id, seq }) => `${id}:${seq}`);

describe("a ledger's book", () => {
  it("S3: is nothing before a charge is hydrated", () => {
    expect(Book.open(memory())).toBeNull();
  });

  it("is read again as it was written", () => {
    const storage = memory();
    const book = bookFrom(storage, hydration([]), NOW);
    book.save(refund("a", 1), null);
    book.save(refund("b", 2), null);
    const again = Book.open(storage);
    expect(again?.refunds).toEqual(book.refunds);
    expect(again?.cover).toEqual(book.cover);
  });

  it("F23, I4: takes over what D1 knows more of, and no refund displaces another", () => {
    const storage = memory();
    const book = bookFrom(storage, hydration([]), NOW);
    for (const ours of [refund("a", 1), refund("x", 2)]) book.save(ours, null);
    const theirs = [refund("a", 1), refund("b", 2, { state: "unknown" }), refund("c", 3)];
    const taken = withProjection(book, hydration(theirs, { opened: true }), NOW);
    for (const one of taken.refunds) book.save(one, null);

    const next = reserveRefund(aCommand({ amount: 10, refund: "next" }), {
      charge: book.charge,
      freeze: null,
      refunds: book.refunds,
      facts: { fullRefundOnly: false, windowSeconds: 90 * 86_400, spacingMs: 0, settlingMs: 0 },
      slotFree: true,
      answeredAt: () => null,
      now: NOW,
    });
    if (next.kind !== "reserved") throw new Error(next.kind);
    book.save(next.refund, null);

    expect(order(book)).toEqual(["a:1", "x:2", "c:3", "b:4", "next:5"]);
    expect(order(Book.open(storage)), "what is in memory is what is on disk, in the same order").toEqual(
      order(book),
    );
  });

  it("F23, E4: what may have happened to an open refund of a lost ledger is unknown, so it is asked about", () => {
    const open = [
      refund("w", 1, { state: "waiting", timeSucceed: null }),
      refund("s", 2, { state: "submitting", timeSucceed: null, leaseUntil: NOW + 1 }),
    ];
    const book = bookFrom(
      memory(),
      hydration([...open, refund("f", 3, { state: "failed" })], { opened: true }),
      NOW,
    );
    const imported = book.refunds.map(({ state, dueAt, clearToSubmit }) => [state, dueAt, clearToSubmit]);
    expect(imported).toEqual([
      ["unknown", NOW, false],
      ["unknown", NOW, false],
      ["failed", null, false],
    ]);
  });

  it("F23: a lost live ledger is frozen, a test one goes on", () => {
    const live = hydration([], { opened: true, charge: aCharge({ livemode: true }) });
    expect(bookFrom(memory(), live, NOW).cover.freeze).toBe("lost");
    expect(bookFrom(memory(), hydration([], { opened: true }), NOW).cover.freeze).toBeNull();
  });
});
