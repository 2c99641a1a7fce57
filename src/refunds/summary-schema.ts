// The summary of refunds on the wire: what is asked for, and what is answered. A sum never mixes currencies, so that the
// currency is always one of the groups.
import * as z from "zod";
import { isTimeZone, startOfDay } from "../calendar.ts";
import { createdQuery, createdRangeOf } from "../http/pagination.ts";
import { invalid } from "../http/problem.ts";
import { describedQuery } from "../search/query.ts";
import { STATUSES } from "./refund.ts";

/** What refunds are grouped by, in the order in which the groups are sorted. */
export const GROUPS = ["day", "status", "channel", "currency"] as const;
export type Group = (typeof GROUPS)[number];

const DEFAULT_GROUPS: readonly Group[] = ["status", "currency"];
/** Channels of Ping++ settle by the days of China. */
const DEFAULT_TIME_ZONE = "Asia/Shanghai";
const DEFAULT_DAYS = 30;
const DAYS_MAX = 400;
const DAY = 86_400;
const HOUR = 3_600;

/** Said once, several times, or with commas. */
const groups = z.union([z.string().max(100), z.array(z.string().max(100)).max(10)]).optional();

export const summaryQuery = z.strictObject({
  group_by: groups,
  "group_by[]": groups,
  time_zone: z
    .string()
    .regex(/^[A-Za-z][\w+\-/]{0,63}$/)
    .default(DEFAULT_TIME_ZONE),
  ...createdQuery,
  status: z.enum(STATUSES).optional(),
  channel: describedQuery.channel,
  currency: describedQuery.currency,
});

export const summarySchema = z.strictObject({
  object: z.literal("refund_summary"),
  time_zone: z.string(),
  created: z.strictObject({ gte: z.int(), lt: z.int() }),
  group_by: z.array(z.enum(GROUPS)),
  data: z.array(
    z.strictObject({
      day: z.string().optional(),
      status: z.enum(STATUSES).optional(),
      channel: z.string().optional(),
      currency: z.string(),
      count: z.int().min(1),
      amount: z.int().min(1),
    }),
  ),
});
export type SummaryObject = z.output<typeof summarySchema>;

/** What a summary is asked for. Times in Unix seconds, `until` exclusive. */
export interface SummaryRequest {
  groupBy: readonly Group[];
  timeZone: string;
  from: number;
  until: number;
  status: (typeof STATUSES)[number] | null;
  channel: string | null;
  currency: string | null;
}

/**
 * What a validated query asks for: where it does not say, up to `now` (Unix seconds), and from the beginning of the day
 * that makes it thirty days. Throws a problem.
 */
export function summaryRequestOf(query: z.output<typeof summaryQuery>, now: number): SummaryRequest {
  const { time_zone: timeZone, status = null, channel = null, currency = null } = query;
  if (!isTimeZone(timeZone)) {
    throw invalid("time_zone", "不是 IANA 时区名称", "it is not the name of an IANA time zone");
  }
  const groupBy = groupsOf(query);
  const range = createdRangeOf(query);
  const until = (range.to ?? now) + 1;
  const from = range.from ?? startOfDay(timeZone, until - 1 - (DEFAULT_DAYS - 1) * DAY);
  if (from >= until) throw invalid("created", "时间段为空", "the period is empty");
  // So many days last an hour longer where the clocks were put back.
  if (groupBy.includes("day") && until - from > DAYS_MAX * DAY + HOUR) {
    throw invalid(
      "created",
      `按天汇总最多 ${DAYS_MAX} 天`,
      `grouped by day it may be ${DAYS_MAX} days at most`,
    );
  }
  return { groupBy, timeZone, from: Math.max(from, 0), until, status, channel, currency };
}

function groupsOf(query: z.output<typeof summaryQuery>): readonly Group[] {
  const given = [query.group_by ?? [], query["group_by[]"] ?? []].flat().flatMap((text) => text.split(","));
  if (given.length === 0) return DEFAULT_GROUPS;
  const unknown = given.find((name) => !GROUPS.some((group) => group === name));
  if (unknown !== undefined) {
    throw invalid("group_by", `必须为 ${GROUPS.join("、")} 之一`, `it must be one of ${GROUPS.join(", ")}`);
  }
  return GROUPS.filter((group) => group === "currency" || given.includes(group));
}
