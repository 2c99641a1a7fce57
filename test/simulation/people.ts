// The people behind a merchant's refunds: what a channel leaves to them they take in hand and end, sometimes two of them
// at once and of different minds, and some that still wait to be sent they give up. Now and then the channel comes to a
// word of its own afterwards.
import type { Charge } from "../../src/charges/charge.ts";
import { CALL, type SyncAnswer } from "../../src/charges/ledger-calls.ts";
import type { Refund } from "../../src/refunds/refund.ts";
import { refundOrderNo } from "../../src/refunds/refund.ts";
import { BY_HAND } from "./channel.ts";
import type { Worker } from "./worker.ts";
import type { World } from "./world.ts";

const ROUND_MS = 60_000;
const HOUR = 3_600_000;
/** Early enough that whoever watches for 30 days hears of it. */
const OVERRULED_WITHIN_MS = 28 * 24 * HOUR;
/** What people may be told instead: somebody was faster, the channel is at it, or nobody can say. */
const EXCUSES = new Set([
  "illegal_transition",
  "refund_claimed",
  "channel_processing",
  "channel_unreachable",
]);

export class People {
  readonly #world: World;
  readonly #worker: Worker;
  /** Who was told to have ended a refund. */
  readonly #ended = new Map<string, string>();

  constructor(world: World, worker: Worker) {
    this.#world = world;
    this.#worker = worker;
  }

  /** Now and then somebody looks at what needs a person, until `until` (real time). */
  workUntil(charges: readonly Charge[], until: number): void {
    const { clock, dice } = this.#world;
    clock.after(dice.between(1, 2 * ROUND_MS), () => {
      if (clock.time > until) return;
      for (const charge of charges) {
        for (const refund of this.#stuck(charge)) if (dice.chance(0.5)) void this.#handle(charge, refund);
        // Some are impatient, and try what is not left to them.
        for (const refund of this.#refunds(charge)) {
          if (holds(refund.state) && dice.chance(0.05)) void this.#handle(charge, refund);
        }
      }
      if (clock.time < until - ROUND_MS) this.workUntil(charges, until);
    });
  }

  /** How many refunds nobody but a person can end. */
  left(charges: readonly Charge[]): number {
    return charges.reduce((sum, charge) => sum + this.#stuck(charge).length, 0);
  }

  #stuck(charge: Charge): Refund[] {
    const { books } = this.#world.channel;
    return this.#refunds(charge).filter(
      ({ id, state }) => holds(state) && books.get(refundOrderNo(id))?.state === "abnormal",
    );
  }

  #refunds(charge: Charge): Refund[] {
    const name = this.#world.nameOf(charge);
    return [...this.#world.observer.look(this.#world.disk(name)).refunds.values()];
  }

  async #handle(charge: Charge, refund: Refund): Promise<void> {
    const { dice } = this.#world;
    const people = dice.chance(0.4) ? ["ann", "bob"] : [dice.pick(["ann", "bob"])];
    const waits = refund.state === "waiting";
    await Promise.all(people.map((by) => this.#end(charge, refund.id, by, waits)));
  }

  async #end(charge: Charge, refund: string, by: string, waits: boolean): Promise<void> {
    const { dice, clock, channel } = this.#world;
    await clock.sleep(dice.between(0, 2000));
    if (charge.channel === BY_HAND || dice.chance(0.4)) {
      const claimed = await this.#try(charge, (ledger) => ledger.claim({ ...CALL, refund, by }));
      if (claimed === null || !("ok" in claimed)) return this.#excuse(refund, claimed);
    }
    const outcome = waits ? "failed" : dice.pick(["succeeded", "failed"] as const);
    const resolution = { outcome, by, reason: `${by} looked` };
    this.#world.note("resolve", refund, by, outcome);
    const transactionNo = outcome === "succeeded" && dice.chance(0.5) ? "by hand" : null;
    for (let attempt = 0; attempt < 3; attempt++) {
      const before = this.#find(charge, refund)?.resolution;
      const held = channel.books.get(refundOrderNo(refund))?.state;
      const answer = await this.#try(charge, (ledger) =>
        ledger.resolve({ ...CALL, refund, resolution, transactionNo }),
      );
      this.#world.note("resolved", refund, by, JSON.stringify(answer));
      if (answer === null) continue;
      if (!("ok" in answer)) return this.#excuse(refund, answer);
      const other = this.#ended.get(refund) ?? by;
      this.#ended.set(refund, other);
      if (other !== by) this.#world.violation(`${other} and ${by} have both ended ${refund}`);
      this.#check(charge, refund, by, before === undefined ? held : undefined);
      if (dice.chance(0.4)) channel.overrule(refundOrderNo(refund), dice.between(HOUR, OVERRULED_WITHIN_MS));
      break;
    }
    if (dice.chance(0.3)) await this.#try(charge, (ledger) => ledger.sync({ ...CALL, refund }));
  }

  /** Nobody else has it in hand, and the channel had neither ended it (`held`) nor kept it to itself. */
  #check(charge: Charge, refund: string, by: string, held: string | undefined): void {
    const { claim, attempts } = this.#find(charge, refund) ?? {};
    if ((claim === undefined && charge.channel === BY_HAND && attempts !== 0) || (claim && claim.by !== by)) {
      this.#world.violation(`${by} has ended ${refund}, which was in the hands of ${claim?.by ?? "nobody"}`);
    }
    if (attempts === 0) return;
    const stuck = this.#world.channel.books.get(refundOrderNo(refund))?.wasStuck;
    if (!stuck || held === "succeeded" || held === "declined") {
      this.#world.violation(`${by} has ended ${refund}, which the channel held to be ${held}`);
    }
  }

  #find(charge: Charge, refund: string): Refund | undefined {
    return this.#refunds(charge).find(({ id }) => id === refund);
  }

  #try(charge: Charge, work: Parameters<Worker["operate"]>[1]): Promise<SyncAnswer | null> {
    return this.#worker.operate(charge, work).catch(() => null);
  }

  #excuse(refund: string, answer: SyncAnswer | null): void {
    if (answer === null || "ok" in answer || "unhydrated" in answer) return;
    const { code } = answer.refusal;
    if (!EXCUSES.has(code)) this.#world.violation(`whoever wanted to end ${refund} was told ${code}`);
  }
}

function holds(state: Refund["state"]): boolean {
  return state !== "succeeded" && state !== "failed";
}
