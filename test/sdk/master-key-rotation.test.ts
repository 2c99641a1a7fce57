// A rotation of the master key, step by step: the commands as an operator types them, beside a real server.
import { execFile } from "node:child_process";
import { createPublicKey, createVerify } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type NewApp, newApp } from "../../scripts/admin-sql.ts";
import { execute } from "../../scripts/d1.ts";
import { DevServer, freePort } from "../../scripts/dev-server.ts";
import { localMasterKeys, newMasterKeys } from "../../scripts/dev-vars.ts";
import { PROJECT } from "../../scripts/wrangler.ts";
import { Receiver } from "../emulators/receiver.ts";

const WAIT = { timeout: 30_000, interval: 50 };

const state = mkdtempSync(join(tmpdir(), "edge-refunds-rotation-"));
/** Where the server reads its secrets from. */
const devVars = join(state, "secrets.env");
let receiver: Receiver;
let server: DevServer;
let app: NewApp;

async function start(masterKeys: string): Promise<void> {
  server = new DevServer({
    port: await freePort(),
    state,
    vars: { LOCAL_DEV: "true" },
    secrets: { MASTER_KEYS: masterKeys },
  });
  await server.start();
}

async function restart(): Promise<void> {
  await server.stop();
  await start(masterKeys());
}

function masterKeys(): string {
  return localMasterKeys(devVars) ?? "";
}

/** Runs `npm run keys -- …` without npm, and returns what it printed, to both streams. */
async function keys(...command: string[]): Promise<string> {
  const place = ["--persist-to", state, "--dev-vars", devVars];
  const script = join(PROJECT, "scripts/keys.ts");
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [script, ...command, ...place]);
  return stdout + stderr;
}

async function call<Body>(method: string, path: string, body?: Record<string, unknown>): Promise<Body> {
  const response = await fetch(`${server.url}/v1${path}`, {
    method,
    headers: {
      Authorization: `Bearer ${app.testKey}`,
      Connection: "close",
      "Content-Type": "application/json",
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = (await response.json()) as Body;
  if (!response.ok) throw new Error(JSON.stringify(answer));
  return answer;
}

/** Refunds something, waits for the webhook that tells of it, and checks both of its signatures. */
async function expectSignedWebhook(order: string, secret: string): Promise<void> {
  const payment = { order_no: order, channel: "wx", amount: 500 };
  const charge = await call<{ id: string }>("POST", "/charges", payment);
  await call("POST", `/charges/${charge.id}/refunds`, { description: "rotation" });
  const webhook = () =>
    receiver.book.find(({ body }) => JSON.parse(body.toString()).data.object.charge === charge.id);
  await expect.poll(webhook, WAIT).toBeDefined();
  const { headers, body } = webhook() as NonNullable<ReturnType<typeof webhook>>;
  expect(new Webhook(secret).verify(body.toString(), headers)).toMatchObject({ type: "refund.succeeded" });
  const { data } = await call<{ data: { public_key: string }[] }>("GET", "/public_keys");
  const rsa = createVerify("RSA-SHA256").update(body);
  const signature = headers["x-pingplusplus-signature"] ?? "";
  expect(rsa.verify(createPublicKey(data[0]?.public_key ?? ""), signature, "base64")).toBe(true);
}

beforeAll(async () => {
  receiver = await Receiver.open();
  const masterKeys = newMasterKeys();
  const random = (count: number) => crypto.getRandomValues(new Uint8Array(count));
  app = await newApp("Rotation", masterKeys, { random, now: Math.floor(Date.now() / 1000) });
  const target = { remote: false, state } as const;
  await new DevServer({ port: 0, state }).migrate();
  await execute(target, app.statements);
  await start(masterKeys);
});

afterAll(async () => {
  await server?.stop();
  await receiver?.close();
  rmSync(state, { recursive: true, force: true });
});

it("a rotation of the master key is not noticed by a receiver, and the old key can go", async () => {
  const endpoint = await call<{ id: string; secret: string }>("POST", "/webhook_endpoints", {
    url: receiver.url("/hooks"),
  });
  const status = async () =>
    (await call<{ status: string }>("GET", `/webhook_endpoints/${endpoint.id}`)).status;
  await expect.poll(status, WAIT).toBe("enabled");
  const [[oldId, oldKey] = ["", ""]] = Object.entries<string>(JSON.parse(masterKeys()));

  // 1. A new key in front.
  const printed = [await keys("new-master-key")];
  const [newId = "", ...others] = Object.keys(JSON.parse(masterKeys()));
  expect(others).toEqual([oldId]);
  await restart();
  await expectSignedWebhook("rotation1", endpoint.secret);

  // 2. Everything sealed anew, beside the running server.
  const resealed = await keys("reseal");
  expect(resealed.split("\n")).toEqual([
    `signing_keys.private_key      2 sealed anew; now 2 with ${newId}`,
    `webhook_endpoints.secrets     1 sealed anew; now 1 with ${newId}`,
    "channel_accounts.credentials  nothing is sealed",
    `Everything is sealed with ${newId}.`,
    "",
  ]);
  await expectSignedWebhook("rotation2", endpoint.secret);

  // 3. The new key alone.
  printed.push(resealed, await keys("drop-old-master-keys"));
  expect(Object.keys(JSON.parse(masterKeys()))).toEqual([newId]);
  await restart();
  await expectSignedWebhook("rotation3", endpoint.secret);

  for (const secret of [oldKey, ...Object.values<string>(JSON.parse(masterKeys())), endpoint.secret]) {
    expect(printed.join()).not.toContain(secret);
  }
});
