// D1 has forgotten everything about an app's charges: its ledgers tell it again, and everything is found as before. Ledgers
// of others tell nobody anything.
import { listDurableObjectIds } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { SCOPES } from "../../src/auth/scope.ts";
import { CALL, type LedgerSurface } from "../../src/charges/ledger-calls.ts";
import type { ChargeObject } from "../../src/charges/schema.ts";
import { mintId } from "../../src/ids.ts";
import { ledgersInUse, storedRows } from "../books.ts";
import { type ErrorObject, eventually, random, TestApp } from "../harness.ts";

const TABLES = ["charges", "refunds", "search_terms", "refund_timeline", "payments"];

interface Rebuilt {
  object: string;
  data: { ledger?: string; charge: string | null; status: string }[];
}

const rebuild = (app: TestApp, body: object) => app.post<Rebuilt>("/v1/ledgers/rebuild", body);

/** Everything of the app's in these tables is told, and then is gone. */
async function forget(app: TestApp): Promise<void> {
  await env.DB.batch(
    TABLES.map((table) => env.DB.prepare(`DELETE FROM ${table} WHERE app = ?`).bind(app.id)),
  );
}

async function isTold(app: TestApp, charges: readonly { id: string }[]): Promise<boolean> {
  const books = await Promise.all(
    charges.map((charge) => (app.ledger(charge) as unknown as LedgerSurface).export(CALL)),
  );
  return books.every(
    (book) => "ok" in book && book.ok.refunds.every(({ synced, version }) => synced === version),
  );
}

const idOf = (app: TestApp, charge: { id: string }) => app.ledger(charge).id.toString();

describe("a rebuild by the ids of the ledgers", () => {
  it("brings back lists, searches by words, timelines, sums and payments as they were", async () => {
    const app = await TestApp.create({ scopes: SCOPES });
    const now = Math.floor(Date.now() / 1000);
    const charges: ChargeObject[] = [];
    for (let n = 0; n < 3; n++) {
      charges.push(
        await app.charge({
          created: now - 100 * n,
          transaction_no: `T${n}`,
          description: `Tea for order ${n}`,
          metadata: { shelf: `s${n}` },
        }),
      );
    }
    const [first, second] = charges as [ChargeObject, ChargeObject, ChargeObject];
    const { body: refund } = await app.refund(first, {
      amount: 1000,
      description: "wrong colour",
      refund_no: "R1",
    });
    await app.refund(first, { amount: 500, description: "broken lid" });
    await app.refund(second, { amount: 700, description: "wrong size" });
    const changed = await app.post(`/v1/charges/${first.id}/refunds/${refund.id}`, {
      description: "wrong pattern",
    });
    expect(changed.status).toBe(200);
    // The third is opened too: what no ledger knows cannot be told.
    await app.post(`/v1/charges/${charges[2]?.id}`, { metadata: { shelf: "s9" } });
    await eventually(() => isTold(app, charges));

    const queries = [
      "/v1/charges?include[]=total_count",
      "/v1/charges?q=order",
      "/v1/charges?metadata[shelf]=s9",
      "/v1/refunds?sort=amount",
      "/v1/refunds?q=wrong",
      "/v1/refunds?q=pattern",
      "/v1/refunds?q=colour",
      `/v1/refunds/summary?group_by=status&created[lt]=${now + 3600}`,
      `/v1/charges/${first.id}/refunds/${refund.id}/timeline`,
    ];
    const see = () =>
      Promise.all(
        queries.map(async (query) => {
          const { status, text } = await app.get(query);
          return { query, status, text };
        }),
      );
    const before = await eventually(async () => {
      const seen = await see();
      return seen[2]?.text.includes(charges[2]?.id ?? "") && seen;
    });
    expect(before.map(({ status }) => status)).toEqual(queries.map(() => 200));
    const rows = await storedRows();

    await forget(app);
    expect((await app.get<{ data: unknown[] }>("/v1/charges")).body.data).toEqual([]);
    const ids = (await listDurableObjectIds(env.LEDGERS)).map((id) => id.toString());
    const own = new Set(charges.map((charge) => idOf(app, charge)));
    for (let from = 0; from < ids.length; from += 20) {
      const some = ids.slice(from, from + 20);
      const { status, body } = await rebuild(app, { ledgers: some });
      expect(status).toBe(200);
      expect(body.object).toBe("list");
      expect(body.data.map(({ ledger }) => ledger)).toEqual(some);
      for (const { ledger = "", charge, status } of body.data) {
        expect(status).toBe(own.has(ledger) ? "told" : "not_found");
        if (!own.has(ledger)) expect(charge).toBeNull();
      }
    }
    expect(await see()).toEqual(before);
    const after = await storedRows();
    for (const table of TABLES) expect(after[table]?.length).toBeGreaterThan(0);
    expect(after.payments).toEqual(expect.arrayContaining(rows.payments ?? []));
    expect(after.refund_timeline).toHaveLength(rows.refund_timeline?.length ?? 0);
    // A payment that is claimed again gets no second ledger.
    const taken = await app.post<ErrorObject>("/v1/charges", {
      order_no: "another",
      channel: "alipay",
      amount: 1,
      paid: true,
      transaction_no: "T0",
    });
    expect(taken.body.error.code).toBe("transaction_no_used");
  });

  it("tells another app, the other mode and whoever guesses nothing, and stores nothing", async () => {
    const [owner, stranger] = [await TestApp.create(), await TestApp.create({ scopes: SCOPES })];
    const charge = await owner.charge();
    await owner.refund(charge, { amount: 100 });
    await eventually(() => isTold(owner, [charge]));
    const guesses = [
      idOf(owner, charge),
      env.LEDGERS.idFromName("nothing").toString(),
      "0".repeat(64),
      env.BUDGETS.idFromName("another class").toString(),
      "",
      "not an id",
    ];
    // When a key was last used is written down, whatever it asked for.
    const stored = async () => [{ ...(await storedRows()), api_keys: [] }, await ledgersInUse()];
    const before = await stored();
    for (const live of [false, true]) {
      const { status, body } = await stranger.post<Rebuilt>(
        "/v1/ledgers/rebuild",
        { ledgers: guesses },
        { live },
      );
      expect(status).toBe(200);
      expect(body.data).toEqual(guesses.map((ledger) => ({ ledger, charge: null, status: "not_found" })));
    }
    expect(await stored()).toEqual(before);
  });
});

describe("a rebuild by charges", () => {
  it("tells those whose ledgers know something, once or twice, and says so of each", async () => {
    const app = await TestApp.create({ scopes: SCOPES });
    const charge = await app.charge();
    await app.refund(charge, { amount: 100 });
    await eventually(() => isTold(app, [charge]));
    const whole = (await app.get("/v1/refunds")).text;
    await env.DB.prepare("DELETE FROM refunds WHERE app = ?").bind(app.id).run();
    const charges = [charge.id, mintId("charge", random), "no id", charge.id];
    const { body } = await rebuild(app, { charges });
    expect(body.data).toEqual(
      ["told", "not_found", "not_found", "told"].map((status, n) => ({ charge: charges[n], status })),
    );
    expect((await app.get("/v1/refunds")).text).toBe(whole);
  });

  it.each([
    [{}, "charges"],
    [{ charges: ["a"], ledgers: ["b"] }, "charges"],
    [{ charges: [] }, "charges"],
    [{ ledgers: Array(21).fill("0".repeat(64)) }, "ledgers"],
    [{ ledgers: [1] }, "ledgers"],
  ])("of %j is refused", async (body, param) => {
    const app = await TestApp.create({ scopes: SCOPES });
    const answer = await app.post("/v1/ledgers/rebuild", body);
    expect(answer.status).toBe(400);
    expect(answer.body.error.param).toBe(param);
  });
});
