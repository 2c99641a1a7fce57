// What is measured of the Worker. Every case runs on charges that were recorded before, with a key that the Worker
// remembers and code that is warm.
import { BURST } from "./floors.ts";
import type { LoadOutcome, LoadRequest } from "./load.ts";
import type { Judge } from "./measure.ts";
import { bodyOf, CHARGE_AMOUNT, Merchant, type Pace, type RefundOf } from "./merchant.ts";

export const CASES = {
  create: "the first refund of a charge, of many charges",
  "create-hot": "fifty refunds of a charge, one charge after the other",
  "respond-async": "as create, with Prefer: respond-async",
  retrieve: "one of the ten refunds of a charge",
  list: "the ten refunds of a charge",
  charge: "a charge with its ten refunds",
  record: "a paid charge",
  replay: "a refund that is there already, by its Idempotency-Key",
  invalid: "a refund refused by validation, 400",
  refused: "a refund refused by the ledger, 400",
  unauthenticated: "an unknown key that was shown before, 401",
} as const;
export type CaseName = keyof typeof CASES;
export const CASE_NAMES = Object.keys(CASES) as CaseName[];

/** Requests, and whether an answer is the right one. */
export interface Prepared {
  requests: LoadRequest[];
  judge: Judge;
}

/** Refunds of a charge in the cases that read several. */
const SEVERAL = 10;
/** Charges that the cases without an effect go around. */
const STANDING = 50;
const PREPARING: Pace = { concurrency: 16 };
/** Has the shape of a key and belongs to nobody. */
const UNKNOWN_KEY = `sk_test_${"0".repeat(24)}`;

/** Makes what a case needs and returns its requests. */
export async function prepare(name: CaseName, merchant: Merchant, count: number): Promise<Prepared> {
  const each = (request: (i: number) => LoadRequest) => Array.from({ length: count }, (_, i) => request(i));
  switch (name) {
    case "create":
    case "respond-async": {
      const charges = await merchant.record(count, PREPARING);
      const isAsync = name === "respond-async";
      return {
        requests: charges.map((charge) =>
          merchant.refund(charge, isAsync ? { Prefer: "respond-async" } : {}),
        ),
        judge: (answer, i) => (isAsync ? Merchant.accepted : Merchant.refunded)(answer, charges[i]),
      };
    }
    case "create-hot": {
      const charges = await merchant.record(Math.ceil(count / BURST), PREPARING);
      const chargeOf = (i: number) => charges[Math.floor(i / BURST)] ?? "";
      return {
        requests: each((i) => merchant.refund(chargeOf(i))),
        judge: (answer, i) => Merchant.refunded(answer, chargeOf(i)),
      };
    }
    case "retrieve":
    case "list":
    case "charge":
      return read(name, merchant, count);
    case "record":
      return { requests: each(() => merchant.charge()), judge: Merchant.recorded };
    case "replay": {
      const { charges, replays, refunds } = await standing(merchant);
      return {
        requests: each((i) => replays[i % replays.length] as LoadRequest),
        judge: (answer, i) => {
          const which = i % charges.length;
          return bodyOf(answer).id === refunds[which] && Merchant.refunded(answer, charges[which]);
        },
      };
    }
    case "invalid":
    case "refused": {
      const { charges } = await standing(merchant);
      const amount = name === "invalid" ? -1 : CHARGE_AMOUNT + 1;
      return {
        requests: each((i) => ({
          ...merchant.refund(charges[i % charges.length] ?? "", {}, amount),
          status: 400,
        })),
        judge: (answer) => {
          const { param, code } = errorOf(answer);
          return name === "invalid"
            ? param === "amount" && code === undefined
            : code === "refund_amount_exceeded";
        },
      };
    }
    case "unauthenticated": {
      const { charges } = await standing(merchant);
      const headers = { Authorization: `Bearer ${UNKNOWN_KEY}` };
      const prepared: Prepared = {
        requests: each((i) => ({
          ...merchant.refund(charges[i % charges.length] ?? "", headers),
          status: 401,
        })),
        judge: (answer) => errorOf(answer).type === "invalid_request_error",
      };
      // The Worker remembers for 5 s that there is no such key.
      await merchant.send(prepared.requests.slice(0, 1), prepared.judge);
      return prepared;
    }
  }
}

async function read(
  name: "retrieve" | "list" | "charge",
  merchant: Merchant,
  count: number,
): Promise<Prepared> {
  const { several } = await standing(merchant);
  const of = (i: number) => several[i % several.length] as RefundOf;
  const request = {
    retrieve: (i: number) => merchant.retrieve(of(i)),
    list: (i: number) => merchant.list(of(i).charge),
    charge: (i: number) => merchant.look(of(i).charge),
  }[name];
  const isFull = (page: unknown, charge: string) =>
    Array.isArray(page) && page.length === SEVERAL && page.every((refund) => refund.charge === charge);
  return {
    requests: Array.from({ length: count }, (_, i) => request(i)),
    judge: (answer, i) => {
      const body = bodyOf(answer);
      const { charge, refund } = of(i);
      if (name === "retrieve") return body.id === refund && body.status === "succeeded";
      if (name === "list") return isFull(body.data, charge);
      return body.id === charge && isFull((body.refunds as { data?: unknown })?.data, charge);
    },
  };
}

/** What the cases without an effect look at, made once: charges with one refund and its key, and some with ten. */
interface Standing {
  charges: string[];
  /** The requests that made the refunds. */
  replays: LoadRequest[];
  refunds: string[];
  /** Neighbours are of different charges. */
  several: RefundOf[];
}

const known = new WeakMap<Merchant, Promise<Standing>>();

async function standing(merchant: Merchant): Promise<Standing> {
  let made = known.get(merchant);
  if (made === undefined) {
    made = makeStanding(merchant);
    known.set(merchant, made);
  }
  return await made;
}

async function makeStanding(merchant: Merchant): Promise<Standing> {
  const charges = await merchant.record(STANDING, PREPARING);
  const replays = charges.map((charge, i) => merchant.refund(charge, { "Idempotency-Key": `key-${i}` }));
  const judge: Judge = (answer, i) => Merchant.refunded(answer, charges[i % charges.length]);
  const made = refundsIn(await merchant.send(replays, judge, PREPARING));
  const full = await merchant.record(STANDING / SEVERAL, PREPARING);
  const refunds = Array.from({ length: STANDING }, (_, i) => full[i % full.length] ?? "");
  const several = await merchant.send(
    refunds.map((charge) => merchant.refund(charge)),
    (answer, i) => Merchant.refunded(answer, refunds[i]),
    PREPARING,
  );
  return { charges, replays, refunds: made.map(({ refund }) => refund), several: refundsIn(several) };
}

export function refundsIn({ answers }: LoadOutcome): RefundOf[] {
  return answers.map(bodyOf).map(({ charge, id }) => ({ charge: String(charge), refund: String(id) }));
}

function errorOf(answer: Parameters<typeof bodyOf>[0]): Record<string, unknown> {
  return (bodyOf(answer).error ?? {}) as Record<string, unknown>;
}
