// What operators adopt: a charge that was frozen, and a database that belonged to another deployment. And what they read
// of a book before they do.
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it } from "vitest";
import { SCOPES } from "../../src/auth/scope.ts";
import { ledgerFingerprint } from "../../src/charges/ledger-namespace.ts";
import type { LedgerObject } from "../../src/charges/operate-ledgers.ts";
import type { ChargeObject } from "../../src/charges/schema.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { type ErrorObject, eventually, TestApp } from "../harness.ts";
import { channelOverHttp, freshBooks } from "./channel-books.ts";

channelOverHttp();

const GIVEN = { by: "Li", reason: "Compared with the channel" };
const operator = () => TestApp.create({ scopes: SCOPES });
const move = (app: TestApp, { id }: RefundObject, how: string) =>
  app.post(`/v1/test_helpers/refunds/${id}/${how}`, {});
const frozen = async (app: TestApp) =>
  (await app.get<{ data: ChargeObject[] }>("/v1/charges?frozen=true")).body.data.map(({ id }) => id);

/** A charge whose refund of 10000 the channel contradicts after its money went another way. */
async function conflict(app: TestApp) {
  freshBooks();
  const charge = await app.charge();
  const { body: first } = await app.refund(charge, { amount: 10_000, refund_no: "F1" });
  await move(app, first, "reverse");
  await eventually(async () => (await app.retrieveRefund(first)).status === "failed");
  await app.refund(charge, { amount: 10_000, description: "Elsewhere" });
  await move(app, first, "succeed");
  await eventually(async () => (await app.retrieveRefund(first)).attention === "conflict");
  return { charge, first };
}

describe("a frozen charge", () => {
  it("is found, read and adopted: what the channel has paid counts, and the charge is frozen no longer", async () => {
    const app = await operator();
    const { charge, first } = await conflict(app);
    await eventually(async () => (await frozen(app)).includes(charge.id));
    const { body: book, text } = await app.get<LedgerObject>(`/v1/charges/${charge.id}/ledger`);
    expect(book).toMatchObject({
      object: "ledger",
      source: "ledger",
      freeze: "conflict",
      charge: { id: charge.id, order_no: charge.order_no },
      refunds: [{ id: first.id, state: "failed", refund_no: "F1" }, { state: "succeeded" }],
    });
    expect(text).not.toMatch(/fingerprint|repeats|memory|credentials/);

    const path = `/v1/charges/${charge.id}/adopt`;
    const answer = await app.post<ChargeObject>(path, GIVEN);
    expect(answer).toMatchObject({ status: 200, body: { amount_refunded: 20_000, amount_refundable: 0 } });
    expect(await app.retrieveRefund(first)).toMatchObject({ status: "succeeded" });
    await eventually(async () => (await frozen(app)).length === 0);
    const again = await app.post(path, GIVEN);
    expect(again).toMatchObject({ status: 400, body: { error: { code: "charge_not_frozen" } } });
    const story = await app.get<{ data: { cause: string; actor: object }[] }>(
      `/v1/charges/${charge.id}/refunds/${first.id}/timeline`,
    );
    expect(story.body.data.at(-1)).toMatchObject({ cause: "adopted", actor: { by: "Li" } });
    const after = await app.get<LedgerObject>(`/v1/charges/${charge.id}/ledger`);
    expect(after.body).toMatchObject({ freeze: null, adoptions: [{ freeze: "conflict", ...GIVEN }] });
  });

  it("is adopted in live mode also when nobody has asked its lost ledger yet, and takes refunds again", async () => {
    const app = await operator();
    const live = { live: true };
    const account = { channel: "manual", credentials: { note: "by hand" } };
    expect((await app.post("/v1/channel_accounts", account, live)).status).toBe(200);
    const charge = await app.charge({ channel: "manual" }, live);
    const ledger = app.ledger(charge, true);
    await app.post(`/v1/charges/${charge.id}`, { metadata: { opened: "yes" } }, live);
    const opened = () =>
      env.DB.prepare("SELECT ledger_opened_at FROM charges WHERE id = ?").bind(charge.id).first();
    await eventually(async () => (await opened())?.ledger_opened_at !== null);
    await runInDurableObject(ledger, async (_, { storage }) => {
      await storage.deleteAlarm();
      await storage.deleteAll();
    });
    await evictDurableObject(ledger);
    const lost = await app.get<LedgerObject>(`/v1/charges/${charge.id}/ledger`, live);
    expect(lost.body).toMatchObject({ source: "database", freeze: null, charge: { id: charge.id } });
    const adopted = await app.post<ChargeObject>(`/v1/charges/${charge.id}/adopt`, GIVEN, live);
    expect(adopted).toMatchObject({ status: 200, body: { amount_refundable: 10_000 } });
    const found = await app.get<LedgerObject>(`/v1/charges/${charge.id}/ledger`, live);
    expect(found.body).toMatchObject({ source: "ledger", adoptions: [{ freeze: "lost" }] });
    const refund = await app.refund<ErrorObject>(charge, { amount: 1 }, live);
    expect(refund.body.error?.code).not.toBe("charge_frozen");
  });

  it("that nobody has opened yet is not frozen, and is not opened by the question", async () => {
    const app = await operator();
    const charge = await app.charge();
    const no = await app.post(`/v1/charges/${charge.id}/adopt`, GIVEN);
    expect(no).toMatchObject({ status: 400, body: { error: { code: "charge_not_frozen" } } });
  });
});

describe("a database of another deployment", () => {
  const belongsTo = (fingerprint: string) =>
    env.DB.batch([
      env.DB.prepare("DELETE FROM ledger_namespaces"),
      env.DB.prepare("INSERT INTO ledger_namespaces (id, fingerprint) VALUES (1, ?)").bind(fingerprint),
    ]);
  afterEach(async () => {
    await belongsTo(ledgerFingerprint(env));
  });

  it("is adopted with a live key: live writes work again at once, and adopting it twice changes nothing", async () => {
    await belongsTo("another deployment's");
    const app = await operator();
    const live = { live: true };
    const facts = { order_no: "A1", channel: "manual", amount: 100, paid: true };
    expect((await app.post("/v1/charges", facts, live)).status).toBe(503);
    expect(await app.post("/v1/ledgers/adopt", GIVEN)).toMatchObject({
      status: 400,
      body: { error: { param: "livemode" } },
    });
    const fingerprint = ledgerFingerprint(env);
    for (let time = 0; time < 2; time++) {
      const answer = await app.post("/v1/ledgers/adopt", GIVEN, live);
      expect(answer).toMatchObject({
        status: 200,
        body: { object: "ledger_namespace", fingerprint, adopted: true },
      });
    }
    const { results } = await env.DB.prepare("SELECT fingerprint FROM ledger_namespaces ORDER BY id").all();
    expect(results).toEqual([{ fingerprint: "another deployment's" }, { fingerprint }]);
    expect((await app.post("/v1/charges", facts, live)).status).toBe(200);
  });

  it("is not adopted with a key that is no operator's", async () => {
    await belongsTo("another deployment's");
    const app = await TestApp.create();
    expect((await app.post("/v1/ledgers/adopt", GIVEN, { live: true })).status).toBe(401);
  });

  it("is not adopted with a key of an app that another app made", async () => {
    const app = await operator();
    const { body: child } = await app.post<{ live_key: { key: string } }>(
      "/v1/apps",
      { name: "Branch" },
      { live: true },
    );
    await belongsTo("another deployment's");
    const sent = { headers: { Authorization: `Bearer ${child.live_key.key}` } };
    expect(await app.post("/v1/ledgers/adopt", GIVEN, sent)).toMatchObject({
      status: 400,
      body: { error: { param: "app" } },
    });
    const { results } = await env.DB.prepare("SELECT fingerprint FROM ledger_namespaces").all();
    expect(results).toEqual([{ fingerprint: "another deployment's" }]);
  });
});
