// A merchant's webhook receiver on loopback, as good or as bad as a test wants it: it behaves per path, one behaviour
// per request, and keeps a book of all that came. Repeats are not refused; the book shows them. Whatever hangs or
// dribbles ends with `close()`.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** What the receiver does with one request, once it has read it. */
export type Behaviour =
  | { does: "answer"; status: number; headers?: Record<string, string>; body?: string; after?: Wait }
  /** Headers at once, then a body of `bytes`, `chunk` at a time every `everyMs`; without bytes it never ends. */
  | { does: "stream"; status: number; bytes?: number; chunk: number; everyMs: number }
  /** Reads the request and says nothing for ever. */
  | { does: "hang" }
  /** Breaks the connection instead of answering. */
  | { does: "reset" };

/** What an answer waits for: a time in ms, or something that the test lets happen. */
type Wait = number | Promise<unknown>;

export const ok = (body = "ok"): Behaviour => ({ does: "answer", status: 200, body });
export const status = (code: number, body = ""): Behaviour => ({ does: "answer", status: code, body });
export const redirect = (location: string, code = 302): Behaviour => ({
  does: "answer",
  status: code,
  headers: { location },
  body: "moved",
});
/** 429 or 503 that asks for a time: seconds, or a date in the form of HTTP. */
export const busy = (code: 429 | 503, until: number | Date): Behaviour => ({
  does: "answer",
  status: code,
  headers: { "retry-after": typeof until === "number" ? String(until) : until.toUTCString() },
});
/** Answers well, late. */
export const slow = (after: Wait): Behaviour => ({ does: "answer", status: 200, body: "ok", after });
/** A body of which a byte comes every `everyMs`, and which never ends. */
export const dribble = (everyMs: number, code = 200): Behaviour => ({
  does: "stream",
  status: code,
  chunk: 1,
  everyMs,
});
/** A body that is announced by its headers and of which nothing ever comes. */
export const stalled = (code = 200): Behaviour => ({
  does: "stream",
  status: code,
  chunk: 0,
  everyMs: 60_000,
});
/** A body of `bytes`, as fast as the other side takes it. */
export const huge = (bytes: number, code = 200): Behaviour => ({
  does: "stream",
  status: code,
  bytes,
  chunk: 65_536,
  everyMs: 0,
});
export const hang: Behaviour = { does: "hang" };
export const reset: Behaviour = { does: "reset" };

/** One request as it came. */
export interface Received {
  /** ms since the epoch, when it had been read. */
  at: number;
  method: string;
  path: string;
  headers: Record<string, string>;
  /** The exact bytes. */
  body: Buffer;
  /** How many requests to its path were under way with it, itself included. */
  underWay: number;
  /** Bytes of the answer's body that the other side took. */
  taken: number;
  /** Whether the exchange is over, by its end or by the other side's leaving. */
  over: boolean;
}

export class Receiver {
  /** All that came, in order. */
  readonly book: Received[] = [];
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  readonly #behaviours = new Map<string, Behaviour[]>();
  readonly #underWay = new Map<string, number>();
  readonly #stopped = new AbortController();
  #port = 0;

  /** Starts listening; at a path it knows nothing of it answers 200. */
  static async open(): Promise<Receiver> {
    const receiver = new Receiver();
    await receiver.listen();
    return receiver;
  }

  url(path = "/"): string {
    return `http://127.0.0.1:${this.#port}${path}`;
  }

  /** What the next requests to a path meet, one each; the last behaviour stays. From now on, at once. */
  behave(path: string, ...behaviours: [Behaviour, ...Behaviour[]]): void {
    this.#behaviours.set(path, behaviours);
  }

  /** What came to a path. */
  at(path: string): Received[] {
    return this.book.filter((received) => received.path === path);
  }

  /** How often each event came to a path, by its `webhook-id`. */
  ids(path: string): Map<string, number> {
    const counts = new Map<string, number>();
    for (const { headers } of this.at(path)) {
      const id = headers["webhook-id"] ?? "";
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    return counts;
  }

  /** From now on connections are refused, those that stand are broken. */
  async refuse(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  /** Listens, on the same port as before. */
  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(this.#port, "127.0.0.1", () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** Ends everything, also what hangs. */
  async close(): Promise<void> {
    this.#stopped.abort();
    await this.refuse();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? "/";
    const underWay = (this.#underWay.get(path) ?? 0) + 1;
    this.#underWay.set(path, underWay);
    let received: Received | null = null;
    // The end of whatever the exchange waits for: the other side has left, the answer is out, or all is closed.
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.#stopped.signal]);
    response.once("close", () => {
      over.abort();
      this.#underWay.set(path, (this.#underWay.get(path) ?? 1) - 1);
      if (received !== null) received.over = true;
    });
    try {
      const body = await readBody(request);
      received = {
        at: Date.now(),
        method: request.method ?? "",
        path,
        headers: Object.fromEntries(
          Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
        ),
        body,
        underWay,
        taken: 0,
        over: false,
      };
      this.book.push(received);
      await answer(this.#next(path), response, received, signal);
    } catch {
      response.destroy();
    }
  }

  #next(path: string): Behaviour {
    const behaviours = this.#behaviours.get(path) ?? [];
    return (behaviours.length > 1 ? behaviours.shift() : behaviours[0]) ?? ok();
  }
}

async function answer(
  behaviour: Behaviour,
  response: ServerResponse,
  received: Received,
  signal: AbortSignal,
): Promise<void> {
  switch (behaviour.does) {
    case "answer":
      await (typeof behaviour.after === "number"
        ? sleep(behaviour.after, undefined, { signal })
        : behaviour.after);
      response.writeHead(behaviour.status, behaviour.headers).end(behaviour.body ?? "");
      return;
    case "stream": {
      const { status, bytes = Number.POSITIVE_INFINITY, chunk, everyMs } = behaviour;
      const text = Buffer.alloc(chunk, "x");
      response.writeHead(status, { "content-type": "text/plain" }).flushHeaders();
      while (received.taken < bytes) {
        // Waits until it is taken: who stops reading stops the writing.
        if (chunk > 0) await written(response, text, signal);
        received.taken += chunk;
        if (everyMs > 0) await sleep(everyMs, undefined, { signal });
      }
      response.end();
      return;
    }
    case "hang":
      return;
    case "reset":
      response.socket?.resetAndDestroy();
      return;
  }
}

function written(response: ServerResponse, text: Buffer, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    response.write(text, (error) => {
      signal.removeEventListener("abort", leave);
      if (error) reject(error);
      else resolve();
    });
  });
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
