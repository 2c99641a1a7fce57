// The Worker itself, as clients, the queue and the cron reach it: the product's whole application runs for every request,
// on a machine that may die or freeze under it. What must be true of any answer is checked here.
import { app } from "../../src/app.ts";
import { forgetKey } from "../../src/auth/authenticate.ts";
import type { Env } from "../../src/env.ts";
import { EVERY_MINUTE, sweep } from "../../src/reconciliation/scheduled.ts";
import { consumeCommands } from "../../src/reconciliation/sweep-commands.ts";
import type { World } from "./world.ts";

/** `Body`: what the client expects to read. */
export interface Answer<Body = unknown> {
  status: number;
  body: Body;
  /** What is wrong; undefined when nothing is. */
  problem: { message: string; code?: string; param?: string } | undefined;
  replayed: string | null;
}

export interface Question {
  key: string;
  method?: "GET" | "POST";
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
}

const SWEEP_MS = 60_000;
/** No answer by then is no answer at all. */
const PATIENCE_MS = 60_000;
const ORIGIN = "https://refunds.example";

export class Service {
  readonly #world: World;
  readonly #keys = new Set<string>();
  /** How often the sweeper sweeps, ms: every minute, or less often where days go by in which nothing happens. */
  sweepMs = SWEEP_MS;

  constructor(world: World) {
    this.#world = world;
    world.commands.consume = async (batch, machine) => {
      await this.#on(machine, (env) =>
        consumeCommands({ messages: batch, queue: "ledger-commands" } as never, env),
      );
    };
  }

  /** Asks over HTTP; null when there was no answer. */
  async ask<Body>({
    key,
    method = "POST",
    path,
    body,
    headers = {},
  }: Question): Promise<Answer<Body> | null> {
    const { dice, clock, faults } = this.#world;
    this.#keys.add(key);
    const request = new Request(`${ORIGIN}${path}`, {
      method,
      headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json", ...headers },
      body: method === "GET" ? undefined : JSON.stringify(body ?? {}),
    });
    if (dice.chance(faults.cold)) await forgetKey(request);
    const machine = this.#world.machine();
    const answered = this.#on(machine, async (env) => {
      const response = await app.fetch(request, env, CONTEXT as never);
      return { response, text: await response.text() };
    });
    const late = clock.sleep(PATIENCE_MS).then(() => null);
    const answer = await Promise.race([answered, machine.gone.then(() => null), late]);
    this.#world.done(machine);
    if (answer === null) return null;
    const { response, text } = answer;
    this.#checkAnswer(`${method} ${path}`, response, text);
    // The answer may get lost on its last way.
    if (dice.chance(this.#world.faults.answerLost)) return null;
    const read = JSON.parse(text);
    return {
      status: response.status,
      body: read,
      problem: read.error,
      replayed: response.headers.get("Idempotent-Replayed"),
    };
  }

  /** Sweeps until `until` (real time). */
  sweepUntil(until: number): void {
    const { clock } = this.#world;
    clock.after(this.sweepMs, () => {
      if (clock.time > until) return;
      void this.#sweep();
      this.sweepUntil(until);
    });
  }

  /** Create commands whose outcome nobody knows yet, by the refund they promise. */
  promised(): Set<string> {
    const rows = this.#world.d1.rows("SELECT refund FROM commands WHERE due_at IS NOT NULL");
    return new Set([...rows.map(({ refund }) => String(refund)), ...this.carried()]);
  }

  /** Those that only the queue has, where nobody can look them up. */
  carried(): Set<string> {
    const { commands, deadLetters } = this.#world;
    const messages = [...commands.waiting(), ...deadLetters];
    return new Set(messages.flatMap(({ command }) => (command ? [command.refund] : [])));
  }

  /** The words of all requests that were ever promised, as far as anybody keeps them. */
  promisedWords(): Set<string> {
    const rows = this.#world.d1.rows("SELECT json_extract(command, '$.metadata.word') AS word FROM commands");
    const { commands, deadLetters } = this.#world;
    const carried = [...commands.waiting(), ...deadLetters].map(({ command }) => command?.metadata.word);
    return new Set([...rows.map(({ word }) => String(word)), ...carried.map(String)]);
  }

  /** Whether a refund was ever promised instead of made. */
  wasPromised(refund: string): boolean {
    const [row] = this.#world.d1.rows("SELECT 1 FROM commands WHERE refund = ?", refund);
    return row !== undefined || this.promised().has(refund);
  }

  /** What an isolate remembers does not outlive the run. */
  async forget(): Promise<void> {
    for (const key of this.#keys) {
      await forgetKey(new Request(ORIGIN, { headers: { Authorization: `Bearer ${key}` } }));
    }
  }

  async #sweep(): Promise<void> {
    const machine = this.#world.machine();
    const now = this.#world.clock.now();
    // A run that fails is made good by the next one.
    const swept = this.#on(machine, (env) => sweep(EVERY_MINUTE, env, now)).catch(() => {});
    await Promise.race([swept, machine.gone]);
    this.#world.done(machine);
  }

  async #on<T>(machine: ReturnType<World["machine"]>, work: (env: Env) => Promise<T>): Promise<T> {
    return await work(this.#world.envOf(machine));
  }

  /** 503 with a time to come back is the only failure there is, and every refusal says what it is. */
  #checkAnswer(asked: string, response: Response, text: string): void {
    const { status, headers } = response;
    const isHonest = status < 500 || (status === 503 && Number(headers.get("Retry-After")) > 0);
    if (!isHonest) this.#world.violation(`${asked} was answered ${status} ${text}`);
    if (headers.get("Request-Id") === null) this.#world.violation(`${asked}: an answer without Request-Id`);
    if (status !== 200 && !/^\{"error":\{"type":"[a-z_]+","message":"/.test(text)) {
      this.#world.violation(`${asked}: ${status} ${text} is no problem of ours`);
    }
  }
}

const CONTEXT = { waitUntil: () => {}, passThroughOnException: () => {}, props: {} };
