// A shop where two people have keys: a clerk who makes refunds, and a manager who decides on them. It sees the whole of a
// refund: what clients read of it and of its charge, D1's row, its events, its timeline, and what the channel was asked.
import { env } from "cloudflare:workers";
import { expect } from "vitest";
import { hashKey, mintKey } from "../../src/auth/api-key.ts";
import { DEFAULT_SCOPES, type Scope } from "../../src/auth/scope.ts";
import type { Export, ExportAnswer } from "../../src/charges/ledger-calls.ts";
import type { ChargeObject } from "../../src/charges/schema.ts";
import { mintId } from "../../src/ids.ts";
import type { Refund } from "../../src/refunds/refund.ts";
import type { RefundObject, timelineEntrySchema } from "../../src/refunds/schema.ts";
import { addKey } from "../exam.ts";
import { type Answer, type ErrorObject, eventually, random, type Sent, TestApp } from "../harness.ts";
import { type ChannelBooks, freshBooks } from "./channel-books.ts";

export type TimelineObject = (typeof timelineEntrySchema)["_output"];
export type Verb = "cancel" | "approve" | "reject" | "sync" | "claim" | "resolve";
export type Decided = Answer<RefundObject & ErrorObject>;

interface Row {
  status: string;
  state: string;
  version: number;
  approval: string | null;
  attention: string | null;
  doc: Refund;
}

export class Office {
  readonly app: TestApp;
  readonly books: ChannelBooks;
  /** A second key, with every scope. */
  readonly manager: Sent;

  private constructor(app: TestApp, books: ChannelBooks, manager: Sent) {
    this.app = app;
    this.books = books;
    this.manager = manager;
  }

  static async open(settings: Record<string, unknown> = {}): Promise<Office> {
    const books = freshBooks();
    const app = await TestApp.create({ settings });
    return new Office(app, books, await keyOf(app));
  }

  /** Another key of the app. */
  key(scopes?: readonly Scope[]): Promise<Sent> {
    return keyOf(this.app, scopes);
  }

  /** Another live key of the app. */
  async liveKey(): Promise<Sent> {
    const key = mintKey(true, random);
    await env.DB.prepare(
      "INSERT INTO api_keys (hash, id, app, livemode, name, scopes, created) VALUES (?, ?, ?, 1, 'office', ?, 0)",
    )
      .bind(await hashKey(key), mintId("apiKey", random), this.app.id, JSON.stringify(DEFAULT_SCOPES))
      .run();
    return { headers: { Authorization: `Bearer ${key}` } };
  }

  /** Does something to a refund; with the clerk's key unless another is given. */
  decide(
    verb: Verb,
    { id, charge }: Pick<RefundObject, "id" | "charge">,
    body: Record<string, unknown> = {},
    sent: Sent = {},
  ): Promise<Decided> {
    return this.app.post(`/v1/charges/${charge}/refunds/${id}/${verb}`, body, sent);
  }

  approve(refund: RefundObject, body: Record<string, unknown> = {}, sent = this.manager): Promise<Decided> {
    return this.decide("approve", refund, { by: "Wang", ...body }, sent);
  }

  reject(refund: RefundObject, body: Record<string, unknown> = {}, sent = this.manager): Promise<Decided> {
    return this.decide("reject", refund, { by: "Wang", reason: "Not agreed", ...body }, sent);
  }

  update(refund: RefundObject, body: Record<string, unknown>, sent: Sent = {}): Promise<Decided> {
    return this.app.post(`/v1/charges/${refund.charge}/refunds/${refund.id}`, body, sent);
  }

  reverse(
    charge: { id: string },
    body: Record<string, unknown> = {},
    sent: Sent = {},
  ): Promise<Answer<ChargeObject & ErrorObject>> {
    return this.app.post(`/v1/charges/${charge.id}/reverse`, body, sent);
  }

  async timeline(refund: { id: string; charge: string }): Promise<TimelineObject[]> {
    const path = `/v1/charges/${refund.charge}/refunds/${refund.id}/timeline`;
    const answer = await this.app.get<{ data: TimelineObject[] }>(path);
    expect([answer.status, answer.text]).toEqual([200, answer.text]);
    return answer.body.data;
  }

  /** The whole book of a charge. */
  async book({ id }: { id: string }): Promise<Export> {
    const answer = (await this.app.ledger({ id }).export()) as ExportAnswer;
    if (!("ok" in answer)) throw new Error(`the ledger of ${id} has no book`);
    return answer.ok;
  }

  /** D1's row, once it has everything the ledger has. */
  async row(refund: { id: string; charge: string }): Promise<Row> {
    return await eventually(async () => {
      const { refunds, undelivered } = await this.book({ id: refund.charge });
      const ours = refunds.find(({ id }) => id === refund.id);
      const row = await env.DB.prepare(
        "SELECT status, state, version, approval, attention, doc FROM refunds WHERE app = ? AND id = ?",
      )
        .bind(this.app.id, refund.id)
        .first<Omit<Row, "doc"> & { doc: string }>();
      const isTold = undelivered.length === 0 && row?.version === ours?.version;
      return isTold && row !== null && { ...row, doc: JSON.parse(row.doc) as Refund };
    });
  }

  /** The types of a refund's events, in order. */
  async events(refund: { id: string; charge: string }): Promise<string[]> {
    await this.row(refund);
    const { results } = await env.DB.prepare(
      "SELECT type FROM events WHERE app = ? AND refund = ? ORDER BY seq",
    )
      .bind(this.app.id, refund.id)
      .all<{ type: string }>();
    return results.map(({ type }) => type);
  }

  /** How often the channel was asked to pay it. */
  sendings({ order_no }: RefundObject): number {
    return this.books.submissions.filter(({ number }) => number === order_no).length;
  }

  /** Nothing was asked of the channel about it, and nothing is held for it. */
  async expectStopped(refund: RefundObject, failureCode: string): Promise<RefundObject> {
    const read = await this.app.retrieveRefund(refund);
    expect(read).toMatchObject({ status: "failed", succeed: false, failure_code: failureCode });
    expect(this.sendings(refund)).toBe(0);
    expect(this.books.queries).not.toContain(refund.order_no);
    const row = await this.row(refund);
    expect(row).toMatchObject({ status: "failed", state: "failed", doc: { attempts: 0, dueAt: null } });
    const types = await this.events(refund);
    expect(types.filter((type) => type === "refund.failed")).toHaveLength(1);
    expect(types).not.toContain("refund.succeeded");
    return read;
  }
}

async function keyOf(app: TestApp, scopes?: readonly Scope[]): Promise<Sent> {
  const key = await addKey(app, scopes === undefined ? {} : { scopes });
  return { headers: { Authorization: `Bearer ${key}` } };
}

export const codeOf = (answer: Answer<unknown>) => (answer.body as Partial<ErrorObject>).error?.code ?? null;

/** A row of D1's in place of what is told of it: the charge's. */
export async function chargeRow(
  app: TestApp,
  charge: { id: string },
): Promise<{ doc: { reversed: boolean }; amount_refunded: number; amount_pending: number } | null> {
  const row = await env.DB.prepare(
    "SELECT doc, amount_refunded, amount_pending FROM charges WHERE app = ? AND id = ?",
  )
    .bind(app.id, charge.id)
    .first<{ doc: string; amount_refunded: number; amount_pending: number }>();
  return row === null ? null : { ...row, doc: JSON.parse(row.doc) };
}
