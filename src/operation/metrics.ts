// The figures of one app and mode, counted from D1 when they are asked for. Every statement walks one index from one end
// and stops after COUNT_MAX rows, so that a scrape costs the same bounded work however much there is: a count of
// COUNT_MAX says "at least so many".
import { type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import type { Metric } from "./prometheus.ts";

export const COUNT_MAX = 10_000;
const DAY_SECONDS = 86_400;

interface Counted {
  kind: string;
  count: number;
}

interface Waiting {
  count: number;
  /** In the unit of its column. */
  oldest: number | null;
}

interface Latency {
  channel: string;
  count: number;
  p50: number;
  p99: number;
}

/** `now` in ms since the epoch. */
export async function readMetrics(
  db: Database,
  app: string,
  livemode: boolean,
  now: number,
): Promise<Metric[]> {
  const seconds = Math.floor(now / 1000);
  const statements = metricStatements(app, livemode, now);
  const read = <Row>(name: keyof typeof statements) => db.all<Row>(statements[name]);
  const [
    statuses,
    pending,
    overdue,
    attention,
    frozen,
    commands,
    deliveries,
    exhausted,
    letters,
    endpoints,
    channels,
  ] = await Promise.all([
    read<Counted>("statuses"),
    read<Waiting>("pending"),
    read<Waiting>("overdue"),
    read<Counted>("attention"),
    read<Counted>("frozen"),
    read<Waiting>("commands"),
    read<Waiting>("deliveries"),
    read<Waiting>("exhausted"),
    read<Waiting>("letters"),
    read<Waiting>("endpoints"),
    read<Latency>("channels"),
  ]);
  return [
    kinds("refunds", "Refunds created in the last 24 hours, by status.", "status", statuses, [
      "pending",
      "succeeded",
      "failed",
    ]),
    count("refunds_pending", "Refunds that have not ended.", pending),
    age("refund_oldest_pending_seconds", "Age of the oldest refund that has not ended.", pending, seconds, 1),
    count("refunds_overdue", "Pending refunds whose ledger should have acted by now.", overdue),
    age("refund_most_overdue_seconds", "How late the latest of them is.", overdue, now, 1000),
    kinds("refunds_attention", "Refunds that wait for a person, by reason.", "kind", attention),
    kinds(
      "charges_frozen",
      "Charges that take no more refunds until somebody looks, by reason.",
      "kind",
      frozen,
    ),
    count("commands_waiting", "Promised refunds that no ledger has confirmed yet.", commands),
    age("command_oldest_waiting_seconds", "Age of the oldest of them.", commands, now, 1000),
    count("deliveries_pending", "Webhook deliveries on their way.", deliveries),
    age("delivery_oldest_pending_seconds", "Age of the oldest of them.", deliveries, now, 1000),
    count("deliveries_exhausted", "Webhook deliveries that were given up.", exhausted),
    count("dead_letters", "Queue messages that were given up and not sent again.", letters),
    count("webhook_endpoints_disabled", "Webhook endpoints that receive nothing.", endpoints),
    latency(channels),
    {
      name: "edge_refunds_channel_latency_samples",
      help: "Refunds behind each channel's latency.",
      figures: channels.map(({ channel, count: value }) => ({ labels: { channel }, value })),
    },
  ];
}

/** By name. Each has its index named: an index that begins with a filter would be walked past what is asked for. */
export function metricStatements(app: string, livemode: boolean, now: number) {
  const since = Math.floor(now / 1000) - DAY_SECONDS;
  const own = sql`app = ${app} and livemode = ${livemode ? 1 : 0}`;
  const most = sql.raw(`limit ${COUNT_MAX}`);
  const byKind = (rows: SQL) => sql`select kind, count(*) as count from (${rows}) group by kind`;
  const waiting = (rows: SQL) => sql`select count(*) as count, min(since) as oldest from (${rows})`;
  return {
    statuses: byKind(sql`select status as kind from refunds indexed by refunds_created
      where ${own} and created >= ${since} order by created desc ${most}`),
    pending: waiting(sql`select created as since from refunds indexed by refunds_unsettled
      where ${own} and status = 'pending' and status <> 'succeeded' order by created ${most}`),
    overdue: sql`select count(*) as count, min(due_at) as oldest from (
      select due_at from refunds indexed by refunds_unsettled
      where ${own} and status = 'pending' and status <> 'succeeded' order by created ${most}) where due_at < ${now}`,
    attention: byKind(sql`select attention as kind from refunds indexed by refunds_attention
      where ${own} and attention is not null order by created ${most}`),
    frozen: byKind(sql`select freeze as kind from charges indexed by charges_frozen
      where ${own} and freeze is not null order by created ${most}`),
    commands: waiting(sql`select created_at as since from commands indexed by commands_waiting
      where ${own} and due_at is not null order by created_at ${most}`),
    deliveries: waiting(sql`select created_at as since from deliveries indexed by deliveries_undelivered
      where ${own} and status = 'pending' and status <> 'delivered' order by created_at ${most}`),
    exhausted: waiting(sql`select created_at as since from deliveries indexed by deliveries_undelivered
      where ${own} and status = 'exhausted' and status <> 'delivered' order by created_at ${most}`),
    letters: waiting(sql`select created_at as since from dead_letters indexed by dead_letters_waiting
      where ${own} and redriven_at is null order by created_at ${most}`),
    endpoints:
      waiting(sql`select disabled_at as since from webhook_endpoints indexed by webhook_endpoints_disabled
      where ${own} and status = 'disabled' and deleted_at is null order by disabled_at ${most}`),
    // Nearest rank, of the refunds of the last 24 hours that succeeded: from creation to success, whole seconds.
    channels: sql`select channel, max(total) as count,
        min(took) filter (where rank * 100 >= total * 50) as p50,
        min(took) filter (where rank * 100 >= total * 99) as p99
      from (select channel, took, row_number() over (partition by channel order by took) as rank,
          count(*) over (partition by channel) as total
        from (select channel, max(0, time_succeed - created) as took from (
          select channel, time_succeed, created from refunds indexed by refunds_created
          where ${own} and created >= ${since} order by created desc ${most}) where time_succeed is not null))
      group by channel`,
  };
}

/** `known`: kinds that are said to be 0 when there are none. */
function kinds(
  name: string,
  help: string,
  label: string,
  rows: readonly Counted[],
  known: string[] = [],
): Metric {
  const counts = new Map(known.map((kind) => [kind, 0]));
  for (const { kind, count: value } of rows) counts.set(kind, value);
  const figures = [...counts].map(([kind, value]) => ({ labels: { [label]: kind }, value }));
  return { name: `edge_refunds_${name}`, help, figures };
}

function count(name: string, help: string, rows: readonly Waiting[]): Metric {
  return { name: `edge_refunds_${name}`, help, figures: [{ value: rows[0]?.count ?? 0 }] };
}

/** 0 when nothing waits. `now` in the unit of the column, of which `unit` make a second. */
function age(name: string, help: string, rows: readonly Waiting[], now: number, unit: number): Metric {
  const oldest = rows[0]?.oldest ?? now;
  return {
    name: `edge_refunds_${name}`,
    help,
    figures: [{ value: Math.max(0, Math.floor((now - oldest) / unit)) }],
  };
}

function latency(rows: readonly Latency[]): Metric {
  return {
    name: "edge_refunds_channel_latency_seconds",
    help: "Seconds from creation to success, of refunds created in the last 24 hours, by channel.",
    figures: rows.flatMap(({ channel, p50, p99 }) => [
      { labels: { channel, quantile: "0.5" }, value: p50 },
      { labels: { channel, quantile: "0.99" }, value: p99 },
    ]),
  };
}
