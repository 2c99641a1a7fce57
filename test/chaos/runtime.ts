// The runtime that is killed: workerd and the process that configured it, as one process group. What they stored stays
// in a directory; the next life starts on it. Starting is Miniflare's own API on a bundle that was made once: three to
// five times as fast as `wrangler dev`, and the same workerd with the same D1, queues and alarms.
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { unstable_getMiniflareWorkerOptions } from "wrangler";
import { isPortFree } from "../../scripts/dev-server.ts";
import { PROJECT, WRANGLER_ENVIRONMENT } from "../../scripts/wrangler.ts";

const READY_MS = 30_000;
/** The kernel gives a killed group's port back within this. */
const PORT_MS = 5_000;
const LOOK_MS = 5;
const LOG_BYTES_MAX = 1_000_000;

/** What the process is told when it is to start. */
export interface RuntimeStart {
  port: number;
  state: string;
  code: string;
  worker: object;
  bindings: Record<string, string>;
}

export interface RuntimeOptions {
  port: number;
  /** The directory of its database, ledgers and queues. */
  state: string;
  /** The bundled Worker. */
  code: string;
  bindings: Record<string, string>;
}

export class Runtime {
  readonly url: string;
  /** The end of what it wrote. */
  log = "";
  starts = 0;
  kills = 0;
  /** ms from the order to start until it served, one for each start. */
  readonly startMs: number[] = [];
  readonly #options: RuntimeOptions;
  readonly #worker: object;
  #running: ChildProcess | null = null;
  /** Has loaded everything and waits for its turn. */
  #next: ChildProcess;

  constructor(options: RuntimeOptions) {
    this.#options = options;
    this.url = `http://127.0.0.1:${options.port}`;
    // It would say which secrets it misses, which come with the start.
    process.env.WRANGLER_LOG = "error";
    this.#worker = unstable_getMiniflareWorkerOptions(join(PROJECT, "wrangler.toml")).workerOptions;
    this.#next = this.#spawn();
  }

  /** Starts a life and waits until it serves. `chaos`: what goes wrong in it. */
  async start(chaos: object): Promise<void> {
    const begun = performance.now();
    const child = this.#next;
    this.#running = child;
    this.starts++;
    const { port, state, code, bindings } = this.#options;
    const order: RuntimeStart = {
      port,
      state,
      code,
      worker: this.#worker,
      bindings: { ...bindings, CHAOS: JSON.stringify(chaos) },
    };
    child.stdin?.write(`${JSON.stringify(order)}\n`);
    const deadline = Date.now() + READY_MS;
    while (!(await this.#serves())) {
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
        await this.kill();
        throw new Error(`the runtime did not start\n${this.log}`.trim());
      }
      await sleep(LOOK_MS);
    }
    this.startMs.push(performance.now() - begun);
    this.#next = this.#spawn();
  }

  /** `kill -9` of the whole group. What it stored stays; messages on their way in a queue do not. */
  async kill(): Promise<void> {
    const child = this.#running;
    if (child === null) return;
    this.#running = null;
    this.kills++;
    await end(child);
    const deadline = Date.now() + PORT_MS;
    while (!(await isPortFree(this.#options.port))) {
      if (Date.now() > deadline) throw new Error(`port ${this.#options.port} is not given back`);
      await sleep(LOOK_MS);
    }
  }

  /** Ends everything. */
  async close(): Promise<void> {
    await this.kill();
    await end(this.#next);
  }

  /** Ends everything without waiting, for when this process itself is ending. */
  abandon(): void {
    for (const child of [this.#running, this.#next]) if (child !== null) killGroup(child);
  }

  /** Asks the companion's part of the Worker. */
  async ask<Answer>(path: string, body?: unknown, timeoutMs = 20_000): Promise<Answer> {
    const response = await fetch(`${this.url}/chaos/${path}`, {
      signal: AbortSignal.timeout(timeoutMs),
      ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text.slice(0, 500)}`);
    return JSON.parse(text);
  }

  #spawn(): ChildProcess {
    const child = spawn(process.execPath, [join(import.meta.dirname, "runtime-process.ts")], {
      cwd: PROJECT,
      env: {
        ...process.env,
        ...WRANGLER_ENVIRONMENT,
        NODE_COMPILE_CACHE: join(this.#options.state, "compiled"),
        // What a process that is killed leaves behind goes with the state.
        TMPDIR: this.#options.state,
      },
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
    });
    // A process that was killed no longer reads.
    child.stdin?.on("error", () => {});
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.log = (this.log + text).slice(-LOG_BYTES_MAX);
      });
    }
    return child;
  }

  async #serves(): Promise<boolean> {
    try {
      const answer = await fetch(`${this.url}/healthz`, { signal: AbortSignal.timeout(1_000) });
      await answer.body?.cancel();
      return answer.ok;
    } catch {
      return false;
    }
  }
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // The group has ended already.
  }
}

async function end(child: ChildProcess): Promise<void> {
  const exited = new Promise<void>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) resolve();
    else child.once("exit", () => resolve());
  });
  killGroup(child);
  await exited;
}
