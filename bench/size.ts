// How large the Worker is and what its start costs: what a person waits for when no instance is warm. Told as a multiple
// of a Worker that only imports hono, zod and drizzle-orm, beside the targets of both.
import { join } from "node:path";
import { type Bundle, bundle, type Share, sharesOf, sizeOf } from "./bundle.ts";
import { quantile } from "./measure.ts";
import { type Start, startsOf } from "./startup.ts";

const GZIP_MAX_KIB = 100;
const START_MAX = 1.3;

export interface SizeBench {
  worker: Bundle;
  /** The directory that the Worker was bundled into. */
  directory: string;
  tries: number;
  at: (name: string) => string;
  say: (line: string) => void;
}

export async function printSize({ worker, directory, tries, at, say }: SizeBench): Promise<void> {
  const reference = await bundle(at("reference"), { config: join(import.meta.dirname, "reference.toml") });
  const { bytes, gzip } = sizeOf(worker);
  const least = sizeOf(reference);
  const { packages, folders } = await sharesOf(directory);
  say(`\nbundle      ${kib(bytes)} minified, ${kib(gzip)} with gzip; at most ${GZIP_MAX_KIB} KiB are wanted`);
  say(
    `reference   ${kib(least.bytes)} minified, ${kib(least.gzip)} with gzip: hono, zod and drizzle-orm alone`,
  );
  say(`by package  ${list(packages)}`);
  say(`of src      ${list(folders)}`);

  // Both refuse: nothing but the Worker's own code is needed for it.
  const ours = {
    code: worker.code,
    path: "/v1/refunds",
    status: 401,
    objects: ["ChargeLedger", "RefundBudget"],
  };
  const theirs = { code: reference.code, path: "/notes/none", status: 400, objects: [] };
  const [empty = [], bare = [], full = []] = await startsOf([theirs, ours], tries, at("."));
  say(`\nstart-up over an empty Worker's, ms: the median of ${tries} tries and its quartiles`);
  say(
    `${"".padEnd(30)}${"this Worker".padStart(22)}${"reference".padStart(22)}${"× reference".padStart(22)}`,
  );
  const figures = {
    "CPU until it listens": (start: Start) => start.listening.cpuMs,
    "CPU until the first answer": (start: Start) => start.answered.cpuMs,
    "wall until it listens": (start: Start) => start.listening.wallMs,
    "wall until the first answer": (start: Start) => start.answered.wallMs,
  };
  for (const [name, figure] of Object.entries(figures)) {
    const over = (starts: Start[]) => starts.map((start, i) => figure(start) - figure(empty[i] as Start));
    const [mine, others] = [over(full), over(bare)];
    const ratios = mine.map((ms, i) => ms / (others[i] as number));
    const columns = [spread(mine, 1), spread(others, 1), spread(ratios, 2)];
    say(`${name.padEnd(30)}${columns.map((column) => column.padStart(22)).join("")}`);
  }
  say(`at most ${START_MAX} × are wanted; an empty Worker itself listens after ${emptyFigures(empty)}`);
}

const kib = (bytes: number) => `${(bytes / 1024).toFixed(1)} KiB`;

function list(shares: readonly Share[]): string {
  return shares.map(([name, bytes]) => `${name} ${kib(bytes)}`).join(", ");
}

function spread(values: readonly number[], digits: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, middle, high] = [0.25, 0.5, 0.75].map((share) => quantile(sorted, share).toFixed(digits));
  return `${middle} (${low}–${high})`;
}

function emptyFigures(empty: readonly Start[]): string {
  const of = (figure: (start: Start) => number) => spread(empty.map(figure), 1);
  return `${of(({ listening }) => listening.cpuMs)} ms of CPU, ${of(({ listening }) => listening.wallMs)} ms on the clock`;
}
