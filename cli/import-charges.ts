// Records the charges of a file: read as a stream, sent by at most eight requests at once, each bad line reported with
// its number. Recording is repeatable, so a run that ended early is simply run again; with a state file it goes on.
import { appendFileSync, closeSync, createReadStream, openSync, readFileSync, writeSync } from "node:fs";
import type { Client } from "./client.ts";
import { onInterruption } from "./interruption.ts";
import { CommandError, EXIT, RefusedError, UsageError } from "./outcome.ts";
import { pairsText, printJson, shown } from "./output.ts";
import { Progress } from "./progress.ts";
import { type ChargeLine, type Format, fingerprintOf, readCharges } from "./read-charges.ts";

const AT_ONCE = 8;
/** How many bad lines are printed; the file of --errors has all of them. */
const ERRORS_SHOWN = 100;

export interface ImportOptions {
  format?: string;
  dryRun?: boolean;
  errors?: string;
  state?: string;
  json: boolean;
}

export interface ImportSummary {
  object: "charge_import";
  dry_run: boolean;
  lines: number;
  recorded: number;
  skipped: number;
  failed: number;
}

/** Prints the summary and returns the exit code. */
export async function importCharges(client: Client, file: string, options: ImportOptions): Promise<number> {
  const format = formatOf(file, options.format);
  const done = new DoneCharges(options.dryRun === true ? undefined : options.state);
  const errorsFile = options.errors === undefined ? null : openFor("--errors", options.errors, "w");
  const summary: ImportSummary = {
    object: "charge_import",
    dry_run: options.dryRun === true,
    lines: 0,
    recorded: 0,
    skipped: 0,
    failed: 0,
  };
  const bar = new Progress(!options.json);
  const report = (line: number, error: string) => {
    summary.failed++;
    if (errorsFile !== null) writeSync(errorsFile, `${JSON.stringify({ line, error })}\n`);
    if (summary.failed <= ERRORS_SHOWN) bar.log(`line ${line}: ${shown(error)}`);
    if (summary.failed === ERRORS_SHOWN)
      bar.log("more bad lines are counted and not shown; --errors FILE has them all");
  };

  const stop = new AbortController();
  let stoppedBy: unknown = null;
  const record = async (line: ChargeLine & { body: Record<string, unknown> }) => {
    const fingerprint = fingerprintOf(client.identity, line.body);
    if (done.has(fingerprint)) {
      summary.skipped++;
      return;
    }
    try {
      if (options.dryRun !== true) {
        const { signal } = stop;
        await client.call({
          method: "POST",
          path: "/v1/charges",
          body: line.body,
          whenLost: "repeat",
          signal,
        });
      }
      done.add(fingerprint);
      summary.recorded++;
    } catch (error) {
      if (stop.signal.aborted) return;
      if (error instanceof RefusedError && isAboutTheLine(error)) return report(line.line, error.message);
      stoppedBy = error;
      stop.abort();
    }
  };

  onInterruption(() => {
    stoppedBy ??= new CommandError("Interrupted.");
    stop.abort();
  });
  // Nothing more may ever come from there.
  stop.signal.addEventListener("abort", () => file === "-" && process.stdin.destroy());
  try {
    const running = new Set<Promise<void>>();
    const source = file === "-" ? process.stdin : sourceOf(file, bar);
    const columns = (names: string[]) => {
      if (names.length > 0) bar.log(`kept as metadata: ${names.map(shown).join(", ")}`);
    };
    try {
      for await (const line of readCharges(source, format, client.livemode, columns)) {
        if (stop.signal.aborted) break;
        summary.lines++;
        bar.lines(summary);
        if ("error" in line) {
          report(line.line, line.error);
          continue;
        }
        const one = record(line).finally(() => running.delete(one));
        running.add(one);
        if (running.size >= AT_ONCE) await Promise.race(running);
      }
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    }
    await Promise.all(running);
    bar.lines(summary);
  } finally {
    bar.stop();
    done.close();
    if (errorsFile !== null) closeSync(errorsFile);
  }
  printSummary(options, summary);
  if (stoppedBy !== null) throw stopped(stoppedBy, summary);
  if (summary.failed === 0) return EXIT.ok;
  return summary.recorded + summary.skipped > 0 ? EXIT.partly : EXIT.failed;
}

/** Whether another line may fare better: a key, a scope or the service itself is the same for all. */
function isAboutTheLine({ status, code }: RefusedError): boolean {
  return status < 500 && status !== 401 && status !== 403 && status !== 429 && code !== "charge_frozen";
}

function stopped(error: unknown, { recorded }: ImportSummary): CommandError {
  const message = error instanceof Error ? error.message : String(error);
  return new CommandError(
    `${message}\nStopped after ${recorded} charges were recorded. Run the same command again: what is recorded stays as it is.`,
    error instanceof CommandError ? error.exitCode : EXIT.failed,
  );
}

function printSummary({ json, dryRun }: ImportOptions, summary: ImportSummary): void {
  if (json) {
    printJson(summary);
    return;
  }
  const { lines, recorded, skipped, failed } = summary;
  const pairs: [string, number][] = [
    ["lines", lines],
    [dryRun === true ? "good" : "recorded", recorded],
    ["done before", skipped],
    ["bad", failed],
  ];
  process.stdout.write(pairsText(pairs.filter(([name, count]) => name !== "done before" || count > 0)));
  if (dryRun === true) process.stdout.write("nothing was sent (--dry-run)\n");
}

function formatOf(file: string, format: string | undefined): Format {
  if (format === "csv" || format === "ndjson") return format;
  if (/\.csv$/i.test(file)) return "csv";
  if (/\.(ndjson|jsonl)$/i.test(file)) return "ndjson";
  throw new UsageError(`which format has "${file}"? Say --format csv or --format ndjson`);
}

/** The fingerprints of charges that are recorded, one a line: a file that is only ever appended to. */
class DoneCharges {
  readonly #done = new Set<string>();
  readonly #file: number | null;

  constructor(path: string | undefined) {
    if (path === undefined) {
      this.#file = null;
      return;
    }
    try {
      for (const line of readFileSync(path, "utf8").split("\n")) if (line !== "") this.#done.add(line);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw unusable("--state", path, error);
    }
    if ([...this.#done].some((line) => line.length > 22)) {
      throw new UsageError(`--state: ${path} is not a state file of an import`);
    }
    this.#file = openFor("--state", path, "a");
    // A line that was cut off when an earlier run died must not run into the next one.
    if (this.#done.size > 0) appendFileSync(this.#file, "\n");
  }

  has(fingerprint: string): boolean {
    return this.#done.has(fingerprint);
  }

  add(fingerprint: string): void {
    if (this.#file === null) return;
    this.#done.add(fingerprint);
    writeSync(this.#file, `${fingerprint}\n`);
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
  }
}

function openFor(option: string, path: string, flags: "a" | "w"): number {
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    throw unusable(option, path, error);
  }
}

function unusable(option: string, path: string, error: unknown): UsageError {
  return new UsageError(
    `${option}: ${path} cannot be used: ${error instanceof Error ? error.message : error}`,
  );
}

/** The file's bytes; the bar follows how many were read. */
async function* sourceOf(file: string, bar: Progress): AsyncGenerator<Uint8Array> {
  try {
    // Small pieces, for a bar that moves with the lines that are recorded.
    const stream = createReadStream(file, { highWaterMark: 4096 });
    stream.once("open", (descriptor) => bar.start(descriptor));
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      yield chunk;
      bar.bytes(chunk.length);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw new UsageError(`${file} cannot be read: ${(error as Error).message}`);
  }
}
