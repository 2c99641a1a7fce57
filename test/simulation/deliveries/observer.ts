// Holds every commit and every request at a receiver against what webhooks.md promises, at the moment it happens.
import { ROLL_SECONDS, type SealedSecret } from "../../../src/webhooks/endpoint.ts";
import type { VirtualClock } from "../virtual-clock.ts";
import type { DeliveryRow, EndpointRow, EventRow, Mirror, Write } from "./mirror.ts";
import { Pace, UNDER_WAY_MS } from "./pace.ts";
import { isGood, type Receipt, type Receivers } from "./receivers.ts";
import { ATTEMPTS_MAX, earliestDelay } from "./schedules.ts";

/** A delivery may be claimed as much before its time. */
const EARLY_MS = 1000;
const FAILING_MS = 5 * 86_400_000;

/** What an endpoint looked like when an event happened. */
export interface Snapshot {
  status: EndpointRow["status"];
  asked: boolean;
}

interface Claim {
  at: number;
  number: number;
  url: string;
  secrets: SealedSecret[];
  schedule: EndpointRow["schedule"];
}

/** What is remembered of a delivery besides its row. */
export interface Course {
  claims: Claim[];
  /** No attempt before this, unless a person wishes it. */
  notBefore: number;
  /** The numbers of the attempts that were written down. */
  recorded: Set<number>;
  /** When the newest of them ended. */
  endedAt: number | null;
  /** A person had it sent. */
  sentByHand: boolean;
  /** When it was last said when it is due. */
  plannedAt: number;
}

export class Observer {
  readonly mirror: Mirror;
  readonly pace: Pace;
  readonly #clock: VirtualClock;
  readonly #receivers: Receivers;
  readonly #violation: (words: string) => void;
  readonly #note: (...words: (string | number)[]) => void;
  readonly #courses = new Map<string, Course>();
  readonly snapshots = new Map<string, Map<string, Snapshot>>();
  /** By endpoint: how often it was disabled. */
  readonly disablings = new Map<string, number>();
  readonly disabledEvents = new Map<string, number>();
  readonly reasons = new Map<string, number>();
  attempts = 0;
  /** Endpoints that this transaction has to disable. */
  readonly #givenUp = new Set<string>();

  constructor(
    mirror: (committed: (writes: Write[]) => void) => Mirror,
    clock: VirtualClock,
    receivers: Receivers,
    violation: (words: string) => void,
    note: (...words: (string | number)[]) => void,
  ) {
    this.#clock = clock;
    this.#receivers = receivers;
    this.#violation = violation;
    this.#note = note;
    this.mirror = mirror((writes) => this.#committed(writes));
    this.pace = new Pace(this.mirror, clock, receivers, violation);
  }

  course(delivery: string): Course {
    let course = this.#courses.get(delivery);
    if (course === undefined) {
      course = {
        claims: [],
        notBefore: 0,
        recorded: new Set(),
        endedAt: null,
        sentByHand: false,
        plannedAt: this.#clock.time,
      };
      this.#courses.set(delivery, course);
    }
    return course;
  }

  /** A request arrives at a receiver. */
  posted(receipt: Receipt): void {
    const row = this.mirror.deliveries.get(receipt.delivery);
    const event = this.mirror.events.get(receipt.event);
    const endpoint = row && this.mirror.endpoints.get(row.endpoint);
    this.#note("post", receipt.delivery, receipt.number, receipt.url);
    if (row === undefined || event === undefined || endpoint === undefined) {
      this.#violation(`I9: ${receipt.delivery} was posted without a row`);
      return;
    }
    if (row.event !== receipt.event || event.body !== receipt.body) {
      this.#violation(`I9: ${receipt.delivery} was posted with another id or body`);
    }
    if (event.app !== endpoint.app || event.livemode !== endpoint.livemode) {
      this.#violation(`I14: ${endpoint.id} was sent an event of another app or mode`);
    }
    if (this.mirror.isPing(row) && event.endpoint !== endpoint.id) {
      this.#violation(`I14: ${endpoint.id} was sent the ping of ${event.endpoint}`);
    }
    const claim = this.course(row.id).claims.find(({ number }) => number === receipt.number);
    if (claim === undefined) {
      this.#violation(`I9: attempt ${receipt.number} of ${row.id} was made without a claim`);
      return;
    }
    if (claim.url !== receipt.url) {
      this.#violation(`I9: ${row.id} was posted to ${receipt.url} when its address was ${claim.url}`);
    }
    const signers = receipt.signature.split(" ");
    if (!claim.secrets.some(({ sealed }) => signers.includes(sealed))) {
      this.#violation(`a secret that signs was missing from attempt ${receipt.number} of ${row.id}`);
    }
    // Who was frozen after the claim may come back when its lease has long run out.
    if (receipt.isFrozen) return;
    for (const other of this.#receivers.receipts.get(row.id) ?? []) {
      if (other === receipt || other.until !== null || other.isFrozen) continue;
      if (this.#clock.time - other.from > UNDER_WAY_MS) continue;
      this.#violation(`F14: ${row.id} was posted a second time while ${other.number} was under way`);
    }
  }

  #committed(writes: Write[]): void {
    const touched = new Set<string>();
    for (const write of writes) {
      switch (write.table) {
        case "events":
          this.#happened(write.row);
          break;
        case "delivery_attempts":
          this.#recorded(write.row);
          break;
        case "webhook_endpoints":
          touched.add(write.row.id);
          this.#endpointChanged(write.row, write.before);
          break;
        case "deliveries":
          touched.add(write.row.endpoint);
          this.#deliveryChanged(write.row, write.before);
      }
    }
    for (const id of touched) {
      this.#checkEndpoint(id);
      this.pace.countPlaces(id);
    }
    for (const id of this.#givenUp) {
      const { status } = this.mirror.endpoints.get(id) as EndpointRow;
      if (status !== "disabled") this.#violation(`${id} has failed for five days and is still ${status}`);
    }
    this.#givenUp.clear();
  }

  #happened(event: EventRow): void {
    const endpoints = [...this.mirror.endpoints.values()];
    const seen = new Map<string, Snapshot>();
    for (const { id, app, livemode, status, enabled_events, deleted_at } of endpoints) {
      if (app !== event.app || livemode !== event.livemode || deleted_at !== null) continue;
      const types = JSON.parse(enabled_events) as string[];
      const isPingpp = /^(refund\.(succeeded|failed)|batch_refund\.succeeded)$/.test(event.type);
      const wants = types.includes(event.type) || (isPingpp && types.includes("*"));
      const isPing = event.type === "webhook_endpoint.ping";
      const asked = isPing ? event.endpoint === id : wants && event.endpoint !== id;
      seen.set(id, { status, asked });
    }
    this.snapshots.set(event.id, seen);
    this.#note("event", event.id, event.type);
    if (event.type === "webhook_endpoint.disabled") count(this.disabledEvents, event.endpoint ?? "");
  }

  #recorded({ delivery, number, http_status, failure, started_at, duration_ms }: AttemptWrite): void {
    const course = this.course(delivery);
    course.recorded.add(number);
    course.endedAt = started_at + duration_ms;
    const row = this.mirror.deliveries.get(delivery) as DeliveryRow;
    this.#note("recorded", delivery, number, http_status ?? failure ?? "nothing");
    const receipt = this.#receivers.receipts.get(delivery)?.find((one) => one.number === number);
    if (receipt?.answer == null) {
      this.#violation(`I9: attempt ${number} of ${delivery} was recorded before it was answered`);
      return;
    }
    const { answer } = receipt;
    if (answer.status !== http_status || answer.failure !== failure) {
      this.#violation(`I9: attempt ${number} of ${delivery} was not recorded as it was answered`);
    }
    if (isGood(answer)) {
      this.pace.of(row.endpoint).good = this.#clock.time;
      return;
    }
    const claim = course.claims.find((one) => one.number === number) as Claim;
    const earliest = earliestDelay(claim.schedule, number - row.attempts_before, answer, this.#clock.time);
    course.notBefore = started_at + duration_ms + earliest;
    this.#checkGivenUp(row.endpoint, started_at);
  }

  #endpointChanged(row: EndpointRow, before: EndpointRow | null): void {
    const since = this.pace.of(row.id);
    const now = this.#clock.time;
    if (before?.rate_limit !== row.rate_limit) since.rate = now;
    if (before?.schedule !== row.schedule) since.schedule = now;
    if (before?.lane !== row.lane) since.lane = now;
    if (before?.status === row.status && before.disabled_reason === row.disabled_reason) return;
    this.#note("endpoint", row.id, row.status, row.disabled_reason ?? "");
    if (row.status === "enabled" && before !== null) this.#enabled(row, before);
    if (row.status === "disabled" && before?.status !== "disabled" && before !== null) {
      count(this.disablings, row.id);
      count(this.reasons, row.disabled_reason ?? "");
      if (row.disabled_reason === "failing") this.#failing(row, since.good);
    }
    if (row.status === "pending") since.good = now;
  }

  #enabled(row: EndpointRow, before: EndpointRow): void {
    if (before.status !== "pending") this.#violation(`${row.id} was enabled when it was ${before.status}`);
    const answered = this.#receivers.book.some(
      ({ delivery, url, answer }) =>
        url === row.url &&
        isGood(answer) &&
        this.mirror.isPing(this.mirror.deliveries.get(delivery) as DeliveryRow),
    );
    if (!answered) this.#violation(`${row.id} was enabled, but ${row.url} has answered no ping`);
  }

  #failing(row: EndpointRow, lastGood: number): void {
    const now = this.#clock.time;
    const since = (row.first_failure_at ?? Number.POSITIVE_INFINITY) * 1000;
    if (now - since < FAILING_MS)
      this.#violation(`${row.id} was disabled after ${now - since} ms of failures`);
    if (lastGood > since + 1000) this.#violation(`${row.id} was disabled though it had answered well`);
    const exhausted = [...this.mirror.deliveries.values()].some(
      ({ endpoint, status, ended_at }) =>
        endpoint === row.id && status === "exhausted" && (ended_at ?? now) >= since,
    );
    // The delivery that ran out may be in the same transaction, after this.
    const running = [...this.mirror.open.values()].some(
      ({ endpoint, attempts, attempts_before }) =>
        endpoint === row.id && attempts - attempts_before >= ATTEMPTS_MAX[row.schedule],
    );
    if (!exhausted && !running) this.#violation(`${row.id} was disabled without an exhausted delivery`);
  }

  /** Who has failed for so long is disabled together with the attempt that shows it; here, before its writes are read. */
  #checkGivenUp(id: string, startedAt: number): void {
    const endpoint = this.mirror.endpoints.get(id) as EndpointRow;
    const since = (endpoint.first_failure_at ?? Number.POSITIVE_INFINITY) * 1000;
    if (endpoint.status !== "enabled" || endpoint.deleted_at !== null || startedAt - since < FAILING_MS)
      return;
    const exhausted = [...this.mirror.deliveries.values()].some(
      (row) =>
        row.endpoint === id &&
        row.status === "exhausted" &&
        (row.ended_at ?? 0) >= since &&
        (row.ended_at ?? 0) < startedAt,
    );
    if (exhausted) this.#givenUp.add(id);
  }

  #deliveryChanged(row: DeliveryRow, before: DeliveryRow | null): void {
    const endpoint = this.mirror.endpoints.get(row.endpoint);
    if (endpoint === undefined || endpoint.app !== row.app || endpoint.livemode !== row.livemode) {
      this.#violation(`I14: ${row.id} leads to an endpoint of another app or mode`);
      return;
    }
    const course = this.course(row.id);
    if (row.trigger === "manual") course.sentByHand = true;
    if (before === null) {
      this.#note("delivery", row.id, row.event, row.endpoint, row.status, row.due_at ?? "held");
      return;
    }
    if (row.attempts > before.attempts) this.#claimed(row, before, endpoint);
    // Of many that are released together the sweeper wakes the rest.
    if (row.due_at !== before.due_at) course.plannedAt = before.due_at === null ? 0 : this.#clock.time;
    const isNewRun = row.attempts_before !== before.attempts_before;
    const isWished = row.trigger === "manual";
    if (isNewRun || isWished || row.due_at === null) course.notBefore = 0;
    if (before.lease_until !== null && row.lease_until === null) this.pace.planned(row, course);
    if (row.status === before.status) return;
    this.#note("became", row.id, row.status);
    const inRun = row.attempts - row.attempts_before;
    const receipts = this.#receivers.receipts.get(row.id) ?? [];
    switch (row.status) {
      case "delivered":
        if (!receipts.some(({ answer }) => isGood(answer))) {
          this.#violation(`I9: ${row.id} is delivered, but its receiver has taken nothing`);
        }
        return;
      case "exhausted": {
        const least = Math.min(...Object.values(ATTEMPTS_MAX));
        if (inRun < least && receipts.at(-1)?.answer?.status !== 410) {
          this.#violation(`I9: ${row.id} is exhausted after ${inRun} attempts`);
        }
        return;
      }
      case "pending":
        if (!isWished) this.#violation(`I9: ${row.id} was ${before.status} and is pending again`);
    }
  }

  #claimed(row: DeliveryRow, before: DeliveryRow, endpoint: EndpointRow): void {
    const now = this.#clock.time;
    const course = this.course(row.id);
    const words = `attempt ${row.attempts} of ${row.id}`;
    this.#note("claim", row.id, row.attempts);
    this.attempts += 1;
    course.claims.push({
      at: now,
      number: row.attempts,
      url: endpoint.url,
      secrets: JSON.parse(endpoint.secrets),
      schedule: endpoint.schedule,
    });
    const isPing = this.mirror.isPing(row);
    if (isPing && this.#isSuperseded(row)) this.#violation(`${words} began after a newer ping`);
    if (endpoint.deleted_at !== null) this.#violation(`${words} began after its endpoint was deleted`);
    else if (endpoint.status === "disabled") this.#violation(`${words} began while its endpoint is disabled`);
    else if (endpoint.status === "pending" && !isPing) {
      this.#violation(`${words} began though its endpoint has answered no ping`);
    }
    if (before.due_at === null || before.status !== "pending" || before.due_at > now + EARLY_MS) {
      this.#violation(`${words} began when it was not due`);
    }
    if (before.lease_until !== null && before.lease_until > now) {
      this.#violation(`${words} began while another was under way`);
    }
    if (now < course.notBefore - EARLY_MS) {
      this.#violation(`${words} began ${course.notBefore - now} ms before its schedule allows it`);
    }
    const inRun = row.attempts - row.attempts_before;
    const isSettled = now - this.pace.of(endpoint.id).schedule > 60_000;
    const most = isSettled ? ATTEMPTS_MAX[endpoint.schedule] : Math.max(...Object.values(ATTEMPTS_MAX));
    if (inRun > most) this.#violation(`${words} is number ${inRun} of a schedule of ${most}`);
    this.pace.begun(row, before, endpoint, course.plannedAt);
  }

  /** Whether its endpoint has been pinged anew for a while. */
  #isSuperseded({ id, endpoint, created_at }: DeliveryRow): boolean {
    return [...this.mirror.open.values()].some(
      (row) =>
        row.endpoint === endpoint &&
        row.id !== id &&
        this.mirror.isPing(row) &&
        row.created_at > created_at &&
        this.#clock.time - row.created_at > 60_000,
    );
  }

  /** After a transaction: nothing open without a time to come, unless it waits for a ping's answer. */
  #checkEndpoint(id: string): void {
    const endpoint = this.mirror.endpoints.get(id) as EndpointRow;
    const isOn = endpoint.deleted_at === null && endpoint.status !== "disabled";
    for (const row of this.mirror.open.values()) {
      if (row.endpoint !== id) continue;
      if (row.due_at === null && (endpoint.status !== "pending" || !isOn)) {
        this.#violation(`I9: ${row.id} waits for a ping, but ${id} is ${endpoint.status}`);
      }
      if (row.due_at === null && this.mirror.isPing(row)) this.#violation(`I9: the ping ${row.id} is held`);
    }
    const secrets = JSON.parse(endpoint.secrets) as SealedSecret[];
    const soon = this.#clock.time + ROLL_SECONDS.max * 1000;
    if (secrets.length > 3 || secrets.some(({ expiresAt }) => expiresAt !== null && expiresAt > soon)) {
      this.#violation(`${id} has secrets that sign for too long`);
    }
    const disablings = this.disablings.get(id) ?? 0;
    if (disablings !== (this.disabledEvents.get(id) ?? 0)) {
      this.#violation(
        `I9: ${id} was disabled ${disablings} times, with ${this.disabledEvents.get(id)} events`,
      );
    }
  }
}

type AttemptWrite = Extract<Write, { table: "delivery_attempts" }>["row"];

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
