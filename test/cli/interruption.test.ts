// What a command leaves behind that is ended before its end: the real program against a service that is slow to answer.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";

const MAIN = join(import.meta.dirname, "../../cli/main.ts");
const ANSWER_MS = 15;
const LINES = 120;
const folder = mkdtempSync(join(tmpdir(), "edge-refunds-cli-"));
const file = join(folder, "charges.ndjson");
const orders = Array.from({ length: LINES }, (_, i) => `order${i}`);
let server: Server;
let url = "";
/** Order numbers, as they were recorded. */
let recorded: string[] = [];
let endpoint: { url: string } | null = null;
let deleted: string[] = [];

beforeAll(async () => {
  const charge = { channel: "wx", amount: 1, client_ip: "127.0.0.1", subject: "s", body: "b", paid: true };
  writeFileSync(file, orders.map((order_no) => JSON.stringify({ ...charge, order_no })).join("\n"));
  server = createServer(async (request, response) => {
    const body = await text(request).catch(() => "");
    await new Promise((done) => setTimeout(done, ANSWER_MS));
    if (request.url === "/v1/charges") recorded.push(JSON.parse(body).order_no);
    if (request.method === "DELETE") deleted.push(request.url ?? "");
    if (request.method === "POST" && request.url === "/v1/webhook_endpoints") endpoint = JSON.parse(body);
    response.end(JSON.stringify({ id: "we_1", secret: `whsec_${"A".repeat(44)}`, data: [] }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(() => {
  recorded = [];
  deleted = [];
  endpoint = null;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

function start(...args: string[]) {
  const env = { ...process.env, EDGE_REFUNDS_URL: url, EDGE_REFUNDS_KEY: `sk_test_${"0".repeat(24)}` };
  const child = spawn(process.execPath, [MAIN, ...args], {
    env,
    stdio: ["pipe", "pipe", "pipe"],
    timeout: 20_000,
  });
  const out = text(child.stdout).catch(() => "");
  const err = text(child.stderr);
  const ended = once(child, "close").then(async ([code]) => ({ code, out: await out, err: await err }));
  return { child, ended };
}

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition() && waited < 10_000; waited += 5) {
    await new Promise((done) => setTimeout(done, 5));
  }
  expect(condition()).toBe(true);
}

/** As Ctrl-C does under npm: from the terminal, and from npm. */
function interrupt(child: ChildProcess): void {
  child.kill("SIGINT");
  setTimeout(() => child.kill("SIGINT"), 3);
}

it("an import that is killed goes on where it was, and sends again at most what was on its way", async () => {
  const args = ["charges", "import", file, "--state", join(folder, "killed"), "--json"];
  const first = start(...args);
  await until(() => recorded.length >= 30);
  first.child.kill("SIGKILL");
  await first.ended;
  const { code, out } = await start(...args).ended;
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ lines: LINES, failed: 0 });
  expect(new Set(recorded)).toEqual(new Set(orders));
  expect(recorded.length - LINES).toBeLessThanOrEqual(8);
});

it("an import that is interrupted stops, says how much is done, and what to do", async () => {
  const { child, ended } = start("charges", "import", file, "--json");
  await until(() => recorded.length >= 20);
  child.kill("SIGINT");
  const { code, out, err } = await ended;
  expect(code).toBe(1);
  expect(JSON.parse(out).recorded).toBeGreaterThan(0);
  expect(recorded.length).toBeLessThan(LINES);
  expect(err).toMatch(/Interrupted[\s\S]*Run the same command again/);
});

it("an import from a pipe that says nothing more is interrupted, too", async () => {
  const { child, ended } = start("charges", "import", "-", "--format", "ndjson");
  child.stdin?.write('{"order_no":1}\n');
  await once(child.stderr as NonNullable<typeof child.stderr>, "data");
  child.kill("SIGINT");
  expect((await ended).code).toBe(1);
});

it("a listener that is interrupted twice at once deletes its endpoint all the same", async () => {
  const { child, ended } = start("webhooks", "listen");
  await once(child.stderr as NonNullable<typeof child.stderr>, "data");
  interrupt(child);
  expect(await ended).toMatchObject({ code: 0, err: expect.stringContaining("is deleted") });
  expect(deleted).toEqual(["/v1/webhook_endpoints/we_1"]);
});

it("a listener whose reader has seen enough deletes its endpoint", async () => {
  const { child, ended } = start("webhooks", "listen", "--json");
  await once(child.stderr as NonNullable<typeof child.stderr>, "data");
  child.stdout?.destroy();
  await fetch((endpoint as unknown as { url: string }).url, { method: "POST", body: "{}" });
  await ended;
  expect(deleted).toEqual(["/v1/webhook_endpoints/we_1"]);
});
