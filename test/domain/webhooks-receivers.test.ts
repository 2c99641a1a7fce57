// What WEBHOOKS.md tells receivers: its code runs, in every language this machine has, and its facts are the code's.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import * as standardwebhooks from "standardwebhooks";
import * as svix from "svix";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../../scripts/dev-server.ts";
import { EVENT_TYPES, eventBody } from "../../src/events/event.ts";
import { refundSchema } from "../../src/refunds/schema.ts";
import { routes } from "../../src/routes.ts";
import { DELAYS } from "../../src/webhooks/retry-schedule.ts";
import { newSecret, standardSignature } from "../../src/webhooks/signature.ts";
import { refuseUrl } from "../../src/webhooks/url-guard.ts";
import {
  BODY,
  pingppDeliveries,
  type Received,
  standardDeliveries,
  VECTOR,
} from "../receivers/deliveries.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const DRIVERS = join(ROOT, "test", "receivers");
const document = readFileSync(join(ROOT, "WEBHOOKS.md"), "utf8");

const blocks = [...document.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = "", code = ""]) => ({
  language,
  code,
}));

/** The block that names this file in its first line. */
function snippet(file: string): string {
  const found = blocks.filter(({ code }) => code.slice(0, code.indexOf("\n")).endsWith(` ${file}`));
  expect(found, `WEBHOOKS.md holds one block named ${file}`).toHaveLength(1);
  return found[0]?.code ?? "";
}

/** The rows of the table under this heading row, as the texts of their cells. */
function table(heading: string): string[][] {
  const lines = document.split("\n");
  const start = lines.findIndex((line) => line.startsWith(`| ${heading} |`));
  expect(start, `WEBHOOKS.md has a table that begins with ${heading}`).toBeGreaterThan(-1);
  const rows = lines.slice(start + 2);
  return rows
    .slice(
      0,
      rows.findIndex((line) => !line.startsWith("|")),
    )
    .map((row) =>
      row
        .slice(1, -1)
        .split("|")
        .map((cell) => cell.trim()),
    );
}

interface Language {
  name: string;
  /** Where the driver expects each snippet. */
  snippets: Record<string, string>;
  /** Files of test/receivers. */
  drivers: string[];
  build: string[] | null;
  run: string[];
  /** Commands that succeed where such a receiver can be built and run. */
  needs: string[][];
  /** The same for Ping++'s scheme. */
  pingppNeeds: string[][];
}

const LANGUAGES: Language[] = [
  {
    name: "Node",
    snippets: { "webhook.mjs": "webhook.mjs", "pingpp-webhook.mjs": "pingpp-webhook.mjs" },
    drivers: ["drive.mjs"],
    build: null,
    run: [process.execPath, "drive.mjs"],
    needs: [],
    pingppNeeds: [],
  },
  {
    name: "Python",
    snippets: { "webhook.py": "webhook.py", "pingpp_webhook.py": "pingpp_webhook.py" },
    drivers: ["drive.py"],
    build: null,
    run: ["python3", "drive.py"],
    needs: [["python3", "-c", "import sys; assert sys.version_info >= (3, 9)"]],
    pingppNeeds: [["python3", "-c", "import cryptography"]],
  },
  {
    name: "PHP",
    snippets: { "webhook.php": "webhook.php", "pingpp-webhook.php": "pingpp-webhook.php" },
    drivers: ["drive.php"],
    build: null,
    run: ["php", "drive.php"],
    needs: [["php", "-r", "exit(PHP_VERSION_ID >= 70400 ? 0 : 1);"]],
    pingppNeeds: [["php", "-r", "exit(function_exists('openssl_verify') ? 0 : 1);"]],
  },
  {
    name: "Go",
    snippets: { "webhook.go": "webhook/webhook.go", "pingpp_webhook.go": "webhook/pingpp_webhook.go" },
    drivers: ["drive.go", "go.mod"],
    build: ["go", "build", "-o", "drive", "."],
    run: ["./drive"],
    needs: [["go", "version"]],
    pingppNeeds: [],
  },
  {
    name: "Java",
    snippets: { "Webhook.java": "Webhook.java", "PingppWebhook.java": "PingppWebhook.java" },
    drivers: ["Drive.java"],
    build: ["javac", "-encoding", "UTF-8", "Drive.java", "Webhook.java", "PingppWebhook.java"],
    run: ["java", "-cp", ".", "Drive"],
    needs: [
      ["javac", "-version"],
      ["java", "-version"],
    ],
    pingppNeeds: [],
  },
];

const succeeds = ([command = "", ...rest]: string[]) => spawnSync(command, rest).status === 0;

/** Runs a command to its end and answers what it printed; throws what it complained about. */
function run([command = "", ...rest]: string[], folder: string, input = ""): string {
  const env = { ...process.env, GOPROXY: "off", GOTOOLCHAIN: "local", GOFLAGS: "", PYTHONUTF8: "1" };
  const done = spawnSync(command, rest, { cwd: folder, input, env, encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${command} ${rest.join(" ")}: ${done.error ?? done.stderr}`);
  return done.stdout;
}

/** Builds a receiver from the document and asks it about every delivery: its verdict on each, in their order. */
function verdicts(language: Language, deliveries: readonly Received[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), "edge-refunds-receiver-"));
  try {
    for (const file of language.drivers) cpSync(join(DRIVERS, file), join(folder, file));
    for (const [file, place] of Object.entries(language.snippets)) {
      mkdirSync(dirname(join(folder, place)), { recursive: true });
      writeFileSync(join(folder, place), snippet(file));
    }
    if (language.build !== null) run(language.build, folder);
    const base64 = (text: string) => Buffer.from(text).toString("base64");
    const lines = deliveries.map(({ scheme, body, headers, key, now }) => {
      const headerLines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
      return [scheme, base64(body), base64(headerLines.join("\n")), base64(key), now].join("\t");
    });
    return run(language.run, folder, `${lines.join("\n")}\n`).split(/\r?\n/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const standard = await standardDeliveries();
const pingpp = await pingppDeliveries();
const named = (deliveries: Received[]) => deliveries.map((delivery) => [delivery.claim, delivery] as const);

describe.each(LANGUAGES)("the receiver in $name", (language) => {
  const runs = language.needs.every(succeeds);
  const runsPingpp = runs && language.pingppNeeds.every(succeeds);
  const asked = [...(runs ? standard : []), ...(runsPingpp ? pingpp : [])];
  const verdictOf = new Map<Received, string | undefined>();

  beforeAll(() => {
    if (!runs) return;
    const given = verdicts(language, asked);
    for (const [i, delivery] of asked.entries()) verdictOf.set(delivery, given[i]);
  });

  it.skipIf(!runs).each(named(standard))("%s", (_, delivery) => {
    expect(verdictOf.get(delivery)).toMatch(delivery.verdict);
  });

  it.skipIf(!runsPingpp).each(named(pingpp))("by Ping++'s signature %s", (_, delivery) => {
    expect(verdictOf.get(delivery)).toMatch(delivery.verdict);
  });
});

/** A delivery of this minute, as the libraries read the real clock. */
async function freshDelivery(secrets: string[], body = BODY): Promise<Request> {
  const timestamp = Math.floor(Date.now() / 1000);
  return new Request("http://127.0.0.1/hooks", {
    method: "POST",
    headers: {
      "webhook-id": "evt_1",
      "webhook-timestamp": String(timestamp),
      "webhook-signature": await standardSignature(secrets, "evt_1", timestamp, BODY),
    },
    body,
  });
}

const random = (count: number) => crypto.getRandomValues(new Uint8Array(count));

describe.each([
  ["standardwebhooks", standardwebhooks.Webhook],
  ["svix", svix.Webhook],
])("the two lines with %s", (name, Webhook) => {
  const [library, use] = blocks.find(({ code }) => code.includes(`from "${name}"`))?.code.split("\n") ?? [];
  const receive = new Function(
    "Webhook",
    "request",
    "secret",
    `return (async () => { ${use} return event; })();`,
  );

  it("name the library they are about", () => {
    expect(library).toBe(`import { Webhook } from "${name}";`);
  });

  it("accept a delivery of ours under each of two secrets", async () => {
    const secrets = [newSecret(random), newSecret(random)];
    for (const secret of secrets) {
      expect(await receive(Webhook, await freshDelivery(secrets), secret)).toEqual(JSON.parse(BODY));
    }
  });

  it("refuse another secret and a changed body", async () => {
    const secret = newSecret(random);
    await expect(receive(Webhook, await freshDelivery([secret]), newSecret(random))).rejects.toThrow(
      "No matching signature found",
    );
    await expect(receive(Webhook, await freshDelivery([secret], `${BODY} `), secret)).rejects.toThrow(
      "No matching signature found",
    );
  });
});

describe("the whole receiver in Node", () => {
  const folder = mkdtempSync(join(tmpdir(), "edge-refunds-receiver-"));
  const secret = newSecret(random);
  let child: ChildProcess;
  let url = "";

  beforeAll(async () => {
    for (const file of ["receiver.mjs", "webhook.mjs"]) writeFileSync(join(folder, file), snippet(file));
    const port = await freePort();
    url = `http://127.0.0.1:${port}/hooks`;
    const env = { ...process.env, WEBHOOK_SECRET: secret, PORT: String(port) };
    child = spawn(process.execPath, ["receiver.mjs"], { cwd: folder, env, stdio: "ignore" });
    for (let i = 0; i < 100; i++) {
      const listening = await fetch(url).then(
        () => true,
        () => false,
      );
      if (listening) return;
      await sleep(50);
    }
    throw new Error("it does not listen");
  });

  afterAll(() => {
    child?.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  const post = async (request: Request) =>
    await fetch(url, { method: "POST", headers: request.headers, body: await request.text() });

  it("answers 204 to a genuine delivery", async () => {
    expect((await post(await freshDelivery([secret]))).status).toBe(204);
  });

  it("answers 400 to a forged one, and goes on", async () => {
    expect((await post(await freshDelivery([newSecret(random)]))).status).toBe(400);
    expect((await post(await freshDelivery([secret]))).status).toBe(204);
  });
});

describe("the document", () => {
  it("shows an event whose bytes are what we render, under a signature that holds", async () => {
    const event = JSON.parse(blocks.find(({ language }) => language === "json")?.code ?? "");
    const { id, created, livemode, type, request } = event;
    const bytes = JSON.stringify(event);
    expect(eventBody({ id, created, livemode, type, object: event.data.object, request })).toBe(bytes);
    expect(Object.keys(event.data.object)).toEqual(Object.keys(refundSchema.parse(event.data.object)));

    const sent = blocks.find(({ language }) => language === "http")?.code ?? "";
    const header = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(sent)?.[1];
    const timestamp = Number(header("webhook-timestamp"));
    expect(header("webhook-id")).toBe(id);
    expect(document).toContain(VECTOR.secret);
    expect(header("webhook-signature")).toBe(await standardSignature([VECTOR.secret], id, timestamp, bytes));
  });

  it("names every type of event that is sent", () => {
    const types = table("type").map(([type]) => type?.replaceAll("`", ""));
    expect([...types].sort()).toEqual([...EVENT_TYPES].sort());
  });

  it("gives the delays of both schedules, and the time they add up to", () => {
    const rows = table("failed attempt");
    for (const [schedule, column] of [["standard", 1] as const, ["pingpp", 3] as const]) {
      const delays = DELAYS[schedule];
      let since = 0;
      for (const [i, delay] of delays.entries()) {
        since += delay;
        expect(milliseconds(rows[i]?.[column]), `${schedule}, failed attempt ${i + 1}`).toBe(delay);
        // Past the first minutes the seconds are left out.
        const shown = milliseconds(rows[i]?.[column + 1]);
        expect(Math.abs(since - shown), `${schedule}, since the first`).toBeLessThan(60_000);
      }
      expect(rows[delays.length]?.[column]).toBe("exhausted");
    }
  });

  it("gives addresses that are refused, and uses ones that are not", () => {
    const rules = { livemode: true, localDevelopment: false };
    const examples = table("refused").flatMap(([, cell = ""]) => [...cell.matchAll(/`([^`]+)`/g)]);
    expect(examples.length).toBeGreaterThan(10);
    for (const [, url = ""] of examples) expect(refuseUrl(url, rules), url).not.toBeNull();
    const used = [...document.matchAll(/-d url=(\S+)/g)].map(([, url = ""]) => url);
    expect(used.length).toBeGreaterThan(0);
    for (const url of used) {
      const local = url.includes("127.0.0.1");
      expect(refuseUrl(url, { livemode: !local, localDevelopment: local }), url).toBeNull();
    }
  });

  it("names only routes that exist", () => {
    const plain = (path: string) => path.replaceAll(/\{\w+\}|:\w+/g, "*");
    const known = new Set(routes.map(({ method, path }) => `${method} ${plain(path)}`));
    // `POST`, `GET /v1/…` names one path with two methods.
    const told = [...document.matchAll(/((?:`[A-Z]+`, )*)`([A-Z]+) (\/v1\/[^`?]*)/g)].flatMap(
      ([, others = "", method = "", path = ""]) =>
        [...others.matchAll(/[A-Z]+/g)]
          .map(String)
          .concat(method)
          .map((verb) => `${verb} ${plain(path)}`),
    );
    expect(told.length).toBeGreaterThan(15);
    expect(told.filter((route) => !known.has(route))).toEqual([]);
  });
});

/** Reads "2 h 35 min" and the like. */
function milliseconds(text = ""): number {
  const units: Record<string, number> = { s: 1000, min: 60_000, h: 3_600_000 };
  return [...text.matchAll(/(\d+) (s|min|h)/g)].reduce(
    (sum, [, count, unit = ""]) => sum + Number(count) * (units[unit] ?? 0),
    0,
  );
}
