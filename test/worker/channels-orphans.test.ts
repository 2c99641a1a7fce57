import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { notifyUrl } from "../../src/channels/notify-url.ts";
import type { AccountObject } from "../../src/channels/schema.ts";
import { mintId } from "../../src/ids.ts";
import { ChargeLedger } from "../../src/index.ts";
import { inLedger } from "../books.ts";
import { eventually, random } from "../harness.ts";
import { refundOfNobody, stripeInTheTest } from "./stripe-books.ts";
import { credentials, StripeMerchant } from "./stripe-merchant.ts";

stripeInTheTest();

/** A refund that Stripe has accepted and not ended. */
async function accepted(amount = 4000) {
  const shop = await StripeMerchant.create();
  shop.books.onSubmission(() => ({ effect: "pending" }));
  const charge = await shop.charge();
  const { body: refund } = await shop.refund(charge, { amount });
  expect(refund.status).toBe("pending");
  return { shop, charge, refund };
}

describe("notices about what nobody here knows", () => {
  it("E20: one about an unknown number is kept once, alarmed and acknowledged", async () => {
    const shop = await StripeMerchant.create();
    const alarms: string[] = [];
    const logged = vi.spyOn(console, "error").mockImplementation((text) => void alarms.push(String(text)));
    const refund = refundOfNobody();
    for (let i = 0; i < 3; i++) {
      expect((await shop.tell(shop.event("refund.updated", refund))).status).toBe(200);
    }
    logged.mockRestore();
    const [kept, ...more] = await shop.orphans();
    expect(more).toEqual([]);
    expect(kept).toMatchObject({
      number: refund.metadata.refund_id.slice(3),
      charge: refund.metadata.charge_id,
    });
    expect(JSON.parse(kept?.verdict ?? "")).toMatchObject({ kind: "succeeded", amount: 100 });
    expect(alarms.map((text) => JSON.parse(text).alert)).toEqual(Array(3).fill("notice_orphan"));
    const ledger = shop.app.ledger({ id: refund.metadata.charge_id }, true);
    expect(await inLedger(ledger as unknown as DurableObjectStub)).toEqual({ tables: [], alarm: false });
  });

  it("E20: no more than 1000 are kept of an app, and the rest are acknowledged all the same", async () => {
    const shop = await StripeMerchant.create();
    const insert = env.DB.prepare(
      `INSERT INTO orphan_notices (id, app, livemode, channel, charge, number, verdict, received_at)
       SELECT value || ?1, ?1, 1, 'stripe', '', value, '{}', 1 FROM json_each(?2)`,
    );
    await insert.bind(shop.app.id, JSON.stringify(Array.from({ length: 999 }, (_, i) => `n${i}`))).run();
    for (let i = 0; i < 3; i++) {
      expect((await shop.tell(shop.event("refund.updated", refundOfNobody()))).status).toBe(200);
    }
    expect(await shop.orphans()).toHaveLength(1000);
    // Another app has room of its own.
    const other = await StripeMerchant.create();
    await other.tell(other.event("refund.updated", refundOfNobody()));
    expect(await other.orphans()).toHaveLength(1);
  });

  it("those that are kept are listed newest first, in pages, to their own app and mode alone", async () => {
    const shop = await StripeMerchant.create();
    const numbers: string[] = [];
    for (let i = 0; i < 3; i++) {
      const refund = refundOfNobody();
      numbers.push(refund.metadata.refund_id.slice(3));
      await shop.tell(shop.event("refund.updated", refund));
    }
    interface List {
      data: { id: string; number: string; object: string; verdict: Record<string, unknown> }[];
      has_more: boolean;
    }
    const list = async (query: string) => (await shop.send<List>("GET", `/v1/orphan_notices?${query}`)).body;
    const all = await list("");
    expect(all.data.map(({ number }) => number).sort()).toEqual([...numbers].sort());
    expect(all.data[0]).toMatchObject({
      object: "orphan_notice",
      verdict: { kind: "succeeded", amount: 100 },
    });
    const first = await list("limit=2");
    const rest = await list(`limit=2&starting_after=${first.data[1]?.id}`);
    expect([first.has_more, rest.has_more]).toEqual([true, false]);
    expect([...first.data, ...rest.data]).toEqual(all.data);
    const stranger = await StripeMerchant.create();
    expect((await stranger.send<List>("GET", "/v1/orphan_notices")).body.data).toEqual([]);
    expect((await shop.app.get<List>("/v1/orphan_notices")).body.data).toEqual([]);
  });

  it("the signed number decides which refund it is, whatever charge is named beside it", async () => {
    const { shop, refund } = await accepted();
    const foreign = await shop.charge();
    await eventually(async () => (await shop.stored(refund)).syncDueAt === null);
    shop.books.set(refund, "succeeded");
    for (const charge_id of [foreign.id, mintId("charge", random)]) {
      const metadata = { refund_id: refund.id, charge_id };
      const { status } = await shop.tell(shop.about(refund, { metadata }));
      expect(status).toBe(200);
    }
    expect((await shop.retrieve(refund)).status).toBe("succeeded");
    expect((await shop.retrieveCharge(foreign)).refunds.data).toEqual([]);
    // Nor does the charge in the address, where the notice names none.
    shop.books.set(refund, "failed");
    const place = { channel: "stripe", app: shop.app.id, livemode: true };
    const url = await notifyUrl(env.MASTER_KEYS, "https://refunds.example.com", place, foreign.id);
    const body = shop.about(refund, { metadata: { refund_id: refund.id } });
    expect((await shop.tell(body, { url })).status).toBe(200);
    await shop.seen(refund, ({ status }) => status === "failed");
    expect(await shop.orphans()).toEqual([]);
  });
});

describe("notices in bad times", () => {
  it("E21: while the ledger cannot be reached Stripe is told to come again", async () => {
    const { shop, refund } = await accepted();
    shop.books.set(refund, "succeeded");
    const away = vi
      .spyOn(ChargeLedger.prototype, "apply")
      .mockRejectedValue(new Error("the connection broke"));
    const { status } = await shop.notify(refund);
    away.mockRestore();
    expect(status).toBeGreaterThanOrEqual(500);
    expect(await shop.orphans()).toEqual([]);
    expect((await shop.notify(refund)).status).toBe(200);
    expect((await shop.retrieve(refund)).status).toBe("succeeded");
  });

  it("a revision whose credentials cannot be opened does not keep the others from being tried", async () => {
    const { shop, refund } = await accepted();
    const [first = ""] = shop.credentials.webhook_secrets;
    await shop.rotate();
    await env.DB.prepare(
      "UPDATE channel_accounts SET credentials = 'v1.gone.x.y' WHERE app = ? AND revision = 2",
    )
      .bind(shop.app.id)
      .run();
    shop.books.set(refund, "succeeded");
    expect((await shop.tell(shop.about(refund), { secret: first })).status).toBe(200);
    expect((await shop.retrieve(refund)).status).toBe("succeeded");
    // What only the one that cannot be opened may have signed must come again.
    expect((await shop.notify(refund)).status).toBe(500);
  });

  it("an address made under an older master key holds while that key is listed", async () => {
    const { shop, refund } = await accepted();
    shop.books.set(refund, "succeeded");
    const url = shop.account.notice_url ?? "";
    const keys = env.MASTER_KEYS;
    const newer = { next: btoa(String.fromCharCode(...random(32))) };
    const path = `/v1/channel_accounts/${shop.account.id}`;
    try {
      env.MASTER_KEYS = JSON.stringify({ ...newer, ...JSON.parse(keys) });
      const now = (await shop.send<AccountObject>("GET", path)).body.notice_url ?? "";
      expect(now).not.toBe(url);
      for (const address of [url, now]) {
        expect((await shop.tell(shop.about(refund), { url: address })).status).toBe(200);
      }
      env.MASTER_KEYS = JSON.stringify(newer);
      expect((await shop.tell(shop.about(refund), { url })).status).toBe(404);
    } finally {
      env.MASTER_KEYS = keys;
    }
    expect((await shop.retrieve(refund)).status).toBe("succeeded");
  });

  it("E21: while D1 fails Stripe is told to come again, and then the notice is booked", async () => {
    const { shop, refund } = await accepted();
    shop.books.set(refund, "succeeded");
    const prototype = Object.getPrototypeOf(env.DB);
    const spies = [
      vi.spyOn(prototype, "batch").mockRejectedValue(new Error("D1_ERROR: D1 is down")),
      vi.spyOn(prototype, "prepare").mockImplementation(() => {
        throw new Error("D1_ERROR: D1 is down");
      }),
    ];
    const { status, text } = await shop.notify(refund);
    for (const spy of spies) spy.mockRestore();
    expect(status).toBeGreaterThanOrEqual(500);
    expect(text).not.toContain("D1");
    expect((await shop.notify(refund)).status).toBe(200);
    expect((await shop.retrieve(refund)).status).toBe("succeeded");
  });

  it("E21: an orphan that cannot be kept is not acknowledged", async () => {
    const shop = await StripeMerchant.create();
    await env.DB.prepare("ALTER TABLE orphan_notices RENAME TO away").run();
    const body = shop.event("refund.updated", refundOfNobody());
    const { status } = await shop.tell(body);
    await env.DB.prepare("ALTER TABLE away RENAME TO orphan_notices").run();
    expect(status).toBeGreaterThanOrEqual(500);
    expect((await shop.tell(body)).status).toBe(200);
    expect(await shop.orphans()).toHaveLength(1);
  });

  it("while keys are rotated either secret is believed: two of one revision, and those of the one before", async () => {
    const { shop, refund } = await accepted();
    const [first = ""] = shop.credentials.webhook_secrets;
    const next = credentials();
    const two = { ...next, webhook_secrets: [...next.webhook_secrets, ...credentials().webhook_secrets] };
    await shop.rotate(two);
    expect(shop.account.notice_keys).toHaveLength(2);
    for (const secret of [first, ...two.webhook_secrets]) {
      const body = shop.about(refund);
      expect((await shop.tell(body, { secret })).status).toBe(200);
    }
    shop.books.set(refund, "succeeded");
    const body = shop.about(refund);
    expect((await shop.tell(body, { secret: first })).status).toBe(200);
    expect((await shop.retrieve(refund)).status).toBe("succeeded");
  });
});
