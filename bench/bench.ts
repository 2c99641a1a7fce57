// npm run bench: what a request costs, on the bare runtime, beside the least that any such service must do.
//   npm run bench                      every case of cases.ts, in interleaved rounds with the floors of floors.ts
//   npm run bench -- create retrieve   some of them, with what they are compared with
//   npm run bench -- counts            what a request does, counted exactly
//   npm run bench -- cost              what of that the platform bills, and its price
//   npm run bench -- scaling           whether a refund costs the same among ten thousand and a hundred thousand
//   npm run bench -- outbox            the way from the ledgers to D1, straight or by a queue
//   npm run bench -- size              the bundle and its start
//   npm run bench -- webhooks          deliveries: their price and their lag
//   npm run bench -- search            searches among a million refunds
//   --quick          a short form, for a look in passing
//   --rounds N       rounds (7; 3 when quick)
//   --charges N      charges, with a refund each, in a round of `create` (1000; 100 when quick); others in proportion
//   --requests N     refunds of each row of webhooks (2000; 150 when quick)
//   --rows N         refunds that are searched (1000000; 20000 when quick): a million take 4 GB below TMPDIR and three minutes;
//                    for scaling, so many beside the others
//   --profile        writes a profile per case and prints the heaviest functions; times are then not comparable
// State is written below TMPDIR: a directory in memory leaves the disk out of the figures.
// Ends with 1 when an answer is wrong or the books do not add up.
import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Bundle, bundle } from "./bundle.ts";
import { CASE_NAMES, type CaseName, prepare } from "./cases.ts";
import { printCost } from "./cost.ts";
import { countWork } from "./counts.ts";
import { FLOORS, type FloorName } from "./floors.ts";
import { spent } from "./measure.ts";
import { Merchant } from "./merchant.ts";
import { measureOutbox } from "./outbox.ts";
import { profiled } from "./profile.ts";
import { answeredOf, type Bundles, CPU_LEVEL, measureRounds, type Plan } from "./rounds.ts";
import { measureScaling } from "./scaling.ts";
import { measureSearch } from "./search.ts";
import { printSize } from "./size.ts";
import { printCounts, printMeasured, printRatios, webhookPrinter } from "./tables.ts";
import { withTheirFloors } from "./targets.ts";
import { measureWebhooks } from "./webhooks.ts";
import { workerdVersion } from "./workerd.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    profile: { type: "boolean", default: false },
    rounds: { type: "string" },
    charges: { type: "string" },
    requests: { type: "string" },
    rows: { type: "string" },
  },
});

const OTHERS = ["counts", "cost", "outbox", "scaling", "size", "webhooks", "search"] as const;
/** Refunds in D1 for scaling. */
const SIZES = { long: [10_000, 100_000], quick: [1000, 10_000] } as const;
/** Charges in a short round of the outbox. */
const OUTBOX_QUICK = 200;
const WEBHOOK_CLIENTS = 8;
const say = console.log;

class UsageError extends Error {}

async function main(): Promise<void> {
  const known: readonly string[] = [...CASE_NAMES, ...OTHERS];
  const unknown = positionals.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new UsageError(`there is no case "${unknown}"; there are ${known.join(", ")}`);
  const cases = CASE_NAMES.filter((name) => positionals.length === 0 || positionals.includes(name));
  const isWanted = (name: (typeof OTHERS)[number]) => positionals.includes(name);
  const charges = wholeNumber("charges", values.charges, { long: 1000, quick: 100 });
  const requests = wholeNumber("requests", values.requests, { long: 2000, quick: 150 });
  const rows = wholeNumber("rows", values.rows, { long: 1_000_000, quick: 20_000 });
  const rounds = wholeNumber("rounds", values.rounds, { long: 7, quick: 3 });
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
  const at = (name: string) => join(temporary, name);
  try {
    say(
      `Node ${process.version}, workerd ${workerdVersion}; ` +
        `${availableParallelism()} × ${cpus()[0]?.model.trim() || "unknown processor"}; state below ${tmpdir()}`,
    );
    const needsFloor = cases.length > 0 || isWanted("webhooks");
    const needsCut = cases.length > 0 && !values.profile;
    const [worker, floor, cut] = await Promise.all([
      bundle(at("worker"), { readable: values.profile }),
      needsFloor ? bundle(at("floor"), { config: join(import.meta.dirname, "floor.toml") }) : null,
      needsCut ? bundle(at("cut"), { main: "bench/cut-worker.ts" }) : null,
    ]);
    if (values.profile && cases.length > 0) await profileCases(worker, cases, charges, at);
    else if (floor !== null && cut !== null) {
      const plan = { rounds, charges, afresh: !values.quick, levelsOnce: values.quick };
      await measureCases({ worker, floor, cut }, cases, plan, at);
    }
    if (isWanted("webhooks") && floor !== null) {
      const size = { requests, concurrency: WEBHOOK_CLIENTS };
      const around = values.profile ? profiling(worker.code) : undefined;
      const print = webhookPrinter(say);
      await measureWebhooks({ worker, floor, size, at, inspect: values.profile, around, print, say });
    }
    if (isWanted("search")) {
      const reading = await bundle(at("reading"), { main: "bench/reading-worker.ts" });
      await measureSearch({ worker, reading, rows, at, say });
    }
    if (isWanted("counts") || isWanted("cost")) {
      const counted = await countWork(at("counts"));
      if (isWanted("counts")) printCounts(counted, say);
      if (isWanted("cost")) printCost(counted, say);
    }
    if (isWanted("outbox")) {
      const perRound = values.charges === undefined && values.quick ? OUTBOX_QUICK : charges;
      await measureOutbox({ rounds, charges: perRound, afresh: !values.quick, at, say });
    }
    if (isWanted("scaling")) {
      const sizes = [...SIZES[values.quick ? "quick" : "long"], ...(values.rows === undefined ? [] : [rows])];
      await measureScaling({ worker, sizes, quick: values.quick, at, say });
    }
    if (isWanted("size")) {
      await printSize({ worker, directory: at("worker"), tries: values.quick ? 5 : 15, at, say });
    }
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function measureCases(
  bundles: Bundles,
  cases: readonly CaseName[],
  plan: Plan,
  at: (name: string) => string,
): Promise<void> {
  const answered = cases.flatMap((name) => answeredOf(name) ?? []);
  const needed = withTheirFloors([...cases, ...answered]);
  // Floors first.
  const floors = (Object.keys(FLOORS) as FloorName[]).filter((name) => needed.includes(name));
  const names = [...new Set([...floors, ...needed])];
  const began = performance.now();
  const measured = await measureRounds(bundles, names, plan, at, say);
  printMeasured(measured, say);
  printRatios(measured, say);
  say(`\n${plan.rounds} rounds in ${((performance.now() - began) / 1000).toFixed(0)} s`);
}

async function profileCases(
  worker: Bundle,
  cases: readonly CaseName[],
  charges: number,
  at: (name: string) => string,
): Promise<void> {
  const merchant = await Merchant.open(worker, {
    state: at("profiled"),
    concurrency: CPU_LEVEL,
    inspect: true,
  });
  try {
    const resting = { pid: merchant.runtime.pid, rest: () => merchant.rest() };
    for (const name of cases) {
      const warmUp = await prepare(name, merchant, Math.ceil(charges / 5));
      await merchant.send(warmUp.requests, warmUp.judge);
      const { requests, judge } = await prepare(name, merchant, charges);
      await profiling(worker.code)(merchant, name, () =>
        spent(resting, () => merchant.send(requests, judge)),
      );
    }
    await merchant.rest();
    say(`\n${await merchant.verify()}`);
  } finally {
    await merchant.runtime.stop();
  }
}

/** Has work profiled, if the runtime has an inspector; `code` is what it runs. */
function profiling(code: string) {
  return async <T>(merchant: Merchant, name: string, work: () => Promise<T>): Promise<T> => {
    const { inspector } = merchant.runtime;
    if (inspector === null) return await work();
    const file = `${name}.cpuprofile`;
    const { result, heaviest, parts } = await profiled(inspector, file, code, work);
    say(`\n${file}, by function:\n${heaviest.join("\n")}\n\nby part:\n${parts.join("\n")}`);
    return result;
  };
}

function wholeNumber(
  name: string,
  text: string | undefined,
  otherwise: Record<"long" | "quick", number>,
): number {
  if (text === undefined) return otherwise[values.quick ? "quick" : "long"];
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new UsageError(`--${name} takes a whole number`);
  return Number(text);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof UsageError ? error.message : error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
