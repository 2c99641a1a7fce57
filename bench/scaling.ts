// Whether a refund costs the same when there are many: as one charge collects fifty of them, and as D1 holds ten thousand,
// a hundred thousand, and when asked for a million. Everything is told beside the smallest as a multiple of it.
import { type Bundle, bundle } from "./bundle.ts";
import type { Counter } from "./counters.ts";
import { type Counted, CountingShop, REFUND, refundsOf } from "./counts.ts";
import type { LoadRequest } from "./load.ts";
import { table } from "./markdown.ts";
import { type Judge, sendJudged, spent, spreadOf } from "./measure.ts";
import { bodyOf, Merchant } from "./merchant.ts";
import { untilIdle } from "./process-time.ts";
import { type Runtime, startRuntime } from "./runtime.ts";
import { ALARM_MS, countRead, openShop, withRuntime } from "./search.ts";
import { type Written, writeRefunds } from "./search-rows.ts";

/** Which refund of a charge is looked at. */
const NTH = [1, 10, 50] as const;
const MOST = Math.max(...NTH);
const CONCURRENCY = 8;

export interface ScalingBench {
  worker: Bundle;
  /** Refunds in D1, the fewest first. */
  sizes: readonly number[];
  quick: boolean;
  at: (name: string) => string;
  say: (line: string) => void;
}

export async function measureScaling({ worker, sizes, quick, at, say }: ScalingBench): Promise<void> {
  await countRefunds(at("scaling-counts"), say);
  await measureCharges(worker, quick ? { groups: 2, charges: 30 } : { groups: 5, charges: 60 }, at, say);
  await measureSizes({ worker, sizes, quick, at, say });
}

/** The first, the tenth and the fiftieth refund of a charge, counted exactly. */
async function countRefunds(state: string, say: (line: string) => void): Promise<void> {
  const shown = [
    ...["ledger calls", "ledger commits", "ledger rows read", "ledger rows written"],
    ...["D1 calls", "D1 rows read", "D1 rows written"],
  ] as readonly Counter[];
  const shop = await CountingShop.open(state);
  try {
    const charge = await shop.recordedCharge();
    const empty = (await shop.rest(charge)).bytes;
    const counted: Counted[] = [];
    const woken: number[] = [];
    for (let n = 1; n <= MOST; n++) {
      const one = await shop.count("POST", refundsOf(charge), { charge, body: REFUND, alarm: true });
      if (!NTH.some((nth) => nth === n)) continue;
      counted.push(one);
      await shop.evict(charge);
      woken.push((await shop.count("GET", `/charges/${charge}`)).before["ledger rows read"]);
    }
    say(`\nRefunds of one charge, exactly; its ledger has ${empty} bytes before the first.\n`);
    const rows = [
      ["", ...NTH.map((nth) => `${nth}.`)],
      ...shown.map((counter) => [
        counter,
        ...counted.map(({ before, after }) => String(before[counter] + after[counter])),
      ]),
      ["bytes of the ledger", ...counted.map(({ bytes }) => String(bytes))],
      ["rows read when it wakes", ...woken.map(String)],
    ];
    for (const line of table(rows)) say(line);
  } finally {
    await shop.close();
  }
}

/** What the n-th refund of a charge takes of the processor, with everything that follows it. */
async function measureCharges(
  worker: Bundle,
  { groups, charges }: { groups: number; charges: number },
  at: (name: string) => string,
  say: (line: string) => void,
): Promise<void> {
  const merchant = await Merchant.open(worker, { state: at("scaling-charges"), concurrency: CONCURRENCY });
  const resting = { pid: merchant.runtime.pid, rest: () => merchant.rest() };
  const used = new Map(NTH.map((nth): [number, number[]] => [nth, []]));
  try {
    // The first group lets the runtime compile what it will run.
    for (let group = 0; group <= groups; group++) {
      const ids = await merchant.record(charges);
      const refundAll = () =>
        merchant.send(
          ids.map((id) => merchant.refund(id)),
          (answer, i) => Merchant.refunded(answer, ids[i]),
        );
      for (let n = 1; n <= MOST; n++) {
        const isMeasured = group > 0 && used.has(n);
        if (isMeasured) used.get(n)?.push((await spent(resting, refundAll)).usedMs / charges);
        else await refundAll();
      }
    }
    await merchant.rest();
    await merchant.verify();
  } finally {
    await merchant.runtime.stop();
  }
  say(`\nCPU ms per refund with its work after the answer: ${groups} times ${charges} charges.\n`);
  const first = used.get(NTH[0]) ?? [];
  const rows = [...used].map(([n, values]) => {
    const { median, min, max } = spreadOf(values);
    const ratio = spreadOf(values.map((ms, i) => ms / (first[i] ?? Number.NaN))).median;
    const spread = `${min.toFixed(3)}–${max.toFixed(3)}`;
    return [`${n}. of a charge`, median.toFixed(3), spread, ratio.toFixed(2)];
  });
  for (const line of table([["", "median", "least–most", "× the first"], ...rows])) say(line);
}

/** The Worker with so many refunds in its D1. */
interface Site {
  rows: number;
  key: string;
  secrets: Record<string, string>;
  state: string;
  runtime: Runtime;
  questions: Record<string, string>;
  send(requests: LoadRequest[], judge: Judge): ReturnType<typeof sendJudged>;
}

/** What requests cost while D1 holds so many refunds; the tries of the sizes take turns. */
async function measureSizes({ worker, sizes, quick, at, say }: ScalingBench): Promise<void> {
  const reading = await bundle(at("scaling-reading"), { main: "bench/reading-worker.ts" });
  const times = quick ? { reads: 50, refunds: 50, tries: 3 } : { reads: 100, refunds: 100, tries: 5 };
  const sites: Site[] = [];
  const costs = new Map<string, number[][]>();
  const add = (name: string, which: number, cpuMs: number) => {
    const values = costs.get(name) ?? sizes.map(() => []);
    values[which]?.push(cpuMs);
    costs.set(name, values);
  };
  say("");
  try {
    for (const rows of sizes) {
      const site = await openSite(worker, rows, at(`scaling-${rows}`), say);
      sites.push(site);
    }
    const names = Object.keys(sites[0]?.questions ?? {});
    // The first try lets the runtimes compile what they will run.
    for (let i = 0; i <= times.tries; i++) {
      for (const [which, site] of sites.entries()) {
        const made = await costOfRefunds(site, times.refunds);
        if (i > 0) add("create a refund", which, made);
      }
      for (const name of names) {
        for (const [which, site] of sites.entries()) {
          const read = await costOfReads(site, site.questions[name] ?? "", times.reads);
          if (i > 0) add(name, which, read);
        }
      }
    }
  } finally {
    for (const { runtime } of sites) await runtime.stop();
  }
  const read = new Map<string, number>();
  for (const { rows, key, secrets, state, questions } of sites) {
    await withRuntime(reading, state, secrets, async (runtime) => {
      for (const [name, path] of Object.entries(questions))
        read.set(`${rows} ${name}`, (await countRead(runtime, key, path)).rows);
    });
  }

  say(
    "\nCPU ms per request with its work after the answer, × the first of the same try; rows that D1 read.\n",
  );
  const lines = [...costs].map(([name, values]) => [
    name,
    ...sizes.flatMap((rows, which) => {
      const mine = values[which] ?? [];
      const ratios = mine.map((ms, i) => ms / (values[0]?.[i] ?? Number.NaN));
      const ratio = which === 0 ? [] : [spreadOf(ratios).median.toFixed(2)];
      return [spreadOf(mine).median.toFixed(3), ...ratio, String(read.get(`${rows} ${name}`) ?? "")];
    }),
  ]);
  const heads = sizes.flatMap((rows, which) => [`of ${rows}`, ...(which === 0 ? [] : ["×"]), "rows"]);
  for (const line of table([["", ...heads], ...lines])) say(line);
}

async function openSite(
  worker: Bundle,
  rows: number,
  state: string,
  say: (line: string) => void,
): Promise<Site> {
  const { key, secrets } = await openShop(worker, state);
  const written = writeRefunds(state, rows, Math.floor(Date.now() / 1000) - 60);
  say(`${rows} refunds take ${(written.bytes / 1e6).toFixed(0)} MB in D1`);
  const runtime = await startRuntime(worker, { state, secrets });
  const { url } = runtime;
  const headers = { Authorization: `Bearer ${key}` };
  const send: Site["send"] = (requests, judge) =>
    sendJudged({ url, headers, concurrency: CONCURRENCY, requests }, judge);
  return { rows, key, secrets, state, runtime, questions: questionsOf(written), send };
}

async function costOfReads({ runtime: { pid }, send }: Site, path: string, count: number): Promise<number> {
  const requests = Array.from({ length: count }, (): LoadRequest => ({ method: "GET", path }));
  const resting = { pid, rest: () => untilIdle(pid) };
  const { usedMs } = await spent(resting, () =>
    send(requests, (answer) => (bodyOf(answer).data as unknown[]).length > 0),
  );
  return usedMs / count;
}

let orders = 0;

/** First refunds of charges of their own. */
async function costOfRefunds({ runtime: { pid }, send }: Site, count: number): Promise<number> {
  const charges = Array.from({ length: count }, (): LoadRequest => {
    const body = { order_no: `scaling${++orders}`, channel: "alipay", amount: 10_000, paid: true };
    return { method: "POST", path: "/v1/charges", body: JSON.stringify(body) };
  });
  const recorded = await send(charges, (answer) => bodyOf(answer).paid === true);
  const requests = recorded.answers.map((answer): LoadRequest => {
    const path = `/v1/charges/${bodyOf(answer).id}/refunds`;
    return { method: "POST", path, body: JSON.stringify(REFUND) };
  });
  let sentAt = 0;
  const resting = { pid, rest: () => untilIdle(pid, sentAt + ALARM_MS - Date.now()) };
  const { usedMs } = await spent(resting, async () => {
    await send(requests, (answer) => bodyOf(answer).succeed === true);
    sentAt = Date.now();
  });
  return usedMs / count;
}

function questionsOf({ sample, ids, common, newest }: Written): Record<string, string> {
  const list = (query: string) => `/v1/refunds?limit=20${query}`;
  return {
    "list across charges": list(""),
    "a page in the middle": list(`&starting_after=${ids[Math.floor(ids.length / 2)]}`),
    "of a status": list("&status=failed"),
    "of a channel and a currency": list("&channel=stripe&currency=eur"),
    "of an amount": list("&amount[gte]=99000"),
    "sorted by amount": list("&sort=-amount"),
    "of an order": list(`&order_no=${sample.orderNo}`),
    "with metadata": list(`&metadata[ticket]=${sample.ticket}`),
    "with a common word": list(`&description=${common}`),
    // Of these there are the more the more there are of all.
    "a summary of a day": `/v1/refunds/summary?created[gte]=${newest - 86_400}`,
  };
}
