// A page of a charge's refunds, newest first. A cursor stands between items, so that pages partition the list also
// while refunds arrive: `starting_after` gives the older items next to it, `ending_before` the newer ones next to it.
import type { Page } from "../charges/ledger-calls.ts";
import type { Refund } from "./refund.ts";

export type RefundPage =
  | { items: Refund[]; hasMore: boolean }
  | { missing: "starting_after" | "ending_before" };

/** `refunds` in the order of creation. `hasMore` speaks of the direction of travel. */
export function pageOf(refunds: readonly Refund[], page: Page): RefundPage {
  const { attention } = page;
  const wanted =
    attention === undefined
      ? refunds
      : refunds.filter((refund) =>
          attention === "any" ? refund.attention !== null : refund.attention === attention,
        );
  const newestFirst = wanted.toReversed();
  if (page.endingBefore !== null) {
    const cursor = newestFirst.findIndex((refund) => refund.id === page.endingBefore);
    if (cursor < 0) return { missing: "ending_before" };
    const start = Math.max(0, cursor - page.limit);
    return { items: newestFirst.slice(start, cursor), hasMore: start > 0 };
  }
  let start = 0;
  if (page.startingAfter !== null) {
    const cursor = newestFirst.findIndex((refund) => refund.id === page.startingAfter);
    if (cursor < 0) return { missing: "starting_after" };
    start = cursor + 1;
  }
  const end = start + page.limit;
  return { items: newestFirst.slice(start, end), hasMore: end < newestFirst.length };
}
