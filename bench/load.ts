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
}

/** In the order of the requests. */
export interface LoadOutcome {
  seconds: number;
  answers: LoadAnswer[];
}

const ANSWER_MS = 30_000;
const FIELD = "bench-load";

/** Sends everything from a child process. Throws when a request gets no answer at all. */
export async function sendLoad(load: Load): Promise<LoadOutcome> {
  const child = fork(import.meta.filename, [FIELD], { serialization: "advanced" });
  try {
    return await outcomeOf(child, load);
  } finally {
    child.kill("SIGKILL");
  }
}

function outcomeOf(child: ChildProcess, load: Load): Promise<LoadOutcome> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the load generator ended with code ${code}`)));
    child.once("message", (message: { outcome: LoadOutcome } | { failed: string }) => {
      if ("outcome" in message) resolve(message.outcome);
      else reject(new Error(message.failed));
    });
    child.send(load, (error) => error && reject(error));
  });
}

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

function send(agent: Agent, load: Load, { method, path, body }: LoadRequest): Promise<LoadAnswer> {
  const headers: Record<string, string | number> = { ...load.headers };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    headers["Content-Length"] = Buffer.byteLength(body);
  }
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const request = httpRequest(`${load.url}${path}`, { agent, method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const latencyMs = performance.now() - started;
        resolve({
          status: response.statusCode ?? 0,
          text: Buffer.concat(chunks).toString("utf8"),
          latencyMs,
        });
      });
    });
    request.setTimeout(ANSWER_MS, () => request.destroy(new Error(`${method} ${path}: no answer in time`)));
    request.on("error", reject);
    request.end(body);
  });
}

if (process.argv[2] === FIELD) {
  process.once("message", async (load: Load) => {
    const message = await run(load).then(
      (outcome) => ({ outcome }),
      (error: unknown) => ({ failed: error instanceof Error ? error.message : String(error) }),
    );
    process.send?.(message);
  });
}
