// Where the channel's notices arrive: a server on loopback in front of the real receiver, on the time of the run.
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { receiveNotice } from "../../src/channels/receive-notice.ts";
import type { Env } from "../../src/env.ts";

export interface NoticeDoor {
  url: string;
  /** How many notices were answered with each status. */
  answers: Map<number, number>;
  /** Opens the door; until then every notice is turned away. */
  open(env: Env, now: () => number): void;
  close(): Promise<void>;
}

export async function startNoticeDoor(): Promise<NoticeDoor> {
  const answers = new Map<number, number>();
  let receive: (
    path: string,
    headers: Headers,
    body: Uint8Array<ArrayBuffer>,
  ) => ReturnType<typeof receiveNotice> = async () => null;

  const server = createServer((incoming, response) => {
    const answered = (status: number, body: string | null, contentType = "application/json") => {
      answers.set(status, (answers.get(status) ?? 0) + 1);
      response.writeHead(status, body === null ? {} : { "content-type": contentType });
      response.end(body ?? undefined);
    };
    bodyOf(incoming)
      .then((body) => receive(incoming.url ?? "", headersOf(incoming), body))
      .then(
        (answer) => answered(answer?.status ?? 404, answer?.body ?? null, answer?.contentType),
        () => answered(500, null),
      );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answers,
    open(env, now) {
      receive = async (path, headers, body) => {
        const [, , channel = "", app = "", mode = "", ...rest] = path.split("/");
        const [tag = "", charge] = rest.reverse();
        const address = {
          channel,
          app,
          livemode: mode === "live",
          ...(charge === undefined ? {} : { charge }),
        };
        return await receiveNotice(env, address, tag, { headers, body }, now());
      };
    },
    close() {
      server.closeAllConnections();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function bodyOf(incoming: IncomingMessage): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return new Uint8Array(Buffer.concat(chunks));
}

function headersOf(incoming: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) headers.set(name, String(value));
  return headers;
}
