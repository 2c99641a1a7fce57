// A storm: the real local runtime on disk, killed every second or so, D1, queues and ledgers that fail, channels and
// receivers that fail too, and clients who want refunds all the while. Then everything is healed, comes to rest, and is
// held against the books of those who saw it from outside.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../scripts/dev-server.ts";
import { newMasterKeys } from "../../scripts/dev-vars.ts";
import { Dice } from "../emulators/dice.ts";
import type { Patch } from "../mutants/patch.ts";
import { bundleWorker } from "./bundle.ts";
import { checkSoFar } from "./check-so-far.ts";
import { check } from "./checker.ts";
import { Clients } from "./clients.ts";
import { CALM, drawLife, type Life } from "./faults.ts";
import { readDisk, readEverything, untilRest } from "./harvest.ts";
import { type Outside, openOutside } from "./outside.ts";
import { answersOf, type Records, type Violation } from "./records.ts";
import { Runtime } from "./runtime.ts";
import { type Scene, setScene } from "./scene.ts";
import { storyOf } from "./story.ts";
import { SHORT_TIMES } from "./timings.ts";

/** The schedules of the webhooks end within half a minute, and five days of failures in 43 seconds. */
const RETRY_SCALE = "0.0001";
const CLIENTS = 10;
const LIFE_MS = [500, 2_000] as const;
const CRON_MS = 2_000;
/** How long everything may take to come to rest: what is left in the product's own times, and for each second of storm another. */
const PATIENCE_MS = 60_000;
/** After this a sandbox refund that was to come back has. */
const TURNED_MS = 2_500;
const STORIES_MAX = 3;

export interface ChaosOptions {
  seconds: number;
  seed: number;
  patches?: readonly Patch[];
  /** Ends the storm as soon as something is seen that must never be; what is seen only at rest ends it anyway. */
  stopAtFirstViolation?: boolean;
  /** Keeps the state directory, whose path the report tells. */
  keep?: boolean;
  patienceMs?: number;
  clients?: number;
  /** Hears what is going on. */
  say?: (line: string) => void;
}

export interface ChaosReport {
  seed: number;
  kills: number;
  starts: number;
  /** ms from the order to start until it served, the median. */
  startMs: number;
  charges: number;
  refunds: { asked: number; made: number; succeeded: number; failed: number; pending: number };
  requests: number;
  retries: number;
  unanswered: number;
  events: number;
  deliveries: Record<string, number>;
  arrived: number;
  duplicates: number;
  /** Faults of our own making that struck; the last few of each life are not counted. */
  injected: { d1: number; queue: number; ledger: number };
  /** Promises that were made in the place of a ledger. */
  promises: number;
  convergedMs: number;
  violations: Violation[];
  stories: string[][];
  state: string | null;
  /** The end of what the runtime wrote. */
  log: string;
}

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const dice = new Dice(options.seed);
  const code = await bundleWorker("test/chaos/faulty-worker.ts", [
    ...SHORT_TIMES,
    ...(options.patches ?? []),
  ]);
  const state = mkdtempSync(join(tmpdir(), "edge-refunds-chaos-"));
  const outside = await openOutside(dice.fork());
  const masterKeys = newMasterKeys();
  const port = await freePort();
  const runtime = new Runtime({
    port,
    state,
    code,
    bindings: {
      LOCAL_DEV: "true",
      RETRY_SCALE,
      MASTER_KEYS: masterKeys,
      PUBLIC_URL: `http://127.0.0.1:${port}`,
      SANDBOX_URL: outside.sandbox.url,
      WECHATPAY_URL: outside.emulators.wechatpay.url,
      ALIPAY_URL: outside.emulators.alipay.url,
      STRIPE_URL: outside.emulators.stripe.url,
    },
  });
  const abandon = () => runtime.abandon();
  process.once("exit", abandon);
  try {
    await runtime.start(CALM);
    const scene = await setScene(runtime, outside, masterKeys);
    await runtime.kill();
    return await new Storm(options, dice, runtime, outside, scene, state).run();
  } finally {
    process.off("exit", abandon);
    await runtime.close();
    await outside.close();
    if (!options.keep) rmSync(state, { recursive: true, force: true });
  }
}

class Storm {
  readonly #options: ChaosOptions;
  readonly #dice: Dice;
  readonly #runtime: Runtime;
  readonly #outside: Outside;
  readonly #scene: Scene;
  readonly #state: string;
  readonly #clients: Clients;
  readonly #enough = new AbortController();
  readonly #injected = { d1: 0, queue: 0, ledger: 0 };
  #life: Life = CALM;
  #isStormy = true;

  constructor(
    options: ChaosOptions,
    dice: Dice,
    runtime: Runtime,
    outside: Outside,
    scene: Scene,
    state: string,
  ) {
    this.#options = options;
    this.#dice = dice;
    this.#runtime = runtime;
    this.#outside = outside;
    this.#scene = scene;
    this.#state = state;
    const around = {
      url: runtime.url,
      scene,
      outside,
      ledgersFail: () => this.#life.ledger.before + this.#life.ledger.after > 0,
      isStormy: () => this.#isStormy,
      enough: this.#enough.signal,
    };
    this.#clients = new Clients(around, dice.fork());
  }

  async run(): Promise<ChaosReport> {
    this.#outside.rage();
    let failure: unknown = null;
    const working = this.#clients.run(this.#options.clients ?? CLIENTS).catch((error: unknown) => {
      failure = error;
      this.#isStormy = false;
    });
    try {
      await this.#rage();
    } finally {
      this.#isStormy = false;
    }
    this.#say("the storm is over; everything heals");
    const healedAt = Date.now();
    const patienceEnds = healedAt + (this.#options.patienceMs ?? PATIENCE_MS + this.#options.seconds * 1_000);
    const timer = setTimeout(() => this.#enough.abort(), patienceEnds - healedAt);
    this.#outside.heal();
    const cron = await this.#live(CALM);
    await working;
    clearTimeout(timer);
    if (failure !== null) throw failure;
    const say = (line: string) => this.#say(line);
    const rest = () => untilRest(this.#runtime, this.#clients, this.#outside, patienceEnds, say);
    this.#say(`all requests are answered after ${((Date.now() - healedAt) / 1000).toFixed(1)} s`);
    let restless = await rest();
    if (restless.length === 0) restless = await this.#askAboutReturns();
    if (restless.length === 0) restless = await rest();
    const convergedMs = Date.now() - healedAt;
    this.#say(`at rest after ${(convergedMs / 1000).toFixed(1)} s`);
    if (restless.length === 0) restless = await readEverything(this.#clients, this.#scene);
    await this.#note();
    cron.abort();
    await this.#runtime.kill();
    return this.#report(this.#records(restless), convergedMs);
  }

  async #rage(): Promise<void> {
    const ends = Date.now() + this.#options.seconds * 1_000;
    while (Date.now() < ends && this.#isStormy) {
      const life = drawLife(this.#dice);
      const cron = await this.#live(life);
      await sleep(this.#dice.between(...LIFE_MS));
      await this.#note();
      cron.abort();
      await this.#runtime.kill();
      if (this.#options.stopAtFirstViolation && checkSoFar(this.#clients, this.#outside).length > 0) return;
    }
  }

  /** Starts a life, with the cron that the local runtime lacks; abort it before the life ends. */
  async #live(life: Life): Promise<AbortController> {
    this.#life = life;
    await this.#runtime.start(life);
    const over = new AbortController();
    void (async () => {
      while (!over.signal.aborted) {
        await this.#runtime.ask("cron").catch(() => {});
        await sleep(CRON_MS, undefined, { signal: over.signal }).catch(() => {});
      }
    })();
    return over;
  }

  /** What was injected in this life so far. */
  async #note(): Promise<void> {
    const injected = await this.#runtime
      .ask<{ d1: number; queue: number; ledger: number }>("injected", undefined, 500)
      .catch(() => null);
    if (injected === null) return;
    this.#injected.d1 += injected.d1;
    this.#injected.queue += injected.queue;
    this.#injected.ledger += injected.ledger;
  }

  /** The sandbox sends no notices: whoever hears of money that came back has the channel asked. */
  async #askAboutReturns(): Promise<string[]> {
    const turned = this.#clients.wishes.filter(({ description }) =>
      /\[sandbox:late_failure/.test(description),
    );
    const seen = turned.flatMap((wish) =>
      answersOf(wish)
        .slice(0, 1)
        .map(({ refund }) => ({ wish, refund })),
    );
    if (seen.length > 0) await sleep(TURNED_MS);
    const unasked: string[] = [];
    for (const { wish, refund } of seen) {
      const isAsked = await this.#clients.reader.sync(wish.shop, wish.charge, refund.id);
      if (!isAsked) unasked.push(`the channel cannot be asked about ${refund.id}`);
    }
    return unasked;
  }

  #records(restless: string[]): Records {
    const { charges, wishes, reader } = this.#clients;
    const { readings } = reader;
    return {
      charges,
      wishes,
      readings,
      booked: this.#outside.booked(),
      channelViolations: this.#outside.violations(),
      receipts: this.#outside.receipts(),
      endpoints: this.#scene.endpoints,
      ...readDisk(this.#state),
      restless,
    };
  }

  #report(records: Records, convergedMs: number): ChaosReport {
    const violations = check(records);
    const { retries, reader } = this.#clients;
    const { attempts, unanswered } = reader.counts;
    const made = [...records.ledgers.values()].flatMap(({ refunds }) => refunds);
    const count = (state: string) => made.filter((refund) => refund.state === state).length;
    const [succeeded, failed] = [count("succeeded"), count("failed")];
    const distinct = new Set(records.receipts.map(({ path, id }) => `${path} ${id}`));
    const deliveries: Record<string, number> = {};
    for (const { status } of records.rows.deliveries) {
      deliveries[String(status)] = (deliveries[String(status)] ?? 0) + 1;
    }
    const told = violations.filter(
      ({ charge }, place) =>
        charge !== null && violations.findIndex((one) => one.charge === charge) === place,
    );
    const starts = this.#runtime.startMs.toSorted((a, b) => a - b);
    return {
      seed: this.#options.seed,
      kills: this.#runtime.kills,
      starts: this.#runtime.starts,
      startMs: Math.round(starts[Math.floor(starts.length / 2)] ?? 0),
      charges: records.charges.length,
      refunds: {
        asked: records.wishes.length,
        made: made.length,
        succeeded,
        failed,
        pending: made.length - succeeded - failed,
      },
      requests: attempts,
      retries,
      unanswered,
      events: records.rows.events.length,
      deliveries,
      arrived: records.receipts.length,
      duplicates: records.receipts.length - distinct.size,
      injected: this.#injected,
      promises: records.rows.commands.length,
      convergedMs,
      violations,
      stories: told.slice(0, STORIES_MAX).map((violation) => storyOf(records, violation)),
      state: this.#options.keep ? this.#state : null,
      log: this.#runtime.log,
    };
  }

  #say(line: string): void {
    this.#options.say?.(line);
  }
}
