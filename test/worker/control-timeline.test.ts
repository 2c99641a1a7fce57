// What happened to a refund, as its merchant reads it: from the ledger, from D1 what the ledger has dropped, never changed.
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { mintId } from "../../src/ids.ts";
import { ChargeLedger } from "../../src/index.ts";
import { EVERY_MINUTE, sweep } from "../../src/reconciliation/scheduled.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { eventually, random } from "../harness.ts";
import { channelOverHttp } from "./channel-books.ts";
import { Office, type TimelineObject } from "./control-fixture.ts";

channelOverHttp();

const spies: { mockRestore(): void }[] = [];

afterEach(() => {
  for (const spy of spies.splice(0)) spy.mockRestore();
});

const told = (entries: readonly TimelineObject[]) =>
  entries.map(({ from, state, cause, actor: { type } }) => [from, state, cause, type]);

/** D1's rows of a refund's timeline, oldest first. */
async function rowsOf({ id }: { id: string }) {
  const { results } = await env.DB.prepare(
    "SELECT version, at, entry FROM refund_timeline WHERE refund = ? ORDER BY version, at",
  )
    .bind(id)
    .all<{ version: number; at: number; entry: string }>();
  return results;
}

/** The charge's ledger cannot reach D1; gives it back when called. */
async function withoutD1(office: Office, charge: { id: string }): Promise<() => Promise<void>> {
  type Inside = { env: typeof env };
  const down = () => {
    throw new Error("D1_ERROR");
  };
  const exchange = (DB: unknown) =>
    runInDurableObject(office.app.ledger(charge), (instance: ChargeLedger) => {
      const inside = instance as unknown as Inside;
      inside.env = { ...inside.env, DB: DB as never };
    });
  await exchange({ prepare: down, batch: down });
  return () => exchange(env.DB);
}

describe("the timeline of a refund", () => {
  it("tells that it was made and what the channel answered, by whom and when", async () => {
    const office = await Office.open();
    const before = Date.now();
    const { body: refund } = await office.app.refund(await office.app.charge(), { amount: 100 });
    const answer = await office.app.get<Record<string, unknown>>(
      `/v1/charges/${refund.charge}/refunds/${refund.id}/timeline`,
    );
    const key = await env.DB.prepare(
      "SELECT id FROM api_keys WHERE app = ? AND livemode = 0 AND name = 'tests'",
    )
      .bind(office.app.id)
      .first<string>("id");
    expect(answer.body).toEqual({
      object: "list",
      url: `/v1/charges/${refund.charge}/refunds/${refund.id}/timeline`,
      has_more: false,
      data: [
        {
          object: "timeline_entry",
          created: expect.any(Number),
          created_ms: expect.any(Number),
          status: "pending",
          state: "submitting",
          from: null,
          cause: "created",
          actor: { type: "key", key, by: null },
          code: null,
          message: null,
          attention: null,
        },
        {
          object: "timeline_entry",
          created: expect.any(Number),
          created_ms: expect.any(Number),
          status: "succeeded",
          state: "succeeded",
          from: "submitting",
          cause: "answered",
          actor: { type: "channel", key: null, by: null },
          code: `t_${refund.order_no}`,
          message: null,
          attention: null,
        },
      ],
    });
    const times = (answer.body.data as TimelineObject[]).map(({ created_ms }) => created_ms);
    expect(times).toEqual([...times].sort());
    expect(times[0]).toBeGreaterThanOrEqual(before);
    expect(times.at(-1)).toBeLessThanOrEqual(Date.now());
  });

  it("has the channel's code and words for a refusal", async () => {
    const office = await Office.open();
    office.books.onSubmission(() => ({ effect: "declined" }));
    const { body: refund } = await office.app.refund(await office.app.charge(), { amount: 100 });
    expect((await office.timeline(refund)).at(-1)).toMatchObject({
      from: "submitting",
      state: "failed",
      status: "failed",
      cause: "answered",
      actor: { type: "channel" },
      code: "NOT_ENOUGH",
      message: "余额不足",
    });
  });

  it("tells doubt, questions, people and the test helpers apart", async () => {
    const office = await Office.open();
    const charge = await office.app.charge();
    office.books.onSubmission(() => ({ effect: "processing", says: "reset" }));
    const { body: refund } = await office.app.refund(charge, { amount: 100 });
    await office.decide("sync", refund);
    await office.decide("claim", refund, { by: "Li" });
    await office.update(refund, { description: "Other words" }, office.manager);
    const move = (verb: string) => office.app.post(`/v1/test_helpers/refunds/${refund.id}/${verb}`, {});
    await office.row(refund);
    expect((await move("succeed")).status).toBe(200);
    const story = await office.timeline(refund);
    expect(told(story)).toEqual([
      [null, "submitting", "created", "key"],
      ["submitting", "unknown", "answered", "channel"],
      ["unknown", "accepted", "queried", "channel"],
      ["accepted", "accepted", "claimed", "person"],
      ["accepted", "accepted", "updated", "key"],
      ["accepted", "succeeded", "moved", "key"],
    ]);
    expect(story[1]?.code).toBe("channel_connection_error");
    expect(story[3]?.actor).toEqual({ type: "person", key: story[0]?.actor.key, by: "Li" });
    expect(story[4]?.actor.key).not.toBe(story[0]?.actor.key);
  });

  it("says who canceled a refund and why, with the key alone where no name was given", async () => {
    const office = await Office.open({ delay_seconds: 3600 });
    const charge = await office.app.charge();
    const { body: first } = await office.app.refund(charge, { amount: 1 });
    const { body: second } = await office.app.refund(charge, { amount: 2, description: "Second" });
    await office.decide("cancel", first, { by: "Li", reason: "Changed their mind" }, office.manager);
    await office.decide("cancel", second);
    expect((await office.timeline(first)).slice(1)).toMatchObject([
      {
        cause: "canceled",
        from: "waiting",
        actor: { type: "person", by: "Li" },
        message: "Changed their mind",
      },
    ]);
    expect((await office.timeline(second)).slice(1)).toMatchObject([
      { cause: "canceled", from: "waiting", actor: { type: "key", by: null }, message: null },
    ]);
  });

  it("tells a sync that hears nothing new not at all", async () => {
    const office = await Office.open();
    const { body: refund } = await office.app.refund(await office.app.charge(), { amount: 100 });
    const story = await office.timeline(refund);
    for (let i = 0; i < 3; i++) await office.decide("sync", refund);
    expect(await office.timeline(refund)).toEqual(story);
  });

  it("is D1's as well, row by row, and no row ever changes", async () => {
    const office = await Office.open();
    office.books.onSubmission(() => ({ effect: "processing" }));
    const { body: refund } = await office.app.refund(await office.app.charge(), { amount: 100 });
    await office.row(refund);
    const first = await rowsOf(refund);
    for (const entry of office.books.known.values()) entry.effect = "succeeded";
    await office.decide("sync", refund);
    await office.update(refund, { description: "Other words" });
    await office.row(refund);
    const rows = await rowsOf(refund);
    expect(rows.slice(0, first.length)).toEqual(first);
    const story = await office.timeline(refund);
    expect(rows.map(({ entry }) => JSON.parse(entry).cause)).toEqual(story.map(({ cause }) => cause));
    expect(rows.map(({ at }) => at)).toEqual(story.map(({ created_ms }) => created_ms));
  });

  it("is nobody else's: another app's, mode's or charge's is 404", async () => {
    const office = await Office.open();
    const [charge, other] = [await office.app.charge(), await office.app.charge()];
    const { body: refund } = await office.app.refund(charge, { amount: 100 });
    await office.app.refund(other, { amount: 100 });
    await office.row(refund);
    const stranger = await Office.open();
    const path = (ch: string, re: string) => `/v1/charges/${ch}/refunds/${re}/timeline`;
    const answers = await Promise.all([
      stranger.app.get(path(charge.id, refund.id)),
      office.app.get(path(charge.id, refund.id), { live: true }),
      office.app.get(path(other.id, refund.id)),
      office.app.get(path(charge.id, mintId("refund", random))),
      office.app.get(path(mintId("charge", random), refund.id)),
      office.app.get(path("ch_no", "re_no")),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(404));
    const readers = await office.key(["refunds:read"]);
    expect((await office.app.get(path(charge.id, refund.id), readers)).status).toBe(200);
    const others = await office.key(["charges:read"]);
    expect((await office.app.get(path(charge.id, refund.id), others)).status).toBe(401);
  });

  it("of one that is only promised is 503 like what else is asked of it; kept, it tells its beginning", async () => {
    const office = await Office.open();
    const charge = await office.app.charge();
    const broken = new Error("the connection broke");
    spies.push(vi.spyOn(ChargeLedger.prototype, "create").mockRejectedValue(broken));
    const { body: promised } = await office.app.refund(charge, { amount: 5 });
    const { body: tooMuch } = await office.app.refund(charge, { amount: 20_000, description: "Too much" });
    for (const spy of spies.splice(0)) spy.mockRestore();
    const path = `/v1/charges/${charge.id}/refunds/${promised.id}/timeline`;
    expect((await office.app.get(path)).status).toBe(503);
    await env.DB.prepare("UPDATE commands SET due_at = 1 WHERE due_at is not null").run();
    await sweep(EVERY_MINUTE, env, Date.now());
    await eventually(async () => (await office.app.retrieveRefund(promised)).status === "succeeded");
    await eventually(async () => (await office.app.retrieveRefund(tooMuch)).status === "failed");
    expect((await office.timeline(promised)).map(({ cause }) => cause)).toEqual(["created", "answered"]);
    const [only, ...rest] = await office.timeline(tooMuch);
    expect(rest).toEqual([]);
    expect(only).toMatchObject({ from: null, state: "failed", cause: "refused", actor: { type: "key" } });
    expect(only?.message).toMatch(/9995|10000/);
  });
});

describe("a long timeline", () => {
  const UPDATES = 70;

  async function updated(office: Office, refund: RefundObject, from: number, to: number): Promise<void> {
    for (let i = from; i < to; i++) await office.update(refund, { description: `Words ${i}` });
  }

  /** The refund's document in its ledger, bytes; and how many entries it has. */
  const inLedger = (office: Office, charge: { id: string }) =>
    runInDurableObject(office.app.ledger(charge), (_, { storage }) => {
      const { doc } = storage.sql.exec("SELECT doc FROM refunds WHERE seq = 1").one() as { doc: string };
      return {
        bytes: new TextEncoder().encode(doc).length,
        entries: (JSON.parse(doc).timeline as unknown[]).length,
        disk: storage.sql.databaseSize,
      };
    });

  const STORY = ["created", "answered", ...Array(UPDATES).fill("updated")];

  it("is whole for its reader, while its ledger keeps a few kilobytes of it", async () => {
    const office = await Office.open();
    const charge = await office.app.charge();
    const { body: refund } = await office.app.refund(charge, { amount: 100 });
    await updated(office, refund, 0, UPDATES - 1);
    await office.row(refund);
    await updated(office, refund, UPDATES - 1, UPDATES);
    await office.row(refund);
    const { bytes, entries, disk } = await inLedger(office, charge);
    expect(entries).toBeLessThan(UPDATES);
    expect(bytes).toBeLessThan(6 * 1024);
    // Four pages before it; two that the row runs over into, and one for the events that waited for D1 together.
    expect(disk).toBeLessThanOrEqual(28 * 1024);
    const story = await office.timeline(refund);
    expect(story.map(({ cause }) => cause)).toEqual(STORY);
    expect(story.filter(({ from }) => from === null)).toHaveLength(1);
    await evictDurableObject(office.app.ledger(charge));
    expect(await office.timeline(refund)).toEqual(story);
    expect(await rowsOf(refund)).toHaveLength(STORY.length);
  });

  it("loses nothing while D1 is away, and all of it is in D1 once afterwards", async () => {
    const office = await Office.open();
    const charge = await office.app.charge();
    const { body: refund } = await office.app.refund(charge, { amount: 100 });
    await updated(office, refund, 0, 10);
    await office.row(refund);
    const restore = await withoutD1(office, charge);
    await updated(office, refund, 10, UPDATES);
    expect((await office.timeline(refund)).map(({ cause }) => cause)).toEqual(STORY);
    await restore();
    // The ledger leaves D1 alone for a while after a failure.
    await office.row(refund);
    expect((await office.timeline(refund)).map(({ cause }) => cause)).toEqual(STORY);
    const rows = await rowsOf(refund);
    expect(rows.map(({ entry }) => JSON.parse(entry).cause)).toEqual(STORY);
    expect(new Set(rows.map(({ version }) => version)).size).toBe(STORY.length);
  });
});
