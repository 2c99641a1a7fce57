// Pages of a charge's refunds: whoever turns them, in whichever direction, sees every refund once.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Page } from "../../src/charges/ledger-calls.ts";
import { cutPage } from "../../src/http/pagination.ts";
import type { Refund } from "../../src/refunds/refund.ts";
import { pageOf } from "../../src/refunds/refund-page.ts";
import { aRefund } from "./refund-fixture.ts";

const refund = (seq: number): Refund => aRefund("succeeded", { id: `re_${seq}`, seq });
/** `count` refunds in the order of creation. */
const list = (count: number) => Array.from({ length: count }, (_, i) => refund(i + 1));
const page = (changes: Partial<Page> = {}): Page => ({
  limit: 10,
  startingAfter: null,
  endingBefore: null,
  ...changes,
});

/** The sequence numbers of a page, newest first, and whether there is more. */
function turn(refunds: Refund[], changes: Partial<Page>): { seqs: number[]; hasMore: boolean } {
  const answer = pageOf(refunds, page(changes));
  const cursor = changes.startingAfter ?? changes.endingBefore;
  // Whoever is shown the cursor again turns pages for ever.
  if ("items" in answer) expect(answer.items.map(({ id }) => id)).not.toContain(cursor);
  if ("missing" in answer) throw new Error(`no such cursor: ${answer.missing}`);
  return { seqs: answer.items.map(({ seq }) => seq), hasMore: answer.hasMore };
}

const limits = fc.integer({ min: 1, max: 20 });
const counts = fc.integer({ min: 0, max: 60 });
const newestFirst = (count: number) => list(count).map(({ seq }) => count + 1 - seq);

describe("a page of refunds", () => {
  it("is newest first", () => {
    expect(turn(list(3), {})).toEqual({ seqs: [3, 2, 1], hasMore: false });
  });

  it("of no refunds is empty", () => {
    expect(turn([], {})).toEqual({ seqs: [], hasMore: false });
  });

  it("says that there is more exactly when there is", () => {
    expect(turn(list(3), { limit: 3 })).toEqual({ seqs: [3, 2, 1], hasMore: false });
    expect(turn(list(4), { limit: 3 })).toEqual({ seqs: [4, 3, 2], hasMore: true });
  });

  it("after a cursor holds the older ones next to it", () => {
    expect(turn(list(5), { startingAfter: "re_4", limit: 2 })).toEqual({ seqs: [3, 2], hasMore: true });
    expect(turn(list(5), { startingAfter: "re_1" })).toEqual({ seqs: [], hasMore: false });
  });

  it("before a cursor holds the newer ones next to it, still newest first", () => {
    expect(turn(list(5), { endingBefore: "re_1", limit: 2 })).toEqual({ seqs: [3, 2], hasMore: true });
    expect(turn(list(5), { endingBefore: "re_5" })).toEqual({ seqs: [], hasMore: false });
  });

  it.each(["startingAfter", "endingBefore"] as const)(
    "from an unknown %s is missing, by its name on the wire",
    (at) => {
      const missing = at === "startingAfter" ? "starting_after" : "ending_before";
      expect(pageOf(list(2), page({ [at]: "re_9" }))).toEqual({ missing });
      expect(pageOf([], page({ [at]: "re_1" }))).toEqual({ missing });
    },
  );

  it("leaves the list as it was", () => {
    const refunds = list(3);
    turn(refunds, { endingBefore: "re_1" });
    expect(refunds.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });

  it("I6: turned to the older ones, the pages are the list", () => {
    fc.assert(
      fc.property(counts, limits, (count, limit) => {
        const seen: number[] = [];
        let startingAfter: string | null = null;
        for (let more = true; more; ) {
          const { seqs, hasMore } = turn(list(count), { limit, startingAfter });
          expect(seqs.length).toBe(Math.min(limit, count - seen.length));
          seen.push(...seqs);
          startingAfter = `re_${seqs.at(-1)}`;
          more = hasMore;
        }
        expect(seen).toEqual(newestFirst(count));
      }),
    );
  });

  it("I6: turned to the newer ones from the oldest, the pages are the list", () => {
    fc.assert(
      fc.property(counts, limits, (count, limit) => {
        fc.pre(count > 0);
        const seen = [1];
        for (let more = true; more; ) {
          const { seqs, hasMore } = turn(list(count), { limit, endingBefore: `re_${seen[0]}` });
          seen.unshift(...seqs);
          more = hasMore;
        }
        expect(seen).toEqual(newestFirst(count));
      }),
    );
  });

  it("I6: refunds that arrive between two pages are neither skipped over nor shown twice", () => {
    fc.assert(
      fc.property(counts, limits, fc.array(fc.nat(5), { minLength: 60 }), (count, limit, arrivals) => {
        const seen: number[] = [];
        let total = count;
        let startingAfter: string | null = null;
        for (let more = true; more; ) {
          const { seqs, hasMore } = turn(list(total), { limit, startingAfter });
          seen.push(...seqs);
          if (seqs.length > 0) startingAfter = `re_${seqs.at(-1)}`;
          more = hasMore;
          total += arrivals.pop() ?? 0;
        }
        expect(seen).toEqual(newestFirst(count));
        // What has arrived meanwhile is found by turning back from the first one seen.
        if (count === 0) return;
        const newer: number[] = [];
        for (let more = true; more; ) {
          const { seqs, hasMore } = turn(list(total), { limit, endingBefore: `re_${newer[0] ?? count}` });
          newer.unshift(...seqs);
          more = hasMore;
        }
        expect([...newer, ...seen]).toEqual(newestFirst(total));
      }),
    );
  });

  it("I6: a page back from the first item of a page is the page one came from", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 60 }), limits, (count, limit) => {
        const first = turn(list(count), { limit });
        const second = turn(list(count), { limit, startingAfter: `re_${first.seqs.at(-1)}` });
        if (second.seqs.length === 0) return;
        const back = turn(list(count), { limit, endingBefore: `re_${second.seqs[0]}` });
        expect(back).toEqual({ seqs: first.seqs, hasMore: false });
      }),
    );
  });

  it("I6: a page cut from rows that D1 gives in the direction of travel is the same page", () => {
    const cursors = fc.record({ count: fc.integer({ min: 1, max: 40 }), at: fc.nat(39), limit: limits });
    fc.assert(
      fc.property(cursors, fc.boolean(), ({ count, at, limit }, back) => {
        const cursor = (at % count) + 1;
        const asked = page(
          back ? { limit, endingBefore: `re_${cursor}` } : { limit, startingAfter: `re_${cursor}` },
        );
        const all = list(count);
        const nearest = back ? all.slice(cursor) : all.slice(0, cursor - 1).reverse();
        const cut = cutPage(nearest.slice(0, limit + 1), asked);
        expect(pageOf(all, asked)).toEqual(cut);
      }),
    );
  });
});
