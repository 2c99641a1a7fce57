// Runs simulated days and says what happened: npm run simulate -- --seeds 200 --seed 1, or for as long as --minutes says.
// A seed that broke something does so every time: its first violation is told with the story of the charge it is about,
// and with --trace everything of that day is. With --deliveries it simulates weeks of webhook delivery instead.
import { parseArgs } from "node:util";
import { simulateDeliveries } from "../test/simulation/deliveries/simulation.ts";
import { simulate } from "../test/simulation/simulation.ts";
import { storyOf } from "../test/simulation/trace.ts";

const TRACE_LINES_MAX = 1_000_000;

const { values } = options();

const first = Number(values.seed);
const endsAt = values.minutes === undefined ? null : performance.now() + Number(values.minutes) * 60_000;
const count =
  values.seeds === undefined ? (endsAt === null ? 100 : Number.MAX_SAFE_INTEGER) : Number(values.seeds);
if (!Number.isSafeInteger(first) || !Number.isSafeInteger(count) || count < 1 || Number.isNaN(endsAt)) {
  console.error("--seed and --seeds take whole numbers, --minutes a number");
  process.exit(2);
}

const totals: Record<string, number> = {};
/** What is counted by kind: alerts, or why endpoints were disabled. */
const kinds: Record<string, Record<string, number>> = {};
const broken: number[] = [];
const started = performance.now();
const run = values.deliveries ? simulateDeliveries : simulate;
let seed = first;
for (; seed - first < count && (endsAt === null || performance.now() < endsAt); seed++) {
  const { violations, trace: _trace, digest, seed: _, ...counts } = await run(seed);
  for (const [name, counted] of Object.entries(counts)) {
    if (typeof counted === "number") {
      // The worst of all, not the sum.
      if (name.endsWith("LateMs")) totals[name] = Math.max(totals[name] ?? 0, counted);
      else totals[name] = (totals[name] ?? 0) + counted;
      continue;
    }
    kinds[name] ??= {};
    for (const [kind, n] of Object.entries(counted)) kinds[name][kind] = (kinds[name][kind] ?? 0) + n;
  }
  if (violations.length === 0) continue;
  broken.push(seed);
  console.log(`seed ${seed} (${digest.slice(0, 12)}): ${violations.length} violations`);
  for (const violation of violations.slice(0, 10)) console.log(`  ${violation}`);
  const { trace } = await run(seed, { keepTrace: TRACE_LINES_MAX });
  const told = values.trace ? trace : storyOf(violations[0] as string, trace);
  console.log(told.map((line) => `    ${line}`).join("\n"));
}

const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.log(`seeds ${first} to ${seed - 1} in ${seconds} s`);
for (const [name, total] of Object.entries(totals)) console.log(`  ${name.padEnd(14)}${total}`);
for (const [name, counts] of Object.entries(kinds)) {
  const words = Object.entries(counts).map(([kind, n]) => `${kind} ${n}`);
  console.log(`  ${name.padEnd(14)}${words.join(", ")}`);
}
console.log(`  ${"broken seeds".padEnd(14)}${broken.length === 0 ? "none" : broken.join(" ")}`);
process.exit(broken.length === 0 ? 0 : 1);

function options() {
  try {
    return parseArgs({
      options: {
        seeds: { type: "string" },
        minutes: { type: "string" },
        seed: { type: "string", default: "1" },
        trace: { type: "boolean", default: false },
        deliveries: { type: "boolean", default: false },
      },
    });
  } catch {
    console.error("Usage: npm run simulate -- [--deliveries] [--seeds N] [--seed S] [--minutes M] [--trace]");
    process.exit(2);
  }
}
