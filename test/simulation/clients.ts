// The merchants: they ask for refunds, repeat what was not answered, look at what they were told, and page through lists.
// Everything they were told is kept, to be held against the books at the end.

import { createHash } from "node:crypto";
import type { Charge } from "../../src/charges/charge.ts";
import { CALL, type CreateCommand } from "../../src/charges/ledger-calls.ts";
import { DISPUTE_STATUSES, type DisputeStatus } from "../../src/disputes/dispute.ts";
import { derivedId, mintId } from "../../src/ids.ts";
import type { Fingerprints } from "../../src/refunds/refund.ts";
import type { Worker } from "./worker.ts";
import { accountOf, type World } from "./world.ts";

/** A refund somebody was told of. */
export interface Told {
  refund: string;
  charge: string;
  /** Null when the answer did not say, because the command was only promised. */
  amount: number | null;
  orderNo: string;
}

/** Something that was told of a dispute; `acknowledged` if the ledger has answered. */
export interface ToldDispute {
  charge: string;
  id: string;
  status: DisputeStatus;
  acknowledged: boolean;
}

interface Wire {
  id: string;
  amount: number;
  charge: string;
  order_no: string;
  status: string;
  succeed: boolean;
  time_succeed: number | null;
}

/** What makes two requests the same one. */
type Identity =
  | { kind: "key" | "refund_no" | "signature"; word: string }
  /** Nothing: every request is a refund of its own. */
  | { kind: "none" };

export class Clients {
  readonly #world: World;
  readonly #worker: Worker;
  readonly told: Told[] = [];
  readonly disputes: ToldDispute[] = [];
  /** Which refund an identity stands for. */
  readonly #owners = new Map<string, string>();
  /** Requests that are still being made. */
  busy = 0;
  refused = 0;

  constructor(world: World, worker: Worker) {
    this.#world = world;
    this.#worker = worker;
  }

  /** One client's day at one charge: a few requests, some of them many at once. */
  async visit(charge: Charge): Promise<void> {
    const { dice, clock } = this.#world;
    for (let step = dice.between(2, 5); step > 0; step--) {
      await clock.sleep(dice.between(0, 60_000));
      const deed = dice.next();
      if (deed < 0.12) {
        const share = Math.max(1, Math.floor(charge.amount / dice.between(3, 12)));
        await Promise.all(Array.from({ length: 10 }, () => this.#refund(charge, share)));
      } else if (deed < 0.6) await this.#refund(charge, this.#amount(charge));
      else if (deed < 0.7) await this.#page(charge);
      else if (deed < 0.85) await this.#sync(charge);
      else if (deed < 0.93) await this.#dispute(charge);
      else await this.#worker.describe(charge, `note ${step}`).catch(() => {});
    }
  }

  #amount(charge: Charge): number | null {
    const { dice } = this.#world;
    return dice.chance(0.2) ? null : dice.between(1, Math.ceil(charge.amount * 0.6));
  }

  /** Asks for a refund until there is an answer or patience ends; a request with an identity may also be repeated later. */
  async #refund(charge: Charge, amount: number | null): Promise<void> {
    const { dice, clock } = this.#world;
    const identity = this.#identity();
    this.busy += 1;
    const repeats = identity.kind !== "none" && dice.chance(0.3) ? 2 : 1;
    await Promise.all(
      Array.from({ length: repeats }, async () => {
        for (let attempt = 0; attempt < 4; attempt++) {
          const answered = await this.#request(charge, amount, identity);
          // Without an identity a second try would be a second refund, so a careful client stops here.
          if ((answered && !dice.chance(0.15)) || identity.kind === "none") break;
          await clock.sleep(dice.between(100, 20_000));
        }
      }),
    );
    this.busy -= 1;
  }

  #identity(): Identity {
    const { dice } = this.#world;
    const word = mintId("request", (count) => dice.bytes(count)).slice(4, 16);
    const kind = dice.pick(["key", "refund_no", "signature", "none"] as const);
    return kind === "none" ? { kind } : { kind, word };
  }

  /** One request; false when there was no answer and it may be tried again. */
  async #request(charge: Charge, amount: number | null, identity: Identity): Promise<boolean> {
    const { dice, clock } = this.#world;
    const command = this.#command(charge, amount, identity);
    this.#world.note("request", charge.id, command.refund, String(amount), identity.kind);
    const outcome = await this.#worker.create(charge, command);
    this.#world.note("answer", command.refund, JSON.stringify(outcome));
    // The answer may get lost on its last way.
    if (dice.chance(this.#world.faults.answerLost)) return false;
    if (outcome === "unavailable") return false;
    if ("promised" in outcome) {
      this.#hear({
        refund: outcome.promised,
        charge: charge.id,
        amount: null,
        orderNo: outcome.promised.slice(3),
      });
      return true;
    }
    if ("refusal" in outcome) {
      this.refused += 1;
      return true;
    }
    if ("unhydrated" in outcome) return false;
    const wire: Wire = JSON.parse(outcome.ok.refund);
    if (amount !== null && wire.amount !== amount) {
      this.#world.violation(`I4: asked for ${amount}, was told ${wire.amount}`);
    }
    this.#checkSuccess(wire, outcome.ok.refund);
    if (outcome.ok.replayed === false && wire.id !== command.refund) {
      this.#world.violation(`I10: a new refund has an id of its own: ${wire.id}`);
    }
    this.#hear({ refund: wire.id, charge: wire.charge, amount: wire.amount, orderNo: wire.order_no });
    if (identity.kind !== "none") this.#belongs(charge, identity, wire.id);
    await clock.sleep(dice.between(0, 50));
    await this.#lookUp(charge, wire.id);
    return true;
  }

  /** Has the channel asked about some refund, once or by several at once. */
  async #sync(charge: Charge): Promise<void> {
    const { dice } = this.#world;
    const known = this.told.filter((told) => told.charge === charge.id);
    if (known.length === 0) return;
    const { refund } = dice.pick(known);
    const crowd = dice.chance(0.3) ? 6 : 1;
    await Promise.all(
      Array.from({ length: crowd }, async () => {
        const answer = await this.#worker
          .operate(charge, (ledger) => ledger.sync({ ...CALL, refund }))
          .catch(() => null);
        // What was only promised may not be there yet.
        if (answer === null || !("ok" in answer)) return;
        const wire: Wire = JSON.parse(answer.ok.refund);
        if (wire.id !== refund) this.#world.violation(`I4: a sync of ${refund} shows ${wire.id}`);
        this.#checkSuccess(wire, answer.ok.refund);
      }),
    );
  }

  /** Something is heard of one of the charge's two disputes, in any order and more than once. */
  async #dispute(charge: Charge): Promise<void> {
    const { dice } = this.#world;
    const id = dice.pick(["dp_1", "dp_2"]);
    const status = dice.pick(DISPUTE_STATUSES);
    const amount = dice.between(1, Math.ceil(charge.amount * 0.6));
    const told: ToldDispute = { charge: charge.id, id, status, acknowledged: false };
    this.disputes.push(told);
    this.#world.note("dispute", charge.id, id, status, amount);
    const answer = await this.#worker.dispute(charge, { id, status, amount }).catch(() => null);
    if (answer !== null && "ok" in answer) told.acknowledged = true;
  }

  #checkSuccess(wire: Wire, text: string): void {
    if ((wire.status === "succeeded") !== wire.succeed || wire.succeed !== (wire.time_succeed !== null)) {
      this.#world.violation(`I15: ${text}`);
    }
  }

  #hear(told: Told): void {
    this.told.push(told);
  }

  /** I10: one identity, one refund. */
  #belongs(charge: Charge, identity: { kind: string; word: string }, refund: string): void {
    const name = `${charge.id} ${identity.kind} ${identity.word}`;
    const owner = this.#owners.get(name);
    this.#owners.set(name, owner ?? refund);
    if (owner !== undefined && owner !== refund) {
      this.#world.violation(`I10: ${name} stands for ${owner} and for ${refund}`);
    }
  }

  /** I16: whoever was told of a refund finds it, right away. */
  async #lookUp(charge: Charge, refund: string): Promise<void> {
    const own = await this.#worker.read(charge, { kind: "refund", refund }).catch(() => null);
    if (own !== null && "missing" in own) this.#world.violation(`I16: ${refund} is not found`);
    const whole = await this.#worker.read(charge, { kind: "charge" }).catch(() => null);
    if (whole === null || !("ok" in whole)) return;
    const { refunded, refunds } = JSON.parse(whole.ok) as {
      refunded: boolean;
      refunds: { data: Wire[]; has_more: boolean };
    };
    if (!refunded) this.#world.violation(`I16: ${charge.id} does not know that it is being refunded`);
    if (!refunds.has_more && refunds.data.every(({ id }) => id !== refund)) {
      this.#world.violation(`I16: ${refund} is not in the list of ${charge.id}`);
    }
  }

  /** I6: pages that are turned while refunds arrive neither repeat nor leave out what was there at the beginning. */
  async #page(charge: Charge): Promise<void> {
    const known = this.told.filter((told) => told.charge === charge.id && told.amount !== null);
    const seen: string[] = [];
    let startingAfter: string | null = null;
    for (;;) {
      const page = { limit: 2, startingAfter, endingBefore: null };
      const answer = await this.#worker.read(charge, { kind: "page", page }).catch(() => null);
      if (answer === null || !("ok" in answer)) return;
      const { data, has_more } = JSON.parse(answer.ok) as { data: Wire[]; has_more: boolean };
      seen.push(...data.map(({ id }) => id));
      startingAfter = data.at(-1)?.id ?? null;
      if (!has_more || startingAfter === null) break;
    }
    if (new Set(seen).size !== seen.length) this.#world.violation(`I6: a page repeats: ${seen.join(" ")}`);
    for (const { refund } of known) {
      if (!seen.includes(refund)) this.#world.violation(`I6: the pages of ${charge.id} lack ${refund}`);
    }
  }

  #command(charge: Charge, amount: number | null, identity: Identity): CreateCommand {
    const { dice, clock } = this.#world;
    const random = (count: number) => dice.bytes(count);
    const keyed = identity.kind === "key" || identity.kind === "refund_no";
    const repeats: Fingerprints = {
      apiKey: "key_1",
      body: `${charge.id} ${amount} ${dice.next()}`,
      signature: null,
      timestamp: Math.floor(clock.now() / 1000),
      pingpp: false,
    };
    if (identity.kind === "signature") {
      repeats.body = identity.word;
      repeats.signature = identity.word;
    }
    const { app, livemode, channel } = charge;
    // A Worker may not have heard yet that the account was changed.
    const revision = dice.chance(0.3) ? dice.between(1, this.#world.revision) : this.#world.revision;
    return {
      app,
      livemode,
      charge: charge.id,
      // As in the Worker: the id of a refund that has a key of its own follows from the key.
      refund: keyed
        ? derivedId(
            "refund",
            createHash("sha256").update(`${charge.id} ${identity.kind} ${identity.word} ${amount}`).digest(),
          )
        : mintId("refund", random),
      amount,
      description: "simulated",
      metadata: {},
      fundingSource: null,
      extra: {},
      refundNo: identity.kind === "refund_no" ? identity.word : null,
      idempotencyKey: identity.kind === "key" ? identity.word : null,
      fingerprint: keyed ? `amount ${amount}` : null,
      repeats: keyed ? null : repeats,
      waitMs: dice.pick([0, 2000, 8000]),
      language: "zh",
      apiKey: "key_1",
      request: mintId("request", random),
      requestedAt: clock.now(),
      accounts: { [channel]: accountOf(charge, revision) },
      rules: {
        windows: {},
        refundsMax: 50,
        refundAttemptsMax: 200,
        duplicateWindowMs: 15_000,
      },
    };
  }
}
