// A sustained mixed load on the real local runtime: npm run soak -- --minutes 10. Says every few seconds how it goes, and
// at the end what was lost, what a ledger and D1 have grown to, and what became of the memory.
//   --minutes N      (5)
//   --rate N         requests a second; 60 % of what this machine can do when left out
//   --connections N  (16)
//   --every S        seconds between two lines (10)
//   --drain S        how long everything may take to come to rest (120)
//   --seed S         (1)
//   --keep           leaves the state directory, and says where it is
// Ctrl-C ends the load, and the report follows; a second one ends everything. State is written below TMPDIR. Ends with 1
// when something was lost, an answer was wrong or missing, or a ledger is too large; with 2 when it was called in a way it does not
// know.
import { parseArgs } from "node:util";
import { type Latency, refundsIn } from "../test/soak/figures.ts";
import { runSoak, type SoakReport, type Stretch } from "../test/soak/soak.ts";
import { print } from "./terminal.ts";

const USAGE =
  "Usage: npm run soak -- [--minutes N] [--rate N] [--connections N] [--every S] [--drain S] [--seed S] [--keep]";
const MIB = 1024 ** 2;
/** D1's limit. */
const D1_BYTES = 10e9;
/** Of a ledger with one refund. */
const LEDGER_MAX = 16 * 1024;
const SHOWN = 20;
const LOG_SHOWN = 4_000;

const options = parsed();
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(130);
    console.log("ending; once more ends it without a report");
    stop.abort();
  });
}
const report = await runSoak({ ...options, stop: stop.signal, say: (line) => console.log(line), look });
tell(report);
process.exit(failuresOf(report).count === 0 ? 0 : 1);

function look({
  seconds,
  perSecond,
  all,
  create,
  tally,
  usage,
  grown,
  processors,
  stock,
  unsynced,
}: Stretch): void {
  const { wrong, unanswered, "turned away": turnedAway } = tally.outcomes;
  const columns = [
    `${seconds.toFixed(0).padStart(5)} s`,
    `${perSecond.toFixed(0)}/s`,
    `all ${ms(all)}`,
    `create ${ms(create)}`,
    `${wrong} wrong, ${turnedAway} 503, ${unanswered} unanswered`,
    `memory ${mib(usage.rss)} (${grown < 0 ? "" : "+"}${mib(grown)}), ${usage.files} files, processor ${percent(processors)}`,
    `D1 ${mib(stock.size)}, ${stock.refunds} refunds, ${stock.events} events`,
    `backlog ${unsynced} refunds, ${stock.open} open, ${stock.undelivered} deliveries`,
  ];
  console.log(columns.join(" · "));
}

function tell(told: SoakReport): void {
  const { tally, verdict, memory, growth, tables, ledgers } = told;
  const failures = failuresOf(told);
  const { right, wrong, unanswered, "turned away": turnedAway } = tally.outcomes;
  console.log("\nlatency from when a request was due, ms");
  console.log(`${"".padEnd(14)}${["requests", "p50", "p95", "p99", "max"].map(column).join("")}`);
  for (const [kind, { count, p50, p95, p99, max }] of told.latencies) {
    const figures = [String(count), ...[p50, p95, p99, max].map((value) => value.toFixed(1))];
    console.log(`${kind.padEnd(14)}${figures.map(column).join("")}`);
  }
  console.log("\nD1, tables with their indexes");
  console.log(`${"".padEnd(20)}${["rows", "MiB", "bytes a row"].map(column).join("")}`);
  for (const { table, rows, bytes } of tables) {
    const figures = [String(rows), (bytes / MIB).toFixed(2), (bytes / rows).toFixed(0)];
    console.log(`${table.padEnd(20)}${figures.map(column).join("")}`);
  }
  const delivered = Object.entries(verdict.deliveries).map(([status, count]) => `${count} ${status}`);
  const { perCharge, perRefund, lasting } = growth;
  const holds = (bytes: number) => `${(refundsIn(D1_BYTES, bytes, perCharge) / 1e6).toFixed(1)} million`;
  console.log("");
  print([
    [
      "requests",
      `${right + wrong + unanswered + turnedAway} in ${told.seconds.toFixed(0)} s at ${told.rate}/s: ${wrong} wrong, ` +
        `${turnedAway} honest 503, ${unanswered} unanswered, ${tally.unsent} due and never sent`,
    ],
    [
      "refunds",
      `${told.acknowledged} acknowledged, ${verdict.refunds} in ${verdict.ledgers} ledgers, ${verdict.unheard} made and not told`,
    ],
    [
      "deliveries",
      `${delivered.join(", ")}; ${verdict.arrived} arrived, ${verdict.duplicates} of them twice`,
    ],
    [
      "at rest after",
      told.restMs === null ? `not after ${options.drain} s` : `${(told.restMs / 1000).toFixed(1)} s`,
    ],
    [
      "memory",
      `${mib(memory.begun.rss)} before, ${mib(memory.ended.rss)} under load, ${mib(memory.idle.rss)} at rest; ` +
        `not files': ${mib(memory.begun.anonymous)}, ${mib(memory.ended.anonymous)}, ${mib(memory.idle.anonymous)}`,
    ],
    [
      "",
      memory.perCharge === null || memory.perOpening === null
        ? "too short for a line through it"
        : `in the last half ${mib(memory.perCharge.slope * 1000)} ± ${mib(2 * memory.perCharge.error * 1000)} for each ` +
          `1,000 charges; ${mib(memory.perOpening.slope * 1000)} ± ${mib(2 * memory.perOpening.error * 1000)} for each ` +
          `1,000 times a ledger came into memory, while open files went from ${memory.files.join(" to ")}`,
    ],
    [
      "open files",
      `${memory.begun.files} before, ${memory.ended.files} under load, ${memory.idle.files} at rest; ` +
        `${memory.opened} times a ledger came into memory for ${verdict.ledgers} ledgers`,
    ],
    ...[...ledgers]
      .filter(([, { count }]) => count > 0)
      .map(([refunds, { count, median, max }]): [string, string] => [
        `ledger of ${refunds}`,
        `${kib(median)} in the median, ${kib(max)} at most (${count})`,
      ]),
    [
      "D1's growth",
      `${perRefund.toFixed(0)} bytes a refund with its events and deliveries, ${lasting.toFixed(0)} once delivered ` +
        `deliveries are removed after 30 days; ${perCharge.toFixed(0)} a charge`,
    ],
    [
      "10 GB are",
      `${holds(perRefund)} refunds, each of a charge of its own; ${holds(lasting)} without their deliveries`,
    ],
    ["violations", String(failures.count)],
  ]);
  for (const words of failures.words.slice(0, SHOWN)) console.log(`  ${words}`);
  if (failures.count > 0 && told.log !== "") console.log(`the runtime wrote:\n${told.log.slice(-LOG_SHOWN)}`);
  if (told.state !== null) console.log(`the state is in ${told.state}`);
}

/** Why this run does not pass: how many times, and the first of them in words. */
function failuresOf({ tally, verdict, ledgers }: SoakReport): { count: number; words: string[] } {
  const one = ledgers.get(1)?.max ?? 0;
  const { wrong, unanswered } = tally.outcomes;
  const others = [
    ...(unanswered > 0 ? [`${unanswered} requests got no answer at all`] : []),
    ...(one > LEDGER_MAX ? [`a ledger of one refund takes ${kib(one)}`] : []),
  ];
  return {
    count: wrong + verdict.count + others.length,
    words: [...others, ...tally.wrong, ...verdict.violations],
  };
}

function column(text: string): string {
  return text.padStart(12);
}

function ms({ p50, p95, p99, max }: Latency): string {
  return `${[p50, p95, p99, max].map((value) => value.toFixed(0)).join("/")} ms`;
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`;
}

function kib(bytes: number): string {
  return `${(bytes / 1024).toFixed(1)} KiB`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

function parsed() {
  try {
    const { values } = parseArgs({
      options: {
        minutes: { type: "string", default: "5" },
        rate: { type: "string" },
        connections: { type: "string", default: "16" },
        every: { type: "string", default: "10" },
        drain: { type: "string", default: "120" },
        seed: { type: "string", default: "1" },
        keep: { type: "boolean", default: false },
      },
    });
    const positive = (text: string, most: number) => {
      const value = Number(text);
      if (!(value > 0 && value <= most)) throw new RangeError(text);
      return value;
    };
    return {
      minutes: positive(values.minutes, 7 * 24 * 60),
      rate: values.rate === undefined ? undefined : positive(values.rate, 100_000),
      connections: Math.ceil(positive(values.connections, 1_000)),
      every: positive(values.every, 3_600),
      drain: positive(values.drain, 3_600),
      seed: Math.ceil(positive(values.seed, 2 ** 32)),
      keep: values.keep,
    };
  } catch {
    console.error(USAGE);
    process.exit(2);
  }
}
