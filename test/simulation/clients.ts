// The merchants' programs: they ask for refunds over HTTP, repeat what was not answered, look at what they were told, and
// page through lists. Everything they were told is kept, to be held against the books at the end.
import { DISPUTE_STATUSES, type DisputeStatus } from "../../src/disputes/dispute.ts";
import { mintId } from "../../src/ids.ts";
import { type State, TRANSITIONS } from "../../src/refunds/refund.ts";
import type { ChargeView, RefundView } from "./histories.ts";
import type { Sale } from "./sale.ts";
import type { Answer, Service } from "./service.ts";
import type { World } from "./world.ts";

/** A refund somebody was told of. */
export interface Told {
  refund: string;
  /** The name of the charge's ledger: two merchants may give their charges one id. */
  charge: string;
  /** Null when it was left to the service, and only promised: what D1 believed to be left is no more than that. */
  amount: number | null;
  orderNo: string;
  /** What tells the request. */
  word: string;
}

/** What became of the requests for one refund. */
export interface Asked {
  charge: string;
  /** How many were made, and how many of them were answered with an error, never with a refund. */
  requests: number;
  errors: number;
  /** How many refunds were meant. */
  meant: number;
}

/** Something that was told of a dispute; `acknowledged` if the ledger has answered. */
export interface ToldDispute {
  charge: string;
  id: string;
  status: DisputeStatus;
  acknowledged: boolean;
}

interface Wire extends RefundView {
  amount: number;
  charge: string;
  order_no: string;
  succeed: boolean;
  time_succeed: number | null;
}

interface Page {
  data: Wire[];
  has_more: boolean;
}

type ChargeWire = ChargeView & { id: string; refunded: boolean; refunds: { data: Wire[] } };

interface TimelineWire {
  from: State | null;
  state: State;
  cause: string;
}

/** What makes two requests the same one: a key, the merchant's number, or what an SDK's own repeats have in common. */
const IDENTITIES = ["key", "refund_no", "timestamp", "none"] as const;
interface Identity {
  kind: (typeof IDENTITIES)[number];
  /** In every request as metadata, so that whatever comes of it can be told. */
  word: string;
  /** The key that is used: the word itself, or that of an earlier refund, by a client that is wrong. */
  token: string;
  timestamp: number;
}

/** What a refund may be refused with, and what may be said instead of an answer. */
const REFUSALS = new Set([
  "refund_amount_exceeded",
  "charge_disputed",
  "charge_frozen",
  "charge_not_paid",
  "too_many_refunds",
  "idempotency_key_reused",
  "refund_no_reused",
  "charge_reversed",
  undefined,
]);
/** And a reversal. */
const REVERSAL_REFUSALS = new Set([
  "charge_not_reversible",
  "charge_frozen",
  "charge_not_paid",
  "too_many_refunds",
  "idempotency_key_reused",
]);

export class Clients {
  readonly #world: World;
  readonly #service: Service;
  readonly told: Told[] = [];
  readonly asked = new Map<string, Asked>();
  readonly disputes: ToldDispute[] = [];
  /** Which refund an identity stands for. */
  readonly #owners = new Map<string, string>();
  /** The keys that were used at a charge. */
  readonly #used = new Map<Sale, string[]>();
  /** Requests that are still being made. */
  busy = 0;
  refused = 0;
  /** Reads that were held against the ledger's history. */
  reads = 0;

  constructor(world: World, service: Service) {
    this.#world = world;
    this.#service = service;
  }

  /** One client's day at one charge: a few requests, some of them many at once. */
  async visit(sale: Sale): Promise<void> {
    const { dice, clock } = this.#world;
    // A charge is reversed before anything of it is refunded, or hardly ever.
    if (dice.chance(0.15)) await this.#reverse(sale);
    for (let step = dice.between(2, 5); step > 0; step--) {
      await clock.sleep(dice.between(0, 60_000));
      const deed = dice.next();
      if (deed < 0.12) {
        const share = Math.max(1, Math.floor(sale.amount / dice.between(3, 12)));
        await Promise.all(Array.from({ length: 10 }, () => this.#refund(sale, share)));
      } else if (deed < 0.6) await this.#refund(sale, this.#amount(sale));
      else if (deed < 0.7) await this.#page(sale);
      else if (deed < 0.85) await this.#sync(sale);
      else if (deed < 0.92) await this.#dispute(sale);
      else if (deed < 0.95) await this.#record(sale);
      else if (deed < 0.97) await this.#readTimeline(sale);
      else if (deed < 0.98) await this.#reverse(sale);
      else await this.describe(sale, `note ${step}`);
    }
  }

  /** Records the charge once more, as programs do that are not sure whether they have. */
  async #record(sale: Sale): Promise<void> {
    const body = this.#world.recordings.get(sale);
    const answer = await this.#service.ask({ key: sale.key, path: "/v1/charges", body });
    if (answer !== null && answer.status !== 200 && answer.status !== 503) {
      this.#world.violation(`${sale.id} was not recorded again: ${JSON.stringify(answer.body)}`);
    }
  }

  /** Changes the charge's description. */
  async describe(sale: Sale, description: string): Promise<Answer | null> {
    return await this.#service.ask({
      key: sale.key,
      path: `/v1/charges/${sale.id}`,
      body: { description },
    });
  }

  /** Looks at the charge, and holds what it sees against the ledger's history. */
  async look(sale: Sale): Promise<Answer<ChargeWire> | null> {
    const name = this.#world.nameOf(sale);
    const asked = this.#world.histories.moment(name);
    const answer = await this.#service.ask<ChargeWire>({
      key: sale.key,
      method: "GET",
      path: `/v1/charges/${sale.id}`,
    });
    if (answer?.status !== 200) return answer;
    this.reads += 1;
    if (!this.#world.histories.isLinear(name, asked, answer.body)) {
      this.#world.violation(`I16: ${sale.id} was never as it was seen: ${JSON.stringify(answer.body)}`);
    }
    return answer;
  }

  #amount(sale: Sale): number | null {
    const { dice } = this.#world;
    return dice.chance(0.2) ? null : dice.between(1, Math.ceil(sale.amount * 0.6));
  }

  /** Asks for a refund until there is an answer or patience ends; a request with an identity may also be repeated later. */
  async #refund(sale: Sale, amount: number | null): Promise<void> {
    const { dice, clock } = this.#world;
    const identity = this.#identity(sale);
    this.busy += 1;
    const repeats = identity.kind !== "none" && dice.chance(0.3) ? 2 : 1;
    await Promise.all(
      Array.from({ length: repeats }, async () => {
        for (let attempt = 0; attempt < 4; attempt++) {
          const answered = await this.#request(sale, amount, identity);
          // Without an identity a second try would be a second refund, so a careful client stops here.
          if (identity.kind === "none") {
            if (answered && dice.chance(0.2)) await this.#anew(sale, amount, identity);
            break;
          }
          if (answered && !dice.chance(0.15)) break;
          await clock.sleep(dice.between(100, 20_000));
        }
      }),
    );
    this.busy -= 1;
  }

  /** Has the whole payment go back, sometimes twice at once, until there is an answer or patience ends. */
  async #reverse(sale: Sale): Promise<void> {
    const { dice, clock } = this.#world;
    const identity: Identity = { ...this.#identity(sale), kind: dice.pick(["key", "none"] as const) };
    // Without a key a repeat finds the reversal there is; where that has failed meanwhile it makes another.
    if (identity.kind === "none") (this.asked.get(identity.word) as Asked).meant = Number.POSITIVE_INFINITY;
    this.busy += 1;
    await Promise.all(
      Array.from({ length: dice.chance(0.4) ? 2 : 1 }, async () => {
        for (let attempt = 0; attempt < 4; attempt++) {
          const answered = await this.#requestReversal(sale, identity);
          if (answered && !dice.chance(0.15)) break;
          await clock.sleep(dice.between(100, 20_000));
        }
      }),
    );
    this.busy -= 1;
  }

  /** False when there was no answer and it may be tried again. */
  async #requestReversal(sale: Sale, identity: Identity): Promise<boolean> {
    const { word } = identity;
    const asked = this.asked.get(word) as Asked;
    asked.requests += 1;
    this.#world.note("reverse", sale.id, word);
    const name = this.#world.nameOf(sale);
    const moment = this.#world.histories.moment(name);
    const answer = await this.#service.ask<ChargeWire>({
      key: sale.key,
      path: `/v1/charges/${sale.id}/reverse`,
      body: { metadata: { word } },
      headers: this.#headers(identity),
    });
    this.#world.note("reversed", sale.id, word, JSON.stringify(answer));
    // An answer is the charge: while neither its ledger nor D1 can tell what that is there can be none, and whoever is
    // told to come again has been told nothing about the promise.
    if (answer === null || answer.status === 503) return false;
    if (answer.status !== 200) {
      asked.errors += 1;
      this.refused += 1;
      if (answer.status !== 400 || !REVERSAL_REFUSALS.has(answer.problem?.code ?? "")) {
        this.#world.violation(`a reversal of ${sale.id} was refused with ${JSON.stringify(answer.problem)}`);
      }
      return true;
    }
    if (answer.body.id !== sale.id)
      this.#world.violation(`I14: reversed ${sale.id}, was told of ${answer.body.id}`);
    const isPromised = this.#service.promisedWords().has(word);
    if (!isPromised && !this.#world.histories.isLinear(name, moment, answer.body)) {
      this.#world.violation(`I16: ${sale.id} was never as it was reversed: ${JSON.stringify(answer.body)}`);
    }
    for (const { id, amount, order_no, metadata } of answer.body.refunds.data) {
      if (metadata.word === word)
        this.told.push({ refund: id, charge: name, amount, orderNo: order_no, word });
    }
    return true;
  }

  /** What a refund tells of itself goes from its beginning to where it stands, step by step. */
  async #readTimeline(sale: Sale): Promise<void> {
    const name = this.#world.nameOf(sale);
    const known = this.told.filter(({ charge }) => charge === name);
    if (known.length === 0) return;
    const { refund } = this.#world.dice.pick(known);
    const timeline = await this.timeline(sale, refund);
    if (timeline === null || this.#world.rolledBack.has(name) || this.#world.counts.d1Restored > 0) return;
    for (const [i, { from, state, cause }] of timeline.entries()) {
      const before = timeline[i - 1]?.state ?? null;
      const isMove = before !== null && (before === state || TRANSITIONS[before].includes(state));
      const isLegal = i === 0 ? cause === "created" || cause === "refused" : isMove || cause === "restored";
      if (!isLegal || from !== before) {
        this.#world.violation(`${refund} tells ${JSON.stringify(timeline)}`);
        return;
      }
    }
  }

  async timeline(sale: Sale, refund: string): Promise<TimelineWire[] | null> {
    const path = `/v1/charges/${sale.id}/refunds/${refund}/timeline`;
    const answer = await this.#service.ask<{ data: TimelineWire[] }>({ key: sale.key, method: "GET", path });
    return answer?.status === 200 ? answer.body.data : null;
  }

  /** E3: what is equal and has no key is meant again, when somebody asks for it again. */
  async #anew(sale: Sale, amount: number | null, identity: Identity): Promise<void> {
    const asked = this.asked.get(identity.word) as Asked;
    const name = this.#world.nameOf(sale);
    asked.meant = 2;
    const before = new Set(this.told.filter(({ charge }) => charge === name).map(({ refund }) => refund));
    await this.#request(sale, amount, identity);
    const last = this.told.findLast(({ charge }) => charge === name);
    if (last !== undefined && last.word === identity.word && before.has(last.refund)) {
      const times = this.told.filter(({ refund }) => refund === last.refund).length;
      if (times > 1) this.#world.violation(`E3: ${last.refund} was given to two who meant one each`);
    }
  }

  #identity(sale: Sale): Identity {
    const { dice, clock } = this.#world;
    const word = mintId("request", (count) => dice.bytes(count)).slice(4, 16);
    this.asked.set(word, { charge: this.#world.nameOf(sale), requests: 0, errors: 0, meant: 1 });
    const kind = dice.pick(IDENTITIES);
    const used = this.#used.get(sale) ?? [];
    this.#used.set(sale, used);
    const token = used.length > 0 && dice.chance(0.1) ? dice.pick(used) : word;
    if (token === word && kind !== "none" && kind !== "timestamp") used.push(word);
    return { kind, word, token, timestamp: Math.floor(clock.now() / 1000) };
  }

  /** One request; false when there was no answer and it may be tried again. */
  async #request(sale: Sale, amount: number | null, identity: Identity): Promise<boolean> {
    const { dice, clock } = this.#world;
    const { kind, word, token } = identity;
    const asked = this.asked.get(word) as Asked;
    asked.requests += 1;
    this.#world.note("request", sale.id, word, String(amount), kind);
    const answer = await this.#service.ask<Wire>({
      key: sale.key,
      path: `/v1/charges/${sale.id}/refunds`,
      body: {
        ...(amount === null ? {} : { amount }),
        description: "simulated",
        metadata: { word },
        ...(kind === "refund_no" ? { refund_no: token } : {}),
      },
      headers: this.#headers(identity),
    });
    this.#world.note("answer", sale.id, word, answer?.status ?? 0, JSON.stringify(answer?.body ?? null));
    if (answer === null) return false;
    if (answer.status !== 200) {
      asked.errors += 1;
      return this.#isRefused(sale, answer);
    }
    const wire = answer.body;
    if (amount !== null && wire.amount !== amount) {
      this.#world.violation(`I4: asked for ${amount}, was told ${wire.amount} of ${wire.id}`);
    }
    this.#checkSuccess(wire);
    if (wire.charge !== sale.id)
      this.#world.violation(`I14: asked about ${sale.id}, was told of ${wire.charge}`);
    this.told.push({
      refund: wire.id,
      charge: this.#world.nameOf(sale),
      amount: amount === null && this.#service.wasPromised(wire.id) ? null : wire.amount,
      orderNo: wire.order_no,
      word,
    });
    const isMade = this.#world.observer.born.has(wire.id);
    // A key that stands for another request is refused; only a promise cannot know.
    if (wire.metadata.word !== word) {
      this.#world.violation(`I10: ${word} was answered with the refund of ${wire.metadata.word}`);
    }
    // A promise is kept under its own id, also when it turns out to repeat another request.
    const isKept = kind !== "timestamp" || !this.#service.wasPromised(wire.id);
    if (kind !== "none" && isKept) this.#belongs(sale, identity, wire.id);
    await clock.sleep(dice.between(0, 50));
    await this.#lookUp(sale, wire.id, isMade);
    return true;
  }

  #headers({ kind, token, timestamp }: Identity): Record<string, string> {
    const { dice } = this.#world;
    const wait = dice.pick(["respond-async", "wait=2", ""]);
    return {
      ...(wait === "" ? {} : { Prefer: wait }),
      ...(kind === "key" ? { "Idempotency-Key": token } : {}),
      ...(kind === "timestamp" ? { "Pingplusplus-Request-Timestamp": String(timestamp) } : {}),
    };
  }

  #isRefused(sale: Sale, { status, problem }: Answer): boolean {
    if (status === 503) return false;
    this.refused += 1;
    if (status !== 400 || !REFUSALS.has(problem?.code)) {
      this.#world.violation(`a refund of ${sale.id} was refused with ${status} ${JSON.stringify(problem)}`);
    }
    return true;
  }

  /** Has the channel asked about some refund, once or by several at once. */
  async #sync(sale: Sale): Promise<void> {
    const { dice } = this.#world;
    const name = this.#world.nameOf(sale);
    const known = this.told.filter(({ charge }) => charge === name);
    if (known.length === 0) return;
    const { refund } = dice.pick(known);
    const crowd = dice.chance(0.3) ? 6 : 1;
    await Promise.all(
      Array.from({ length: crowd }, async () => {
        const path = `/v1/charges/${sale.id}/refunds/${refund}/sync`;
        const answer = await this.#service.ask<Wire>({ key: sale.key, path });
        // What was only promised may not be there yet.
        if (answer?.status !== 200) return;
        if (answer.body.id !== refund)
          this.#world.violation(`I4: a sync of ${refund} shows ${answer.body.id}`);
        this.#checkSuccess(answer.body);
      }),
    );
  }

  /** Something is heard of one of the charge's two disputes, in any order and more than once. */
  async #dispute(sale: Sale): Promise<void> {
    const { dice } = this.#world;
    const id = dice.pick(["dp_1", "dp_2"]);
    const status = dice.pick(DISPUTE_STATUSES);
    const amount = dice.between(1, Math.ceil(sale.amount * 0.6));
    const told: ToldDispute = { charge: this.#world.nameOf(sale), id, status, acknowledged: false };
    this.disputes.push(told);
    this.#world.note("dispute", sale.id, id, status, amount);
    const path = `/v1/charges/${sale.id}/disputes`;
    const answer = await this.#service.ask({ key: sale.key, path, body: { id, status, amount } });
    if (answer?.status === 200) told.acknowledged = true;
  }

  #checkSuccess(wire: Wire): void {
    if ((wire.status === "succeeded") !== wire.succeed || wire.succeed !== (wire.time_succeed !== null)) {
      this.#world.violation(`I15: ${JSON.stringify(wire)}`);
    }
  }

  /** I10: one identity, one refund. */
  #belongs(sale: Sale, { kind, word }: Identity, refund: string): void {
    const name = `${this.#world.nameOf(sale)} ${kind} ${word}`;
    const owner = this.#owners.get(name);
    this.#owners.set(name, owner ?? refund);
    const isForgotten = this.#world.rolledBack.has(this.#world.nameOf(sale));
    if (owner !== undefined && owner !== refund && !isForgotten) {
      this.#world.violation(`I10: ${name} stands for ${owner} and for ${refund}`);
    }
  }

  /** I16: whoever was told of a refund finds it, right away; I14: nobody else does. */
  async #lookUp(sale: Sale, refund: string, isMade: boolean): Promise<void> {
    const path = `/v1/charges/${sale.id}/refunds/${refund}`;
    const isAway = () => this.#world.rolledBack.has(this.#world.nameOf(sale));
    const isCarried = this.#service.carried().has(refund);
    const name = this.#world.nameOf(sale);
    const moment = this.#world.histories.moment(name);
    const own = await this.#service.ask<Wire>({ key: sale.key, method: "GET", path });
    // While its ledger is away, what was promised is read from the promise.
    const isOwn = own?.status === 200 && isMade && !this.#service.wasPromised(refund);
    if (isOwn && !this.#world.histories.isRefundLinear(name, moment, own.body)) {
      this.#world.violation(`I16: ${refund} was never as it was seen: ${JSON.stringify(own.body)}`);
    }
    if (own?.status === 404 && !isAway() && !isCarried) this.#world.violation(`I16: ${refund} is not found`);
    const stranger = this.#world.dice.pick(this.#world.keys.filter((key) => key !== sale.key));
    const foreign = await this.#service.ask({ key: stranger, method: "GET", path });
    if (foreign?.status === 200) this.#world.violation(`I14: ${refund} is shown to a stranger`);
    const whole = await this.look(sale);
    if (whole?.status !== 200 || !isMade || isAway()) return;
    const { refunded, refunds } = whole.body;
    if (!refunded) this.#world.violation(`I16: ${sale.id} does not know that it is being refunded`);
    if (!refunds.has_more && refunds.data.every(({ id }) => id !== refund)) {
      this.#world.violation(`I16: ${refund} is not in the list of ${sale.id}`);
    }
  }

  /** I6: pages that are turned while refunds arrive neither repeat nor leave out what was there at the beginning. */
  async #page(sale: Sale): Promise<void> {
    const { born } = this.#world.observer;
    const name = this.#world.nameOf(sale);
    const known = this.told.filter(({ charge, refund }) => charge === name && born.has(refund));
    const seen: string[] = [];
    let cursor = "";
    for (;;) {
      const path = `/v1/charges/${sale.id}/refunds?limit=2${cursor}`;
      const answer = await this.#service.ask<Page>({ key: sale.key, method: "GET", path });
      if (answer?.status !== 200) return;
      const { data, has_more } = answer.body;
      seen.push(...data.map(({ id }) => id));
      cursor = `&starting_after=${data.at(-1)?.id}`;
      if (!has_more || data.length === 0) break;
    }
    if (this.#world.rolledBack.has(name)) return;
    if (new Set(seen).size !== seen.length) this.#world.violation(`I6: a page repeats: ${seen.join(" ")}`);
    for (const { refund } of known) {
      if (!seen.includes(refund)) this.#world.violation(`I6: the pages of ${sale.id} lack ${refund}`);
    }
  }
}
