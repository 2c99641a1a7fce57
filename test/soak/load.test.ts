import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Answer, type Ask, outcomeOf } from "./ask.ts";
import { latencyOf } from "./figures.ts";
import { newTally, sendSteadily } from "./load.ts";

const STALL_MS = 600;
const IDS = { "request-id": `iar_${"0".repeat(24)}` };

/** Answers at once, but for one stall. */
let stalledFrom = Number.POSITIVE_INFINITY;
const server = createServer(async (_, response) => {
  const left = stalledFrom + STALL_MS - performance.now();
  if (left > 0 && left <= STALL_MS) await sleep(left);
  response.writeHead(200, IDS).end("{}");
});
let url = "";

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const ask = (change: Partial<Ask> = {}): Ask => ({
  kind: "retrieve",
  shop: { app: "app", key: "key" },
  method: "GET",
  path: "/",
  judge: () => null,
  ...change,
});

describe("a steady load", () => {
  it("keeps its rate through a stall, and counts the waiting of those who could not be sent", async () => {
    const tally = newTally();
    stalledFrom = performance.now() + 300;
    const load = { url, connections: 2, draw: () => ask(), stop: new AbortController().signal };
    await sendSteadily(load, 100, 1_500, () => [tally]);
    const latencies = tally.byKind.get("retrieve")?.latencies ?? [];
    expect(latencies).toHaveLength(150);
    expect(tally.outcomes).toEqual({ right: 150, wrong: 0, "turned away": 0, unanswered: 0 });
    // Only two requests were under way when it stalled; some sixty were due.
    expect(latencies.filter((latency) => latency > 100).length).toBeGreaterThan(40);
    expect(latencyOf(latencies).max).toBeGreaterThan(STALL_MS - 50);
  });

  it("says how many requests were never sent because nobody answered in time", async () => {
    const tally = newTally();
    const load = { url, connections: 1, draw: () => ask(), stop: new AbortController().signal };
    await sendSteadily(load, 100, 200, () => [tally], 0);
    expect(tally.unsent + tally.outcomes.right).toBe(20);
    stalledFrom = performance.now();
    const stalled = newTally();
    await sendSteadily(load, 100, 200, () => [stalled], 0);
    expect(stalled.unsent).toBeGreaterThan(10);
  });
});

describe("an answer", () => {
  const headers = { ...IDS, "retry-after": "5" };
  const error = JSON.stringify({ error: { type: "api_error", message: "Please try again." } });
  const outcome = (answer: Partial<Answer>, change: Partial<Ask> = {}) =>
    outcomeOf(ask(change), { status: 200, headers, text: "{}", ...answer }).outcome;

  it("may be an honest 503 and nothing else above 499", () => {
    const strict = { judge: ({ status }: Answer) => (status === 200 ? null : "wrong") };
    expect(outcome({}, strict)).toBe("right");
    expect(outcome({ status: 503, text: error }, strict)).toBe("turned away");
    expect(outcome({ status: 503, text: error, headers: IDS }, strict)).toBe("wrong");
    expect(outcome({ status: 503, text: "<html>" }, strict)).toBe("wrong");
    expect(outcome({ status: 500, text: error }, strict)).toBe("wrong");
    expect(outcome({ status: null, text: "" }, strict)).toBe("unanswered");
  });

  it("has a Request-Id", () => {
    expect(outcome({ headers: {} })).toBe("wrong");
  });
});
