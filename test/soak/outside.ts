// What is outside the service, in a process of its own so that it is neither the load generator's nor the runtime's
// work: the channel (the HTTP sandbox with its books) and the merchants' receivers, quick and slow. It keeps books and
// judges nothing. Of a body that arrived it keeps the hash.
import { type ChildProcess, fork } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { startSandboxServer } from "../emulators/sandbox-server.ts";

const FIELD = "soak-outside";
const ANSWER_MS = 60_000;

/** Paths of the receiver, and how long each takes for an answer, ms. Above 3 s an endpoint travels in the slow lane. */
export const PATHS = { "/quick": 0, "/quick-other": 0, "/slow": 3_500 } as const;

export interface BookedNumber {
  number: string;
  charge: string;
  amount: number;
  effects: number;
  moved: boolean;
}

/** An event as it arrived at a path. */
export interface Arrival {
  path: string;
  id: string;
  /** SHA-256 of the body, in hex. */
  hash: string;
  times: number;
}

export interface OutsideBooks {
  numbers: BookedNumber[];
  violations: string[];
  arrivals: Arrival[];
  /** Deliveries whose bytes differed from an earlier one's of the same event. */
  changed: string[];
}

export const hashOf = (body: string | Buffer): string => createHash("sha256").update(body).digest("hex");

export class Outside {
  readonly sandboxUrl: string;
  readonly receiverUrl: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, urls: { sandbox: string; receiver: string }) {
    this.#child = child;
    this.sandboxUrl = urls.sandbox;
    this.receiverUrl = urls.receiver;
  }

  static async open(seed: number): Promise<Outside> {
    const child = fork(import.meta.filename, [FIELD, String(seed)], { serialization: "advanced" });
    const [urls] = await once(child, "message", { signal: AbortSignal.timeout(ANSWER_MS) });
    return new Outside(child, urls);
  }

  async books(): Promise<OutsideBooks> {
    const answered = once(this.#child, "message", { signal: AbortSignal.timeout(ANSWER_MS) });
    this.#child.send("books");
    const [books] = await answered;
    return books;
  }

  close(): void {
    this.#child.kill("SIGKILL");
  }
}

async function run(seed: number): Promise<void> {
  const sandbox = await startSandboxServer({ seed });
  const arrivals = new Map<string, Arrival>();
  const changed: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", async () => {
      const id = String(request.headers["webhook-id"] ?? "");
      const hash = hashOf(Buffer.concat(chunks));
      const key = `${path} ${id}`;
      const known = arrivals.get(key);
      if (known === undefined) arrivals.set(key, { path, id, hash, times: 1 });
      else {
        known.times++;
        if (known.hash !== hash) changed.push(key);
      }
      await sleep(PATHS[path as keyof typeof PATHS] ?? 0);
      response.end("ok");
    });
  });
  // A connection that waits for the next event is not closed on the sender.
  server.keepAliveTimeout = 600_000;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // Whoever started this decides when it ends: an interrupt at the terminal reaches everybody.
  process.on("SIGINT", () => {});
  process.once("disconnect", () => process.exit());
  process.on("message", () => {
    const now = Date.now();
    const { books } = sandbox;
    const numbers = [...books.numbers.values()]
      .filter(({ submissions }) => submissions > 0)
      .map(({ number, charge, amount, effects }): BookedNumber => {
        return { number, charge, amount, effects, moved: books.hasMoved(number, now) };
      });
    const answer: OutsideBooks = {
      numbers,
      violations: books.violations,
      arrivals: [...arrivals.values()],
      changed,
    };
    process.send?.(answer);
  });
  process.send?.({
    sandbox: sandbox.url,
    receiver: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  });
}

if (process.argv[2] === FIELD) await run(Number(process.argv[3]));
