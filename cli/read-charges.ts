// Charges to record from a file of CSV or of NDJSON, one by one, whatever the file's size. A line that cannot be one is
// an error with its number, and the lines after it are read all the same. Nothing is guessed: what cannot be told for
// sure (a refund still running elsewhere, text in another encoding) is an error.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { CsvError, parse } from "csv-parse";
import { recordChargeSchema } from "../src/charges/schema.ts";

export type Format = "csv" | "ndjson";
export type ChargeLine = { line: number; body: Record<string, unknown> } | { line: number; error: string };

/** Past any body the service takes. */
const LINE_BYTES_MAX = 1_048_576;

const FIELDS = new Set(Object.keys(recordChargeSchema.shape));
const INTEGERS = new Set([
  "amount",
  "amount_settle",
  "amount_refunded",
  "created",
  "time_paid",
  "time_expire",
  "time_settle",
]);
const BOOLEANS = new Set(["paid", "reversed", "livemode", "refunded"]);
/** What a charge has and a record does not take: read from a whole charge, never kept as metadata. */
const NOT_RECORDED = new Set([
  "object",
  "livemode",
  "refunded",
  "refunds",
  "failure_code",
  "failure_msg",
  "credential",
  "amount_refundable",
  "amount_pending_refund",
]);

/** Reads a source by its lines. `onColumns` hears which columns of a CSV become metadata. */
export async function* readCharges(
  source: AsyncIterable<Uint8Array>,
  format: Format,
  livemode: boolean,
  onColumns: (metadata: string[]) => void = () => {},
): AsyncGenerator<ChargeLine> {
  const lines = format === "csv" ? readCsv(source, onColumns) : readNdjson(source);
  for await (const line of lines) yield "error" in line ? line : checkedLine(line.line, line.body, livemode);
}

/** The same charge in another file, place or order has the same fingerprint; for another service or key it differs. */
export function fingerprintOf(identity: string, body: Record<string, unknown>): string {
  return createHash("sha256")
    .update(`${identity}\n${JSON.stringify(body)}`)
    .digest("base64url")
    .slice(0, 22);
}

function checkedLine(line: number, given: Record<string, unknown>, livemode: boolean): ChargeLine {
  if (typeof given.livemode === "boolean" && given.livemode !== livemode) {
    const [charge, key] = given.livemode ? ["live", "test"] : ["test", "live"];
    return { line, error: `livemode: it is a ${charge} charge and this is a ${key} key` };
  }
  const elsewhere = refundedElsewhere(given);
  if ("error" in elsewhere) return { line, error: elsewhere.error };
  const body = Object.fromEntries(
    Object.entries({ ...given, ...elsewhere }).filter(([name]) => FIELDS.has(name)),
  );
  const checked = recordChargeSchema.safeParse(body);
  if (!checked.success) {
    const issues = checked.error.issues.map(
      (issue) => `${issue.path.join(".") || "charge"}: ${issue.message}`,
    );
    return { line, error: issues.join("; ") };
  }
  if (Number(body.amount_refunded ?? 0) > checked.data.amount) {
    return { line, error: "amount_refunded: it is more than the amount" };
  }
  return { line, body };
}

/** What a whole charge says was refunded elsewhere. A refund that still runs there may yet take its amount. */
function refundedElsewhere(
  charge: Record<string, unknown>,
): { amount_refunded?: unknown } | { error: string } {
  const refunds = charge.refunds as { data?: unknown; has_more?: unknown } | null | undefined;
  if (typeof refunds !== "object" || refunds === null || !Array.isArray(refunds.data)) return {};
  const all = refunds.data as { status?: unknown; succeed?: unknown; amount?: unknown }[];
  const running = all.filter((refund) => refund?.status === "pending").length;
  if (running > 0) {
    return { error: `refunds: ${running} still pending elsewhere; import this charge once they have ended` };
  }
  if (typeof charge.amount_refunded === "number") return {};
  if (refunds.has_more === true) return { error: "refunds: not all are here, so amount_refunded is needed" };
  const succeeded = all.filter((refund) => refund?.succeed === true || refund?.status === "succeeded");
  return { amount_refunded: succeeded.reduce((sum, refund) => sum + Number(refund.amount), 0) };
}

async function* readNdjson(source: AsyncIterable<Uint8Array>): AsyncGenerator<ChargeLine> {
  let line = 0;
  for await (const bytes of splitLines(source)) {
    line++;
    if (bytes === null) {
      yield { line, error: `longer than ${LINE_BYTES_MAX} bytes` };
      continue;
    }
    let text: string;
    try {
      text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes).trim();
    } catch {
      yield { line, error: "not UTF-8" };
      continue;
    }
    if (text === "") continue;
    yield jsonLine(line, text);
  }
}

function jsonLine(line: number, text: string): ChargeLine {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return { line, body: value as Record<string, unknown> };
    }
  } catch {
    // Said below.
  }
  return { line, error: "not a JSON object on one line" };
}

/** Lines by their bytes (U+2028 inside a string is no end of line); null for one that is too long. */
async function* splitLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array | null> {
  let parts: Uint8Array[] = [];
  let length = 0;
  const take = () => {
    const line = length > LINE_BYTES_MAX ? null : Buffer.concat(parts);
    parts = [];
    length = 0;
    return line;
  };
  for await (const chunk of source) {
    let from = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, end));
      length += end - from;
      from = end + 1;
      yield take();
    }
    length += chunk.length - from;
    if (length <= LINE_BYTES_MAX) parts.push(chunk.subarray(from));
    else parts = [];
  }
  if (length > 0) yield take();
}

interface CsvRow {
  line: number;
  cells: string[];
}

async function* readCsv(
  source: AsyncIterable<Uint8Array>,
  onColumns: (metadata: string[]) => void,
): AsyncGenerator<ChargeLine> {
  let columns: string[] | null = null;
  for await (const row of csvRows(source)) {
    if ("error" in row) {
      yield row;
      continue;
    }
    const { line, cells } = row;
    if (cells.every((cell) => cell.trim() === "")) continue;
    if (columns === null) {
      columns = cells.map((name) => name.trim());
      const twice = columns.find((name, index) => columns?.indexOf(name) !== index);
      if (twice !== undefined) {
        yield { line, error: `the header has the column "${twice}" twice` };
        return;
      }
      onColumns(columns.map(metadataName).filter((name) => name !== null));
      continue;
    }
    yield cells.length === columns.length
      ? rowLine(line, columns, cells)
      : { line, error: `${cells.length} cells under ${columns.length} columns` };
  }
}

/** Rows with the numbers of their first lines. What is no CSV ends them with an error, after every row before it. */
async function* csvRows(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<CsvRow | { line: number; error: string }> {
  let rows: CsvRow[] = [];
  let line = 1;
  // The parser's own output is thrown away when it fails; what it has handed over here stays.
  const parser = parse({
    bom: true,
    relax_column_count: true,
    max_record_size: LINE_BYTES_MAX,
    on_record(cells: string[], { lines }) {
      rows.push({ line, cells });
      line = lines + 1;
      return null;
    },
  });
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  // More than one can come, and none without a listener.
  parser.on("error", failed.reject);
  const ended = once(parser.resume(), "end");
  ended.catch(() => {});
  const taken = () => {
    const done = rows;
    rows = [];
    return done;
  };
  try {
    for await (const chunk of source) {
      const written = new Promise<void>((resolve) => parser.write(chunk, () => resolve()));
      await Promise.race([written, failed.promise]);
      yield* taken();
    }
    parser.end();
    await Promise.race([ended, failed.promise]);
    yield* taken();
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const { lines, message } = error as CsvError & { lines?: number };
    yield* taken();
    yield { line: lines ?? line, error: `not CSV from here on: ${message}` };
  } finally {
    parser.destroy();
  }
}

/** The metadata key a column is kept under; null for a field of the charge. */
function metadataName(column: string): string | null {
  const named = /^metadata(?:\.(.+)|\[(.+)\])$/.exec(column);
  if (named !== null) return named[1] ?? named[2] ?? null;
  return FIELDS.has(column) || NOT_RECORDED.has(column) ? null : column;
}

function rowLine(line: number, columns: string[], cells: string[]): ChargeLine {
  const body: Record<string, unknown> = {};
  const metadata: Record<string, string> = {};
  for (const [index, column] of columns.entries()) {
    const cell = cells[index] ?? "";
    if (cell.includes("\ufffd")) return { line, error: `${column}: not UTF-8; save the file as UTF-8` };
    if (cell === "") continue;
    const name = metadataName(column);
    if (name !== null) metadata[name] = cell;
    else if (column === "refunds" || column === "credential") continue;
    else body[column] = cellValue(column, cell);
  }
  if (Object.keys(metadata).length > 0) {
    body.metadata = typeof body.metadata === "object" ? { ...body.metadata, ...metadata } : metadata;
  }
  return { line, body };
}

/** What a cell says; what does not fit its column stays text, and the schema refuses it by name. */
function cellValue(column: string, cell: string): unknown {
  const text = cell.trim();
  if (INTEGERS.has(column) && /^-?\d{1,16}$/.test(text)) return Number(text);
  if (BOOLEANS.has(column) && /^(true|false)$/i.test(text)) return text.toLowerCase() === "true";
  if (column === "metadata" || column === "extra") {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }
  return cell;
}
