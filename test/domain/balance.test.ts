import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { balanceOf } from "../../src/charges/balance.ts";
import { holdsMoney, STATES, type State } from "../../src/refunds/refund.ts";

const charge = { amount: 10_000, refundedElsewhere: 0, disputed: 0 };
const refund = (amount: number, state: State = "succeeded") => ({ amount, state });
const states = fc.constantFrom(...STATES);

describe("what is left of a charge", () => {
  it("E23: 3333 + 3333 + 3334 of 10000 leave 0", () => {
    const thirds = [refund(3333), refund(3333), refund(3334)];
    expect(balanceOf(charge, thirds)).toEqual({ refunded: 10_000, pending: 0, refundable: 0 });
  });

  it("E22: after a partial refund it is everything else", () => {
    expect(balanceOf(charge, [refund(1)]).refundable).toBe(9999);
    expect(balanceOf(charge, [refund(9999, "unknown")])).toEqual({
      refunded: 0,
      pending: 9999,
      refundable: 1,
    });
  });

  it("E14: a failed refund gives its amount back, in whatever way it failed", () => {
    expect(balanceOf(charge, [refund(10_000, "failed")])).toEqual({
      refunded: 0,
      pending: 0,
      refundable: 10_000,
    });
  });

  it.each(["waiting", "submitting", "unknown", "accepted"] as const)("E4: %s holds the money", (state) => {
    expect(balanceOf(charge, [refund(4000, state)])).toEqual({
      refunded: 0,
      pending: 4000,
      refundable: 6000,
    });
  });

  it("E29: an open dispute is not refundable, and a won one is again", () => {
    expect(balanceOf({ ...charge, disputed: 2500 }, [refund(5000)]).refundable).toBe(2500);
    expect(balanceOf(charge, [refund(5000)]).refundable).toBe(5000);
  });

  it("what was refunded elsewhere counts as refunded for ever", () => {
    const elsewhere = { ...charge, refundedElsewhere: 4000 };
    expect(balanceOf(elsewhere, [refund(1000)])).toEqual({ refunded: 5000, pending: 0, refundable: 5000 });
  });

  it("is never below zero, even when money contradicts the books", () => {
    expect(balanceOf(charge, [refund(10_000), refund(1)])).toEqual({
      refunded: 10_001,
      pending: 0,
      refundable: 0,
    });
  });

  it("E24: as long as only what is left is reserved, the parts always add up to the whole", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 40 }),
        fc.array(fc.record({ share: fc.double({ min: 0, max: 1, noNaN: true }), state: states }), {
          maxLength: 30,
        }),
        (amount, steps) => {
          const facts = { amount, refundedElsewhere: 0, disputed: 0 };
          const refunds: { amount: number; state: State }[] = [];
          for (const { share, state } of steps) {
            const { refundable } = balanceOf(facts, refunds);
            if (refundable === 0) break;
            refunds.push({ amount: Math.max(1, Math.floor(refundable * share)), state });
          }
          const balance = balanceOf(facts, refunds);
          expect(balance.refunded + balance.pending + balance.refundable).toBe(amount);
          // Whatever was taken in pieces, the rest can be taken whole and leaves nothing behind.
          if (balance.refundable > 0) {
            const rest = refund(balance.refundable);
            expect(balanceOf(facts, [...refunds, rest]).refundable).toBe(0);
          }
        },
      ),
    );
  });

  it("does not depend on the order of the refunds", () => {
    const refunds = fc.array(fc.record({ amount: fc.integer({ min: 1, max: 10_000 }), state: states }));
    fc.assert(
      fc.property(refunds, (list) => {
        expect(balanceOf(charge, [...list].reverse())).toEqual(balanceOf(charge, list));
      }),
    );
  });

  it("only a failure releases", () => {
    expect(STATES.filter((state) => !holdsMoney({ state }))).toEqual(["failed"]);
  });
});
