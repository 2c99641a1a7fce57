// Runs simulated days and says what happened: npm run simulate -- --seeds 200 --seed 1. With --trace it prints every
// event of the days that broke something. A seed that broke something does so every time.
import { parseArgs } from "node:util";
import { simulate } from "../test/simulation/simulation.ts";

const { values } = options();

const first = Number(values.seed);
const count = Number(values.seeds);
if (!Number.isSafeInteger(first) || !Number.isSafeInteger(count) || count < 1) {
  console.error("--seed and --seeds take whole numbers");
  process.exit(2);
}

const totals = {
  refunds: 0,
  succeeded: 0,
  refused: 0,
  doubts: 0,
  conflicts: 0,
  lost: 0,
  crashes: 0,
  alarms: 0,
  channelCalls: 0,
  notices: 0,
  events: 0,
  steps: 0,
};
const alerts: Record<string, number> = {};
const broken: number[] = [];
const started = performance.now();
for (let seed = first; seed < first + count; seed++) {
  const outcome = await simulate(seed, { keepTrace: values.trace ? 1_000_000 : 0 });
  for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += outcome[name];
  for (const [kind, count] of Object.entries(outcome.alerts)) alerts[kind] = (alerts[kind] ?? 0) + count;
  if (outcome.violations.length === 0) continue;
  broken.push(seed);
  console.log(`seed ${seed} (${outcome.digest.slice(0, 12)}): ${outcome.violations.length} violations`);
  for (const violation of outcome.violations.slice(0, 10)) console.log(`  ${violation}`);
  if (values.trace) console.log(outcome.trace.join("\n"));
}

const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.log(`seeds ${first} to ${first + count - 1} in ${seconds} s`);
for (const [name, total] of Object.entries(totals)) console.log(`  ${name.padEnd(14)}${total}`);
console.log(
  `  alerts        ${Object.entries(alerts)
    .map(([kind, n]) => `${kind} ${n}`)
    .join(", ")}`,
);
console.log(`  ${"broken seeds".padEnd(14)}${broken.length === 0 ? "none" : broken.join(" ")}`);
process.exit(broken.length === 0 ? 0 : 1);

function options() {
  try {
    return parseArgs({
      options: {
        seeds: { type: "string", default: "100" },
        seed: { type: "string", default: "1" },
        trace: { type: "boolean", default: false },
      },
    });
  } catch {
    console.error("Usage: npm run simulate -- [--seeds N] [--seed S] [--trace]");
    process.exit(2);
  }
}
