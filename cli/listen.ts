// A receiver on loopback and an endpoint of the service that points at it, both gone when it ends.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Client } from "./client.ts";
import { CommandError, UnknownOutcomeError } from "./outcome.ts";
import { type Delivery, receiveDelivery, type Trust } from "./receive-delivery.ts";

/** More than any event has. */
const BODY_BYTES_MAX = 1_048_576;

export interface Listening {
  port: number;
  publicUrl?: string;
  events: string[];
  /** Ends it. */
  signal: AbortSignal;
  note: (text: string) => void;
  onDelivery: (delivery: Delivery) => void;
}

/** Listens until the signal. A request that cannot be verified is answered with 400. */
export async function listen(client: Client, wanted: Listening): Promise<void> {
  // The ping can be here before the answer with the secret is: it waits for it.
  const { promise: trust, resolve: trusted, reject: untrusted } = Promise.withResolvers<Trust>();
  trust.catch(() => {});
  const server = createServer((request, response) => {
    receive(request, response, trust, wanted).catch(() => response.destroy());
  });
  server.listen(wanted.port, "127.0.0.1");
  await once(server, "listening").catch((error: Error) => {
    throw new CommandError(`port ${wanted.port} cannot be listened on: ${error.message}`);
  });
  const { port } = server.address() as AddressInfo;
  const url = wanted.publicUrl ?? `http://127.0.0.1:${port}/`;
  let endpoint: { id: string; secret: string } | null = null;
  try {
    if (wanted.signal.aborted) return;
    const keys = await client.call<{ data: { public_key: string }[] }>({ path: "/v1/public_keys" });
    endpoint = await createEndpoint(client, url, wanted);
    trusted({ secret: endpoint.secret, publicKeys: keys.data.map((key) => key.public_key) });
    wanted.note(`${endpoint.id} delivers to ${url}. Stop with Ctrl-C.`);
    if (!wanted.signal.aborted) await once(wanted.signal, "abort");
  } finally {
    untrusted(new Error("the listener has ended"));
    if (endpoint !== null) {
      await client.call({ method: "DELETE", path: `/v1/webhook_endpoints/${endpoint.id}` }).then(
        () => wanted.note(`${endpoint?.id} is deleted.`),
        (error: Error) => wanted.note(`${endpoint?.id} could not be deleted: ${error.message}`),
      );
    }
    server.close();
    server.closeAllConnections();
  }
}

/** When the answer is lost, the endpoint it may have told of is deleted: without its secret nothing can be verified. */
async function createEndpoint(client: Client, url: string, { events, note }: Listening) {
  const description = `edge-refunds webhooks listen ${crypto.randomUUID()}`;
  const path = "/v1/webhook_endpoints";
  try {
    return await client.call<{ id: string; secret: string }>({
      method: "POST",
      path,
      body: { url, enabled_events: events, description },
      whenLost: { lookWith: "webhooks list" },
    });
  } catch (error) {
    if (!(error instanceof UnknownOutcomeError)) throw error;
    const { data } = await client.call<{ data: { id: string; description: string | null }[] }>({ path });
    for (const endpoint of data.filter((endpoint) => endpoint.description === description)) {
      await client.call({ method: "DELETE", path: `${path}/${endpoint.id}` });
      note(`${endpoint.id} is deleted.`);
    }
    throw error;
  }
}

async function receive(
  request: IncomingMessage,
  response: ServerResponse,
  trust: Promise<Trust>,
  { onDelivery }: Listening,
): Promise<void> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > BODY_BYTES_MAX) throw new Error("too long");
    chunks.push(chunk);
  }
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, String(value ?? "")]),
  );
  const delivery = receiveDelivery(await trust, headers, Buffer.concat(chunks), new Date());
  response.writeHead(delivery.verified ? 200 : 400).end();
  // Once the answer is out: what hears of it may end the listener.
  await once(response, "close");
  onDelivery(delivery);
}
