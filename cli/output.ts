// What a command writes to standard output: tables for people, JSON for scripts. Nothing else goes there.

export type Json = Record<string, unknown>;

/** Text from elsewhere, on one line: control characters could rewrite the terminal. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return "-";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "\ufffd");
}

/** Names and values in two columns. */
export function pairsText(pairs: readonly (readonly [string, unknown])[]): string {
  const width = Math.max(0, ...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${shown(value)}\n`).join("");
}

/** Rows under their column names; the last column is as wide as it is. */
export function tableText(rows: readonly Json[], columns: readonly string[]): string {
  const cells = [columns, ...rows.map((row) => columns.map((column) => shown(row[column])))];
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => (row[index] ?? "").length)));
  return cells
    .map((row) =>
      row
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join("");
}

export function isoTime(seconds: unknown): string | null {
  return typeof seconds === "number" ? new Date(seconds * 1000).toISOString().replace(".000Z", "Z") : null;
}

/** Prints an object's chosen fields; all of it with --json. Times come as ISO 8601 for people. */
export function printObject(
  json: boolean,
  object: Json,
  fields: readonly string[] = Object.keys(object),
): void {
  if (json) {
    printJson(object);
    return;
  }
  process.stdout.write(
    pairsText(fields.filter((name) => name in object).map((name) => [name, readable(name, object[name])])),
  );
}

export function printList(
  json: boolean,
  list: Json,
  rows: readonly Json[],
  columns: readonly string[],
): void {
  if (json) {
    printJson(list);
    return;
  }
  if (rows.length === 0) {
    process.stderr.write("nothing found\n");
    return;
  }
  const readableRows = rows.map((row) =>
    Object.fromEntries(columns.map((column) => [column, readable(column, row[column])])),
  );
  process.stdout.write(tableText(readableRows, columns));
  if (list.has_more === true) {
    process.stderr.write(`there are more: --starting-after ${shown(rows.at(-1)?.id)}\n`);
  }
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function readable(name: string, value: unknown): unknown {
  if (Array.isArray(value) && value.every((entry) => typeof entry === "string")) return value.join(" ");
  return /^(created|time_.*|.*_at)$/.test(name) ? (isoTime(value) ?? value) : value;
}
