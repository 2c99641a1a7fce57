// Every column that holds sealed texts. A rotation of the master key finds what to seal anew by this list, so `seal`
// refuses a place that is not on it.

export interface SealedColumn {
  table: string;
  field: string;
  /** The table's primary key. What it has beside app and livemode names the row that a text is sealed for. */
  key: readonly string[];
  /** A sealed text, or a JSON list of objects with a sealed text each, under `sealed`. */
  holds: "text" | "list";
}

export const SEALED_COLUMNS: readonly SealedColumn[] = [
  { table: "signing_keys", field: "private_key", key: ["id"], holds: "text" },
  { table: "webhook_endpoints", field: "secrets", key: ["id"], holds: "list" },
  {
    table: "channel_accounts",
    field: "credentials",
    key: ["app", "livemode", "channel", "id", "revision"],
    holds: "text",
  },
];

export function isSealedColumn(table: string, field: string): boolean {
  return SEALED_COLUMNS.some((column) => column.table === table && column.field === field);
}

/** The `row` of a sealing context: `we_…`, or of an account `alipay/ca_…/3`, so that no revision passes for another. */
export function sealedRow({ key }: SealedColumn, values: Record<string, unknown>): string {
  return key
    .filter((name) => name !== "app" && name !== "livemode")
    .map((name) => String(values[name]))
    .join("/");
}
