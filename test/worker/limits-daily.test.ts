// What an app may refund within 24 hours, through the public interface.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { budgetName } from "../../src/budgets/budget-calls.ts";
import type { ChargeObject } from "../../src/charges/schema.ts";
import { ChargeLedger, RefundBudget } from "../../src/index.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { storedRefunds } from "../books.ts";
import { type ErrorObject, eventually, type Sent, TestApp } from "../harness.ts";
import { sweepNow } from "./batch-shop.ts";

interface Limits {
  daily: {
    window_seconds: number;
    refunds: { max: number | null; used: number; remaining: number | null };
    amounts: Record<string, { max: number | null; used: number; remaining: number | null }>;
  };
}

afterEach(() => {
  vi.restoreAllMocks();
});

const budgetOf = (app: TestApp, livemode = false) =>
  env.BUDGETS.getByName(budgetName({ app: app.id, livemode })) as unknown as DurableObjectStub;

const limitsOf = async (app: TestApp, sent: Sent = {}) =>
  (await app.get<Limits>("/v1/limits", sent)).body.daily;

/** The refunds that were promised and have not reached their ledgers. */
async function promisesOf(app: TestApp): Promise<string[]> {
  const query = "SELECT refund FROM commands WHERE app = ? AND due_at is not null";
  const { results } = await env.DB.prepare(query).bind(app.id).all<{ refund: string }>();
  return results.map(({ refund }) => refund);
}

async function refuse(app: TestApp, charge: { id: string }, body: Record<string, unknown>, sent: Sent = {}) {
  const answer = await app.refund<ErrorObject>(charge, body, sent);
  expect([answer.status, answer.text]).toEqual([400, expect.stringContaining("daily_limit_exceeded")]);
  return answer.body.error;
}

describe("an app with a limit of refunds a day", () => {
  it("makes exactly as many, and the next one is refused with nothing stored", async () => {
    const app = await TestApp.create({ settings: { daily_refunds_max: 5 } });
    const charge = await app.charge();
    for (let i = 0; i < 5; i++) {
      const { status, body } = await app.refund(charge, { amount: 10, description: `No. ${i}` });
      expect([status, body.status]).toEqual([200, "succeeded"]);
    }
    const error = await refuse(app, charge, { amount: 10 }, { headers: { "Accept-Language": "en" } });
    expect(error.message).toMatch(
      /^The refund exceeds the app's limit of 5 refunds in 24 hours: 0 are left; more/,
    );
    expect((await app.retrieveCharge(charge)).amount_refunded).toBe(50);
    await eventually(async () => (await storedRefunds(app.id)).refunds === 5);
  });

  it("of ten refunds racing for the last three, three are made", async () => {
    const app = await TestApp.create({ settings: { daily_refunds_max: 3 } });
    const charges = await Promise.all(Array.from({ length: 10 }, () => app.charge()));
    const answers = await Promise.all(charges.map((charge) => app.refund(charge, { amount: 10 })));
    expect(answers.map(({ status }) => status).sort()).toEqual([
      ...Array(3).fill(200),
      ...Array(7).fill(400),
    ]);
  });

  it("a refund that fails gives its place back", async () => {
    const app = await TestApp.create({ settings: { daily_refunds_max: 1 } });
    const charge = await app.charge();
    const failed = await app.refund(charge, { amount: 10, description: "[sandbox:declined]" });
    const next = await app.charge();
    const made = await eventually(async () => {
      const answer = await app.refund(next, { amount: 10 });
      return answer.status === 200 && answer;
    });
    expect([failed.body.status, made.body.status]).toEqual(["failed", "succeeded"]);
    await refuse(app, next, { amount: 11 });
  });

  it("a repeat under a request key costs nothing, also when nothing is left", async () => {
    const app = await TestApp.create({ settings: { daily_refunds_max: 2 } });
    const charge = await app.charge();
    const first = await app.refund(charge, { amount: 10, refund_no: "A1" });
    for (let i = 0; i < 5; i++) {
      expect((await app.refund(charge, { amount: 10, refund_no: "A1" })).body.id).toBe(first.body.id);
    }
    expect((await app.refund(charge, { amount: 10, refund_no: "A2" })).status).toBe(200);
    await refuse(app, charge, { amount: 10, refund_no: "A3" });
    const again = await app.refund(charge, { amount: 10, refund_no: "A1" });
    expect([again.status, again.body.id]).toEqual([200, first.body.id]);
  });
});

describe("an app with a limit of the amount a day", () => {
  const settings = { daily_amount_max: { cny: 1000, usd: 500, "*": 0 } };

  it("refunds exactly as much, currency by currency", async () => {
    const app = await TestApp.create({ settings });
    const [yuan, dollars, yen] = [
      await app.charge(),
      await app.charge({ currency: "usd" }),
      await app.charge({ currency: "jpy" }),
    ];
    expect((await app.refund(yuan, { amount: 700 })).status).toBe(200);
    expect((await app.refund(dollars, { amount: 500 })).status).toBe(200);
    expect((await app.refund(yuan, { amount: 300 })).status).toBe(200);
    for (const charge of [yuan, dollars, yen]) {
      expect(await refuse(app, charge, { amount: 1 })).toMatchObject({ param: "amount" });
    }
    await eventually(async () => (await limitsOf(app)).amounts.cny?.used === 1000);
    expect(await limitsOf(app)).toMatchObject({
      refunds: { max: null, used: 3, remaining: null },
      amounts: {
        cny: { max: 1000, used: 1000, remaining: 0 },
        usd: { max: 500, used: 500, remaining: 0 },
        "*": { max: 0, used: 0, remaining: 0 },
      },
    });
  });

  it("a refund of all that is left of a charge comes to what its ledger says", async () => {
    const app = await TestApp.create({ settings: { daily_amount_max: { cny: 1000 } } });
    const [small, large, small2] = [
      await app.charge({ amount: 400 }),
      await app.charge({ amount: 601 }),
      await app.charge({ amount: 600 }),
    ];
    expect((await app.refund(small, {})).body).toMatchObject({ amount: 400, status: "succeeded" });
    const error = await refuse(app, large, {}, { headers: { "Accept-Language": "en" } });
    expect(error.message).toContain("1000 cny of refunds in 24 hours: 600 is left");
    expect((await app.refund(small2, {})).body).toMatchObject({ amount: 600, status: "succeeded" });
    await refuse(app, large, { amount: 1 });
  });

  it("of ten refunds racing for the last of it, as many are made as fit", async () => {
    const app = await TestApp.create({ settings: { daily_amount_max: { cny: 1000 } } });
    const charges = await Promise.all(Array.from({ length: 10 }, () => app.charge({ amount: 300 })));
    const answers = await Promise.all(
      charges.map((charge, i) => app.refund(charge, i % 2 === 0 ? {} : { amount: 300 })),
    );
    const made = answers.filter(({ status }) => status === 200);
    expect(made.length).toBe(3);
    await eventually(async () => (await limitsOf(app)).amounts.cny?.used === 900);
    expect((await app.refund(await app.charge(), { amount: 100 })).status).toBe(200);
    await refuse(app, await app.charge(), { amount: 1 });
  });

  it("what its ledger refuses costs nothing", async () => {
    const app = await TestApp.create({ settings: { daily_amount_max: { cny: 1000 } } });
    const charge = await app.charge({ amount: 500 });
    for (let i = 0; i < 5; i++) {
      const answer = await app.refund<ErrorObject>(charge, { amount: 501 });
      expect(answer.body.error.code).toBe("refund_amount_exceeded");
    }
    expect((await app.refund(charge, { amount: 500 })).status).toBe(200);
    expect((await app.refund(await app.charge(), { amount: 500 })).status).toBe(200);
  });

  it("a reversal is a refund of everything", async () => {
    const app = await TestApp.create({ settings: { daily_amount_max: { cny: 1000 } } });
    const [first, second] = [await app.charge({ amount: 1000 }), await app.charge({ amount: 1000 })];
    expect((await app.post(`/v1/charges/${first.id}/reverse`, {})).status).toBe(200);
    const answer = await app.post(`/v1/charges/${second.id}/reverse`, {});
    expect([answer.status, answer.body.error.code]).toEqual([400, "daily_limit_exceeded"]);
  });
});

/** The refund once it has ended, as many of the cron's minutes later as it takes. */
const endOf = (app: TestApp, refund: { id: string; charge: string }) =>
  eventually(async () => {
    await sweepNow();
    const seen = await app.retrieveRefund(refund);
    return seen.status !== "pending" && seen;
  });

function ledgersAway() {
  vi.spyOn(console, "warn").mockImplementation(() => {});
  return vi.spyOn(ChargeLedger.prototype, "create").mockRejectedValue(new Error("Network connection lost."));
}

describe("a refund that is promised while its ledger is away", () => {
  // What an app refunds as a rule is small, and in yuan: that is what a part is guessed from.
  const settings = { daily_amount_max: { cny: 100_000, usd: 50_000 } };
  const smallRefund = async (app: TestApp) => app.refund(await app.charge(), { amount: 100 });
  const wishes: [
    string,
    Record<string, unknown>,
    (app: TestApp, charge: ChargeObject) => Promise<unknown>,
  ][] = [
    ["of all that is left", {}, (app, charge) => app.refund(charge, {})],
    ["that reverses its charge", {}, (app, charge) => app.post(`/v1/charges/${charge.id}/reverse`, {})],
    ["in another currency", { currency: "usd" }, (app, charge) => app.refund(charge, { amount: 50_000 })],
  ];

  it.each(wishes)("%s is made when there is room, and counts from the promise on", async (_, facts, ask) => {
    const app = await TestApp.create({ settings });
    await smallRefund(app);
    const charge = await app.charge({ amount: 50_000, ...facts });
    const away = ledgersAway();
    await ask(app, charge);
    away.mockRestore();
    const { currency } = charge;
    const used = currency === "cny" ? 50_100 : 50_000;
    await eventually(async () => (await limitsOf(app)).amounts[currency]?.used === used);
    const [promised] = await promisesOf(app);
    const made = await endOf(app, { id: promised as string, charge: charge.id });
    expect(made).toMatchObject({ status: "succeeded", amount: 50_000, failure_msg: null });
    await eventually(async () => (await storedRefunds(app.id)).refunds === 2);
    await eventually(async () => (await limitsOf(app)).amounts[currency]?.used === used);
  });

  it("fails when there is no room for it, and the limit holds", async () => {
    const app = await TestApp.create({ settings: { daily_amount_max: { cny: 1000 } } });
    await smallRefund(app);
    const charge = await app.charge({ amount: 901 });
    const away = ledgersAway();
    const { body } = await app.refund(charge, {});
    expect(body).toMatchObject({ status: "pending", amount: 901 });
    away.mockRestore();
    expect((await endOf(app, body)).status).toBe("failed");
    const rest = await eventually(async () => {
      const answer = await app.refund(charge, { amount: 900 });
      return answer.status === 200 && answer;
    });
    expect(rest.body.status).toBe("succeeded");
  });

  it("and its app's budget with it, is made, and counts as soon as the budget is back", async () => {
    const app = await TestApp.create({ settings: { daily_amount_max: { cny: 1000 } } });
    await smallRefund(app);
    const charge = await app.charge({ amount: 800 });
    ledgersAway();
    vi.spyOn(RefundBudget.prototype, "book").mockRejectedValue(new Error("Network connection lost."));
    const { body } = await app.refund(charge, {});
    expect(body).toMatchObject({ status: "pending", amount: 800 });
    vi.restoreAllMocks();
    await eventually(async () => (await limitsOf(app)).amounts.cny?.used === 900);
    await refuse(app, await app.charge(), { amount: 101 });
    expect((await endOf(app, body)).status).toBe("succeeded");
  });
});

describe("a batch", () => {
  const number = (batch_no: string, charge: { id: string }, amount: number) => ({
    batch_no,
    description: "Returned",
    charges: [{ charge: charge.id, amount }],
  });

  it("that comes under the number of a smaller one needs room of its own, also when it overtakes that", async () => {
    const app = await TestApp.create({ settings: { daily_amount_max: { cny: 1000 } } });
    const charge = await app.charge();
    const send = (amount: number) => app.post("/v1/batch_refunds", number("overtaken", charge, amount));
    const D1 = Object.getPrototypeOf(env.DB);
    const real = D1.batch;
    let [stores, release] = [0, () => {}];
    const overtaken = new Promise<void>((resolve) => {
      release = resolve;
    });
    vi.spyOn(D1, "batch").mockImplementation(async function (this: D1Database, statements: unknown) {
      // Storing a batch of one takes three statements: the first is slow.
      if ((statements as unknown[]).length === 3 && ++stores === 1) await overtaken;
      return await real.call(this, statements as D1PreparedStatement[]);
    } as never);
    const small = send(1);
    await eventually(async () => stores === 1);
    const large = await send(10_000);
    expect([large.status, large.body.error?.code]).toEqual([400, "daily_limit_exceeded"]);
    release();
    expect((await small).status).toBe(200);
  });

  it("that loses its number to another one gives back the room it took", async () => {
    const app = await TestApp.create({ settings: { daily_amount_max: { cny: 1000 } } });
    const [one, two] = [await app.charge(), await app.charge()];
    const answers = await Promise.all([
      app.post("/v1/batch_refunds", number("contested", one, 10)),
      app.post("/v1/batch_refunds", number("contested", one, 400)),
      app.post("/v1/batch_refunds", number("contested", two, 590)),
    ]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400]);
    const made = [10, 400, 590][answers.findIndex(({ status }) => status === 200)];
    expect((await limitsOf(app)).amounts.cny?.used).toBe(made);
  });

  it("is made within the limits or refused whole, and a repeat of it takes nothing", async () => {
    const app = await TestApp.create({ settings: { daily_refunds_max: 3, daily_amount_max: { cny: 1000 } } });
    const charges = await Promise.all(Array.from({ length: 4 }, () => app.charge()));
    const batch = (batch_no: string, amounts: number[]) =>
      app.post("/v1/batch_refunds", {
        batch_no,
        description: "Returned",
        charges: amounts.map((amount, i) => ({ charge: charges[i]?.id, amount })),
      });
    for (const amounts of [
      [1, 1, 1, 1],
      [500, 501],
    ]) {
      const answer = await batch(`many${amounts.length}`, amounts);
      expect([answer.status, answer.body.error.code]).toEqual([400, "daily_limit_exceeded"]);
    }
    expect((await batch("few1", [500, 499])).status).toBe(200);
    expect((await batch("few1", [500, 499])).status).toBe(200);
    await refuse(app, charges[3] as { id: string }, { amount: 2 });
    expect((await app.refund(charges[3] as { id: string }, { amount: 1 })).status).toBe(200);
    expect((await storedRefunds(app.id)).refunds).toBeLessThanOrEqual(3);
  });
});

describe("limits", () => {
  it("of test and live, and of two apps, are separate", async () => {
    const settings = { daily_refunds_max: 1 };
    const [one, other] = [await TestApp.create({ settings }), await TestApp.create({ settings })];
    const live = { live: true };
    await one.post("/v1/channel_accounts", { channel: "manual", credentials: { note: "by hand" } }, live);
    const charges = [await one.charge(), await other.charge()] as const;
    const manual = await one.charge({ channel: "manual_wx", transaction_no: "T1" }, live);
    expect((await one.refund(charges[0], { amount: 1 })).status).toBe(200);
    expect((await other.refund(charges[1], { amount: 1 })).status).toBe(200);
    const paid = await one.refund<ErrorObject>(manual, { amount: 1 }, live);
    expect(paid.text).not.toContain("daily_limit_exceeded");
    await refuse(one, charges[0], { amount: 1 });
    await refuse(other, charges[1], { amount: 1 });
  });

  it("are not asked about for an app that has none, whose refunds are shown all the same", async () => {
    const asked = vi.spyOn(RefundBudget.prototype, "lease");
    const told = vi.spyOn(RefundBudget.prototype, "report");
    const app = await TestApp.create();
    await app.refund(await app.charge(), { amount: 10 });
    const used = { max: null, used: 1, remaining: null };
    await eventually(async () => (await limitsOf(app)).refunds.used === 1);
    expect(await limitsOf(app)).toEqual({
      window_seconds: 86_400,
      refunds: used,
      amounts: { cny: { max: null, used: 10, remaining: null } },
    });
    expect(asked.mock.calls.length + told.mock.calls.length).toBe(0);
  });

  it("of an app that has none are added up once for all who ask at once", async () => {
    const app = await TestApp.create();
    const prepare = vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, "prepare");
    const answers = await Promise.all(Array.from({ length: 10 }, () => app.get("/v1/limits")));
    const sums = prepare.mock.calls.filter(([query]) => /sum\(/.test(query));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(sums).toHaveLength(1);
  });

  it("are counted by an index that holds all of it: no row is read, and nothing is scanned", async () => {
    const app = await TestApp.create();
    const prepare = vi.spyOn(Object.getPrototypeOf(env.DB) as D1Database, "prepare");
    await limitsOf(app);
    const queries = prepare.mock.calls.map(([query]) => query).filter((query) => query.includes("refunds"));
    prepare.mockRestore();
    const plans = await env.DB.batch<{ detail: string }>(
      queries.map((query) =>
        env.DB.prepare(`explain query plan ${query}`).bind(...[...query.matchAll(/\?/g)].map(() => null)),
      ),
    );
    expect(plans.flatMap(({ results }) => results.map(({ detail }) => detail))).toEqual([
      "SEARCH refunds USING COVERING INDEX refunds_created (app=? AND livemode=? AND created>?)",
      "USE TEMP B-TREE FOR GROUP BY",
      "SEARCH refunds USING COVERING INDEX refunds_id (app=? AND livemode=? AND id=?)",
      expect.stringMatching(/^LIST SUBQUERY/),
      expect.stringMatching(/^SCAN json_each VIRTUAL TABLE/),
    ]);
  });

  it("cost a refund no question as long as the lease lasts", async () => {
    const asked = vi.spyOn(RefundBudget.prototype, "lease");
    const app = await TestApp.create({
      settings: { daily_refunds_max: 1000, daily_amount_max: { cny: 100_000 } },
    });
    const charge = await app.charge();
    for (let i = 1; i <= 15; i++) {
      expect((await app.refund(charge, { amount: 10, description: String(i) })).status).toBe(200);
    }
    expect(asked).toHaveBeenCalledTimes(1);
  });

  it("are kept by a budget that is thrown out of memory", async () => {
    vi.spyOn(console, "warn").mockImplementation(() => {});
    const app = await TestApp.create({ settings: { daily_refunds_max: 4 } });
    const charge = await app.charge();
    for (let i = 1; i <= 4; i++) {
      expect((await app.refund(charge, { amount: i })).status).toBe(200);
      await runInDurableObject(budgetOf(app), (_, state) => state.abort("evicted")).catch(() => {});
    }
    await refuse(app, charge, { amount: 5 });
  });

  it.each([
    ["throws", () => Promise.reject(new Error("Network connection lost."))],
    ["does not answer", () => new Promise<never>(() => {})],
  ])(
    "a budget that %s: 503, nothing stored, and earlier refunds are found all the same",
    async (_, fault) => {
      const app = await TestApp.create({ settings: { daily_refunds_max: 3 } });
      const charge = await app.charge();
      const first = await app.refund(charge, { amount: 1, refund_no: "A1" });
      await eventually(async () => (await storedRefunds(app.id)).refunds === 1);
      vi.spyOn(RefundBudget.prototype, "lease").mockImplementation(fault);
      vi.spyOn(console, "warn").mockImplementation(() => {});
      const answer = await app.refund<ErrorObject>(charge, { amount: 2 });
      expect([answer.status, answer.headers.get("Retry-After")]).toEqual([503, "5"]);
      expect((await app.refund(charge, { amount: 1, refund_no: "A1" })).body.id).toBe(first.body.id);
      vi.restoreAllMocks();
      expect(
        (await app.get<{ data: RefundObject[] }>(`/v1/charges/${charge.id}/refunds`)).body.data.length,
      ).toBe(1);
      expect((await app.refund(charge, { amount: 2 })).status).toBe(200);
    },
  );
});
