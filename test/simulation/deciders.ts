// Those who decide about a merchant's refunds before they are sent, each with a key: they cancel, approve and reject, at
// random moments, with the wrong key too, sometimes two of them at once and of different minds; and they say something
// else of what there is. What they are told is held against the books.
import type { Refund } from "../../src/refunds/refund.ts";
import { refundOrderNo } from "../../src/refunds/refund.ts";
import type { RefundView } from "./histories.ts";
import type { Key, Sale } from "./sale.ts";
import type { Answer, Service } from "./service.ts";
import type { World } from "./world.ts";

const ROUND_MS = 20_000;
type Verb = "cancel" | "approve" | "reject";
const VERBS: readonly Verb[] = ["cancel", "approve", "reject"];
/** What they may be told instead: it is too late, or somebody else's. Whether that is so is judged as it is said. */
const EXCUSES = new Set([
  "refund_already_sent",
  "refund_not_awaiting_approval",
  "approval_by_creator",
  "refund_claimed",
  "charge_frozen",
  "charge_disputed",
  "charge_not_reversible",
  "too_many_refunds",
  // A dispute without its share of the charge left has no word of its own.
  "refund_amount_exceeded",
]);
/** `illegal_transition` has no code on the wire, but names this. */
const ILLEGAL = "id";
/** So many changes in a row fill what a ledger keeps of a timeline. */
const CHATTER = 40;

export class Deciders {
  readonly #world: World;
  readonly #service: Service;
  /** Whoever was told that it is canceled. */
  readonly canceled = new Set<string>();
  /** Nobody ever decides about these. */
  readonly forgotten = new Set<string>();

  constructor(world: World, service: Service) {
    this.#world = world;
    this.#service = service;
  }

  /** Now and then somebody looks at what is held back, until `until` (real time). */
  workUntil(sales: readonly Sale[], until: number): void {
    const { clock, dice } = this.#world;
    clock.after(dice.between(1, 2 * ROUND_MS), () => {
      if (clock.time > until) return;
      for (const sale of sales) for (const refund of this.#refunds(sale)) this.#consider(sale, refund);
      if (clock.time < until - ROUND_MS) this.workUntil(sales, until);
    });
  }

  /** Everything that waits for somebody is decided, but what is forgotten. Resolves once everybody was heard. */
  async finish(sales: readonly Sale[]): Promise<void> {
    const { dice } = this.#world;
    for (const sale of sales) {
      for (const refund of this.#refunds(sale)) {
        if (!awaits(refund)) continue;
        if (dice.chance(0.1)) this.forgotten.add(refund.id);
        else await this.#finish(sale, refund.id);
      }
    }
  }

  async #finish(sale: Sale, refund: string): Promise<void> {
    const { dice } = this.#world;
    const key = dice.pick(sale.keys.slice(1));
    const verb = dice.pick(["approve", "approve", "reject"] as const);
    await this.#decide(sale, refund, verb, key);
    const left = this.#find(sale, refund);
    // A charge that is frozen or disputed lets nothing out.
    if (left !== undefined && awaits(left)) await this.#decide(sale, refund, "reject", key);
  }

  #consider(sale: Sale, refund: Refund): void {
    const { dice } = this.#world;
    const isOpen = refund.state !== "succeeded" && refund.state !== "failed";
    const chance = awaits(refund) ? 0.25 : isOpen && refund.notBefore !== undefined ? 0.1 : 0.02;
    if (dice.chance(chance)) {
      const verb = awaits(refund) ? dice.pick(VERBS) : dice.pick([...VERBS, "cancel", "cancel"] as const);
      void this.#decide(sale, refund.id, verb, dice.pick(sale.keys));
      // A twin, of the same mind or of another.
      if (dice.chance(0.3)) void this.#decide(sale, refund.id, verb, dice.pick(sale.keys));
      if (dice.chance(0.3)) void this.#decide(sale, refund.id, dice.pick(VERBS), dice.pick(sale.keys));
    }
    if (dice.chance(0.02)) void this.#describe(sale, refund, 1);
    if (dice.chance(0.001)) void this.#describe(sale, refund, CHATTER);
  }

  /** Decides, and repeats it while there is no answer. */
  async #decide(sale: Sale, refund: string, verb: Verb, key: Key): Promise<void> {
    const { dice, clock, controls } = this.#world;
    await clock.sleep(dice.between(0, 200));
    const by = `whoever has ${key.id}`;
    for (let attempt = 0; attempt < 3; attempt++) {
      if (verb === "approve") controls.approving(refund, key.id);
      this.#world.note(verb, refund, key.id);
      const body = { by, reason: `${verb} it` };
      const answer = await this.#ask(sale, key, `${refund}/${verb}`, body);
      this.#world.note(`${verb}:`, refund, JSON.stringify(answer));
      if (answer === null || answer.status === 503) {
        await clock.sleep(dice.between(100, 5000));
        continue;
      }
      if (answer.status !== 200) return this.#excuse(sale, refund, verb, answer);
      this.#check(sale, refund, verb, answer.body);
      if (!dice.chance(0.2)) break;
    }
  }

  /** What was acknowledged is so, and stays so. */
  #check(sale: Sale, refund: string, verb: Verb, body: RefundView): void {
    const status = body.extra.approval?.status;
    const isSo = {
      cancel: body.status === "failed" && body.failure_code === "refund_canceled",
      approve: status === "approved",
      reject: status === "rejected",
    }[verb];
    if (!isSo || body.id !== refund) {
      this.#world.violation(`${verb} of ${refund} was answered with ${JSON.stringify(body)}`);
    }
    if (verb === "cancel" && !this.#isAway(sale)) this.canceled.add(refund);
  }

  /** Says something else of a refund, `times` times. The word that tells whose it is stays. */
  async #describe(sale: Sale, { id, metadata }: Refund, times: number): Promise<void> {
    const { dice } = this.#world;
    for (let n = 0; n < times; n++) {
      const note = `note ${dice.between(1, 1000)}`;
      const change = dice.pick([
        { description: note },
        { metadata: { ...metadata, note } },
        { description: note, metadata: { ...metadata, note } },
      ]);
      const answer = await this.#ask(sale, dice.pick(sale.keys), id, change);
      if (answer === null || answer.status === 503) continue;
      if (answer.status !== 200) return this.#excuse(sale, id, "describe", answer);
    }
  }

  /** What is acknowledged is what some state of the ledger was meanwhile. */
  async #ask(sale: Sale, key: Key, path: string, body: object): Promise<Answer<RefundView> | null> {
    const { histories } = this.#world;
    const name = this.#world.nameOf(sale);
    const moment = histories.moment(name);
    const answer = await this.#service.ask<RefundView>({
      key: key.secret,
      path: `/v1/charges/${sale.id}/refunds/${path}`,
      body,
    });
    if (answer?.status === 200 && !histories.isRefundLinear(name, moment, answer.body)) {
      this.#world.violation(`I16: ${path} was answered with what never was: ${JSON.stringify(answer.body)}`);
    }
    return answer;
  }

  #excuse(sale: Sale, refund: string, verb: string, answer: Answer): void {
    // A ledger that has lost everything knows of no refund until D1's view was handed to it.
    if (answer.status === 404 && (this.#find(sale, refund) === undefined || this.#isAway(sale))) return;
    const { code, param } = answer.problem ?? {};
    if (verb !== "describe" && (param === ILLEGAL || EXCUSES.has(code ?? ""))) return;
    this.#world.violation(`${verb} of ${refund} was refused with ${JSON.stringify(answer.problem)}`);
  }

  #isAway(sale: Sale): boolean {
    return this.#world.rolledBack.has(this.#world.nameOf(sale));
  }

  #find(sale: Sale, refund: string): Refund | undefined {
    return this.#refunds(sale).find(({ id }) => id === refund);
  }

  #refunds(sale: Sale): Refund[] {
    return [...this.#world.observer.look(this.#world.disk(this.#world.nameOf(sale))).refunds.values()];
  }
}

/** Whether it waits for somebody to decide. */
export function awaits({ approval, state }: Refund): boolean {
  return approval?.status === "required" && state !== "succeeded" && state !== "failed";
}

/** Whether it was stopped before it was sent. */
export function wasStopped({ state, failureCode, attempts }: Refund): boolean {
  const code = failureCode === "refund_canceled" || failureCode === "refund_rejected";
  return state === "failed" && code && attempts === 0;
}

export function landingsOf(world: World, refund: Refund): number {
  return world.channel.books.get(refundOrderNo(refund.id))?.landings ?? 0;
}
