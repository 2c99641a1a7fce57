// One attempt to deliver an event: claim, check, sign, post, write down. Throws only when the database fails.
// Until the attempt is written down the delivery stays due, so a crash anywhere repeats it after its lease, under the
// same `webhook-id`; receivers tell repeats by that.
import type { Random } from "../ids.ts";
import { POST_TIMEOUT_MS, type PostAnswer } from "./client.ts";
import type { DeliveryMessage, Lane, Wakeable } from "./delivery.ts";
import type { Attempt, DeliveryRepository, DueDelivery, Outcome } from "./delivery-repository.ts";
import { type DisabledReason, FAILING_MS, isFailing } from "./endpoint.ts";
import { disabledEvent } from "./endpoint-event.ts";
import { attemptsMax, nextDelay } from "./retry-schedule.ts";
import type { UrlRefusal } from "./url-guard.ts";

export interface DeliveryTools {
  /** ms since the epoch. */
  now(): number;
  random: Random;
  /** Multiplies all times of the schedules, and the time an endpoint may go on failing. */
  scale: number;
  deliveries: DeliveryRepository;
  refuseUrl(url: string, livemode: boolean): UrlRefusal | null;
  /** The headers of the attempt; throws when a secret or key cannot be used. `timestamp` in Unix seconds. */
  sign(delivery: DueDelivery, timestamp: number, now: number): Promise<Record<string, string>>;
  post(url: string, headers: Record<string, string>, body: string): Promise<PostAnswer>;
  /** Says something an operator must hear. */
  alert(kind: string, facts: Record<string, string | boolean>): void;
}

/** What is to be woken after an attempt: usually the delivery itself, for its next one. */
export interface Wake {
  deliveries: Wakeable[];
  delayMs: number;
  /** The cron, which may be a minute late, would not do. */
  onTime?: true;
}

/** An endpoint that takes longer would hold up the deliveries beside it. */
const SLOW_MS = 3000;
/** How long a slot under a rate limit may be used after its time. */
const SLOT_LASTS_MS = 5_000;
/** Of those that wait at an endpoint, which are considered for the next attempt through the slow lane. */
const NEXT_OF = 10;
/** More than one, because several may wake the same. */
const NEXT_WOKEN = 2;

/**
 * Makes the attempt if the delivery is due, through the lane that brought the message; null for a person's own wish,
 * which no lane brings.
 */
export async function deliverEvent(
  message: DeliveryMessage,
  via: Lane | null,
  tools: DeliveryTools,
): Promise<Wake[]> {
  const { deliveries } = tools;
  const wokenAt = tools.now();
  const delivery = await deliveries.findDue(message, wokenAt, wokenAt - FAILING_MS * tools.scale);
  if (delivery === null) return [];
  const { endpoint } = delivery;
  const again = (delayMs: number, lane: Lane): Wake[] => {
    const { id, app, livemode } = delivery;
    return [{ deliveries: [{ id, app, livemode, lane }], delayMs }];
  };

  if (endpoint.status === "disabled" || endpoint.deletedAt !== null || delivery.isSuperseded) {
    await deliveries.end(delivery, "skipped", wokenAt);
    return [];
  }
  if (endpoint.status === "pending" && !isPing(delivery)) {
    await deliveries.hold(delivery, wokenAt);
    return [];
  }
  // Attempts whose outcome was never written down count too.
  if (attemptsInRun(delivery) >= attemptsMax(endpoint.schedule)) {
    const unanswered =
      endpoint.status === "pending" ? disabledEvent(endpoint, "unanswered", wokenAt, tools.random) : null;
    await deliveries.end(delivery, "exhausted", wokenAt, unanswered);
    return [];
  }
  // Woken before its endpoint became slow: the messages beside it must not wait for that.
  if (via === "fast" && endpoint.lane === "slow") return again(0, "slow");
  if (endpoint.rateLimit !== null && via !== null) {
    // One that has passed is nobody's any more: after an outage all of them would go at once.
    const isMissed = delivery.slotAt === null || delivery.slotAt < wokenAt - SLOT_LASTS_MS;
    const slotAt = isMissed
      ? await deliveries.takeSlot(delivery, endpoint.rateLimit, wokenAt)
      : (delivery.slotAt ?? wokenAt);
    // A queue delays by whole seconds: rather a little late than more in a second than were asked for.
    if (slotAt > wokenAt) {
      const delayMs = Math.ceil((slotAt - wokenAt) / 1000) * 1000;
      return again(delayMs, endpoint.lane).map((wake) => ({ ...wake, onTime: true }));
    }
  }
  // A lease counts from now, however long the way here took: it must outlast the POST.
  const startedAt = tools.now();
  const leaseUntil = await deliveries.claim(delivery, startedAt);
  // Where there is no room it stays due: those under way wake the next when they end.
  if (leaseUntil === null) return [];

  const answer = await attemptPost(delivery, startedAt, leaseUntil, tools);
  // Too late to post within the lease: whoever claims it next does.
  if (answer === null) return [];
  const endedAt = tools.now();
  const attempt: Attempt = {
    trigger: delivery.trigger,
    startedAt,
    durationMs: endedAt - startedAt,
    httpStatus: answer.status,
    failure: answer.failure,
    answer: answer.text,
  };
  const outcome = outcomeOf(delivery, answer, attempt, endedAt, tools);
  await deliveries.record(delivery, leaseUntil, attempt, outcome);
  const lane = outcome.endpoint?.lane ?? endpoint.lane;
  const wakes = outcome.dueAt === null ? [] : again(outcome.dueAt - endedAt, lane);
  const next = await nextAtEndpoint({ ...endpoint, lane }, endpoint.lane, outcome.enables, endedAt, tools);
  return next.length === 0 ? wakes : [...wakes, { deliveries: next, delayMs: 0 }];
}

/**
 * Who else waits at the endpoint and can go now: many once it was enabled or is quick again; in the slow lane the next,
 * since one of the few places there has become free.
 */
async function nextAtEndpoint(
  endpoint: DueDelivery["endpoint"],
  laneBefore: Lane,
  enables: boolean,
  now: number,
  tools: DeliveryTools,
): Promise<Wakeable[]> {
  const isQuick = endpoint.lane === "fast";
  if (isQuick && laneBefore === "fast" && !enables) return [];
  if (isQuick) return await tools.deliveries.listReleased(endpoint, now);
  if (laneBefore === "fast" && !enables) return [];
  const waiting = await tools.deliveries.listReleased(endpoint, now, NEXT_OF);
  // Not all the oldest one: those under way beside this one choose, too.
  const first = Math.floor(diceFrom(tools.random) * waiting.length);
  return [...waiting, ...waiting].slice(first, first + Math.min(NEXT_WOKEN, waiting.length));
}

function isPing({ event }: DueDelivery): boolean {
  return event.type === "webhook_endpoint.ping";
}

function attemptsInRun(delivery: DueDelivery): number {
  return delivery.attempts - delivery.attemptsBefore;
}

/** An answer of the endpoint's, or why it was never asked. */
type Answer = Omit<PostAnswer, "failure"> & {
  failure: PostAnswer["failure"] | "url_refused" | "not_signed";
};

const UNASKED = { status: null, retryAfter: null, text: null };

async function attemptPost(
  delivery: DueDelivery,
  now: number,
  leaseUntil: number,
  tools: DeliveryTools,
): Promise<Answer | null> {
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
  if (tools.now() + POST_TIMEOUT_MS > leaseUntil) return null;
  return await tools.post(endpoint.url, headers, event.body);
}

function outcomeOf(
  delivery: DueDelivery,
  answer: Answer,
  attempt: Attempt,
  now: number,
  tools: DeliveryTools,
): Outcome {
  const { endpoint } = delivery;
  const delivered = answer.status !== null && answer.status >= 200 && answer.status < 300;
  const asked = answer.failure !== "url_refused" && answer.failure !== "not_signed";
  const lane = !delivered || attempt.durationMs > SLOW_MS ? "slow" : "fast";
  const did = asked ? { answered: delivered, lane: lane as Lane } : null;
  if (delivered) {
    const enables = isPing(delivery) && endpoint.status === "pending";
    return { status: "delivered", dueAt: null, endpoint: did, enables, disables: null };
  }
  const failed = {
    attempts: attemptsInRun(delivery) + 1,
    status: answer.status,
    timedOut: answer.failure === "timeout",
    retryAfter: answer.retryAfter,
  };
  const gone = answer.status === 410;
  const dice = diceFrom(tools.random);
  const delayMs = gone ? null : nextDelay(endpoint.schedule, failed, dice, now, tools.scale);
  const exhausted = delayMs === null;
  const reason = reasonToDisable(delivery, { asked, gone, exhausted }, now, tools.scale);
  const firstFailureAt = endpoint.firstFailureAt ?? Math.floor(attempt.startedAt / 1000);
  const failing = asked ? { ...endpoint, firstFailureAt } : endpoint;
  return {
    status: exhausted ? "exhausted" : "pending",
    dueAt: exhausted ? null : now + delayMs,
    endpoint: did,
    enables: false,
    disables: reason === null ? null : { reason, event: disabledEvent(failing, reason, now, tools.random) },
  };
}

/** What follows from a failed attempt for the endpoint itself. */
function reasonToDisable(
  delivery: DueDelivery,
  { asked, gone, exhausted }: { asked: boolean; gone: boolean; exhausted: boolean },
  now: number,
  scale: number,
): DisabledReason | null {
  const { endpoint, hasExhausted } = delivery;
  // The receiver says that it is gone for good: it is asked nothing more, this event included.
  if (gone) return "gone";
  if (isPing(delivery) && endpoint.status === "pending") return exhausted ? "unanswered" : null;
  if (!asked) return null;
  return isFailing(endpoint.firstFailureAt, hasExhausted || exhausted, now, scale) ? "failing" : null;
}

function diceFrom(random: Random): number {
  const [a = 0, b = 0, c = 0, d = 0] = random(4);
  return (a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d) / 2 ** 32;
}
