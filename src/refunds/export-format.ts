// Refunds as lines of an export: JSON, each the refund as the API shows it, or CSV for spreadsheets, whose columns are a
// promise: new ones come at the end.
import { type Cell, csvRow } from "../http/csv.ts";
import type { RefundObject } from "./schema.ts";

export const FORMATS = ["ndjson", "csv"] as const;
export type Format = (typeof FORMATS)[number];

/** A refund, and what only its charge knows. */
export interface ExportedRefund {
  refund: RefundObject;
  currency: string;
  channel: string;
  /** Where its approval stands, for one that needed it, and the batch it was made by. */
  approval: string | null;
  batch: string | null;
}

/** Times in UTC, `amount` in minor units, `metadata` as JSON. */
const COLUMNS: readonly [name: string, cell: (row: ExportedRefund) => Cell][] = [
  ["id", ({ refund }) => refund.id],
  ["created", ({ refund }) => utc(refund.created)],
  ["charge", ({ refund }) => refund.charge],
  ["charge_order_no", ({ refund }) => refund.charge_order_no],
  ["refund_no", ({ refund }) => refund.refund_no ?? null],
  ["amount", ({ refund }) => refund.amount],
  ["currency", ({ currency }) => currency],
  ["channel", ({ channel }) => channel],
  ["status", ({ refund }) => refund.status],
  ["time_succeed", ({ refund }) => (refund.time_succeed === null ? null : utc(refund.time_succeed))],
  ["transaction_no", ({ refund }) => refund.transaction_no],
  ["funding_source", ({ refund }) => refund.funding_source ?? null],
  ["failure_code", ({ refund }) => refund.failure_code],
  ["failure_msg", ({ refund }) => refund.failure_msg],
  ["attention", ({ refund }) => refund.attention ?? null],
  ["description", ({ refund }) => refund.description],
  ["metadata", ({ refund }) => JSON.stringify(refund.metadata)],
  ["order_no", ({ refund }) => refund.order_no],
  ["approval", ({ approval }) => approval],
  ["batch_refund", ({ batch }) => batch],
];

const CSV_HEAD = csvRow(COLUMNS.map(([name]) => name));
/** Excel takes a file without it for one in the machine's own encoding. */
const BYTE_ORDER_MARK = "\ufeff";

/** What stands before the first refund. */
export function exportHead(format: Format, bom: boolean): string {
  return format === "csv" ? (bom ? BYTE_ORDER_MARK : "") + CSV_HEAD : "";
}

export function exportLines(format: Format, rows: readonly ExportedRefund[]): string {
  if (format === "csv") return rows.map((row) => csvRow(COLUMNS.map(([, cell]) => cell(row)))).join("");
  return rows.map(({ refund }) => `${JSON.stringify(refund)}\n`).join("");
}

/** `2026-11-23T07:00:00Z`. */
function utc(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}
