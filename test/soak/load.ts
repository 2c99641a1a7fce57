// The load: so many connections, each with one request at a time. At a steady rate every request has a time at which it
// is due, whether or not a connection is free then, and its latency is counted from that time: a service that stalls
// keeps everybody waiting who came meanwhile.
import { Agent, request as httpRequest } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { type Answer, type Ask, type Kind, type Outcome, outcomeOf } from "./ask.ts";
import { dueAt } from "./figures.ts";

const ANSWER_MS = 30_000;
/** How long requests that are overdue when the time is over may still be sent. */
const OVERDUE_MS = 30_000;
const WRONG_MAX = 20;

export interface Load {
  url: string;
  connections: number;
  /** The next request; it is drawn when it is sent. */
  draw: () => Ask;
  /** No more requests from then on. */
  stop: AbortSignal;
}

export interface Tally {
  outcomes: Record<Outcome, number>;
  byKind: Map<Kind, { latencies: number[]; failed: number }>;
  /** The first wrong answers, in words. */
  wrong: string[];
  /** Were due and never sent, because the service was too far behind. */
  unsent: number;
}

export function newTally(): Tally {
  return {
    outcomes: { right: 0, wrong: 0, "turned away": 0, unanswered: 0 },
    byKind: new Map(),
    wrong: [],
    unsent: 0,
  };
}

/** Keeps the rate for so long. */
export async function sendSteadily(
  load: Load,
  perSecond: number,
  durationMs: number,
  tallies: () => readonly Tally[],
  overdueMs = OVERDUE_MS,
): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: load.connections });
  const started = performance.now();
  let next = 0;
  const client = async () => {
    while (!load.stop.aborted) {
      const due = dueAt(next, perSecond);
      if (due >= durationMs || performance.now() - started > durationMs + overdueMs) return;
      next++;
      const early = due - (performance.now() - started);
      if (early > 0) await sleep(early);
      if (load.stop.aborted) return;
      const ask = load.draw();
      const answer = await send(agent, load.url, ask);
      count(tallies(), ask, answer, performance.now() - started - due);
    }
  };
  await Promise.all(Array.from({ length: load.connections }, client));
  agent.destroy();
  if (load.stop.aborted) return;
  const planned = Math.ceil((durationMs / 1000) * perSecond);
  for (const tally of tallies()) tally.unsent += Math.max(0, planned - next);
}

/** Each connection asks again as soon as it was answered. Returns how many requests there were. */
export async function sendFlatOut(load: Load, durationMs: number, tally: Tally): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: load.connections });
  const started = performance.now();
  let sent = 0;
  const client = async () => {
    while (!load.stop.aborted && performance.now() - started < durationMs) {
      const ask = load.draw();
      const asked = performance.now();
      sent++;
      count([tally], ask, await send(agent, load.url, ask), performance.now() - asked);
    }
  };
  await Promise.all(Array.from({ length: load.connections }, client));
  agent.destroy();
  return sent;
}

function count(tallies: readonly Tally[], ask: Ask, answer: Answer, latencyMs: number): void {
  const { outcome, words } = outcomeOf(ask, answer);
  for (const tally of tallies) {
    tally.outcomes[outcome]++;
    const kind = tally.byKind.get(ask.kind) ?? { latencies: [], failed: 0 };
    tally.byKind.set(ask.kind, kind);
    kind.latencies.push(latencyMs);
    if (outcome !== "right") kind.failed++;
    if (words !== null && tally.wrong.length < WRONG_MAX) tally.wrong.push(words);
  }
}

export function send(agent: Agent, url: string, ask: Ask): Promise<Answer> {
  const headers: Record<string, string | number> = {
    Authorization: `Bearer ${ask.shop.key}`,
    ...ask.headers,
  };
  if (ask.body !== undefined) headers["Content-Length"] = Buffer.byteLength(ask.body);
  return new Promise((resolve) => {
    const nothing = () => resolve({ status: null, headers: {}, text: "" });
    const call = httpRequest(`${url}${ask.path}`, { agent, method: ask.method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", nothing);
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      });
    });
    call.setTimeout(ANSWER_MS, () => call.destroy(new Error("no answer in time")));
    call.on("error", nothing);
    call.end(ask.body);
  });
}
