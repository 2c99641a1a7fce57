// Interleaved rounds: in each one every floor and every case is measured once, in an order that turns, so that a slower
// moment of the machine falls on all of them. Runtimes of the Worker, of the Worker that ends with its answers and of the
// floors stand beside each other, and only one of them works at a time.
import type { Bundle } from "./bundle.ts";
import { CASES, type CaseName, type Prepared, prepare } from "./cases.ts";
import { FLOORS, type FloorName, FloorSite } from "./floors.ts";
import type { LoadOutcome } from "./load.ts";
import { spent } from "./measure.ts";
import { Merchant } from "./merchant.ts";

/** Clients at once. */
export const LEVELS = [1, 16, 64] as const;
export type Level = (typeof LEVELS)[number];
/** At this many the processor's time is measured. */
export const CPU_LEVEL: Level = 16;

/** Cases that something follows; the Worker that ends with its answers is measured in them too. */
const FOLLOWED = ["create", "create-hot", "respond-async"] as const satisfies readonly CaseName[];
export type AnsweredName = `${(typeof FOLLOWED)[number]}, answered`;
export type SubjectName = CaseName | FloorName | AnsweredName;
/** Reads and refusals: cheap, and nothing follows them. */
const CHEAP: readonly SubjectName[] = [
  ...(["retrieve", "list", "charge", "replay", "invalid", "refused", "unauthenticated"] as const),
  ...(["noop", "page"] as const),
];
/** Each request of these has a charge or an object of its own. */
const OVER_MANY: readonly SubjectName[] = ["create", "ledger", "full"];

/** With fewer a figure says nothing: each client should have its turn a few times. */
const REQUESTS_MIN = { 1: 40, 16: 100, 64: 128 };

export interface Plan {
  rounds: number;
  /** Charges, with a refund each, in a round of `create`. */
  charges: number;
  /** Every round begins with new runtimes and an empty disk. */
  afresh: boolean;
  /** Only the first round has loads at other levels than that of the processor's time. */
  levelsOnce: boolean;
}

export interface Bundles {
  worker: Bundle;
  cut: Bundle;
  floor: Bundle;
}

export interface LevelFigures {
  perSecond: number[];
  latencies: number[];
}

/** What the rounds brought. */
export interface Measured {
  name: SubjectName;
  /** Per request, one figure for each round. */
  cpuMs: number[];
  levels: Map<Level, LevelFigures>;
}

/** Requests of one load. */
function countOf(name: SubjectName, level: Level, { charges }: Plan): number {
  const share = { 1: 0.1, 16: 1, 64: 0.3 }[level];
  return Math.ceil(Math.max(wantedOf(name, charges) * share, REQUESTS_MIN[level]));
}

function wantedOf(name: SubjectName, charges: number): number {
  if (CHEAP.includes(name)) return Math.max(3 * charges, 1000);
  // What is not about many charges needs no more than make a steady figure.
  const wanted = OVER_MANY.includes(name) ? charges : charges / 3;
  return isFloor(name) ? Math.max(wanted, 300) : wanted;
}

export async function measureRounds(
  bundles: Bundles,
  names: readonly SubjectName[],
  plan: Plan,
  at: (name: string) => string,
  say: (line: string) => void,
): Promise<Map<SubjectName, Measured>> {
  const measured = new Map(names.map((name) => [name, { name, cpuMs: [], levels: new Map() } as Measured]));
  let stage: Stage | null = null;
  try {
    for (let round = 0; round < plan.rounds; round++) {
      stage ??= await Stage.open(bundles, names, at(`round-${round}`));
      const first = Math.floor((names.length * round) / plan.rounds);
      const levels = plan.levelsOnce && round > 0 ? [CPU_LEVEL] : LEVELS;
      for (const name of [...names.slice(first), ...names.slice(0, first)]) {
        await measureOnce(stage.subject(name), measured.get(name) as Measured, levels, plan);
      }
      if (!plan.afresh && round < plan.rounds - 1) continue;
      say(`round ${round + 1} of ${plan.rounds}: ${await stage.verify()}`);
      await stage.close();
      stage = null;
    }
  } finally {
    await stage?.close();
  }
  return measured;
}

async function measureOnce(
  subject: Subject,
  measured: Measured,
  levels: readonly Level[],
  plan: Plan,
): Promise<void> {
  const { name } = subject;
  const load = async (level: Level) => {
    const prepared = await subject.prepare(countOf(name, level, plan));
    const work = () => subject.send(prepared, level);
    const { result, usedMs } =
      level === CPU_LEVEL ? await spent(subject, work) : { result: await work(), usedMs: null };
    const { seconds, answers } = result;
    const figures = measured.levels.get(level) ?? { perSecond: [], latencies: [] };
    measured.levels.set(level, figures);
    figures.perSecond.push(answers.length / seconds);
    for (const { latencyMs } of answers) figures.latencies.push(latencyMs);
    if (usedMs !== null) measured.cpuMs.push(usedMs / answers.length);
  };
  await load(CPU_LEVEL);
  // Nobody gets answers from the Worker that ends with them: what it takes until then is all that it is for.
  if (isAnswered(name)) return;
  const others = levels.filter((level) => level !== CPU_LEVEL);
  for (const level of others) await load(level);
  if (others.length > 0) await subject.rest();
}

/** What is measured, on its runtime. */
interface Subject {
  name: SubjectName;
  pid: number;
  prepare(count: number): Promise<Prepared>;
  send(prepared: Prepared, concurrency: number): Promise<LoadOutcome>;
  rest(): Promise<void>;
}

const WARM_UP = { cheap: 250, dear: 80 };

/** The runtimes of some rounds, warm. */
class Stage {
  readonly #worker: Merchant;
  readonly #cut: Merchant;
  readonly #floor: FloorSite;

  private constructor(worker: Merchant, cut: Merchant, floor: FloorSite) {
    this.#worker = worker;
    this.#cut = cut;
    this.#floor = floor;
  }

  /** Also lets the runtimes compile what will be measured, on charges of their own. */
  static async open(bundles: Bundles, names: readonly SubjectName[], state: string): Promise<Stage> {
    const concurrency = CPU_LEVEL;
    const worker = await Merchant.open(bundles.worker, { state: `${state}/worker`, concurrency });
    let cut: Merchant | null = null;
    let floor: FloorSite | null = null;
    try {
      // Nothing follows its answers.
      cut = await Merchant.open(bundles.cut, { state: `${state}/cut`, concurrency, alarmMs: 0 });
      floor = await FloorSite.open(bundles.floor, `${state}/floor`);
      const stage = new Stage(worker, cut, floor);
      for (const name of names) {
        const subject = stage.subject(name);
        const prepared = await subject.prepare(CHEAP.includes(name) ? WARM_UP.cheap : WARM_UP.dear);
        await subject.send(prepared, CPU_LEVEL);
      }
      await Promise.all([worker.rest(), cut.rest(), floor.rest()]);
      return stage;
    } catch (error) {
      await Promise.all([worker.runtime.stop(), cut?.runtime.stop(), floor?.runtime.stop()]);
      throw error;
    }
  }

  subject(name: SubjectName): Subject {
    if (isFloor(name)) {
      const site = this.#floor;
      return {
        name,
        pid: site.runtime.pid,
        prepare: (count) => site.prepare(name, count),
        send: (prepared, concurrency) => site.send(prepared, { concurrency }),
        rest: () => site.rest(),
      };
    }
    const [merchant, what] = isCase(name) ? [this.#worker, name] : [this.#cut, caseOf(name)];
    return {
      name,
      pid: merchant.runtime.pid,
      prepare: (count) => prepare(what, merchant, count),
      send: ({ requests, judge }, concurrency) => merchant.send(requests, judge, { concurrency }),
      rest: () => merchant.rest(),
    };
  }

  /** Throws when the books do not add up. */
  async verify(): Promise<string> {
    await this.#worker.rest();
    await this.#floor.verify();
    return await this.#worker.verify();
  }

  async close(): Promise<void> {
    await Promise.all([this.#worker, this.#cut, this.#floor].map(({ runtime }) => runtime.stop()));
  }
}

function isFloor(name: SubjectName): name is FloorName {
  return name in FLOORS;
}

function isAnswered(name: SubjectName): name is AnsweredName {
  return !isFloor(name) && !isCase(name);
}

function isCase(name: SubjectName): name is CaseName {
  return name in CASES;
}

/** The subject in which a case ends with its answers; null when nothing follows them anyway. */
export function answeredOf(name: CaseName): AnsweredName | null {
  const followed = FOLLOWED.find((one) => one === name);
  return followed === undefined ? null : `${followed}, answered`;
}

function caseOf(name: AnsweredName): CaseName {
  return FOLLOWED.find((one) => answeredOf(one) === name) ?? "create";
}
