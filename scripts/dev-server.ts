// The Worker under `wrangler dev`, as a process of its own: what `npm start` runs and what tests drive over HTTP.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { migrate, type Target } from "./d1.ts";
import { PROJECT, WRANGLER, WRANGLER_ENVIRONMENT } from "./wrangler.ts";

const READY_MS = 60_000;
/** How long a server may take to end on SIGTERM before it is killed. */
const STOP_MS = 5_000;

export interface DevServerOptions {
  port: number;
  /** The directory of its database, ledgers and queues; two servers need two. */
  state: string;
  /** Variables of the Worker. They are visible in the list of processes. */
  vars?: Record<string, string>;
  /** Secrets of the Worker, instead of those in `.dev.vars`. */
  secrets?: Record<string, string>;
  /** Hears what the server writes once it is ready: warnings, and the Worker's own errors. */
  onOutput?: (text: string) => void;
}

export class DevServer {
  readonly url: string;
  /** Everything the server has written. */
  log = "";
  readonly #options: DevServerOptions;
  #child: ChildProcess | null = null;
  #exit: Promise<number> = Promise.resolve(0);
  #ready = false;

  constructor(options: DevServerOptions) {
    this.#options = options;
    this.url = `http://127.0.0.1:${options.port}`;
  }

  /** Its database, for work beside the running server. */
  get target(): Target {
    return { remote: false, state: this.#options.state };
  }

  async migrate(): Promise<void> {
    await migrate(this.target);
  }

  /** Starts and waits until `/healthz` answers. Throws with the server's output when it does not come up. */
  async start(): Promise<void> {
    // A secret in the environment, meant for a deployed Worker, would win over the file with this server's own.
    const { MASTER_KEYS: _, ...environment } = process.env;
    const child = spawn(process.execPath, [WRANGLER, ...this.#arguments()], {
      cwd: PROJECT,
      env: { ...environment, ...WRANGLER_ENVIRONMENT },
      // A process group of its own: wrangler's children outlive wrangler, so the group is what must be ended.
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    this.#exit = new Promise((resolve) => {
      child.once("exit", (code) => resolve(code ?? 1));
      child.once("error", () => resolve(1));
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => this.#hear(text));
    }
    const deadline = Date.now() + READY_MS;
    while (!(await this.#isHealthy())) {
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
        await this.stop("SIGKILL");
        throw new Error(`the server did not start\n${this.log}`.trim());
      }
      await sleep(50);
    }
    this.#ready = true;
  }

  get isReady(): boolean {
    return this.#ready;
  }

  /** Ends with the server's exit code, whenever that is. */
  get exited(): Promise<number> {
    return this.#exit;
  }

  /** Ends the server and everything it started. What it stored stays; messages on their way in a queue do not. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const group = this.#child?.pid;
    if (group === undefined) return;
    this.#ready = false;
    signalGroup(group, signal);
    await Promise.race([this.#exit, sleep(STOP_MS, undefined, { ref: false })]);
    signalGroup(group, "SIGKILL");
    await this.#exit;
    this.#child = null;
    for (let waited = 0; waited < 2_000 && !(await isPortFree(this.#options.port)); waited += 20)
      await sleep(20);
  }

  /** Ends it without waiting, for when this process itself is ending. */
  kill(): void {
    const group = this.#child?.pid;
    if (group !== undefined) signalGroup(group, "SIGKILL");
  }

  /** Does what Cloudflare's cron does every minute; wrangler never does it by itself. Throws when it fails. */
  async fireCron(): Promise<void> {
    const answer = await fetch(`${this.url}/cdn-cgi/handler/scheduled?cron=*+*+*+*+*`);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`the cron answered ${answer.status}: ${text.slice(0, 200)}`);
  }

  #arguments(): string[] {
    const { port, state, vars = {}, secrets } = this.#options;
    const args = ["dev", "--port", String(port), "--inspector-port", "0", "--persist-to", state];
    args.push("--log-level", "warn", "--show-interactive-dev-session=false");
    for (const [name, value] of Object.entries(vars)) args.push("--var", `${name}:${value}`);
    if (secrets !== undefined) {
      // By file, so that they do not show in the list of processes.
      const file = join(state, "secrets.env");
      const lines = Object.entries(secrets).map(([name, value]) => `${name}='${value}'\n`);
      mkdirSync(state, { recursive: true });
      writeFileSync(file, lines.join(""), { mode: 0o600 });
      args.push("--env-file", file);
    }
    return args;
  }

  #hear(text: string): void {
    this.log += text;
    if (this.#ready) this.#options.onOutput?.(text);
  }

  async #isHealthy(): Promise<boolean> {
    try {
      const answer = await fetch(`${this.url}/healthz`, { signal: AbortSignal.timeout(2_000) });
      await answer.body?.cancel();
      return answer.ok;
    } catch {
      return false;
    }
  }
}

/** Whether nothing listens on a port of this machine's loopback address. */
export async function isPortFree(port: number): Promise<boolean> {
  const found = await listenOnce(port);
  return found !== null;
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const port = await listenOnce(0);
  if (port === null) throw new Error("no port is free");
  return port;
}

function listenOnce(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(null));
    server.listen(port, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" ? (address?.port ?? null) : null));
    });
  });
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal);
  } catch {
    // The group has ended already.
  }
}
