// One request of a soak and what its answer may be. Whoever asks judges: only it knows what it was told before.
import type { IncomingHttpHeaders } from "node:http";

/** What is asked for, and how many of a hundred requests ask for it. */
export const SHARES = {
  create: 25.5,
  "create async": 5,
  "create slow": 0.5,
  repeat: 5,
  record: 13,
  retrieve: 20,
  list: 9,
  charge: 8,
  charges: 2,
  events: 2,
  refused: 10,
} as const;
export type Kind = keyof typeof SHARES;
export const KINDS = Object.keys(SHARES) as Kind[];

export interface Shop {
  app: string;
  key: string;
}

export interface Answer {
  /** Null: the connection broke, or nothing came in time. */
  status: number | null;
  headers: IncomingHttpHeaders;
  text: string;
}

export interface Ask {
  kind: Kind;
  shop: Shop;
  method: "GET" | "POST" | "PUT";
  path: string;
  headers?: Record<string, string>;
  body?: string;
  /** What is wrong with an answer that is neither missing nor an honest 503; null when nothing is. */
  judge(answer: Answer): string | null;
  /** No answer came, or an honest 503. */
  unsettled?(): void;
}

/** The body of an answer; empty when it is no JSON object. */
export function bodyOf({ text }: Answer): Record<string, unknown> {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

export function errorOf(answer: Answer): { type?: unknown; message?: unknown; code?: unknown } {
  const { error } = bodyOf(answer);
  return typeof error === "object" && error !== null ? error : {};
}

/** Says that it cannot now, in the contract's words, and when to come back: nothing was promised. */
export function isHonest503(answer: Answer): boolean {
  const { type, message } = errorOf(answer);
  const wait = Number(answer.headers["retry-after"]);
  return answer.status === 503 && type === "api_error" && typeof message === "string" && wait > 0;
}

export type Outcome = "right" | "wrong" | "turned away" | "unanswered";

/** What came of a request; `words` when it was wrong. */
export function outcomeOf(ask: Ask, answer: Answer): { outcome: Outcome; words: string | null } {
  if (answer.status === null || isHonest503(answer)) {
    ask.unsettled?.();
    return { outcome: answer.status === null ? "unanswered" : "turned away", words: null };
  }
  const isTraced = /^iar_[0-9A-Za-z]{24}$/.test(String(answer.headers["request-id"] ?? ""));
  const words = ask.judge(answer) ?? (isTraced ? null : "the answer has no Request-Id");
  if (words === null) return { outcome: "right", words };
  const said = `${answer.status} ${answer.text.slice(0, 300)}`;
  return { outcome: "wrong", words: `${ask.method} ${ask.path} (${ask.kind}): ${words}: ${said}` };
}
