// What the rounds brought, as tables.
import { CASES } from "./cases.ts";
import { COUNTERS } from "./counters.ts";
import { type Case, COUNTED, type Counted } from "./counts.ts";
import { FLOORS } from "./floors.ts";
import { table } from "./markdown.ts";
import { quantile, type Spread, spreadOf } from "./measure.ts";
import { CPU_LEVEL, LEVELS, type Measured, type SubjectName } from "./rounds.ts";
import { COMPARISONS, rates, ratioOf, targetOf } from "./targets.ts";
import type { WebhookBench } from "./webhooks.ts";

const NAME = 25;

export function printMeasured(measured: Map<SubjectName, Measured>, say: (line: string) => void): void {
  say("");
  for (const name of measured.keys()) say(`${name.padEnd(NAME)}${saysOf(name)}`);
  say("\nrequests/s: median of the rounds; p50 and p99: of all answers, ms");
  say(`CPU: ms per request, ${CPU_LEVEL} at once; median of the rounds (least–most)\n`);
  const heads = LEVELS.flatMap((level) => [`${level} at once: req/s`, "p50", "p99"]);
  const rows = [...measured.values()].map((one) => {
    const levels = LEVELS.flatMap((level) => {
      const latencies = (one.levels.get(level)?.latencies ?? []).toSorted((a, b) => a - b);
      if (latencies.length === 0) return ["", "", ""];
      const perSecond = spreadOf(rates(one, level)).median;
      return [perSecond, quantile(latencies, 0.5), quantile(latencies, 0.99)].map(figure);
    });
    return [one.name, ...levels, spread(spreadOf(one.cpuMs))];
  });
  for (const line of table([["", ...heads, "CPU"], ...rows])) say(line);
}

/** Three digits that mean something, the least of them a hundredth. */
function figure(value: number): string {
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}

function spread({ median, min, max }: Spread): string {
  return median === min && median === max
    ? median.toFixed(2)
    : `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`;
}

export function printRatios(measured: Map<SubjectName, Measured>, say: (line: string) => void): void {
  say("\nratios of figures of one round; median of the rounds (least–most)\n");
  const rows = COMPARISONS.flatMap((comparison) => {
    const ratio = ratioOf(comparison, measured);
    if (ratio === null) return [];
    const { of, over, figure } = comparison;
    const what = figure === "perSecond" ? "requests/s" : "CPU";
    return [[of, what, `× ${over}`, spread(ratio), ...targetOf(comparison, ratio)]];
  });
  for (const line of table([["", "of", "over", "ratio", "target", ""], ...rows])) say(line);
}

/** Prints the rows of the webhooks as they come. */
export function webhookPrinter(say: (line: string) => void): WebhookBench["print"] {
  say("\n              deliveries/s lag p50 ms lag p99 ms  CPU ms/delivery    × floor");
  return ({ name, perSecond, p50Ms, p99Ms, cpuMs }, floor, says) => {
    const ofFloor = cpuMs === null || floor === null || floor.cpuMs === null ? null : cpuMs / floor.cpuMs;
    const columns = [
      name.padEnd(15),
      perSecond.toFixed(0).padStart(11),
      p50Ms.toFixed(2).padStart(11),
      p99Ms.toFixed(2).padStart(11),
      (cpuMs?.toFixed(2) ?? "").padStart(17),
      (ofFloor?.toFixed(1) ?? "").padStart(11),
    ];
    say(`${columns.join("")}   ${says}`);
  };
}

/** What each case did until its answer and afterwards; statements are left out. */
export function printCounts(counted: Map<Case, Counted>, say: (line: string) => void): void {
  const shown = COUNTERS.filter((counter) => counter !== "ledger statements" && counter !== "D1 statements");
  const told = (before: number, after: number) =>
    after === 0 ? String(before || "") : `${before} + ${after}`;
  say("\nUntil the answer, + afterwards; nothing where nothing stands.\n");
  const rows = [...counted].map(([name, { before, after }]) => [
    COUNTED[name],
    ...shown.map((counter) => told(before[counter], after[counter])),
  ]);
  for (const line of table([["", ...shown], ...rows])) say(line);
}

function saysOf(name: SubjectName): string {
  if (name in FLOORS) return `floor: ${FLOORS[name as keyof typeof FLOORS]}`;
  if (name in CASES) return CASES[name as keyof typeof CASES];
  return "the same, without what follows the answer";
}
