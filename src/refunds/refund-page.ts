// A page of a charge's refunds, newest first. A cursor stands between items, so that pages partition the list also
// while refunds arrive: `starting_after` gives the older items next to it, `ending_before` the newer ones next to it.
import type { Page } from "../charges/ledger-calls.ts";
import type { Refund } from "./refund.ts";

export type RefundPage =
  | { items: Refund[]; hasMore: boolean }
  | { missing: "starting_after" | "ending_before" };

/** `refunds` in the order of creation. `hasMore` speaks of the direction of travel. */
export function pageOf(refunds: readonly Refund[], page: Page): RefundPage {
  const newestFirst = refunds.toReversed();
  // The cursor is looked for among all: a refund may need nobody any more by the time the next page is asked for.
  const wanted = newestFirst.filter((refund) => isWanted(refund, page.attention));
  const seq = (id: string) => newestFirst.find((refund) => refund.id === id)?.seq;
  if (page.endingBefore !== null) {
    const cursor = seq(page.endingBefore);
    if (cursor === undefined) return { missing: "ending_before" };
    const newer = wanted.filter((refund) => refund.seq > cursor);
    return { items: newer.slice(-page.limit), hasMore: newer.length > page.limit };
  }
  let older = wanted;
  if (page.startingAfter !== null) {
    const cursor = seq(page.startingAfter);
    if (cursor === undefined) return { missing: "starting_after" };
    older = wanted.filter((refund) => refund.seq < cursor);
  }
  return { items: older.slice(0, page.limit), hasMore: older.length > page.limit };
}

function isWanted({ attention }: Refund, reason: Page["attention"]): boolean {
  return reason === undefined || (reason === "any" ? attention !== null : attention === reason);
}
