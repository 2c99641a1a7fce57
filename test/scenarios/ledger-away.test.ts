// A charge's ledger cannot be reached, or is of another version than the Worker: a no is said only when nothing can have
// happened, and what may have happened is promised and kept, once.
import { describe, expect, it, vi } from "vitest";
import { SCOPES } from "../../src/auth/scope.ts";
import type { LedgerSurface } from "../../src/charges/ledger-calls.ts";
import { ChargeLedger } from "../../src/index.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { routes } from "../../src/routes.ts";
import { storedRows } from "../books.ts";
import { bodyOf, expectError, expectNothingStored, GUESSES, nameOf, pathOf } from "../exam.ts";
import { type Answer, type ErrorObject, eventually, TestApp } from "../harness.ts";
import { d1, endOutages, hurry, ledgers, overload, queues } from "./outage.ts";
import { Shop, shopsOfThisFile, sweepNow } from "./shop.ts";

shopsOfThisFile();

const ALL: (keyof LedgerSurface)[] = [
  "adopt",
  "retell",
  "create",
  "record",
  "read",
  "apply",
  "sync",
  "claim",
  "resolve",
  "dispute",
  "poke",
  "export",
];

function expectUnavailable(answer: Answer<unknown>): void {
  expectError(answer as Answer<ErrorObject>, 503);
  expect(answer.body).not.toHaveProperty("error.code");
  expect(Number(answer.headers.get("Retry-After"))).toBeGreaterThan(0);
}

describe("a ledger that is overloaded", () => {
  it("says 503 with Retry-After, promises and reserves nothing, and takes the same request when it is better", async () => {
    const shop = await Shop.open();
    const { app, books } = shop;
    const charge = await app.charge();
    await shop.expectCoherent(charge);
    hurry();
    overload(ALL);
    await expectNothingStored(async () => {
      expectUnavailable(await app.refund(charge, { amount: 700 }));
      expectUnavailable(await app.refund(charge, { amount: 800, refund_no: "R1" }));
      expectUnavailable(await app.get(`/v1/charges/${charge.id}`));
      expectUnavailable(await app.post(`/v1/charges/${charge.id}`, { description: "x" }));
    });
    expect(books.submissions).toEqual([]);
    // What D1 answers needs no ledger.
    expect((await app.get("/v1/charges")).status).toBe(200);
    endOutages();
    expect(await app.retrieveCharge(charge)).toMatchObject({ refunded: false, amount_refundable: 10_000 });
    const { body: refund } = await app.refund(charge, { amount: 800, refund_no: "R1" });
    expect(refund).toMatchObject({ status: "succeeded", amount: 800 });
    await shop.expectCoherent(charge);
  });
});

describe("a ledger whose answers get lost", () => {
  it("has made the refund: the client is told pending, the promise is replayed, and there is one refund", async () => {
    const shop = await Shop.open();
    const { app, books } = shop;
    const charge = await app.charge();
    ledgers("loses its answers");
    const { status, body: promised } = await app.refund(charge, { amount: 700 });
    expect([status, promised.status, promised.amount]).toEqual([200, "pending", 700]);
    endOutages();
    await sweepNow(Date.now() + 60_000);
    expect(await app.retrieveRefund(promised)).toMatchObject({ id: promised.id, status: "succeeded" });
    expect(books.submissions).toHaveLength(1);
    await shop.expectCoherent(charge);
  });

  it("and cannot be reached: the promise can be read and repeated, and is one refund once the ledger is back", async () => {
    const shop = await Shop.open();
    const { app } = shop;
    const charge = await app.charge();
    ledgers("throws");
    const { body: promised } = await app.refund(charge, { amount: 700, refund_no: "P1" });
    expect(await app.retrieveRefund(promised)).toEqual(promised);
    const repeated = await app.refund(charge, { amount: 700, refund_no: "P1" });
    expect(repeated.body.id).toBe(promised.id);
    endOutages();
    await sweepNow(Date.now() + 60_000);
    await eventually(async () => (await app.retrieveRefund(promised)).status === "succeeded");
    const again = await app.refund(charge, { amount: 700, refund_no: "P1" });
    expect(again.body.id).toBe(promised.id);
    await shop.expectCoherent(charge);
  });
});

describe("when ledger, D1 and queue all fail", () => {
  it.each(["throws", "loses its answers"] as const)(
    "and the ledger %s, the answer is 503, and the client's repeat with its key makes one refund",
    async (fault) => {
      const shop = await Shop.open();
      const { app, books } = shop;
      const charge = await app.charge();
      await shop.expectCoherent(charge);
      ledgers(fault);
      d1("throws");
      queues("throws");
      expectUnavailable(await app.refund(charge, { amount: 700, refund_no: "K1" }));
      endOutages();
      if (fault === "throws") {
        expect(books.submissions).toEqual([]);
        expect((await shop.book(charge)).refunds).toEqual([]);
        expect(
          (await storedRows()).commands?.filter((row) => (row as { app: string }).app === app.id),
        ).toEqual([]);
      }
      const { body: refund } = await app.refund(charge, { amount: 700, refund_no: "K1" });
      expect(refund).toMatchObject({ status: "succeeded", amount: 700 });
      expect((await shop.book(charge)).refunds).toHaveLength(1);
      expect(books.moved(charge.id)).toBe(700);
      await sweepNow();
      await shop.expectCoherent(charge, { cron: true });
    },
  );

  it("and hang, the answer comes in bounded time all the same", async () => {
    const shop = await Shop.open();
    const { app } = shop;
    const charge = await app.charge();
    await shop.expectCoherent(charge);
    hurry();
    for (const all of [ledgers, d1, queues]) all("hangs");
    expectUnavailable(await app.refund(charge, { amount: 700, refund_no: "H1" }));
    endOutages();
    expect((await app.refund(charge, { amount: 700, refund_no: "H1" })).body.status).toBe("succeeded");
    await shop.expectCoherent(charge);
  });

  it("every route says 503 in JSON with Retry-After, or has an honest no of its own", async () => {
    const app = await TestApp.create({ scopes: SCOPES });
    await app.get("/v1/charges");
    await app.get("/v1/charges", { live: true });
    const ids = Object.fromEntries(Object.entries(GUESSES).map(([name, guess]) => [name, guess()]));
    hurry();
    ledgers("throws", ALL);
    d1("throws");
    queues("throws");
    const others: unknown[] = [];
    for (const route of routes) {
      const live = /^\/v1\/(channel_accounts|apps)/.test(route.path) || route.foreign === true;
      const answer = await app.send(route.method, pathOf(route, ids), { body: bodyOf(route), live });
      if (answer.status !== 503) others.push([nameOf(route), answer.status]);
      else expectUnavailable(answer);
    }
    expect(others).toEqual([]);
  });
});

describe("a Worker that asks for more than the ledger's version knows", () => {
  /** A deployment is under way: the Worker's calls say more than this ledger has heard of. */
  function newer(change: { v?: number; requires?: string[] }): void {
    for (const verb of ALL) {
      const real = ChargeLedger.prototype[verb] as (call: object) => Promise<unknown>;
      const spy = vi.spyOn(ChargeLedger.prototype, verb as "create");
      spy.mockImplementation(function (this: ChargeLedger, call: object) {
        return real.call(this, { ...call, ...change }) as never;
      } as never);
      spies.push(spy);
    }
  }
  const spies: { mockRestore(): void }[] = [];
  const deployed = () => {
    for (const spy of spies.splice(0)) spy.mockRestore();
  };

  it.each([
    ["a higher version", { v: 2 }],
    ["a feature it lacks", { requires: ["create", "approve"] }],
  ])("is refused with 503 for %s, and nothing is stored, until both are the same", async (_, change) => {
    const shop = await Shop.open();
    const { app, books } = shop;
    const charge = await app.charge();
    await shop.expectCoherent(charge);
    newer(change);
    try {
      await expectNothingStored(async () => {
        expectUnavailable(await app.refund(charge, { amount: 700, refund_no: "V1" }));
        expectUnavailable(await app.get(`/v1/charges/${charge.id}`));
        expectUnavailable(await app.post(`/v1/charges/${charge.id}`, { description: "x" }));
      });
    } finally {
      deployed();
    }
    expect(books.submissions).toEqual([]);
    expect((await app.refund(charge, { amount: 700, refund_no: "V1" })).body.status).toBe("succeeded");
    await shop.expectCoherent(charge);
  });

  it("keeps a promise open that the ledger does not understand yet", async () => {
    const shop = await Shop.open();
    const { app } = shop;
    const charge = await app.charge();
    ledgers("throws");
    const { body: promised } = await app.refund(charge, { amount: 700 });
    endOutages();
    newer({ requires: ["approve"] });
    await sweepNow(Date.now() + 60_000);
    deployed();
    const read = await app.get<RefundObject>(`/v1/charges/${charge.id}/refunds/${promised.id}`);
    expect(read.body.status).toBe("pending");
    await sweepNow(Date.now() + 600_000);
    await eventually(async () => (await app.retrieveRefund(promised)).status === "succeeded");
    await shop.expectCoherent(charge);
  });
});
