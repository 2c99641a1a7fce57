// What a refund costs on the platform: operations that it bills, counted exactly by counts.ts, times its public prices. What
// cannot be counted here, CPU time and how long a ledger stays awake, is priced beside it by the unit. Allowances that the
// plan includes are left out: the figures are those of the next million.
import type { Counts } from "./counters.ts";
import type { Case, Counted } from "./counts.ts";
import { table } from "./markdown.ts";

/**
 * USD per million, Workers Paid, beyond what the plan includes; as read on 2026-11-23 in the platform's documentation
 * (developers.cloudflare.com): workers/platform/pricing, durable-objects/platform/pricing, d1/platform/pricing,
 * queues/platform/pricing.
 */
export const PRICES = {
  workerRequest: 0.3,
  workerCpuMs: 0.02,
  objectRequest: 0.15,
  objectGbSecond: 12.5,
  objectRowRead: 0.001,
  objectRowWritten: 1,
  d1RowRead: 0.001,
  d1RowWritten: 1,
  queueOperation: 0.4,
} as const;
/** What an object is billed for while it is awake, GB. */
const OBJECT_GB = 0.128;
/** A message is written, read and deleted. */
const OPERATIONS_A_MESSAGE = 3;

interface Part {
  says: string;
  price: number;
  of: (counts: Counts) => number;
}

/** A run of a queue's consumer is taken for a request, and an alarm that is set or deleted for a row. */
const PARTS: readonly Part[] = [
  {
    says: "Worker requests",
    price: PRICES.workerRequest,
    of: (counts) => counts["queue consumer runs"],
  },
  {
    says: "ledger requests and alarms",
    price: PRICES.objectRequest,
    of: (counts) => counts["ledger calls"] + counts["alarm runs"],
  },
  { says: "ledger rows read", price: PRICES.objectRowRead, of: (counts) => counts["ledger rows read"] },
  {
    says: "ledger rows written",
    price: PRICES.objectRowWritten,
    of: (counts) => counts["ledger rows written"] + counts["alarms set"] + counts["alarms deleted"],
  },
  { says: "D1 rows read", price: PRICES.d1RowRead, of: (counts) => counts["D1 rows read"] },
  { says: "D1 rows written", price: PRICES.d1RowWritten, of: (counts) => counts["D1 rows written"] },
  {
    says: "queue operations",
    price: PRICES.queueOperation,
    of: (counts) => counts["queue messages"] * OPERATIONS_A_MESSAGE,
  },
];

const COLUMNS = {
  "record charge": "new charge",
  create: "refund",
  "create-more": "refund soon after",
  "with-endpoint": "refund, one endpoint",
  "create-async": "refund, respond-async",
  replay: "replay",
  retrieve: "retrieve",
  list: "list",
} as const satisfies Partial<Record<Case, string>>;

export interface Bill {
  says: string;
  /** Operations, in the order of PARTS. */
  operations: number[];
  /** USD per million, in that order. */
  usd: number[];
}

export function billOf(says: string, { before, after }: Counted): Bill {
  const operations = PARTS.map(({ of }, i) => of(before) + of(after) + (i === 0 ? 1 : 0));
  return { says, operations, usd: operations.map((count, i) => count * (PARTS[i]?.price ?? 0)) };
}

/** A table of operations, and what a million requests of each kind cost; as Markdown. */
export function printCost(counted: Map<Case, Counted>, say: (line: string) => void): void {
  const bills = Object.entries(COLUMNS).flatMap(([name, says]) => {
    const one = counted.get(name as Case);
    return one === undefined ? [] : [billOf(says, one)];
  });
  const heads = ["", "USD per million", ...bills.map(({ says }) => says)];
  const operations = PARTS.map(({ says, price }, i) => [
    says,
    String(price),
    ...bills.map((bill) => String(bill.operations[i])),
  ]);
  const sum = ({ usd }: Bill) => usd.reduce((total, one) => total + one, 0);
  const lines = [
    "",
    ...table([
      heads,
      ...operations,
      ["**USD per million**", "", ...bills.map((bill) => `**${sum(bill).toFixed(2)}**`)],
    ]),
    "",
    "Of these, USD per million:",
    "",
    ...table([
      ["", ...bills.map(({ says }) => says)],
      ...PARTS.map(({ says }, i) => [says, ...bills.map((bill) => (bill.usd[i] ?? 0).toFixed(2))]),
    ]),
    "",
  ];
  for (const line of lines) say(line);
  const awake = (ms: number) => ((ms / 1000) * OBJECT_GB * PRICES.objectGbSecond).toFixed(2);
  say(
    `Beside it, for a million requests: each ms of CPU ${PRICES.workerCpuMs.toFixed(2)} USD; each 100 ms that a ledger is ` +
      `awake, as while a channel answers, ${awake(100)} USD.`,
  );
}
