// How long the runtime takes to be ready to answer with a Worker, over what it takes with an empty one. Each try is a
// new process, so nothing is compiled in advance.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { processorMs } from "./process-time.ts";
import { workerdPath } from "./workerd.ts";

const TRIES = 9;
const READY_MS = 20_000;
const EMPTY = "export default { fetch: () => new Response() };";

interface Start {
  wallMs: number;
  cpuMs: number;
}

/** The medians of what a Worker adds to an empty one. */
export async function startupOf(code: string, objects: readonly string[], temporary: string): Promise<Start> {
  const full = await mkdtemp(join(temporary, "start-"));
  const empty = await mkdtemp(join(temporary, "start-"));
  await writeFile(join(full, "index.js"), code);
  await writeFile(join(full, "config.capnp"), configuration(objects));
  await writeFile(join(empty, "index.js"), EMPTY);
  await writeFile(join(empty, "config.capnp"), configuration([]));
  const added: Start[] = [];
  for (let i = 0; i < TRIES; i++) {
    const without = await start(empty);
    const withIt = await start(full);
    added.push({ wallMs: withIt.wallMs - without.wallMs, cpuMs: withIt.cpuMs - without.cpuMs });
  }
  return { wallMs: median(added.map((one) => one.wallMs)), cpuMs: median(added.map((one) => one.cpuMs)) };
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
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

/** Until the socket listens: the Worker's code has run by then. */
async function start(directory: string): Promise<Start> {
  const started = performance.now();
  // workerd announces its sockets on the descriptor that it is told.
  const child = spawn(workerdPath, ["serve", join(directory, "config.capnp"), "--control-fd=3"], {
    stdio: ["ignore", "ignore", "pipe", "pipe"],
  });
  try {
    const port = await listening(child);
    const answer = await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(READY_MS) });
    const wallMs = performance.now() - started;
    if (!answer.ok) throw new Error(`the Worker answered ${answer.status} after its start`);
    return { wallMs, cpuMs: processorMs(child.pid ?? 0) };
  } finally {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }
}

function listening(child: ChildProcess): Promise<number> {
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
