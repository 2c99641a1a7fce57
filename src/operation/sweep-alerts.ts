// Every minute: looks for trouble across all apps, and tells the operator's webhook (ALERT_URL) what is new, what lasts and
// what is over. What could not be told is told in the next minute; a webhook that is down stops nothing else. Without an
// ALERT_URL the log is told alone.
import type { Database } from "../db/client.ts";
import type { Env } from "../env.ts";
import { isLocalDevelopment } from "../env.ts";
import { log, nameOf } from "../log.ts";
import { ownHostsOf } from "../webhooks/attempt-delivery.ts";
import { type Fetch, post } from "../webhooks/client.ts";
import { standardSignature } from "../webhooks/signature.ts";
import { refuseUrl } from "../webhooks/url-guard.ts";
import { type Alert, type AlertStory, alertBody, alertIdOf, storyOf } from "./alert.ts";
import { forgetAlert, keepAlerts, listAlerts, markTold } from "./alert-repository.ts";
import { findTroubles } from "./find-troubles.ts";

/** Told in one minute at most; the others wait for the next. */
const TOLD_MAX = 20;

type AlertEnv = Pick<Env, "ALERT_URL" | "ALERT_SECRET" | "ENVIRONMENT" | "LOCAL_DEV" | "OWN_HOSTS">;

const realFetch: Fetch = (url, init) => fetch(url, init);

/** Throws only when the database fails. `now` in ms since the epoch. */
export async function sweepAlerts(
  env: AlertEnv,
  db: Database,
  now: number,
  fetch: Fetch = realFetch,
): Promise<void> {
  const [known, troubles] = await Promise.all([listAlerts(db), findTroubles(db, now)]);
  if (known.length === 0 && troubles.found.length === 0) return;
  const kept = await keepAlerts(db, known, troubles, now);
  const news = kept.flatMap((alert) => {
    const story = storyOf(alert, now);
    return story === null ? [] : [{ alert, story }];
  });
  const untold = kept.filter((alert) => alert.resolvedAt !== null && alert.told === 0);
  await Promise.all([
    ...untold.map((alert) => forgetAlert(db, alert)),
    ...news.slice(0, TOLD_MAX).map(async ({ alert, story }) => {
      if (!(await tell(env, alert, story, now, fetch))) return;
      await (story === "alert.resolved" ? forgetAlert(db, alert) : markTold(db, alert, now));
    }),
  ]);
}

/** Whether it is told. */
async function tell(
  env: AlertEnv,
  alert: Alert,
  story: AlertStory,
  now: number,
  fetch: Fetch,
): Promise<boolean> {
  const { app, livemode, kind, count } = alert;
  const level = story === "alert.resolved" ? "warn" : "error";
  log(level, { alert: story.replace(".", "_"), kind, app, livemode, count });
  const { ALERT_URL: url, ALERT_SECRET: secret } = env;
  if (url === undefined || url === "") return true;
  const rules = {
    livemode: false,
    localDevelopment: isLocalDevelopment(env),
    ownHosts: ownHostsOf(env),
  };
  try {
    // Said by name, so that whoever set them wrongly finds out from the log.
    const wrong =
      refuseUrl(url, rules) !== null ? "ALERT_URL" : !secret?.startsWith("whsec_") ? "ALERT_SECRET" : null;
    if (wrong !== null || secret === undefined) {
      log("error", { failure: "alert_not_told", kind, setting: wrong });
      return false;
    }
    const body = alertBody(alert, story, now, env.ENVIRONMENT ?? null);
    const id = alertIdOf(alert);
    const timestamp = Math.floor(now / 1000);
    const headers = {
      "Content-Type": "application/json; charset=utf-8",
      "User-Agent": "edge-refunds/1",
      "webhook-id": id,
      "webhook-timestamp": String(timestamp),
      "webhook-signature": await standardSignature([secret], id, timestamp, body),
    };
    const { status, failure } = await post(fetch, url, headers, body);
    if (status !== null && status >= 200 && status < 300) return true;
    log("error", { failure: "alert_not_told", kind, status, error: failure });
  } catch (error) {
    log("error", { failure: "alert_not_told", kind, error: nameOf(error) });
  }
  return false;
}
