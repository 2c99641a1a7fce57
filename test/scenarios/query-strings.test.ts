// Query strings carry order numbers, words and ids that people are searched by. What is written to the log must hold none
// of it: not of requests that are right, nor of those that are wrong, nor while D1 or the ledgers fail.
import { env, exports } from "cloudflare:workers";
import { afterEach, beforeAll, beforeEach, describe, expect, it, type MockInstance, vi } from "vitest";
import { SCOPES } from "../../src/auth/scope.ts";
import { database } from "../../src/db/client.ts";
import { findRefund } from "../../src/refunds/repository.ts";
import { routes } from "../../src/routes.ts";
import { GUESSES, nameOf, pathOf } from "../exam.ts";
import { BASE, TestApp } from "../harness.ts";
import { d1, endOutages, hurry, ledgers } from "./outage.ts";

const SECRET = "s3cret0rder";
const LEVELS = ["debug", "error", "info", "log", "trace", "warn"] as const;
/** The secret where each filter takes a value, and where none does. */
const NAMES = [
  ...["order_no", "refund_no", "transaction_no", "q", "text", "description", "metadata[order]", "metadata"],
  ...["channel", "status", "currency", "charge", "created", "created[gte]", "amount[gte]", "limit", "sort"],
  ...["starting_after", "ending_before", "include", "include[]", "group_by", "time_zone", "format", "type"],
  ...["attention", "delivery_status", "event", "endpoint", SECRET],
];
const QUERIES = [
  ...NAMES.map((name) => `${encodeURIComponent(name)}=${SECRET}`),
  NAMES.map((name) => `${encodeURIComponent(name)}=${SECRET}`).join("&"),
  `${SECRET}`,
  `%E0%A4%A=${SECRET}`,
  `order_no=${SECRET}%00`,
  `order_no=${SECRET}%0A%20%20%20%20at%20${SECRET}`,
];

let app: TestApp;
let logged: string[];
let ears: MockInstance[];

const reads = routes.filter(({ method }) => method === "GET");
const guesses = Object.fromEntries(Object.entries(GUESSES).map(([name, guess]) => [name, guess()]));

/** Everything that anybody said, however deep it is inside. */
function text(value: unknown): string {
  if (!(value instanceof Error)) return typeof value === "string" ? value : JSON.stringify(value);
  return [value.name, value.message, value.stack, value.cause === undefined ? "" : text(value.cause)].join(
    " ",
  );
}

beforeAll(async () => {
  app = await TestApp.create({ settings: { rate_limit: 10_000 }, scopes: SCOPES });
  // Keys are looked up once and then remembered.
  await app.get("/v1/charges");
});

beforeEach(() => {
  logged = [];
  ears = LEVELS.map((level) =>
    vi
      .spyOn(console, level)
      .mockImplementation((...words: unknown[]) => void logged.push(words.map(text).join(" "))),
  );
});

afterEach(() => {
  endOutages();
  for (const ear of ears) ear.mockRestore();
});

async function askAll(
  path: string,
  headers: Record<string, string> = {},
  queries = QUERIES,
): Promise<number[]> {
  const statuses: number[] = [];
  for (const query of queries) {
    const answer = await exports.default.fetch(`${BASE}${path}?${query}`, {
      headers: { Authorization: `Bearer ${app.testKey}`, ...headers },
    });
    // An export may end in an error, and the runtime warns of what it does not take for text.
    await answer.arrayBuffer().catch(() => null);
    statuses.push(answer.status);
  }
  return statuses;
}

function expectSilence(): void {
  expect(logged.filter((line) => line.includes(SECRET))).toEqual([]);
}

describe.each(reads.map((route) => [nameOf(route), route] as const))("%s", (_, route) => {
  const path = pathOf(route, guesses);

  it("says nothing of a query string, be it right or wrong", async () => {
    await askAll(path);
    await askAll(path, { Authorization: `Bearer sk_test_${SECRET}` });
    expectSilence();
  });

  it("says nothing of it while D1 and the ledgers fail, although their errors carry it", async () => {
    d1("throws");
    ledgers("throws", ["read"]);
    hurry();
    const statuses = await askAll(path, {}, QUERIES.slice(0, 8));
    // What limits are used up an app's budget remembers for a while.
    if (path !== "/v1/limits") expect(statuses.some((status) => status >= 400)).toBe(true);
    expectSilence();
  });
});

it("D1's failures do say it: the log is silent because we are", async () => {
  d1("throws");
  const failure = await findRefund(database(env, app.id, false), app.id, false, SECRET).catch(text);
  expect(failure).toContain(SECRET);
  const answer = await app.get(`/v1/refunds?channel=${SECRET}`);
  expect(answer.status).toBe(503);
  expect(logged.some((line) => line.includes('"failure":"d1"'))).toBe(true);
  expectSilence();
});

it("a path that no route has is not written down either", async () => {
  await askAll(`/v1/${SECRET}`);
  expectSilence();
});
