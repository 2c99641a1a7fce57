// How an endpoint is doing, on the wire, and the period that is asked about.
import * as z from "zod";
import { type CreatedRange, createdQuery, createdRangeOf } from "../http/pagination.ts";
import { invalid } from "../http/problem.ts";
import { DELIVERY_STATUSES } from "./delivery.ts";

const DAY_SECONDS = 86_400;
/** As long as attempts are kept. */
const KEPT_DAYS = 30;
/** For a client whose clock is behind, or whose request took a while. */
const GRACE_SECONDS = 300;

const count = z.int().min(0);
const countsOf = <Name extends string>(names: readonly Name[]) =>
  z.strictObject(Object.fromEntries(names.map((name) => [name, count])) as Record<Name, typeof count>);

export const statsQuery = z.object(createdQuery);

export const statsSchema = z.strictObject({
  object: z.literal("webhook_endpoint_stats"),
  endpoint: z.string(),
  since: z.int(),
  until: z.int(),
  deliveries: countsOf(DELIVERY_STATUSES),
  attempts: countsOf(["total", "succeeded", "failed"]),
  success_rate: z.number().min(0).max(1).nullable(),
  duration_ms: z.strictObject({
    p50: z.int().nullable(),
    p99: z.int().nullable(),
    max: z.int().nullable(),
  }),
  oldest_pending: z.int().nullable(),
  last_delivered: z.int().nullable(),
});
export type StatsObject = z.output<typeof statsSchema>;

/** Unix seconds, both inclusive. */
export interface Period {
  since: number;
  until: number;
}

/** The period a validated query asks for: up to `now` (Unix seconds), and a day long, where it does not say. */
export function periodOf(query: Parameters<typeof createdRangeOf>[0], now: number): Period {
  const { from, to }: CreatedRange = createdRangeOf(query);
  const until = Math.min(to ?? now, now);
  const since = from ?? until - DAY_SECONDS;
  const param = Object.keys(query).find((name) => name.startsWith("created")) ?? "created";
  if (since > until) throw invalid(param, "时间段为空", "the period is empty");
  if (since < now - KEPT_DAYS * DAY_SECONDS - GRACE_SECONDS) {
    throw invalid(param, `最多统计最近 ${KEPT_DAYS} 天`, `it must be within the last ${KEPT_DAYS} days`);
  }
  return { since, until };
}
