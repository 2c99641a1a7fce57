import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { mintId } from "../../src/ids.ts";
import { ChargeLedger } from "../../src/index.ts";
import { EVERY_MINUTE, sweep } from "../../src/reconciliation/scheduled.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { type ErrorObject, eventually, random, TestApp } from "../harness.ts";
import { channelOverHttp, freshBooks } from "./channel-books.ts";

channelOverHttp();

const spies: { mockRestore(): void }[] = [];

/** The ledgers can be reached by nobody. */
function away(...verbs: ("create" | "read")[]): void {
  for (const verb of verbs) {
    spies.push(vi.spyOn(ChargeLedger.prototype, verb).mockRejectedValue(new Error("the connection broke")));
  }
}

function back(): void {
  for (const made of spies.splice(0)) made.mockRestore();
}

afterEach(back);

async function replay(): Promise<void> {
  await env.DB.prepare("UPDATE commands SET due_at = 1 WHERE due_at is not null").run();
  await sweep(EVERY_MINUTE, env, Date.now());
}

const sdk = { headers: { "User-Agent": "Pingpp v1 (java)" } };

describe("a refund that was promised while its ledger was away", () => {
  it("and the repeat that its SDK sent meanwhile are paid once (E3)", async () => {
    const books = freshBooks();
    const app = await TestApp.create({ settings: { duplicate_window_seconds: 1 } });
    const charge = await app.charge();
    away("create");
    const { body: promised } = await app.refund(charge, { amount: 700 }, sdk);
    back();
    const { body: made } = await app.refund(charge, { amount: 700 }, sdk);
    await replay();
    expect(made.status).toBe("succeeded");
    expect(await app.retrieveRefund(promised)).toMatchObject({
      status: "failed",
      failure_code: "refund_failed",
    });
    expect(books.moved(charge.id)).toBe(700);
  });

  it.each([
    ["Idempotency-Key", {}, { headers: { "Idempotency-Key": "k1" } }],
    ["refund_no", { refund_no: "n1" }, {}],
  ])("is the same refund for every request with its %s (I10)", async (_, body, sent) => {
    const books = freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    away("create");
    const first = await app.refund(charge, { amount: 700, ...body }, sent);
    const second = await app.refund(charge, { amount: 700, ...body }, sent);
    back();
    const third = await app.refund(charge, { amount: 700, ...body }, sent);
    await replay();
    expect(new Set([first, second, third].map((answer) => answer.body.id)).size).toBe(1);
    expect(await app.retrieveRefund(first.body)).toMatchObject({ status: "succeeded", amount: 700 });
    expect(books.moved(charge.id)).toBe(700);
  });

  it.each([
    ["Idempotency-Key", {}, { headers: { "Idempotency-Key": "k2" } }],
    ["refund_no", { refund_no: "n2" }, {}],
  ])(
    "gives way to a refund that was made under its %s with other parameters: nothing is made over or paid twice",
    async (_, body, sent) => {
      const books = freshBooks();
      const app = await TestApp.create();
      const charge = await app.charge();
      away("create");
      const { body: promised } = await app.refund(charge, { amount: 100, ...body }, sent);
      back();
      const { body: made } = await app.refund(charge, { amount: 10_000, ...body }, sent);
      await replay();
      await evictDurableObject(app.ledger(charge));
      expect(made.status).toBe("succeeded");
      expect(await app.retrieveRefund(made)).toEqual(made);
      const refused = await app.retrieveRefund(promised);
      expect(refused).toMatchObject({ amount: 100, status: "failed", failure_code: "refund_failed" });
      expect(refused.failure_msg).toContain(made.id);
      expect(await app.retrieveCharge(charge)).toMatchObject({
        amount_refunded: 10_000,
        amount_refundable: 0,
      });
      expect((await app.refund(charge, { amount: 1, description: "More" })).status).toBe(400);
      expect(books.moved(charge.id)).toBe(10_000);
    },
  );

  it("is told what is left when no amount was given, and that is what it becomes", async () => {
    freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    await app.refund(charge, { amount: 6000 });
    await eventually(async () => {
      const row = await env.DB.prepare("SELECT amount_refunded AS sum FROM charges WHERE id = ?")
        .bind(charge.id)
        .first();
      return row?.sum === 6000;
    });
    away("create");
    const { body: promised } = await app.refund(charge, { description: "The rest" });
    back();
    await replay();
    expect(promised.amount).toBe(4000);
    expect(await app.retrieveRefund(promised)).toMatchObject({ amount: 4000, status: "succeeded" });
  });

  it("can be read while its ledger is still away", async () => {
    freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    away("create", "read");
    const { body: promised } = await app.refund(charge, { amount: 5 });
    const read = await app.get<RefundObject>(`/v1/charges/${charge.id}/refunds/${promised.id}`);
    expect(read).toMatchObject({ status: 200, body: { id: promised.id, status: "pending" } });
  });

  it("is found also by whoever looks at the very moment in which it is kept", async () => {
    freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    away("create");
    const { body: promised } = await app.refund(charge, { amount: 5 });
    back();
    await replay();
    // Its ledger is asked before it has the refund, D1 after.
    spies.push(vi.spyOn(ChargeLedger.prototype, "read").mockResolvedValueOnce({ missing: "refund" }));
    const read = await app.get<RefundObject>(`/v1/charges/${charge.id}/refunds/${promised.id}`);
    expect(read).toMatchObject({ status: 200, body: { id: promised.id, status: "succeeded" } });
  });

  it("is not promised at all for a charge that nobody recorded: 404", async () => {
    freshBooks();
    const app = await TestApp.create();
    away("create");
    const answer = await app.refund<ErrorObject>({ id: mintId("charge", random) }, { amount: 5 });
    expect(answer).toMatchObject({ status: 404, body: { error: { param: "id" } } });
  });

  it("stays pending on a live ledger that was lost: only the channel may say no", async () => {
    freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge({ transaction_no: "promise-live" }, { live: true });
    away("create");
    const { body: promised } = await app.refund(charge, { amount: 5 }, { live: true });
    back();
    await env.DB.prepare("UPDATE charges SET ledger_opened_at = 1 WHERE id = ?").bind(charge.id).run();
    await runInDurableObject(app.ledger(charge, true), (_, { storage }) => storage.deleteAll());
    await evictDurableObject(app.ledger(charge, true));
    await replay();
    const read = await app.get<RefundObject>(`/v1/charges/${charge.id}/refunds/${promised.id}`, {
      live: true,
    });
    expect(read.body.status).toBe("pending");
  });
});

describe("the sweeper", () => {
  it("brings an emptied ledger its open refunds back, and they end", async () => {
    const books = freshBooks();
    books.onSubmission(() => ({ effect: "succeeded", says: "reset" }));
    books.onQuery(() => new Response("", { status: 500 }));
    const app = await TestApp.create();
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, { amount: 700 });
    const row = () =>
      env.DB.prepare("SELECT state FROM refunds WHERE id = ?").bind(refund.id).first<{ state: string }>();
    await eventually(async () => (await row())?.state === "unknown");
    await runInDurableObject(app.ledger(charge), async (_, { storage }) => {
      await storage.deleteAll();
      await storage.deleteAlarm();
    });
    await evictDurableObject(app.ledger(charge));
    books.onQuery(() => null);
    await env.DB.prepare("UPDATE refunds SET due_at = 1 WHERE id = ?").bind(refund.id).run();
    await sweep(EVERY_MINUTE, env, Date.now());
    await eventually(async () => (await row())?.state === "succeeded");
    expect(books.moved(charge.id)).toBe(700);
  });
});

describe("stored commands", () => {
  it("go 30 days after their ledgers have answered, and never before that", async () => {
    freshBooks();
    const app = await TestApp.create();
    const [kept, waits] = [await app.charge(), await app.charge()];
    away("create");
    const { body: done } = await app.refund(kept, { amount: 700 });
    const { body: open } = await app.refund(waits, { amount: 700 });
    const commands = async () => {
      const query = env.DB.prepare("SELECT refund FROM commands WHERE app = ? ORDER BY refund").bind(app.id);
      return (await query.all<{ refund: string }>()).results.map(({ refund }) => refund);
    };
    back();
    await env.DB.prepare("UPDATE commands SET due_at = 1 WHERE refund = ?").bind(done.id).run();
    await eventually(async () => {
      await sweep(EVERY_MINUTE, env, Date.now() - 3_600_000);
      return (await app.retrieveCharge(kept)).amount_refunded === 700;
    });
    away("create");
    await env.DB.prepare("UPDATE commands SET due_at = ? WHERE refund = ? AND due_at IS NOT NULL")
      .bind(Date.now() + 3_600_000, open.id)
      .run();
    expect(await commands()).toEqual([done.id, open.id].sort());
    await env.DB.prepare("UPDATE commands SET created_at = ? WHERE app = ?")
      .bind(Date.now() - 31 * 86_400_000, app.id)
      .run();
    await sweep(EVERY_MINUTE, env, Date.now());
    const left = await commands();
    expect(left).not.toContain(done.id);
    expect((await app.retrieveRefund(done)).status).toBe("succeeded");
    expect((await app.retrieveRefund(open)).id).toBe(open.id);
  });
});

describe("claims of payments", () => {
  it("E28: stay with the charge whose ledger holds the payment, also while D1 does not know it yet", async () => {
    freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    await runInDurableObject(app.ledger(charge), (instance: ChargeLedger) => {
      const inside = instance as unknown as { env: typeof env };
      const down = () => {
        throw new Error("D1_ERROR");
      };
      inside.env = { ...inside.env, DB: { prepare: down, batch: down } as never };
    });
    await app.post(`/v1/charges/${charge.id}`, { transaction_no: "T1" });
    await app.refund(charge, { amount: 100 });
    const refused = await app.post(`/v1/charges/${charge.id}`, { transaction_no: "T1", paid: false });
    expect(refused.status).toBe(400);
    const other = await app.post("/v1/charges", {
      order_no: "other",
      channel: "alipay",
      amount: 10_000,
      paid: true,
      transaction_no: "T1",
    });
    expect(other).toMatchObject({ status: 400, body: { error: { code: "transaction_no_used" } } });
  });

  it("E28: of two corrections at once, one claim is left: the one the charge has", async () => {
    freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    await Promise.all(
      ["P1", "P2"].map((transaction_no) => app.post(`/v1/charges/${charge.id}`, { transaction_no })),
    );
    const { results } = await env.DB.prepare("SELECT transaction_no AS no FROM payments WHERE charge = ?")
      .bind(charge.id)
      .all();
    expect(results.map(({ no }) => no)).toEqual([(await app.retrieveCharge(charge)).transaction_no]);
  });

  it("E32: are not made by a recording that is refused", async () => {
    freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    const facts = { order_no: "x", channel: "alipay", amount: 500, paid: true, transaction_no: "T9" };
    expect((await app.post("/v1/charges", { ...facts, id: charge.id })).status).toBe(400);
    expect((await app.post("/v1/charges", facts)).status).toBe(200);
  });
});
