import { createMessageBatch, evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { ExportAnswer } from "../../src/charges/ledger-calls.ts";
import { ChargeLedger } from "../../src/index.ts";
import type { CommandMessage } from "../../src/reconciliation/command.ts";
import { EVERY_MINUTE, sweep } from "../../src/reconciliation/scheduled.ts";
import { consumeCommands } from "../../src/reconciliation/sweep-commands.ts";
import type { Refund } from "../../src/refunds/refund.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { type ErrorObject, eventually, TestApp } from "../harness.ts";
import { channelOverHttp, freshBooks } from "./channel-books.ts";

channelOverHttp();

const D1 = Object.getPrototypeOf(env.DB);
const spies: { mockRestore(): void }[] = [];
const spy = <T extends { mockRestore(): void }>(made: T): T => {
  spies.push(made);
  return made;
};
afterEach(() => {
  for (const made of spies.splice(0)) made.mockRestore();
});

/** D1 cannot be reached by anybody. */
function d1IsDown(): void {
  const down = () => Promise.reject(new Error("D1_ERROR: D1 is down"));
  spy(vi.spyOn(D1, "batch").mockImplementation(down));
  spy(
    vi.spyOn(D1, "prepare").mockImplementation(() => {
      throw new Error("D1_ERROR: D1 is down");
    }),
  );
}

function d1IsBack(): void {
  for (const made of spies.splice(0)) made.mockRestore();
}

/** Changes what a ledger has stored of its first refund, and forgets what it has in memory. */
async function rewrite(
  app: TestApp,
  charge: { id: string },
  change: (doc: Refund) => Partial<Refund>,
): Promise<void> {
  await runInDurableObject(app.ledger(charge), (_, { storage }) => {
    const [row] = storage.sql.exec("SELECT doc FROM refunds WHERE seq = 1").toArray();
    const doc = JSON.parse(row?.doc as string) as Refund;
    storage.sql.exec("UPDATE refunds SET doc = ? WHERE seq = 1", JSON.stringify({ ...doc, ...change(doc) }));
  });
  await evictDurableObject(app.ledger(charge));
}

function projected(refund: { id: string }): Promise<{ status: string; version: number } | null> {
  return env.DB.prepare("SELECT status, version FROM refunds WHERE id = ?").bind(refund.id).first();
}

/** The ledger's process dies: what was under way is gone, what was stored stays. */
async function crash(app: TestApp, charge: { id: string }): Promise<void> {
  await runInDurableObject(app.ledger(charge), (_, state) => state.abort("crash")).catch(() => {});
}

function ended(app: TestApp, refund: RefundObject): Promise<RefundObject> {
  return eventually(async () => {
    const now = await app.retrieveRefund(refund);
    return now.status !== "pending" && now;
  });
}

describe("a crash between two steps", () => {
  it("E34, E35: a ledger that dies while the channel works is asked again with the same refund id and key: one refund, one effect", async () => {
    const books = freshBooks();
    const { promise: called, resolve: onCall } = Promise.withResolvers<void>();
    books.onSubmission(() => {
      onCall();
      return { effect: "succeeded", after: new Promise(() => {}) };
    });
    const app = await TestApp.create();
    const charge = await app.charge();
    const keyed = { headers: { "Idempotency-Key": "orphan", Prefer: "respond-async" } };
    const answer = await app.refund(charge, { amount: 6000 }, keyed);
    expect(answer).toMatchObject({ status: 200, body: { status: "pending", amount: 6000 } });
    await called;
    await crash(app, charge);
    const again = await app.refund(charge, { amount: 6000 }, keyed);
    expect(again.body.id).toBe(answer.body.id);
    expect(again.headers.get("Idempotent-Replayed")).toBe("true");
    // The lease of the call that died runs out.
    await rewrite(app, charge, () => ({ leaseUntil: 1, dueAt: 1 }));
    expect(await ended(app, answer.body)).toMatchObject({ status: "succeeded" });
    expect(books.submissions).toHaveLength(1);
    expect(books.queries.length).toBeGreaterThan(0);
    expect(books.moved(charge.id)).toBe(6000);
  });

  it("E34: a refund whose submission never left is found missing at the channel and submitted under its number", async () => {
    const books = freshBooks();
    books.onSubmission(() => ({ effect: "none", says: "reset" }));
    const app = await TestApp.create();
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, { amount: 6000, description: "[sandbox:settling:10]" });
    books.onSubmission(() => ({ effect: "succeeded" }));
    // As if the process had died between the reservation and the call.
    await rewrite(app, charge, () => ({
      state: "submitting",
      inDoubt: false,
      askedAt: null,
      leaseUntil: 1,
      dueAt: 1,
    }));
    expect(await ended(app, refund)).toMatchObject({ status: "succeeded" });
    expect(books.moved(charge.id)).toBe(6000);
  });

  it("an evicted ledger remembers everything", async () => {
    freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, { amount: 1, metadata: { a: "1" }, refund_no: "A" });
    await evictDurableObject(app.ledger(charge));
    expect(await app.retrieveRefund(refund)).toEqual(refund);
    expect((await app.refund(charge, { amount: 1, metadata: { a: "1" }, refund_no: "A" })).body).toEqual(
      refund,
    );
  });

  it("E38: refunds that wait for their turn keep the gap, also when a sleeping ledger finds all of them due", async () => {
    freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    for (const part of [1, 2, 3]) {
      const description = `[sandbox:spacing:2000] part ${part}`;
      await app.refund(charge, { amount: part, description }, { headers: { Prefer: "respond-async" } });
    }
    // Once D1 has heard of all three, nothing in memory is written over what is changed here.
    const read = async () => (await app.ledger(charge).export()) as ExportAnswer;
    await eventually(async () => {
      const now = await read();
      return "ok" in now && now.ok.refunds.every(({ version, synced }) => version === synced);
    });
    await runInDurableObject(app.ledger(charge), (_, { storage }) => {
      storage.sql.exec("UPDATE refunds SET doc = json_set(doc, '$.dueAt', 1) WHERE seq > 1");
    });
    await evictDurableObject(app.ledger(charge));
    await eventually(async () => (await app.retrieveCharge(charge)).amount_refunded === 6);
    const answer = await read();
    const sent = "ok" in answer ? answer.ok.refunds.map(({ lastSubmittedAt }) => lastSubmittedAt ?? 0) : [];
    expect(sent).toHaveLength(3);
    for (const i of [1, 2]) expect((sent[i] ?? 0) - (sent[i - 1] ?? 0)).toBeGreaterThanOrEqual(2000);
  });

  it("a lost alarm is found by the next read, and by a poke", async () => {
    const books = freshBooks();
    books.onSubmission(() => ({ effect: "succeeded", says: "reset" }));
    const app = await TestApp.create();
    const lose = async (charge: { id: string }) => {
      await rewrite(app, charge, () => ({ dueAt: 1 }));
      await runInDurableObject(app.ledger(charge), (_, { storage }) => storage.deleteAlarm());
      await evictDurableObject(app.ledger(charge));
    };
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, { amount: 1 });
    await lose(charge);
    expect(await ended(app, refund)).toMatchObject({ status: "succeeded" });

    const other = await app.charge();
    const { body: second } = await app.refund(other, { amount: 1 });
    await lose(other);
    await env.DB.prepare("UPDATE refunds SET due_at = 1 WHERE id = ?").bind(second.id).run();
    await sweep(EVERY_MINUTE, env, Date.now());
    await eventually(async () => (await projected(second))?.status === "succeeded");
  });
});

describe("D1 and the queues failing", () => {
  it("refunds of recorded charges go on while D1 is down, and D1 catches up", async () => {
    freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    await app.get("/v1/charges");
    d1IsDown();
    const answer = await app.refund(charge, { amount: 100 });
    expect(answer).toMatchObject({ status: 200, body: { status: "succeeded" } });
    expect((await app.retrieveCharge(charge)).amount_refunded).toBe(100);
    const list = await app.get("/v1/charges");
    expect(list).toMatchObject({ status: 503, body: { error: { type: "api_error" } } });
    expect(list.headers.get("Retry-After")).not.toBeNull();
    d1IsBack();
    expect(await projected(answer.body)).toBeNull();
    await eventually(async () => (await projected(answer.body))?.status === "succeeded");
    const { body: events } = await app.get<{ data: { type: string }[] }>("/v1/events");
    expect(events.data.map(({ type }) => type)).toEqual(["refund.succeeded", "refund.created"]);
  });

  it("a D1 that breaks in its own words is 503 with Retry-After, and nothing is told of it", async () => {
    const app = await TestApp.create();
    await app.get("/v1/charges");
    spy(vi.spyOn(D1, "batch").mockRejectedValue(new Error("Network connection lost.")));
    const answer = await app.post("/v1/charges", { order_no: "A1", channel: "wx", amount: 1 });
    expect(answer).toMatchObject({ status: 503, body: { error: { type: "api_error" } } });
    expect(answer.headers.get("Retry-After")).not.toBeNull();
    expect(answer.text).not.toContain("Network");
  });

  it("a batch whose answer is lost after the commit is repeated and leaves each event once", async () => {
    freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    const real = D1.batch;
    let lost = 0;
    const lossy = async function (this: D1Database, statements: D1PreparedStatement[]) {
      const results = await real.call(this, statements);
      if (lost++ < 2) throw new Error("D1_ERROR: the answer is lost");
      return results;
    };
    spy(vi.spyOn(D1, "batch").mockImplementation(lossy as never));
    const { body: refund } = await app.refund(charge, { amount: 100 });
    await eventually(async () => lost >= 3);
    const { results } = await env.DB.prepare("SELECT type FROM events WHERE refund = ? ORDER BY seq")
      .bind(refund.id)
      .all();
    expect(results.map(({ type }) => type)).toEqual(["refund.created", "refund.succeeded"]);
  });

  it.each(["throws", "hangs"])("a queue that %s delays no refund and loses no delivery", async (how) => {
    freshBooks();
    const app = await TestApp.create();
    await app.post("/v1/webhook_endpoints", { url: "https://shop.example.com/hooks" });
    const charge = await app.charge();
    const sendBatch = () =>
      how === "throws" ? Promise.reject(new Error("no queue")) : new Promise<never>(() => {});
    await runInDurableObject(app.ledger(charge), (instance: ChargeLedger) => {
      const inside = instance as unknown as { env: typeof env };
      inside.env = { ...inside.env, DELIVERIES: { sendBatch } as never };
    });
    const { body: refund } = await app.refund(charge, { amount: 100 });
    expect(refund.status).toBe("succeeded");
    const row = await eventually(() =>
      env.DB.prepare("SELECT status, due_at FROM deliveries WHERE app = ?").bind(app.id).first(),
    );
    expect(row).toMatchObject({ status: "pending" });
    const { undelivered } = await eventually(async () => {
      const answer = (await app.ledger(charge).export()) as ExportAnswer;
      return "ok" in answer && answer.ok.undelivered.length === 0 && answer.ok;
    });
    expect(undelivered).toEqual([]);
  });
});

describe("a ledger that cannot be reached", () => {
  const unreachable = (error: Error) =>
    spy(vi.spyOn(ChargeLedger.prototype, "create").mockRejectedValue(error));
  const replay = async () => {
    await env.DB.prepare("UPDATE commands SET due_at = 1 WHERE due_at is not null").run();
    await sweep(EVERY_MINUTE, env, Date.now());
  };

  it("an unknown outcome is answered 200 pending, readable at once, and becomes that very refund", async () => {
    const books = freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    unreachable(new Error("the connection broke"));
    const answer = await app.refund(charge, { amount: 700, refund_no: "P1" });
    expect(answer).toMatchObject({ status: 200, body: { status: "pending", amount: 700, refund_no: "P1" } });
    expect(await app.retrieveRefund(answer.body)).toEqual(answer.body);
    d1IsBack();
    await replay();
    expect(await app.retrieveRefund(answer.body)).toMatchObject({ id: answer.body.id, status: "succeeded" });
    expect(books.moved(charge.id)).toBe(700);
    // The caller's own repeat finds it as well.
    const again = await app.refund(charge, { amount: 700, refund_no: "P1" });
    expect(again.body.id).toBe(answer.body.id);
  });

  it("a promised refund that cannot be made comes to exist as failed, in the words of the refusal", async () => {
    freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    unreachable(new Error("the connection broke"));
    const { body: promised } = await app.refund(charge, { amount: 9000 });
    d1IsBack();
    await app.refund(charge, { amount: 5000, description: "In between" });
    await replay();
    const refund = await app.retrieveRefund(promised);
    expect(refund).toMatchObject({ status: "failed", failure_code: "refund_failed", amount: 9000 });
    expect(refund.failure_msg).toContain("5000");
    expect(await app.retrieveCharge(charge)).toMatchObject({
      amount_refunded: 5000,
      amount_refundable: 5000,
    });
  });

  it("when D1 cannot store the command either, the queue carries it whole", async () => {
    const books = freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    await app.get(`/v1/charges/${charge.id}`);
    const sent: CommandMessage[] = [];
    const queue = Object.getPrototypeOf(env.COMMANDS);
    d1IsDown();
    spy(
      vi.spyOn(queue, "send").mockImplementation(async (message) => {
        sent.push(message as CommandMessage);
      }),
    );
    unreachable(new Error("the connection broke"));
    const answer = await app.refund(charge, { amount: 700 });
    expect(answer).toMatchObject({ status: 200, body: { status: "pending" } });
    expect(sent).toHaveLength(1);
    d1IsBack();
    const message = { id: "m1", timestamp: new Date(), attempts: 1, body: sent[0] as CommandMessage };
    await consumeCommands(createMessageBatch("ledger-commands", [message]), env);
    expect(await app.retrieveRefund(answer.body)).toMatchObject({ status: "succeeded" });
    expect(books.moved(charge.id)).toBe(700);
  });

  it("an overloaded ledger is 503 with Retry-After, and nothing is reserved", async () => {
    freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    unreachable(Object.assign(new Error("overloaded"), { overloaded: true }));
    const answer = await app.refund<ErrorObject>(charge, { amount: 700 });
    d1IsBack();
    expect(answer).toMatchObject({ status: 503, body: { error: { type: "api_error" } } });
    expect(answer.headers.get("Retry-After")).not.toBeNull();
    expect(await app.retrieveCharge(charge)).toMatchObject({ refunded: false, amount_refundable: 10_000 });
  });
});

describe("a ledger that lost its memory", () => {
  const lose = (app: TestApp, charge: { id: string }, livemode = false) =>
    runInDurableObject(app.ledger(charge, livemode), async (_, { storage }) => {
      await storage.deleteAll();
    }).then(() => evictDurableObject(app.ledger(charge, livemode)));

  it("in test mode takes its refunds back from D1 and goes on", async () => {
    const books = freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    const { body: refund } = await app.refund(charge, { amount: 6000 });
    await eventually(async () => (await projected(refund))?.status === "succeeded");
    await lose(app, charge);
    expect(await app.retrieveRefund(refund)).toEqual(refund);
    const no = await app.refund<ErrorObject>(charge, { amount: 6000, description: "More" });
    expect(no).toMatchObject({ status: 400, body: { error: { code: "refund_amount_exceeded" } } });
    expect((await app.refund(charge, { amount: 4000, description: "The rest" })).status).toBe(200);
    expect(books.moved(charge.id)).toBe(10_000);
  });

  it("in live mode is frozen: creates are 503 until an operator looks", async () => {
    freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge({ transaction_no: "tx-lost" }, { live: true });
    await env.DB.prepare("UPDATE charges SET ledger_opened_at = 1 WHERE id = ?").bind(charge.id).run();
    await lose(app, charge, true);
    const answer = await app.refund<ErrorObject>(charge, { amount: 1 }, { live: true });
    expect(answer).toMatchObject({
      status: 503,
      body: { error: { code: "charge_frozen", type: "api_error" } },
    });
  });

  it("a ledger rolled back behind D1 notices at its next flush and takes D1's refunds over", async () => {
    const books = freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    const { body: first } = await app.refund(charge, { amount: 1000 });
    const { body: second } = await app.refund(charge, { amount: 2000, description: "Second" });
    await eventually(async () => (await projected(second))?.status === "succeeded");
    await runInDurableObject(app.ledger(charge), (_, { storage }) => {
      storage.sql.exec("DELETE FROM refunds WHERE seq = 2");
    });
    await evictDurableObject(app.ledger(charge));
    const { body: third } = await app.refund(charge, { amount: 10, description: "Third" });
    await eventually(async () => (await app.retrieveCharge(charge)).amount_refunded === 3010);
    const { body: list } = await app.get<{ data: RefundObject[] }>(`/v1/charges/${charge.id}/refunds`);
    expect(new Set(list.data.map(({ id }) => id))).toEqual(new Set([first.id, second.id, third.id]));
    expect(books.moved(charge.id)).toBe(3010);
  });
});
