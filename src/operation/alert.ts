// What an operator is told of: a trouble of one kind in one app and mode. Told when it is raised, again every 24 hours
// while it lasts, and once when it is over.

export const ALERT_KINDS = [
  "attention",
  "frozen",
  "oldest_pending",
  "oldest_unsynced",
  "dead_letters",
  "disabled_endpoints",
] as const;
export type AlertKind = (typeof ALERT_KINDS)[number];

/** How often one that lasts is told again. */
export const AGAIN_MS = 24 * 3_600_000;

/** What was found in this minute. */
export interface Trouble {
  app: string;
  livemode: boolean;
  kind: AlertKind;
  count: number;
  /** ms. */
  oldestAt: number;
  examples: string[];
}

/** A trouble, and what was told of it. */
export interface Alert extends Trouble {
  raisedAt: number;
  told: number;
  toldAt: number | null;
  resolvedAt: number | null;
}

export type AlertStory = "alert.raised" | "alert.repeated" | "alert.resolved";

/** What of an alert is to be told now; null for nothing. */
export function storyOf(alert: Alert, now: number): AlertStory | null {
  // An end that nobody was told the beginning of is no news.
  if (alert.resolvedAt !== null) return alert.told > 0 ? "alert.resolved" : null;
  if (alert.toldAt === null) return "alert.raised";
  return now - alert.toldAt >= AGAIN_MS ? "alert.repeated" : null;
}

/** The same for every attempt to tell the same, so that a receiver can drop what it has. */
export function alertIdOf({ app, livemode, kind, raisedAt, told }: Alert): string {
  return `alert_${app}_${livemode ? "live" : "test"}_${kind}_${raisedAt}_${told}`;
}

/** The body of the message: what, where and how much, and nothing about customers. */
export function alertBody(alert: Alert, story: AlertStory, now: number, environment: string | null): string {
  return JSON.stringify({
    type: story,
    timestamp: new Date(now).toISOString(),
    data: {
      kind: alert.kind,
      environment,
      app: alert.app,
      livemode: alert.livemode,
      count: alert.count,
      oldest_age_seconds: Math.max(0, Math.floor((now - alert.oldestAt) / 1000)),
      examples: alert.examples,
      raised_at: new Date(alert.raisedAt).toISOString(),
      runbook: `OPERATIONS.md#${alert.kind}`,
    },
  });
}
