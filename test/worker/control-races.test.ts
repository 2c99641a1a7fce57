// Decisions that cross each other, ten wide: whichever comes first holds, and no money moves that a decision has stopped.
import { describe, expect, it } from "vitest";
import type { ChargeObject } from "../../src/charges/schema.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { type Answer, type ErrorObject, eventually, type Sent } from "../harness.ts";
import { channelOverHttp } from "./channel-books.ts";
import { codeOf, type Decided, Office } from "./control-fixture.ts";

channelOverHttp();

const TEN = Array.from({ length: 10 }, (_, i) => i);
const ABOVE = { approval_limit: { "*": 0 } };
const accepted = (answers: Answer<unknown>[]) => answers.filter(({ status }) => status === 200);

async function held(office: Office, amount = 6000) {
  const charge = await office.app.charge();
  const { body: refund } = await office.app.refund(charge, { amount });
  expect(refund).toMatchObject({ status: "pending" });
  return { charge, refund };
}

const keys = (office: Office): Promise<Sent[]> => Promise.all(TEN.map(() => office.key()));

/** What is left of a charge is what its refunds say, at the channel too. */
async function expectBalanced(office: Office, charge: { id: string }): Promise<ChargeObject> {
  const read = await office.app.retrieveCharge(charge);
  const sum = (status: string) =>
    read.refunds.data.filter((each) => each.status === status).reduce((all, { amount }) => all + amount, 0);
  expect(read).toMatchObject({
    amount_refunded: sum("succeeded"),
    amount_pending_refund: sum("pending"),
  });
  expect(office.books.moved(charge.id)).toBe(sum("succeeded"));
  return read;
}

/** Either sent once and succeeded, or stopped and never heard of; its events and its timeline say the same. */
async function expectOneEnd(office: Office, refund: RefundObject): Promise<"sent" | "stopped"> {
  const { status, failure_code } = await eventually(async () => {
    const read = await office.app.retrieveRefund(refund);
    return read.status !== "pending" && read;
  });
  const wasSent = status === "succeeded";
  expect(office.sendings(refund)).toBe(wasSent ? 1 : 0);
  expect(await office.row(refund)).toMatchObject({ status });
  const events = (await office.events(refund)).filter((type) => type !== "refund.updated");
  expect(events).toEqual(["refund.created", wasSent ? "refund.succeeded" : "refund.failed"]);
  const causes = (await office.timeline(refund)).map(({ cause }) => cause);
  const stops = causes.filter((cause) => cause === "canceled" || cause === "rejected");
  expect(stops).toEqual(wasSent ? [] : [failure_code === "refund_canceled" ? "canceled" : "rejected"]);
  expect(causes.filter((cause) => cause === "sent")).toHaveLength(wasSent ? 1 : 0);
  return wasSent ? "sent" : "stopped";
}

describe("a cancel and the sending of a delayed refund", () => {
  it("at the same moment end in one of the two: canceled and never at the channel, or sent and not canceled", async () => {
    const office = await Office.open({ delay_seconds: 1 });
    const ends = { sent: 0, stopped: 0 };
    const none = { headers: { Prefer: "wait=0" } };
    for (let round = 0; round < 4; round++) {
      const made = await Promise.all(
        TEN.map(async () => {
          const charge = await office.app.charge();
          return { charge, refund: (await office.app.refund(charge, { amount: 100 }, none)).body };
        }),
      );
      await Promise.all(
        made.map(async ({ charge, refund }, i) => {
          const due = (await office.book(charge)).refunds[0]?.notBefore ?? 0;
          // Around the moment itself: from a little before it to a little after.
          await scheduler.wait(Math.max(0, due - Date.now() + (i - 5) * 2));
          const canceled: Decided = await office.decide("cancel", refund);
          const end = await expectOneEnd(office, refund);
          ends[end]++;
          if (end === "stopped") expect(canceled.body.failure_code).toBe("refund_canceled");
          else expect(canceled.status).toBe(400);
          await expectBalanced(office, charge);
        }),
      );
    }
    expect(ends.sent + ends.stopped).toBe(40);
    expect(Math.min(ends.sent, ends.stopped)).toBeGreaterThan(0);
  });

  it("ten cancels at once are one: one event, one entry, and all are told so", async () => {
    const office = await Office.open({ delay_seconds: 3600 });
    const { charge, refund } = await held(office);
    const answers = await Promise.all(TEN.map((i) => office.decide("cancel", refund, { by: `Clerk ${i}` })));
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(await expectOneEnd(office, refund)).toBe("stopped");
    expect((await expectBalanced(office, charge)).amount_refundable).toBe(10_000);
  });

  it("ten cancels and ten new refunds of everything: one of these at most takes the amount", async () => {
    const office = await Office.open({ delay_seconds: 3600 });
    const { charge, refund } = await held(office, 10_000);
    const [made] = await Promise.all([
      Promise.all(TEN.map((i) => office.app.refund(charge, { amount: 10_000, description: `New ${i}` }))),
      Promise.all(TEN.map(() => office.decide("cancel", refund))),
    ]);
    expect(accepted(made).length).toBeLessThanOrEqual(1);
    expect(await expectOneEnd(office, refund)).toBe("stopped");
    const read = await expectBalanced(office, charge);
    expect(read.amount_pending_refund + read.amount_refundable).toBe(10_000);
  });
});

describe("ten approvals at once", () => {
  it("by ten keys are one: one is told the outcome, nine that it does not wait, and the channel is asked once", async () => {
    const office = await Office.open(ABOVE);
    const { charge, refund } = await held(office);
    const managers = await keys(office);
    const answers = await Promise.all(
      managers.map((key, i) => office.approve(refund, { by: `Manager ${i}` }, key)),
    );
    expect(accepted(answers)).toHaveLength(1);
    for (const answer of answers.filter(({ status }) => status !== 200)) {
      expect([answer.status, codeOf(answer)]).toEqual([400, "refund_not_awaiting_approval"]);
    }
    expect(await expectOneEnd(office, refund)).toBe("sent");
    const by = (await office.timeline(refund)).filter(({ cause }) => cause === "approved");
    expect(by).toHaveLength(1);
    const [winner] = accepted(answers) as Answer<RefundObject>[];
    expect(winner?.body.extra.approval).toMatchObject({ status: "approved", by: by[0]?.actor.by });
    expect((await expectBalanced(office, charge)).amount_refunded).toBe(6000);
  });

  it("by one key, while the channel thinks, all get its verdict, and it is asked once", async () => {
    const office = await Office.open(ABOVE);
    const { charge, refund } = await held(office);
    const { promise: morning, resolve: wake } = Promise.withResolvers<void>();
    office.books.onSubmission(() => ({ effect: "succeeded", after: morning }));
    const approving = Promise.all(TEN.map(() => office.approve(refund)));
    await eventually(async () => office.books.submissions.length > 0);
    await scheduler.wait(50);
    wake();
    const answers = await approving;
    expect(answers.map(({ body }) => body.status)).toEqual(Array(10).fill("succeeded"));
    expect(await expectOneEnd(office, refund)).toBe("sent");
    await expectBalanced(office, charge);
  });

  it("of ten refunds of one charge send each of them once", async () => {
    const office = await Office.open(ABOVE);
    const charge = await office.app.charge();
    const made: RefundObject[] = [];
    for (const i of TEN) {
      made.push((await office.app.refund(charge, { amount: 1000, description: `Part ${i}` })).body);
    }
    const answers = await Promise.all(made.map((refund) => office.approve(refund)));
    expect(accepted(answers)).toHaveLength(10);
    for (const refund of made) expect(await expectOneEnd(office, refund)).toBe("sent");
    expect((await expectBalanced(office, charge)).amount_refunded).toBe(10_000);
  });
});

describe("a decision and its opposite", () => {
  it("approve and reject at once, five keys each: the first of them holds", async () => {
    const office = await Office.open(ABOVE);
    for (let round = 0; round < 5; round++) {
      const { charge, refund } = await held(office);
      const managers = await keys(office);
      const answers = await Promise.all(
        managers.map((key, i) =>
          (i + round) % 2 === 0 ? office.approve(refund, {}, key) : office.reject(refund, {}, key),
        ),
      );
      expect(accepted(answers)).toHaveLength(1);
      const end = await expectOneEnd(office, refund);
      const { extra } = await office.app.retrieveRefund(refund);
      expect(extra.approval).toMatchObject({ status: end === "sent" ? "approved" : "rejected" });
      await expectBalanced(office, charge);
    }
  });

  it("approve and cancel at once: sent and not canceled, or canceled and not sent", async () => {
    const office = await Office.open(ABOVE);
    for (let round = 0; round < 5; round++) {
      const { charge, refund } = await held(office);
      const managers = await keys(office);
      const answers = await Promise.all(
        managers.map((key, i) =>
          (i + round) % 2 === 0 ? office.approve(refund, {}, key) : office.decide("cancel", refund),
        ),
      );
      const end = await expectOneEnd(office, refund);
      const decided = answers.filter(({ body }) => body.failure_code === "refund_canceled");
      if (end === "sent") expect(decided).toEqual([]);
      else expect(decided.length).toBeGreaterThan(0);
      await expectBalanced(office, charge);
    }
  });

  it("approve and resolve at once: sent, or given up, never both", async () => {
    const office = await Office.open(ABOVE);
    const { charge, refund } = await held(office);
    const givenUp = { outcome: "failed", by: "Li", reason: "A mistake" };
    const managers = await keys(office);
    await Promise.all(
      managers.map((key, i) =>
        i % 2 === 0 ? office.decide("resolve", refund, givenUp) : office.approve(refund, {}, key),
      ),
    );
    const { status } = await eventually(async () => {
      const read = await office.app.retrieveRefund(refund);
      return read.status !== "pending" && read;
    });
    expect(office.sendings(refund)).toBe(status === "succeeded" ? 1 : 0);
    await expectBalanced(office, charge);
  });

  it("approve and ten disputes of the whole charge: never sent beyond what was undisputed when it was approved", async () => {
    const office = await Office.open(ABOVE);
    for (let round = 0; round < 5; round++) {
      const { charge, refund } = await held(office);
      const dispute = (i: number) =>
        office.app.post<{ amount_refundable: number } & ErrorObject>(`/v1/charges/${charge.id}/disputes`, {
          id: `dp_${i}`,
          status: "opened",
          amount: 1000,
        });
      const approve = async () => office.approve(refund);
      const [approved] = await Promise.all([
        round % 2 === 0 ? approve() : scheduler.wait(round).then(approve),
        ...TEN.map(dispute),
      ]);
      const read = await office.app.retrieveRefund(refund);
      if (approved.status === 200) {
        // No more than 4000 was disputed at that time.
        expect(await expectOneEnd(office, refund)).toBe("sent");
      } else {
        expect(codeOf(approved)).toBe("charge_disputed");
        expect(read).toEqual(refund);
        expect(office.sendings(refund)).toBe(0);
        expect(codeOf(await office.approve(refund))).toBe("charge_disputed");
      }
      expect((await expectBalanced(office, charge)).amount_refundable).toBe(0);
    }
  });
});

describe("reversals at once", () => {
  it("ten of one charge are one: one refund, one channel call, and all get the reversed charge", async () => {
    const office = await Office.open();
    const charge = await office.app.charge();
    const { promise: morning, resolve: wake } = Promise.withResolvers<void>();
    office.books.onSubmission(() => ({ effect: "succeeded", after: morning }));
    const reversing = Promise.all(TEN.map((i) => office.reverse(charge, { description: `Reversal ${i}` })));
    await eventually(async () => office.books.submissions.length > 0);
    await scheduler.wait(50);
    wake();
    const answers = await reversing;
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(answers[0]).toMatchObject({ status: 200, body: { reversed: true, amount_refunded: 10_000 } });
    expect(office.books.submissions).toHaveLength(1);
    expect((await expectBalanced(office, charge)).refunds.data).toHaveLength(1);
  });

  it("and ten refunds: the whole goes back as a reversal, or parts of it as refunds, never both", async () => {
    const office = await Office.open();
    for (let round = 0; round < 5; round++) {
      const charge = await office.app.charge();
      const refund = (i: number) => office.app.refund(charge, { amount: 1000, description: `Part ${i}` });
      const reverse = () => office.reverse(charge);
      const works = TEN.flatMap((i) => (i < round ? [() => refund(i), reverse] : [reverse, () => refund(i)]));
      const answers = (await Promise.all(works.map((work) => work()))) as Answer<ErrorObject>[];
      const read = await expectBalanced(office, charge);
      const codes = new Set(answers.filter(({ status }) => status !== 200).map(codeOf));
      if (read.reversed) {
        expect(read).toMatchObject({ amount_refunded: 10_000, refunds: { data: { length: 1 } } });
        for (const code of codes) expect(["charge_reversed", "refund_amount_exceeded"]).toContain(code);
      } else {
        expect(read).toMatchObject({ amount_refunded: 10_000, refunds: { data: { length: 10 } } });
        expect([...codes]).toEqual(["charge_not_reversible"]);
      }
    }
  });
});
