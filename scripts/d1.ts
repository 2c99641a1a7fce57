// The database from outside the Worker, through wrangler.
import { deployedConfiguration } from "./deploy/configuration-file.ts";
import { withPrivateFile } from "./private-file.ts";
import { runWrangler, WranglerError } from "./wrangler.ts";

/** Which database: the deployed one, or the local one in `state` (wrangler's own directory by default). */
export type Target = { remote: true } | { remote: false; state?: string | undefined };

export type Row = Record<string, string | number | null>;

/** Brings the tables up to date. */
export async function migrate(target: Target): Promise<void> {
  await runWrangler(["d1", "migrations", "apply", "DB", ...flags(target)]);
}

/** Runs one statement and returns its rows. The statement is visible in the list of processes: no secrets in it. */
export async function query(target: Target, statement: string): Promise<Row[]> {
  const output = await runWranglerJson(["--command", statement, ...flags(target)]);
  return output[0]?.results ?? [];
}

/** What `queryAll` takes at once: D1 takes statements of 100,000 bytes, and Linux arguments of 131,072. */
export const QUERY_BYTES_MAX = 90_000;

/** Runs statements and returns the rows of each, in one start of wrangler, which is what takes the time. As visible. */
export async function queryAll(target: Target, statements: readonly string[]): Promise<Row[][]> {
  const output = await runWranglerJson(["--command", statements.join(";\n"), ...flags(target)]);
  if (output.length !== statements.length) {
    throw new WranglerError(`wrangler ran ${output.length} of ${statements.length} statements`);
  }
  return output.map(({ results }) => results ?? []);
}

/**
 * Runs statements, all or none, from a file that only this user may read. The deployed database answers nothing else
 * meanwhile.
 */
export async function execute(target: Target, statements: readonly string[]): Promise<void> {
  const text = statements.map((statement) => `${statement};\n`).join("");
  await withPrivateFile("statements.sql", text, (file) =>
    runWranglerJson(["--file", file, "--yes", ...flags(target)]),
  );
}

function flags(target: Target): string[] {
  if (target.remote) return ["--remote", ...deployedConfiguration()];
  return target.state === undefined ? ["--local"] : ["--local", "--persist-to", target.state];
}

async function runWranglerJson(args: string[]): Promise<{ results?: Row[] }[]> {
  try {
    return JSON.parse(await runWrangler(["d1", "execute", "DB", "--json", ...args]));
  } catch (error) {
    if (error instanceof WranglerError) throw new WranglerError(reasonOf(error.message));
    throw error;
  }
}

/** With --json wrangler tells its failures in JSON too. */
function reasonOf(output: string): string {
  const text = /"text":\s*("(?:[^"\\]|\\.)*")/.exec(output)?.[1];
  const reason = text === undefined ? output : String(JSON.parse(text));
  return reason.includes("no such table")
    ? `${reason}\nThe tables are made by npm start, or by wrangler d1 migrations apply DB --local (--remote)`
    : reason;
}
