// One question to Stripe's API, and what came back as data. It never throws; an answer that broke off, was too long or
// is no JSON has no `body`.
import type { ConnectorPorts } from "../channel.ts";
import type { StripeCredentials } from "./credentials.ts";
import { errorSchema, type StripeError } from "./schema.ts";

/** Pinned: what Stripe says must not change because somebody changed the account's default. */
export const STRIPE_VERSION = "2024-10-28.acacia";
/** A page of refunds with full metadata is the longest answer. */
const ANSWER_BYTES_MAX = 512 * 1024;

export interface StripeAnswer {
  status: number;
  body: unknown;
  error: StripeError | null;
  /** Seconds. */
  retryAfter: number | null;
}

export interface StripeClient {
  get(path: string, signal: AbortSignal): Promise<StripeAnswer | "silent">;
  /** `key`: the `Idempotency-Key`, under which Stripe does a thing once in 24 hours. */
  post(
    path: string,
    key: string,
    form: Record<string, string>,
    signal: AbortSignal,
  ): Promise<StripeAnswer | "silent">;
}

export function stripeClient(
  ports: Pick<ConnectorPorts, "baseUrl" | "fetch">,
  credentials: StripeCredentials,
): StripeClient {
  const headers: Record<string, string> = {
    authorization: `Bearer ${credentials.secret_key}`,
    "stripe-version": STRIPE_VERSION,
    ...(credentials.account === undefined ? {} : { "stripe-account": credentials.account }),
  };

  async function ask(path: string, init: RequestInit): Promise<StripeAnswer | "silent"> {
    try {
      const response = await ports.fetch(`${ports.baseUrl}${path}`, { ...init, redirect: "manual" });
      const body = parsed(await textOf(response));
      const error = errorSchema.safeParse(body);
      const seconds = response.headers.get("retry-after") ?? "";
      return {
        status: response.status,
        body,
        error: error.success ? error.data.error : null,
        retryAfter: /^\d{1,5}$/.test(seconds) ? Number(seconds) : null,
      };
    } catch {
      return "silent";
    }
  }

  return {
    get: (path, signal) => ask(path, { method: "GET", headers, signal }),
    post: (path, key, form, signal) =>
      ask(path, {
        method: "POST",
        headers: {
          ...headers,
          "content-type": "application/x-www-form-urlencoded",
          "idempotency-key": key,
        },
        body: new URLSearchParams(form).toString(),
        signal,
      }),
  };
}

async function textOf(response: Response): Promise<string | null> {
  const reader = response.body?.getReader();
  if (reader === undefined) return null;
  const decoder = new TextDecoder();
  let text = "";
  let left = ANSWER_BYTES_MAX;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    left -= value.byteLength;
    if (left < 0) {
      reader.cancel().catch(() => {});
      return null;
    }
    text += decoder.decode(value, { stream: true });
  }
}

function parsed(text: string | null): unknown {
  try {
    return text === null ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
