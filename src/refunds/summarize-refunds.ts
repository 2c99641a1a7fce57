// Counts and sums of refunds, from D1. Every refund of the period is read once, from an index that holds all that is
// counted: no row is touched.
import { type SQL, sql } from "drizzle-orm";
import { daysOf } from "../calendar.ts";
import type { Database } from "../db/client.ts";
import { invalid } from "../http/problem.ts";
import { GROUPS, type Group, type SummaryObject, type SummaryRequest } from "./summary-schema.ts";
import { refunds } from "./table.ts";

type Item = SummaryObject["data"][number];

/**
 * Amounts are added in two halves: SQLite's sums end at 2^63, and D1 hands numbers over as doubles, exact to 2^53.
 * Either half of 2^26 refunds stays below that.
 */
const HALF_BITS = 26;
const LOW_MASK = 2 ** HALF_BITS - 1;

interface Row extends Partial<Record<Exclude<Group, "day">, string>> {
  part?: number;
  count: number;
  high: number;
  low: number;
}

/** Throws a problem when a sum is more than a JSON number holds. */
export async function summarizeRefunds(
  db: Database,
  app: string,
  livemode: boolean,
  request: SummaryRequest,
): Promise<SummaryObject> {
  const { groupBy, timeZone, from, until } = request;
  const parts = groupBy.includes("day") ? daysOf(timeZone, from, until) : null;
  const rows = await db.all<Row>(summaryQuery(app, livemode, request, parts));

  const sums = new Map<string, { item: Item; amount: bigint }>();
  for (const { part, count, high, low, ...columns } of rows) {
    const day = part === undefined ? undefined : parts?.[part]?.day;
    const group = { ...(day === undefined ? {} : { day }), ...columns } as Omit<Item, "count" | "amount">;
    const amount = (BigInt(high) << BigInt(HALF_BITS)) + BigInt(low);
    const key = JSON.stringify(groupBy.map((name) => group[name]));
    const known = sums.get(key);
    // Where clocks were put back across midnight, a day has two parts.
    if (known === undefined) sums.set(key, { item: { ...group, count, amount: 0 }, amount });
    else {
      known.item.count += count;
      known.amount += amount;
    }
  }
  const data = [...sums.values()].map(({ item, amount }) => ({ ...item, amount: exact(amount) }));
  return {
    object: "refund_summary",
    time_zone: timeZone,
    created: { gte: from, lt: until },
    group_by: [...groupBy],
    data: data.sort(byGroups),
  };
}

function summaryQuery(
  app: string,
  livemode: boolean,
  request: SummaryRequest,
  parts: readonly { from: number; until: number }[] | null,
): SQL {
  const { created, amount } = refunds;
  const columns = { status: refunds.status, channel: refunds.channel, currency: refunds.currency };
  const filters = (["status", "channel", "currency"] as const).flatMap((name) =>
    request[name] === null ? [] : [sql` and ${columns[name]} = ${request[name]}`],
  );
  const names = request.groupBy.filter((name) => name !== "day");
  const groups = names.map((name) => sql`${columns[name]}`);
  const shown = names.map((name) => sql`${columns[name]} as ${sql.identifier(name)}`);
  const list = (items: SQL[]) => sql.join(items, sql`, `);
  const sums = sql`count(*) as count, sum(${amount} >> ${sql.raw(String(HALF_BITS))}) as high,
    sum(${amount} & ${sql.raw(String(LOW_MASK))}) as low`;
  // Named, because indexes that begin with a filter lack the amount.
  const source = sql`${refunds} indexed by refunds_created`;
  const ofApp = sql`${refunds.app} = ${app} and ${refunds.livemode} = ${livemode ? 1 : 0}`;
  const rest = sql.join(filters);
  if (parts === null) {
    return sql`select ${list(shown)}, ${sums} from ${source} where ${ofApp}
      and ${created} >= ${request.from} and ${created} < ${request.until}${rest} group by ${list(groups)}`;
  }
  const days = JSON.stringify(parts.map((part) => [part.from, part.until]));
  return sql`select days.key as part, ${list(shown)}, ${sums} from json_each(${days}) as days
    cross join ${source} where ${ofApp} and ${created} >= days.value ->> 0 and ${created} < days.value ->> 1${rest}
    group by ${list([sql`days.key`, ...groups])}`;
}

function exact(amount: bigint): number {
  if (amount > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw invalid(
      "created",
      "金额合计超过 2^53-1，请缩短时间段或细分",
      "a sum is more than 2^53-1; ask for a shorter period or for smaller groups",
    );
  }
  return Number(amount);
}

/** By day, status, channel and currency; each in the order of its characters. */
function byGroups(a: Item, b: Item): number {
  for (const group of GROUPS) {
    const [one = "", other = ""] = [a[group], b[group]];
    if (one !== other) return one < other ? -1 : 1;
  }
  return 0;
}
