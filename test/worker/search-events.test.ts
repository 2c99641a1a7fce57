// The search for events: by type, by what they are about, and how many there are.
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { EventType } from "../../src/events/event.ts";
import { mintId } from "../../src/ids.ts";
import { eventually, random, TestApp } from "../harness.ts";
import { page, T, walk } from "./search-fixture.ts";

interface MadeEvent {
  id: string;
  type: EventType;
  created: number;
  charge: string | null;
  refund: string | null;
  batch: string | null;
}

const TYPES = ["refund.created", "refund.succeeded", "refund.failed", "refund.updated"] as const;

/** Thirty events of three refunds of two charges, and one of a batch. */
async function pastEvents(app: TestApp) {
  const charges = [mintId("charge", random), mintId("charge", random)];
  const made = Array.from({ length: 3 }, (_, i) => ({
    refund: mintId("refund", random),
    charge: charges[i % 2] as string,
  }));
  const events: MadeEvent[] = Array.from({ length: 30 }, (_, n) => ({
    id: mintId("event", random),
    type: TYPES[n % 4] as EventType,
    created: T + Math.floor(n / 4),
    batch: null,
    ...(made[n % 3] as { refund: string; charge: string }),
  }));
  events.push({
    id: mintId("event", random),
    type: "batch_refund.succeeded",
    created: T,
    charge: null,
    refund: null,
    batch: mintId("batch", random),
  });
  await env.DB.batch([
    ...made.map(({ refund, charge }) =>
      env.DB.prepare(
        `INSERT INTO refunds (app, livemode, id, charge, seq, version, status, state, channel, currency, amount, created, doc)
         VALUES (?, 0, ?, ?, 1, 1, 'succeeded', 'succeeded', 'wx', 'cny', 1, ?, '{}')`,
      ).bind(app.id, refund, charge, T),
    ),
    ...events.map((event) =>
      env.DB.prepare(
        "INSERT INTO events (app, livemode, id, type, charge, refund, batch, created, body) VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?)",
      ).bind(
        app.id,
        event.id,
        event.type,
        event.charge,
        event.refund,
        event.batch,
        event.created,
        JSON.stringify({ id: event.id, pending_webhooks: 0 }),
      ),
    ),
  ]);
  const newestFirst = events
    .map((event, i) => ({ event, i }))
    .sort((a, b) => b.event.created - a.event.created || b.i - a.i)
    .map(({ event }) => event);
  return { charges, made, batch: events.at(-1)?.batch as string, newestFirst };
}

describe("a search for events", () => {
  it("finds by type, charge, refund, batch and time exactly what meets them, page by page", async () => {
    const app = await TestApp.create();
    const { charges, made, batch, newestFirst } = await pastEvents(app);
    const refund = made[1]?.refund as string;
    const queries: [string, (event: MadeEvent) => boolean][] = [
      ["type=refund.failed", ({ type }) => type === "refund.failed"],
      ["type=refund.failed,refund.created", ({ type }) => /failed|created/.test(type)],
      ["type[]=refund.failed&type[]=refund.created", ({ type }) => /failed|created/.test(type)],
      ["type=refund.failed&type=refund.created", ({ type }) => /failed|created/.test(type)],
      ["type=refund.failed&type[]=refund.created", ({ type }) => /failed|created/.test(type)],
      ["type=refund.failed,refund.failed", ({ type }) => type === "refund.failed"],
      [`charge=${charges[0]}`, ({ charge }) => charge === charges[0]],
      [`refund=${refund}`, (event) => event.refund === refund],
      [`refund=${refund}&charge=${charges[1]}`, (event) => event.refund === refund],
      [`refund=${refund}&charge=${charges[0]}`, () => false],
      [`batch=${batch}`, (event) => event.batch === batch],
      [
        `charge=${charges[0]}&type=refund.updated,refund.failed&created[gte]=${T + 2}`,
        (event) => event.charge === charges[0] && /updated|failed/.test(event.type) && event.created >= T + 2,
      ],
      ["charge=ch_000000000000000000000000", () => false],
      ["refund=re_000000000000000000000000", () => false],
    ];
    for (const [query, meets] of queries) {
      const wanted = newestFirst.filter(meets).map(({ id }) => id);
      expect([query, await walk(app, `/v1/events?${query}`, 4)]).toEqual([query, wanted]);
      const { total } = await page(app, `/v1/events?${query}&include=total_count`);
      expect([query, total]).toEqual([query, wanted.length]);
    }
  });

  it("finds the events of a refund as they happen, and nothing for another app", async () => {
    const app = await TestApp.create();
    const stranger = await TestApp.create();
    const charge = await app.charge();
    const [{ body: first }, { body: second }] = [
      await app.refund(charge, { amount: 1 }),
      await app.refund(charge, { amount: 2, description: "[sandbox:declined]" }),
    ];
    const about = async (query: string, of = app) =>
      (await of.get<{ data: { type: string }[] }>(`/v1/events?${query}`)).body.data.map(({ type }) => type);
    await eventually(async () => (await about(`refund=${second.id}`)).includes("refund.failed"));
    expect(await about(`refund=${first.id}&type=refund.succeeded,refund.failed`)).toEqual([
      "refund.succeeded",
    ]);
    expect(await about(`charge=${charge.id}&type=refund.succeeded,refund.failed`)).toEqual([
      "refund.failed",
      "refund.succeeded",
    ]);
    expect(await about(`charge=${charge.id}`, stranger)).toEqual([]);
    expect(await about(`refund=${first.id}`, stranger)).toEqual([]);
  });

  it.each([
    ["type=refund.failed,charge.created", "type"],
    ["type=", "type"],
    ["type[]=", "type[]"],
    ["type[]=x", "type[]"],
    ["charge=re_000000000000000000000000", "charge"],
    ["refund=1", "refund"],
    ["batch=1", "batch"],
    ["include=all", "include"],
  ])("?%s is refused, naming %s", async (query, param) => {
    const app = await TestApp.create();
    const { status, body } = await app.get(`/v1/events?${query}`);
    expect([status, body.error.param]).toEqual([400, param]);
  });
});
