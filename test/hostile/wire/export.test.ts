// An export over a real socket, from the bundled Worker on the local runtime: what only the transfer itself can show. A
// client that reads slowly, one that goes away, and a database that fails on the way.
import { mkdtempSync, rmSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { bundle } from "../../../bench/bundle.ts";
import { migrations } from "../../../bench/merchant.ts";
import { processorMs, untilIdle } from "../../../bench/process-time.ts";
import { type Runtime, startRuntime } from "../../../bench/runtime.ts";
import { newApp } from "../../../scripts/admin-sql.ts";
import { newMasterKeys } from "../../../scripts/dev-vars.ts";

const REFUNDS = 40_000;
const PAUSE_MS = 1_500;

let directory: string;
let runtime: Runtime;
let key: string;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "edge-refunds-export-"));
  const masterKeys = newMasterKeys();
  const worker = await bundle(join(directory, "bundle"));
  runtime = await startRuntime(worker, {
    state: join(directory, "state"),
    secrets: { MASTER_KEYS: masterKeys },
  });
  const random = (count: number) => crypto.getRandomValues(new Uint8Array(count));
  const app = await newApp("export", masterKeys, { random, now: Math.floor(Date.now() / 1000) });
  key = app.testKey;
  const db = await runtime.database("DB");
  await db.batch([...(await migrations()), ...app.statements].map((statement) => db.prepare(statement)));
  const { id: charge } = await post("/v1/charges", {
    order_no: "1",
    channel: "wx",
    amount: 10_000,
    paid: true,
  });
  await post(`/v1/charges/${charge}/refunds`, { amount: 1, description: "Returned" });
  await untilIdle(runtime.pid, 2_200);
  await copyRefund();
});

afterAll(async () => {
  await runtime?.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function post(path: string, body: object): Promise<{ id: string }> {
  const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
  const answer = await fetch(`${runtime.url}${path}`, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
  return (await answer.json()) as { id: string };
}

/** So many refunds as no test could ask for one by one. */
async function copyRefund(): Promise<void> {
  const db = await runtime.database("DB");
  const { results } = await db
    .prepare("SELECT name FROM pragma_table_info('refunds')")
    .all<{ name: string }>();
  const columns = results.map(({ name }) => name);
  const other: Record<string, string> = { id: "printf('re_%024d', n.value)", created: "created - n.value" };
  for (let first = 1; first < REFUNDS; first += 10_000) {
    const numbers = JSON.stringify(
      Array.from({ length: 10_000 }, (_, i) => first + i).slice(0, REFUNDS - first),
    );
    await db
      .prepare(
        `INSERT INTO refunds (${columns.join()}) SELECT ${columns.map((name) => other[name] ?? `r.${name}`).join()}
          FROM json_each(?) n, (SELECT * FROM refunds ORDER BY created DESC LIMIT 1) r`,
      )
      .bind(numbers)
      .run();
  }
}

/** Asks for everything; the answer waits until it is read. */
function ask(): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { Authorization: `Bearer ${key}` };
    get(`${runtime.url}/v1/refunds/export`, { headers, agent: false }, resolve).on("error", reject);
  });
}

/** The lines of the rest of an answer, and whether it came to its end. */
function read(answer: IncomingMessage): Promise<{ lines: number; whole: boolean }> {
  let lines = 0;
  answer.on("data", (chunk: Buffer) => {
    for (const byte of chunk) if (byte === 10) lines++;
  });
  answer.on("error", () => {});
  answer.resume();
  return new Promise((resolve) => answer.on("close", () => resolve({ lines, whole: answer.complete })));
}

/** The processor time that the runtime spends until it rests. */
async function spent(work: () => Promise<unknown>): Promise<number> {
  await untilIdle(runtime.pid);
  const before = processorMs(runtime.pid);
  await work();
  await untilIdle(runtime.pid);
  return processorMs(runtime.pid) - before;
}

it("a client that stops reading makes the export wait, and gets all of it when it goes on", async () => {
  const answer = await ask();
  answer.pause();
  await sleep(PAUSE_MS);
  const before = processorMs(runtime.pid);
  await sleep(PAUSE_MS);
  expect(processorMs(runtime.pid) - before).toBeLessThan(PAUSE_MS / 5);
  expect(await read(answer)).toEqual({ lines: REFUNDS, whole: true });
});

it("a client that goes away ends the work", async () => {
  const whole = await spent(async () => read(await ask()));
  const left = await spent(async () => {
    const answer = await ask();
    await new Promise((resolve) => answer.once("data", resolve));
    answer.destroy();
  });
  expect(left).toBeLessThan(whole / 2);
});

it("a database that fails on the way cuts the transfer off: a part never looks like the whole", async () => {
  const db = await runtime.database("DB");
  const answer = await ask();
  expect(answer.statusCode).toBe(200);
  answer.pause();
  await db.exec("ALTER TABLE refunds RENAME TO refunds_away");
  const { lines, whole } = await read(answer);
  expect({ whole, some: lines > 0, all: lines === REFUNDS }).toEqual({
    whole: false,
    some: true,
    all: false,
  });
});
