// Any story of decisions and channel answers, on a clock that only moves when told: whatever comes after what, nothing
// goes out that is held back or was stopped, and the books stay true to the channel's.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RefundOrder } from "../../src/channels/channel.ts";
import { storedRefund } from "../../src/charges/book.ts";
import { CALL, type DecideCall } from "../../src/charges/ledger-calls.ts";
import type { LedgerStorage } from "../../src/charges/ledger-ports.ts";
import { type Refund, refundOrderNo, TRANSITIONS } from "../../src/refunds/refund.ts";
import { Bench, type Words } from "./ledger-bench.ts";
import { aCommand, anAccount } from "./refund-fixture.ts";

const DAY = 86_400_000;
const KEYS = ["key_1", "key_2", "key_3"] as const;

type Effect = "paid" | "refused" | "taken" | "lost before" | "lost after" | "no room";

type Step =
  | {
      does: "create";
      amount: number | null;
      key: number;
      delayMs: number;
      limit: number | null;
      reverses: boolean;
    }
  | { does: DecideCall["decision"]; which: number; key: number }
  | { does: "sync" | "claim" | "give up" | "update" | "move"; which: number; key: number }
  | { does: "dispute"; amount: number; won: boolean }
  | { does: "pass"; ms: number }
  | { does: "restart" | "poke" };

const which = fc.nat(5);
const key = fc.nat(KEYS.length - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant("create" as const),
      amount: fc.option(fc.integer({ min: 1, max: 6000 })),
      key,
      delayMs: fc.constantFrom(0, 0, 60_000, 3 * DAY),
      limit: fc.constantFrom(null, 0, 3000),
      reverses: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ does: fc.constantFrom("cancel", "approve", "reject"), which, key }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constantFrom("sync", "claim", "give up", "update", "move"),
      which,
      key,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constant("dispute" as const),
      amount: fc.integer({ min: 1, max: 9000 }),
      won: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      does: fc.constant("pass" as const),
      ms: fc.constantFrom(500, 30_000, 70_000, DAY, 8 * DAY),
    }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constantFrom("restart", "poke") }) },
) as fc.Arbitrary<Step>;

const effects = fc.array(
  fc.constantFrom<Effect>("paid", "paid", "refused", "taken", "lost before", "lost after", "no room"),
  { minLength: 1, maxLength: 8 },
);

/** A charge whose channel keeps books of its own, and that looks at the ledger's whenever it is asked to pay. */
class Story {
  readonly bench = new Bench();
  /** What the channel has on its books, by number. */
  readonly paid = new Map<string, number>();
  readonly taken = new Map<string, number>();
  readonly refused = new Set<string>();
  readonly wrongs: string[] = [];
  /** The channel pays whatever it is asked for from now on. */
  isQuick = false;
  readonly #effects: readonly Effect[];
  #turn = 0;
  readonly #ports = this.bench.ports;
  #kill = (): void => {};

  constructor(effects: readonly Effect[]) {
    this.#effects = effects;
    const { bench } = this;
    bench.onSubmission = () => this.#submit(bench.submissions.at(-1) as RefundOrder);
    this.#restart();
    bench.onQuery = () => this.#tell(bench.queries.at(-1)?.order.number ?? "");
  }

  get refunds(): Refund[] {
    const rows = this.#ports.storage.sql.exec("SELECT doc FROM refunds WHERE seq > 0 ORDER BY seq");
    return rows.toArray().map(({ doc }) => storedRefund(doc as string));
  }

  #submit({ number, amount }: RefundOrder): Words {
    const refund = this.refunds.find(({ id }) => refundOrderNo(id) === number);
    if (refund?.approval !== undefined && refund.approval.status !== "approved")
      this.wrongs.push("unapproved");
    if ((refund?.notBefore ?? 0) > this.bench.clock.time) this.wrongs.push("too early");
    if (refund?.state !== "submitting") this.wrongs.push(`sent while ${refund?.state}`);
    const effect = this.isQuick ? "paid" : (this.#effects[this.#turn++ % this.#effects.length] as Effect);
    const isNew = !this.paid.has(number) && !this.taken.has(number) && !this.refused.has(number);
    if (effect === "no room") {
      return { kind: "notSent", reason: "throttled", retryAt: this.bench.clock.time + DAY / 4 };
    }
    if (isNew && (effect === "paid" || effect === "lost after")) this.paid.set(number, amount);
    if (isNew && effect === "taken") this.taken.set(number, amount);
    if (isNew && effect === "refused") this.refused.add(number);
    if (effect === "lost before" || effect === "lost after") return { kind: "unknown" };
    return this.#tell(number);
  }

  #tell(number: string): Words {
    if (this.paid.has(number)) return { kind: "succeeded", transactionNo: `T${number}` };
    if (this.taken.has(number)) return { kind: "accepted" };
    if (this.refused.has(number)) return { kind: "declined", code: "NO", words: "no" };
    return { kind: "notFound" };
  }

  /** The channel pays what it had only taken. */
  pay(): void {
    for (const [number, amount] of this.taken) this.paid.set(number, amount);
    this.taken.clear();
  }

  async take(step: Step): Promise<void> {
    const { bench } = this;
    if (step.does === "pass") return await bench.pass(step.ms);
    if (step.does === "restart") return this.#restart();
    if (step.does === "poke") return void (await bench.finish(bench.ledger.poke({ ...CALL })));
    if (step.does === "dispute") {
      const status = step.won ? "won" : "opened";
      const heard = { ...CALL, id: "dp_1", status, amount: step.amount } as const;
      return void (await bench.finish(bench.ledger.dispute(heard)));
    }
    if (step.does === "create") return await this.#create(step);
    if (!("which" in step)) return;
    const { refunds } = this;
    const refund = refunds[step.which % Math.max(1, refunds.length)];
    if (refund === undefined) return;
    const apiKey = KEYS[step.key] as string;
    const by = `by ${step.key}`;
    await bench.finish(this.#do(step.does, refund, apiKey, by));
  }

  /** The instance is gone, with whatever it was about to write, and another takes its place. */
  #restart(): void {
    this.#kill();
    const { storage } = this.#ports;
    let isDead = false;
    const alive = <Given extends unknown[], Answer>(work: (...given: Given) => Answer) => {
      return (...given: Given): Answer => {
        if (isDead) throw new Error("this instance is gone");
        return work(...given);
      };
    };
    const guarded: LedgerStorage = {
      sql: { exec: alive((query, ...bindings) => storage.sql.exec(query, ...bindings)) },
      transactionSync: alive((work) => storage.transactionSync(work)),
      setAlarm: alive((at) => storage.setAlarm(at)),
      deleteAlarm: alive(() => storage.deleteAlarm()),
    };
    this.#kill = () => {
      isDead = true;
    };
    this.bench.ports = { ...this.#ports, storage: guarded };
    this.bench.restart();
  }

  async #create(step: Extract<Step, { does: "create" }>): Promise<void> {
    const rules = {
      ...aCommand().rules,
      ...(step.delayMs === 0 ? {} : { delayMs: step.delayMs }),
      ...(step.limit === null ? {} : { approvalLimits: { cny: step.limit } }),
    };
    const reverses = step.reverses ? ({ reverses: true, amount: null } as const) : { amount: step.amount };
    const changes = { ...reverses, apiKey: KEYS[step.key] as string, rules, waitMs: 100 };
    // What is refused is refused.
    await this.bench.finish(this.bench.begin(changes).catch(() => ""));
  }

  #do(does: Step["does"], refund: Refund, apiKey: string, by: string): Promise<unknown> {
    const { ledger, charge } = this.bench;
    const reference = { ...CALL, refund: refund.id };
    const decider = { apiKey, by };
    switch (does) {
      case "sync":
        return ledger.sync(reference);
      case "claim":
        return ledger.claim({ ...reference, apiKey, by });
      case "give up": {
        const resolution = { outcome: "failed", by, reason: "no use" } as const;
        return ledger.resolve({ ...reference, apiKey, resolution, transactionNo: null });
      }
      case "update":
        return ledger.update({ ...reference, description: `Words ${refund.version}`, decider });
      case "move":
        this.pay();
        return ledger.sync(reference);
      default: {
        const accounts = { [charge.channel]: anAccount() };
        const { rules } = aCommand();
        const decision = does as DecideCall["decision"];
        return ledger.decide({ ...reference, decision, decider, reason: null, waitMs: 100, accounts, rules });
      }
    }
  }

  /** The refunds that a person has stopped. */
  get stopped(): Refund[] {
    const codes = ["refund_canceled", "refund_rejected"];
    return this.refunds.filter(({ failureCode }) => failureCode !== null && codes.includes(failureCode));
  }

  async expectTrue(): Promise<void> {
    expect(this.wrongs).toEqual([]);
    const answer = await this.bench.ledger.export();
    if (!("ok" in answer)) return;
    const { charge, refunds } = answer.ok;
    const sum = [...this.paid.values()].reduce((all, amount) => all + amount, 0);
    expect(sum).toBeLessThanOrEqual(charge.amount);
    for (const refund of refunds) {
      const number = refundOrderNo(refund.id);
      if (refund.state === "succeeded") expect(this.paid.has(number)).toBe(true);
      if (refund.state === "failed") expect(this.paid.has(number) || this.taken.has(number)).toBe(false);
      const { timeline = [] } = refund;
      for (const [i, { state, version }] of timeline.entries()) {
        const before = timeline[i - 1];
        if (before === undefined) continue;
        expect(version).toBeGreaterThan(before.version);
        if (state !== before.state) expect(TRANSITIONS[before.state]).toContain(state);
      }
      expect(timeline.at(-1)?.state).toBe(refund.state);
    }
    const reversals = refunds.filter(({ reverses }) => reverses);
    expect(charge.reversed).toBe(reversals.some(({ state }) => state === "succeeded"));
    const held = refunds.filter(({ state }) => state !== "failed");
    if (held.some(({ reverses }) => reverses)) expect(held).toHaveLength(1);
  }
}

describe("any story of decisions", () => {
  it("sends nothing that waits for approval or for its time, nothing that was stopped, and books what the channel did", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 25 }), effects, async (steps, turns) => {
        const story = new Story(turns);
        const first = {
          does: "create",
          amount: 2000,
          key: 0,
          delayMs: 0,
          limit: 0,
          reverses: false,
        } as const;
        for (const each of [first, ...steps]) {
          await story.take(each);
          await story.expectTrue();
        }
        const stopped = story.stopped.map(({ id }) => refundOrderNo(id));
        for (const { number } of story.bench.submissions) {
          const wasTurnedAway =
            !story.paid.has(number) && !story.taken.has(number) && !story.refused.has(number);
          if (stopped.includes(number)) expect(wasTurnedAway).toBe(true);
        }
        story.isQuick = true;
        story.pay();
        await story.bench.pass(40 * DAY);
        await story.expectTrue();
        for (const refund of story.refunds) {
          const waits = refund.approval?.status === "required" && refund.state === "waiting";
          if (!waits && refund.state === "waiting") continue;
          expect([refund.state, waits]).toEqual([
            expect.toBeOneOf(["succeeded", "failed", "waiting"]),
            waits,
          ]);
          if (waits) expect(refund).toMatchObject({ attempts: 0, attention: "overdue" });
        }
        expect(new Set(stopped)).toEqual(new Set(story.stopped.map(({ id }) => refundOrderNo(id))));
      }),
      { numRuns: 150 },
    );
  });
});
