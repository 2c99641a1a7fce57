// How the command line's client behaves when answers are late, lost or "later": against a server that does as told.
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { Client } from "../../cli/client.ts";
import { listen } from "../../cli/listen.ts";
import { isOwnRoute } from "../../cli/signing.ts";
import { routes } from "../../src/routes.ts";

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

let server: Server | null = null;

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** A client of a server that answers each request with the next of these, and goes on with the last. */
async function clientOf(...answers: [Answer, ...Answer[]]) {
  const heard: { key: unknown; at: number }[] = [];
  server = createServer((request, response) => {
    heard.push({ key: request.headers["idempotency-key"], at: Date.now() });
    request.resume().once("end", () => {
      (answers[heard.length - 1] ?? (answers.at(-1) as Answer))(request, response);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { client: new Client(`http://127.0.0.1:${port}`, `sk_test_${"0".repeat(24)}`), heard };
}

const lost: Answer = (_, response) => response.destroy();
const fine: Answer = (_, response) => response.end('{"id":"x"}');
const refusal =
  (status: number, code: string | null, retryAfter?: number): Answer =>
  (_, response) => {
    if (retryAfter !== undefined) response.setHeader("Retry-After", String(retryAfter));
    response.writeHead(status).end(JSON.stringify({ error: { message: "No.", code } }));
  };
const GET = { path: "/v1/charges" } as const;
const REPEATABLE = {
  method: "POST",
  path: "/v1/charges",
  whenLost: "repeat",
  headers: { "Idempotency-Key": "k" },
} as const;
const ONCE = { method: "POST", path: "/v1/apps", whenLost: { lookWith: "apps list" } } as const;

describe("a lost answer", () => {
  it("is asked for again where that is safe, with the same key", async () => {
    for (const call of [GET, REPEATABLE]) {
      const { client, heard } = await clientOf(lost, fine);
      expect(await client.call(call)).toEqual({ id: "x" });
      expect(heard).toHaveLength(2);
      expect(heard[1]?.key).toBe(heard[0]?.key);
    }
  });

  it("of what must not happen twice is told, with where to look", async () => {
    for (const answer of [lost, refusal(503, "unavailable", 0), refusal(500, "internal")]) {
      const { client, heard } = await clientOf(answer, fine);
      await expect(client.call(ONCE)).rejects.toThrow(/may have happened.*apps list/);
      expect(heard).toHaveLength(1);
    }
  });

  it("of a deletion is remembered when the thing is then not found", async () => {
    const gone = refusal(404, null);
    const { client } = await clientOf(lost, gone);
    const call = { method: "DELETE", path: "/v1/webhook_endpoints/we_1" } as const;
    await expect(client.call(call)).rejects.toThrow("probably deleted");
    const { client: other } = await clientOf(gone);
    await expect(other.call(call)).rejects.not.toThrow("probably deleted");
  });

  it("that never comes ends with what could not be reached", async () => {
    const { client, heard } = await clientOf(lost);
    await expect(client.call(GET)).rejects.toMatchObject({ exitCode: 3 });
    expect(heard).toHaveLength(4);
  });
});

describe("an answer that says later", () => {
  it("is waited for as long as it says, by 429, by Ping++'s 403 and by 503", async () => {
    for (const answer of [
      refusal(429, "rate_limited", 0),
      refusal(403, "rate_limited"),
      refusal(503, null),
    ]) {
      const { client, heard } = await clientOf(answer, fine);
      expect(await client.call(REPEATABLE)).toEqual({ id: "x" });
      expect(heard).toHaveLength(2);
    }
    const { client, heard } = await clientOf(refusal(429, "rate_limited", 1), fine);
    expect(await client.call(ONCE)).toEqual({ id: "x" });
    expect((heard[1]?.at ?? 0) - (heard[0]?.at ?? 0)).toBeGreaterThanOrEqual(990);
  });

  it("holds back the other requests of the process, too", async () => {
    const { client, heard } = await clientOf(refusal(429, "rate_limited", 1), fine);
    const first = client.call(GET);
    while (heard.length === 0) await new Promise(setImmediate);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await Promise.all([first, client.call(GET)]);
    expect(heard.slice(1).every(({ at }) => at - (heard[0]?.at ?? 0) >= 990)).toBe(true);
  });

  it("is not believed of a frozen charge, which waits for a person, nor of a missing scope", async () => {
    for (const answer of [refusal(503, "charge_frozen", 60), refusal(403, "scope_missing")]) {
      const { client, heard } = await clientOf(answer, fine);
      await expect(client.call(REPEATABLE)).rejects.toMatchObject({ exitCode: 1 });
      expect(heard).toHaveLength(1);
    }
  });
});

it("a listener whose endpoint may have been made deletes it, and no other", async () => {
  let made: { description?: string } = {};
  const deleted: string[] = [];
  const { client } = await clientOf((request, response) => {
    if (request.url === "/v1/public_keys") response.end('{"data":[]}');
    else if (request.method === "POST") response.destroy();
    else if (request.method === "GET")
      response.end(JSON.stringify({ data: [{ id: "we_other" }, { id: "we_mine", ...made }] }));
    else {
      deleted.push(request.url ?? "");
      response.end("{}");
    }
  });
  server?.prependListener("request", (request: IncomingMessage) => {
    if (request.method === "POST") request.once("data", (body) => (made = JSON.parse(String(body))));
  });
  const listening = listen(client, {
    port: 0,
    events: ["*"],
    signal: new AbortController().signal,
    note: () => {},
    onDelivery: () => {},
  });
  await expect(listening).rejects.toThrow("may have happened");
  expect(deleted).toEqual(["/v1/webhook_endpoints/we_mine"]);
});

it("what is not JSON is said to be that", async () => {
  const { client } = await clientOf((_, response) => response.end("<html>"));
  await expect(client.call(GET)).rejects.toThrow("not JSON");
});

it("signs the method exactly on the routes that are our own", () => {
  const writing = routes.filter(({ method }) => method !== "GET");
  const path = (pattern: string) => pattern.replaceAll(/:\w+/g, "x");
  const wrong = writing.filter((route) => isOwnRoute(path(route.path)) !== route.own);
  expect(wrong.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
});
