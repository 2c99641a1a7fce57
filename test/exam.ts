// What the exam of every route asks with: bodies that pass validation, ids by name, keys, and what any error must be.
import { env } from "cloudflare:workers";
import { expect } from "vitest";
import { hashKey, mintKey } from "../src/auth/api-key.ts";
import { DEFAULT_SCOPES, type Scope } from "../src/auth/scope.ts";
import type { Route } from "../src/http/registry.ts";
import { mintId } from "../src/ids.ts";
import { ledgersInUse, storedRows } from "./books.ts";
import { type Answer, type ErrorObject, random, type TestApp } from "./harness.ts";

/** Bodies that pass validation, where `{}` does not, so that the question is the one that is asked. */
const BODIES: Record<string, unknown> = {
  "POST /v1/charges/:charge/disputes": { id: "dp_1", status: "opened", amount: 1 },
  "POST /v1/charges/:charge/refunds/:refund/claim": { by: "Li" },
  "POST /v1/charges/:charge/refunds/:refund/resolve": { outcome: "failed", by: "Li", reason: "Lost" },
  "POST /v1/charges/:charge/refunds/:refund/approve": { by: "Li" },
  "POST /v1/charges/:charge/refunds/:refund/reject": { by: "Li", reason: "Not agreed" },
  "POST /v1/batch_refunds": {
    batch_no: "exam1",
    charges: [{ charge: "ch_000000000000000000000000", amount: 1 }],
    description: "Returned",
  },
  "POST /v1/charges/:charge/adopt": { by: "Li", reason: "Looked at" },
  "POST /v1/ledgers/adopt": { by: "Li", reason: "Moved" },
  "POST /v1/ledgers/rebuild": { charges: ["ch_000000000000000000000000"] },
  "POST /v1/apps": { name: "Branch" },
  "POST /v1/apps/:app/keys": { name: "exam", scopes: ["refunds:read"] },
  "POST /v1/channel_accounts": { channel: "manual", credentials: { note: "by hand" } },
  "POST /v1/charges": { order_no: "1", channel: "wx", amount: 100, paid: true },
  "POST /v1/charges/:charge/refunds": { amount: 1, description: "Returned" },
  "POST /v1/webhook_endpoints": { url: "https://shop.example.com/hooks" },
  "POST /v1/webhook_endpoints/:endpoint/recover": { since: 1, until: 2 },
  "POST /v1/events/:event/resend": { endpoint: "we_000000000000000000000000" },
};
/** Ids that nobody has. */
export const GUESSES: Record<string, () => string> = {
  account: () => mintId("channelAccount", random),
  app: () => mintId("app", random),
  key: () => mintId("apiKey", random),
  batch: () => mintId("batch", random),
  charge: () => mintId("charge", random),
  refund: () => mintId("refund", random),
  event: () => mintId("event", random),
  endpoint: () => mintId("endpoint", random),
  delivery: () => mintId("delivery", random),
  dead_letter: () => mintId("deadLetter", random),
};

export const nameOf = (route: Route) => `${route.method} ${route.path}`;
export const paramsOf = (route: Route) =>
  [...route.path.matchAll(/:(\w+)/g)].map((match) => match[1] as string);
/** One object of each kind, by the name routes have for it. */
export type Objects = Record<string, string>;

export function pathOf(route: Route, objects: Objects): string {
  return route.path.replace(/:(\w+)/g, (_, name: string) => {
    const id = objects[name];
    if (id === undefined) throw new Error(`the exam has no id for :${name} of ${route.path}; give it one`);
    return id;
  });
}

export const bodyOf = (route: Route) => (route.method === "GET" ? undefined : (BODIES[nameOf(route)] ?? {}));

export async function addKey(
  app: TestApp,
  columns: { scopes?: readonly Scope[]; expires?: number; revoked?: number },
) {
  const key = mintKey(false, random);
  await env.DB.prepare(
    "INSERT INTO api_keys (hash, id, app, livemode, name, scopes, created, expires_at, revoked_at) VALUES (?, ?, ?, 0, 'exam', ?, 0, ?, ?)",
  )
    .bind(
      await hashKey(key),
      mintId("apiKey", random),
      app.id,
      JSON.stringify(columns.scopes ?? DEFAULT_SCOPES),
      columns.expires ?? null,
      columns.revoked ?? null,
    )
    .run();
  return key;
}

/** A delivery that has arrived, and a letter about it: nothing is on its way while the exam counts what is stored. */
export async function addDelivery(app: TestApp, event: string, endpoint: string) {
  const [delivery, letter] = [mintId("delivery", random), mintId("deadLetter", random)];
  const message = JSON.stringify({ delivery, app: app.id, livemode: false });
  await env.DB.batch([
    env.DB.prepare(
      "INSERT INTO deliveries (id, app, livemode, event, endpoint, status, attempts, created_at, ended_at) VALUES (?, ?, 0, ?, ?, 'delivered', 1, 1, 2)",
    ).bind(delivery, app.id, event, endpoint),
    env.DB.prepare(
      "INSERT INTO delivery_attempts (delivery, number, trigger, started_at, duration_ms, http_status, answer) VALUES (?, 1, 'auto', 1, 1, 200, ?)",
    ).bind(delivery, `thank you, ${app.id}`),
    env.DB.prepare(
      "INSERT INTO dead_letters (id, app, livemode, queue, message, created_at) VALUES (?, ?, 0, 'webhook-deliveries', ?, 1)",
    ).bind(letter, app.id, message),
  ]);
  return { delivery, letter };
}

/** A batch that has ended, kept as such: nothing is on its way while the exam counts what is stored. */
export async function addBatch(app: TestApp, charge: string, refund: string): Promise<string> {
  const id = mintId("batch", random);
  const items = [{ charge, orderNo: "1", refund, amount: 100 }];
  await env.DB.prepare(
    "INSERT INTO batch_refunds (app, livemode, id, batch_no, description, metadata, items, fingerprint, request, status, created) VALUES (?, 0, ?, 'exam', 'Returned', '{}', ?, '', '', 'succeeded', 1)",
  )
    .bind(app.id, id, JSON.stringify(items))
    .run();
  return id;
}

/** The id of an app's own live key. */
export async function liveKeyOf(app: TestApp): Promise<string> {
  const hash = await hashKey(app.liveKey);
  const id = await env.DB.prepare("SELECT id FROM api_keys WHERE hash = ?").bind(hash).first<string>("id");
  if (id === null) throw new Error("the app has no live key");
  return id;
}

/** The answer is an error and nothing but an error: JSON, marked, and silent about what is behind it. */
export function expectError(answer: Answer<ErrorObject>, status: number): void {
  expect({ status: answer.status, text: answer.text }).toMatchObject({ status });
  expect(answer.headers.get("Content-Type")).toBe("application/json; charset=utf-8");
  expect(answer.headers.get("Request-Id")).toMatch(/^iar_[0-9A-Za-z]{24}$/);
  expect(answer.headers.get("Cache-Control")).toBe("no-store");
  expect(Object.keys(answer.body)).toEqual(["error"]);
  const { error } = answer.body;
  expect(["invalid_request_error", "api_error", "channel_error"]).toContain(error.type);
  expect(error.message).not.toBe("");
  for (const value of Object.values(error)) expect(value).toBeTypeOf("string");
  expect(answer.text).not.toMatch(
    /<html|<!doctype|\.ts\b|node_modules|\bat \w+ \(|sqlite|d1_|select |insert /i,
  );
  expect(answer.text).not.toMatch(/sk_(test|live)_[0-9A-Za-z]/);
}

/** Nothing is stored meanwhile: every row of D1 stays what it is, and no ledger comes to hold anything. */
export async function expectNothingStored(attempt: () => Promise<void>): Promise<void> {
  const [rows, ledgers] = [await storedRows(), await ledgersInUse()];
  await attempt();
  expect(await storedRows()).toEqual(rows);
  expect(await ledgersInUse()).toEqual(ledgers);
}
