// What is measured. Every case runs on charges that were recorded before, with a key that the Worker remembers and code
// that is warm.
import type { LoadOutcome, LoadRequest } from "./load.ts";
import { type Figure, type Judge, measure, sendJudged } from "./measure.ts";
import { bodyOf, Merchant, type RefundOf } from "./merchant.ts";
import { untilIdle } from "./process-time.ts";
import type { Runtime } from "./runtime.ts";

/** Reads are cheap: so many for each refund that is made, or the ticks of the processor's time would show. */
const READS = 5;
/** Refunds of a charge in the cases that have several. */
const SEVERAL = 10;

export interface Size {
  /** Refunds measured in each case; a multiple of ten. */
  requests: number;
  concurrency: number;
}

export const CASES = {
  create: { floor: "floor", says: "the first refund of a charge" },
  "create-more": { floor: "floor-more", says: "ten refunds of a charge, among those of others" },
  retrieve: { floor: "floor-more", says: "one of the ten refunds of a charge" },
  list: { floor: "floor-more", says: "the ten refunds of a charge" },
} as const satisfies Record<string, { floor: FloorName; says: string }>;
export type CaseName = keyof typeof CASES;

export const FLOORS = {
  floor: "one row in an object for each request",
  "floor-more": "several rows in an object, among those of others",
} as const;
type FloorName = keyof typeof FLOORS;

/** Runs around the measured requests of a case. */
export type Around = (name: string, work: () => Promise<Figure>) => Promise<Figure>;

export async function measureFloor(name: FloorName, runtime: Runtime, size: Size): Promise<Figure> {
  const count = size.requests * (name === "floor" ? 2 : READS);
  const objects = name === "floor" ? count : size.requests / SEVERAL;
  const insert = (i: number): LoadRequest => ({
    method: "POST",
    path: `/${name}/${i % objects}`,
    // As much as a refund's row.
    body: "x".repeat(1_000),
  });
  const load = (requests: LoadRequest[]) => ({
    url: runtime.url,
    headers: {},
    concurrency: size.concurrency,
    requests,
  });
  const rowIs =
    (before: number): Judge =>
    (answer, i) =>
      bodyOf(answer).row === before + Math.floor(i / objects) + 1;
  // Each object has its table and its first row before, as a ledger has its charge.
  await sendJudged(load(Array.from({ length: objects }, (_, i) => insert(i))), rowIs(0));
  const requests = Array.from({ length: count }, (_, i) => insert(i));
  return await measure({
    name,
    pid: runtime.pid,
    // Several requests for one object may overtake each other.
    send: () =>
      sendJudged(load(requests), name === "floor" ? rowIs(1) : (answer) => Number(bodyOf(answer).row) > 1),
    rest: () => untilIdle(runtime.pid),
  });
}

/** Lets the runtime compile what the cases run, on charges of their own. */
export async function warmUp(merchant: Merchant, count: number): Promise<void> {
  const refunds = await refundEach(merchant, await merchant.record(count));
  const reads = refunds.flatMap((one) => [merchant.retrieve(one), merchant.list(one.charge)]);
  await merchant.send(reads, () => true);
}

export async function measureCase(
  name: CaseName,
  merchant: Merchant,
  count: number,
  around: Around = (_, work) => work(),
): Promise<Figure> {
  const { requests, judge } = await prepare(name, merchant, count);
  const send = async () => {
    const outcome = await merchant.send(requests, judge);
    if (name === "create-more") several.set(merchant, refundsIn(outcome));
    return outcome;
  };
  return await around(name, () =>
    measure({ name, pid: merchant.runtime.pid, send, rest: () => merchant.rest() }),
  );
}

/** Makes what a case needs and returns its requests. */
export async function prepare(
  name: CaseName,
  merchant: Merchant,
  count: number,
): Promise<{ requests: LoadRequest[]; judge: Judge }> {
  if (name === "create" || name === "create-more") {
    const charges = await merchant.record(name === "create" ? count : count / SEVERAL);
    const chargeOf = (i: number) => charges[i % charges.length] ?? "";
    const requests = Array.from({ length: count }, (_, i) => merchant.refund(chargeOf(i)));
    return { requests, judge: (answer, i) => Merchant.refunded(answer, chargeOf(i)) };
  }
  const refunds = await severalRefunds(merchant, count / SEVERAL);
  const of = (i: number) => refunds[i % refunds.length] as RefundOf;
  const requests = Array.from({ length: count * READS }, (_, i) =>
    name === "retrieve" ? merchant.retrieve(of(i)) : merchant.list(of(i).charge),
  );
  return {
    requests,
    judge: (answer, i) => {
      const body = bodyOf(answer);
      if (name === "retrieve") return body.id === of(i).refund && body.status === "succeeded";
      const { data } = body;
      return Array.isArray(data) && data.length === SEVERAL && data.every((r) => r.charge === of(i).charge);
    },
  };
}

const several = new WeakMap<Merchant, RefundOf[]>();

/** Charges with ten refunds each, neighbours of different charges; made once. */
async function severalRefunds(merchant: Merchant, charges: number): Promise<RefundOf[]> {
  const known = several.get(merchant);
  if (known !== undefined) return known;
  const recorded = await merchant.record(charges);
  const refunds = await refundEach(merchant, Array.from({ length: SEVERAL }, () => recorded).flat());
  several.set(merchant, refunds);
  return refunds;
}

async function refundEach(merchant: Merchant, charges: readonly string[]): Promise<RefundOf[]> {
  const requests = charges.map((charge) => merchant.refund(charge));
  return refundsIn(await merchant.send(requests, (answer, i) => Merchant.refunded(answer, charges[i])));
}

export function refundsIn({ answers }: LoadOutcome): RefundOf[] {
  return answers.map(bodyOf).map(({ charge, id }) => ({ charge: String(charge), refund: String(id) }));
}
