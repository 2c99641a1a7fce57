// What is measured. Every case runs on charges that were recorded before, with a key that the Worker remembers and code
// that is warm.
import type { LoadRequest } from "./load.ts";
import { type Figure, type Judge, measure, sendJudged } from "./measure.ts";
import { bodyOf, Merchant, QUIET_MS, type RefundOf } from "./merchant.ts";
import type { Runtime } from "./runtime.ts";

/** Refunds of a charge in the cases that have several. */
const SEVERAL = 10;
/** Where no alarm follows. */
const STILL_MS = 500;

export interface Size {
  /** Requests measured in each case; a multiple of ten. */
  requests: number;
  /** Requests before, so that the runtime has compiled what it will. */
  warmUp: number;
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
  "floor-more": "ten rows in an object, among those of others",
} as const;
type FloorName = keyof typeof FLOORS;

/** Runs around the measured requests of a case. */
export type Around = (name: string, work: () => Promise<Figure>) => Promise<Figure>;

export async function measureFloor(name: FloorName, runtime: Runtime, size: Size): Promise<Figure> {
  const objects = name === "floor" ? size.requests : size.requests / SEVERAL;
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
  const requests = Array.from({ length: size.requests }, (_, i) => insert(i));
  return await measure({
    name,
    pid: runtime.pid,
    load: load(requests),
    // Several requests for one object may overtake each other.
    judge: name === "floor" ? rowIs(1) : (answer) => Number(bodyOf(answer).row) > 1,
    quietMs: STILL_MS,
  });
}

export async function measureCase(
  name: CaseName,
  merchant: Merchant,
  size: Size,
  around: Around = (_, work) => work(),
): Promise<Figure> {
  const { warm, requests, judge } = await prepare(name, merchant, size);
  if (warm.length > 0) await sendJudged(merchant.load(warm), () => true);
  const quietMs = name === "create" || name === "create-more" ? QUIET_MS : STILL_MS;
  const { pid } = merchant.runtime;
  return await around(name, () => measure({ name, pid, load: merchant.load(requests), judge, quietMs }));
}

async function prepare(
  name: CaseName,
  merchant: Merchant,
  size: Size,
): Promise<{ warm: LoadRequest[]; requests: LoadRequest[]; judge: Judge }> {
  if (name === "create") {
    const [spare, charges] = [await merchant.record(size.warmUp), await merchant.record(size.requests)];
    return {
      warm: spare.map((charge) => merchant.refund(charge)),
      requests: charges.map((charge) => merchant.refund(charge)),
      judge: (answer, i) => Merchant.refunded(answer, charges[i]),
    };
  }
  if (name === "create-more") {
    const spare = await merchant.record(Math.ceil(size.warmUp / SEVERAL));
    const charges = await merchant.record(size.requests / SEVERAL);
    const chargeOf = (i: number) => charges[i % charges.length] ?? "";
    return {
      warm: Array.from({ length: size.warmUp }, (_, i) => merchant.refund(spare[i % spare.length] ?? "")),
      requests: Array.from({ length: size.requests }, (_, i) => merchant.refund(chargeOf(i))),
      judge: (answer, i) => Merchant.refunded(answer, chargeOf(i)),
    };
  }
  const refunds = await severalRefunds(merchant, size.requests / SEVERAL);
  const of = (i: number) => refunds[i % refunds.length] as RefundOf;
  const requestOf = (i: number) =>
    name === "retrieve" ? merchant.retrieve(of(i)) : merchant.list(of(i).charge);
  return {
    warm: Array.from({ length: size.warmUp }, (_, i) => requestOf(i)),
    requests: Array.from({ length: size.requests }, (_, i) => requestOf(i)),
    judge: (answer, i) => {
      const body = bodyOf(answer);
      if (name === "retrieve") return body.id === of(i).refund && body.status === "succeeded";
      const { data } = body;
      return Array.isArray(data) && data.length === SEVERAL && data.every((r) => r.charge === of(i).charge);
    },
  };
}

/** Charges with ten refunds each, neighbours of different charges. */
async function severalRefunds(merchant: Merchant, count: number): Promise<RefundOf[]> {
  const charges = await merchant.record(count);
  const all = Array.from({ length: count * SEVERAL }, (_, i) => charges[i % count] ?? "");
  const requests = all.map((charge) => merchant.refund(charge));
  const { answers } = await sendJudged(merchant.load(requests), (answer, i) =>
    Merchant.refunded(answer, all[i]),
  );
  return answers.map((answer, i) => ({ charge: all[i] ?? "", refund: String(bodyOf(answer).id) }));
}
