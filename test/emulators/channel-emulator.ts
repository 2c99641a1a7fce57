// What the emulators of the payment channels share: an HTTP server on loopback, what goes wrong on the way (by seeded
// dice, or one strike at a time by hand), books that count what happened per number, and the sender of notices. What
// a channel says, and how it signs, is known to its own emulator alone.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Clock, REAL_TIME } from "./clock.ts";
import { Dice } from "./dice.ts";

/** How often each fault strikes, from 0 to 1, and how long what takes time takes, in ms. */
export const NO_FAULTS = {
  /** The connection breaks before anything happened. */
  dropBefore: 0,
  /** The connection breaks after it happened. */
  dropAfter: 0,
  /** A 5xx before anything happened. */
  errorBefore: 0,
  /** A 5xx after it happened. */
  errorAfter: 0,
  /** 429 before anything happened. */
  throttle: 0,
  /** The answer takes up to `delayMs`. */
  delay: 0,
  delayMs: 0,
  /** A refund is accepted and ends up to `processingMs` later, */
  processing: 0,
  processingMs: 0,
  /** … with a no, */
  fails: 0,
  /** … or stuck until an operator acts. */
  sticks: 0,
  /** A success comes back up to `reversalMs` later. */
  reverses: 0,
  reversalMs: 0,
  /** Queries do not find a new refund for up to `hiddenMs`. */
  hides: 0,
  hiddenMs: 0,
  /** A notice is never sent, */
  noticeLost: 0,
  /** … comes up to `noticeLateMs` late, and so out of order, */
  noticeLate: 0,
  noticeLateMs: 0,
  /** … twice, */
  noticeTwice: 0,
  /** … or before the answer to the submission. */
  noticeEarly: 0,
  /** A wrongly signed, stale or probing notice comes too. */
  noticeForged: 0,
  noticeStale: 0,
  noticeProbe: 0,
};
export type FaultRates = typeof NO_FAULTS;

export type Operation = "refund" | "query" | "payment" | "other";

export interface ChannelRequest {
  method: string;
  /** Path and query, as they came. */
  url: string;
  headers: Record<string, string>;
  body: string;
}

export interface Answer {
  status: number;
  headers?: Record<string, string>;
  body: string;
}

/** One fault for the next request to `at`, or for the next one of any kind. */
export type Strike = { at?: Operation } & (
  | { does: "dropBefore" | "dropAfter" | "errorBefore" | "errorAfter" | "throttle" }
  /** Answers this instead of doing anything; the emulator signs it. */
  | { does: "answer"; answer: Answer }
  /** Does it, and changes the signed answer. */
  | { does: "rewrite"; rewrite(answer: Answer): Answer }
  /** Does it, and says nothing for so long. */
  | { does: "delay"; ms: number }
);

export class Faults {
  rates: FaultRates = NO_FAULTS;
  readonly #next: Strike[] = [];
  readonly dice: Dice;
  readonly clock: Clock;

  constructor(seed: number, rates: Partial<FaultRates> = {}, clock = REAL_TIME) {
    this.dice = new Dice(seed);
    this.clock = clock;
    this.set(rates);
  }

  /** Replaces the rates from now on; none heals the channel. */
  set(rates: Partial<FaultRates>): void {
    this.rates = { ...NO_FAULTS, ...rates };
  }

  /** What the next requests meet, one each. */
  next(...strikes: Strike[]): void {
    this.#next.push(...strikes);
  }

  strikes(operation: Operation): Strike | null {
    const place = this.#next.findIndex(({ at }) => at === undefined || at === operation);
    if (place >= 0) return this.#next.splice(place, 1)[0] as Strike;
    for (const does of ["dropBefore", "errorBefore", "throttle", "dropAfter", "errorAfter"] as const) {
      if (this.hits(does)) return { does };
    }
    return this.hits("delay") ? { does: "delay", ms: this.upTo(this.rates.delayMs) } : null;
  }

  hits(fault: keyof FaultRates): boolean {
    return this.dice.chance(this.rates[fault]);
  }

  upTo(ms: number): number {
    return Math.round(this.dice.next() * ms);
  }
}

export interface ChannelProtocol {
  operationOf(request: ChannelRequest): Operation;
  /** Checks the request, does what it asks, and says so. */
  serve(request: ChannelRequest, operation: Operation): Answer | Promise<Answer>;
  /** How the channel says that it failed, or that it was asked too often. */
  failure(kind: "error" | "throttled"): Answer;
  sign(answer: Answer, request: ChannelRequest): Answer | Promise<Answer>;
}

export async function startChannelServer(protocol: ChannelProtocol, faults: Faults, port = 0) {
  const requests: ChannelRequest[] = [];
  const closing = new AbortController();

  async function serve(incoming: IncomingMessage): Promise<Answer | "drop"> {
    const request = await read(incoming);
    requests.push(request);
    const operation = protocol.operationOf(request);
    const strike = faults.strikes(operation);
    if (strike?.does === "dropBefore") return "drop";
    if (strike?.does === "errorBefore") return protocol.sign(protocol.failure("error"), request);
    if (strike?.does === "throttle") return protocol.sign(protocol.failure("throttled"), request);
    if (strike?.does === "answer") return protocol.sign(strike.answer, request);
    const answer = await protocol.serve(request, operation);
    if (strike?.does === "dropAfter") return "drop";
    if (strike?.does === "errorAfter") return protocol.sign(protocol.failure("error"), request);
    if (strike?.does === "delay") await faults.clock.sleep(strike.ms, closing.signal);
    const signed = await protocol.sign(answer, request);
    return strike?.does === "rewrite" ? strike.rewrite(signed) : signed;
  }

  const server = createServer((incoming, response) => {
    serve(incoming).then(
      (answer) => send(response, answer),
      () => response.destroy(),
    );
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** All that came, in order. */
    requests,
    close() {
      closing.abort();
      server.closeAllConnections();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function read(incoming: IncomingMessage): Promise<ChannelRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const headers = Object.fromEntries(
    Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]),
  );
  const body = Buffer.concat(chunks).toString("utf8");
  return { method: incoming.method ?? "", url: incoming.url ?? "", headers, body };
}

function send(response: ServerResponse, answer: Answer | "drop"): void {
  if (answer === "drop") {
    response.destroy();
    return;
  }
  response.writeHead(answer.status, { "content-type": "application/json; charset=utf-8", ...answer.headers });
  response.end(answer.body);
}

/** What every channel knows of a payment. */
export interface EmulatedPayment {
  transactionNo: string;
  orderNo: string;
  /** Minor units. */
  amount: number;
  currency: string;
  paid?: boolean;
}

/** `stuck` waits for an operator; `failed` and `returned` give the amount back, before or after it had moved. */
export type RefundStatus = "processing" | "succeeded" | "failed" | "stuck" | "returned";

/** One number at the channel. `Order` is what the channel's own protocol says of a refund. */
export interface BookedRefund<Order> {
  number: string;
  payment: EmulatedPayment;
  amount: number;
  order: Order;
  /** Submissions that arrived, repeats included. */
  submissions: number;
  /** How often the channel set out to move money for this number. */
  effects: number;
  /** ms; the first submission. */
  submittedAt: number;
  /** ms; until then a query does not find it. */
  visibleAt: number;
  /** What it was and will be, in order. */
  course: { status: RefundStatus; at: number }[];
}

export class Books<Order> {
  readonly payments: EmulatedPayment[] = [];
  readonly numbers = new Map<string, BookedRefund<Order>>();
  /** What must never happen, each in one line. */
  readonly violations: string[] = [];
  readonly #faults: Faults;

  constructor(faults: Faults) {
    this.#faults = faults;
  }

  /** `key`: the channel's number of the payment, or the merchant's. */
  findPayment(key: string | undefined): EmulatedPayment | undefined {
    return this.payments.find(({ transactionNo, orderNo }) => key === transactionNo || key === orderNo);
  }

  /** Books a submission. A number is booked once; what it says later is compared with the first time. */
  submit(
    number: string,
    payment: EmulatedPayment,
    amount: number,
    order: Order,
  ): { refund: BookedRefund<Order>; isNew: boolean } | "discordant" | "exceeds" {
    const known = this.numbers.get(number);
    if (known !== undefined) {
      known.submissions += 1;
      if (known.payment === payment && known.amount === amount) return { refund: known, isNew: false };
      this.violations.push(`one number, two refunds: ${number}`);
      return "discordant";
    }
    if (this.held(payment) + amount > payment.amount) {
      this.violations.push(`more than was paid: ${payment.transactionNo} ${number} ${amount}`);
      return "exceeds";
    }
    const { rates, clock } = this.#faults;
    const now = clock.now();
    const refund: BookedRefund<Order> = {
      number,
      payment,
      amount,
      order,
      submissions: 1,
      effects: 1,
      submittedAt: now,
      visibleAt: this.#faults.hits("hides") ? now + this.#faults.upTo(rates.hiddenMs) : now,
      course: this.#courseFrom(now),
    };
    this.numbers.set(number, refund);
    return { refund, isNew: true };
  }

  /** What a query finds. */
  find(number: string, now = this.#faults.clock.now()): BookedRefund<Order> | undefined {
    const refund = this.numbers.get(number);
    return refund !== undefined && refund.visibleAt <= now ? refund : undefined;
  }

  status(refund: BookedRefund<Order>, now = this.#faults.clock.now()): RefundStatus {
    return refund.course.findLast(({ at }) => at <= now)?.status ?? "processing";
  }

  /** What has moved, or may still move. */
  held(payment: EmulatedPayment): number {
    return this.#sum(payment, (status) => status !== "failed" && status !== "returned");
  }

  /** What has moved and not come back, by the payment's number or the merchant's. */
  moved(key: string): number {
    const payment = this.findPayment(key);
    return payment === undefined ? 0 : this.#sum(payment, (status) => status === "succeeded");
  }

  #sum(payment: EmulatedPayment, counts: (status: RefundStatus) => boolean): number {
    let sum = 0;
    for (const refund of this.numbers.values()) {
      if (refund.payment === payment && counts(this.status(refund))) sum += refund.amount;
    }
    return sum;
  }

  #courseFrom(now: number): BookedRefund<Order>["course"] {
    const { rates } = this.#faults;
    const course: BookedRefund<Order>["course"] = [];
    let at = now;
    if (this.#faults.hits("processing")) {
      course.push({ status: "processing", at });
      at += this.#faults.upTo(rates.processingMs);
    }
    if (this.#faults.hits("fails")) return [...course, { status: "failed", at }];
    if (this.#faults.hits("sticks")) return [...course, { status: "stuck", at }];
    course.push({ status: "succeeded", at });
    if (this.#faults.hits("reverses")) {
      course.push({ status: "returned", at: at + 1 + this.#faults.upTo(rates.reversalMs) });
    }
    return course;
  }
}

export type NoticeKind = "good" | "forged" | "stale" | "probe";

/** A notice as it is posted. */
export interface PostedNotice {
  url: string;
  headers: Record<string, string>;
  body: string;
}

export type RenderNotice = (kind: NoticeKind) => PostedNotice | Promise<PostedNotice>;

/** Sends notices, with what can go wrong; a notice that is not answered 2xx comes again, twice. */
export class NoticeSender {
  /** What was sent and the status it was answered with; null: no answer. */
  readonly sent: { kind: NoticeKind; status: number | null }[] = [];
  readonly #faults: Faults;
  readonly #closed = new AbortController();
  readonly #underWay = new Set<Promise<void>>();

  constructor(faults: Faults) {
    this.#faults = faults;
  }

  /** Sends a notice at `at` (ms). Resolves at once, or after the first delivery if this notice comes too early. */
  async announce(render: RenderNotice, at = this.#faults.clock.now()): Promise<void> {
    const faults = this.#faults;
    for (const [fault, kind] of [
      ["noticeForged", "forged"],
      ["noticeStale", "stale"],
      ["noticeProbe", "probe"],
    ] as const) {
      if (faults.hits(fault)) this.#start(() => this.#post(kind, render, at));
    }
    if (faults.hits("noticeLost")) return;
    const late = faults.hits("noticeLate") ? faults.upTo(faults.rates.noticeLateMs) : 0;
    const first = this.#start(() => this.#deliver(render, at + late));
    if (faults.hits("noticeTwice")) this.#start(() => this.#deliver(render, at + late));
    if (at <= faults.clock.now() && late === 0 && faults.hits("noticeEarly")) await first;
  }

  /** Until everything announced so far has been delivered or given up. */
  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  close(): Promise<void> {
    this.#closed.abort();
    return this.settled();
  }

  #start(work: () => Promise<unknown>): Promise<void> {
    const running: Promise<void> = Promise.allSettled([work()]).then(() => {
      this.#underWay.delete(running);
    });
    this.#underWay.add(running);
    return running;
  }

  async #deliver(render: RenderNotice, at: number): Promise<void> {
    for (const againMs of [0, 100, 400]) {
      const status = await this.#post("good", render, Math.max(at, this.#faults.clock.now() + againMs));
      if (status !== null && status >= 200 && status < 300) return;
    }
  }

  async #post(kind: NoticeKind, render: RenderNotice, at: number): Promise<number | null> {
    const { signal } = this.#closed;
    const { clock } = this.#faults;
    const wait = at - clock.now();
    if (wait > 0) await clock.sleep(wait, signal);
    signal.throwIfAborted();
    return clock.busy(async () => {
      const { url, headers, body } = await render(kind);
      const status = await fetch(url, { method: "POST", headers, body, redirect: "manual", signal }).then(
        ({ body, status }) => (body?.cancel() ?? Promise.resolve()).then(() => status),
        () => null,
      );
      this.sent.push({ kind, status });
      return status;
    });
  }
}
