// What clients read of a charge, from its book: the same rendering whether the book comes from the ledger or, for a
// charge whose ledger has none, from D1.
import { listObject } from "../http/wire.ts";
import type { Refund } from "../refunds/refund.ts";
import { pageOf } from "../refunds/refund-page.ts";
import { refundObject } from "../refunds/schema.ts";
import type { Charge } from "./charge.ts";
import type { ReadAnswer, ReadTarget, Unhydrated } from "./ledger-calls.ts";
import { chargeObject, refundListUrl } from "./schema.ts";

/** What was asked for, rendered; or what the charge does not have. */
export type View = Exclude<ReadAnswer, Unhydrated | { refusal: unknown }>;

/** `refunds` in the order of creation. */
export function renderView(charge: Charge, refunds: readonly Refund[], target: ReadTarget): View {
  if (target.kind === "charge") return { ok: JSON.stringify(chargeObject(charge, refunds)) };
  if (target.kind === "refund") {
    const refund = refunds.find(({ id }) => id === target.refund);
    return refund === undefined
      ? { missing: "refund" }
      : { ok: JSON.stringify(refundObject(refund, charge)) };
  }
  if (target.kind === "timeline") {
    const refund = refunds.find(({ id }) => id === target.refund);
    return refund === undefined ? { missing: "refund" } : { ok: JSON.stringify(refund.timeline ?? []) };
  }
  const page = pageOf(refunds, target.page);
  if ("missing" in page) return page;
  const objects = page.items.map((refund) => refundObject(refund, charge));
  return { ok: JSON.stringify(listObject(refundListUrl(charge.id), objects, page.hasMore)) };
}
