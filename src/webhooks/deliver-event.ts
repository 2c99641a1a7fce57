// One attempt to deliver an event: claim, check, sign, post, write down. Throws only when the database fails.
// Until the attempt is written down the delivery stays due, so a crash anywhere repeats it after its lease, under the
// same `webhook-id`; receivers tell repeats by that.
import type { PostAnswer } from "./client.ts";
import type { DeliveryMessage, Lane } from "./delivery.ts";
import type { Attempt, DeliveryRepository, DueDelivery, Outcome } from "./delivery-repository.ts";
import { attemptsMax, nextDelay } from "./retry-schedule.ts";
import type { UrlRefusal } from "./url-guard.ts";

export interface DeliveryTools {
  /** ms since the epoch. */
  now(): number;
  /** From 0 up to 1. */
  dice(): number;
  retryScale: number;
  deliveries: DeliveryRepository;
  refuseUrl(url: string, livemode: boolean): UrlRefusal | null;
  /** The headers of the attempt; throws when a secret or key cannot be used. `timestamp` in Unix seconds. */
  sign(delivery: DueDelivery, timestamp: number, now: number): Promise<Record<string, string>>;
  post(url: string, headers: Record<string, string>, body: string): Promise<PostAnswer>;
  /** Says something an operator must hear. */
  alert(kind: string, facts: Record<string, string | boolean>): void;
}

/** When and through which lane the delivery is tried again. */
export interface NextTry {
  delayMs: number;
  lane: Lane;
}

/** An endpoint that takes longer would hold up the deliveries beside it. */
const SLOW_MS = 3000;

/** Null when the delivery needs no further try that this attempt knows of. */
export async function deliverEvent(message: DeliveryMessage, tools: DeliveryTools): Promise<NextTry | null> {
  const { deliveries } = tools;
  const startedAt = tools.now();
  const delivery = await deliveries.findDue(message, startedAt);
  if (delivery === null) return null;
  if (delivery.endpoint.ended) {
    await deliveries.end(delivery, "skipped", startedAt);
    return null;
  }
  // Attempts whose outcome was never written down count too; a person's own wish is tried once more all the same.
  if (delivery.attempts >= attemptsMax(delivery.endpoint.schedule) && delivery.trigger === "auto") {
    await deliveries.end(delivery, "exhausted", startedAt);
    return null;
  }
  const leaseUntil = await deliveries.claim(delivery, startedAt);
  if (leaseUntil === null) return null;

  const answer = await attemptPost(delivery, startedAt, tools);
  const endedAt = tools.now();
  const attempt: Attempt = {
    trigger: delivery.trigger,
    startedAt,
    durationMs: endedAt - startedAt,
    httpStatus: answer.status,
    failure: answer.failure,
    answer: answer.text,
  };
  const { outcome, next } = outcomeOf(delivery, answer, attempt, endedAt, tools);
  await deliveries.record(delivery, leaseUntil, attempt, outcome);
  return next;
}

/** An answer of the endpoint's, or why it was never asked. */
type Answer = Omit<PostAnswer, "failure"> & {
  failure: PostAnswer["failure"] | "url_refused" | "not_signed";
};

const UNASKED = { status: null, retryAfter: null, text: null };

async function attemptPost(delivery: DueDelivery, now: number, tools: DeliveryTools): Promise<Answer> {
  const { id, app, livemode, endpoint, event } = delivery;
  if (tools.refuseUrl(endpoint.url, livemode) !== null) return { ...UNASKED, failure: "url_refused" };
  let headers: Record<string, string>;
  try {
    headers = await tools.sign(delivery, Math.floor(now / 1000), now);
  } catch (error) {
    // Ours to mend: the schedule gives us its time, and nothing leaves unsigned.
    const reason = error instanceof Error ? error.message : "unknown";
    tools.alert("webhook_not_signed", { delivery: id, app, livemode, reason });
    return { ...UNASKED, failure: "not_signed" };
  }
  return await tools.post(endpoint.url, headers, event.body);
}

function outcomeOf(
  delivery: DueDelivery,
  answer: Answer,
  attempt: Attempt,
  now: number,
  tools: DeliveryTools,
): { outcome: Outcome; next: NextTry | null } {
  const { endpoint } = delivery;
  const delivered = answer.status !== null && answer.status >= 200 && answer.status < 300;
  const asked = answer.failure !== "url_refused" && answer.failure !== "not_signed";
  const slow = !delivered || attempt.durationMs > SLOW_MS;
  const lane = asked ? (slow ? "slow" : "fast") : endpoint.lane;
  const firstFailureAt = delivered ? null : (endpoint.firstFailureAt ?? Math.floor(attempt.startedAt / 1000));
  const changed = asked && (lane !== endpoint.lane || firstFailureAt !== endpoint.firstFailureAt);
  const change = changed ? { lane, firstFailureAt } : null;

  if (delivered) return { outcome: { status: "delivered", dueAt: null, endpoint: change }, next: null };
  if (answer.status === 410) {
    // The receiver says that it is gone for good: it is asked nothing more, this event included.
    const gone = { status: "disabled", disabledReason: "gone", disabledAt: Math.floor(now / 1000) } as const;
    return {
      outcome: { status: "exhausted", dueAt: null, endpoint: { ...change, ...gone } },
      next: null,
    };
  }
  const failed = {
    attempts: delivery.attempts + 1,
    status: answer.status,
    timedOut: answer.failure === "timeout",
    retryAfter: answer.retryAfter,
  };
  const delayMs = nextDelay(endpoint.schedule, failed, tools.dice(), now, tools.retryScale);
  if (delayMs === null) {
    return { outcome: { status: "exhausted", dueAt: null, endpoint: change }, next: null };
  }
  return {
    outcome: { status: "pending", dueAt: now + delayMs, endpoint: change },
    next: { delayMs, lane },
  };
}
