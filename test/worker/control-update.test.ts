// What is said of a refund may change at any time; what the channel was told of it does not.
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { mintId } from "../../src/ids.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { eventually, random } from "../harness.ts";
import { channelOverHttp } from "./channel-books.ts";
import { codeOf, Office } from "./control-fixture.ts";

channelOverHttp();

const CHANGE = { metadata: { color: "红" }, description: "Said later" };

describe("an update of a refund", () => {
  it.each([
    ["waiting", {}, { delay_seconds: 3600 }],
    ["pending at the channel", { effect: "processing" }, {}],
    ["in doubt", { effect: "none", says: "reset" }, {}],
    ["succeeded", { effect: "succeeded" }, {}],
    ["failed", { effect: "declined" }, {}],
  ] as const)(
    "that is %s is shown everywhere, with an event, and changes nothing else",
    async (_, turn, settings) => {
      const office = await Office.open(settings);
      office.books.onSubmission(() => ({ effect: "none", ...turn }));
      office.books.onQuery(() => new Response("", { status: 500 }));
      const charge = await office.app.charge();
      const { body: refund } = await office.app.refund(charge, { amount: 100, metadata: { size: "42" } });
      const before = await office.events(refund);
      const { status, body } = await office.update(refund, CHANGE);
      expect(status).toBe(200);
      expect(body).toEqual({ ...refund, ...CHANGE });
      expect(await office.app.retrieveRefund(refund)).toEqual(body);
      expect((await office.app.retrieveCharge(charge)).refunds.data).toEqual([body]);
      const list = await office.app.get<{ data: RefundObject[] }>(`/v1/charges/${charge.id}/refunds`);
      expect(list.body.data).toEqual([body]);
      expect(await office.row(refund)).toMatchObject({ doc: CHANGE });
      expect(await office.events(refund)).toEqual([...before, "refund.updated"]);
      const event = await env.DB.prepare("SELECT body FROM events WHERE refund = ? ORDER BY seq DESC LIMIT 1")
        .bind(refund.id)
        .first<{ body: string }>();
      expect(JSON.parse(event?.body ?? "{}")).toMatchObject({
        type: "refund.updated",
        data: { object: body },
      });
      expect((await office.timeline(refund)).at(-1)).toMatchObject({
        cause: "updated",
        status: refund.status,
        actor: { type: "key", key: expect.stringMatching(/^key_/) },
      });
      expect(office.sendings(refund)).toBeLessThanOrEqual(1);
    },
  );

  it("empties the metadata with {}, and leaves what is not given as it is", async () => {
    const office = await Office.open();
    const { body: refund } = await office.app.refund(await office.app.charge(), {
      amount: 100,
      metadata: { size: "42" },
    });
    for (const given of [{}, { metadata: null }, { metadata: [] }]) {
      expect((await office.update(refund, given)).body).toEqual(refund);
    }
    expect((await office.update(refund, { description: "Other words" })).body).toMatchObject({
      metadata: { size: "42" },
      description: "Other words",
    });
    expect((await office.update(refund, { metadata: {} })).body).toMatchObject({
      metadata: {},
      description: "Other words",
    });
  });

  it("that says what is so already tells nobody anything", async () => {
    const office = await Office.open();
    const { body: refund } = await office.app.refund(await office.app.charge(), { amount: 100 });
    await office.update(refund, CHANGE);
    const [events, { version }] = [await office.events(refund), await office.row(refund)];
    await office.update(refund, CHANGE);
    expect(await office.events(refund)).toEqual(events);
    expect((await office.row(refund)).version).toBe(version);
  });

  it.each([
    { amount: 1 },
    { status: "succeeded" },
    { extra: {} },
    { description: "" },
    { description: "x".repeat(256) },
    { description: null },
    { metadata: "no" },
    { metadata: { "": "x" } },
    { metadata: { x: "y".repeat(1000) } },
    { metadata: { deep: { er: 1 } } },
  ])("with %j is refused, and changes nothing", async (body) => {
    const office = await Office.open();
    const { body: refund } = await office.app.refund(await office.app.charge(), { amount: 100 });
    expect((await office.update(refund, body)).status).toBe(400);
    expect(await office.app.retrieveRefund(refund)).toEqual(refund);
  });

  it("of a refund that nobody has, or another app or mode, is 404", async () => {
    const office = await Office.open();
    const charge = await office.app.charge();
    const { body: refund } = await office.app.refund(charge, { amount: 100 });
    const stranger = await Office.open();
    const answers = [
      await office.update({ ...refund, id: mintId("refund", random) }, CHANGE),
      await stranger.update(refund, CHANGE),
      await office.update(refund, CHANGE, { live: true }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404]);
    expect(await office.app.retrieveRefund(refund)).toEqual(refund);
  });

  it("leaves its request what it was: a repeat finds it, and another one is told from it", async () => {
    const office = await Office.open();
    const charge = await office.app.charge();
    const request = { amount: 100, refund_no: "A1", metadata: { size: "42" } };
    const sent = { headers: { "Idempotency-Key": "k1" } };
    const { body: refund } = await office.app.refund(charge, request, sent);
    const { body: updated } = await office.update(refund, CHANGE);
    const repeat = await office.app.refund(charge, request, sent);
    expect(repeat).toMatchObject({ status: 200, body: updated });
    const other = await office.app.refund(charge, { ...request, ...CHANGE }, sent);
    expect([other.status, codeOf(other)]).toEqual([400, "idempotency_key_reused"]);
  });

  it("of one that was sent is not told the channel: what is submitted again is what was submitted", async () => {
    const office = await Office.open();
    const charge = await office.app.charge();
    office.books.onSubmission((_, attempt) =>
      attempt === 1 ? { effect: "none", says: "reset" } : { effect: "succeeded" },
    );
    const { body: refund } = await office.app.refund(charge, { amount: 100, description: "First words" });
    await office.update(refund, { description: "Second words" });
    await office.update(refund, { description: "Third words" });
    await eventually(async () => {
      await runInDurableObject(office.app.ledger(charge), (instance) =>
        (instance as unknown as { alarm(): Promise<void> }).alarm(),
      );
      return (await office.app.retrieveRefund(refund)).status === "succeeded";
    });
    const told = office.books.submissions.filter(({ number }) => number === refund.order_no);
    expect(told.map(({ description }) => description)).toEqual(["First words", "First words"]);
    expect((await office.app.retrieveRefund(refund)).description).toBe("Third words");
  });

  it("of one that was not sent yet is what the channel is told", async () => {
    const office = await Office.open({ approval_limit: { "*": 0 } });
    const { body: refund } = await office.app.refund(await office.app.charge(), { amount: 100 });
    await office.update(refund, { description: "Second words" });
    await office.approve(refund);
    expect(office.books.submissions.map(({ description }) => description)).toEqual(["Second words"]);
  });

  it("ten at once end with one of them, whole, and each has its event and its entry", async () => {
    const office = await Office.open();
    const { body: refund } = await office.app.refund(await office.app.charge(), { amount: 100 });
    const changes = Array.from({ length: 10 }, (_, i) => ({
      description: `Words ${i}`,
      metadata: { i: String(i) },
    }));
    const answers = await Promise.all(changes.map((change) => office.update(refund, change)));
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
    const read = await office.app.retrieveRefund(refund);
    expect(read.description).toBe(`Words ${read.metadata.i}`);
    const updates = (await office.events(refund)).filter((type) => type === "refund.updated");
    expect(updates).toHaveLength(10);
    const entries = (await office.timeline(refund)).filter(({ cause }) => cause === "updated");
    expect(entries).toHaveLength(10);
  });
});
