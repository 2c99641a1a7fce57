// How long the runtime takes to start with a Worker, beside an empty one and beside a reference. Each try is a new
// process, so nothing is compiled in advance; the tries of the Workers take turns, so that a slower moment of the machine
// falls on all of them.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { processorMs } from "./process-time.ts";
import { workerdPath } from "./workerd.ts";

const READY_MS = 20_000;
const EMPTY: Startable = {
  code: "export default { fetch: () => new Response() };",
  path: "/",
  status: 200,
  objects: [],
};

export interface Startable {
  code: string;
  /** The first request, which needs no binding, and the status of its answer. */
  path: string;
  status: number;
  /** The Durable Object classes that it exports. */
  objects: readonly string[];
}

/** From the start of the process to a moment, ms. */
interface Moment {
  wallMs: number;
  /** Of all threads. */
  cpuMs: number;
}

/** `listening`: the Worker's own code has run once; `answered`: the first request is over. */
export interface Start {
  listening: Moment;
  answered: Moment;
}

/** Every try of each Worker, in the order in which they are given; the first is an empty one. */
export async function startsOf(
  workers: readonly Startable[],
  tries: number,
  temporary: string,
): Promise<Start[][]> {
  const all = [EMPTY, ...workers];
  const tried = await Promise.all(
    all.map(async (worker) => ({ worker, directory: await write(worker, temporary) })),
  );
  // Once for nothing: what is read from the disk is in memory then.
  for (const { worker, directory } of tried) await start(worker, directory);
  const starts: Start[][] = all.map(() => []);
  for (let i = 0; i < tries; i++) {
    for (const [which, { worker, directory }] of tried.entries())
      starts[which]?.push(await start(worker, directory));
  }
  return starts;
}

async function write({ code, objects }: Startable, temporary: string): Promise<string> {
  const directory = await mkdtemp(join(temporary, "start-"));
  await writeFile(join(directory, "index.js"), code);
  await writeFile(join(directory, "config.capnp"), configuration(objects));
  return directory;
}

function configuration(objects: readonly string[]): string {
  const namespaces = objects.map(
    (name) => `(className = "${name}", uniqueKey = "${name}", enableSql = true)`,
  );
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [(name = "index.js", esModule = embed "index.js")],
    compatibilityDate = "2026-10-01",
    bindings = [(name = "DB", json = "{}")],
    durableObjectNamespaces = [${namespaces.join(", ")}],
    durableObjectStorage = (inMemory = void),
  ))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
`;
}

async function start({ path, status }: Startable, directory: string): Promise<Start> {
  const started = performance.now();
  // workerd announces its sockets on the descriptor that it is told.
  const child = spawn(workerdPath, ["serve", join(directory, "config.capnp"), "--control-fd=3"], {
    stdio: ["ignore", "ignore", "pipe", "pipe"],
  });
  const now = (): Moment => ({ wallMs: performance.now() - started, cpuMs: processorMs(child.pid ?? 0) });
  try {
    const port = await portOf(child);
    const listening = now();
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(READY_MS) });
    await answer.arrayBuffer();
    const answered = now();
    if (answer.status !== status) throw new Error(`the Worker answered ${answer.status} after its start`);
    return { listening, answered };
  } finally {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }
}

function portOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let errors = "";
    let told = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      errors += chunk;
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`workerd ended with code ${code}\n${errors}`)));
    (child.stdio[3] as Readable).on("data", (chunk: Buffer) => {
      told += chunk;
      const port = /"event":\s*"listen".*?"port":\s*(\d+)/.exec(told)?.[1];
      if (port !== undefined) resolve(Number(port));
    });
  });
}
