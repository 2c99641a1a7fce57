// This Worker's D1 belongs to the ledgers of another deployment: a renamed Worker, or staging pointed at production.
// Its own ledgers are empty, so live money must not move, whoever asks: a client, the cron, a queue or a channel.
import { createMessageBatch } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SCOPES } from "../../src/auth/scope.ts";
import { ledgerFingerprint } from "../../src/charges/ledger-namespace.ts";
import worker from "../../src/index.ts";
import { routes } from "../../src/routes.ts";
import { bodyOf, expectError, expectNothingStored, GUESSES, nameOf, pathOf } from "../exam.ts";
import { type ErrorObject, eventually, TestApp } from "../harness.ts";
import { stripeInTheTest } from "../worker/stripe-books.ts";
import { StripeMerchant } from "../worker/stripe-merchant.ts";
import { loseLedger } from "./memory.ts";
import { alertsOf, endOutages, ledgers, queues } from "./outage.ts";
import { Shop, shopsOfThisFile, sweepNow } from "./shop.ts";

shopsOfThisFile();
stripeInTheTest();

const belongsTo = (fingerprint: string) =>
  env.DB.prepare("INSERT OR REPLACE INTO ledger_namespaces (id, fingerprint) VALUES (1, ?)")
    .bind(fingerprint)
    .run();
const ANOTHER = "another deployment's";

/** Refunds while neither ledgers nor queues are there: the promise is left to the cron. */
async function promise<T>(refund: () => Promise<T>): Promise<T> {
  ledgers("throws");
  queues("throws");
  const answer = await refund();
  endOutages();
  return answer;
}

beforeEach(async () => {
  await belongsTo(ledgerFingerprint(env));
});
afterEach(async () => {
  await belongsTo(ledgerFingerprint(env));
});

describe("with the D1 of another deployment", () => {
  it("every route that changes anything is 503 in live mode, says why, and stores nothing", async () => {
    const ids = Object.fromEntries(Object.entries(GUESSES).map(([name, guess]) => [name, guess()]));
    const app = await TestApp.create({ scopes: SCOPES });
    await belongsTo(ANOTHER);
    const changing = routes.filter(({ method, foreign }) => method !== "GET" && !foreign);
    await expectNothingStored(async () => {
      for (const route of changing) {
        const answer = await app.send(route.method, pathOf(route, ids), {
          body: bodyOf(route),
          live: true,
          headers: { "Accept-Language": "en" },
        });
        expect([nameOf(route), answer.status]).toEqual([nameOf(route), 503]);
        expectError(answer, 503);
        expect(answer.body.error.message).toContain("another deployment");
        expect(Number(answer.headers.get("Retry-After"))).toBeGreaterThan(0);
      }
    });
  });

  it("test mode goes on, and live reads are answered from D1", async () => {
    const merchant = await StripeMerchant.create();
    const charge = await merchant.charge();
    const { body: refund } = await merchant.refund(charge, { amount: 100 });
    await merchant.events(refund, 2);
    await loseLedger(merchant.app.ledger(charge, true));
    await belongsTo(ANOTHER);
    await merchant.useAnotherKey();
    expect(await merchant.retrieve(refund)).toEqual(refund);
    expect((await merchant.retrieveCharge(charge)).amount_refunded).toBe(100);
    const no = await merchant.refund<ErrorObject>(charge, { amount: 1 });
    expect(no.status).toBe(503);

    const shop = await Shop.open();
    const tested = await shop.app.charge();
    expect((await shop.app.refund(tested, { amount: 100 })).body.status).toBe("succeeded");
    await shop.expectCoherent(tested);
  });

  it("neither the cron nor a queue moves live money with empty ledgers: what is promised and what is open is left to its owner", async () => {
    const merchant = await StripeMerchant.create();
    const charge = await merchant.charge();
    merchant.books.onSubmission(() => ({ effect: "pending" }));
    const { body: open } = await merchant.refund(charge, { amount: 1000 });
    await merchant.events(open, 1);
    const unopened = await merchant.charge();
    await eventually(async () => (await merchant.retrieveCharge(unopened)).paid);
    const { body: promised } = await promise(() => merchant.refund(unopened, { amount: 500 }));
    // Whose ledgers these are is the other deployment's: here they are empty.
    for (const { id } of [charge, unopened]) await loseLedger(merchant.app.ledger({ id }, true));
    await belongsTo(ANOTHER);
    const shop = await Shop.open();
    const tested = await shop.app.charge();
    const { body: testPromise } = await promise(() => shop.app.refund(tested, { amount: 500 }));

    const asked = merchant.books.questions.length;
    const before = await live();
    await sweepNow(Date.now() + 24 * 3_600_000);
    // Nor do the messages about the promise, with and without the command itself.
    const { app, refund, command } = await storedCommand(promised.id);
    const message = { app, livemode: true, refund };
    for (const body of [message, { ...message, command: JSON.parse(command) }]) {
      const one = { id: crypto.randomUUID(), timestamp: new Date(), attempts: 1, body };
      await worker.queue(createMessageBatch("ledger-commands", [one]), env);
    }
    expect(await live()).toEqual(before);
    expect(alertsOf("ledger_lost")).toEqual([]);
    expect(alertsOf("wrong_namespace")).not.toEqual([]);
    expect(merchant.books.submissions).toHaveLength(1);
    expect(merchant.books.questions).toHaveLength(asked);
    await merchant.useAnotherKey();
    expect((await merchant.retrieve(promised)).status).toBe("pending");
    await eventually(async () => (await shop.app.retrieveRefund(testPromise)).status === "succeeded");
    await shop.expectCoherent(tested);

    // A channel is told to say it again: here nobody knows what its news is about.
    const dispute = {
      object: "dispute",
      id: "dp_3Namespace",
      charge: charge.transaction_no,
      amount: 100,
      currency: "usd",
      status: "needs_response",
    };
    const news = [merchant.about(open), merchant.event("charge.dispute.created", dispute)];
    for (const body of news) expect((await merchant.tell(body)).status).toBe(500);
    expect(await live()).toEqual(before);
    expect(await merchant.orphans()).toEqual([]);

    // Its owner finds everything as it was left.
    await belongsTo(ledgerFingerprint(env));
    await merchant.useAnotherKey();
    merchant.books.onSubmission(() => ({ effect: "succeeded" }));
    await sweepNow(Date.now() + 48 * 3_600_000);
    await merchant.seen(promised, ({ status }) => status === "succeeded");
    for (const body of news) expect((await merchant.tell(body)).status).toBe(200);
  });
});

async function storedCommand(id: string): Promise<{ app: string; refund: string; command: string }> {
  const row = await env.DB.prepare("SELECT app, refund, command FROM commands WHERE refund = ?")
    .bind(id)
    .first<{ app: string; refund: string; command: string }>();
  if (row === null) throw new Error(`nothing was promised as ${id}`);
  return row;
}

/** What D1 holds of live money. */
async function live(): Promise<unknown[]> {
  const queries = ["charges", "refunds", "commands"].map((table) =>
    env.DB.prepare(`SELECT * FROM ${table} WHERE livemode = 1`),
  );
  return (await env.DB.batch(queries)).map(({ results }) => results);
}
