// The people behind a merchant's refunds: what a channel leaves to them they take in hand and end, sometimes two of them
// at once and of different minds, and some that still wait to be sent they give up. Now and then the channel comes to a
// word of its own afterwards.
import type { Refund } from "../../src/refunds/refund.ts";
import { refundOrderNo } from "../../src/refunds/refund.ts";
import { BY_HAND } from "./channel.ts";
import type { Sale } from "./sale.ts";
import type { Answer, Service } from "./service.ts";
import type { World } from "./world.ts";

const ROUND_MS = 60_000;
const HOUR = 3_600_000;
/** Early enough that whoever watches for 30 days hears of it. */
const OVERRULED_WITHIN_MS = 28 * 24 * HOUR;
/** What people may be told instead: somebody was faster, or the channel is at it. */
const EXCUSES = new Set(["refund_claimed", "channel_processing"]);
/** `illegal_transition` has no code on the wire, but names this. */
const ILLEGAL = "id";

export class People {
  readonly #world: World;
  readonly #service: Service;
  /** Who was told to have ended a refund. */
  readonly #ended = new Map<string, string>();

  constructor(world: World, service: Service) {
    this.#world = world;
    this.#service = service;
  }

  /** Now and then somebody looks at what needs a person, until `until` (real time). */
  workUntil(sales: readonly Sale[], until: number): void {
    const { clock, dice } = this.#world;
    clock.after(dice.between(1, 2 * ROUND_MS), () => {
      if (clock.time > until) return;
      for (const sale of sales) {
        for (const refund of this.#stuck(sale)) if (dice.chance(0.5)) void this.#handle(sale, refund);
        // Some are impatient, and try what is not left to them.
        for (const refund of this.#refunds(sale)) {
          if (holds(refund.state) && dice.chance(0.05)) void this.#handle(sale, refund);
        }
      }
      if (clock.time < until - ROUND_MS) this.workUntil(sales, until);
    });
  }

  /** How many refunds nobody but a person can end. */
  left(sales: readonly Sale[]): number {
    return sales.reduce((sum, sale) => sum + this.#stuck(sale).length, 0);
  }

  #stuck(sale: Sale): Refund[] {
    const { books } = this.#world.channel;
    return this.#refunds(sale).filter(
      ({ id, state }) => holds(state) && books.get(refundOrderNo(id))?.state === "abnormal",
    );
  }

  #refunds(sale: Sale): Refund[] {
    const name = this.#world.nameOf(sale);
    return [...this.#world.observer.look(this.#world.disk(name)).refunds.values()];
  }

  async #handle(sale: Sale, refund: Refund): Promise<void> {
    const { dice } = this.#world;
    const people = dice.chance(0.4) ? ["ann", "bob"] : [dice.pick(["ann", "bob"])];
    const waits = refund.state === "waiting";
    await Promise.all(people.map((by) => this.#end(sale, refund.id, by, waits)));
  }

  async #end(sale: Sale, refund: string, by: string, waits: boolean): Promise<void> {
    const { dice, clock, channel } = this.#world;
    await clock.sleep(dice.between(0, 200));
    if (sale.channel === BY_HAND || dice.chance(0.4)) {
      const claimed = await this.#ask(sale, `${refund}/claim`, { by });
      if (claimed?.status !== 200) return this.#excuse(sale, refund, claimed);
    }
    const outcome = waits ? "failed" : dice.pick(["succeeded", "failed"] as const);
    this.#world.note("resolve", refund, by, outcome);
    const number = outcome === "succeeded" && dice.chance(0.5) ? { transaction_no: "by hand" } : {};
    for (let attempt = 0; attempt < 3; attempt++) {
      const before = this.#find(sale, refund)?.resolution;
      const held = channel.books.get(refundOrderNo(refund))?.state;
      const decision = { outcome, by, reason: `${by} looked`, ...number };
      const answer = await this.#ask(sale, `${refund}/resolve`, decision);
      this.#world.note("resolved", refund, by, JSON.stringify(answer));
      if (answer === null || answer.status === 503) continue;
      if (answer.status !== 200) return this.#excuse(sale, refund, answer);
      const other = this.#ended.get(refund) ?? by;
      this.#ended.set(refund, other);
      const isForgotten = this.#world.rolledBack.has(this.#world.nameOf(sale));
      if (other !== by && !isForgotten) this.#world.violation(`${other} and ${by} have both ended ${refund}`);
      this.#check(sale, refund, by, before === undefined ? held : undefined);
      if (dice.chance(0.4)) channel.overrule(refundOrderNo(refund), dice.between(HOUR, OVERRULED_WITHIN_MS));
      break;
    }
    if (dice.chance(0.3)) await this.#ask(sale, `${refund}/sync`, {});
  }

  /** Nobody else has it in hand, and the channel had neither ended it (`held`) nor kept it to itself. */
  #check(sale: Sale, refund: string, by: string, held: string | undefined): void {
    const { claim, attempts } = this.#find(sale, refund) ?? {};
    if ((claim === undefined && sale.channel === BY_HAND && attempts !== 0) || (claim && claim.by !== by)) {
      this.#world.violation(`${by} has ended ${refund}, which was in the hands of ${claim?.by ?? "nobody"}`);
    }
    if (attempts === 0) return;
    const stuck = this.#world.channel.books.get(refundOrderNo(refund))?.wasStuck;
    if (!stuck || held === "succeeded" || held === "declined") {
      this.#world.violation(`${by} has ended ${refund}, which the channel held to be ${held}`);
    }
  }

  #find(sale: Sale, refund: string): Refund | undefined {
    return this.#refunds(sale).find(({ id }) => id === refund);
  }

  #ask(sale: Sale, verb: string, body: object): Promise<Answer | null> {
    return this.#service.ask({ key: sale.key, path: `/v1/charges/${sale.id}/refunds/${verb}`, body });
  }

  #excuse(sale: Sale, refund: string, answer: Answer | null): void {
    if (answer === null || answer.status === 503) return;
    // A ledger that has lost everything knows of no refund until D1's view was handed to it.
    if (answer.status === 404 && this.#find(sale, refund) === undefined) return;
    const { code, param } = answer.problem ?? {};
    if (param === ILLEGAL || EXCUSES.has(code ?? "")) return;
    // A ledger that went back has forgotten who had taken it in hand.
    if (code === "refund_not_claimed" && this.#world.rolledBack.has(this.#world.nameOf(sale))) return;
    this.#world.violation(`whoever wanted to end ${refund} was told ${JSON.stringify(answer.problem)}`);
  }
}

function holds(state: Refund["state"]): boolean {
  return state !== "succeeded" && state !== "failed";
}
