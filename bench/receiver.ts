// A receiver of webhooks, in a process of its own so that it neither waits for the load generator nor counts as the
// runtime's work. It keeps books and judges nothing; pings are answered and not booked. One that hangs fails the first
// event that it hears, and never answers another.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export type Habit = "answers" | "hangs";

/** One request as it came. */
export interface Arrival {
  /** Of the event: its `webhook-id`. */
  id: string;
  /** ms since the epoch, when its head was there. */
  at: number;
  /** Those that are signed, by lower-case name. */
  headers: Record<string, string>;
  body: string;
}

type Question = "count" | "take";

const FIELD = "bench-receiver";
const LOOK_MS = 50;
/** Nothing is on its way any more when this long nothing came. */
const SILENCE_MS = 30_000;

export class Receiver {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.url = `http://127.0.0.1:${port}/webhooks`;
  }

  static async open(habit: Habit): Promise<Receiver> {
    const child = fork(import.meta.filename, [FIELD, habit], { serialization: "advanced" });
    const [port] = await once(child, "message", { signal: AbortSignal.timeout(SILENCE_MS) });
    return new Receiver(child, port);
  }

  /** Waits until so many events have come since the last `take`. Throws when they stop coming before. */
  async until(count: number): Promise<void> {
    let seen = -1;
    let since = Date.now();
    for (;;) {
      const now = await this.#ask<number>("count");
      if (now >= count) return;
      if (now !== seen) since = Date.now();
      else if (Date.now() - since > SILENCE_MS) throw new Error(`${now} of ${count} events arrived`);
      seen = now;
      await sleep(LOOK_MS);
    }
  }

  /** What came since the last time, in order. */
  take(): Promise<Arrival[]> {
    return this.#ask("take");
  }

  close(): void {
    this.#child.kill("SIGKILL");
  }

  async #ask<T>(question: Question): Promise<T> {
    if (!this.#child.connected) throw new Error("the receiver has ended");
    this.#child.send(question);
    const [answer] = await once(this.#child, "message", { signal: AbortSignal.timeout(SILENCE_MS) });
    return answer;
  }
}

function run(habit: Habit): void {
  let arrivals: Arrival[] = [];
  let failed = false;
  const answer = (response: ServerResponse): void => {
    if (habit === "answers") response.end("ok");
    else if (!failed) response.writeHead(500).end();
    failed = true;
  };
  const server = createServer((request, response) => {
    const at = Date.now();
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString("utf8");
      if (JSON.parse(body).type === "webhook_endpoint.ping") {
        response.end();
        return;
      }
      arrivals.push(arrivalOf(request, at, body));
      answer(response);
    });
  });
  // A connection that waits for the next event is not closed on the sender.
  server.keepAliveTimeout = 600_000;
  server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
  // The benchmark may be interrupted.
  process.once("disconnect", () => process.exit());
  process.on("message", (question: Question) => {
    process.send?.(question === "count" ? arrivals.length : arrivals);
    if (question === "take") arrivals = [];
  });
}

function arrivalOf(request: IncomingMessage, at: number, body: string): Arrival {
  const names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
  const headers = Object.fromEntries(names.map((name) => [name, String(request.headers[name] ?? "")]));
  return { id: headers["webhook-id"] ?? "", at, headers, body };
}

if (process.argv[2] === FIELD) run(process.argv[3] as Habit);
