// HTTP as bytes on a socket: what a client library would correct or refuse to send.
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export interface WireAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

export interface Exchange {
  /** In the order they came. */
  answers: WireAnswer[];
  /** Whether the other side closed the connection. */
  closed: boolean;
  raw: string;
}

export interface Sending {
  /** Until when to listen, ms; an answer that is whole ends it at once if one is expected. */
  patienceMs?: number;
  /** How many answers there will be. */
  expected?: number;
  /** Closes our side after the last byte: `end` politely, `reset` with a reset. */
  close?: "end" | "reset";
  /** Pause between the pieces, ms. */
  pauseMs?: number;
}

/** Sends the pieces one after the other and collects what comes back. */
export async function exchange(
  port: number,
  pieces: (string | Uint8Array)[],
  { patienceMs = 1500, expected = 1, close, pauseMs = 0 }: Sending = {},
): Promise<Exchange> {
  const socket = connect(port, "127.0.0.1");
  socket.setNoDelay(true);
  const chunks: Buffer[] = [];
  let closed = false;
  const ended = new Promise<void>((resolve) => {
    socket.on("data", (chunk) => {
      chunks.push(chunk);
      if (answersIn(Buffer.concat(chunks)).length >= expected) resolve();
    });
    socket.once("close", () => {
      closed = true;
      resolve();
    });
    socket.on("error", () => resolve());
  });
  await new Promise<void>((resolve) => {
    socket.once("connect", () => resolve());
    socket.once("close", () => resolve());
  });
  for (const piece of pieces) {
    if (socket.destroyed) break;
    await write(socket, typeof piece === "string" ? Buffer.from(piece, "latin1") : piece);
    if (pauseMs > 0) await sleep(pauseMs);
  }
  if (close === "reset") socket.resetAndDestroy();
  if (close === "end") socket.end();
  const patience = new AbortController();
  await Promise.race([ended, sleep(patienceMs, undefined, { signal: patience.signal }).catch(() => {})]);
  patience.abort();
  socket.destroy();
  const raw = Buffer.concat(chunks);
  return { answers: answersIn(raw), closed, raw: raw.toString("utf8") };
}

function write(socket: Socket, piece: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    // Whether the other side still wants it is what is being found out.
    socket.write(piece, () => resolve());
  });
}

/** The whole answers at the beginning of what was received. */
export function answersIn(received: Buffer): WireAnswer[] {
  const answers: WireAnswer[] = [];
  let rest = received;
  while (rest.length > 0) {
    const end = rest.indexOf("\r\n\r\n");
    if (end < 0) break;
    const [line = "", ...lines] = rest.subarray(0, end).toString("latin1").split("\r\n");
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(line)?.[1]);
    if (Number.isNaN(status)) break;
    const headers = Object.fromEntries(
      lines.map((header) => {
        const colon = header.indexOf(":");
        return [header.slice(0, colon).toLowerCase(), header.slice(colon + 1).trim()];
      }),
    );
    rest = rest.subarray(end + 4);
    const body = bodyIn(rest, status, headers);
    if (body === null) break;
    rest = rest.subarray(body.length);
    if (status >= 200) answers.push({ status, headers, body: body.text });
  }
  return answers;
}

function bodyIn(
  rest: Buffer,
  status: number,
  headers: Record<string, string>,
): { text: string; length: number } | null {
  if (status < 200 || status === 204 || status === 304) return { text: "", length: 0 };
  if (headers["transfer-encoding"] === "chunked") {
    const chunks: Buffer[] = [];
    let at = 0;
    for (;;) {
      const line = rest.indexOf("\r\n", at);
      if (line < 0) return null;
      const size = Number.parseInt(rest.subarray(at, line).toString("latin1"), 16);
      const next = line + 2 + size + 2;
      if (Number.isNaN(size) || rest.length < next) return null;
      chunks.push(rest.subarray(line + 2, line + 2 + size));
      at = next;
      if (size === 0) return { text: Buffer.concat(chunks).toString("utf8"), length: at };
    }
  }
  const length = Number(headers["content-length"] ?? rest.length);
  if (rest.length < length) return null;
  return { text: rest.subarray(0, length).toString("utf8"), length };
}
