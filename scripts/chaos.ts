// Kills the real local runtime every second or so and says what that broke: npm run chaos -- --seconds 60 --seed 1. With
// --keep the state of a run that broke something stays on the disk. The seed draws the same faults, kills and wishes
// again, not the same interleaving: processes are not deterministic.
import { parseArgs } from "node:util";
import { type ChaosReport, runChaos } from "../test/chaos/chaos.ts";
import { print } from "./terminal.ts";

const USAGE = "Usage: npm run chaos -- [--seconds N] [--seed S] [--keep]";
const VIOLATIONS_SHOWN = 20;

const { seconds, seed, keep } = options();
const report = await runChaos({ seconds, seed, keep, say: (line) => console.log(line) });
tell(report);
process.exit(report.violations.length === 0 ? 0 : 1);

function tell({ refunds, injected, deliveries, violations, stories, ...counts }: ChaosReport): void {
  const told = Object.entries(deliveries).map(([status, count]) => `${count} ${status}`);
  print([
    ["seed", String(counts.seed)],
    ["kills", `${counts.kills} of ${counts.starts} starts, each ready after ${counts.startMs} ms`],
    ["charges", String(counts.charges)],
    [
      "refunds",
      `${refunds.asked} asked for, ${refunds.made} made: ${refunds.succeeded} succeeded, ${refunds.failed} failed, ` +
        `${refunds.pending} pending at the channel`,
    ],
    [
      "requests",
      `${counts.requests}, ${counts.unanswered} without an answer, ${counts.retries} of them repeats`,
    ],
    ["promises", String(counts.promises)],
    ["events", String(counts.events)],
    ["deliveries", told.join(", ")],
    ["arrived", `${counts.arrived}, ${counts.duplicates} of them duplicates`],
    ["injected", `D1 ${injected.d1}, queues ${injected.queue}, ledgers ${injected.ledger}`],
    ["at rest after", `${(counts.convergedMs / 1000).toFixed(1)} s`],
    ["violations", String(violations.length)],
  ]);
  for (const { rule, words } of violations.slice(0, VIOLATIONS_SHOWN)) console.log(`  ${rule}: ${words}`);
  for (const story of stories) console.log(story.join("\n"));
  if (counts.state !== null) console.log(`the state is in ${counts.state}`);
}

function options(): { seconds: number; seed: number; keep: boolean } {
  try {
    const { values } = parseArgs({
      options: {
        seconds: { type: "string", default: "45" },
        seed: { type: "string", default: "1" },
        keep: { type: "boolean", default: false },
      },
    });
    const [duration, first] = [Number(values.seconds), Number(values.seed)];
    if (!(duration > 0) || !Number.isSafeInteger(first)) throw new TypeError("not a number");
    return { seconds: duration, seed: first, keep: values.keep };
  } catch {
    console.error(USAGE);
    process.exit(2);
  }
}
