// Two ways from a ledger's outbox to D1, in interleaved rounds: straight, as the product goes, and by a queue whose
// consumer tells D1 of up to fifty ledgers at once (queued-worker.ts). What a refund takes from rest to rest, how long
// after the answer D1 has it, and what is billed for. At the end messages are lost on purpose; the books must add up in
// both ways.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PROJECT } from "../scripts/wrangler.ts";
import { type Bundle, bundle } from "./bundle.ts";
import { prepare } from "./cases.ts";
import { PRICES } from "./cost.ts";
import type { LoadOutcome } from "./load.ts";
import { table } from "./markdown.ts";
import { quantile, spent, spreadOf } from "./measure.ts";
import { bodyOf, Merchant } from "./merchant.ts";
import type { OutboxControl, OutboxTally } from "./outbox-tally.ts";

/** How long a message waits for others to its batch, s: none and the least above it that the platform knows. */
const WAITS = { "by queue, wait 0 s": 0, "by queue, wait 1 s": 1 } as const;
type WayName = "straight" | keyof typeof WAITS;
const WAYS: readonly WayName[] = ["straight", ...(Object.keys(WAITS) as (keyof typeof WAITS)[])];
const CASES = ["create", "create-hot"] as const;
/** Refunds a second in the last row, which is that of a service that is not busy. */
const PACE = 25;
const PACED = `create, ${PACE} a second`;
/** Seconds of it. */
const PACED_S = 4;

const CONCURRENCY = 16;
const WARM_UP = 80;
/** Refunds in a round on hot charges, at least. */
const HOT_MIN = 200;
const BATCH = 50;
/** Written, read and deleted. */
const OPERATIONS_A_MESSAGE = 3;
/** Refunds, and how many of the messages about them never arrive. */
const LOST = { refunds: 60, messages: 20 };
/** A ledger gives a confirmation up after 10 s, and sends again 2 s later. */
const HEALED_MS = 15_000;

export interface OutboxBench {
  rounds: number;
  /** Charges, with a refund each, in a round. */
  charges: number;
  /** Every round begins with new runtimes and an empty disk. */
  afresh: boolean;
  at: (name: string) => string;
  say: (line: string) => void;
}

interface Figures {
  row: string;
  way: WayName;
  cpuMs: number[];
  perSecond: number[];
  latencies: number[];
  lags: number[];
  refunds: number;
  tallies: OutboxTally[];
}

export async function measureOutbox(bench: OutboxBench): Promise<void> {
  const { rounds, say } = bench;
  const built = await bundle(bench.at("outbox"), { main: "bench/queued-worker.ts" });
  const figures: Figures[] = [];
  let stage: Map<WayName, Merchant> | null = null;
  try {
    for (let round = 0; round < rounds; round++) {
      stage ??= await open(built, bench, round);
      for (const name of CASES) {
        const first = round % WAYS.length;
        for (const way of [...WAYS.slice(first), ...WAYS.slice(0, first)]) {
          const count = name === "create" ? bench.charges : Math.max(bench.charges / 4, HOT_MIN);
          await measureOnce(stage.get(way) as Merchant, figuresOf(figures, name, way), Math.ceil(count));
        }
      }
      const isLast = round === rounds - 1;
      if (!bench.afresh && !isLast) continue;
      if (isLast) {
        for (const [way, merchant] of stage)
          await measureOnce(merchant, figuresOf(figures, PACED, way), PACE * PACED_S, PACE);
        say(await lose(stage));
      }
      for (const [way, merchant] of stage) {
        await merchant.rest();
        say(`round ${round + 1} of ${rounds}, ${way}: ${await merchant.verify()}`);
      }
      await close(stage);
      stage = null;
    }
  } finally {
    if (stage !== null) await close(stage);
  }
  print(figures, say);
}

function figuresOf(figures: Figures[], row: string, way: WayName): Figures {
  const known = figures.find((one) => one.row === row && one.way === way);
  if (known !== undefined) return known;
  const none = { row, way, cpuMs: [], perSecond: [], latencies: [], lags: [], refunds: 0, tallies: [] };
  figures.push(none);
  return none;
}

async function open(built: Bundle, { at }: OutboxBench, round: number): Promise<Map<WayName, Merchant>> {
  const stage = new Map<WayName, Merchant>();
  try {
    for (const way of WAYS) {
      const config =
        way === "straight" ? built.config : await configure(at(`outbox-${WAITS[way]}`), WAITS[way]);
      const state = at(`outbox-state-${round}/${WAYS.indexOf(way)}`);
      const merchant = await Merchant.open({ ...built, config }, { state, concurrency: CONCURRENCY });
      stage.set(way, merchant);
      for (const name of CASES) {
        const { requests, judge } = await prepare(name, merchant, WARM_UP);
        await merchant.send(requests, judge);
      }
    }
    return stage;
  } catch (error) {
    await close(stage);
    throw error;
  }
}

async function close(stage: Map<WayName, Merchant>): Promise<void> {
  await Promise.all([...stage.values()].map(({ runtime }) => runtime.stop()));
}

/** The product's own configuration with one more queue, and without what serves documents. */
async function configure(directory: string, wait: number): Promise<string> {
  const own = await readFile(join(PROJECT, "wrangler.toml"), "utf8");
  const kept = own.split(/^(?=\[)/m).filter((part) => !/^\[(assets|build)\]/.test(part));
  const text = `${kept.join("").replace(/^main = .*$/m, `main = "${join(PROJECT, "bench/queued-worker.ts")}"`)}
[[queues.producers]]
binding = "PROJECTIONS"
queue = "projections"

[[queues.consumers]]
queue = "projections"
max_batch_size = ${BATCH}
max_batch_timeout = ${wait}
max_retries = 5
retry_delay = 2
`;
  await mkdir(directory, { recursive: true });
  const file = join(directory, "wrangler.toml");
  await writeFile(file, text);
  return file;
}

async function control(merchant: Merchant, asked: OutboxControl = {}): Promise<OutboxTally> {
  const response = await fetch(`${merchant.runtime.url}/outbox`, {
    method: "POST",
    body: JSON.stringify(asked),
  });
  return (await response.json()) as OutboxTally;
}

async function measureOnce(
  merchant: Merchant,
  to: Figures,
  count: number,
  perSecond?: number,
): Promise<void> {
  const name = CASES.find((one) => one === to.row) ?? "create";
  const { requests, judge } = await prepare(name, merchant, count);
  await merchant.rest();
  await control(merchant);
  const resting = { pid: merchant.runtime.pid, rest: () => merchant.rest() };
  const { result, usedMs } = await spent(resting, () => merchant.send(requests, judge, { perSecond }));
  const tally = await control(merchant);
  if (tally.alerts > 0) throw new Error(`${tally.alerts} alerts while ${to.row} was measured, ${to.way}`);
  to.cpuMs.push(usedMs / count);
  to.perSecond.push(count / result.seconds);
  for (const { latencyMs } of result.answers) to.latencies.push(latencyMs);
  to.lags.push(...lagsOf(result, tally));
  to.refunds += count;
  to.tallies.push(tally);
}

/** How long after its answer had arrived D1 had each refund, ms. */
function lagsOf({ answers }: LoadOutcome, { toldAt }: OutboxTally): number[] {
  return answers.map((answer) => {
    const id = String(bodyOf(answer).id);
    const at = toldAt[id];
    if (at === undefined) throw new Error(`D1 was never told of ${id}`);
    return at - answer.answeredAt;
  });
}

/** Messages that never arrive: the ledgers' alarms send again what was in them. Throws when something stays untold. */
async function lose(stage: Map<WayName, Merchant>): Promise<string> {
  const [merchant] = [...stage].flatMap(([way, one]) => (way === "straight" ? [] : [one]));
  if (merchant === undefined) throw new Error("there is no way by queue");
  const { requests, judge } = await prepare("create", merchant, LOST.refunds);
  await merchant.rest();
  await control(merchant, { lose: LOST.messages });
  const result = await merchant.send(requests, judge);
  await new Promise((resolve) => setTimeout(resolve, HEALED_MS));
  await merchant.rest();
  const tally = await control(merchant);
  if (tally.alerts !== LOST.messages)
    throw new Error(`${LOST.messages} messages lost, ${tally.alerts} alerts`);
  const late = lagsOf(result, tally)
    .toSorted((a, b) => b - a)
    .slice(0, LOST.messages);
  const [least, most] = [late.at(-1) ?? 0, late[0] ?? 0].map((ms) => (ms / 1000).toFixed(1));
  return (
    `${LOST.messages} of the messages for ${LOST.refunds} refunds were lost on purpose: D1 had those ` +
    `${least} to ${most} s after the answer`
  );
}

function print(figures: readonly Figures[], say: (line: string) => void): void {
  const spread = (values: readonly number[]) => {
    const { median, min, max } = spreadOf(values);
    return values.length === 1
      ? median.toFixed(2)
      : `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`;
  };
  const says = ({ row, way }: Figures) => `${row}: ${way}`;
  const rows = figures.map((one) => {
    const straight = figures.find(({ row, way }) => row === one.row && way === "straight");
    const ratios = one.cpuMs.map((ms, round) => ms / (straight?.cpuMs[round] ?? Number.NaN));
    const answers = one.latencies.toSorted((a, b) => a - b);
    const lags = one.lags.toSorted((a, b) => a - b);
    return [
      says(one),
      spread(one.cpuMs),
      one === straight ? "" : spread(ratios),
      spreadOf(one.perSecond).median.toFixed(0),
      ...[quantile(answers, 0.5), quantile(answers, 0.99)].map((ms) => ms.toFixed(1)),
      ...[quantile(lags, 0.5), quantile(lags, 0.99)].map((ms) => ms.toFixed(0)),
    ];
  });
  say(`\nCPU ms: of a refund from rest to rest, and its ratio to the same of its round; median (least–most)`);
  say(`D1: when it had the refund after the answer had arrived, ms; answer: ms, ${CONCURRENCY} at once\n`);
  const heads = ["CPU ms", "× straight", "refunds/s", "answer p50", "p99", "D1 p50", "p99"];
  for (const line of table([["", ...heads], ...rows])) say(line);

  say("\nOf a refund; USD: of these, for a million refunds\n");
  for (const line of table([
    ["", ...PARTS.map((part) => part.says), "USD"],
    ...figures.map((one) => [says(one), ...operations(one)]),
  ])) {
    say(line);
  }
}

interface Part {
  says: string;
  of: (tally: OutboxTally) => number;
  /** Of one, USD per million; nothing when it is not billed. */
  price: number;
}

/** What of a refund's operations depends on the way. */
const PARTS: readonly Part[] = [
  { says: "D1 batches", of: ({ d1Batches }) => d1Batches, price: 0 },
  { says: "D1 rows read", of: ({ d1RowsRead }) => d1RowsRead, price: PRICES.d1RowRead },
  { says: "written", of: ({ d1RowsWritten }) => d1RowsWritten, price: PRICES.d1RowWritten },
  { says: "ledger calls", of: ({ ledgerCalls }) => ledgerCalls, price: PRICES.objectRequest },
  { says: "alarm runs", of: ({ alarms }) => alarms, price: PRICES.objectRequest },
  {
    says: "queue operations",
    of: ({ messages }) => messages * OPERATIONS_A_MESSAGE,
    price: PRICES.queueOperation,
  },
  { says: "consumer runs", of: ({ consumerRuns }) => consumerRuns, price: PRICES.workerRequest },
  { says: "too large for a message", of: ({ tooLarge }) => tooLarge, price: 0 },
];

function operations({ refunds, tallies }: Figures): string[] {
  const counts = PARTS.map(({ of }) => tallies.reduce((total, tally) => total + of(tally), 0) / refunds);
  const usd = counts.reduce((total, count, i) => total + count * (PARTS[i]?.price ?? 0), 0);
  return [...counts.map((count) => (count === 0 ? "" : count.toFixed(3))), usd.toFixed(2)];
}
