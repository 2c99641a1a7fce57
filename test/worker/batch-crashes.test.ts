// Batches that are repeated, raced and interrupted: whatever happens on the way, each charge is refunded once.
import {
  createExecutionContext,
  createMessageBatch,
  evictDurableObject,
  getQueueResult,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { completeBatch } from "../../src/batches/complete-batch.ts";
import type { BatchObject } from "../../src/batches/schema.ts";
import { mintId } from "../../src/ids.ts";
import { ChargeLedger } from "../../src/index.ts";
import { EVERY_MINUTE, sweep } from "../../src/reconciliation/scheduled.ts";
import { consumeCommands } from "../../src/reconciliation/sweep-commands.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { addKey } from "../exam.ts";
import { type Answer, type ErrorObject, eventually, random, TestApp } from "../harness.ts";
import {
  charges,
  commandsLeft,
  ended,
  eventsOf,
  idsOf,
  makeBatch,
  nextNumber,
  PATH,
  retrieveBatch,
  sweepNow,
} from "./batch-shop.ts";
import { channelOverHttp, freshBooks } from "./channel-books.ts";

channelOverHttp();

const QUEUE = Object.getPrototypeOf(env.COMMANDS);
const spies: { mockRestore(): void }[] = [];
const restore = () => {
  for (const spy of spies.splice(0)) spy.mockRestore();
};
afterEach(restore);

/** Nothing that is sent to a queue arrives. */
function loseMessages(): void {
  spies.push(vi.spyOn(QUEUE, "sendBatch").mockRejectedValue(new Error("the queue is away")));
  spies.push(vi.spyOn(QUEUE, "send").mockRejectedValue(new Error("the queue is away")));
}

function ledgersAreAway(): void {
  spies.push(
    vi
      .spyOn(ChargeLedger.prototype, "create")
      .mockRejectedValue(Object.assign(new Error("overloaded"), { overloaded: true })),
  );
}

const wakeUps = (app: TestApp, batch: BatchObject, from = 0, to = batch.charges.length) =>
  batch.charges.slice(from, to).map(({ refund }) => ({ app: app.id, livemode: false, refund }));

async function deliver(bodies: readonly unknown[]) {
  const messages = bodies.map((body, i) => ({ id: `m${i}`, timestamp: new Date(), attempts: 1, body }));
  const batch = createMessageBatch("ledger-commands", messages);
  await consumeCommands(batch, env);
  return await getQueueResult(batch, createExecutionContext());
}

const settled = async (app: TestApp, charge: { id: string }): Promise<RefundObject[]> =>
  (await app.get<{ data: RefundObject[] }>(`/v1/charges/${charge.id}/refunds`)).body.data;

describe("a batch that is sent again", () => {
  it("with the same parameters is the batch as it stands, also in another order and once it has ended", async () => {
    const books = freshBooks();
    const app = await TestApp.create();
    const [one, two] = await charges(app, 2);
    const batch_no = nextNumber();
    const facts = { batch_no, metadata: { a: "1" } };
    const first = await makeBatch(app, { ...facts, charges: [one?.id, { charge: two?.id, amount: 5 }] });
    const again = await makeBatch(app, { ...facts, charges: [{ charge: two?.id, amount: 5 }, one?.id] });
    expect(first.headers.get("Idempotent-Replayed")).toBeNull();
    expect(again.headers.get("Idempotent-Replayed")).toBe("true");
    expect(again.body).toEqual(first.body);
    const batch = await ended(app, first.body);
    const late = await makeBatch(app, { ...facts, charges: [one?.id, { charge: two?.id, amount: 5 }] });
    expect(late).toMatchObject({ status: 200, body: batch });
    await sweepNow();
    expect([books.moved(one?.id ?? ""), books.moved(two?.id ?? "")]).toEqual([10_000, 5]);
    expect(await eventsOf(app, batch)).toHaveLength(1);
  });

  it.each<[string, Record<string, unknown>]>([
    ["another description", { description: "Other" }],
    ["other metadata", { metadata: { a: "2" } }],
    ["another amount", { amount: 6 }],
    ["an amount left out", { amount: undefined }],
    ["another description of a charge", { itemDescription: "Other" }],
  ])("with %s is refused: its number is used", async (_, change) => {
    freshBooks();
    const app = await TestApp.create();
    const charge = (await app.charge()).id;
    const batch_no = nextNumber();
    const send = <Body>({ amount, itemDescription, ...facts }: Record<string, unknown>) =>
      makeBatch<Body>(app, {
        batch_no,
        charges: [{ charge, amount, description: itemDescription }],
        ...facts,
      });
    const { body } = await send<BatchObject>({ amount: 5 });
    const answer = await send<ErrorObject>({ amount: 5, ...change });
    expect(answer).toMatchObject({
      status: 400,
      body: {
        error: { code: "batch_no_used", param: "batch_no", message: expect.stringContaining(body.id) },
      },
    });
  });
});

describe("batches that race", () => {
  it("ten wide under one number are one batch, and each charge is refunded once", async () => {
    const books = freshBooks();
    const app = await TestApp.create();
    const mine = await charges(app, 4);
    const body = { batch_no: nextNumber(), charges: idsOf(mine) };
    const answers = await Promise.all(Array.from({ length: 10 }, () => makeBatch(app, body)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    const firsts = answers.filter(({ headers }) => headers.get("Idempotent-Replayed") === null);
    expect(firsts).toHaveLength(1);
    const batch = await ended(app, answers[0]?.body as BatchObject);
    expect(batch.status).toBe("succeeded");
    for (const charge of mine) {
      expect(books.moved(charge.id)).toBe(10_000);
      expect(await settled(app, charge)).toHaveLength(1);
    }
    expect(await eventsOf(app, batch)).toHaveLength(1);
  });

  it("ten wide under one number with ten different charges: one is made, and nothing of the others", async () => {
    const books = freshBooks();
    const app = await TestApp.create();
    const mine = await charges(app, 10);
    const batch_no = nextNumber();
    const answers = await Promise.all(
      mine.map((charge) => makeBatch(app, { batch_no, charges: [charge.id] })),
    );
    const [made, ...more] = answers.filter(({ status }) => status === 200) as [Answer<BatchObject>];
    expect(more).toEqual([]);
    expect(answers.filter(({ status }) => status === 400)).toHaveLength(9);
    expect(await commandsLeft(app)).toBe(1);
    await ended(app, made.body);
    const refunded = made.body.charges[0]?.charge;
    for (const charge of mine) {
      expect(books.moved(charge.id)).toBe(charge.id === refunded ? 10_000 : 0);
      expect(await settled(app, charge)).toHaveLength(charge.id === refunded ? 1 : 0);
    }
  });

  it("ten wide over the same charges: each charge is refunded once in full, and all other refunds fail", async () => {
    const books = freshBooks();
    const app = await TestApp.create();
    const mine = await charges(app, 3);
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => makeBatch(app, { charges: idsOf(mine) })),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    // Every wake-up three times, all at once.
    const messages = answers.flatMap(({ body }) => wakeUps(app, body));
    await Promise.all([deliver(messages), deliver(messages), deliver(messages.toReversed())]);
    const batches = await Promise.all(answers.map(({ body }) => ended(app, body)));
    for (const charge of mine) {
      expect(books.moved(charge.id)).toBe(10_000);
      const refunds = await settled(app, charge);
      expect(refunds.map(({ status }) => status).sort()).toEqual([...Array(9).fill("failed"), "succeeded"]);
      expect(await app.retrieveCharge(charge)).toMatchObject({ amount_refunded: 10_000 });
    }
    for (const batch of batches) {
      const events = await eventsOf(app, batch);
      expect(events).toHaveLength(batch.status === "succeeded" ? 1 : 0);
    }
  });

  it("with refunds made one by one: no charge gives more than it has", async () => {
    const books = freshBooks();
    const app = await TestApp.create();
    const mine = await charges(app, 3);
    const { body } = await makeBatch(app, { charges: idsOf(mine) });
    await Promise.all([
      deliver(wakeUps(app, body)),
      ...mine.map((charge) => app.refund(charge, { amount: 6000 })),
    ]);
    await ended(app, body);
    for (const charge of mine) expect([6000, 10_000]).toContain(books.moved(charge.id));
  });

  it("to their end, ten wide, have one event", async () => {
    freshBooks();
    const app = await TestApp.create();
    const url = "https://shop.example.com/hooks";
    await app.post("/v1/webhook_endpoints", { url, enabled_events: ["batch_refund.succeeded"] });
    loseMessages();
    const { body } = await makeBatch(app, { charges: idsOf(await charges(app, 2)) });
    await deliver(wakeUps(app, body));
    await eventually(async () =>
      (await retrieveBatch(app, body)).charges.every(({ status }) => status === "succeeded"),
    );
    // Until it is said, it is not so: whoever reads `succeeded` may count on the event.
    expect((await retrieveBatch(app, body)).status).toBe("pending");
    const key = { app: app.id, livemode: false, id: body.id };
    const moved = await Promise.all(Array.from({ length: 10 }, () => completeBatch(env, key, Date.now())));
    expect(moved.filter(Boolean)).toHaveLength(1);
    expect(await eventsOf(app, body)).toHaveLength(1);
    const { results } = await env.DB.prepare(
      "SELECT d.status FROM deliveries d JOIN events e ON e.id = d.event WHERE e.batch = ?",
    )
      .bind(body.id)
      .all();
    expect(results).toHaveLength(1);
  });
});

describe("a batch that is interrupted", () => {
  it("after it was stored, before anybody was woken, is made by the cron alone", async () => {
    const books = freshBooks();
    const app = await TestApp.create();
    const mine = await charges(app, 3);
    loseMessages();
    const { status, body } = await makeBatch(app, { charges: idsOf(mine) });
    expect(status).toBe(200);
    expect(await commandsLeft(app)).toBe(3);
    const batch = await ended(app, body);
    expect(batch.status).toBe("succeeded");
    expect(mine.map(({ id }) => books.moved(id))).toEqual([10_000, 10_000, 10_000]);
    expect(await eventsOf(app, batch)).toHaveLength(1);
  });

  it("at charge 40 of 100 goes on with the others, and makes none of the 40 again", {
    timeout: 60_000,
  }, async () => {
    const books = freshBooks();
    const app = await TestApp.create();
    const mine = await charges(app, 100, { amount: 9 });
    loseMessages();
    const { body } = await makeBatch(app, { charges: idsOf(mine) });
    await deliver(wakeUps(app, body, 0, 40));
    expect(await commandsLeft(app)).toBe(60);
    // What is made has ended, and that does not end the batch.
    await eventually(async () => {
      const { charges } = await retrieveBatch(app, body);
      return charges.filter(({ status }) => status === "succeeded").length === 40;
    });
    await deliver([{ app: app.id, livemode: false, batch: body.id }]);
    expect((await retrieveBatch(app, body)).status).toBe("pending");
    // The rest meets ledgers that are away, and is put off; then everything that was in memory is gone.
    ledgersAreAway();
    await deliver(wakeUps(app, body, 40));
    expect(await commandsLeft(app)).toBe(60);
    restore();
    await Promise.all(mine.slice(0, 50).map((charge) => evictDurableObject(app.ledger(charge))));
    // The first 40 once more, as if the crash had come before anybody noted that they were done.
    await env.DB.prepare("UPDATE commands SET due_at = 1 WHERE app = ?").bind(app.id).run();
    const batch = await ended(app, body);
    expect(batch.status).toBe("succeeded");
    expect(mine.map(({ id }) => books.moved(id))).toEqual(mine.map(() => 9));
    const { results } = await env.DB.prepare(
      "SELECT count(*) AS count FROM refunds WHERE app = ? GROUP BY charge",
    )
      .bind(app.id)
      .all();
    expect(results).toEqual(mine.map(() => ({ count: 1 })));
    expect(await eventsOf(app, batch)).toHaveLength(1);
  });

  it("by D1, which took it and lost its answer, is there when the client repeats it", async () => {
    const books = freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    const body = { batch_no: nextNumber(), charges: [charge.id] };
    const D1 = Object.getPrototypeOf(env.DB);
    const real = D1.batch;
    spies.push(
      vi.spyOn(D1, "batch").mockImplementation(async function (this: D1Database, statements: unknown) {
        const answer = await real.call(this, statements as D1PreparedStatement[]);
        // The look round has two statements; storing has more.
        if ((statements as unknown[]).length > 2) throw new Error("Network connection lost.");
        return answer;
      } as never),
    );
    expect((await makeBatch(app, body)).status).toBe(503);
    restore();
    const again = await makeBatch(app, body);
    expect(again.headers.get("Idempotent-Replayed")).toBe("true");
    expect((await ended(app, again.body)).status).toBe("succeeded");
    expect(books.moved(charge.id)).toBe(10_000);
  });

  it("and forgotten by D1, which was put back to the past, refunds nothing twice when it is sent again", async () => {
    const books = freshBooks();
    const app = await TestApp.create();
    const charge = await app.charge();
    const body = { batch_no: nextNumber(), charges: [{ charge: charge.id, amount: 4000 }] };
    const first = await makeBatch(app, body);
    await ended(app, first.body);
    await env.DB.batch(
      ["batch_refunds", "commands"].map((table) =>
        env.DB.prepare(`DELETE FROM ${table} WHERE app = ?`).bind(app.id),
      ),
    );
    const again = await makeBatch(app, body);
    expect(again.body.id).toBe(first.body.id);
    expect((await ended(app, again.body)).status).toBe("succeeded");
    expect(books.moved(charge.id)).toBe(4000);
    expect(await eventsOf(app, again.body)).toHaveLength(1);
  });
});

describe("a refund of a batch", () => {
  it("that somebody rejects fails its batch", async () => {
    freshBooks();
    const app = await TestApp.create({ settings: { approval_limit: { cny: 500 } } });
    const charge = await app.charge();
    const { body } = await makeBatch(app, { charges: [charge.id] });
    const refund = body.charges[0]?.refund;
    await deliver(wakeUps(app, body));
    const other = { headers: { Authorization: `Bearer ${await addKey(app, {})}` } };
    const path = `/v1/charges/${charge.id}/refunds/${refund}`;
    expect((await app.post(`${path}/approve`, { by: "Li" })).status).toBe(400);
    expect((await app.post(`${path}/reject`, { by: "Li", reason: "No" }, other)).status).toBe(200);
    expect((await ended(app, body)).status).toBe("failed");
  });

  it("that turns out to have failed later takes its batch along, and the event stays as it was", async () => {
    const books = freshBooks();
    const app = await TestApp.create();
    const mine = await charges(app, 2);
    const { body } = await makeBatch(app, { charges: idsOf(mine) });
    const batch = await ended(app, body);
    expect(batch.status).toBe("succeeded");
    const refund = batch.refunds.data[0] as RefundObject;
    for (const entry of books.known.values()) {
      if (entry.submission.charge === refund.charge) entry.effect = "declined";
    }
    await app.post(`/v1/charges/${refund.charge}/refunds/${refund.id}/sync`, {});
    await eventually(async () => (await retrieveBatch(app, body)).charges[0]?.status === "failed");
    await deliver([{ app: app.id, livemode: false, batch: body.id }]);
    expect(await retrieveBatch(app, body)).toMatchObject({
      status: "partially_succeeded",
      time_succeeded: null,
    });
    const [event, ...more] = await eventsOf(app, body);
    expect(more).toEqual([]);
    expect(JSON.parse(event?.body ?? "").data.object).toEqual(batch);
  });
});

describe("a refund of a batch that fails after it has succeeded", () => {
  const failsNow = async (app: TestApp, batch: BatchObject, books: ReturnType<typeof freshBooks>) => {
    const refund = batch.refunds.data[0] as RefundObject;
    for (const entry of books.known.values()) {
      if (entry.submission.charge === refund.charge) entry.effect = "declined";
    }
    await app.post(`/v1/charges/${refund.charge}/refunds/${refund.id}/sync`, {});
    await eventually(async () => (await retrieveBatch(app, batch)).charges[0]?.status === "failed");
  };

  it("opens its batch again in the same moment, and the cron ends it when no message comes", async () => {
    const books = freshBooks();
    const app = await TestApp.create();
    loseMessages();
    const { body } = await makeBatch(app, { charges: idsOf(await charges(app, 2)) });
    await ended(app, body);
    await failsNow(app, body, books);
    expect(await retrieveBatch(app, body)).toMatchObject({ status: "pending", time_succeeded: null });
    expect((await ended(app, body)).status).toBe("partially_succeeded");
  });

  it("while its batch is being completed leaves it open: nobody is told that all have succeeded", async () => {
    const books = freshBooks();
    const app = await TestApp.create();
    loseMessages();
    const { body } = await makeBatch(app, { charges: idsOf(await charges(app, 2)) });
    await deliver(wakeUps(app, body));
    await eventually(async () =>
      (await retrieveBatch(app, body)).charges.every(({ status }) => status === "succeeded"),
    );
    const D1 = Object.getPrototypeOf(env.DB);
    const real = D1.batch;
    let looks = 0;
    spies.push(
      vi.spyOn(D1, "batch").mockImplementation(async function (this: D1Database, statements: unknown) {
        const answer = await real.call(this, statements as D1PreparedStatement[]);
        if (++looks === 1) await failsNow(app, body, books);
        return answer;
      } as never),
    );
    const key = { app: app.id, livemode: false, id: body.id };
    expect(await completeBatch(env, key, Date.now())).toBe(false);
    restore();
    expect(await eventsOf(app, body)).toEqual([]);
    expect((await ended(app, body)).status).toBe("partially_succeeded");
    expect(await eventsOf(app, body)).toEqual([]);
  });
});

describe("the queue of commands", () => {
  it("keeps a message that is none of ours: it may be all there is of a promise", async () => {
    const result = await deliver([
      null,
      "text",
      {},
      { app: "app_1", livemode: false },
      { app: "app_1", livemode: "false", refund: "re_1" },
      { app: "app_1", livemode: false, refund: "re_1", batch: "br_1" },
    ]);
    expect(result.explicitAcks).toEqual([]);
    expect(result.retryMessages.map(({ msgId }) => msgId)).toEqual(["m0", "m1", "m2", "m3", "m4", "m5"]);
  });

  it("leaves a batch to the cron when D1 fails, and one that nobody has alone", async () => {
    const result = await deliver([{ app: "app_1", livemode: false, batch: mintId("batch", random) }]);
    expect(result.explicitAcks).toEqual(["m0"]);
    const D1 = Object.getPrototypeOf(env.DB);
    spies.push(vi.spyOn(D1, "batch").mockRejectedValue(new Error("Network connection lost.")));
    const down = await deliver([{ app: "app_1", livemode: false, batch: mintId("batch", random) }]);
    expect(down.explicitAcks).toEqual(["m0"]);
  });
});

describe("the cron", () => {
  it("gives every app its turn: a batch of a hundred keeps nobody's single refund waiting", {
    timeout: 60_000,
  }, async () => {
    freshBooks();
    const [big, small] = [await TestApp.create(), await TestApp.create()];
    loseMessages();
    await makeBatch(big, { charges: idsOf(await charges(big, 100, { amount: 3 })) });
    const single = await small.charge();
    await makeBatch(small, { charges: [single.id] });
    await env.DB.prepare(
      "UPDATE commands SET due_at = iif(app = ?, 1, 2) WHERE due_at is not null AND app in (?, ?)",
    )
      .bind(big.id, big.id, small.id)
      .run();
    await sweep(EVERY_MINUTE, env, Date.now());
    expect(await commandsLeft(small)).toBe(0);
    const left = await commandsLeft(big);
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(60);
    await sweep(EVERY_MINUTE, env, Date.now());
    await sweep(EVERY_MINUTE, env, Date.now());
    expect(await commandsLeft(big)).toBe(0);
  });
});

it("of the app's accounts a stored command holds its charge's alone", async () => {
  freshBooks();
  const app = await TestApp.create();
  const { body } = await makeBatch(app, { charges: [(await app.charge()).id] });
  const command = await env.DB.prepare("SELECT command FROM commands WHERE app = ? AND refund = ?")
    .bind(app.id, body.charges[0]?.refund ?? "")
    .first<string>("command");
  expect(JSON.parse(command ?? "")).toMatchObject({
    accounts: {},
    amount: 10_000,
    batch: body.id,
    repeats: null,
    refundNo: null,
    idempotencyKey: null,
  });
  expect((await app.get(`${PATH}/${body.id}`)).status).toBe(200);
});
