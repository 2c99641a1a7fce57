// Refunds above the app's limit: they wait for a second key, and every rule is asked again before they go out.
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { DEFAULT_SCOPES } from "../../src/auth/scope.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { type ErrorObject, eventually } from "../harness.ts";
import { channelOverHttp } from "./channel-books.ts";
import { codeOf, Office } from "./control-fixture.ts";

channelOverHttp();

const LIMIT = { approval_limit: { cny: 5000 } };

/** A refund that waits for approval, of a charge with enough left for others. */
async function held(settings: Record<string, unknown> = LIMIT, facts: Record<string, unknown> = {}) {
  const office = await Office.open(settings);
  const charge = await office.app.charge(facts);
  const { body: refund } = await office.app.refund(charge, { amount: 6000 });
  expect(refund).toMatchObject({ status: "pending", extra: { approval: { status: "required" } } });
  return { office, charge, refund };
}

const approvalOf = ({ extra }: RefundObject) =>
  (extra.approval as { status: string } | undefined)?.status ?? null;

describe("a refund above the limit", () => {
  it("is answered at once as pending, holds its amount, and is not sent", async () => {
    const { office, charge, refund } = await held();
    expect(refund.extra).toEqual({
      approval: { status: "required", by: null, reason: null, at: null },
    });
    expect(await office.app.retrieveCharge(charge)).toMatchObject({
      amount_pending_refund: 6000,
      amount_refundable: 4000,
    });
    expect(await office.row(refund)).toMatchObject({
      status: "pending",
      state: "waiting",
      approval: "required",
    });
    expect(await office.events(refund)).toEqual(["refund.created"]);
    expect(office.books.submissions).toEqual([]);
  });

  it("goes out when another key approves it, and the answer is the channel's verdict", async () => {
    const { office, charge, refund } = await held();
    const approved = await office.approve(refund, { reason: "Seen the shoes" });
    expect(approved.status).toBe(200);
    expect(approved.body).toMatchObject({
      status: "succeeded",
      transaction_no: `t_${refund.order_no}`,
      extra: {
        approval: { status: "approved", by: "Wang", reason: "Seen the shoes", at: expect.any(Number) },
      },
    });
    expect(office.sendings(refund)).toBe(1);
    expect(office.books.moved(charge.id)).toBe(6000);
    expect(await office.app.retrieveRefund(refund)).toEqual(approved.body);
    expect(await office.row(refund)).toMatchObject({ state: "succeeded", approval: "approved" });
    expect(await office.events(refund)).toEqual(["refund.created", "refund.updated", "refund.succeeded"]);
    const story = await office.timeline(refund);
    expect(story.map(({ cause }) => cause)).toEqual(["created", "approved", "sent", "answered"]);
    expect(story[1]).toMatchObject({
      actor: { type: "person", by: "Wang", key: expect.stringMatching(/^key_/) },
      message: "Seen the shoes",
      state: "waiting",
      status: "pending",
    });
    expect(story[1]?.actor.key).not.toBe(story[0]?.actor.key);
  });

  it("answers with the channel's no when the channel refuses what was approved", async () => {
    const { office, charge, refund } = await held();
    office.books.onSubmission(() => ({ effect: "declined" }));
    const { status, body } = await office.approve(refund);
    expect([status, body.status, body.failure_code]).toEqual([200, "failed", "refund_refused_msg"]);
    expect((await office.app.retrieveCharge(charge)).amount_refundable).toBe(10_000);
  });

  it("answers pending when the channel takes longer than whoever approves wants to wait", async () => {
    const { office, refund } = await held();
    const { promise: morning, resolve: wake } = Promise.withResolvers<void>();
    office.books.onSubmission(() => ({ effect: "succeeded", after: morning }));
    const sent = { headers: { ...office.manager.headers, Prefer: "wait=0" } };
    const { status, body } = await office.approve(refund, {}, sent);
    expect([status, body.status, approvalOf(body)]).toEqual([200, "pending", "approved"]);
    wake();
    await eventually(async () => (await office.app.retrieveRefund(refund)).status === "succeeded");
    expect(office.sendings(refund)).toBe(1);
  });

  it("fails when another key rejects it: its amount is free at once, and the channel never hears of it", async () => {
    const { office, charge, refund } = await held();
    const { status, body } = await office.reject(refund, { reason: "没有退货" });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      status: "failed",
      failure_code: "refund_rejected",
      extra: { approval: { status: "rejected", by: "Wang", reason: "没有退货" } },
    });
    expect(body.failure_msg).toContain("没有退货");
    expect((await office.app.retrieveCharge(charge)).amount_refundable).toBe(10_000);
    await office.expectStopped(refund, "refund_rejected");
    expect(await office.events(refund)).toEqual(["refund.created", "refund.failed"]);
    expect(await office.row(refund)).toMatchObject({ approval: "rejected" });
    expect((await office.timeline(refund)).at(-1)).toMatchObject({
      cause: "rejected",
      from: "waiting",
      state: "failed",
      actor: { type: "person", by: "Wang" },
      message: "没有退货",
    });
  });

  it("can be canceled by the key that made it, and not be approved after that", async () => {
    const { office, refund } = await held();
    expect((await office.decide("cancel", refund)).body.failure_code).toBe("refund_canceled");
    for (const answer of [await office.approve(refund), await office.reject(refund)]) {
      expect([answer.status, codeOf(answer)]).toEqual([400, "refund_not_awaiting_approval"]);
    }
    await office.expectStopped(refund, "refund_canceled");
  });

  it("is not moved by a sync, a test helper, a claim, nor by a word that it succeeded", async () => {
    const { office, refund } = await held();
    expect((await office.decide("sync", refund)).body).toEqual(refund);
    await office.row(refund);
    for (const move of ["succeed", "fail", "abnormal"]) {
      const moved = await office.app.post(`/v1/test_helpers/refunds/${refund.id}/${move}`, {});
      expect([move, moved.status]).toEqual([move, 400]);
    }
    expect((await office.decide("claim", refund, { by: "Li" })).status).toBe(200);
    const paid = { outcome: "succeeded", by: "Li", reason: "I paid it" };
    expect((await office.decide("resolve", refund, paid)).status).toBe(400);
    expect(await office.app.retrieveRefund(refund)).toMatchObject({
      status: "pending",
      extra: { claimed_by: "Li", approval: { status: "required" } },
    });
    expect(office.books.submissions).toEqual([]);
    expect((await office.approve(refund)).body.status).toBe("succeeded");
    expect(office.sendings(refund)).toBe(1);
  });

  it("that a person gives up is not waiting for approval any more", async () => {
    const { office, refund } = await held();
    await office.decide("resolve", refund, { outcome: "failed", by: "Li", reason: "A mistake" });
    expect(codeOf(await office.approve(refund))).toBe("refund_not_awaiting_approval");
    await office.expectStopped(refund, "refund_manual_intervention");
  });

  it("is listed among those that wait for approval until it is decided, canceled or given up", async () => {
    const office = await Office.open({ approval_limit: { "*": 0 } });
    const charge = await office.app.charge();
    const made: RefundObject[] = [];
    for (const part of [1, 2, 3, 4, 5]) {
      made.push((await office.app.refund(charge, { amount: 100, description: `Part ${part}` })).body);
    }
    const waiting = async () => {
      for (const refund of made) await office.row(refund);
      const list = await office.app.get<{ data: RefundObject[] }>("/v1/refunds?approval=required");
      expect([list.status, list.text]).toEqual([200, list.text]);
      return list.body.data.map(({ id }) => id).sort();
    };
    const [first, second, third, fourth, fifth] = made as [
      RefundObject,
      RefundObject,
      RefundObject,
      RefundObject,
      RefundObject,
    ];
    expect(await waiting()).toEqual(made.map(({ id }) => id).sort());
    await office.approve(first);
    await office.reject(second);
    await office.decide("cancel", third);
    await office.decide("resolve", fourth, { outcome: "failed", by: "Li", reason: "A mistake" });
    expect(await waiting()).toEqual([fifth.id]);
  });

  it("is found by the repeat of its request, which approves nothing", async () => {
    const office = await Office.open(LIMIT);
    const charge = await office.app.charge();
    const request = { amount: 6000, refund_no: "A1" };
    const { body } = await office.app.refund(charge, request);
    const repeat = await office.app.refund(charge, request, office.manager);
    expect(repeat.body).toEqual(body);
    // The key that repeated it has not made it.
    expect((await office.approve(body)).body.status).toBe("succeeded");
  });
});

describe("the limit", () => {
  it("counts a charge's refunds of a day together: none gets past it by coming in parts", async () => {
    const office = await Office.open(LIMIT);
    const charge = await office.app.charge();
    const made: RefundObject[] = [];
    for (let part = 1; part <= 9; part++) {
      made.push((await office.app.refund(charge, { amount: 1000, description: `Part ${part}` })).body);
    }
    expect(made.map(approvalOf)).toEqual([...Array(5).fill(null), ...Array(4).fill("required")]);
    expect(office.books.moved(charge.id)).toBe(5000);
  });

  it("counts them also when they come at the same time", async () => {
    const office = await Office.open(LIMIT);
    const charge = await office.app.charge();
    await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        office.app.refund(charge, { amount: 1000, description: `Part ${i}` }),
      ),
    );
    expect(office.books.moved(charge.id)).toBe(5000);
    expect(office.books.submissions).toHaveLength(5);
  });

  it("does not count what failed, was canceled or rejected", async () => {
    const office = await Office.open(LIMIT);
    const charge = await office.app.charge();
    office.books.onSubmission(() => ({ effect: "declined" }));
    await office.app.refund(charge, { amount: 5000, description: "Refused" });
    office.books.onSubmission(() => ({ effect: "succeeded" }));
    const { body: canceled } = await office.app.refund(charge, { amount: 6000, description: "Canceled" });
    await office.decide("cancel", canceled);
    const { body: rejected } = await office.app.refund(charge, { amount: 6000, description: "Rejected" });
    await office.reject(rejected);
    const { body: exact } = await office.app.refund(charge, { amount: 5000, description: "Exactly" });
    expect([exact.status, approvalOf(exact)]).toEqual(["succeeded", null]);
    const { body: more } = await office.app.refund(charge, { amount: 1, description: "One more" });
    expect([more.status, approvalOf(more)]).toEqual(["pending", "required"]);
  });

  it("counts a refund for everything that is left by what is left", async () => {
    const office = await Office.open(LIMIT);
    const charge = await office.app.charge();
    const { body } = await office.app.refund(charge, {});
    expect([body.amount, approvalOf(body)]).toEqual([10_000, "required"]);
  });

  it("is a charge's own: refunds of other charges do not count", async () => {
    const office = await Office.open(LIMIT);
    for (const charge of [await office.app.charge(), await office.app.charge()]) {
      expect((await office.app.refund(charge, { amount: 5000 })).body.status).toBe("succeeded");
    }
  });

  it("is told by currency, and `*` is for all that are not named", async () => {
    const office = await Office.open({ approval_limit: { usd: 5000, "*": 100 } });
    const cases = [
      ["usd", 5000, null],
      ["usd", 5001, "required"],
      ["cny", 100, null],
      ["cny", 101, "required"],
      ["jpy", 101, "required"],
    ] as const;
    for (const [currency, amount, approval] of cases) {
      const charge = await office.app.charge({ currency });
      const { body } = await office.app.refund(charge, { amount });
      expect([currency, amount, approvalOf(body)]).toEqual([currency, amount, approval]);
    }
    const named = await Office.open({ approval_limit: { usd: 0 } });
    const charge = await named.app.charge({ currency: "cny" });
    expect((await named.app.refund(charge, {})).body.status).toBe("succeeded");
    const dollars = await named.app.charge({ currency: "usd" });
    expect(approvalOf((await named.app.refund(dollars, { amount: 1 })).body)).toBe("required");
  });
});

describe("whoever approves or rejects", () => {
  it("is not the key that made the refund", async () => {
    const { office, refund } = await held();
    for (const answer of [await office.approve(refund, {}, {}), await office.reject(refund, {}, {})]) {
      expect([answer.status, codeOf(answer)]).toEqual([400, "approval_by_creator"]);
    }
    expect(await office.app.retrieveRefund(refund)).toEqual(refund);
    expect(await office.timeline(refund)).toHaveLength(1);
  });

  it("is not the key that made it under another name either, while a third key may", async () => {
    const office = await Office.open(LIMIT);
    const { body: refund } = await office.app.refund(
      await office.app.charge(),
      { amount: 6000 },
      office.manager,
    );
    expect(codeOf(await office.approve(refund, { by: "Somebody else" }))).toBe("approval_by_creator");
    expect((await office.approve(refund, {}, {})).body.status).toBe("succeeded");
  });

  it("has a key with the scope for it", async () => {
    const { office, refund } = await held();
    const clerk = await office.key(DEFAULT_SCOPES.filter((scope) => scope !== "refunds:approve"));
    for (const answer of [await office.approve(refund, {}, clerk), await office.reject(refund, {}, clerk)]) {
      expect([answer.status, codeOf(answer)]).toEqual([401, "scope_missing"]);
    }
    const manager = await office.key(["refunds:approve"]);
    expect((await office.approve(refund, {}, manager)).body.status).toBe("succeeded");
  });

  it("has a key of the same app and mode", async () => {
    const { office, refund } = await held();
    const stranger = await Office.open(LIMIT);
    expect((await stranger.approve(refund, {}, stranger.manager)).status).toBe(404);
    expect((await office.approve(refund, {}, { live: true })).status).toBe(404);
    expect(await office.app.retrieveRefund(refund)).toEqual(refund);
  });

  it.each([
    ["approve", {}],
    ["approve", { by: "" }],
    ["approve", { by: "Wang", reason: "" }],
    ["approve", { by: "Wang", amount: 1 }],
    ["reject", { by: "Wang" }],
    ["reject", { reason: "No" }],
  ] as const)("says who it is and, to reject, why: %s with %j is refused", async (verb, body) => {
    const { office, refund } = await held();
    expect((await office.decide(verb, refund, body, office.manager)).status).toBe(400);
    expect(await office.app.retrieveRefund(refund)).toEqual(refund);
  });

  it("may say the same again: nothing happens twice", async () => {
    const { office, refund } = await held();
    const first = await office.approve(refund);
    const again = await office.approve(refund, { by: "Wang", reason: "Still" });
    expect(again).toMatchObject({ status: 200, body: first.body });
    expect(office.sendings(refund)).toBe(1);
    expect(await office.timeline(refund)).toHaveLength(4);
    const other = await office.key();
    expect(codeOf(await office.approve(refund, {}, other))).toBe("refund_not_awaiting_approval");
    expect(codeOf(await office.reject(refund))).toBe("refund_not_awaiting_approval");

    const { office: second, refund: refused } = await held();
    const no = await second.reject(refused);
    expect(await second.reject(refused, { reason: "Another" })).toMatchObject({ status: 200, body: no.body });
    expect(codeOf(await second.approve(refused))).toBe("refund_not_awaiting_approval");
    await second.expectStopped(refused, "refund_rejected");
  });

  it("is refused for a refund that needs no approval", async () => {
    const office = await Office.open(LIMIT);
    const { body: refund } = await office.app.refund(await office.app.charge(), { amount: 1 });
    for (const answer of [await office.approve(refund), await office.reject(refund)]) {
      expect([answer.status, codeOf(answer)]).toEqual([400, "refund_not_awaiting_approval"]);
    }
  });
});

describe("an approval", () => {
  /** Still waits, unsent, and is sent once what was in the way is gone. */
  async function expectWaiting(office: Office, refund: RefundObject): Promise<void> {
    expect(await office.app.retrieveRefund(refund)).toEqual(refund);
    expect(office.sendings(refund)).toBe(0);
    expect(await office.timeline(refund)).toHaveLength(1);
  }

  it("is refused while what it would refund is disputed, and goes through once the dispute is won", async () => {
    const { office, charge, refund } = await held();
    const dispute = (body: object) =>
      office.app.post(`/v1/charges/${charge.id}/disputes`, { id: "dp", ...body });
    expect((await dispute({ status: "opened", amount: 4001 })).status).toBe(200);
    const refused = await office.approve(refund);
    expect([refused.status, codeOf(refused)]).toEqual([400, "charge_disputed"]);
    await expectWaiting(office, refund);
    await dispute({ status: "won" });
    expect((await office.approve(refund)).body.status).toBe("succeeded");
  });

  it("goes through beside a dispute about the rest", async () => {
    const { office, charge, refund } = await held();
    const dispute = { id: "dp", status: "opened", amount: 4000 };
    await office.app.post(`/v1/charges/${charge.id}/disputes`, dispute);
    expect((await office.approve(refund)).body.status).toBe("succeeded");
    expect(office.books.moved(charge.id)).toBe(6000);
  });

  it("is refused once the payment is known to be too old for the channel", async () => {
    const { office, charge, refund } = await held({ ...LIMIT, refund_windows: { alipay: 1 } });
    const correct = (time_paid: number) => office.app.post(`/v1/charges/${charge.id}`, { time_paid });
    expect((await correct(Math.floor(Date.now() / 1000) - 86_500)).status).toBe(200);
    const refused = await office.approve(refund);
    expect([refused.status, refused.body.error.param]).toEqual([400, "Refund_time"]);
    await expectWaiting(office, refund);
    expect((await correct(Math.floor(Date.now() / 1000) - 3600)).status).toBe(200);
    expect((await office.approve(refund)).body.status).toBe("succeeded");
  });

  it("is refused by the app's rules of its own day, not of the refund's", async () => {
    const { office, charge, refund } = await held();
    await office.app.refund(charge, { amount: 1 });
    const settings = JSON.stringify({ ...LIMIT, refunds_max: 1 });
    await env.DB.prepare("UPDATE apps SET settings = ? WHERE id = ?").bind(settings, office.app.id).run();
    const refused = await office.approve(refund, {}, await office.key());
    expect(codeOf(refused)).toBe("too_many_refunds");
  });

  it("is refused on a charge that was frozen meanwhile; a rejection is not", async () => {
    // The channel takes back a no after the money has gone to somebody else.
    const other = await Office.open({ approval_limit: { cny: 9000 } });
    const shared = await other.app.charge();
    other.books.onSubmission(() => ({ effect: "declined" }));
    const { body: first } = await other.app.refund(shared, { amount: 8000, description: "First" });
    other.books.onSubmission(() => ({ effect: "succeeded" }));
    const { body: second } = await other.app.refund(shared, { amount: 8000, description: "Second" });
    const { body: third } = await other.app.refund(shared, { amount: 2000, description: "Third" });
    expect([first.status, second.status, approvalOf(third)]).toEqual(["failed", "succeeded", "required"]);
    for (const entry of other.books.known.values()) entry.effect = "succeeded";
    await other.decide("sync", first);
    expect(await other.app.retrieveRefund(first)).toMatchObject({ attention: "conflict" });
    expect(codeOf(await other.approve(third))).toBe("charge_frozen");
    await expectWaiting(other, third);
    expect((await other.reject(third)).body.failure_code).toBe("refund_rejected");
  });

  it("of a live refund is 402 once the app's account is gone, and the refund goes on waiting", async () => {
    const office = await Office.open(LIMIT);
    const live = { live: true };
    const account = await office.app.post<{ id: string }>(
      "/v1/channel_accounts",
      { channel: "manual", credentials: { note: "by hand" } },
      live,
    );
    expect(account.status).toBe(200);
    const charge = await office.app.charge({ channel: "manual", transaction_no: `m-${office.app.id}` }, live);
    const made = await office.app.refund<RefundObject & ErrorObject>(charge, { amount: 6000 }, live);
    expect([made.status, approvalOf(made.body)]).toEqual([200, "required"]);
    await env.DB.prepare("DELETE FROM channel_accounts WHERE app = ?").bind(office.app.id).run();
    const path = `/v1/charges/${charge.id}/refunds/${made.body.id}`;
    const refused = await office.app.post(`${path}/approve`, { by: "Wang" }, await office.liveKey());
    expect([refused.status, codeOf(refused)]).toEqual([402, "channel_not_configured"]);
    expect((await office.app.get<RefundObject>(path, live)).body).toEqual(made.body);
  });
});

describe("a refund that was approved and waits to be sent", () => {
  it("goes to the payment it was approved for: the charge takes no other one meanwhile", async () => {
    const office = await Office.open({ approval_limit: { cny: 1000 }, delay_seconds: 600 });
    const charge = await office.app.charge({ transaction_no: "PAID-BY-CUSTOMER" });
    const { body: refund } = await office.app.refund(charge, { amount: 5000 });
    expect((await office.approve(refund)).status).toBe(200);
    const changed = await office.app.post(`/v1/charges/${charge.id}`, { transaction_no: "PAID-BY-THIEF" });
    expect(changed).toMatchObject({ status: 400, body: { error: { param: "transaction_no" } } });
  });

  it("goes to the payment it was asked for, while it waits for approval", async () => {
    const office = await Office.open({ approval_limit: { cny: 1000 } });
    const charge = await office.app.charge({ transaction_no: "PAID-BY-CUSTOMER2" });
    const { body: refund } = await office.app.refund(charge, { amount: 5000 });
    const changed = await office.app.post(`/v1/charges/${charge.id}`, { transaction_no: "PAID-BY-THIEF2" });
    expect(refund.status).toBe("pending");
    expect(changed).toMatchObject({ status: 400, body: { error: { param: "transaction_no" } } });
  });
});

describe("what a refund says of its approval", () => {
  it("is never what its creator wrote into `extra`", async () => {
    const office = await Office.open({ approval_limit: { cny: 5000 } });
    const charge = await office.app.charge();
    const approval = { status: "approved", by: "The CFO", reason: "Seen", at: 1 };
    const { body } = await office.app.refund(charge, {
      amount: 100,
      extra: { approval, resolution: { outcome: "succeeded", by: "The CFO" }, batch_refund: "br_forged" },
    });
    expect(body.extra).not.toHaveProperty("approval");
    expect(body.extra).not.toHaveProperty("resolution");
    expect(body.extra).not.toHaveProperty("batch_refund");
  });
});
