// A shop between its channel and its receiver, both of which keep books of their own: at the end of a story those, the
// ledger, D1 and what clients are shown must tell the same of every charge.
import { createScheduledController } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterAll, afterEach, beforeAll, beforeEach, expect, vi } from "vitest";
import type { Export } from "../../src/charges/ledger-calls.ts";
import type { ChargeObject } from "../../src/charges/schema.ts";
import worker from "../../src/index.ts";
import { EVERY_MINUTE } from "../../src/reconciliation/scheduled.ts";
import { type Refund, refundOrderNo, statusOf } from "../../src/refunds/refund.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { addKey } from "../exam.ts";
import { eventually, TestApp } from "../harness.ts";
import { ChannelBooks } from "../worker/channel-books.ts";
import { endOutages, listen, stopListening } from "./outage.ts";

const CHANNEL_URL = "http://127.0.0.1:1";

/** Something a receiver was told. */
interface Told {
  id: string;
  type: string;
  refund: string;
}

const receivers = new Map<string, Told[]>();
let books = new ChannelBooks();

/** Puts the test in the place of the test mode's channel and of all receivers; call it once, before anything else. */
export function shopsOfThisFile(): void {
  const real = globalThis.fetch;
  beforeAll(() => {
    env.SANDBOX_URL = CHANNEL_URL;
    globalThis.fetch = async (input, init) => {
      const request = new Request(input as RequestInfo, init as RequestInit);
      if (request.url.startsWith(CHANNEL_URL)) return await books.answer(request);
      const receiver = receivers.get(request.url);
      if (receiver === undefined) return await real(input, init);
      const { type, data } = JSON.parse(await request.text());
      const id = request.headers.get("webhook-id") ?? "";
      if (type !== "webhook_endpoint.ping") receiver.push({ id, type, refund: data.object.id });
      return new Response("ok");
    };
  });
  beforeEach(() => {
    books = new ChannelBooks();
    listen();
  });
  afterEach(() => {
    endOutages();
    stopListening();
  });
  afterAll(() => {
    globalThis.fetch = real;
    env.SANDBOX_URL = undefined;
  });
}

interface Expected {
  livemode?: boolean;
  /** What moved at a channel other than the sandbox, by refund. */
  moved?: (refund: Refund) => number;
  /** Refunds whose events D1 has lost. */
  forgotten?: { id: string }[];
  /** Wake-ups were lost: it takes the cron. */
  cron?: boolean;
}

export class Shop {
  readonly app: TestApp;
  /** What its receiver was told. */
  readonly told: Told[];

  private constructor(app: TestApp, told: Told[]) {
    this.app = app;
    this.told = told;
  }

  /** A shop with a receiver that hears of everything, in one mode. */
  static async open({ app, live = false }: { app?: TestApp; live?: boolean } = {}): Promise<Shop> {
    const owner = app ?? (await TestApp.create());
    const url = `https://${owner.id.replace("_", "-").toLowerCase()}.example.com/hooks`;
    const told: Told[] = [];
    receivers.set(url, told);
    const enabled_events = ["*", "refund.created", "refund.updated"];
    const made = await owner.post<{ id: string }>("/v1/webhook_endpoints", { url, enabled_events }, { live });
    await eventually(async () => {
      const path = `/v1/webhook_endpoints/${made.body.id}`;
      return (await owner.get<{ status: string }>(path, { live })).body.status === "enabled";
    });
    return new Shop(owner, told);
  }

  /** The books of the test mode's channel. */
  get books(): ChannelBooks {
    return books;
  }

  /** A test key that nobody has used yet. */
  async anotherKey(): Promise<{ headers: { Authorization: string } }> {
    return { headers: { Authorization: `Bearer ${await addKey(this.app, {})}` } };
  }

  async book(charge: { id: string }, livemode = false): Promise<Export> {
    const answer = await this.app.ledger(charge, livemode).export();
    if (!("ok" in answer)) throw new Error("the ledger has nothing");
    return answer.ok as Export;
  }

  /** Waits until everything has arrived everywhere, and all books agree about the charge. */
  async expectCoherent(charge: { id: string }, expected: Expected = {}): Promise<void> {
    const look = async () => {
      if (expected.cron) await sweepNow();
      await this.#agree(charge, expected);
    };
    await vi.waitFor(look, { timeout: 10_000, interval: 25 });
  }

  async #agree(charge: { id: string }, { livemode = false, moved, forgotten = [] }: Expected): Promise<void> {
    const book = await this.book(charge, livemode);
    const { refunds } = book;
    const sum = (of: Refund[]) => of.reduce((total, { amount }) => total + amount, 0);
    const ofStatus = (status: string) => refunds.filter(({ state }) => statusOf(state) === status);
    const succeeded = sum(ofStatus("succeeded"));
    expect(book.undelivered).toEqual([]);

    // The channel: what is booked as succeeded is what has moved, refund by refund, and never more than was paid.
    const movedOf =
      moved ??
      ((refund: Refund) => {
        const entry = books.known.get(refundOrderNo(refund.id));
        return entry?.effect === "succeeded" ? entry.submission.amount : 0;
      });
    for (const refund of refunds) {
      expect([refund.id, movedOf(refund)]).toEqual([
        refund.id,
        refund.state === "succeeded" ? refund.amount : 0,
      ]);
    }
    if (moved === undefined) expect(books.moved(charge.id)).toBe(succeeded);
    expect(succeeded).toBeLessThanOrEqual(book.charge.amount);

    // D1: the same refunds in the same versions, and the sums that lists show.
    const rows = await rowsOf("refunds", charge.id, "seq");
    expect(rows.map(({ id, seq, version, state, amount }) => ({ id, seq, version, state, amount }))).toEqual(
      refunds.map(({ id, seq, version, state, amount }) => ({ id, seq, version, state, amount })),
    );
    const [row] = await rowsOf("charges", charge.id, "seq");
    expect({ ...row, doc: JSON.parse(String(row?.doc)) }).toMatchObject({
      doc: book.charge,
      version: refunds.reduce((total, { version }) => total + version, book.charge.version),
      freeze: book.freeze,
      amount_refunded: succeeded + book.charge.refundedElsewhere,
      amount_pending: sum(ofStatus("pending")),
    });

    // Clients: the charge and its refunds, newest first.
    const shown = await this.app.get<ChargeObject>(`/v1/charges/${charge.id}`, { live: livemode });
    expect(shown.body).toMatchObject({
      amount_refunded: succeeded + book.charge.refundedElsewhere,
      amount_pending_refund: sum(ofStatus("pending")),
    });
    const listed = (shown.body.refunds as { data: RefundObject[] }).data.map(({ id, status }) => [
      id,
      status,
    ]);
    expect(listed).toEqual(refunds.map(({ id, state }) => [id, statusOf(state)]).reverse());

    // Events: one for each transition, in order, each delivered to the receiver, which was told once.
    const events = (await rowsOf("events", charge.id, "seq")).filter(({ type }) => type !== "refund.updated");
    for (const { id, state } of refunds.filter(({ id }) => !forgotten.some((lost) => lost.id === id))) {
      const status = statusOf(state);
      const types = ["refund.created", ...(status === "pending" ? [] : [`refund.${status}`])];
      expect([id, ...events.filter(({ refund }) => refund === id).map(({ type }) => type)]).toEqual([
        id,
        ...types,
      ]);
      expect(
        this.told
          .filter((one) => one.refund === id)
          .map(({ type }) => type)
          .sort(),
      ).toEqual(types.sort());
    }
    for (const event of events) {
      const { results } = await env.DB.prepare("SELECT status FROM deliveries WHERE event = ?")
        .bind(event.id)
        .all();
      expect(results).toEqual([{ status: "delivered" }]);
      expect(this.told.filter(({ id }) => id === event.id)).toHaveLength(1);
    }
  }
}

/** The cron's minute. */
export function sweepNow(now = Date.now()): Promise<void> {
  const controller = createScheduledController({ cron: EVERY_MINUTE, scheduledTime: new Date(now) });
  return worker.scheduled(controller, env);
}

async function rowsOf(
  table: "charges" | "refunds" | "events",
  charge: string,
  order: string,
): Promise<Record<string, unknown>[]> {
  const column = table === "charges" ? "id" : "charge";
  const query = `SELECT * FROM ${table} WHERE ${column} = ? ORDER BY ${order}`;
  return (await env.DB.prepare(query).bind(charge).all()).results;
}
