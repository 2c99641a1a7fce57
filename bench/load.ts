// The load generator, in a process of its own so that its work is not counted as the runtime's. A closed loop: each of
// `concurrency` clients sends its next request when its last one is answered. Latencies are those that were seen, one
// per request; nothing is made up for requests that were not sent during a stall. With a pace, no request is sent before
// its time. Answers are kept and judged later.
import { type ChildProcess, fork } from "node:child_process";
import { Agent, request as httpRequest } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

export interface LoadRequest {
  method: "GET" | "POST";
  path: string;
  body?: string;
  /** Beside those of the load, or in their place. */
  headers?: Record<string, string>;
  /** The status of the answer that is wanted; 200 when left out. */
  status?: number;
}

export interface Load {
  url: string;
  headers: Record<string, string>;
  concurrency: number;
  /** The pace of the requests; as fast as the clients can when left out. */
  perSecond?: number;
  requests: LoadRequest[];
}

export interface LoadAnswer {
  status: number;
  text: string;
  /** From the call to the last byte. */
  latencyMs: number;
  /** When the last byte was there, ms since the epoch. */
  answeredAt: number;
}

/** In the order of the requests. */
export interface LoadOutcome {
  seconds: number;
  answers: LoadAnswer[];
}

const ANSWER_MS = 30_000;
const FIELD = "bench-load";

/** Sends everything from a child process, the same one each time. Throws when a request gets no answer at all. */
export async function sendLoad(load: Load): Promise<LoadOutcome> {
  generator ??= new Generator();
  return await generator.send(load);
}

type Message = { id: number } & ({ outcome: LoadOutcome } | { failed: string });

/** The child: one for all loads, so that its code is warm and no load waits for it to start. */
class Generator {
  readonly #child: ChildProcess = fork(import.meta.filename, [FIELD], { serialization: "advanced" });
  readonly #waiting = new Map<number, PromiseWithResolvers<LoadOutcome>>();
  #loads = 0;

  constructor() {
    this.#child.on("error", (error) => this.#end(error));
    this.#child.on("exit", (code) => this.#end(new Error(`the load generator ended with code ${code}`)));
    this.#child.on("message", (message: Message) => {
      const waiting = this.#waiting.get(message.id);
      if ("outcome" in message) waiting?.resolve(message.outcome);
      else waiting?.reject(new Error(message.failed));
    });
    this.#child.unref();
  }

  async send(load: Load): Promise<LoadOutcome> {
    const id = this.#loads++;
    const waiting = Promise.withResolvers<LoadOutcome>();
    this.#waiting.set(id, waiting);
    // Only while a load is under way does the child keep this process alive.
    this.#child.channel?.ref();
    this.#child.send({ id, load }, (error) => error && waiting.reject(error));
    try {
      return await waiting.promise;
    } finally {
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) this.#child.channel?.unref();
    }
  }

  #end(error: Error): void {
    generator = null;
    for (const { reject } of this.#waiting.values()) reject(error);
  }
}

let generator: Generator | null = null;

async function run(load: Load): Promise<LoadOutcome> {
  const agent = new Agent({ keepAlive: true, maxSockets: load.concurrency });
  const answers: LoadAnswer[] = [];
  let next = 0;
  const client = async () => {
    while (next < load.requests.length) {
      const index = next++;
      if (load.perSecond !== undefined) {
        await sleep(Math.max(0, started + (index / load.perSecond) * 1000 - performance.now()));
      }
      answers[index] = await send(agent, load, load.requests[index] as LoadRequest);
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: load.concurrency }, client));
  const seconds = (performance.now() - started) / 1000;
  agent.destroy();
  return { seconds, answers };
}

function send(agent: Agent, load: Load, request: LoadRequest): Promise<LoadAnswer> {
  const { method, path, body } = request;
  const headers: Record<string, string | number> = { ...load.headers, ...request.headers };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    headers["Content-Length"] = Buffer.byteLength(body);
  }
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const sent = httpRequest(`${load.url}${path}`, { agent, method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const latencyMs = performance.now() - started;
        resolve({
          status: response.statusCode ?? 0,
          text: Buffer.concat(chunks).toString("utf8"),
          latencyMs,
          answeredAt: Date.now(),
        });
      });
    });
    sent.setTimeout(ANSWER_MS, () => sent.destroy(new Error(`${method} ${path}: no answer in time`)));
    sent.on("error", reject);
    sent.end(body);
  });
}

if (process.argv[2] === FIELD) {
  // It ends with whoever started it, which closes the channel.
  process.on("message", async ({ id, load }: { id: number; load: Load }) => {
    const message = await run(load).then(
      (outcome) => ({ id, outcome }),
      (error: unknown) => ({ id, failed: error instanceof Error ? error.message : String(error) }),
    );
    process.send?.(message);
  });
}
