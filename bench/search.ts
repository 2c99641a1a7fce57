// What searching costs among very many refunds: every option of the search, pages deep in the list, counts and sums over
// a year, and a whole export. The rows are written into D1's file without asking for each; everything else goes over HTTP
// to the bundled Worker on the local runtime. Rows read are those that D1 tells, which is what it is paid by.
import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { newApp } from "../scripts/admin-sql.ts";
import { newMasterKeys } from "../scripts/dev-vars.ts";
import type { Bundle } from "./bundle.ts";
import { migrations } from "./merchant.ts";
import { untilIdle } from "./process-time.ts";
import type { RowsRead } from "./reading-worker.ts";
import { type Runtime, startRuntime } from "./runtime.ts";
import { DAYS, NEEDLE, type Written, writeRefunds } from "./search-rows.ts";

const DAY = 86_400;
/** Of each question; the median is told. */
const TIMES = 5;
const PAGE = 20;
const EXPORT_MAX = 100_000;
const PROJECTED_MS = 10_000;
const LOOK_MS = 50;
/** A ledger's alarm fires 2 s after its last change. */
export const ALARM_MS = 2_200;
/** A page may read so many rows more than the first one, wherever it stands: its own cursor. */
const DEEP_MORE_MAX = 5;

export interface SearchBench {
  worker: Bundle;
  reading: Bundle;
  rows: number;
  at: (name: string) => string;
  say: (line: string) => void;
}

interface Question {
  name: string;
  path: string;
  /** Whether the answer is the one that was wanted. */
  judge?: (body: Answer) => boolean;
}

interface Answer {
  data: { id: string; [name: string]: unknown }[];
  has_more?: boolean;
  total_count?: number;
}

/** Measures and prints. Throws when an answer is wrong, or when a page deep in the list reads more than the first. */
export async function measureSearch({ worker, reading, rows, at, say }: SearchBench): Promise<void> {
  const state = at("search-state");
  const { key, secrets } = await openShop(worker, state);

  const began = performance.now();
  const written = writeRefunds(state, rows, Math.floor(Date.now() / 1000) - 60);
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  say(
    `${rows} refunds of ${DAYS} days written in ${seconds} s; the database has ${megabytes(written.bytes)} MB`,
  );

  const questions = questionsOf(written);
  const measured = new Map<string, number[]>();
  let exports: string[] = [];
  await withRuntime(worker, state, secrets, async (runtime) => {
    for (const { name, path, judge } of questions)
      measured.set(name, await measure(runtime, key, path, judge));
    exports = await measureExports(runtime, key, Math.min(rows, EXPORT_MAX));
  });
  const read = new Map<string, RowsRead>();
  await withRuntime(reading, state, secrets, async (runtime) => {
    for (const { name, path } of questions) read.set(name, await countRead(runtime, key, path));
  });

  say(`\n${"".padEnd(34)}median ms    max ms  rows read  statements`);
  for (const { name, path } of questions) {
    const times = (measured.get(name) ?? []).sort((a, b) => a - b);
    const { rows = Number.NaN, statements = Number.NaN } = read.get(name) ?? {};
    const columns = [
      name.padEnd(32),
      (times[Math.floor(times.length / 2)] ?? Number.NaN).toFixed(1).padStart(11),
      (times.at(-1) ?? Number.NaN).toFixed(1).padStart(10),
      String(rows).padStart(11),
      String(statements).padStart(12),
    ];
    say(`${columns.join("")}   ${path}`);
  }
  for (const line of exports) say(line);
  const deep = questions.filter(({ name }) => name.startsWith("page at depth"));
  say(`a page of ${PAGE} costs the same at any depth: ${sameCost(read, deep)}`);
}

/** Makes the tables and an app with one refund, of which all others are copies. */
export async function openShop(worker: Bundle, state: string) {
  const secrets = { MASTER_KEYS: newMasterKeys() };
  const random = (count: number) => crypto.getRandomValues(new Uint8Array(count));
  const app = await newApp("Benchmark", secrets.MASTER_KEYS, { random, now: Math.floor(Date.now() / 1000) });
  await withRuntime(worker, state, secrets, async (runtime) => {
    const db = await runtime.database("DB");
    const statements = [...(await migrations()), ...app.statements];
    await db.batch(statements.map((statement) => db.prepare(statement)));
    // Questions follow each other faster than clients of one key usually ask.
    await db.prepare("UPDATE apps SET settings = json_set(settings, '$.rate_limit', 10000)").run();
    const payment = { order_no: "order", channel: "alipay", amount: 10_000, paid: true };
    const charge = JSON.parse(await ask(runtime, app.testKey, "/v1/charges", payment));
    const refund = { amount: 100, description: "Returned" };
    await ask(runtime, app.testKey, `/v1/charges/${charge.id}/refunds`, refund);
    const look = db.prepare("SELECT count(*) AS refunds FROM refunds WHERE status = 'succeeded'");
    const deadline = Date.now() + PROJECTED_MS;
    while ((await look.first<{ refunds: number }>())?.refunds !== 1) {
      if (Date.now() > deadline) throw new Error("D1 was not told of the refund");
      await sleep(LOOK_MS);
    }
    // Until its ledger has nothing left to do.
    await untilIdle(runtime.pid, ALARM_MS);
  });
  return { key: app.testKey, secrets };
}

function questionsOf({ refunds, newest, sample, store, needles, ids, common }: Written): Question[] {
  const list = (name: string, query: string, judge: Question["judge"] = hasSome): Question => ({
    name,
    path: `/v1/refunds?limit=${PAGE}${query === "" ? "" : `&${query}`}`,
    judge,
  });
  const one = (body: Answer) => body.data.length === 1 && body.data[0]?.id === sample.id;
  const middle = newest - (DAYS / 2) * DAY;
  const yearAgo = newest - 365 * DAY;
  const depths = [1_000, 10_000, 100_000, 900_000].filter((depth) => depth < refunds);
  return [
    list("first page", "", (body) => body.data.length === PAGE && body.has_more === true),
    // What was made for the copies stands before all of them.
    ...depths.map((depth) =>
      list(
        `page at depth ${depth}`,
        `starting_after=${ids[refunds - depth]}`,
        (body) => body.data[0]?.id === ids[refunds - depth - 1],
      ),
    ),
    list("a page back", `ending_before=${ids[Math.floor(refunds / 2)]}`),
    list("status=succeeded", "status=succeeded"),
    list("status=failed", "status=failed"),
    list("status=pending", "status=pending"),
    list("channel", "channel=stripe"),
    list("currency", "currency=eur"),
    list("amount range", "amount[gte]=99990"),
    list("one amount", `amount=${sample.amount}`),
    list("created range", `created[gte]=${middle - DAY}&created[lt]=${middle}`),
    list("sort by amount", "sort=-amount"),
    list("sort by amount, one day", `sort=-amount&created[gte]=${middle - DAY}&created[lt]=${middle}`),
    list("oldest first", "sort=created"),
    list("refund_no", `refund_no=${sample.refundNo}`, one),
    list("order_no", `order_no=${sample.orderNo}`, ({ data }) => data.some(({ id }) => id === sample.id)),
    list("transaction_no", `transaction_no=${sample.transactionNo}`, one),
    list("charge", `charge=${sample.charge}`, ({ data }) => data.some(({ id }) => id === sample.id)),
    list("attention", "attention=any"),
    list("a common word", `description=${common}`),
    list("a rare word", `description=${NEEDLE}`, ({ data }) => data.length === Math.min(needles, PAGE)),
    list("two words", `description=${common}%20${NEEDLE}`, isList),
    list("two common words", `description=${common}%20returned`),
    list("Chinese", `description=${encodeURIComponent("七天无理由")}`),
    list("a word that nobody wrote", "description=xylophone", ({ data }) => data.length === 0),
    list("metadata, one of 200 values", `metadata[store]=${store}`),
    list("metadata, one refund", `metadata[ticket]=${sample.ticket}`, one),
    list("metadata and a word", `metadata[store]=${store}&description=${common}`),
    list("a word and a status", `description=${common}&status=failed`),
    list("three filters", "status=failed&channel=stripe&currency=eur"),
    list("channel, sorted by amount", "channel=stripe&sort=-amount"),
    list("total_count of all", "include=total_count", hasTotal),
    list("total_count of a status", "status=failed&include=total_count", hasTotal),
    list(
      "total_count of a word",
      `description=${NEEDLE}&include=total_count`,
      (b) => b.total_count === needles,
    ),
    { name: "one refund", path: `/v1/refunds/${sample.id}` },
    {
      name: "summary of a year",
      path: `/v1/refunds/summary?created[gte]=${yearAgo}`,
      judge: hasSome,
    },
    {
      name: "summary of a year by day",
      path: `/v1/refunds/summary?group_by=day,status,channel&created[gte]=${yearAgo}`,
      judge: ({ data }) => data.length > 365,
    },
    { name: "summary of thirty days", path: "/v1/refunds/summary", judge: hasSome },
  ];
}

const isList = (body: Answer) => Array.isArray(body.data);
const hasSome = (body: Answer) => isList(body) && body.data.length > 0;
const hasTotal = (body: Answer) => hasSome(body) && Number(body.total_count) > 0;

export async function withRuntime(
  bundle: Bundle,
  state: string,
  secrets: Record<string, string>,
  work: (runtime: Runtime) => Promise<void>,
): Promise<void> {
  const runtime = await startRuntime(bundle, { state, secrets });
  try {
    await work(runtime);
  } finally {
    await runtime.stop();
  }
}

/** Posts the body if there is one. */
export async function ask(runtime: Runtime, key: string, path: string, body?: object): Promise<string> {
  const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
  const posted = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const answer = await fetch(`${runtime.url}${path}`, { headers, ...posted });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${path} was answered ${answer.status} ${text.slice(0, 500)}`);
  return text;
}

/** ms of each time, after one that warms everything up. */
async function measure(
  runtime: Runtime,
  key: string,
  path: string,
  judge: Question["judge"] = () => true,
): Promise<number[]> {
  const text = await ask(runtime, key, path);
  if (!judge(JSON.parse(text))) throw new Error(`${path} was answered ${text.slice(0, 500)}`);
  const times: number[] = [];
  for (let i = 0; i < TIMES; i++) {
    const began = performance.now();
    await ask(runtime, key, path);
    times.push(performance.now() - began);
  }
  return times;
}

export async function countRead(runtime: Runtime, key: string, path: string): Promise<RowsRead> {
  // The key is looked up once and then remembered.
  await ask(runtime, key, path);
  await ask(runtime, key, "/rows-read");
  await ask(runtime, key, path);
  return JSON.parse(await ask(runtime, key, "/rows-read"));
}

/** A line for each format. */
async function measureExports(runtime: Runtime, key: string, rows: number): Promise<string[]> {
  const lines = [];
  for (const format of ["ndjson", "csv"]) {
    const { bytes, count, firstMs, ms } = await download(
      runtime,
      key,
      `/v1/refunds/export?format=${format}&limit=${rows}`,
    );
    const expected = format === "csv" ? rows + 1 : rows;
    if (count !== expected) throw new Error(`the export has ${count} lines in place of ${expected}`);
    lines.push(
      `export of ${rows} as ${format}: ${(ms / 1000).toFixed(1)} s, the first byte after ${firstMs.toFixed(0)} ms, ` +
        `${megabytes(bytes)} MB, ${((rows / ms) * 1000).toFixed(0)} refunds a second`,
    );
  }
  return lines;
}

interface Download {
  bytes: number;
  /** Lines. */
  count: number;
  firstMs: number;
  ms: number;
}

function download(runtime: Runtime, key: string, path: string): Promise<Download> {
  const began = performance.now();
  const found: Download = { bytes: 0, count: 0, firstMs: 0, ms: 0 };
  return new Promise((resolve, reject) => {
    const headers = { Authorization: `Bearer ${key}` };
    const sent = request(`${runtime.url}${path}`, { headers }, (answer) => {
      answer.on("data", (chunk: Buffer) => {
        if (found.bytes === 0) found.firstMs = performance.now() - began;
        found.bytes += chunk.length;
        for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) found.count++;
      });
      answer.on("error", reject);
      answer.on("end", () => resolve({ ...found, ms: performance.now() - began }));
    });
    sent.on("error", reject);
    sent.end();
  });
}

/** Rows read by the pages at each depth. Throws when one reads more than the first. */
function sameCost(read: Map<string, RowsRead>, deep: readonly Question[]): string {
  const first = read.get("first page")?.rows ?? Number.NaN;
  const rows = deep.map(({ name }) => read.get(name)?.rows ?? Number.NaN);
  if (!rows.every((count) => count <= first + DEEP_MORE_MAX)) {
    throw new Error(`pages read ${rows.join(", ")} rows deep in the list, and ${first} at its beginning`);
  }
  return `${first} rows read for the first, ${rows.join(", ")} for those further down`;
}

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(0);
