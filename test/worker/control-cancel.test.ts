// Refunds that wait to be sent: they can be canceled until they are, and what is sent is not canceled.
import { evictDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { mintId } from "../../src/ids.ts";
import { ChargeLedger } from "../../src/index.ts";
import { EVERY_MINUTE, sweep } from "../../src/reconciliation/scheduled.ts";
import { eventually, random } from "../harness.ts";
import { channelOverHttp } from "./channel-books.ts";
import { chargeRow, codeOf, Office } from "./control-fixture.ts";

channelOverHttp();

const HOUR = { delay_seconds: 3600 };
const spies: { mockRestore(): void }[] = [];

afterEach(() => {
  for (const spy of spies.splice(0)) spy.mockRestore();
});

/** The ledgers' verb can be reached by nobody. */
function away(verb: "create" | "decide"): void {
  spies.push(vi.spyOn(ChargeLedger.prototype, verb).mockRejectedValue(new Error("the connection broke")));
}

describe("a delayed refund", () => {
  it("is answered at once as pending, and says from when on it is sent", async () => {
    const office = await Office.open(HOUR);
    const charge = await office.app.charge();
    const { status, body } = await office.app.refund(charge, { amount: 4000, extra: { till: "3" } });
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: "pending", succeed: false, extra: { till: "3" } });
    const after = (body.extra.sent_after as number) - body.created;
    expect(after).toBeGreaterThanOrEqual(3600);
    expect(after).toBeLessThanOrEqual(3601);
    expect(await office.app.retrieveCharge(charge)).toMatchObject({
      amount_refunded: 0,
      amount_pending_refund: 4000,
      amount_refundable: 6000,
    });
    expect(await office.events(body)).toEqual(["refund.created"]);
    expect(office.books.submissions).toEqual([]);
  });

  it("is found by the repeat of its request, and is not hastened by it, nor by a sync", async () => {
    const office = await Office.open(HOUR);
    const charge = await office.app.charge();
    const sent = { headers: { "Idempotency-Key": "k1" } };
    const { body } = await office.app.refund(charge, { amount: 4000 }, sent);
    const repeat = await office.app.refund(charge, { amount: 4000 }, sent);
    expect(repeat.body).toEqual(body);
    expect(repeat.headers.get("Idempotent-Replayed")).toBe("true");
    expect((await office.decide("sync", body)).body).toEqual(body);
    expect(office.books.submissions).toEqual([]);
  });

  it("is sent once its time has come, also by an instance that did not make it", async () => {
    const office = await Office.open({ delay_seconds: 1 });
    const charge = await office.app.charge();
    const none = { headers: { Prefer: "wait=0" } };
    const { body } = await office.app.refund(charge, { amount: 4000 }, none);
    expect(body.status).toBe("pending");
    await evictDurableObject(office.app.ledger(charge));
    await eventually(async () => (await office.app.retrieveRefund(body)).status === "succeeded");
    expect(office.books.submissions).toHaveLength(1);
    const { doc } = await office.row(body);
    expect(doc.firstSubmittedAt).toBeGreaterThanOrEqual(doc.notBefore ?? Number.POSITIVE_INFINITY);
    expect((await office.decide("cancel", body)).status).toBe(400);
  });

  it("can be canceled: it fails in the canceler's words, its amount is free at once, and the channel never hears of it", async () => {
    const office = await Office.open(HOUR);
    const charge = await office.app.charge();
    const { body: refund } = await office.app.refund(charge, { amount: 10_000 });
    const canceled = await office.decide("cancel", refund, { by: "Li", reason: "买家改变主意" });
    expect(canceled).toMatchObject({
      status: 200,
      body: {
        id: refund.id,
        status: "failed",
        succeed: false,
        failure_code: "refund_canceled",
        time_succeed: null,
        transaction_no: null,
      },
    });
    expect(canceled.body.failure_msg).toContain("买家改变主意");
    expect(await office.app.retrieveCharge(charge)).toMatchObject({
      amount_refunded: 0,
      amount_pending_refund: 0,
      amount_refundable: 10_000,
    });
    expect(await office.expectStopped(refund, "refund_canceled")).toEqual(canceled.body);
    expect(await office.events(refund)).toEqual(["refund.created", "refund.failed"]);
    expect(await chargeRow(office.app, charge)).toMatchObject({ amount_refunded: 0, amount_pending: 0 });
    const again = await office.app.refund(charge, { amount: 10_000, description: "Again" });
    expect(again.status).toBe(200);
  });

  it("is canceled once: a repeat answers the same and tells nobody anything", async () => {
    const office = await Office.open(HOUR);
    const { body: refund } = await office.app.refund(await office.app.charge(), { amount: 1 });
    const first = await office.decide("cancel", refund, { reason: "No" });
    await office.row(refund);
    const second = await office.decide("cancel", refund, { reason: "Another reason" });
    expect(second).toMatchObject({ status: 200, body: first.body });
    expect(await office.events(refund)).toEqual(["refund.created", "refund.failed"]);
    expect(await office.timeline(refund)).toHaveLength(2);
  });

  it("is not sent by anything that happens to it after it was canceled", async () => {
    const office = await Office.open({ delay_seconds: 1 });
    const charge = await office.app.charge();
    const none = { headers: { Prefer: "wait=0" } };
    const { body: refund } = await office.app.refund(charge, { amount: 1 }, none);
    expect((await office.decide("cancel", refund)).status).toBe(200);
    await eventually(async () => Date.now() / 1000 > (refund.extra.sent_after as number));
    await office.decide("sync", refund);
    await evictDurableObject(office.app.ledger(charge));
    await env.DB.prepare("UPDATE refunds SET due_at = 1 WHERE id = ?").bind(refund.id).run();
    await sweep(EVERY_MINUTE, env, Date.now());
    await runDurableObjectAlarm(office.app.ledger(charge));
    await office.expectStopped(refund, "refund_canceled");
  });

  it("that somebody has taken in hand is canceled by the same person alone", async () => {
    const office = await Office.open(HOUR);
    const { body: refund } = await office.app.refund(await office.app.charge(), { amount: 1 });
    expect((await office.decide("claim", refund, { by: "Li" })).status).toBe(200);
    for (const body of [{}, { by: "Wang" }]) {
      const refused = await office.decide("cancel", refund, body);
      expect([refused.status, codeOf(refused)]).toEqual([400, "refund_claimed"]);
    }
    expect((await office.app.retrieveRefund(refund)).status).toBe("pending");
    expect((await office.decide("cancel", refund, { by: "Li" })).body.failure_code).toBe("refund_canceled");
  });

  it("keeps the request that waits for it no longer than until it is canceled", async () => {
    const office = await Office.open({ delay_seconds: 20 });
    const charge = await office.app.charge();
    const begun = Date.now();
    const creating = office.app.refund(charge, { amount: 1 }, { headers: { Prefer: "wait=25" } });
    const list = () => office.app.get<{ data: { id: string }[] }>(`/v1/charges/${charge.id}/refunds`);
    const made = await eventually(async () => (await list()).body.data[0]);
    await office.decide("cancel", { id: made.id, charge: charge.id });
    expect((await creating).body).toMatchObject({ status: "failed", failure_code: "refund_canceled" });
    expect(Date.now() - begun).toBeLessThan(10_000);
  });
});

describe("a cancel", () => {
  it("of a refund that only waits for its channel's spacing ends it", async () => {
    const office = await Office.open();
    const charge = await office.app.charge();
    const none = { headers: { Prefer: "wait=0" } };
    const description = "Part [sandbox:spacing:600000]";
    const first = await office.app.refund(charge, { amount: 100, description });
    const second = await office.app.refund(charge, { amount: 200, description: `${description} 2` }, none);
    expect(second.body.status).toBe("pending");
    expect((await office.decide("cancel", second.body)).body.failure_code).toBe("refund_canceled");
    await office.expectStopped(second.body, "refund_canceled");
    expect(first.body.status).toBe("succeeded");
  });

  it("of a refund that was sent is refused, whatever the channel says of it by then", async () => {
    const office = await Office.open();
    const charge = await office.app.charge();
    office.books.onSubmission(() => ({ effect: "processing" }));
    const { body: open } = await office.app.refund(charge, { amount: 1 });
    office.books.onSubmission(() => ({ effect: "none", says: "reset" }));
    const { body: unknown } = await office.app.refund(charge, { amount: 2, description: "Second" });
    for (const refund of [open, unknown]) {
      const refused = await office.decide("cancel", refund);
      expect([refused.status, codeOf(refused)]).toEqual([400, "refund_already_sent"]);
      expect((await office.app.retrieveRefund(refund)).status).toBe("pending");
    }
    expect(await office.events(open)).toEqual(["refund.created"]);
  });

  it("of a refund that is being sent this very moment is refused, and it succeeds", async () => {
    const office = await Office.open();
    const { promise: morning, resolve: wake } = Promise.withResolvers<void>();
    office.books.onSubmission(() => ({ effect: "succeeded", after: morning }));
    const charge = await office.app.charge();
    const { body: refund } = await office.app.refund(
      charge,
      { amount: 1 },
      { headers: { Prefer: "wait=0" } },
    );
    expect(codeOf(await office.decide("cancel", refund))).toBe("refund_already_sent");
    wake();
    await eventually(async () => (await office.app.retrieveRefund(refund)).status === "succeeded");
  });

  it("of a refund that has ended is refused", async () => {
    const office = await Office.open();
    const charge = await office.app.charge();
    const { body: done } = await office.app.refund(charge, { amount: 1 });
    office.books.onSubmission(() => ({ effect: "declined" }));
    const { body: failed } = await office.app.refund(charge, { amount: 2, description: "Second" });
    expect([done.status, failed.status]).toEqual(["succeeded", "failed"]);
    for (const refund of [done, failed]) {
      expect((await office.decide("cancel", refund)).status).toBe(400);
      expect(await office.app.retrieveRefund(refund)).toEqual(refund);
    }
  });

  it("of a refund that nobody has is 404, also of another app's and of another charge's", async () => {
    const office = await Office.open(HOUR);
    const [charge, other] = [await office.app.charge(), await office.app.charge()];
    const { body: refund } = await office.app.refund(charge, { amount: 1 });
    const stranger = await Office.open();
    const answers = await Promise.all([
      office.decide("cancel", { id: mintId("refund", random), charge: charge.id }),
      office.decide("cancel", { id: refund.id, charge: other.id }),
      office.decide("cancel", { id: refund.id, charge: mintId("charge", random) }),
      office.decide("cancel", { id: "re_no", charge: charge.id }),
      stranger.decide("cancel", refund),
      office.decide("cancel", refund, {}, { live: true }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(404));
    expect((await office.app.retrieveRefund(refund)).status).toBe("pending");
  });

  it("of a refund that is only promised is 503 and not 404; once it is made, it is canceled", async () => {
    const office = await Office.open(HOUR);
    const charge = await office.app.charge();
    away("create");
    const { body: promised } = await office.app.refund(charge, { amount: 5 });
    for (const spy of spies.splice(0)) spy.mockRestore();
    const early = await office.decide("cancel", promised);
    expect([early.status, early.headers.has("Retry-After")]).toEqual([503, true]);
    await env.DB.prepare("UPDATE commands SET due_at = 1 WHERE due_at is not null").run();
    await sweep(EVERY_MINUTE, env, Date.now());
    expect((await office.decide("cancel", promised)).body.failure_code).toBe("refund_canceled");
    await office.expectStopped(promised, "refund_canceled");
  });

  it("whose ledger is away is 503, and changes nothing", async () => {
    const office = await Office.open(HOUR);
    const { body: refund } = await office.app.refund(await office.app.charge(), { amount: 5 });
    away("decide");
    expect((await office.decide("cancel", refund)).status).toBe(503);
    expect(await office.app.retrieveRefund(refund)).toEqual(refund);
  });

  it.each([{ reason: "" }, { by: "" }, { by: "x".repeat(65) }, { why: "?" }, { reason: 5 }])(
    "with the body %j is refused, and the refund stays",
    async (body) => {
      const office = await Office.open(HOUR);
      const { body: refund } = await office.app.refund(await office.app.charge(), { amount: 5 });
      expect((await office.decide("cancel", refund, body)).status).toBe(400);
      expect((await office.app.retrieveRefund(refund)).status).toBe("pending");
    },
  );
});
