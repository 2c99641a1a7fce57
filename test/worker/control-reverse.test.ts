// A charge that is reversed: the whole payment goes back as one refund, or nothing does.
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { ChargeObject } from "../../src/charges/schema.ts";
import { mintId } from "../../src/ids.ts";
import { ChargeLedger } from "../../src/index.ts";
import { EVERY_MINUTE, sweep } from "../../src/reconciliation/scheduled.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { eventually, random } from "../harness.ts";
import { channelOverHttp } from "./channel-books.ts";
import { chargeRow, codeOf, Office } from "./control-fixture.ts";

channelOverHttp();

const spies: { mockRestore(): void }[] = [];

afterEach(() => {
  for (const spy of spies.splice(0)) spy.mockRestore();
});

function reversalOf(charge: ChargeObject): RefundObject {
  const [newest] = charge.refunds.data;
  if (newest === undefined) throw new Error(`nothing of ${charge.id} was refunded`);
  return newest;
}

/** D1 has everything the ledger has. */
async function isTold(office: Office, charge: ChargeObject): Promise<void> {
  await office.row(reversalOf(charge));
}

const HELD = { amount_refunded: 0, amount_pending_refund: 10_000, amount_refundable: 0 };
const BACK = { amount_refunded: 10_000, amount_pending_refund: 0, amount_refundable: 0 };
const FREE = { amount_refunded: 0, amount_pending_refund: 0, amount_refundable: 10_000 };

describe("a charge that is reversed", () => {
  it("goes back whole, as one refund, and is the answer", async () => {
    const office = await Office.open();
    const charge = await office.app.charge();
    const { status, body } = await office.reverse(charge, {
      description: "Wrong till",
      metadata: { till: "3" },
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({ ...BACK, id: charge.id, object: "charge", refunded: true, reversed: true });
    expect(reversalOf(body)).toMatchObject({
      amount: 10_000,
      status: "succeeded",
      description: "Wrong till",
      metadata: { till: "3" },
    });
    expect(office.books.submissions.map(({ amount }) => amount)).toEqual([10_000]);
    expect(await office.app.retrieveCharge(charge)).toEqual(body);
    await isTold(office, body);
    expect(await chargeRow(office.app, charge)).toMatchObject({
      amount_refunded: 10_000,
      doc: { reversed: true },
    });
    const list = await office.app.get<{ data: ChargeObject[] }>("/v1/charges");
    expect(list.body.data).toEqual([body]);
    await evictDurableObject(office.app.ledger(charge));
    expect(await office.app.retrieveCharge(charge)).toEqual(body);
  });

  it("needs nothing said: no body, an empty one, or a form will do", async () => {
    const office = await Office.open();
    const form = { "Content-Type": "application/x-www-form-urlencoded" };
    for (const sent of [{}, { body: {} }, { body: "", headers: form }]) {
      const charge = await office.app.charge();
      const { status, body } = await office.app.send<ChargeObject>(
        "POST",
        `/v1/charges/${charge.id}/reverse`,
        sent,
      );
      expect([status, body.reversed]).toEqual([200, true]);
    }
  });

  it("takes no refund any more, and says why", async () => {
    const office = await Office.open();
    const charge = await office.app.charge();
    await office.reverse(charge);
    for (const body of [{ amount: 1 }, { amount: 10_000 }, {}]) {
      const refused = await office.app.refund(charge, { ...body, description: "More" });
      expect([refused.status, codeOf(refused)]).toEqual([400, "charge_reversed"]);
    }
    expect(office.books.moved(charge.id)).toBe(10_000);
  });

  it("is reversed once: every repeat, with a key or without, finds it so", async () => {
    const office = await Office.open();
    const charge = await office.app.charge();
    const { body: first } = await office.reverse(charge);
    const repeats = [
      await office.reverse(charge),
      await office.reverse(charge, { description: "Again" }),
      await office.reverse(charge, {}, { headers: { "Idempotency-Key": "k1" } }),
      await office.reverse(charge, {}, office.manager),
    ];
    for (const repeat of repeats) expect(repeat).toMatchObject({ status: 200, body: first });
    expect(office.books.submissions).toHaveLength(1);
    expect((await office.app.retrieveCharge(charge)).refunds.data).toHaveLength(1);
  });

  it("is pending, not reversed, until the channel has said yes", async () => {
    const office = await Office.open();
    const charge = await office.app.charge();
    office.books.onSubmission(() => ({ effect: "processing" }));
    const { body } = await office.reverse(charge);
    expect(body).toMatchObject({ ...HELD, reversed: false });
    expect((await office.reverse(charge)).body).toMatchObject({ ...HELD, reversed: false });
    expect(codeOf(await office.app.refund(charge, { amount: 1 }))).toBe("refund_amount_exceeded");
    for (const entry of office.books.known.values()) entry.effect = "succeeded";
    await office.decide("sync", reversalOf(body));
    expect(await office.app.retrieveCharge(charge)).toMatchObject({ ...BACK, reversed: true });
    expect(office.books.submissions).toHaveLength(1);
  });

  it("is not reversed when the channel refuses, and all of it can be refunded or reversed again", async () => {
    const office = await Office.open();
    const charge = await office.app.charge();
    office.books.onSubmission(() => ({ effect: "declined" }));
    const { status, body: failed } = await office.reverse(charge);
    expect(status).toBe(200);
    expect(failed).toMatchObject({ ...FREE, reversed: false, refunds: { data: [{ status: "failed" }] } });
    office.books.onSubmission(() => ({ effect: "succeeded" }));
    const { body: done } = await office.reverse(charge);
    expect(done).toMatchObject({ ...BACK, reversed: true });
    expect(reversalOf(done).id).not.toBe(reversalOf(failed).id);
  });

  it("stays reversed whatever is said or heard of an earlier reversal that failed", async () => {
    const office = await Office.open();
    const charge = await office.app.charge();
    office.books.onSubmission(() => ({ effect: "declined" }));
    const { body: failed } = await office.reverse(charge);
    office.books.onSubmission(() => ({ effect: "succeeded" }));
    const { body: done } = await office.reverse(charge);
    await isTold(office, done);
    expect(await office.app.retrieveCharge(charge)).toEqual(done);
    await office.update(reversalOf(failed), { description: "The first try" });
    await office.decide("sync", reversalOf(failed));
    expect(await office.app.retrieveCharge(charge)).toMatchObject({ ...BACK, reversed: true });
    await isTold(office, done);
    expect(await chargeRow(office.app, charge)).toMatchObject({ doc: { reversed: true } });
    expect(codeOf(await office.app.refund(charge, { amount: 1 }))).toBe("charge_reversed");
  });

  it("is not reversed any more when the channel takes its word back", async () => {
    const office = await Office.open();
    const charge = await office.app.charge();
    const { body } = await office.reverse(charge);
    for (const entry of office.books.known.values()) entry.effect = "declined";
    const { body: refund } = await office.decide("sync", reversalOf(body));
    expect(refund.status).toBe("failed");
    const after = await office.app.retrieveCharge(charge);
    expect(after).toMatchObject({ ...FREE, reversed: false });
    await isTold(office, after);
    expect(await chargeRow(office.app, charge)).toMatchObject({
      doc: { reversed: false },
      amount_refunded: 0,
    });
    expect((await office.app.refund(charge, { amount: 1 })).status).toBe(200);
  });
});

describe("a reversal is refused", () => {
  it.each([
    ["was refunded", { effect: "succeeded" }],
    ["is being refunded", { effect: "processing" }],
    ["may have been refunded", { effect: "none", says: "reset" }],
  ] as const)("when a part of the charge %s", async (_, turn) => {
    const office = await Office.open();
    const charge = await office.app.charge();
    office.books.onSubmission(() => turn);
    await office.app.refund(charge, { amount: 1 });
    const refused = await office.reverse(charge);
    expect([refused.status, codeOf(refused)]).toEqual([400, "charge_not_reversible"]);
    expect((await office.app.retrieveCharge(charge)).refunds.data).toHaveLength(1);
  });

  it("when a part is delayed, waits for approval, is disputed, or was refunded elsewhere", async () => {
    const delayed = await Office.open({ delay_seconds: 3600 });
    const held = await Office.open({ approval_limit: { "*": 0 } });
    for (const office of [delayed, held]) {
      const charge = await office.app.charge();
      const { body: refund } = await office.app.refund(charge, { amount: 1 });
      expect(codeOf(await office.reverse(charge))).toBe("charge_not_reversible");
      await office.decide("cancel", refund);
      expect((await office.reverse(charge)).status).toBe(200);
    }
    const office = await Office.open();
    const disputed = await office.app.charge();
    const dispute = { id: "dp", status: "opened", amount: 1 };
    await office.app.post(`/v1/charges/${disputed.id}/disputes`, dispute);
    expect(codeOf(await office.reverse(disputed))).toBe("charge_not_reversible");
    const elsewhere = await office.app.charge({ amount_refunded: 1 });
    expect(codeOf(await office.reverse(elsewhere))).toBe("charge_not_reversible");
    expect(office.books.submissions).toEqual([]);
  });

  it("when there is nothing to take back, and stores nothing", async () => {
    const office = await Office.open();
    const unpaid = await office.app.charge({ paid: false });
    const reversed = await office.app.charge({ reversed: true });
    expect(codeOf(await office.reverse(unpaid))).toBe("charge_not_paid");
    expect(codeOf(await office.reverse(reversed))).toBe("charge_reversed");
    const nobodys = await office.reverse({ id: mintId("charge", random) });
    const stranger = await Office.open();
    const charge = await office.app.charge();
    expect([nobodys.status, (await stranger.reverse(charge)).status]).toEqual([404, 404]);
    expect((await office.reverse({ id: "ch_no" })).status).toBe(404);
    expect((await office.app.retrieveCharge(charge)).refunds.data).toEqual([]);
  });

  it("of a live charge that nobody can ask for", async () => {
    const office = await Office.open();
    const live = { live: true };
    const charge = await office.app.charge({ transaction_no: `rev-${office.app.id}` }, live);
    const refused = await office.reverse(charge, {}, live);
    expect([refused.status, codeOf(refused)]).toEqual([402, "channel_not_configured"]);
  });
});

describe("a reversal under the app's settings", () => {
  it("is delayed like any refund, and can be canceled", async () => {
    const office = await Office.open({ delay_seconds: 3600 });
    const charge = await office.app.charge();
    const { body } = await office.reverse(charge);
    expect(body).toMatchObject({ ...HELD, reversed: false });
    await office.decide("cancel", reversalOf(body));
    expect(await office.app.retrieveCharge(charge)).toMatchObject({ ...FREE, reversed: false });
    await office.expectStopped(reversalOf(body), "refund_canceled");
  });

  it("waits for approval above the limit; approved, the charge is reversed", async () => {
    const office = await Office.open({ approval_limit: { cny: 5000 } });
    const charge = await office.app.charge();
    const { body } = await office.reverse(charge);
    expect(body).toMatchObject({ ...HELD, reversed: false });
    expect((await office.reverse(charge, {}, office.manager)).body).toMatchObject(HELD);
    expect(office.books.submissions).toEqual([]);
    expect((await office.approve(reversalOf(body))).body.status).toBe("succeeded");
    expect(await office.app.retrieveCharge(charge)).toMatchObject({ ...BACK, reversed: true });
  });

  it("is not approved once the charge is disputed", async () => {
    const office = await Office.open({ approval_limit: { cny: 5000 } });
    const charge = await office.app.charge();
    const { body } = await office.reverse(charge);
    const dispute = { id: "dp", status: "opened", amount: 1 };
    await office.app.post(`/v1/charges/${charge.id}/disputes`, dispute);
    expect(codeOf(await office.approve(reversalOf(body)))).toBe("charge_not_reversible");
    expect(office.books.submissions).toEqual([]);
  });

  it("needs no amount where refunds must say one", async () => {
    const office = await Office.open({ require_amount: true });
    const { body } = await office.reverse(await office.app.charge());
    expect(body).toMatchObject({ ...BACK, reversed: true });
  });
});

describe("a reversal and a refund under one Idempotency-Key", () => {
  const sent = { headers: { "Idempotency-Key": "one" } };
  const description = "撤销 Reversed";

  it("are two requests: the second is refused, also where both ask for everything in the same words", async () => {
    const office = await Office.open();
    const charge = await office.app.charge();
    office.books.onSubmission(() => ({ effect: "declined" }));
    const { body: refund } = await office.app.refund(charge, { description }, sent);
    expect(refund.status).toBe("failed");
    const refused = await office.reverse(charge, { description }, sent);
    expect([refused.status, codeOf(refused)]).toEqual([400, "idempotency_key_reused"]);

    const other = await office.app.charge();
    await office.reverse(other, { description }, sent);
    const second = await office.app.refund(other, { description }, sent);
    expect([second.status, codeOf(second)]).toEqual([400, "idempotency_key_reused"]);
  });

  it("the reversal's own repeat finds it, also when it failed", async () => {
    const office = await Office.open();
    const charge = await office.app.charge();
    office.books.onSubmission(() => ({ effect: "declined" }));
    const first = await office.reverse(charge, {}, sent);
    const again = await office.reverse(charge, {}, sent);
    expect(again).toMatchObject({ status: 200, body: first.body });
    expect(office.books.submissions).toHaveLength(1);
  });
});

describe("a reversal whose ledger is away", () => {
  it("is promised, answered with the charge, and carried out once when the ledger is back", async () => {
    const office = await Office.open();
    const charge = await office.app.charge();
    const broken = new Error("the connection broke");
    spies.push(vi.spyOn(ChargeLedger.prototype, "create").mockRejectedValue(broken));
    const { status, body } = await office.reverse(charge);
    expect(status).toBe(200);
    expect(body).toMatchObject({ id: charge.id, object: "charge", reversed: false });
    for (const spy of spies.splice(0)) spy.mockRestore();
    await env.DB.prepare("UPDATE commands SET due_at = 1 WHERE due_at is not null").run();
    await sweep(EVERY_MINUTE, env, Date.now());
    await eventually(async () => (await office.app.retrieveCharge(charge)).reversed);
    expect(office.books.moved(charge.id)).toBe(10_000);
    expect((await office.reverse(charge)).body).toMatchObject({ ...BACK, reversed: true });
    expect(office.books.submissions).toHaveLength(1);
  });

  it("is still a reversal after the ledger was lost", async () => {
    const office = await Office.open();
    const charge = await office.app.charge();
    const { body } = await office.reverse(charge);
    await isTold(office, body);
    await runInDurableObject(office.app.ledger(charge), (_, { storage }) => storage.deleteAll());
    await evictDurableObject(office.app.ledger(charge));
    expect(codeOf(await office.app.refund(charge, { amount: 1 }))).toBe("charge_reversed");
    expect(await office.app.retrieveCharge(charge)).toMatchObject({ ...BACK, reversed: true });
    expect((await office.reverse(charge)).body).toMatchObject({ reversed: true });
    expect(office.books.submissions).toHaveLength(1);
  });
});

describe("a reversal that is asked for with an amount", () => {
  it("is refused: it takes the whole or nothing", async () => {
    const office = await Office.open();
    const charge = await office.app.charge();
    const answer = await office.reverse(charge, { amount: 500 });
    expect([answer.status, (await office.app.retrieveCharge(charge)).amount_refunded]).toEqual([400, 0]);
  });
});
