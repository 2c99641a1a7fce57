// Alerts in D1: what the sweep of a minute found is set beside what was known, so that the next minute knows what was told.
import { and, eq, isNull, type SQL } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import type { Alert, Trouble } from "./alert.ts";
import type { Troubles } from "./find-troubles.ts";
import { alerts } from "./table.ts";

/** Alerts at a time. Further ones are raised when others are over. */
const ALERTS_MAX = 1_000;
/** With those that are over and could not be told yet. */
const KNOWN_MAX = 10_000;
/** Statements in one batch. */
const PAGE = 50;

export async function listAlerts(db: Database): Promise<Alert[]> {
  return await db.select().from(alerts).limit(KNOWN_MAX);
}

/** Keeps what was found now, marks what is over, and gives all of it back. */
export async function keepAlerts(
  db: Database,
  known: readonly Alert[],
  { found, cut }: Troubles,
  now: number,
): Promise<Alert[]> {
  const before = new Map(known.map((alert) => [keyOf(alert), alert]));
  const isKnown = (trouble: Trouble) => before.has(keyOf(trouble));
  // Those that are known come first: one must not be taken for over because others came.
  const current = [...found.filter(isKnown), ...found.filter((trouble) => !isKnown(trouble))]
    .slice(0, ALERTS_MAX)
    .map((trouble): Alert => {
      const { raisedAt, told, toldAt } = before.get(keyOf(trouble)) ?? {
        raisedAt: now,
        told: 0,
        toldAt: null,
      };
      return { ...trouble, raisedAt, told, toldAt, resolvedAt: null };
    });
  const lasting = new Set(current.map(keyOf));
  const over = known
    .filter((alert) => !lasting.has(keyOf(alert)) && !cut.has(alert.kind))
    .map((alert) => ({ ...alert, count: 0, examples: [], resolvedAt: alert.resolvedAt ?? now }));
  const changed = [...current, ...over].filter((alert) => hasChanged(before.get(keyOf(alert)), alert));
  for (let start = 0; start < changed.length; start += PAGE) {
    const statements = changed.slice(start, start + PAGE).map((alert) => {
      const { count, oldestAt, examples, resolvedAt } = alert;
      return db
        .insert(alerts)
        .values(alert)
        .onConflictDoUpdate({
          target: [alerts.app, alerts.livemode, alerts.kind],
          set: { count, oldestAt, examples, resolvedAt },
        });
    });
    const [first, ...rest] = statements;
    if (first !== undefined) await db.batch([first, ...rest]);
  }
  return [...current, ...over];
}

export async function markTold(db: Database, alert: Alert, now: number): Promise<void> {
  await db
    .update(alerts)
    .set({ told: alert.told + 1, toldAt: now })
    .where(isThe(alert));
}

/** Only if it is still over: it may have been raised again meanwhile. */
export async function forgetAlert(db: Database, alert: Alert): Promise<void> {
  const { resolvedAt } = alert;
  const ended = resolvedAt === null ? isNull(alerts.resolvedAt) : eq(alerts.resolvedAt, resolvedAt);
  await db.delete(alerts).where(and(isThe(alert), ended));
}

function isThe({ app, livemode, kind }: Trouble): SQL | undefined {
  return and(eq(alerts.app, app), eq(alerts.livemode, livemode), eq(alerts.kind, kind));
}

function keyOf({ app, livemode, kind }: Trouble): string {
  return `${app}/${livemode}/${kind}`;
}

function hasChanged(before: Alert | undefined, after: Alert): boolean {
  return (
    before === undefined ||
    before.count !== after.count ||
    before.oldestAt !== after.oldestAt ||
    before.resolvedAt !== after.resolvedAt ||
    before.examples.join() !== after.examples.join()
  );
}
