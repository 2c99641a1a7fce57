// A merchant's receiver on loopback, and the real queues between it and the ledger.
import { createPublicKey, createVerify } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type NewApp, newApp } from "../../scripts/admin-sql.ts";
import { execute } from "../../scripts/d1.ts";
import { DevServer, freePort } from "../../scripts/dev-server.ts";
import { newMasterKeys } from "../../scripts/dev-vars.ts";

interface Received {
  headers: Record<string, string>;
  body: string;
}

const state = mkdtempSync(join(tmpdir(), "edge-refunds-webhooks-"));
let server: DevServer;
let app: NewApp;

/** A receiver that answers with these statuses in turn, and 200 from then on. */
async function receiver(statuses: number[]): Promise<{ url: string; received: Received[]; http: Server }> {
  const received: Received[] = [];
  const http = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const headers = Object.fromEntries(
        Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
      );
      received.push({ headers, body: Buffer.concat(chunks).toString("utf8") });
      response.writeHead(statuses[received.length - 1] ?? 200).end("ok");
    });
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/hooks`, received, http };
}

async function call<Body>(method: string, path: string, body?: unknown): Promise<Body> {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: {
      Authorization: `Bearer ${app.testKey}`,
      Connection: "close",
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = (await response.json()) as Body;
  if (!response.ok) throw new Error(JSON.stringify(answer));
  return answer;
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 300; i++) {
    if (holds()) return;
    await sleep(100);
  }
  throw new Error(`it did not happen within 30 seconds\n${server.log}`);
}

beforeAll(async () => {
  const masterKeys = newMasterKeys();
  server = new DevServer({
    port: await freePort(),
    state,
    vars: { LOCAL_DEV: "true", RETRY_SCALE: "0.01" },
    secrets: { MASTER_KEYS: masterKeys },
  });
  await server.migrate();
  app = await newApp("Webhooks", masterKeys, {
    random: (count) => crypto.getRandomValues(new Uint8Array(count)),
    now: Math.floor(Date.now() / 1000),
  });
  await execute(server.target, app.statements);
  await server.start();
});

afterAll(async () => {
  await server?.stop();
  rmSync(state, { recursive: true, force: true });
});

describe("a webhook receiver", () => {
  it("that is down twice gets the event once more, the same bytes each time, with both signatures valid", async () => {
    const { url, received, http } = await receiver([500, 503]);
    const endpoint = await call<{ id: string; secret: string }>("POST", "/v1/webhook_endpoints", { url });
    const charge = await call<{ id: string }>("POST", "/v1/charges", {
      order_no: "webhooks1",
      channel: "wx",
      amount: 500,
    });
    const refund = await call<{ id: string }>("POST", `/v1/charges/${charge.id}/refunds`, {
      description: "退货",
    });
    await until(() => received.length >= 3);
    await sleep(1500);
    http.close();

    expect(received).toHaveLength(3);
    expect(new Set(received.map(({ body }) => body)).size).toBe(1);
    expect(new Set(received.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
    const [{ data }] = (await call<{ data: { public_key: string }[] }>("GET", "/v1/public_keys").then(
      (list) => [list],
    )) as [{ data: { public_key: string }[] }];
    const publicKey = createPublicKey(data[0]?.public_key ?? "");
    for (const { headers, body } of received) {
      const event = new Webhook(endpoint.secret).verify(body, headers) as {
        id: string;
        type: string;
        data: { object: { id: string } };
        pending_webhooks: number;
      };
      expect(event).toMatchObject({ type: "refund.succeeded", pending_webhooks: 0 });
      expect(event.data.object.id).toBe(refund.id);
      expect(headers["webhook-id"]).toBe(event.id);
      const rsa = createVerify("RSA-SHA256").update(body, "utf8");
      expect(rsa.verify(publicKey, headers["x-pingplusplus-signature"] ?? "", "base64")).toBe(true);
    }
    // The event can be read again, with nothing pending any more.
    const id = received[0]?.headers["webhook-id"] ?? "";
    expect(await call("GET", `/v1/events/${id}`)).toEqual(JSON.parse(received[0]?.body ?? ""));
  });

  it("gets only the events it asked for, also our own when it names them", async () => {
    const { url, received, http } = await receiver([]);
    await call("POST", "/v1/webhook_endpoints", { url, enabled_events: ["refund.created", "refund.failed"] });
    const charge = await call<{ id: string }>("POST", "/v1/charges", {
      order_no: "webhooks2",
      channel: "wx",
      amount: 500,
    });
    await call("POST", `/v1/charges/${charge.id}/refunds`, { amount: 1, description: "fine" });
    await call("POST", `/v1/charges/${charge.id}/refunds`, { amount: 1, description: "[sandbox:declined]" });
    await until(() => received.length >= 3);
    await sleep(1000);
    http.close();
    expect(received.map(({ body }) => JSON.parse(body).type).sort()).toEqual([
      "refund.created",
      "refund.created",
      "refund.failed",
    ]);
  });
});
