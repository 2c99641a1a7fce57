import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { CALL, type CreateAnswer } from "../../src/charges/ledger-calls.ts";
import { ledgerFingerprint } from "../../src/charges/ledger-namespace.ts";
import { type ErrorObject, eventually, TestApp } from "../harness.ts";

describe("a charge's ledger", () => {
  it("takes at most 16 KiB with one refund", async () => {
    const app = await TestApp.create();
    const charge = await app.charge({
      subject: "茶".repeat(32),
      body: "x".repeat(128),
      description: "d".repeat(255),
    });
    await app.refund(charge, {
      amount: 1,
      description: "退".repeat(255),
      metadata: { note: "x".repeat(900) },
      refund_no: "R".repeat(64),
    });
    await eventually(async () => {
      const answer = await app.ledger(charge).export();
      return "ok" in answer && (answer.ok as { undelivered: string[] }).undelivered.length === 0;
    });
    const size = await runInDurableObject(app.ledger(charge), (_, { storage }) => storage.sql.databaseSize);
    expect(size).toBeLessThanOrEqual(16 * 1024);
  });

  it("keeps no table before its charge is hydrated, also when it is asked", async () => {
    const app = await TestApp.create();
    const guess = { id: "ch_000000000000000000000000" };
    expect((await app.get(`/v1/charges/${guess.id}`)).status).toBe(404);
    expect((await app.refund<ErrorObject>(guess, {})).status).toBe(404);
    const found = await runInDurableObject(app.ledger(guess), async (_, { storage }) => ({
      tables: storage.sql
        .exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'")
        .toArray(),
      alarm: await storage.getAlarm(),
    }));
    expect(found).toEqual({ tables: [], alarm: null });
  });

  it("refuses a call that relies on a feature it does not know, instead of ignoring it", async () => {
    const app = await TestApp.create();
    const charge = await app.charge();
    const call = { ...CALL, requires: ["time_travel"], command: {} as never };
    const answer = (await app.ledger(charge).create(call)) as CreateAnswer;
    expect(answer).toEqual({ refusal: { code: "unsupported", feature: "time_travel" } });
    const newer = (await app
      .ledger(charge)
      .create({ ...CALL, v: CALL.v + 1, command: {} as never })) as CreateAnswer;
    expect(newer).toMatchObject({ refusal: { code: "unsupported" } });
  });

  it("is not written to by a database that belongs to other ledgers: live writes stop, reads and test mode go on", async () => {
    const app = await TestApp.create();
    await app.charge({ transaction_no: "ours" }, { live: true });
    const other = await TestApp.create();
    await env.DB.prepare("UPDATE ledger_namespaces SET fingerprint = 'another deployment'").run();
    try {
      const body = { order_no: "A1", channel: "alipay", amount: 100, paid: true };
      const refused = await other.post("/v1/charges", body, { live: true });
      expect(refused).toMatchObject({ status: 503, body: { error: { type: "api_error" } } });
      expect((await other.get("/v1/charges", { live: true })).status).toBe(200);
      expect((await other.post("/v1/charges", body)).status).toBe(200);
    } finally {
      await env.DB.prepare("UPDATE ledger_namespaces SET fingerprint = ?").bind(ledgerFingerprint(env)).run();
    }
  });
});

describe("live mode", () => {
  it("answers 402 for a channel that nobody can ask, and stores nothing", async () => {
    const app = await TestApp.create();
    const charge = await app.charge({ transaction_no: `tx-${Date.now()}` }, { live: true });
    const answer = await app.refund<ErrorObject>(charge, { amount: 1 }, { live: true });
    expect(answer).toMatchObject({
      status: 402,
      body: { error: { type: "channel_error", code: "channel_not_configured" } },
    });
    const after = await app.get<{ refunded: boolean; amount_refundable: number }>(
      `/v1/charges/${charge.id}`,
      {
        live: true,
      },
    );
    expect(after.body).toMatchObject({ refunded: false, amount_refundable: 10_000 });
  });
});
