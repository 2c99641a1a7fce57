// Batches as a shop makes them: what they become, what refuses them, and how they are listed.
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { findMade, findWhole, listEnded } from "../../src/batches/repository.ts";
import { type BatchObject, LISTED_REFUNDS } from "../../src/batches/schema.ts";
import type { ChargeObject } from "../../src/charges/schema.ts";
import { database } from "../../src/db/client.ts";
import { mintId } from "../../src/ids.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { type ErrorObject, eventually, random, TestApp } from "../harness.ts";
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

interface List {
  object: string;
  url: string;
  has_more: boolean;
  data: BatchObject[];
}

async function rows(app: TestApp) {
  const count = (table: string) =>
    env.DB.prepare(`SELECT count(*) AS count FROM ${table} WHERE app = ?`)
      .bind(app.id)
      .first<number>("count");
  return { batches: await count("batch_refunds"), commands: await count("commands") };
}

describe("a batch", () => {
  it("is answered before any channel is asked, as Ping++ shows it: every refund is pending", async () => {
    const books = freshBooks();
    const app = await TestApp.create();
    const [whole, part] = await charges(app, 2);
    const { status, body } = await makeBatch(app, {
      app: app.id,
      batch_no: "20261123A",
      charges: [
        whole?.id,
        { charge: part?.id, amount: 400, description: "Dented", funding_source: "recharge_funds" },
      ],
      metadata: { campaign: "recall" },
    });
    expect(status).toBe(200);
    const [first, second] = body.refunds.data as [RefundObject, RefundObject];
    expect(body).toEqual({
      id: expect.stringMatching(/^br_[0-9A-Za-z]{24}$/),
      object: "batch_refund",
      app: app.id,
      livemode: false,
      created: expect.any(Number),
      batch_no: "20261123A",
      description: "Recalled",
      metadata: { campaign: "recall" },
      charges: [
        {
          charge: whole?.id,
          refund: first.id,
          status: "created",
          failure_msg: null,
          amount: 10_000,
          description: "Recalled",
        },
        {
          charge: part?.id,
          refund: second.id,
          status: "created",
          failure_msg: null,
          amount: 400,
          description: "Dented",
          funding_source: "recharge_funds",
        },
      ],
      refunds: { object: "list", url: null, has_more: false, data: [first, second] },
      refund_url: null,
      status: "created",
      time_succeeded: null,
    });
    expect(first).toMatchObject({ status: "pending", amount: 10_000, charge_order_no: whole?.order_no });
    expect(books.submissions).toEqual([]);
    expect(await retrieveBatch(app, body)).toEqual(body);
    // Its refunds can be read from the first moment on, and read the same.
    expect(await app.retrieveRefund(second)).toEqual(second);
  });

  it("ends with every refund made once, its charges refunded, and one event that shows it whole", async () => {
    const books = freshBooks();
    const app = await TestApp.create();
    const mine = await charges(app, 3);
    const { body: made } = await makeBatch(app, { charges: idsOf(mine) });
    const batch = await ended(app, made);
    expect(batch).toMatchObject({ status: "succeeded", time_succeeded: expect.any(Number) });
    expect(batch.charges.map(({ status }) => status)).toEqual(["succeeded", "succeeded", "succeeded"]);
    for (const [i, charge] of mine.entries()) {
      const refund = batch.refunds.data[i] as RefundObject;
      expect(await app.retrieveRefund(refund)).toEqual(refund);
      expect(Object.keys(refund)).toEqual(Object.keys(made.refunds.data[i] as RefundObject));
      expect(books.moved(charge.id)).toBe(10_000);
    }
    await sweepNow();
    const [event, ...more] = await eventsOf(app, made);
    expect(more).toEqual([]);
    expect(JSON.parse(event?.body ?? "")).toMatchObject({
      type: "batch_refund.succeeded",
      request: null,
      data: { object: batch },
    });
    const listed = await app.get<{ data: { type: string; data: unknown }[] }>(
      "/v1/events?type=batch_refund.succeeded",
    );
    expect(listed.body.data.map(({ data }) => data)).toEqual([{ object: batch }]);
  });

  it("takes a hundred charges, and refunds each of them once", { timeout: 60_000 }, async () => {
    const books = freshBooks();
    const app = await TestApp.create();
    const mine = await charges(app, 100, { amount: 7 });
    const { status, body } = await makeBatch(app, { charges: idsOf(mine) });
    expect(status).toBe(200);
    expect(body.refunds.data).toHaveLength(100);
    const batch = await ended(app, body);
    expect(batch.status).toBe("succeeded");
    expect(batch.charges.map(({ charge }) => charge)).toEqual(idsOf(mine));
    expect(mine.map(({ id }) => books.moved(id))).toEqual(mine.map(() => 7));
  });

  it("of live charges is made in live mode, and is nobody's in test mode", async () => {
    const app = await TestApp.create();
    await app.post(
      "/v1/channel_accounts",
      { channel: "manual", credentials: { note: "by hand" } },
      { live: true },
    );
    const charge = await app.charge({ channel: "manual", transaction_no: `tx-${app.id}` }, { live: true });
    const { status, body } = await makeBatch(app, { charges: [charge.id] }, { live: true });
    expect({ status, livemode: body.livemode }).toEqual({ status: 200, livemode: true });
    await eventually(async () => {
      await sweepNow();
      return (await commandsLeft(app)) === 0;
    });
    const refund = await app.get<RefundObject>(
      `/v1/charges/${charge.id}/refunds/${body.charges[0]?.refund}`,
      {
        live: true,
      },
    );
    expect(refund.body).toMatchObject({ status: "pending", amount: 10_000 });
    expect((await app.get(`${PATH}/${body.id}`)).status).toBe(404);
    expect((await app.get<List>(PATH)).body.data).toEqual([]);
    expect((await app.get<List>(PATH, { live: true })).body.data.map(({ id }) => id)).toEqual([body.id]);
  });

  it("keeps to the app's approval and delay: it is pending until its refunds may go out", async () => {
    const books = freshBooks();
    const app = await TestApp.create({ settings: { approval_limit: { cny: 500 }, delay_seconds: 3600 } });
    const mine = await charges(app, 2);
    const { body } = await makeBatch(app, {
      charges: [mine[0]?.id, { charge: mine[1]?.id, amount: 100 }],
    });
    const pending = await eventually(async () => {
      await sweepNow();
      const seen = await retrieveBatch(app, body);
      return seen.charges.every(({ status }) => status === "pending") && seen;
    });
    expect(pending).toMatchObject({ status: "pending", time_succeeded: null });
    expect(books.submissions).toEqual([]);
    const { results } = await env.DB.prepare(
      "SELECT amount, approval FROM refunds WHERE batch = ? ORDER BY amount",
    )
      .bind(body.id)
      .all();
    expect(results).toEqual([
      { amount: 100, approval: null },
      { amount: 10_000, approval: "required" },
    ]);
    expect(await eventsOf(app, body)).toEqual([]);
  });
});

describe("a batch is refused as a whole, and nothing of it is stored,", () => {
  const refusals: [string, (app: TestApp) => Promise<Record<string, unknown>>, Record<string, unknown>][] = [
    [
      "for a charge that has not been paid",
      async (app) => ({ charge: (await app.charge({ paid: false })).id }),
      { code: "charge_not_paid", param: "charges" },
    ],
    [
      "for a charge that is fully refunded",
      async (app) => {
        const charge = await app.charge();
        await app.refund(charge, {});
        await eventually(async () => {
          const query = "SELECT amount_refunded AS sum FROM charges WHERE id = ?";
          return (await env.DB.prepare(query).bind(charge.id).first("sum")) === 10_000;
        });
        return { charge: charge.id };
      },
      { param: "charges" },
    ],
    [
      "for an amount above what is left",
      async (app) => ({ charge: (await app.charge()).id, amount: 10_001 }),
      { code: "refund_amount_exceeded", param: "charges" },
    ],
    [
      "for a charge that is frozen",
      async (app) => {
        const charge = await app.charge();
        await env.DB.prepare("UPDATE charges SET freeze = 'conflict' WHERE id = ?").bind(charge.id).run();
        return { charge: charge.id };
      },
      { code: "charge_frozen", param: "charges" },
    ],
    [
      "for a charge that is disputed",
      async (app) => {
        const charge = await app.charge();
        await app.post(`/v1/charges/${charge.id}/disputes`, { id: "dp_1", status: "opened", amount: 6000 });
        await eventually(async () => {
          const query = "SELECT json_extract(doc, '$.disputed') AS sum FROM charges WHERE id = ?";
          return (await env.DB.prepare(query).bind(charge.id).first("sum")) === 6000;
        });
        return { charge: charge.id, amount: 5000 };
      },
      { code: "charge_disputed", param: "charges" },
    ],
  ];

  it("for a charge that has used up its refunds, failed ones included, which it names", async () => {
    freshBooks();
    const app = await TestApp.create({ settings: { refund_attempts_max: 2 } });
    const [good, bad] = await charges(app, 2);
    await app.refund(bad as ChargeObject, { amount: 1, description: "[sandbox:declined]" });
    await makeBatch(app, { charges: [{ charge: bad?.id, amount: 1 }] });
    await eventually(async () => {
      await sweepNow();
      const query = "SELECT highest_seq AS made FROM charges WHERE app = ? AND id = ?";
      return (await env.DB.prepare(query).bind(app.id, bad?.id).first("made")) === 2;
    });
    const answer = await makeBatch<ErrorObject>(app, { charges: [good?.id, { charge: bad?.id, amount: 2 }] });
    expect(answer.status).toBe(400);
    expect(answer.body.error).toMatchObject({ code: "too_many_refunds", param: "charges" });
    expect(answer.body.error.message).toContain(bad?.id);
  });

  it.each(refusals)("%s, which it names", async (_, make, error) => {
    freshBooks();
    const app = await TestApp.create();
    const good = await app.charge();
    const bad = await make(app);
    const answer = await makeBatch<ErrorObject>(app, { charges: [good.id, bad] });
    expect(answer).toMatchObject({ status: 400, body: { error } });
    expect(answer.body.error.message).toContain(bad.charge);
    expect(await rows(app)).toEqual({ batches: 0, commands: 0 });
  });

  it("for charges that nobody recorded, of another app and of the other mode: 404, by name", async () => {
    freshBooks();
    const [app, other] = [await TestApp.create(), await TestApp.create()];
    const good = await app.charge();
    const live = await app.charge({ transaction_no: `tx-${app.id}` }, { live: true });
    const foreign = await other.charge();
    for (const id of [mintId("charge", random), foreign.id, live.id, "1", "ch_'--", good.id.toUpperCase()]) {
      const answer = await makeBatch<ErrorObject>(app, { charges: [good.id, id] });
      expect(answer).toMatchObject({ status: 404, body: { error: { param: "id" } } });
      expect(answer.body.error.message).toContain(id);
    }
    expect(await rows(app)).toEqual({ batches: 0, commands: 0 });
  });

  const charge = "ch_000000000000000000000000";
  it.each([
    ["without a number", { batch_no: undefined }, "batch_no"],
    ["with a number of two characters", { batch_no: "a1" }, "batch_no"],
    ["with a number of 25 characters", { batch_no: "a".repeat(25) }, "batch_no"],
    ["with a number that holds a hyphen", { batch_no: "2026-11-23" }, "batch_no"],
    ["without charges", { charges: [] }, "charges"],
    ["with 101 charges", { charges: Array.from({ length: 101 }, () => charge) }, "charges"],
    ["with a charge twice", { charges: [charge, { charge, amount: 1 }] }, "charges"],
    ["with an amount of nothing", { charges: [{ charge, amount: 0 }] }, "charges[0][amount]"],
    ["with null for an amount", { charges: [{ charge, amount: null }] }, "charges[0][amount]"],
    ["with an amount that is text", { charges: [{ charge, amount: "1" }] }, "charges[0][amount]"],
    ["with a misspelt amount", { charges: [{ charge, amout: 1 }] }, "amout"],
    ["with an amount beside charges that have none", { charges: [charge], amount: 5 }, "amount"],
    ["without a description", { description: undefined }, "description"],
    ["with a description of 256 characters", { description: "退".repeat(256) }, "description"],
    ["with metadata that nests", { metadata: { a: { b: 1 } } }, "metadata"],
    ["of another app", { app: "app_000000000000000000000000" }, "app"],
  ])("when it comes %s: 400", async (_, facts, param) => {
    const app = await TestApp.create();
    const answer = await makeBatch<ErrorObject>(app, { charges: [charge], ...facts });
    expect(answer).toMatchObject({ status: 400, body: { error: { param } } });
    expect(await rows(app)).toEqual({ batches: 0, commands: 0 });
  });

  it("when the app wants amounts and one is left out", async () => {
    const app = await TestApp.create({ settings: { require_amount: true } });
    const mine = await app.charge();
    const answer = await makeBatch<ErrorObject>(app, { charges: [mine.id] });
    expect(answer).toMatchObject({ status: 400, body: { error: { param: "charges" } } });
    expect((await makeBatch(app, { charges: [{ charge: mine.id, amount: 1 }] })).status).toBe(200);
  });
});

describe("a batch within the app's daily limits", () => {
  it("takes room for all of its refunds or for none", async () => {
    const books = freshBooks();
    const app = await TestApp.create({ settings: { daily_refunds_max: 3, daily_amount_max: { cny: 1000 } } });
    const mine = (await charges(app, 4)).map(({ id }) => ({ charge: id, amount: 300 }));
    const many = await makeBatch<ErrorObject>(app, { charges: mine });
    expect(many.body.error.code).toBe("daily_limit_exceeded");
    const dear = await makeBatch<ErrorObject>(app, {
      charges: [...mine.slice(0, 2), { ...mine[2], amount: 500 }],
    });
    expect(dear.body.error.code).toBe("daily_limit_exceeded");
    expect(await rows(app)).toEqual({ batches: 0, commands: 0 });
    const body = { batch_no: nextNumber(), charges: mine.slice(0, 3) };
    const fitting = await makeBatch(app, body);
    expect(fitting.status).toBe(200);
    expect((await makeBatch(app, body)).headers.get("Idempotent-Replayed")).toBe("true");
    expect((await ended(app, fitting.body)).status).toBe("succeeded");
    expect(mine.map(({ charge }) => books.moved(charge))).toEqual([300, 300, 300, 0]);
    const more = await app.refund<ErrorObject>({ id: mine[3]?.charge ?? "" }, { amount: 1 });
    expect(more.body.error.code).toBe("daily_limit_exceeded");
  });
});

describe("what only a ledger knows", () => {
  it("fails that refund alone, in the words of the refusal, and the batch succeeds in part without an event", async () => {
    const books = freshBooks();
    const app = await TestApp.create({ settings: { refund_windows: { wx: 1 } } });
    const good = await app.charge();
    const late = await app.charge({ channel: "wx", time_paid: Math.floor(Date.now() / 1000) - 3 * 86_400 });
    const { body } = await makeBatch(app, { charges: [good.id, late.id] });
    const batch = await ended(app, body);
    expect(batch).toMatchObject({ status: "partially_succeeded", time_succeeded: null });
    expect(batch.charges.map(({ status }) => status)).toEqual(["succeeded", "failed"]);
    expect(batch.charges[1]?.failure_msg).toContain("wx");
    expect(batch.refunds.data[1]).toMatchObject({
      status: "failed",
      failure_code: "refund_failed",
      failure_msg: batch.charges[1]?.failure_msg,
    });
    expect(books.moved(late.id)).toBe(0);
    expect(await eventsOf(app, body)).toEqual([]);
  });

  it("or a channel that declines them all makes a batch that has failed", async () => {
    const books = freshBooks();
    books.onSubmission(() => ({ effect: "declined" }));
    const app = await TestApp.create();
    const { body } = await makeBatch(app, { charges: idsOf(await charges(app, 2)) });
    const batch = await ended(app, body);
    expect(batch).toMatchObject({ status: "failed", time_succeeded: null });
    expect(await eventsOf(app, body)).toEqual([]);
  });
});

describe("the list of batches", () => {
  it("shows the newest first, by pages as Ping++ counts them and by cursor", async () => {
    freshBooks();
    const app = await TestApp.create();
    const made: string[] = [];
    for (const charge of await charges(app, 5)) {
      made.unshift((await makeBatch(app, { charges: [charge.id] })).body.id);
    }
    const list = async (query: string) => {
      const { body } = await app.get<List>(`${PATH}?${query}`);
      expect(body).toMatchObject({ object: "list", url: PATH });
      return { ids: body.data.map(({ id }) => id), more: body.has_more };
    };
    expect(await list("")).toEqual({ ids: made, more: false });
    expect(await list("per_page=2")).toEqual({ ids: made.slice(0, 2), more: true });
    expect(await list("page=2&per_page=2")).toEqual({ ids: made.slice(2, 4), more: true });
    expect(await list("page=3&per_page=2")).toEqual({ ids: made.slice(4), more: false });
    expect(await list("page=4&per_page=2")).toEqual({ ids: [], more: false });
    expect(await list(`limit=2&starting_after=${made[1]}`)).toEqual({ ids: made.slice(2, 4), more: true });
    expect(await list(`limit=2&ending_before=${made[2]}`)).toEqual({ ids: made.slice(0, 2), more: false });
    expect(await list("created[gt]=4000000000")).toEqual({ ids: [], more: false });
    for (const query of [
      "page=0",
      "page=1001",
      "per_page=101",
      `page=1&starting_after=${made[0]}`,
      `starting_after=${mintId("batch", random)}`,
    ]) {
      expect((await app.get(`${PATH}?${query}`)).status).toBe(400);
    }
  });

  it("carries the first refunds of each batch, and says how every charge of it stands", async () => {
    freshBooks();
    const app = await TestApp.create();
    const { body } = await makeBatch(app, { charges: idsOf(await charges(app, LISTED_REFUNDS + 2)) });
    const batch = await ended(app, body);
    const { body: list } = await app.get<List>(PATH);
    expect(list.data).toEqual([
      {
        ...batch,
        refunds: { ...batch.refunds, has_more: true, data: batch.refunds.data.slice(0, LISTED_REFUNDS) },
      },
    ]);
  });

  it("and the cron find the refunds of batches by their batch, and walk through no app for them", async () => {
    const prepare = vi.spyOn(env.DB, "prepare");
    const db = database(env, "app_1", false);
    await findMade(db, "app_1", false, [{ id: "br_1", items: [] }], 10);
    await findWhole(db, { app: "app_1", livemode: false, id: "br_1" });
    await listEnded(db, 50);
    const queries = prepare.mock.calls.map(([query]) => query);
    prepare.mockRestore();
    const plans = await env.DB.batch<{ detail: string }>(
      queries.map((query) =>
        env.DB.prepare(`explain query plan ${query}`).bind(...[...query.matchAll(/\?/g)].map(() => null)),
      ),
    );
    const [made, batch, refunds, ended] = plans.map(({ results }) =>
      results.map(({ detail }) => detail).join("\n"),
    );
    expect(made).toContain("SEARCH refunds USING INDEX refunds_batch (batch=?)");
    expect(batch).toContain("SEARCH batch_refunds USING INDEX batch_refunds_id");
    expect(refunds).toContain("SEARCH refunds USING INDEX refunds_batch (batch=?)");
    expect(ended).toContain("SCAN batch_refunds USING INDEX batch_refunds_open");
    expect(ended?.match(/SEARCH refunds USING INDEX refunds_batch \(batch=\?\)/g)).toHaveLength(2);
    expect(ended).not.toContain("SCAN refunds");
  });
});

it("a number is remembered for each app and mode on its own", async () => {
  freshBooks();
  const [one, two] = [await TestApp.create(), await TestApp.create()];
  const batch_no = nextNumber();
  const answers = [
    await makeBatch(one, { batch_no, charges: [(await one.charge()).id] }),
    await makeBatch(two, { batch_no, charges: [(await two.charge()).id] }),
    await makeBatch(
      one,
      { batch_no, charges: [(await one.charge({ transaction_no: one.id }, { live: true })).id] },
      { live: true },
    ),
  ];
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(3);
  const refunds = answers.map(({ body }) => body.charges[0]?.refund);
  expect(new Set(refunds).size).toBe(3);
});
