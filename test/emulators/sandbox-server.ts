// The sandbox as a server of its own, with books: it counts what happened per number, so that a test can assert
// "exactly one refund at the channel". What it says comes from the product's own table of behaviours; what goes wrong
// on the way comes from seeded dice.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { RefundOrder, Verdict } from "../../src/channels/channel.ts";
import { sandboxAnswer } from "../../src/channels/sandbox/behaviour.ts";
import {
  type SandboxAnswer,
  type SandboxOrder,
  sandboxOrderSchema,
} from "../../src/channels/sandbox/client.ts";
import { seededDice } from "./dice.ts";

/** How often each fault strikes, from 0 to 1. */
export interface SandboxFaults {
  /** The connection breaks after the submission took effect. */
  dropAfter: number;
  /** 500 after the submission took effect. */
  errorAfter: number;
  /** 500 before anything happened; queries suffer it too. */
  errorBefore: number;
  /** 429 before anything happened. */
  throttle: number;
  /** The answer takes up to `delayMs`. */
  delay: number;
  delayMs: number;
}

const NO_FAULTS: SandboxFaults = {
  dropAfter: 0,
  errorAfter: 0,
  errorBefore: 0,
  throttle: 0,
  delay: 0,
  delayMs: 0,
};

/** One number at the channel. */
export interface SandboxBook {
  number: string;
  charge: string;
  amount: number;
  /** Submissions that arrived, repeats included. */
  submissions: number;
  /** How often money moved for this number: 0 or 1, whatever was submitted. */
  effects: number;
  queries: number;
  /** The order as it arrived first, with the channel's own count of attempts. */
  order: RefundOrder;
}

export interface SandboxBooks {
  numbers: Map<string, SandboxBook>;
  /** What must never happen: more money asked for than was paid, a number with two amounts. */
  violations: string[];
  /** Money that has moved and not come back, per charge, at `now` (ms). */
  moved(charge: string, now?: number): number;
  /** Whether a number's money has moved and not come back. */
  hasMoved(number: string, now?: number): boolean;
}

export interface SandboxServer {
  url: string;
  books: SandboxBooks;
  /** Replaces the faults from now on; none heals the server. */
  setFaults(faults: Partial<SandboxFaults>): void;
  close(): Promise<void>;
}

/** What goes back over the connection, or that it breaks. */
type Reply = { status: number; body: object; headers?: Record<string, string> } | "drop";

export async function startSandboxServer(
  options: { seed?: number; faults?: Partial<SandboxFaults>; port?: number } = {},
): Promise<SandboxServer> {
  const dice = seededDice(options.seed ?? 1);
  let faults: SandboxFaults = { ...NO_FAULTS, ...options.faults };
  const books = openBooks();

  const server = createServer((request, response) => {
    serve(request).then(
      (reply) => send(response, reply),
      () => response.destroy(),
    );
  });

  async function serve(request: IncomingMessage): Promise<Reply> {
    const body = await readBody(request);
    const number = /^\/refunds\/([^/?]+)$/.exec(request.url ?? "")?.[1];
    if (dice() < faults.delay) await sleep(dice() * faults.delayMs);
    if (dice() < faults.errorBefore) return { status: 500, body: { error: "before" } };
    if (request.method === "POST" && request.url === "/refunds") {
      return dice() < faults.throttle ? throttled(1) : submit(sandboxOrderSchema.parse(JSON.parse(body)));
    }
    if (request.method === "GET" && number !== undefined) return query(decodeURIComponent(number));
    return { status: 404, body: { error: "no such route" } };
  }

  async function submit(order: SandboxOrder): Promise<Reply> {
    const now = Date.now();
    const book = findOrOpen(books, order, now);
    if (book === null) {
      return decline(order, "DISCORDANT_REPEAT_REQUEST", "The amount differs from the first submission's.");
    }
    book.submissions += 1;
    // Only a submission that would move money for the first time can ask for too much.
    if (book.effects === 0 && exceeds(books, order, now)) {
      books.violations.push(`more than was paid: ${order.charge} ${order.number} ${order.amount}`);
      return decline(order, "AMOUNT_EXCEEDED", "More than was paid.");
    }
    const { verdict, afterMs } = sandboxAnswer("refund", attempted(book), now);
    if (verdict.memory !== undefined) book.order.memory = verdict.memory;
    // Turned away before it was looked at: for the channel there was no submission.
    if (verdict.kind === "notSent") book.submissions -= 1;
    else if (book.effects === 0 && takesMoney(book, now)) book.effects = 1;
    if (afterMs > 0) await sleep(afterMs);
    if (dice() < faults.dropAfter) return "drop";
    return dice() < faults.errorAfter ? { status: 500, body: { error: "after" } } : replyOf(verdict);
  }

  function query(number: string): Reply {
    const book = books.numbers.get(number);
    if (book === undefined || book.submissions === 0) return notFound(number);
    book.queries += 1;
    return replyOf(sandboxAnswer("query", attempted(book), Date.now()).verdict);
  }

  await new Promise<void>((resolve) => server.listen(options.port ?? 0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    books,
    setFaults(changes) {
      faults = { ...NO_FAULTS, ...changes };
    },
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function openBooks(): SandboxBooks {
  const numbers = new Map<string, SandboxBook>();
  const hasMoved = (number: string, now = Date.now()) => {
    const book = numbers.get(number);
    return book !== undefined && book.effects > 0 && truth(book, now).kind === "succeeded";
  };
  return {
    numbers,
    violations: [],
    hasMoved,
    moved(charge, now = Date.now()) {
      let sum = 0;
      for (const book of numbers.values()) {
        if (book.charge === charge && hasMoved(book.number, now)) sum += book.amount;
      }
      return sum;
    },
  };
}

/** The book of an order; null when the number came before with another amount or for another charge. */
function findOrOpen(books: SandboxBooks, order: SandboxOrder, now: number): SandboxBook | null {
  const known = books.numbers.get(order.number);
  if (known !== undefined) {
    if (known.amount === order.amount && known.charge === order.charge) return known;
    books.violations.push(`one number, two refunds: ${order.number}`);
    return null;
  }
  const book: SandboxBook = {
    number: order.number,
    charge: order.charge,
    amount: order.amount,
    submissions: 0,
    effects: 0,
    queries: 0,
    order: {
      number: order.number,
      amount: order.amount,
      currency: order.currency,
      chargeAmount: order.charge_amount,
      charge: order.charge,
      chargeOrderNo: "",
      transactionNo: null,
      channel: order.channel,
      livemode: false,
      description: order.description,
      fundingSource: null,
      attempt: 0,
      submittedAt: now,
      created: order.created,
      memory: null,
    },
  };
  books.numbers.set(order.number, book);
  return book;
}

/** The channel counts the submissions that reached it, not those that somebody says to have made. */
function attempted(book: SandboxBook): RefundOrder {
  return { ...book.order, attempt: book.submissions };
}

/** What a query would say, which is what really happened. */
function truth(book: SandboxBook, now: number): Verdict {
  return sandboxAnswer("query", attempted(book), now).verdict;
}

/** Whether money has moved or is on its way: an accepted refund counts from its acceptance. */
function takesMoney(book: SandboxBook, now: number): boolean {
  const { kind } = truth(book, now);
  return kind === "succeeded" || kind === "accepted";
}

function exceeds(books: SandboxBooks, order: SandboxOrder, now: number): boolean {
  let sum = order.amount;
  for (const book of books.numbers.values()) {
    const counts = book.charge === order.charge && book.number !== order.number && book.effects > 0;
    if (counts && takesMoney(book, now)) sum += book.amount;
  }
  return sum > order.charge_amount;
}

function decline(order: SandboxOrder, code: string, message: string): Reply {
  const { number, amount, currency } = order;
  const body: SandboxAnswer = {
    status: "declined",
    number,
    amount,
    currency,
    code,
    message,
    failure_code: "refund_refused_msg",
  };
  return { status: 200, body };
}

function throttled(seconds: number): Reply {
  return { status: 429, body: { error: "throttled" }, headers: { "retry-after": String(seconds) } };
}

function notFound(number: string): Reply {
  return { status: 404, body: { status: "not_found", number } };
}

/** A verdict as the wire carries it. */
function replyOf(verdict: Verdict): Reply {
  const { number, amount, currency } = verdict;
  const facts = { number, amount, currency };
  switch (verdict.kind) {
    case "succeeded": {
      const { transactionNo, succeededAt } = verdict;
      const body = {
        ...facts,
        status: "succeeded",
        transaction_no: transactionNo,
        succeeded_at: succeededAt,
      };
      return { status: 200, body };
    }
    case "accepted": {
      const { attention, url, askAgainAt } = verdict;
      return {
        status: 200,
        body: { ...facts, status: "processing", attention, url, ask_again_at: askAgainAt },
      };
    }
    case "declined": {
      const { code, words, failureCode } = verdict;
      const body = { ...facts, status: "declined", code, message: words, failure_code: failureCode };
      return { status: 200, body };
    }
    case "notSent":
      return throttled(Math.max(1, Math.ceil((verdict.retryAt - verdict.askedAt) / 1000)));
    case "notFound":
      return notFound(number);
    case "unknown":
      if (verdict.failureCode === "channel_connection_error") return "drop";
      if (verdict.failureCode === "refund_unexpected_status") return { status: 200, body: facts };
      return { status: 500, body: { error: verdict.words } };
  }
}

function send(response: ServerResponse, reply: Reply): void {
  if (reply === "drop") {
    response.destroy();
    return;
  }
  response.writeHead(reply.status, { "content-type": "application/json", ...reply.headers });
  response.end(JSON.stringify(reply.body));
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}
