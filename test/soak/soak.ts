// A soak: the real local runtime under a steady mixed load for minutes, watched from outside; then everything comes to
// rest, the runtime is ended, and what is on its disk is held against what its clients, the channel and the receivers
// know.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openD1, storedLedgers } from "../chaos/disk.ts";
import type { Runtime } from "../chaos/runtime.ts";
import { Dice } from "../emulators/dice.ts";
import { KINDS, type Kind } from "./ask.ts";
import { Books } from "./books.ts";
import { check, type Verdict } from "./check.ts";
import { tableSizes } from "./disk.ts";
import {
  fitLine,
  type Growth,
  growthOf,
  type Latency,
  type Line,
  lastHalf,
  latencyOf,
  type Sizes,
  sizesOf,
  type TableSize,
} from "./figures.ts";
import { openingsOf, type Stock, stockOf, type Usage, usageOf } from "./gauges.ts";
import { newTally, sendFlatOut, sendSteadily, type Tally } from "./load.ts";
import { drawAsk } from "./mix.ts";
import { Outside } from "./outside.ts";
import { openService, type Service } from "./service.ts";
import { repeat } from "./writes.ts";

/** Of what the machine can do, work that follows an answer counted: the rest is for bursts and for whoever else works. */
const SHARE = 0.6;
const CALIBRATION_MS = 8_000;
const WARM_MS = 2_000;
const CRON_MS = 60_000;
const REST_CRON_MS = 10_000;
const USAGE_MS = 1_000;
const LOOK_MS = 500;
/** Deliveries to the slow receiver, and of refunds that the channel has not ended yet. */
const WAITING_MAX = 10;
/** After this the ledgers' own alarms have fired, and the local runtime has put idle ones out of memory. */
const IDLE_MS = 15_000;
/** Numbers of refunds of which the ledgers' sizes are told. */
const COUNTS = [0, 1, 10, 50];

export interface SoakOptions {
  minutes: number;
  /** Requests a second; a share of what the machine can do when left out. */
  rate?: number;
  connections: number;
  /** Seconds between two lines. */
  every: number;
  seed: number;
  /** How long everything may take to come to rest, s. */
  drain: number;
  keep: boolean;
  /** Ends the load early; what follows is done all the same. */
  stop: AbortSignal;
  say: (line: string) => void;
  /** Hears what happened in each stretch of the load. */
  look: (stretch: Stretch) => void;
}

/** What happened since the last look. */
export interface Stretch {
  seconds: number;
  perSecond: number;
  all: Latency;
  create: Latency;
  tally: Tally;
  usage: Usage;
  /** Bytes more than when the load began. */
  grown: number;
  /** Processor time of the runtime by time; 1 is one processor. */
  processors: number;
  stock: Stock;
  /** Refunds that were acknowledged and are not in D1 yet. */
  unsynced: number;
}

export interface SoakReport {
  /** Requests a second that were sent at most; null when the rate was given. */
  capacity: number | null;
  rate: number;
  seconds: number;
  tally: Tally;
  latencies: Map<Kind | "all", Latency>;
  charges: number;
  acknowledged: number;
  /** ms until nothing was left to do; null when patience ended before. */
  restMs: number | null;
  memory: {
    begun: Usage;
    ended: Usage;
    /** After a rest in which idle ledgers leave memory. */
    idle: Usage;
    /** Bytes for each charge, in the last half. */
    perCharge: Line | null;
    /** Bytes for each time a ledger came into memory, in the last half. */
    perOpening: Line | null;
    /** Open files at the begin and the end of that half: while they grow, so does what is in memory by right. */
    files: readonly [number, number];
    /** Ledgers that came into memory, repeats counted. */
    opened: number;
  };
  ledgers: Map<number, Sizes>;
  tables: TableSize[];
  growth: Growth;
  verdict: Verdict;
  state: string | null;
  log: string;
}

export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  const state = mkdtempSync(join(tmpdir(), "edge-refunds-soak-"));
  const outside = await Outside.open(options.seed);
  let runtime: Runtime | null = null;
  const abandon = () => {
    runtime?.abandon();
    if (!options.keep) rmSync(state, { recursive: true, force: true });
  };
  process.once("exit", abandon);
  try {
    const service = await openService(state, outside, (one) => {
      runtime = one;
    });
    return await new Soak(options, service, outside, state).run();
  } finally {
    await (runtime as Runtime | null)?.close();
    process.off("exit", abandon);
    outside.close();
    if (!options.keep) rmSync(state, { recursive: true, force: true });
  }
}

/** D1 knows everything, every refund has ended and every event was delivered. */
function isAtRest(stock: Stock, acknowledged: number): boolean {
  const { open, promises, undelivered, refunds } = stock;
  return open + promises + undelivered === 0 && refunds >= acknowledged;
}

/** What is left waits for a time, not for the machine. */
function hasCaughtUp({ undelivered, refunds }: Stock, acknowledged: number): boolean {
  return undelivered <= WAITING_MAX && refunds >= acknowledged;
}

class Soak {
  readonly #options: SoakOptions;
  readonly #service: Service;
  readonly #outside: Outside;
  readonly #state: string;
  readonly #books: Books;
  readonly #dice: Dice;
  /** Of whatever is not measured: its answers must be right all the same. */
  readonly #aside = newTally();
  readonly #tally = newTally();
  #stretch = newTally();
  readonly #memory: { charges: number; openings: number; bytes: number; files: number }[] = [];

  constructor(options: SoakOptions, service: Service, outside: Outside, state: string) {
    this.#options = options;
    this.#service = service;
    this.#outside = outside;
    this.#state = state;
    this.#books = new Books(service.shops);
    this.#dice = new Dice(options.seed);
  }

  async run(): Promise<SoakReport> {
    const { minutes, stop } = this.#options;
    const { runtime, pid } = this.#service;
    await sendFlatOut(this.#load(), WARM_MS, this.#aside);
    const capacity = this.#options.rate === undefined ? await this.#calibrate() : null;
    const rate = this.#options.rate ?? Math.max(1, Math.floor((capacity ?? 0) * SHARE));
    this.#options.say(`${rate} requests a second for ${minutes} minutes`);
    const over = new AbortController();
    const begun = usageOf(pid);
    const watching = [
      this.#every(CRON_MS, over.signal, () => runtime.ask("cron")),
      this.#every(USAGE_MS, over.signal, async () => {
        const openings = await openingsOf(runtime);
        const { rss, files } = usageOf(pid);
        this.#memory.push({ charges: this.#books.charges.length, openings, bytes: rss, files });
      }),
      this.#watch(begun, over.signal),
    ];
    const startedAt = performance.now();
    try {
      await sendSteadily(this.#load(), rate, minutes * 60_000, () => [this.#tally, this.#stretch]);
    } finally {
      over.abort();
    }
    await Promise.all(watching);
    const seconds = (performance.now() - startedAt) / 1000;
    const ended = usageOf(pid);
    this.#options.say(`${stop.aborted ? "interrupted" : "the load is over"}; everything comes to rest`);
    await this.#settle();
    const restMs = await this.#until(isAtRest, this.#options.drain * 1_000);
    await sleep(IDLE_MS);
    const idle = usageOf(pid);
    const opened = await openingsOf(runtime);
    await runtime.kill();
    const late = lastHalf(this.#memory);
    const perCharge = fitLine(late.map(({ charges, bytes }) => [charges, bytes]));
    const perOpening = fitLine(late.map(({ openings, bytes }) => [openings, bytes]));
    const files = [late.at(0)?.files ?? 0, late.at(-1)?.files ?? 0] as const;
    const memory = { begun, ended, idle, perCharge, perOpening, files, opened };
    return { capacity, rate, seconds, restMs, memory, ...(await this.#harvest()) };
  }

  #load() {
    const { connections, stop } = this.#options;
    return {
      url: this.#service.runtime.url,
      connections,
      stop,
      draw: () => drawAsk(this.#books, this.#dice),
    };
  }

  /** How many requests a second the machine can do for ever: until D1 and the receivers have what follows from them. */
  async #calibrate(): Promise<number> {
    const patienceMs = this.#options.drain * 1_000;
    await this.#until(hasCaughtUp, patienceMs);
    const begun = performance.now();
    const sent = await sendFlatOut(this.#load(), CALIBRATION_MS, this.#aside);
    const sending = (performance.now() - begun) / 1000;
    await this.#until(hasCaughtUp, patienceMs);
    const seconds = (performance.now() - begun) / 1000;
    const flatOut = (sent / sending).toFixed(0);
    const all = (sent / seconds).toFixed(0);
    this.#options.say(`flat out ${flatOut} requests/s; ${all} when the work that follows answers is counted`);
    return sent / seconds;
  }

  /** Asks again for what was not answered, so that everything asked for under a key is known to be, or not to be. */
  async #settle(): Promise<void> {
    const stop = new AbortController().signal;
    for (let tries = 0; this.#books.unsettled.length > 0 && tries < 5; tries++) {
      const load = { ...this.#load(), stop, connections: 1, draw: () => repeat(this.#books, this.#dice) };
      await sendFlatOut(load, 200 * this.#books.unsettled.length, this.#aside);
    }
  }

  /** Looks until it is so, and returns after how many ms it was; null when patience ends first. */
  async #until(
    isSo: (stock: Stock, acknowledged: number) => boolean,
    patienceMs: number,
  ): Promise<number | null> {
    const { runtime } = this.#service;
    const begun = performance.now();
    let cronAt = begun + REST_CRON_MS;
    while (performance.now() - begun < patienceMs) {
      const acknowledged = this.#books.refunds.length;
      if (isSo(await stockOf(runtime), acknowledged)) return performance.now() - begun;
      await sleep(LOOK_MS);
      if (performance.now() < cronAt) continue;
      cronAt += REST_CRON_MS;
      await runtime.ask("cron");
    }
    return null;
  }

  async #watch(begun: Usage, over: AbortSignal): Promise<void> {
    const { runtime, pid } = this.#service;
    const startedAt = performance.now();
    let last = begun;
    await this.#every(this.#options.every * 1_000, over, async () => {
      const stretch = this.#stretch;
      this.#stretch = newTally();
      const acknowledged = this.#books.refunds.length;
      const stock = await stockOf(runtime);
      const usage = usageOf(pid);
      const latencies = [...stretch.byKind.values()].flatMap((kind) => kind.latencies);
      this.#options.look({
        seconds: (usage.at - startedAt) / 1000,
        perSecond: (latencies.length / (usage.at - last.at)) * 1000,
        all: latencyOf(latencies),
        create: latencyOf(stretch.byKind.get("create")?.latencies ?? []),
        tally: stretch,
        usage,
        grown: usage.rss - begun.rss,
        processors: (usage.processor - last.processor) / (usage.at - last.at),
        stock,
        unsynced: Math.max(0, acknowledged - stock.refunds),
      });
      last = usage;
    });
  }

  /** Does it again and again until it is over. A look that fails is told, and the next one is tried. */
  async #every(ms: number, over: AbortSignal, work: () => Promise<unknown>): Promise<void> {
    while (!over.aborted) {
      await sleep(ms, undefined, { signal: over }).catch(() => {});
      if (over.aborted) return;
      await work().catch((error: unknown) => this.#options.say(`cannot look: ${error}`));
    }
  }

  async #harvest() {
    const sizes = new Map<number, number[]>();
    const ledgers = function* (state: string) {
      for (const ledger of storedLedgers(state)) {
        const { bytes, refunds } = ledger;
        const same = sizes.get(refunds.length);
        if (same === undefined) sizes.set(refunds.length, [bytes]);
        else same.push(bytes);
        yield ledger;
      }
    };
    const outside = await this.#outside.books();
    const db = openD1(this.#state);
    try {
      const { endpoints } = this.#service;
      const verdict = check({ books: this.#books, ledgers: ledgers(this.#state), db, outside, endpoints });
      const tables = tableSizes(db);
      const [charges, acknowledged] = [this.#books.charges.length, this.#books.refunds.length];
      this.#tally.wrong.push(...this.#aside.wrong);
      this.#tally.outcomes.wrong += this.#aside.outcomes.wrong;
      return {
        tally: this.#tally,
        latencies: this.#latencies(),
        charges,
        acknowledged,
        ledgers: new Map(COUNTS.map((count) => [count, sizesOf(sizes.get(count) ?? [])])),
        tables,
        growth: growthOf(tables, charges, verdict.refunds),
        verdict,
        state: this.#options.keep ? this.#state : null,
        log: this.#service.runtime.log,
      };
    } finally {
      db.close();
    }
  }

  #latencies(): Map<Kind | "all", Latency> {
    const { byKind } = this.#tally;
    const all = [...byKind.values()].flatMap(({ latencies }) => latencies);
    const kinds = KINDS.filter((kind) => byKind.has(kind));
    return new Map<Kind | "all", Latency>([
      ["all", latencyOf(all)],
      ...kinds.map((kind): [Kind, Latency] => [kind, latencyOf(byKind.get(kind)?.latencies ?? [])]),
    ]);
  }
}
