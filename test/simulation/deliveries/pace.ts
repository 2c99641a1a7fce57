// Whether everything comes in its time: not late while nothing of ours is broken, not faster than a limit allows, and
// never too many at once in the slow lane.
import type { VirtualClock } from "../virtual-clock.ts";
import type { DeliveryRow, EndpointRow, Mirror } from "./mirror.ts";
import type { Course } from "./observer.ts";
import type { Receivers } from "./receivers.ts";
import { stretch } from "./schedules.ts";

/** Nobody posts as late after a claim, unless the machine was frozen. */
export const UNDER_WAY_MS = 45_000;
/** Attempts to one endpoint that may be under way in the slow lane, and to one that has failed for an hour. */
const SLOW_AT_ONCE = 5;
const FAILING_AT_ONCE = 2;
const LONG_FAILING_MS = 3_600_000;
/** How long after its time a slot may be used. */
const SLOT_LASTS_SECONDS = 5;
/** Later times wait for the sweeper. */
const MESSAGE_DELAY_MAX_MS = 10 * 60_000;

/** What is remembered of an endpoint besides its row. */
interface EndpointPace {
  /** Since when its rate limit, schedule and lane are what they are. */
  rate: number;
  schedule: number;
  lane: number;
  /** Its last good answer that was written down. */
  good: number;
  /** When no other attempt could begin in the slow lane, and how many are under way. */
  full: number;
  taken: number;
  /** When attempts began. */
  begun: number[];
}

export class Pace {
  readonly #mirror: Mirror;
  readonly #clock: VirtualClock;
  readonly #receivers: Receivers;
  readonly #violation: (words: string) => void;
  readonly #endpoints = new Map<string, EndpointPace>();
  /** From when on lateness counts: nothing of ours is broken. */
  calmSince = Number.POSITIVE_INFINITY;
  /** From when on rates have to be held: wake-ups that a storm held up come all at once. */
  ratesSince = Number.POSITIVE_INFINITY;
  /** By how much attempts began late at most. */
  readonly latest = { swept: { ms: 0, delivery: "" }, woken: { ms: 0, delivery: "" } };
  /** The factors that dice stretched schedules by. */
  readonly jitter: number[] = [];

  constructor(mirror: Mirror, clock: VirtualClock, receivers: Receivers, violation: (words: string) => void) {
    this.#mirror = mirror;
    this.#clock = clock;
    this.#receivers = receivers;
    this.#violation = violation;
  }

  of(endpoint: string): EndpointPace {
    let pace = this.#endpoints.get(endpoint);
    if (pace === undefined) {
      pace = { rate: 0, schedule: 0, lane: 0, good: 0, full: 0, taken: 0, begun: [] };
      this.#endpoints.set(endpoint, pace);
    }
    return pace;
  }

  /** An attempt was claimed. */
  begun(row: DeliveryRow, before: DeliveryRow, endpoint: EndpointRow, plannedAt: number): void {
    const now = this.#clock.time;
    this.#checkLateness(row, before, plannedAt);
    this.#checkRate(endpoint, now);
    this.#checkCrowd(endpoint, row.id, now);
  }

  /** Who is due soon is woken by a message; who is due later, or found no room in the slow lane, may wait for the sweeper. */
  #checkLateness(row: DeliveryRow, { due_at, lease_until }: DeliveryRow, plannedAt: number): void {
    const due = Math.max(due_at ?? 0, lease_until ?? 0);
    const fullAt = this.of(row.endpoint).full;
    if (due < this.calmSince) return;
    const late = this.#clock.time - Math.max(due, fullAt);
    // What endpoints give rise to is said without haste: nobody sends a message for it.
    const isOwn = this.#mirror.events.get(row.event)?.type === "webhook_endpoint.disabled";
    // Its message may come a second before its time, and have found no room then.
    const isSoon = due - plannedAt < MESSAGE_DELAY_MAX_MS && fullAt < due - 2000;
    const latest = this.latest[isSoon && !isOwn ? "woken" : "swept"];
    if (late > latest.ms) Object.assign(latest, { ms: late, delivery: row.id });
  }

  #places(id: string, now: number): number {
    const { first_failure_at } = this.#mirror.endpoints.get(id) as EndpointRow;
    const failingForMs = now - (first_failure_at ?? Number.POSITIVE_INFINITY) * 1000;
    return failingForMs > LONG_FAILING_MS ? FAILING_AT_ONCE : SLOW_AT_ONCE;
  }

  /** Remembers when no more attempts to an endpoint could begin in the slow lane. */
  countPlaces(id: string): void {
    const now = this.#clock.time;
    let taken = 0;
    for (const row of this.#mirror.open.values()) {
      if (row.slow_endpoint === id && (row.lease_until ?? 0) > now) taken += 1;
    }
    const since = this.of(id);
    const places = this.#places(id, now);
    // Full until now if it was before this write; a place has just become free.
    if (taken >= places || since.taken >= places) since.full = now;
    since.taken = taken;
  }

  /** The slots that lie in so many seconds, and those before that may be used still; and a person's own ping. */
  #checkRate({ id, rate_limit: rate }: EndpointRow, now: number): void {
    const { begun } = this.of(id);
    begun.push(now);
    const since = Math.max(this.of(id).rate, this.ratesSince) + 60_000;
    if (rate === null) return;
    for (const seconds of [1, 10, 60]) {
      const from = now - seconds * 1000;
      if (from < since) continue;
      let n = 0;
      for (let i = begun.length - 1; i >= 0 && (begun[i] as number) > from; i--) n += 1;
      if (n > rate * (seconds + SLOT_LASTS_SECONDS) + 2) {
        this.#violation(`${id} was sent ${n} within ${seconds} s, and its limit is ${rate} a second`);
      }
    }
  }

  #checkCrowd({ id, lane }: EndpointRow, claimed: string, now: number): void {
    if (lane !== "slow" || now - this.of(id).lane < 60_000) return;
    // A frozen machine that posts after its lease is over is beside the one that claimed the same delivery since.
    const underWay = new Set(
      this.#receivers.book
        .filter(
          ({ delivery, until, from }) =>
            until === null &&
            delivery !== claimed &&
            now - from < UNDER_WAY_MS &&
            this.#mirror.deliveries.get(delivery)?.endpoint === id,
        )
        .map(({ delivery }) => delivery),
    );
    // Those that began just before the hour was over are still under way just after.
    if (underWay.size >= this.#places(id, now - 60_000)) {
      this.#violation(`${underWay.size + 1} attempts to ${id} are under way in the slow lane`);
    }
  }

  /** Remembers by how much dice stretched what the schedule says. */
  planned(row: DeliveryRow, { claims, endedAt }: Course): void {
    const claim = claims.at(-1);
    const receipts = this.#receivers.receipts.get(row.id);
    const answer = receipts?.find(({ number }) => number === row.attempts)?.answer;
    if (row.due_at === null || claim === undefined || answer == null || endedAt === null) return;
    const number = row.attempts - row.attempts_before;
    const factor = stretch(claim.schedule, number, answer, row.due_at - endedAt);
    if (factor !== null) this.jitter.push(factor);
  }
}
