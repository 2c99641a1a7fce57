// Runs simulated days and says what happened: npm run simulate -- --seeds 200 --seed 1. With --trace it prints every
// event of the days that broke something. A seed that broke something does so every time. With --deliveries it simulates
// weeks of webhook delivery instead.
import { parseArgs } from "node:util";
import { simulateDeliveries } from "../test/simulation/deliveries/simulation.ts";
import { simulate } from "../test/simulation/simulation.ts";

const { values } = options();

const first = Number(values.seed);
const count = Number(values.seeds);
if (!Number.isSafeInteger(first) || !Number.isSafeInteger(count) || count < 1) {
  console.error("--seed and --seeds take whole numbers");
  process.exit(2);
}

const totals: Record<string, number> = {};
/** What is counted by kind: alerts, or why endpoints were disabled. */
const kinds: Record<string, Record<string, number>> = {};
const broken: number[] = [];
const started = performance.now();
for (let seed = first; seed < first + count; seed++) {
  const run = values.deliveries ? simulateDeliveries : simulate;
  const {
    violations,
    trace,
    digest,
    seed: _,
    ...counts
  } = await run(seed, {
    keepTrace: values.trace ? 1_000_000 : 0,
  });
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
  if (values.trace) console.log(trace.join("\n"));
}

const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.log(`seeds ${first} to ${first + count - 1} in ${seconds} s`);
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
        seeds: { type: "string", default: "100" },
        seed: { type: "string", default: "1" },
        trace: { type: "boolean", default: false },
        deliveries: { type: "boolean", default: false },
      },
    });
  } catch {
    console.error("Usage: npm run simulate -- [--deliveries] [--seeds N] [--seed S] [--trace]");
    process.exit(2);
  }
}
