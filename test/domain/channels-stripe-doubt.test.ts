// What Stripe's connector does when it does not know: the list of the charge's refunds, the 24 hours of a key, and
// refunds that somebody else made.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { RefundOrder } from "../../src/channels/channel.ts";
import { type StripeEmulator, startStripeEmulator, stripeError } from "../emulators/stripe.ts";
import { account, anOrder, connectorFor, HOUR, later, never, said } from "./channels-stripe-fixture.ts";

let emulator: StripeEmulator;
beforeAll(async () => {
  emulator = await startStripeEmulator();
});
beforeEach(() => {
  emulator.books.violations.length = 0;
});
afterAll(() => emulator.close());

const refund = (order: RefundOrder) => connectorFor(emulator).refund(order, account, Date.now(), never());
const query = (order: RefundOrder) => connectorFor(emulator).query(order, account, Date.now(), never());
const effects = ({ number }: RefundOrder) => emulator.books.numbers.get(number)?.effects ?? 0;
const posts = () => emulator.requests.filter(({ method }) => method === "POST").length;
const asksOnly = async (order: RefundOrder) => {
  const before = posts();
  const verdict = await refund(order);
  expect(posts()).toBe(before);
  return verdict;
};

describe("within a day of the first submission", () => {
  it("a lost answer is found in the list by our number (E4)", async () => {
    const order = anOrder(emulator);
    emulator.faults.next({ does: "dropAfter" });
    expect(await refund(order)).toMatchObject({ kind: "unknown" });
    expect(await query(order)).toMatchObject({ kind: "succeeded", amount: 4000 });
    expect(effects(order)).toBe(1);
  });

  it("a list without the number is `notFound` (E6), and the repeat pays once whether or not it had arrived", async () => {
    for (const does of ["dropBefore", "dropAfter"] as const) {
      const order = anOrder(emulator);
      emulator.faults.set({ hides: 1, hiddenMs: HOUR });
      emulator.faults.next({ does });
      expect(await refund(order)).toMatchObject({ kind: "unknown" });
      expect(said(await query(order))).toEqual({ kind: "notFound" });
      expect(await refund(later(order, 22 * HOUR))).toMatchObject({ kind: "succeeded" });
      expect(effects(order)).toBe(1);
    }
    emulator.faults.set({});
    expect(emulator.books.violations).toEqual([]);
  });

  it("the repeat is the same form to the byte", async () => {
    const order = anOrder(emulator);
    emulator.faults.next({ does: "errorBefore" });
    await refund(order);
    await refund(later(order, HOUR));
    const [first, second] = emulator.requests.slice(-2);
    expect(second?.body).toBe(first?.body);
    expect(second?.headers["idempotency-key"]).toBe(first?.headers["idempotency-key"]);
  });

  it("a decline of the first submission is replayed, not tried again", async () => {
    const order = anOrder(emulator, {}, { disputed: true });
    emulator.faults.next({ does: "dropAfter" });
    expect(await refund(order)).toMatchObject({ kind: "unknown" });
    expect(await refund(later(order, HOUR))).toMatchObject({ kind: "declined", code: "charge_disputed" });
    expect(effects(order)).toBe(0);
  });

  it("other money under the same number is never paid: the key refuses it", async () => {
    const order = anOrder(emulator);
    await refund(order);
    expect(await refund({ ...later(order, HOUR), amount: 4001 })).toMatchObject({ kind: "unknown" });
    expect(effects(order)).toBe(1);
  });

  it("a refund that Stripe's id is known of is asked for, not sent", async () => {
    const order = anOrder(emulator);
    const { memory } = await refund(order);
    expect(await asksOnly(later(order, HOUR, memory))).toMatchObject({ kind: "succeeded" });
  });

  it("a refund that Stripe no longer knows by its own id is unknown, never `notFound`", async () => {
    expect(await query(anOrder(emulator, { memory: "re_3Gone" }))).toMatchObject({ kind: "unknown" });
  });

  it("a payment that Stripe does not know has no refunds", async () => {
    const order = { ...anOrder(emulator), transactionNo: "ch_3Unknown" };
    expect(said(await query(order))).toEqual({ kind: "notFound" });
    expect(await refund(order)).toMatchObject({ kind: "declined", code: "resource_missing" });
  });
});

describe("when the key may be forgotten", () => {
  it("nothing is sent any more, and what had arrived is found", async () => {
    const order = anOrder(emulator);
    emulator.faults.next({ does: "dropAfter" });
    await refund(order);
    emulator.expireKeys();
    for (const age of [23 * HOUR, 25 * HOUR, 400 * HOUR]) {
      expect(await asksOnly(later(order, age))).toMatchObject({ kind: "succeeded" });
      expect(await query(later(order, age))).toMatchObject({ kind: "succeeded" });
    }
    expect(effects(order)).toBe(1);
  });

  it("a list without the number concludes nothing in the hour before, and is a no after it", async () => {
    const order = anOrder(emulator);
    const open = { kind: "unknown", failureCode: "refund_not_found" };
    const no = { kind: "declined", code: "refund_not_found", failureCode: "refund_not_found" };
    for (const ask of [asksOnly, query]) {
      expect(said(await ask(later(order, 23 * HOUR)))).toEqual(open);
      expect(said(await ask(later(order, 24 * HOUR - 5000)))).toEqual(open);
      expect(await ask(later(order, 24 * HOUR))).toMatchObject(no);
    }
    expect(said(await query(later(order, 23 * HOUR - 5000)))).toEqual({ kind: "notFound" });
  });

  it("a refund of the same amount that bears no number may be ours: a person must look", async () => {
    const order = anOrder(emulator);
    emulator.refundElsewhere(order.transactionNo ?? "", 4000).created -= 24 * 3600;
    expect(await query(later(order, 23 * HOUR))).toMatchObject({ kind: "unknown" });
    expect(await query(later(order, 24 * HOUR))).toMatchObject({
      kind: "accepted",
      attention: "already_refunded",
    });
    const older = anOrder(emulator);
    emulator.refundElsewhere(older.transactionNo ?? "", 4000).created -= 48 * 3600;
    expect(await query(later(older, 24 * HOUR))).toMatchObject({ kind: "declined" });
  });

  it("a list that cannot be read to its end concludes nothing", async () => {
    const order = later(anOrder(emulator), 48 * HOUR);
    for (const does of ["dropBefore", "errorBefore", "throttle"] as const) {
      emulator.faults.next({ does });
      expect(await query(order)).toMatchObject({ kind: "unknown" });
    }
    const pages = Array.from({ length: 10 }, () => ({
      object: "list",
      data: [aRefundOf(order)],
      has_more: true,
    }));
    for (const page of pages) {
      emulator.faults.next({ does: "answer", answer: { status: 200, body: JSON.stringify(page) } });
    }
    const before = emulator.requests.length;
    expect(await query(order)).toMatchObject({ kind: "unknown" });
    expect(emulator.requests).toHaveLength(before + 10);
    const empty = JSON.stringify({ object: "list", data: [], has_more: true });
    emulator.faults.next({ does: "answer", answer: { status: 200, body: empty } });
    expect(await query(order)).toMatchObject({ kind: "unknown", failureCode: "channel_parse_error" });
  });
});

describe("the list", () => {
  it("is followed over its pages", async () => {
    const order = anOrder(emulator, { amount: 1 }, { amount: 10_000 });
    emulator.faults.next({ at: "refund", does: "dropAfter" });
    await refund(order);
    for (let i = 0; i < 120; i++) emulator.refundElsewhere(order.transactionNo ?? "", 1);
    const before = emulator.requests.length;
    expect(await query(order)).toMatchObject({ kind: "succeeded", amount: 1 });
    expect(emulator.requests.slice(before).map(({ url }) => url.includes("starting_after"))).toEqual([
      false,
      true,
      true,
    ]);
  });

  it("that holds our number twice speaks of the sum, which is another amount than was asked for", async () => {
    const order = anOrder(emulator);
    emulator.refundElsewhere(order.transactionNo ?? "", 4000, { refund_id: `re_${order.number}` });
    emulator.refundElsewhere(order.transactionNo ?? "", 4000, { refund_id: `re_${order.number}` });
    expect(await query(order)).toMatchObject({ kind: "succeeded", amount: 8000 });
  });

  it("prefers the refund that stands to one that failed under the same number", async () => {
    const order = anOrder(emulator);
    const metadata = { refund_id: `re_${order.number}` };
    const standing = emulator.refundElsewhere(order.transactionNo ?? "", 4000, { ...metadata });
    emulator.refundElsewhere(order.transactionNo ?? "", 4000, { ...metadata }).status = "failed";
    expect(await query(order)).toMatchObject({ kind: "succeeded", memory: standing.id, amount: 4000 });
  });
});

describe("a charge that is already refunded (E30)", () => {
  const whole = () => anOrder(emulator, { amount: 10_000 });

  it("by our own number is that refund", async () => {
    const order = whole();
    await refund(order);
    emulator.expireKeys();
    expect(await refund(order)).toMatchObject({ kind: "succeeded", amount: 10_000 });
    expect(effects(order)).toBe(1);
  });

  it("by one refund of the same amount made elsewhere is that refund, marked as ours", async () => {
    const order = whole();
    const made = emulator.refundElsewhere(order.transactionNo ?? "", 10_000);
    expect(await refund(order)).toMatchObject({
      kind: "succeeded",
      transactionNo: made.id,
      memory: made.id,
      amount: 10_000,
    });
    expect(made.metadata).toMatchObject({ refund_id: `re_${order.number}`, charge_id: order.charge });
    expect(emulator.requests.at(-1)?.headers["idempotency-key"]).toBe(`claim_${made.id}`);
    expect(await query({ ...order, memory: made.id })).toMatchObject({ kind: "succeeded" });
  });

  it("by refunds that could be ours in two ways, or in none, needs a person, and says so again", async () => {
    for (const amounts of [
      [5000, 5000],
      [2500, 7500],
    ]) {
      const order = anOrder(emulator, { amount: 5000 });
      for (const amount of amounts) emulator.refundElsewhere(order.transactionNo ?? "", amount);
      const at = Date.now();
      const verdict = await connectorFor(emulator).refund(order, account, at, never());
      expect(said(verdict)).toEqual({
        kind: "accepted",
        attention: "already_refunded",
        memory: "refunded_elsewhere",
        askAgainAt: at + 24 * HOUR,
      });
      const again = later(order, 100 * HOUR, verdict.memory);
      expect(await query(again)).toMatchObject({ kind: "accepted", attention: "already_refunded" });
      expect(await asksOnly(again)).toMatchObject({ kind: "accepted", attention: "already_refunded" });
    }
  });

  it("in part, so that less is left than is asked for, is no plain failure either", async () => {
    const order = anOrder(emulator, { amount: 6000 });
    emulator.refundElsewhere(order.transactionNo ?? "", 5000);
    expect(await refund(order)).toMatchObject({ kind: "accepted", attention: "already_refunded" });
    const same = anOrder(emulator, { amount: 6000 });
    const made = emulator.refundElsewhere(same.transactionNo ?? "", 6000);
    expect(await refund(same)).toMatchObject({ kind: "succeeded", transactionNo: made.id });
  });

  it("is claimed by one of two refunds that ask at once; the other needs a person", async () => {
    const first = anOrder(emulator, { amount: 6000 });
    const { transactionNo } = first;
    const second = { ...anOrder(emulator, { amount: 6000 }), transactionNo };
    emulator.refundElsewhere(transactionNo ?? "", 6000);
    const verdicts = await Promise.all([refund(first), refund(second)]);
    expect(verdicts.map(({ kind }) => kind).sort()).toEqual(["accepted", "succeeded"]);
  });

  it("is not decided while the list cannot be read, nor while the claim is not heard", async () => {
    const order = whole();
    emulator.refundElsewhere(order.transactionNo ?? "", 10_000);
    emulator.faults.next({ at: "query", does: "errorBefore" });
    expect(await refund(order)).toMatchObject({ kind: "unknown" });
    for (const does of ["dropBefore", "throttle", "errorBefore", "errorAfter"] as const) {
      emulator.faults.next({ at: "other", does });
      expect(await refund(order)).toMatchObject({ kind: "unknown" });
    }
    expect(await query(order)).toMatchObject({ kind: "succeeded" });
  });

  it("and refuses to be marked, needs a person", async () => {
    const order = whole();
    emulator.refundElsewhere(order.transactionNo ?? "", 10_000);
    emulator.faults.next({ at: "other", does: "answer", answer: stripeError(403, {}) });
    expect(await refund(order)).toMatchObject({ kind: "accepted", attention: "already_refunded" });
  });
});

function aRefundOf(order: RefundOrder) {
  return {
    object: "refund",
    id: `re_3Other${order.number}`,
    amount: 1,
    currency: "usd",
    status: "succeeded",
    created: order.created,
    metadata: {},
  };
}
