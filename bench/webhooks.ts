// What a webhook costs, and how long it takes: refunds of an app with an endpoint, whose events arrive at a receiver in
// another process. D1 and the queues are the local ones, on disk.
// Lag is counted from the moment at which the ledger asked the channel that said yes, in ms, as the refund keeps it: the
// refund succeeded then or a little later, so that no lag is told too short. It ends when the first attempt has arrived.
import { setTimeout as sleep } from "node:timers/promises";
import { Webhook } from "standardwebhooks";
import type { Bundle } from "./bundle.ts";
import { refundsIn } from "./cases.ts";
import type { FloorMessage } from "./floor-worker.ts";
import { FLOOR_TABLES } from "./floors.ts";
import type { LoadRequest } from "./load.ts";
import { quantile, sendJudged, spent } from "./measure.ts";
import { bodyOf, Merchant } from "./merchant.ts";
import { untilIdle } from "./process-time.ts";
import { type Arrival, Receiver } from "./receiver.ts";
import { startRuntime } from "./runtime.ts";

/** Far less than the local queues can take: the lag is then that of a delivery, and not that of those before it. */
const PACE = 25;
const PACED_SHARE = 4;
/** The price of a delivery is a difference: with fewer, of colder code, it would be no more than noise. */
const COUNT_MIN = 300;
const WARM_MIN = 100;
const PACED_MIN = 50;
/** So many of each row have their signatures verified, the last ones. */
const SIGNED = 100;
const SLOW_WITHIN_MS = 10_000;
const LOOK_MS = 50;

export interface Size {
  /** Refunds of each row. */
  requests: number;
  concurrency: number;
}

export interface WebhookFigure {
  name: string;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** What an event adds to the processor time of its refund; null where it was not measured. */
  cpuMs: number | null;
}

export interface WebhookBench {
  worker: Bundle;
  floor: Bundle;
  size: Size;
  at: (name: string) => string;
  inspect: boolean;
  /** Runs around the row that is measured under load. */
  around?: <T>(merchant: Merchant, name: string, work: () => Promise<T>) => Promise<T>;
  print: (figure: WebhookFigure, floor: WebhookFigure | null, says: string) => void;
  say: (line: string) => void;
}

/** Measures and prints. Throws when an event was lost, came twice or was not the one that the refund made. */
export async function measureWebhooks(bench: WebhookBench): Promise<void> {
  const { size, print } = bench;
  const receiver = await Receiver.open("answers");
  const hanging = await Receiver.open("hangs");
  const merchant = await Merchant.open(bench.worker, {
    state: bench.at("webhook-state"),
    concurrency: size.concurrency,
    inspect: bench.inspect,
    loopbackWebhooks: true,
  });
  try {
    const warm = Math.max(WARM_MIN, size.requests / 5);
    const count = Math.max(COUNT_MIN, size.requests);
    await refund(merchant, warm);
    // What the warm-up leaves to do is done meanwhile.
    const floor = await measureFloor(bench);
    print(floor, null, "one message, one POST and one row changed in D1");
    const { usedMs: without } = await spentOn(merchant, () => refund(merchant, count));
    const endpoint = await merchant.openEndpoint(receiver.url);
    const round = new Round(merchant, receiver, endpoint.secret);
    await round.run(warm);

    const { around = (_merchant, _name, work) => work() } = bench;
    const fast = await around(merchant, "webhooks", () => spentOn(merchant, () => round.run(count)));
    const cpuMs = (fast.usedMs - without) / count;
    print({ name: "webhooks", ...fast.result, cpuMs }, floor, "refunds as fast as the clients make them");

    const pacedCount = Math.max(PACED_MIN, Math.ceil(size.requests / PACED_SHARE));
    const paced = await round.run(pacedCount, PACE);
    print({ name: "webhooks-paced", ...paced, cpuMs: null }, null, `${PACE} refunds a second`);

    const slow = await merchant.openEndpoint(hanging.url);
    const alone = await round.run(1);
    await untilSlow(merchant, slow.id);
    const beside = await round.run(pacedCount, PACE);
    print(
      { name: "webhooks-beside", ...beside, cpuMs: null },
      null,
      "the same, to two receivers: the other failed once and hangs since",
    );

    await merchant.rest();
    await expectDelivered(merchant, endpoint.id, round.events);
    // It hung indeed, and was asked for nothing that is not its own.
    const [, ...hung] = await hanging.take();
    if (hung.length === 0) throw new Error("the receiver that should hang was not asked");
    if ((await receiver.take()).length > 0) throw new Error("events came after all had arrived");
    bench.say(`queues, one batch of each at a time: ${merchant.runtime.queues.join("; ")}`);
    bench.say(`an event that comes alone waits for others to its batch: a lag of ${alone.p50Ms} ms`);
    bench.say(await merchant.verify());
    bench.say(
      `${round.events} events, each arrived once and byte for byte; ${round.verified} signatures verified`,
    );
  } finally {
    receiver.close();
    hanging.close();
    await merchant.runtime.stop();
  }
}

interface Measured {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
}

/** An event as it should arrive. */
interface Sent {
  body: string;
  /** ms: the moment from which its lag is counted. */
  at: number;
}

/** Refunds of a merchant, and what arrived of their events at a receiver. */
class Round {
  events = 0;
  verified = 0;
  readonly #merchant: Merchant;
  readonly #receiver: Receiver;
  readonly #secret: string;

  constructor(merchant: Merchant, receiver: Receiver, secret: string) {
    this.#merchant = merchant;
    this.#receiver = receiver;
    this.#secret = secret;
  }

  async run(count: number, perSecond?: number): Promise<Measured> {
    const refunds = await refund(this.#merchant, count, perSecond);
    await this.#receiver.until(count);
    const arrivals = await this.#receiver.take();
    const measured = measuredOf(arrivals, await eventsOf(this.#merchant, refunds));
    const webhook = new Webhook(this.#secret);
    for (const { body, headers } of arrivals.slice(-SIGNED)) webhook.verify(body, headers);
    this.events += count;
    this.verified += Math.min(count, SIGNED);
    return measured;
  }
}

/** Throws unless each event arrived once, as it was made, and nothing else did. */
function measuredOf(arrivals: readonly Arrival[], events: Map<string, Sent>): Measured {
  const seen = new Set<string>();
  const lags = arrivals.map(({ id, at, body }) => {
    const sent = events.get(id);
    if (sent === undefined) throw new Error(`${id} arrived, which is no event of these refunds`);
    if (seen.has(id)) throw new Error(`${id} arrived twice`);
    if (body !== sent.body) throw new Error(`${id} arrived with another body`);
    seen.add(id);
    return at - sent.at;
  });
  if (seen.size !== events.size) throw new Error(`${seen.size} of ${events.size} events arrived`);
  lags.sort((a, b) => a - b);
  const first = Math.min(...[...events.values()].map(({ at }) => at));
  const last = Math.max(...arrivals.map(({ at }) => at));
  return {
    perSecond: (events.size / (last - first)) * 1000,
    p50Ms: quantile(lags, 0.5),
    p99Ms: quantile(lags, 0.99),
  };
}

/** Refunds so many charges, and returns the ids of the refunds. */
async function refund(merchant: Merchant, count: number, perSecond?: number): Promise<string[]> {
  const charges = await merchant.record(count);
  const outcome = await merchant.send(
    charges.map((charge) => merchant.refund(charge)),
    (answer, i) => Merchant.refunded(answer, charges[i]),
    { perSecond },
  );
  return refundsIn(outcome).map((one) => one.refund);
}

function spentOn<T>(merchant: Merchant, work: () => Promise<T>): Promise<{ result: T; usedMs: number }> {
  return spent({ pid: merchant.runtime.pid, rest: () => merchant.rest() }, work);
}

/** By id. Throws unless each refund has one event of its success. */
async function eventsOf(merchant: Merchant, refunds: readonly string[]): Promise<Map<string, Sent>> {
  const db = await merchant.runtime.database("DB");
  const { results } = await db
    .prepare(`select e.id, e.refund, e.body, json_extract(r.doc, '$.askedAt') as at
      from events e join refunds r on r.id = e.refund where e.type = 'refund.succeeded'`)
    .all<{ id: string; refund: string; body: string; at: number }>();
  const wanted = new Set(refunds);
  const events = results.filter((event) => wanted.has(event.refund));
  const told = new Set(events.map((event) => event.refund));
  if (events.length !== refunds.length || told.size !== refunds.length) {
    throw new Error(`${refunds.length} refunds have ${events.length} events of their success`);
  }
  return new Map(events.map(({ id, body, at }) => [id, { body, at }]));
}

/** Waits until deliveries to an endpoint travel apart from the others. */
async function untilSlow(merchant: Merchant, endpoint: string): Promise<void> {
  const db = await merchant.runtime.database("DB");
  const look = db.prepare("select lane from webhook_endpoints where id = ?").bind(endpoint);
  const deadline = Date.now() + SLOW_WITHIN_MS;
  while ((await look.first<{ lane: string }>())?.lane !== "slow") {
    if (Date.now() > deadline) throw new Error("an endpoint that failed is not in the slow lane");
    await sleep(LOOK_MS);
  }
}

/** D1 must know of each event that it was delivered, by the first attempt. */
async function expectDelivered(merchant: Merchant, endpoint: string, events: number): Promise<void> {
  const db = await merchant.runtime.database("DB");
  const row = await db
    .prepare(`select count(*) as delivered from deliveries d join events e on e.id = d.event
      where d.endpoint = ? and e.type = 'refund.succeeded' and d.status = 'delivered' and d.attempts = 1`)
    .bind(endpoint)
    .first<{ delivered: number }>();
  if (row?.delivered !== events) throw new Error(`D1 has ${row?.delivered} of ${events} deliveries`);
}

async function measureFloor({ floor, size, at }: WebhookBench): Promise<WebhookFigure> {
  const receiver = await Receiver.open("answers");
  const runtime = await startRuntime(floor, { state: at("webhook-floor-state") });
  try {
    const db = await runtime.database("DB");
    await db.batch(FLOOR_TABLES.map((statement) => db.prepare(statement)));
    let rows = 0;
    const run = async (path: string, count: number) => {
      const messages = Array.from({ length: count }, (): FloorMessage => {
        const body = JSON.stringify({ text: "x".repeat(1_000) });
        return { id: `evt_${rows++}`, url: receiver.url, body };
      });
      await db
        .prepare("INSERT INTO deliveries SELECT value, 'pending' FROM json_each(?)")
        .bind(JSON.stringify(messages.map(({ id }) => id)))
        .run();
      const requests = messages.map(
        (message): LoadRequest => ({ method: "POST", path, body: JSON.stringify(message) }),
      );
      const load = { url: runtime.url, headers: {}, concurrency: size.concurrency, requests };
      const rest = () => untilIdle(runtime.pid);
      return await spent({ pid: runtime.pid, rest }, async () => {
        const { answers } = await sendJudged(load, (answer) => Number(bodyOf(answer).at) > 0);
        const sent = messages.map(({ id, body }, i): [string, Sent] => [
          id,
          { body, at: Number(bodyOf(answers[i] as (typeof answers)[number]).at) },
        ]);
        if (path === "/no-message") return null;
        await receiver.until(count);
        return measuredOf(await receiver.take(), new Map(sent));
      });
    };
    await run("/message", size.requests / 5);
    const without = await run("/no-message", size.requests);
    const { result, usedMs } = await run("/message", size.requests);
    if (result === null) throw new Error("nothing was measured");
    return { name: "floor-webhooks", ...result, cpuMs: (usedMs - without.usedMs) / size.requests };
  } finally {
    receiver.close();
    await runtime.stop();
  }
}
