// D1 is away: what needs one charge goes on, what needs all of them says 503, and everything arrives once it is back.

import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { SCOPES } from "../../src/auth/scope.ts";
import type { ChargeObject } from "../../src/charges/schema.ts";
import { mintId } from "../../src/ids.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { routes } from "../../src/routes.ts";
import { storedRows } from "../books.ts";
import {
  addBatch,
  addDelivery,
  bodyOf,
  expectError,
  liveKeyOf,
  nameOf,
  type Objects,
  pathOf,
} from "../exam.ts";
import { type Answer, type ErrorObject, eventually, random, TestApp } from "../harness.ts";
import { ago, alertsOf, d1, d1ComesLate, endOutages, hurry, queues } from "./outage.ts";
import { Shop, shopsOfThisFile, sweepNow } from "./shop.ts";

shopsOfThisFile();

const HOUR = 3_600_000;

function expectUnavailable(answer: Answer<unknown>): void {
  expectError(answer as Answer<ErrorObject>, 503);
  expect(Number(answer.headers.get("Retry-After"))).toBeGreaterThan(0);
}

describe("while D1 is down", () => {
  it("refunds go on, also with a key last read a day ago, and D1 gets all of it when it is back: in order, once", async () => {
    const shop = await Shop.open();
    const { app, books } = shop;
    const charge = await app.charge();
    const stale = await shop.anotherKey();
    await ago(23.9 * HOUR, () => app.get("/v1/charges", stale));

    d1("throws");
    const first = await app.refund(charge, { amount: 1000 }, stale);
    expect(first).toMatchObject({ status: 200, body: { status: "succeeded" } });
    books.onSubmission(() => ({ effect: "declined" }));
    const second = await app.refund(charge, { amount: 2000, description: "Second" }, stale);
    expect(second.body.status).toBe("failed");
    books.onSubmission(() => ({ effect: "succeeded", says: "reset" }));
    const third = await app.refund(charge, { amount: 3000, description: "Third", refund_no: "A3" }, stale);
    expect(third.body.status).toBe("pending");

    // Rules, repeats and reads are the ledger's, which is there.
    const tooMuch = await app.refund<ErrorObject>(charge, { amount: 7000, description: "Fourth" }, stale);
    expect(tooMuch.body.error).toMatchObject({ code: "refund_amount_exceeded" });
    const again = await app.refund(charge, { amount: 3000, description: "Third", refund_no: "A3" }, stale);
    expect(again.body.id).toBe(third.body.id);
    const list = await app.get<{ data: RefundObject[] }>(`/v1/charges/${charge.id}/refunds`, stale);
    expect(list.body.data.map(({ id }) => id)).toEqual([third, second, first].map(({ body }) => body.id));
    expect((await app.retrieveRefund(first.body)).status).toBe("succeeded");

    endOutages();
    await shop.expectCoherent(charge);
    const { body: events } = await app.get<{ data: { type: string; data: { object: RefundObject } }[] }>(
      "/v1/events",
    );
    const ofFirst = events.data.filter(({ data }) => data.object.id === first.body.id);
    expect(ofFirst.map(({ type }) => type)).toEqual(["refund.succeeded", "refund.created"]);
  });

  it("a key that was read more than a day ago, or never, is 503 with Retry-After and never 401", async () => {
    const shop = await Shop.open();
    const charge = await shop.app.charge();
    const [old, unseen] = [await shop.anotherKey(), await shop.anotherKey()];
    await ago(24.1 * HOUR, () => shop.app.get("/v1/charges", old));
    d1("throws");
    for (const sent of [old, unseen]) {
      expectUnavailable(await shop.app.get(`/v1/charges/${charge.id}`, sent));
      expectUnavailable(await shop.app.refund(charge, { amount: 1 }, sent));
    }
    endOutages();
    expect((await shop.app.get(`/v1/charges/${charge.id}`, unseen)).status).toBe(200);
    expect((await shop.book(charge)).refunds).toEqual([]);
  });

  it.each(["throws", "hangs"] as const)(
    "a D1 that %s: recording a charge is 503 and stores nothing",
    async (fault) => {
      const { app } = await Shop.open();
      const before = await storedRows();
      const facts = {
        order_no: "down",
        channel: "alipay",
        amount: 100,
        paid: true,
        transaction_no: `tx-${fault}`,
      };
      d1(fault);
      hurry();
      expectUnavailable(await app.post("/v1/charges", facts));
      expectUnavailable(await app.refund({ id: mintId("charge", random) }, { amount: 1 }));
      endOutages();
      expect(await storedRows()).toEqual(before);
      const charge = await app.charge(facts);
      expect((await app.refund(charge, {})).body).toMatchObject({ status: "succeeded", amount: 100 });
    },
  );

  it("a D1 that hangs keeps nobody waiting: refunds go on, lists are 503, and all arrives afterwards", async () => {
    const shop = await Shop.open();
    const { app } = shop;
    const charge = await app.charge();
    const [stale, unseen] = [await shop.anotherKey(), await shop.anotherKey()];
    await ago(31_000, () => app.get("/v1/charges", stale));
    d1("hangs");
    hurry();
    expect((await app.refund(charge, { amount: 100 }, stale)).body.status).toBe("succeeded");
    for (const path of ["/v1/charges", "/v1/refunds", "/v1/events", "/v1/deliveries"]) {
      expectUnavailable(await app.get(path));
    }
    expectUnavailable(await app.get(`/v1/charges/${charge.id}`, unseen));
    await expect(sweepNow()).rejects.toThrow("parts of the sweep failed");
    endOutages();
    await shop.expectCoherent(charge);
  });
});

describe("what is decided about refunds while D1 is down", () => {
  const none = { headers: { Prefer: "wait=0" } };

  it("holds: what is canceled is never sent, and what is reversed is reversed, in D1 too when it is back", async () => {
    const app = await TestApp.create({ settings: { delay_seconds: 2 } });
    const shop = await Shop.open({ app });
    const [stopped, reversed] = [await app.charge(), await app.charge()];
    d1("throws");
    const { body: refund } = await app.refund(stopped, { amount: 1000 }, none);
    expect(refund.status).toBe("pending");
    const path = `/v1/charges/${stopped.id}/refunds/${refund.id}`;
    const canceled = await app.post(`${path}/cancel`, { by: "Li", reason: "Wrong order" });
    expect(canceled).toMatchObject({ status: 200, body: { failure_code: "refund_canceled" } });
    const whole = await app.post<ChargeObject>(`/v1/charges/${reversed.id}/reverse`, {}, none);
    expect(whole.body).toMatchObject({ reversed: false, amount_pending_refund: 10_000 });
    await eventually(async () => (await app.retrieveCharge(reversed)).reversed);
    const story = await app.get<{ data: { cause: string }[] }>(`${path}/timeline`);
    expect(story.body.data.map(({ cause }) => cause)).toEqual(["created", "canceled"]);
    endOutages();
    await shop.expectCoherent(stopped);
    await shop.expectCoherent(reversed);
    expect(shop.books.submissions.map(({ charge }) => charge)).toEqual([reversed.id]);
    expect((await app.get(`${path}/timeline`)).body).toEqual(story.body);
  });

  it("holds: what another key approves is sent once, what it rejects never, and what is said of them is kept", async () => {
    const app = await TestApp.create({ settings: { approval_limit: { "*": 0 } } });
    const shop = await Shop.open({ app });
    const manager = await shop.anotherKey();
    const charge = await app.charge();
    await app.get("/v1/charges", manager);
    d1("throws");
    const { body: first } = await app.refund(charge, { amount: 1000 });
    const { body: second } = await app.refund(charge, { amount: 2000, description: "Second" });
    const path = (id: string) => `/v1/charges/${charge.id}/refunds/${id}`;
    const approved = await app.post(`${path(first.id)}/approve`, { by: "Wang" }, manager);
    expect(approved).toMatchObject({ status: 200, body: { status: "succeeded" } });
    const rejected = await app.post(`${path(second.id)}/reject`, { by: "Wang", reason: "No" }, manager);
    expect(rejected).toMatchObject({ status: 200, body: { failure_code: "refund_rejected" } });
    const updated = await app.post<RefundObject>(path(second.id), { metadata: { till: "3" } });
    expect(updated).toMatchObject({ status: 200, body: { metadata: { till: "3" } } });
    endOutages();
    await eventually(async () => {
      const { results } = await env.DB.prepare(
        "SELECT status, approval, doc ->> '$.metadata.till' AS till FROM refunds WHERE charge = ? ORDER BY seq",
      )
        .bind(charge.id)
        .all();
      const expected = [
        { status: "succeeded", approval: "approved", till: null },
        { status: "failed", approval: "rejected", till: "3" },
      ];
      return JSON.stringify(results) === JSON.stringify(expected);
    });
    expect(shop.books.submissions.map(({ number }) => number)).toEqual([first.order_no]);
    expect(shop.books.moved(charge.id)).toBe(1000);
  });
});

describe("a D1 that carries out what it is asked and loses its answers", () => {
  it("has everything once when it is better, however often it was told", async () => {
    const shop = await Shop.open();
    const { app } = shop;
    const facts = {
      order_no: "lossy",
      channel: "alipay",
      amount: 500,
      paid: true,
      transaction_no: "lossy-1",
    };
    const known = await app.charge();
    d1("loses its answers");
    expectUnavailable(await app.post("/v1/charges", facts));
    const first = await app.refund(known, { amount: 100 });
    const second = await app.refund(known, { amount: 200, description: "Second" });
    expect([first.body.status, second.body.status]).toEqual(["succeeded", "succeeded"]);
    endOutages();

    // The client repeats its recording: one charge, one claim of its payment.
    const charge = await app.charge(facts);
    expect((await app.charge(facts)).id).toBe(charge.id);
    const rows = await storedRows();
    expect(rows.payments?.filter((row) => (row as { charge: string }).charge === charge.id)).toHaveLength(1);
    await app.refund(charge, {});
    // Which deliveries a batch made is told by its answer: those are left to the cron.
    await shop.expectCoherent(known, { cron: true });
    await shop.expectCoherent(charge);
  });
});

describe("a D1 that carries out old batches after new ones", () => {
  it("takes nothing back: not the outcome of a refund, nor what has arrived", async () => {
    const shop = await Shop.open();
    const { app, books } = shop;
    const charge = await app.charge();
    await shop.expectCoherent(charge);
    const { release, done } = d1ComesLate();
    hurry();
    books.onSubmission(() => ({ effect: "processing" }));
    const { body: refund } = await app.refund(charge, { amount: 1000 });
    expect(refund.status).toBe("pending");
    // The ledger has given the batch up, and has told D1 more by the time it is carried out.
    await eventually(async () => alertsOf("flush_failed").length > 0);
    endOutages();
    for (const entry of books.known.values()) entry.effect = "succeeded";
    await eventually(async () => (await app.retrieveRefund(refund)).status === "succeeded");
    await shop.expectCoherent(charge);
    release();
    await done();
    await shop.expectCoherent(charge);
  });
});

describe("every route, while D1 is down", () => {
  /** Those that one charge's ledger answers alone. */
  const LEDGER = new Set([
    "GET /v1/charges/:charge",
    "POST /v1/charges/:charge",
    "POST /v1/charges/:charge/refunds",
    "GET /v1/charges/:charge/refunds",
    "GET /v1/charges/:charge/refunds/:refund",
    // By its id alone, of those that were made where it is asked for.
    "GET /v1/refunds/:refund",
    "POST /v1/charges/:charge/refunds/:refund/sync",
    "POST /v1/charges/:charge/refunds/:refund/claim",
    "POST /v1/charges/:charge/refunds/:refund/resolve",
    "POST /v1/charges/:charge/refunds/:refund",
    "POST /v1/charges/:charge/refunds/:refund/cancel",
    "POST /v1/charges/:charge/refunds/:refund/approve",
    "POST /v1/charges/:charge/refunds/:refund/reject",
    "GET /v1/charges/:charge/refunds/:refund/timeline",
    "POST /v1/charges/:charge/reverse",
    "POST /v1/charges/:charge/disputes",
    "POST /v1/charges/:charge/adopt",
    "GET /v1/charges/:charge/ledger",
    // Says of each ledger whether D1 was told.
    "POST /v1/ledgers/rebuild",
  ]);
  let shop: Shop;
  let objects: Objects;

  beforeAll(async () => {
    shop = await Shop.open({ app: await TestApp.create({ scopes: SCOPES }) });
    const charge = await shop.app.charge();
    shop.books.onSubmission(() => ({ effect: "succeeded" }));
    const { body: refund } = await shop.app.refund(charge, { amount: 1 });
    await shop.expectCoherent(charge);
    const { body: events } = await shop.app.get<{ data: { id: string }[] }>(
      "/v1/events?type=refund.succeeded",
    );
    const { body: endpoints } = await shop.app.get<{ data: { id: string }[] }>("/v1/webhook_endpoints");
    const event = events.data[0]?.id ?? "";
    const endpoint = endpoints.data[0]?.id ?? "";
    const other = await shop.app.post<{ id: string }>("/v1/webhook_endpoints", {
      url: "https://other.example.com/hooks",
      status: "disabled",
    });
    const { delivery, letter } = await addDelivery(shop.app, event, other.body.id);
    const { body: account } = await shop.app.post<{ id: string }>(
      "/v1/channel_accounts",
      { channel: "manual", credentials: { note: "the exam's" } },
      { live: true },
    );
    await shop.app.get("/v1/channel_accounts", { live: true });
    objects = {
      batch: await addBatch(shop.app, charge.id, refund.id),
      charge: charge.id,
      refund: refund.id,
      event,
      endpoint,
      delivery,
      dead_letter: letter,
      account: account.id,
      app: shop.app.id,
      key: await liveKeyOf(shop.app),
    };
  });

  it.each(routes.map((route) => [nameOf(route), route] as const))("%s", async (name, route) => {
    const live = /^\/v1\/(channel_accounts|apps)/.test(route.path) || route.foreign === true;
    const body = bodyOf(route);
    d1("throws");
    queues("throws");
    const answer = await shop.app.send(route.method, pathOf(route, objects), { body, live });
    if (LEDGER.has(name))
      expect([name, answer.status, answer.text]).toEqual([name, expect.toBeOneOf([200, 400]), answer.text]);
    else expectUnavailable(answer);
  });

  it("names no ledger's route that does not exist", () => {
    const names = new Set(routes.map(nameOf));
    expect([...LEDGER].filter((name) => !names.has(name))).toEqual([]);
  });
});
