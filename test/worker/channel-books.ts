// A channel that a test controls: it speaks the sandbox's HTTP protocol in the place of `fetch`, counts effects per
// number, and answers as it is told. The same number twice is one effect, as with any channel worth its name.
import { env } from "cloudflare:workers";
import { afterAll, beforeAll, vi } from "vitest";

const CHANNEL_URL = "http://127.0.0.1:1";

export interface Submission {
  number: string;
  amount: number;
  currency: string;
  charge: string;
  description: string;
  created: number;
}

export type Effect = "succeeded" | "declined" | "processing" | "none";

/** What the channel does with a submission, and what it says of it. */
export interface Turn {
  effect: Effect;
  /** Says this instead of the truth: an HTTP status, silence (no answer ever), or a broken connection. */
  says?: 500 | 429 | "reset" | "no_status";
  /** Waits for this before it answers. */
  after?: Promise<unknown>;
}

export class ChannelBooks {
  readonly submissions: Submission[] = [];
  readonly queries: string[] = [];
  /** What the channel knows of each number. */
  readonly known = new Map<string, { effect: Effect; submission: Submission }>();
  #turn: (submission: Submission, attempt: number) => Turn = () => ({ effect: "succeeded" });
  #querySays: ((number: string) => Response | null) | null = null;

  /** Decides what becomes of the next submissions; `attempt` counts those of one number from 1. */
  onSubmission(turn: (submission: Submission, attempt: number) => Turn): void {
    this.#turn = turn;
  }

  /** Answers queries in place of the books; null lets the books answer. */
  onQuery(say: (number: string) => Response | null): void {
    this.#querySays = say;
  }

  /** How much money has moved for a charge, minor units. */
  moved(charge: string): number {
    let sum = 0;
    for (const { effect, submission } of this.known.values()) {
      if (submission.charge === charge && effect === "succeeded") sum += submission.amount;
    }
    return sum;
  }

  async answer(request: Request): Promise<Response> {
    if (request.method === "GET") {
      const number = decodeURIComponent(new URL(request.url).pathname.split("/").at(-1) ?? "");
      this.queries.push(number);
      return this.#querySays?.(number) ?? this.#tell(number);
    }
    const submission = (await request.json()) as Submission;
    this.submissions.push(submission);
    const attempt = this.submissions.filter(({ number }) => number === submission.number).length;
    const turn = this.#turn(submission, attempt);
    const before = this.known.get(submission.number);
    if (turn.effect !== "none" && (before === undefined || before.effect === "processing")) {
      this.known.set(submission.number, { effect: turn.effect, submission });
    }
    await turn.after;
    if (turn.says === "reset") throw new TypeError("connection reset");
    if (turn.says === "no_status") return Response.json({ number: submission.number });
    if (turn.says !== undefined) return new Response("", { status: turn.says });
    return this.#tell(submission.number);
  }

  #tell(number: string): Response {
    const entry = this.known.get(number);
    if (entry === undefined) return Response.json({ status: "not_found", number }, { status: 404 });
    const { amount, currency } = entry.submission;
    const facts = { number, amount, currency };
    switch (entry.effect) {
      case "succeeded":
        return Response.json({
          ...facts,
          status: "succeeded",
          transaction_no: `t_${number}`,
          succeeded_at: Math.floor(Date.now() / 1000),
        });
      case "declined":
        return Response.json({ ...facts, status: "declined", code: "NOT_ENOUGH", message: "余额不足" });
      default:
        return Response.json({ ...facts, status: "processing" });
    }
  }
}

let books = new ChannelBooks();

/** The channel of this test file; call it once at the top, then `freshBooks()` in each test. */
export function channelOverHttp(): void {
  beforeAll(() => {
    env.SANDBOX_URL = CHANNEL_URL;
    const real = globalThis.fetch;
    vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
      const request = new Request(input as RequestInfo, init as RequestInit);
      return request.url.startsWith(CHANNEL_URL) ? books.answer(request) : real(input, init);
    });
  });
  afterAll(() => {
    env.SANDBOX_URL = undefined;
    vi.restoreAllMocks();
  });
}

export function freshBooks(): ChannelBooks {
  books = new ChannelBooks();
  return books;
}
