// An app's budget, question by question: what counts against a limit, from when on and until when.
import { beforeEach, describe, expect, it } from "vitest";
import { Allowance } from "../../src/budgets/allowance.ts";
import { Budget, CATCH_UP_MS, GRACE_MS, type Usage } from "../../src/budgets/budget.ts";
import { LEASE_MS, type LeaseCall, type Report } from "../../src/budgets/budget-calls.ts";
import { allowanceFor, limitsOf, NO_ALLOWANCE } from "../../src/budgets/limits.ts";
import { Dice } from "../emulators/dice.ts";
import { Disk, openStorage } from "../simulation/storage.ts";
import { VirtualClock } from "../simulation/virtual-clock.ts";

const OWNER = { app: "app_1", livemode: false };
const LIMITS = { count: null, amounts: { cny: 1000 } };
const TOLD_NOTHING: Report = { leases: [], made: [] };
const DAY_MS = 86_400_000;
const START = Date.UTC(2027, 0, 15);

let now: number;
let disk: Disk;
let d1: { usage: Partial<Usage>; fails: boolean; reads: number; asked: readonly string[] };
let budget: Budget;

function storage() {
  return openStorage(disk, {
    check: () => {},
    beforeCommit: () => {},
    afterCommit: () => {},
    alarmSet: () => {},
    violation: (words) => {
      throw new Error(words);
    },
  });
}

function openBudget(): Budget {
  return new Budget({
    storage: storage(),
    now: () => now,
    // Whoever waits for something else first does so for ever; who only waits, waits.
    sleep: async (ms, stop) => {
      if (stop !== undefined) return await new Promise(() => {});
      now += ms;
    },
    usage: async (_, __, refunds) => {
      d1.reads += 1;
      d1.asked = refunds;
      if (d1.fails) throw new Error("D1_ERROR: overloaded");
      return { count: 0, amounts: {}, scanned: 0, oldest: null, found: [], ...d1.usage };
    },
  });
}

beforeEach(() => {
  now = START;
  disk = new Disk("budget");
  d1 = { usage: {}, fails: false, reads: 0, asked: [] };
  budget = openBudget();
});

let leases = 0;

function lease(amount: number, more: Partial<LeaseCall> = {}) {
  leases += 1;
  const need = { currency: "cny", amount };
  const call = {
    owner: OWNER,
    report: TOLD_NOTHING,
    limits: LIMITS,
    lease: `l${leases}`,
    need,
    others: [],
    refunds: 16,
  };
  return budget.lease({ ...call, ...more });
}

async function taken(amount: number, more: Partial<LeaseCall> = {}) {
  const answer = await lease(amount, more);
  if (!("ok" in answer)) throw new Error(JSON.stringify(answer));
  return answer.ok;
}

const report = (given: Partial<Report>) =>
  budget.report({ owner: OWNER, report: { ...TOLD_NOTHING, ...given } });
const made = (refund: string, amount: number) => ({ refund, currency: "cny", amount });

/** What could be had now, whatever it takes. */
async function left(limits: LeaseCall["limits"] = LIMITS): Promise<number> {
  const answer = await lease(1_000_000, { limits: { ...limits, amounts: { ...limits.amounts } } });
  return "exceeded" in answer ? answer.exceeded.left : Number.NaN;
}

describe("a lease", () => {
  it("covers what is asked for, and more refunds of that size, but no more than a share of what is left", async () => {
    expect(await taken(900)).toMatchObject({ amounts: { cny: 900 } });
    expect(await taken(4)).toMatchObject({ amounts: { cny: 12 } });
    expect(await taken(88)).toMatchObject({ amounts: { cny: 88 } });
    expect(await lease(1)).toMatchObject({
      exceeded: { limit: { kind: "amount", currency: "cny" }, max: 1000, left: 0 },
    });
  });

  it("covers other currencies as refunds come in them, each under its own limit", async () => {
    const limits = { count: 100, amounts: { cny: 1000, "*": 800 } };
    const others = [
      { currency: "usd", amount: 2 },
      { currency: "eur", amount: 50 },
    ];
    const answer = await taken(10, { limits, others });
    expect(answer).toMatchObject({ count: 12, amounts: { cny: 125, usd: 32, eur: 100 } });
  });

  it("is the same when the same question comes again, and counts once", async () => {
    const answer = await taken(100, { lease: "same" });
    expect(await taken(100, { lease: "same" })).toEqual(answer);
    expect(await left()).toBe(1000 - (answer.amounts.cny as number));
  });

  it("that nobody accounts for counts until its refunds must be in D1, and then comes back by itself", async () => {
    await taken(600);
    now += LEASE_MS + GRACE_MS - 1;
    expect(await left()).toBe(400);
    now += 1000;
    expect(await left()).toBe(1000);
  });

  it("counts on while D1 is away, and until ledgers have caught up with it", async () => {
    await taken(600);
    d1.fails = true;
    now += DAY_MS;
    expect(await lease(500)).toEqual({ unavailable: true });
    d1.fails = false;
    now += CATCH_UP_MS - 1;
    expect(await left()).toBe(400);
    now += 2000;
    expect(await left()).toBe(1000);
  });

  it("shrinks to what is open of it, and never grows again", async () => {
    const { id } = await taken(600);
    await report({ leases: [{ id, count: 0, amounts: { cny: 200 } }] });
    expect(await left()).toBe(800);
    await report({ leases: [{ id, count: 0, amounts: { cny: 500 } }] });
    expect(await left()).toBe(800);
    await report({ leases: [{ id, count: 0, amounts: {} }] });
    expect(await left()).toBe(1000);
    await report({ leases: [{ id, count: 0, amounts: { cny: 500 } }] });
    expect(await left()).toBe(1000);
  });
});

describe("a refund that was made", () => {
  it("counts until D1 shows it, and then as D1 says", async () => {
    await report({ made: [made("re_1", 300), made("re_2", 100)] });
    await report({ made: [made("re_1", 300)] });
    expect(await left()).toBe(600);
    expect(d1.asked).toEqual(["re_1", "re_2"]);
    // The second one has failed.
    d1.usage = { count: 1, amounts: { cny: 300 }, found: ["re_1", "re_2"] };
    now += 1000;
    expect(await left()).toBe(700);
    d1.usage = {};
    now += 1000;
    expect(await left()).toBe(1000);
  });

  it("counts as the most that was said of it, in the currency that was said last", async () => {
    await report({ made: [made("re_1", 300)] });
    await report({ made: [made("re_1", 500)] });
    await report({ made: [made("re_1", 400)] });
    expect(await left()).toBe(500);
    await report({ made: [{ ...made("re_1", 100), currency: "usd" }] });
    expect(await left()).toBe(1000);
    expect(await left({ count: 1, amounts: {} })).toBe(0);
  });

  it("or may have been, stops counting after 24 hours without a trace of it", async () => {
    await report({ made: [made("re_1", 300)] });
    now += DAY_MS - 1;
    expect(await left()).toBe(700);
    now += 1000;
    expect(await left()).toBe(1000);
  });
});

describe("a batch", () => {
  const book = (refunds: ReturnType<typeof made>[], limits: LeaseCall["limits"] = LIMITS) =>
    budget.book({ owner: OWNER, report: TOLD_NOTHING, limits, refunds });
  const unbook = (refund: string, amount: number) =>
    budget.unbook({ owner: OWNER, refunds: [{ refund, amount }] });

  it("gets all of its refunds or none, and the same ones once", async () => {
    const batch = [made("re_1", 400), made("re_2", 600)];
    expect(await book([...batch, made("re_3", 1)])).toMatchObject({ exceeded: { left: 1000 } });
    expect(await book(batch)).toEqual({ ok: null });
    expect(await book(batch)).toEqual({ ok: null });
    expect(await left()).toBe(0);
  });

  it("that has room for a refund needs more for a larger one under the same id, and less for none", async () => {
    expect(await book([made("re_1", 100)])).toEqual({ ok: null });
    expect(await book([made("re_1", 1001)])).toMatchObject({ exceeded: { left: 900 } });
    expect(await book([made("re_1", 1000)], { count: 1, amounts: { cny: 1000 } })).toEqual({ ok: null });
    expect(await left()).toBe(0);
    expect(await book([made("re_1", 1)])).toEqual({ ok: null });
    expect(await left()).toBe(0);
  });

  it("needs nothing for refunds that have room, whatever has become of the limits", async () => {
    const batch = [made("re_1", 400), made("re_2", 600)];
    await book(batch);
    expect(await book(batch, { count: 1, amounts: { cny: 10 } })).toEqual({ ok: null });
    expect(await book([...batch, made("re_3", 1)], { count: 1, amounts: {} })).toMatchObject({
      exceeded: { limit: { kind: "count" }, left: 0 },
    });
  });

  it("gives back what will not be made of it, at once and for good", async () => {
    await book([made("re_1", 400), made("re_2", 600)]);
    await unbook("re_2", 100);
    expect(await left()).toBe(500);
    await unbook("re_2", 300);
    await unbook("re_3", 0);
    expect(await left()).toBe(500);
    await unbook("re_1", 0);
    budget = openBudget();
    expect(await left()).toBe(900);
    expect(await left({ count: 2, amounts: { cny: 1000 } })).toBe(900);
  });
});

describe("a budget", () => {
  it("lends on from what it last read while D1 is away, and refuses nobody for what D1 might say", async () => {
    d1.usage = { count: 3, amounts: { cny: 500 } };
    await taken(100);
    d1.fails = true;
    now += 60_000;
    expect(await taken(100)).toMatchObject({ amounts: { cny: 100 } });
    expect(await lease(400)).toEqual({ unavailable: true });
  });

  it("lends nothing before it has read D1 once", async () => {
    d1.fails = true;
    expect(await lease(1)).toEqual({ unavailable: true });
  });

  it("forgets nothing when it leaves memory, D1's last word included", async () => {
    d1.usage = { count: 1, amounts: { cny: 100 } };
    await taken(200);
    await report({ made: [made("re_1", 300)] });
    d1.fails = true;
    now += 1;
    budget = openBudget();
    expect(await taken(400)).toMatchObject({ amounts: { cny: 400 } });
    expect(await lease(1)).toEqual({ unavailable: true });
  });

  it("reads D1 at once for whoever it would refuse, and no more often than the work allows", async () => {
    d1.usage = { count: 1, amounts: { cny: 1000 }, oldest: START / 1000 - 3600 };
    const first = await lease(1);
    expect(first).toMatchObject({ exceeded: { left: 0, roomAt: START + 23 * 3_600_000 } });
    expect(d1.reads).toBe(1);
    now += 600;
    await lease(1);
    expect(d1.reads).toBe(2);
    d1.usage = { ...d1.usage, scanned: 1_000_000 };
    now += 600;
    await lease(1);
    for (let i = 0; i < 9; i++) {
      now += 10_000;
      expect(await lease(1)).toHaveProperty("exceeded");
    }
    expect(d1.reads).toBe(3);
  });

  it("says that there will never be room for more than a limit", async () => {
    expect(await lease(1001)).toMatchObject({ exceeded: { left: 1000, roomAt: null } });
  });
});

describe("a budget whose D1 takes three seconds to add up millions of refunds", () => {
  const SECOND = 1_000;
  let clock: VirtualClock;
  let slow: Budget;
  let answersAfter: number;

  beforeEach(() => {
    clock = new VirtualClock(START, new Dice(1));
    answersAfter = 3 * SECOND;
    slow = new Budget({
      storage: storage(),
      now: () => clock.now(),
      sleep: (ms) => clock.sleep(ms),
      usage: async () => {
        d1.reads += 1;
        await clock.sleep(answersAfter);
        if (d1.fails) throw new Error("D1_ERROR: storage operation exceeded timeout");
        return { count: 0, amounts: { cny: 100 }, scanned: 6_000_000, oldest: null, found: [], ...d1.usage };
      },
    });
  });

  /** The answer, and how long it took. */
  async function ask(amount: number) {
    leases += 1;
    const [began, need] = [clock.time, { currency: "cny", amount }];
    const call = { owner: OWNER, report: TOLD_NOTHING, limits: LIMITS, need, others: [], refunds: 1 };
    let answer: Awaited<ReturnType<Budget["lease"]>> | undefined;
    void slow.lease({ ...call, lease: `l${leases}` }).then((given) => {
      answer = given;
    });
    await clock.run(clock.time + 60 * SECOND, () => answer !== undefined);
    return { answer, tookMs: clock.time - began };
  }

  it("keeps nobody waiting, uses what it reads once it is there, and reads it once", async () => {
    expect(await ask(1)).toEqual({ answer: { unavailable: true }, tookMs: SECOND });
    expect(await ask(1)).toEqual({ answer: { unavailable: true }, tookMs: 0 });
    await clock.run(clock.time + 2 * SECOND);
    expect(await ask(900)).toMatchObject({ answer: { ok: { amounts: { cny: 900 } } }, tookMs: 0 });
    expect(await ask(1)).toMatchObject({ answer: { exceeded: { left: 0 } }, tookMs: 0 });
    expect(d1.reads).toBe(1);
  });

  it("lends from what it read last while it reads again, and gives ended leases back by the next reading", async () => {
    await ask(1);
    await clock.run(clock.time + 3 * SECOND);
    await ask(300);
    // A slow answer is no failure: nothing waits for ledgers to catch up.
    await clock.run(clock.time + 600 * SECOND);
    expect(await ask(500)).toMatchObject({ answer: { ok: { amounts: { cny: 500 } } }, tookMs: SECOND });
    await clock.run(clock.time + 3 * SECOND);
    expect(await ask(401)).toMatchObject({ answer: { exceeded: { left: 400 } } });
  });

  it("takes an answer that never comes for a failure after ten seconds, and then reads again", async () => {
    await ask(1);
    await clock.run(clock.time + 3 * SECOND);
    await ask(300);
    await clock.run(clock.time + 600 * SECOND);
    answersAfter = 3600 * SECOND;
    await ask(1);
    await clock.run(clock.time + 12 * SECOND);
    answersAfter = 3 * SECOND;
    await ask(1);
    await clock.run(clock.time + 3 * SECOND);
    // D1 was away: what was made then may still be on its way to it.
    expect(await ask(900)).toMatchObject({ answer: { exceeded: { left: 598 } } });
    expect(d1.reads).toBe(3);
  });
});

describe("an isolate's allowance", () => {
  const wish = (amount: number | null) => ({ currency: "cny", amount });

  it("gives until the lease ends, and not after", () => {
    const allowance = new Allowance();
    allowance.receive({ id: "l1", count: 0, amounts: { cny: 100 } }, START + 1);
    expect(allowance.take(LIMITS, wish(60), START)).toMatchObject({ amount: 60 });
    expect(allowance.take(LIMITS, wish(41), START)).toBeNull();
    expect(allowance.take(LIMITS, wish(40), START + 1)).toBeNull();
  });

  it("gives half of what is free to a refund of all that is left, which gives back what it does not need", () => {
    const allowance = new Allowance();
    allowance.receive({ id: "l1", count: 0, amounts: { cny: 100 } }, START + 1);
    const part = allowance.take(LIMITS, wish(null), START);
    expect(part).toMatchObject({ amount: 50 });
    allowance.settle(part as never, made("re_1", 20));
    expect(allowance.report()).toEqual({
      leases: [{ id: "l1", count: 0, amounts: { cny: 80 } }],
      made: [made("re_1", 20)],
    });
    // Later ones are taken to be of a like size.
    allowance.meet({ currency: "cny", amount: 20 });
    expect(allowance.take(LIMITS, wish(null), START)).toMatchObject({ amount: 40 });
    expect(allowance.take(LIMITS, wish(null), START)).toMatchObject({ amount: 20 });
  });

  it("accounts for what is on its way under a lease that gives no more", () => {
    const allowance = new Allowance();
    allowance.receive({ id: "l1", count: 0, amounts: { cny: 100 } }, START + 1);
    const part = allowance.take(LIMITS, wish(30), START);
    allowance.receive({ id: "l2", count: 0, amounts: { cny: 100 } }, START + 2);
    const open = (amount: number) => ({ id: "l1", count: 0, amounts: { cny: amount } });
    expect(allowance.report().leases[0]).toEqual(open(30));
    allowance.settle(part as never, null);
    expect(allowance.report().leases[0]).toEqual(open(0));
    allowance.told(allowance.report());
    expect(allowance.report().leases.map(({ id }) => id)).toEqual(["l2"]);
  });

  it("tells what a refund has turned out to come to, also when that is found while it tells", () => {
    const allowance = new Allowance();
    allowance.count(made("re_1", 20));
    const report = allowance.report();
    allowance.count(made("re_1", 70));
    allowance.told(report);
    expect(allowance.report().made).toEqual([made("re_1", 70)]);
  });

  it("of what is not limited is endless, and takes nothing", () => {
    const allowance = new Allowance();
    const part = allowance.take(LIMITS, { currency: "usd", amount: 5 }, START);
    expect(part).toEqual({ lease: null, currency: "usd", amount: 0, count: 0 });
    expect(allowanceFor(LIMITS, part as never)).toEqual({ cny: 0 });
  });

  it("lets a ledger make nothing but what was taken", () => {
    const limits = { count: 1, amounts: { cny: 10, "*": 5 } };
    expect(allowanceFor(limits, { currency: "cny", amount: 3 })).toEqual({ cny: 3, "*": 0 });
    expect(allowanceFor(limits, { currency: "usd", amount: 3 })).toEqual({ cny: 0, usd: 3, "*": 0 });
    expect(NO_ALLOWANCE).toEqual({ "*": 0 });
  });

  it("does not exist for an app without limits", () => {
    expect(limitsOf({ daily_refunds_max: null, daily_amount_max: {} })).toBeNull();
  });
});
