// Programs that refund several charges of a merchant under one number: they repeat it, some of them twice at once, until
// they are told what became of it. At rest every charge of a batch has exactly the one refund it was told.
import { type Refund, refundOrderNo, type State, type Status } from "../../src/refunds/refund.ts";
import type { Told } from "./clients.ts";
import type { Sale } from "./sale.ts";
import type { Service } from "./service.ts";
import type { World } from "./world.ts";

interface BatchWire {
  id: string;
  batch_no: string;
  charges: { charge: string; refund: string; amount: number }[];
}

interface Item {
  charge: string;
  refund: string;
  amount: number;
}

/** What became of the requests under one number. */
interface Asked {
  app: string;
  livemode: boolean;
  requests: number;
  refused: number;
  /** As it was told first. */
  told: BatchWire | null;
}

export class Batches {
  readonly #world: World;
  readonly #service: Service;
  readonly told: Told[] = [];
  readonly #asked = new Map<string, Asked>();

  constructor(world: World, service: Service) {
    this.#world = world;
    this.#service = service;
  }

  /** Some of the merchants behind `sales` have a batch made until `until` (real time). */
  send(sales: readonly Sale[], until: number): void {
    const { dice, clock } = this.#world;
    for (const key of new Set(sales.map((sale) => sale.key))) {
      if (!dice.chance(0.6)) continue;
      const own = sales.filter((sale) => sale.key === key);
      const some = own.filter(() => dice.chance(0.7));
      clock.at(dice.between(clock.time, until), () => void this.#make(some.length > 0 ? some : own));
    }
  }

  async #make(sales: readonly Sale[]): Promise<void> {
    const { dice, clock } = this.#world;
    const [{ app, livemode }] = sales as [Sale];
    const batchNo = `batch${this.#asked.size}`;
    const asked: Asked = { app, livemode, requests: 0, refused: 0, told: null };
    this.#asked.set(batchNo, asked);
    const charges = sales.map(({ id, amount }) => {
      const share = dice.between(1, Math.ceil(amount * 0.6));
      return dice.chance(0.2) ? id : { charge: id, amount: share };
    });
    const body = { batch_no: batchNo, charges, description: "a batch" };
    await Promise.all(
      Array.from({ length: dice.chance(0.4) ? 2 : 1 }, async () => {
        for (let attempt = 0; attempt < 5; attempt++) {
          const answered = await this.#request(sales, body, asked);
          if (answered && !dice.chance(0.3)) break;
          await clock.sleep(dice.between(100, 20_000));
        }
      }),
    );
  }

  /** False when it may be tried again. */
  async #request(sales: readonly Sale[], body: { batch_no: string }, asked: Asked): Promise<boolean> {
    asked.requests += 1;
    const [{ key }] = sales as [Sale];
    const answer = await this.#service.ask<BatchWire>({ key, path: "/v1/batch_refunds", body });
    this.#world.note("batch", body.batch_no, JSON.stringify(answer));
    if (answer === null || answer.status === 503) return false;
    if (answer.status !== 200) {
      asked.refused += 1;
      if (answer.status !== 400)
        this.#world.violation(`a batch was refused with ${JSON.stringify(answer.problem)}`);
      return true;
    }
    const { id, batch_no, charges } = answer.body;
    const same =
      asked.told?.id === id && JSON.stringify(itemsOf(asked.told)) === JSON.stringify(itemsOf(answer.body));
    if (batch_no !== body.batch_no || (asked.told !== null && !same)) {
      this.#world.violation(
        `I10: ${body.batch_no} was ${asked.told?.id}, and is ${JSON.stringify(answer.body)}`,
      );
    }
    if (asked.told !== null) return true;
    asked.told = answer.body;
    for (const { charge, refund, amount } of charges) {
      const sale = sales.find((each) => each.id === charge) as Sale;
      const name = this.#world.nameOf(sale);
      this.told.push({ refund, charge: name, amount, orderNo: refundOrderNo(refund), word: batch_no });
    }
    return true;
  }

  /** How many batches are kept: what D1 alone knows of them must not be taken from it. */
  kept(): number {
    return Number(this.#world.d1.rows("SELECT count(*) AS n FROM batch_refunds")[0]?.n);
  }

  /** At rest: `refunds` are all there are, by id. */
  check(refunds: ReadonlyMap<string, Refund>): void {
    const stored = new Set<string>();
    const items = new Map<string, string>();
    const world = this.#world;
    for (const row of world.d1.rows("SELECT * FROM batch_refunds")) {
      stored.add(String(row.batch_no));
      for (const item of JSON.parse(String(row.items)) as Item[]) items.set(item.refund, String(row.id));
      this.#checkBatch(row, refunds);
    }
    for (const [batchNo, { requests, refused, told }] of this.#asked) {
      if (told !== null && !stored.has(batchNo)) world.violation(`I4: somebody was told of ${batchNo}`);
      if (requests === refused && stored.has(batchNo)) world.violation(`${batchNo} was refused, and is kept`);
    }
    for (const { id, batch } of refunds.values()) {
      if (batch !== items.get(id)) world.violation(`${id} is of ${batch}, and ${items.get(id)} has it`);
    }
  }

  #checkBatch(row: Record<string, unknown>, refunds: ReadonlyMap<string, Refund>): void {
    const world = this.#world;
    const items = JSON.parse(String(row.items)) as Item[];
    const states: State[] = [];
    for (const { refund, amount } of items) {
      const made = refunds.get(refund);
      // A live ledger that was lost keeps its promises open until an operator has looked.
      if (made === undefined && !this.#service.promised().has(refund)) {
        world.violation(`I4: ${row.batch_no} lacks ${refund}`);
      }
      if (made !== undefined && made.amount !== amount) {
        world.violation(`I4: ${refund} was to be ${amount}, and is ${made.amount}`);
      }
      states.push(made?.state ?? "waiting");
    }
    const expected = outcomeOf(states);
    if (row.status !== expected) world.violation(`${row.batch_no} is ${row.status}, and ${states.join()}`);
    const query = "SELECT count(*) AS n FROM events WHERE type = 'batch_refund.succeeded' AND batch = ?";
    const told = Number(world.d1.rows(query, String(row.id))[0]?.n);
    if (told > 1 || (row.status === "succeeded" && told === 0)) {
      world.violation(`I9: ${row.batch_no} is ${row.status}, which was told ${told} times`);
    }
  }
}

function itemsOf({ charges }: BatchWire): Item[] {
  return charges.map(({ charge, refund, amount }) => ({ charge, refund, amount }));
}

function outcomeOf(states: readonly State[]): "processing" | Status | "partially_succeeded" {
  if (states.some((state) => state !== "succeeded" && state !== "failed")) return "processing";
  if (states.every((state) => state === "succeeded")) return "succeeded";
  return states.includes("succeeded") ? "partially_succeeded" : "failed";
}
