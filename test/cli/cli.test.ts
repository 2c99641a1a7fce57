// The command line as people and scripts run it: the real program against the real local service.
import { spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Client } from "../../cli/client.ts";
import { changeSetting, newApp, newKey, parseScopes } from "../../scripts/admin-sql.ts";
import { execute } from "../../scripts/d1.ts";
import { DevServer, freePort } from "../../scripts/dev-server.ts";
import { newMasterKeys } from "../../scripts/dev-vars.ts";

const MAIN = join(import.meta.dirname, "../../cli/main.ts");
const folder = mkdtempSync(join(tmpdir(), "edge-refunds-cli-"));
const signer = generateKeyPairSync("rsa", { modulusLength: 2048 });
let server: DevServer;
let key = "";
let adminKey = "";
/** Of an app that takes nothing unsigned. */
let signingKey = "";
let app = "";

beforeAll(async () => {
  const masterKeys = newMasterKeys();
  server = new DevServer({
    port: await freePort(),
    state: join(folder, "state"),
    vars: { LOCAL_DEV: "true" },
    secrets: { MASTER_KEYS: masterKeys },
  });
  const mint = {
    random: (count: number) => crypto.getRandomValues(new Uint8Array(count)),
    now: Math.floor(Date.now() / 1000),
  };
  const [shop, signing] = [await newApp("Shop", masterKeys, mint), await newApp("Signing", masterKeys, mint)];
  const admin = await newKey(shop.app, { livemode: true, name: "admin", scopes: parseScopes("all") }, mint);
  const publicKey = signer.publicKey.export({ type: "spki", format: "pem" }) as string;
  // The tables and the rows in one start of wrangler, which is what takes the time.
  await execute(server.target, [
    ...tables(),
    ...shop.statements,
    ...signing.statements,
    ...admin.statements,
    await changeSetting(signing.app, "public_key", publicKey),
  ]);
  ({ app, testKey: key } = shop);
  adminKey = admin.key;
  signingKey = signing.testKey;
  await server.start();
});

/** The statements of all migrations. */
function tables(): string[] {
  const directory = join(import.meta.dirname, "../../migrations");
  return readdirSync(directory)
    .filter((name) => name.endsWith(".sql"))
    .sort()
    .flatMap((name) => readFileSync(join(directory, name), "utf8").split("--> statement-breakpoint"))
    .map((statement) => statement.trim().replace(/;$/, ""));
}

afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const CHARGE = { channel: "wx", amount: 1000, paid: true, client_ip: "127.0.0.1", subject: "s", body: "b" };

interface Run {
  code: number | null;
  out: string;
  err: string;
}

function started(args: string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...process.env, EDGE_REFUNDS_URL: server.url, EDGE_REFUNDS_KEY: key, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 20_000,
  });
  const run: Run = { code: null, out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    run.out += text;
  });
  const noted = new Promise<void>((resolve) => {
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      run.err += text;
      resolve();
    });
  });
  const ended = new Promise<Run>((resolve) => {
    child.once("close", (code) => resolve({ ...run, code }));
  });
  return { child, noted, ended };
}

const cli = (...args: string[]) => started(args).ended;

async function recorded(order: string, client = new Client(server.url, key)): Promise<string> {
  const body = { ...CHARGE, order_no: order };
  const { id } = await client.call<{ id: string }>({
    method: "POST",
    path: "/v1/charges",
    body,
    whenLost: "repeat",
  });
  return id;
}

const admin = (...args: string[]) => started(args, { EDGE_REFUNDS_KEY: adminKey }).ended;

it.concurrent("an import records the good lines, names the bad ones, and skips what is done when it is run again", async () => {
  const file = join(folder, "charges.csv");
  const [errors, state] = [join(folder, "bad.ndjson"), join(folder, "done")];
  const header = "order_no,channel,amount,paid,client_ip,subject,body,colour";
  const row = (order: string, amount: string) => `${order},wx,${amount},true,127.0.0.1,s,b,red`;
  writeFileSync(file, `${[header, row("csv1", "100"), row("csv2", "ten"), row("csv3", "300")].join("\n")}\n`);
  const first = await cli("charges", "import", file, "--errors", errors, "--state", state, "--json");
  expect(first.code).toBe(4);
  expect(JSON.parse(first.out)).toMatchObject({ lines: 3, recorded: 2, skipped: 0, failed: 1 });
  expect(first.err).toContain("line 3: amount");
  expect(JSON.parse(readFileSync(errors, "utf8"))).toMatchObject({ line: 3 });

  writeFileSync(file, readFileSync(file, "utf8").replace("ten", "200"));
  const second = await cli("charges", "import", file, "--state", state, "--json");
  expect(second.code).toBe(0);
  expect(JSON.parse(second.out)).toMatchObject({ lines: 3, recorded: 1, skipped: 2, failed: 0 });
});

it.concurrent("a refund is made, watched to its end and listed", async () => {
  const charge = await recorded("refunded1");
  const made = await cli("refunds", "create", charge, "--amount", "100", "--description", "Broken", "--json");
  expect(made.code, made.err).toBe(0);
  const refund = JSON.parse(made.out) as { id: string };
  const watched = await cli("refunds", "watch", charge, refund.id, "--timeout", "10");
  expect(watched.code).toBe(0);
  expect(watched.out).toMatch(/status\s+succeeded/);
  const listed = await cli("refunds", "list", charge);
  expect(listed.out).toContain(refund.id);
  expect(listed.out).toContain("failure_code");
  const tooMuch = await cli("refunds", "create", charge, "--amount", "5000", "--description", "Broken");
  expect(tooMuch).toMatchObject({ code: 1, out: "" });
  expect(tooMuch.err).toContain("refund_amount_exceeded");
});

it.concurrent("a listener prints a delivery it has verified, ends, and deletes its endpoint", async () => {
  const charge = await recorded("listened1");
  const listener = started(["webhooks", "listen", "--count", "1", "--json"]);
  await listener.noted;
  await cli("refunds", "create", charge, "--amount", "100", "--description", "Broken");
  const { code, out, err } = await listener.ended;
  expect(code, err).toBe(0);
  const deliveries = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { type: string; verified: boolean });
  expect(deliveries.every((delivery) => delivery.verified)).toBe(true);
  expect(deliveries.map((delivery) => delivery.type)).toContain("refund.succeeded");
  expect(err).toContain("is deleted");
});

it.concurrent("a wrong call ends with 2, a refused key with 1, a service that is not there with 3", async () => {
  const [usage, noKey, badKey, nobody] = await Promise.all([
    cli("refunds", "create"),
    started(["charges", "list"], { EDGE_REFUNDS_KEY: "" }).ended,
    started(["charges", "list"], { EDGE_REFUNDS_KEY: `sk_test_${"0".repeat(24)}` }).ended,
    started(["charges", "list"], { EDGE_REFUNDS_URL: `http://127.0.0.1:${await freePort()}` }).ended,
  ]);
  expect([usage.code, noKey.code, badKey.code, nobody.code]).toEqual([2, 2, 1, 3]);
  expect(noKey.err).toContain("EDGE_REFUNDS_KEY");
  expect(nobody.err).toContain("--url");
});

it.concurrent("an admin makes apps and keys, rotates a key, and changes settings", async () => {
  const [made, key, set, wrong] = await Promise.all([
    admin("apps", "create", "Child", "--json"),
    admin("keys", "create", app, "--name", "reader", "--scopes", "refunds:read", "--mode", "test", "--json"),
    admin("settings", "set", app, "refunds_max", "20", "--json"),
    admin("settings", "set", app, "colour", "red"),
  ]);
  const child = JSON.parse(made.out) as { id: string; parent: string };
  expect(child.parent).toBe(app);
  expect(JSON.parse(set.out)).toMatchObject({ refunds_max: 20 });
  expect(wrong).toMatchObject({ code: 1, err: expect.stringContaining("colour") });
  const [got, rotated] = await Promise.all([
    admin("apps", "get", child.id),
    admin("keys", "rotate", app, (JSON.parse(key.out) as { id: string }).id, "--expires-in", "60"),
  ]);
  expect(got.out).toMatch(/name\s+Child/);
  expect(rotated.out).toMatch(/key\s+sk_test_/);
  expect(rotated.err).toMatch(/key_\w+ works until \d{4}-\d\d-\d\dT/);
});

it.concurrent("what changes something is signed for an app that wants it, on Ping++'s routes and on our own", async () => {
  const client = new Client(server.url, signingKey, signer.privateKey);
  const charge = await recorded("signed1", client);
  await expect(recorded("signed2", new Client(server.url, signingKey))).rejects.toThrow("signature");
  const file = join(folder, "merchant.pem");
  writeFileSync(file, signer.privateKey.export({ type: "pkcs8", format: "pem" }));
  const environment = { EDGE_REFUNDS_KEY: signingKey, EDGE_REFUNDS_PRIVATE_KEY_FILE: file };
  const made = await started(
    ["refunds", "create", charge, "--amount", "100", "--description", "退款"],
    environment,
  ).ended;
  expect(made.code, made.err).toBe(0);
  const path = "/v1/webhook_endpoints";
  const body = { url: "http://127.0.0.1:9/", enabled_events: ["*"], status: "disabled" };
  const { id } = await client.call<{ id: string }>({ method: "POST", path, body, whenLost: "repeat" });
  expect(await client.call({ method: "DELETE", path: `${path}/${id}` })).toMatchObject({ id });
});
