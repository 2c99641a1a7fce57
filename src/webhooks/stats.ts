// How an endpoint did, counted from D1: the deliveries that were created in a period, and all attempts of them. Exact,
// percentiles included: attempts are grouped by their duration in ms, and the HTTP time-out leaves some 15,000 groups to
// rank, however many attempts there were. Reads one row per delivery and attempt of the period.
import { and, asc, eq, gte, isNull, lte, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import type { DeliveryStatus } from "./delivery.ts";
import { undelivered } from "./delivery-log.ts";
import type { Period, StatsObject } from "./stats-schema.ts";
import { deliveries, deliveryAttempts, webhookEndpoints } from "./table.ts";

/** Null when the app and mode has no such endpoint. */
export async function findStats(
  db: Database,
  app: string,
  livemode: boolean,
  endpoint: string,
  { since, until }: Period,
): Promise<StatsObject | null> {
  const { status, createdAt, endedAt } = deliveries;
  const ofApp = and(eq(deliveries.app, app), eq(deliveries.livemode, livemode));
  const inPeriod = and(
    ofApp,
    eq(deliveries.endpoint, endpoint),
    gte(createdAt, since * 1000),
    lte(createdAt, until * 1000 + 999),
  );
  const tally = (of: DeliveryStatus) => sql<number>`count(*) filter (where ${status} = ${of})`.as(of);

  const byDuration = db
    .select({
      duration: sql<number>`${deliveryAttempts.durationMs}`.as("duration"),
      attempts: sql<number>`count(*)`.as("attempts"),
      succeeded: sql<number>`count(*) filter (where ${deliveryAttempts.httpStatus} between 200 and 299)`.as(
        "succeeded",
      ),
    })
    .from(deliveries)
    .innerJoin(deliveryAttempts, eq(deliveryAttempts.delivery, deliveries.id))
    .where(inPeriod)
    .groupBy(deliveryAttempts.durationMs)
    .as("by_duration");
  const ranked = db
    .select({
      duration: byDuration.duration,
      succeeded: byDuration.succeeded,
      rank: sql<number>`sum(${byDuration.attempts}) over (order by ${byDuration.duration})`.as("rank"),
      total: sql<number>`sum(${byDuration.attempts}) over ()`.as("total"),
    })
    .from(byDuration)
    .as("ranked");
  // Nearest rank: the shortest duration that so large a part of the attempts did not exceed.
  const percentile = (percent: number) =>
    sql<number | null>`min(${ranked.duration}) filter (
      where ${ranked.rank} * 100 >= ${ranked.total} * ${percent})`.as(`p${percent}`);

  // Every computed column has a name: D1 answers a batch with objects, in which equal names would be one.
  const [owned, counted, attempted, waiting] = await db.batch([
    db
      .select({ id: webhookEndpoints.id })
      .from(webhookEndpoints)
      .where(
        and(
          eq(webhookEndpoints.id, endpoint),
          eq(webhookEndpoints.app, app),
          eq(webhookEndpoints.livemode, livemode),
          isNull(webhookEndpoints.deletedAt),
        ),
      ),
    db
      .select({
        pending: tally("pending"),
        delivered: tally("delivered"),
        exhausted: tally("exhausted"),
        skipped: tally("skipped"),
        lastDelivered: sql<number | null>`max(${endedAt}) filter (where ${status} = 'delivered')`.as(
          "last_delivered",
        ),
      })
      .from(deliveries)
      .where(inPeriod),
    db
      .select({
        total: sql<number>`coalesce(max(${ranked.total}), 0)`.as("attempts_total"),
        succeeded: sql<number>`coalesce(sum(${ranked.succeeded}), 0)`.as("attempts_succeeded"),
        p50: percentile(50),
        p99: percentile(99),
        max: sql<number | null>`max(${ranked.duration})`.as("longest"),
      })
      .from(ranked),
    // Whenever it was created: what has waited for long is what one looks for.
    db
      .select({ createdAt })
      .from(deliveries)
      .where(and(ofApp, undelivered("pending"), sql`+${deliveries.endpoint} = ${endpoint}`))
      .orderBy(asc(createdAt))
      .limit(1),
  ]);
  const [deliveriesOf] = counted;
  const [attemptsOf] = attempted;
  if (owned.length === 0 || deliveriesOf === undefined || attemptsOf === undefined) return null;

  const { lastDelivered, ...counts } = deliveriesOf;
  const { total, succeeded, ...durations } = attemptsOf;
  return {
    object: "webhook_endpoint_stats",
    endpoint,
    since,
    until,
    deliveries: counts,
    attempts: { total, succeeded, failed: total - succeeded },
    success_rate: total === 0 ? null : succeeded / total,
    duration_ms: durations,
    oldest_pending: secondsOrNull(waiting[0]?.createdAt ?? null),
    last_delivered: secondsOrNull(lastDelivered),
  };
}

const secondsOrNull = (ms: number | null) => (ms === null ? null : Math.floor(ms / 1000));
