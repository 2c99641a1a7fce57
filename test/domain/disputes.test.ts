import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CALL, type DisputeCall } from "../../src/charges/ledger-calls.ts";
import {
  DISPUTE_STATUSES,
  DISPUTES_MAX,
  type Disputes,
  disputedAmount,
  mergedDisputes,
  withDispute,
} from "../../src/disputes/dispute.ts";
import { Bench } from "./ledger-bench.ts";

const word = fc.record({
  id: fc.constantFrom("dp_1", "dp_2", "__proto__", "constructor"),
  status: fc.constantFrom(...DISPUTE_STATUSES),
  amount: fc.integer({ min: 1, max: 10_000 }),
});
type Word = { id: string; status: (typeof DISPUTE_STATUSES)[number]; amount: number };

function tell(disputes: Disputes, words: readonly Word[]): Disputes {
  return words.reduce<Disputes>(
    (known, { id, ...heard }) => withDispute(known, id, heard, 1) ?? known,
    disputes,
  );
}

describe("what is heard of disputes", () => {
  it("an end holds whenever it is heard that the dispute was opened", () => {
    fc.assert(
      fc.property(fc.array(word), word, (words, last) => {
        fc.pre(last.status !== "opened");
        const ended = tell(tell({}, words), [last]);
        const { status, amount } = ended[last.id] as { status: string; amount: number };
        expect({ status, amount }).toEqual({ status: last.status, amount: last.amount });
        expect(tell(ended, [{ ...last, status: "opened", amount: 1 }])).toBe(ended);
      }),
    );
  });

  it("the same word once more changes nothing, and survives being stored", () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1 }), (words) => {
        const known = tell({}, words);
        expect(tell(known, [words.at(-1) as Word])).toBe(known);
        const stored: Disputes = JSON.parse(JSON.stringify(known));
        expect(Object.keys(stored).sort()).toEqual([...new Set(words.map(({ id }) => id))].sort());
        expect(disputedAmount(stored)).toBe(disputedAmount(known));
      }),
    );
  });

  it("open and lost ones take their amount, won ones give it back", () => {
    const opened = tell({}, [
      { id: "dp_1", status: "opened", amount: 1000 },
      { id: "dp_2", status: "lost", amount: 300 },
      { id: "dp_3", status: "won", amount: 7 },
    ]);
    expect(disputedAmount(opened)).toBe(1300);
    expect(disputedAmount(tell(opened, [{ id: "dp_1", status: "won", amount: 1000 }]))).toBe(300);
  });

  it("there is an end to how many a charge may have, and known ones go on", () => {
    const many = tell(
      {},
      Array.from({ length: DISPUTES_MAX }, (_, n) => ({ id: `dp_${n}`, status: "opened", amount: 1 })),
    );
    expect(withDispute(many, "dp_more", { status: "opened", amount: 1 }, 1)).toBeNull();
    expect(withDispute(many, "dp_0", { status: "won", amount: 1 }, 1)).not.toBeNull();
  });
});

describe("disputes of a charge with refunds", () => {
  const dispute = (id: string, status: DisputeCall["status"], amount: number): DisputeCall => ({
    ...CALL,
    id,
    status,
    amount,
  });

  it("E29: a refund of what is disputed is refused, and made once the dispute is won", async () => {
    const bench = new Bench();
    await bench.refund({ amount: 4000 });
    await bench.ledger.dispute(dispute("dp_1", "opened", 5000));
    await expect(bench.refund({ amount: 1001, description: "too much" })).rejects.toThrow("charge_disputed");
    await bench.refund({ amount: 1000, description: "what is left" });
    await bench.ledger.dispute(dispute("dp_1", "won", 5000));
    expect(await bench.refund({ amount: 5000, description: "the rest" })).toMatchObject({
      state: "succeeded",
    });
  });

  it("E29: of ten refunds and a dispute at once never more is taken than was left at that instant", async () => {
    const bench = new Bench();
    await bench.refund({ amount: 1000 });
    const attempts = Array.from({ length: 10 }, (_, n) =>
      bench.begin({ amount: 1000, description: `part ${n}` }),
    );
    const told = bench.ledger.dispute(dispute("dp_1", "opened", 5000));
    const later = Array.from({ length: 10 }, (_, n) =>
      bench.begin({ amount: 1000, description: `later ${n}` }),
    );
    await bench.finish(Promise.allSettled([...attempts, told, ...later]));
    const answer = await bench.ledger.export();
    const refunds = "ok" in answer ? answer.ok.refunds : [];
    // Nine were left, and had been taken, before the dispute was heard of.
    expect(refunds).toHaveLength(10);
  });

  it("a dispute that was told twice is booked and told to D1 once", async () => {
    const bench = new Bench();
    await bench.refund();
    const told = await bench.ledger.dispute(dispute("dp_1", "opened", 5000));
    await bench.pass(5000);
    const { length } = bench.flushes;
    expect(bench.flushes.at(-1)?.charge).toMatchObject({
      disputed: 5000,
      disputes: { dp_1: { amount: 5000 } },
    });
    bench.clock.jump(5000);
    expect(await bench.ledger.dispute(dispute("dp_1", "opened", 5000))).toEqual(told);
    await bench.pass(5000);
    expect(bench.flushes).toHaveLength(length);
  });

  it("a refund that turns out to have succeeded although its money is disputed by then freezes the charge", async () => {
    const bench = new Bench();
    bench.onSubmission = () => ({ kind: "declined", code: "NO", words: "no" });
    const refund = await bench.refund({ amount: 6000 });
    await bench.ledger.dispute(dispute("dp_1", "opened", 5000));
    bench.onQuery = () => ({ kind: "succeeded", transactionNo: "R1" });
    await bench.finish(bench.ledger.sync({ ...CALL, refund: refund.id }));
    expect(await bench.stored(refund.id)).toMatchObject({ state: "failed", attention: "conflict" });
    await expect(bench.refund({ amount: 1, description: "more" })).rejects.toThrow("charge_frozen");
  });
});

describe("two books of one charge", () => {
  it("know together what either was told, and of the same dispute the later word", () => {
    const opened = { status: "opened", amount: 5000, at: 10 } as const;
    const won = { status: "won", amount: 5000, at: 20 } as const;
    expect(mergedDisputes(undefined, undefined)).toBeUndefined();
    expect(mergedDisputes({ a: opened }, undefined)).toEqual({ a: opened });
    expect(mergedDisputes({ a: opened }, { b: won })).toEqual({ a: opened, b: won });
    expect(mergedDisputes({ a: opened }, { a: won })).toEqual({ a: won });
    expect(mergedDisputes({ a: won }, { a: opened })).toEqual({ a: won });
  });

  it("lose none whose id is a name that objects have by themselves", () => {
    const opened = { status: "opened", amount: 10, at: 1 } as const;
    const ours = JSON.parse('{"__proto__":{"status":"opened","amount":10,"at":1}}');
    const merged = mergedDisputes(ours, { constructor: opened });
    expect(Object.keys(merged ?? {}).sort()).toEqual(["__proto__", "constructor"]);
  });
});
