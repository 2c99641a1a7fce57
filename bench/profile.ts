// A sampled profile of the Worker's JavaScript through the runtime's inspector: where the time of a case goes, by part of
// the Worker and by function. What the runtime does for a call of its own (SQL, a digest, a timer) is that call's; what it
// does outside JavaScript (the disk, RPC) appears as "(program)", and its idle time is left out.
import { writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

const SAMPLE_US = 500;
const GAP_US = 4 * SAMPLE_US;
const ANSWER_MS = 30_000;

interface CallFrame {
  functionName: string;
  url: string;
  lineNumber: number;
}

interface Profile {
  nodes: { id: number; callFrame: CallFrame; children?: number[] }[];
  samples: number[];
  timeDeltas: number[];
}

/**
 * Profiles while `work` runs, writes the profile for a browser's tools and returns the heaviest functions and parts of the
 * Worker. `code` is what runs, with names that can be read.
 */
export async function profiled<T>(
  inspector: URL,
  file: string,
  code: string,
  work: () => Promise<T>,
): Promise<{ result: T; heaviest: string[]; parts: string[] }> {
  const connection = await Connection.open(inspector);
  try {
    await connection.call("Profiler.enable");
    await connection.call("Profiler.setSamplingInterval", { interval: SAMPLE_US });
    await connection.call("Profiler.start");
    const result = await work();
    const { profile } = (await connection.call("Profiler.stop")) as { profile: Profile };
    await writeFile(file, JSON.stringify(profile));
    const parts = partsOf(code);
    return {
      result,
      heaviest: heaviest(profile, nameOf, 25),
      parts: heaviest(profile, (frame) => partOf(frame, parts), 30),
    };
  } finally {
    connection.close();
  }
}

class Connection {
  readonly #socket: WebSocket;
  #next = 1;
  readonly #waiting = new Map<number, (message: { result?: unknown; error?: { message: string } }) => void>();

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(String(data));
      this.#waiting.get(message.id)?.(message);
      this.#waiting.delete(message.id);
    });
  }

  static async open(inspector: URL): Promise<Connection> {
    const targets: { webSocketDebuggerUrl: string }[] = await (
      await fetch(`http://${inspector.host}/json`)
    ).json();
    const target = targets[0];
    if (target === undefined) throw new Error("the inspector knows no Worker");
    // The inspector refuses a client that names itself and not where it comes from; only Node's WebSocket has headers.
    const socket = new WebSocket(target.webSocketDebuggerUrl, {
      headers: { Origin: "http://127.0.0.1" },
    } as never);
    await new Promise((resolve, reject) => {
      socket.addEventListener("open", resolve);
      socket.addEventListener("error", () => reject(new Error("the inspector does not answer")));
    });
    return new Connection(socket);
  }

  async call(method: string, params: object = {}): Promise<unknown> {
    const id = this.#next++;
    const answer = new Promise<{ result?: unknown; error?: { message: string } }>((resolve) => {
      this.#waiting.set(id, resolve);
    });
    this.#socket.send(JSON.stringify({ id, method, params }));
    const late = sleep(ANSWER_MS, { error: { message: "no answer" } }, { ref: false });
    const { result, error } = (await Promise.race([answer, late])) as Awaited<typeof answer>;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  close(): void {
    this.#socket.close();
  }
}

/** By the time spent in themselves, and the share of it, idle time left out. */
function heaviest(
  { nodes, samples, timeDeltas }: Profile,
  naming: (frame: CallFrame) => string,
  most: number,
): string[] {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, naming(callFrame)]));
  const own = new Map<string, number>();
  for (const [i, id] of samples.entries()) {
    const name = names.get(id) ?? "?";
    // While nothing runs no sample is taken: what lies between two of them then is not the first one's.
    const us = Math.min(timeDeltas[i] ?? 0, GAP_US);
    if (name !== "(idle)") own.set(name, (own.get(name) ?? 0) + us);
  }
  const total = [...own.values()].reduce((sum, us) => sum + us, 0);
  const sorted = [...own].sort((a, b) => b[1] - a[1]);
  return sorted
    .slice(0, most)
    .map(
      ([name, us]) =>
        `${((us / total) * 100).toFixed(1).padStart(5)} %  ${(us / 1000).toFixed(0).padStart(6)} ms  ${name}`,
    );
}

function nameOf({ functionName, url, lineNumber }: CallFrame): string {
  if (functionName.startsWith("(")) return functionName;
  return `${functionName || "anonymous"}  ${url.replace(/^.*\//, "")}:${lineNumber + 1}`;
}

/** The part that each line of a bundle comes from: the bundler writes its file above it. */
function partsOf(code: string): string[] {
  let part = "";
  return code.split("\n").map((line) => {
    const file = /^\/\/ (.*\.[cm]?[jt]s)$/.exec(line)?.[1];
    if (file !== undefined) part = folderOf(file);
    return part;
  });
}

/** A package, a folder of ours, or a file of ours that is in none. */
function folderOf(file: string): string {
  const ofPackage = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1];
  return ofPackage ?? /(?:src|bench)\/[^/]+/.exec(file)?.[0] ?? file;
}

function partOf({ functionName, url, lineNumber }: CallFrame, parts: readonly string[]): string {
  if (functionName.startsWith("(")) return functionName;
  if (url === "") return `runtime: ${functionName || "anonymous"}`;
  return url.includes("-internal:") ? `runtime: ${url}` : (parts[lineNumber] ?? url);
}
