// What stands between a client and a ledger, as the contract asks for it: the refund's id is minted before the first
// try, later tries use it again, and a create command whose outcome nobody knows is stored and replayed.
import type { Charge } from "../../src/charges/charge.ts";
import type { Ledger } from "../../src/charges/ledger.ts";
import {
  CALL,
  type CreateAnswer,
  type CreateCommand,
  type DisputeAnswer,
  type DisputeCall,
  type Hydration,
  type ReadAnswer,
  type ReadTarget,
  type SyncAnswer,
  type Unhydrated,
} from "../../src/charges/ledger-calls.ts";
import { findHydration, listOverdueCharges } from "../../src/charges/repository.ts";
import type { Disk } from "./storage.ts";
import { Overloaded, type World } from "./world.ts";

const TRIES = 3;
/** No answer by then is no answer at all. */
const PATIENCE_MS = 30_000;
const OVERDUE_MS = 600_000;
const SWEEP_MS = 60_000;

export type CreateOutcome = CreateAnswer | "unavailable" | { promised: string };

export class Worker {
  readonly #world: World;
  /** Create commands whose outcome is unknown, as D1 or the queue keeps them. */
  readonly #commands = new Map<string, { charge: Charge; command: CreateCommand }>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Whether a refund is promised still: reads of its id are answered from the promise. */
  isPromised(refund: string): boolean {
    return this.#commands.has(refund);
  }

  get openCommands(): number {
    return this.#commands.size;
  }

  async create(charge: Charge, command: CreateCommand): Promise<CreateOutcome> {
    let mayHaveRun = false;
    let hydration: Hydration | undefined;
    for (let attempt = 0; attempt < TRIES; attempt++) {
      try {
        const answer = await this.#inTime(this.#create(charge, command, hydration, false));
        if (!("unhydrated" in answer)) return answer;
        hydration = await this.#hydration(charge);
      } catch (error) {
        if (!(error instanceof Overloaded)) mayHaveRun = true;
      }
    }
    if (!mayHaveRun) return "unavailable";
    this.#commands.set(command.refund, { charge, command });
    return { promised: command.refund };
  }

  /** Every minute: replays what was promised, and pokes the ledgers that D1 says are late. */
  async sweep(): Promise<void> {
    for (const [refund, { charge, command }] of [...this.#commands]) {
      try {
        let answer = await this.#inTime(this.#create(charge, command, undefined, true));
        if ("unhydrated" in answer) {
          const hydration = await this.#hydration(charge);
          answer = await this.#inTime(this.#create(charge, command, hydration, true));
        }
        if ("ok" in answer) this.#commands.delete(refund);
        // A lost live ledger says neither yes nor no until an operator has looked.
        else if (
          "refusal" in answer &&
          answer.refusal.code === "charge_frozen" &&
          answer.refusal.freeze === "lost"
        )
          continue;
        else this.#world.violation(`I4: the promise of ${refund} was answered ${JSON.stringify(answer)}`);
      } catch {
        // Next minute.
      }
    }
    try {
      const late = await listOverdueCharges(this.#world.db, this.#world.clock.now() - OVERDUE_MS, 100);
      for (const { app, livemode, charge } of late) {
        const name = this.#world.nameOf({ app, livemode, id: charge });
        const poke = (hydration?: Hydration) =>
          this.#world.call(name, (ledger) => ledger.poke({ ...CALL, hydration }));
        if (!("unhydrated" in (await poke()))) continue;
        await poke(await this.#hydration({ app, livemode, id: charge } as Charge));
      }
    } catch {
      // Next minute.
    }
  }

  /** How often the sweeper sweeps, ms: every minute, or less often where days go by in which nothing happens. */
  sweepMs = SWEEP_MS;

  /** Sweeps until `until` (real time). */
  sweepUntil(until: number): void {
    const { clock } = this.#world;
    clock.after(this.sweepMs, () => {
      if (clock.time > until) return;
      void this.sweep();
      this.sweepUntil(until);
    });
  }

  read(charge: Charge, target: ReadTarget): Promise<ReadAnswer> {
    const name = this.#world.nameOf(charge);
    return this.#inTime(this.#world.call(name, (ledger) => ledger.read({ ...CALL, target })));
  }

  async describe(charge: Charge, description: string): Promise<void> {
    const name = this.#world.nameOf(charge);
    const record = (hydration?: Hydration) =>
      this.#world.call(name, (ledger) =>
        ledger.record({ ...CALL, change: { description }, correct: true, hydration }),
      );
    const answer = await this.#inTime(record());
    if ("unhydrated" in answer) await this.#inTime(record(await this.#hydration(charge)));
  }

  /** What is done to one refund by hand. */
  operate(charge: Charge, work: (ledger: Ledger) => Promise<SyncAnswer>): Promise<SyncAnswer> {
    return this.#inTime(this.#world.call(this.#world.nameOf(charge), work));
  }

  async dispute(charge: Charge, heard: Omit<DisputeCall, "v" | "requires">): Promise<DisputeAnswer> {
    const name = this.#world.nameOf(charge);
    const tell = (hydration?: Hydration) =>
      this.#world.call(name, (ledger) => ledger.dispute({ ...CALL, ...heard, hydration }));
    const answer = await this.#inTime(tell());
    if (!("unhydrated" in answer)) return answer;
    return await this.#inTime(tell(await this.#hydration(charge)));
  }

  async #create(
    charge: Charge,
    command: CreateCommand,
    hydration: Hydration | undefined,
    promised: boolean,
  ): Promise<CreateAnswer> {
    return this.#world.call(this.#world.nameOf(charge), async (ledger: Ledger, disk: Disk) => {
      const answer = await ledger.create({ ...CALL, command, hydration, promised });
      if ("refusal" in answer) this.#judge(answer.refusal, command, disk);
      return answer;
    });
  }

  /** I13: at the moment of the refusal it was true. */
  #judge(
    refusal: Extract<CreateAnswer, { refusal: unknown }>["refusal"],
    command: CreateCommand,
    disk: Disk,
  ) {
    const { cover, refunds } = this.#world.observer.look(disk);
    if (cover === null) return;
    let left = cover.charge.amount - cover.charge.refundedElsewhere - cover.charge.disputed;
    let open = false;
    for (const refund of refunds.values()) {
      if (refund.state === "failed") continue;
      left -= refund.amount;
      if (refund.state !== "succeeded") open = true;
    }
    if (refusal.code === "refund_amount_exceeded" && (command.amount ?? 1) <= left) {
      this.#world.violation(`I13: ${command.amount} was too much, but ${left} were left`);
    }
    if (
      refusal.code === "charge_disputed" &&
      (cover.charge.disputed === 0 || (command.amount ?? 1) <= left)
    ) {
      this.#world.violation(`I13: a dispute was in the way of ${command.amount}, but ${left} were left`);
    }
    if (refusal.code === "fully_refunded" && (open || left > 0)) {
      this.#world.violation(`I13: fully refunded, but ${left} were left`);
    }
  }

  async #hydration(charge: Charge): Promise<Hydration> {
    const hydration = await findHydration(this.#world.db, charge.app, charge.livemode, charge.id);
    if (hydration === null) throw new Error("no such charge");
    return hydration;
  }

  #inTime<T>(work: Promise<Exclude<T, never>>): Promise<T> {
    const late = this.#world.clock.sleep(PATIENCE_MS).then(() => {
      throw new Error("no answer");
    });
    return Promise.race([work, late]);
  }
}

export function isUnhydrated(answer: object): answer is Unhydrated {
  return "unhydrated" in answer;
}
