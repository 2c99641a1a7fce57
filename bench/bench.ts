// npm run bench: what a request costs, on the bare runtime, beside the least that any such service must do.
//   npm run bench                      every case, the exact counts and the size
//   npm run bench -- create retrieve   some of them: create, create-more, retrieve, list, webhooks, counts, size
//   npm run bench -- search            searches among a million refunds; only when named
//   --rows N         refunds that are searched (1000000; 20000 when quick): a million take 4 GB below TMPDIR and three minutes
//   --quick          a short form, for a look in passing; counts and size only when named
//   --requests N     refunds per case (2000; 150 when quick), and reads in proportion
//   --concurrency N  clients at once (8)
//   --profile        writes a profile per case and prints the heaviest functions; times are then not comparable
// State is written below TMPDIR: a directory in memory leaves the disk out of the figures.
// Ends with 1 when an answer is wrong or the books do not add up.
import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Bundle, bundle, sharesOf, sizeOf } from "./bundle.ts";
import { CASES, type CaseName, FLOORS, measureCase, measureFloor, type Size, warmUp } from "./cases.ts";
import { type Counts, countWork } from "./counts.ts";
import type { Figure } from "./measure.ts";
import { Merchant } from "./merchant.ts";
import { profiled } from "./profile.ts";
import { startRuntime } from "./runtime.ts";
import { measureSearch } from "./search.ts";
import { startupOf } from "./startup.ts";
import { measureWebhooks, type WebhookFigure } from "./webhooks.ts";
import { workerdVersion } from "./workerd.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    profile: { type: "boolean", default: false },
    requests: { type: "string" },
    concurrency: { type: "string", default: "8" },
    rows: { type: "string" },
  },
});

const CASE_NAMES = Object.keys(CASES) as CaseName[];
const EXTRAS = ["counts", "size"] as const;
const known: readonly string[] = [...CASE_NAMES, "webhooks", "search", ...EXTRAS];

class UsageError extends Error {}

async function main(): Promise<void> {
  const unknown = positionals.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new UsageError(`there is no case "${unknown}"; there are ${known.join(", ")}`);
  const isExtra = (name: string) => EXTRAS.some((extra) => extra === name);
  const wanted = (name: string) =>
    positionals.includes(name) || (positionals.length === 0 && !(values.quick && isExtra(name)));
  const cases = CASE_NAMES.filter(wanted);
  // Counts are those of the named cases; alone, of all.
  const named = [...cases, ...(wanted("webhooks") ? (["webhooks"] as const) : [])];
  const counted = named.length === 0 ? [...CASE_NAMES, "webhooks" as const] : named;
  const size: Size = {
    requests:
      Math.ceil(wholeNumber("requests", values.requests ?? (values.quick ? "150" : "2000")) / 10) * 10,
    concurrency: wholeNumber("concurrency", values.concurrency),
  };
  // The bindings' configuration is read here without its secrets, which it would warn of.
  process.env.WRANGLER_LOG ??= "error";
  const temporary = await mkdtemp(join(tmpdir(), "edge-refunds-bench-"));
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      // The runtimes end with this process.
      rmSync(temporary, { recursive: true, force: true });
      process.exit(1);
    });
  }
  try {
    const at = (name: string) => join(temporary, name);
    const [worker, floor] = await Promise.all([
      bundle(at("worker"), { readable: values.profile }),
      bundle(at("floor"), { config: join(import.meta.dirname, "floor.toml") }),
    ]);
    console.log(
      `Node ${process.version}, workerd ${workerdVersion}, ${availableParallelism()} processors; ` +
        `${size.requests} refunds a case, ${size.concurrency} at once`,
    );
    if (cases.length > 0) await measureAll(worker, floor, cases, size, at);
    if (wanted("webhooks")) await measureDeliveries(worker, floor, size, at);
    if (positionals.includes("search")) {
      const rows = wholeNumber("rows", values.rows ?? (values.quick ? "20000" : "1000000"));
      const reading = await bundle(at("reading"), { main: "bench/reading-worker.ts" });
      await measureSearch({ worker, reading, rows, at, say: console.log });
    }
    if (wanted("counts") && !values.profile) {
      const counting = await bundle(at("counting"), { main: "bench/counting-worker.ts" });
      printCounts(await countWork(counting, counted, at("counts")));
    }
    if (wanted("size") && !values.profile) await printSize(worker, at);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function measureAll(
  worker: Bundle,
  floor: Bundle,
  cases: readonly CaseName[],
  size: Size,
  at: (name: string) => string,
): Promise<void> {
  console.log("\n                requests/s     p50 ms     p99 ms   CPU ms/request    × floor");
  const floors = new Map<string, Figure>();
  const { concurrency } = size;
  const merchant = await Merchant.open(worker, { state: at("state"), concurrency, inspect: values.profile });
  try {
    // What the warm-up leaves to do is done while the floor is measured.
    await warmUp(merchant, size.requests / 5);
    const names = (Object.keys(FLOORS) as (keyof typeof FLOORS)[]).filter((name) =>
      cases.some((one) => CASES[one].floor === name),
    );
    const runtime = await startRuntime(floor, { state: at("floor-state") });
    try {
      for (const name of names) {
        const figure = await measureFloor(name, runtime, size);
        floors.set(name, figure);
        print(figure, null, FLOORS[name]);
      }
    } finally {
      await runtime.stop();
    }
    for (const name of cases) {
      const figure = await measureCase(
        name,
        merchant,
        size.requests,
        values.profile ? (named, work) => withProfile(merchant, named, work) : undefined,
      );
      print(figure, floors.get(CASES[name].floor) ?? null, CASES[name].says);
    }
    await merchant.rest();
    console.log(await merchant.verify());
  } finally {
    await merchant.runtime.stop();
  }
}

async function measureDeliveries(
  worker: Bundle,
  floor: Bundle,
  size: Size,
  at: (name: string) => string,
): Promise<void> {
  console.log("\n              deliveries/s lag p50 ms lag p99 ms  CPU ms/delivery    × floor");
  const around = values.profile ? withProfile : undefined;
  const inspect = values.profile;
  await measureWebhooks({ worker, floor, size, at, inspect, around, print, say: console.log });
}

async function withProfile<T>(merchant: Merchant, name: string, work: () => Promise<T>): Promise<T> {
  const { inspector } = merchant.runtime;
  if (inspector === null) return await work();
  const file = `${name}.cpuprofile`;
  const { result, heaviest } = await profiled(inspector, file, work);
  console.log(`\n${file}:\n${heaviest.join("\n")}\n`);
  return result;
}

function print(figure: Figure | WebhookFigure, floor: Figure | WebhookFigure | null, says: string): void {
  const { cpuMs } = figure;
  const ofFloor = cpuMs === null || floor === null || floor.cpuMs === null ? null : cpuMs / floor.cpuMs;
  const columns = [
    figure.name.padEnd(15),
    figure.perSecond.toFixed(0).padStart(11),
    figure.p50Ms.toFixed(2).padStart(11),
    figure.p99Ms.toFixed(2).padStart(11),
    (cpuMs?.toFixed(2) ?? "").padStart(17),
    (ofFloor?.toFixed(1) ?? "").padStart(11),
  ];
  console.log(`${columns.join("")}   ${says}`);
}

function printCounts(counts: Map<string, Counts>): void {
  const names = [...counts.keys()];
  console.log(`\n${"per request, exactly".padEnd(22)}${names.map((name) => name.padStart(13)).join("")}`);
  for (const counter of Object.keys(counts.get(names[0] ?? "") ?? {})) {
    const row = names.map((name) => String(counts.get(name)?.[counter] ?? 0).padStart(13));
    console.log(`${counter.padEnd(22)}${row.join("")}`);
  }
}

async function printSize(worker: Bundle, at: (name: string) => string): Promise<void> {
  const { bytes, gzip } = sizeOf(worker);
  const shares = await sharesOf(at("worker"));
  const { wallMs, cpuMs } = await startupOf(worker.code, ["ChargeLedger", "RefundBudget"], at("."));
  console.log(`\nbundle     ${bytes} bytes minified, ${gzip} with gzip`);
  console.log(`           ${shares.map(([name, share]) => `${name} ${share}`).join(", ")}`);
  console.log(
    `start-up   ${wallMs.toFixed(0)} ms and ${cpuMs} ms of processor time more than an empty Worker`,
  );
}

function wholeNumber(name: string, text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new UsageError(`--${name} takes a whole number`);
  return Number(text);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof UsageError ? error.message : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
