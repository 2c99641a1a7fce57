// The API as a shop's program uses it: one request, and what came of it, which may be nothing.
import type { Attempt, Shop } from "./records.ts";

export interface Call {
  method: "GET" | "POST";
  path: string;
  body?: object;
  headers?: Record<string, string>;
  /** The client leaves after so long, ms. */
  patienceMs?: number;
}

const PATIENCE_MS = 12_000;

/** Never throws: a broken connection is no answer, and neither is what is no JSON of ours. */
export async function callApi(url: string, shop: Shop, call: Call): Promise<Omit<Attempt, "ledgersFail">> {
  const begunAt = Date.now();
  const nothing = { begunAt, status: null, request: null, replayed: null, body: null };
  try {
    const response = await fetch(`${url}/v1${call.path}`, {
      method: call.method,
      headers: {
        Authorization: `Bearer ${shop.key}`,
        "Content-Type": "application/json",
        ...call.headers,
      },
      body: call.body === undefined ? undefined : JSON.stringify(call.body),
      signal: AbortSignal.timeout(call.patienceMs ?? PATIENCE_MS),
    });
    const text = await response.text();
    return {
      begunAt,
      endedAt: Date.now(),
      status: response.status,
      request: response.headers.get("request-id"),
      replayed: response.headers.get("idempotent-replayed"),
      body: parsed(text),
    };
  } catch {
    return { ...nothing, endedAt: Date.now() };
  }
}

/** The text itself where it is no JSON: the checks will find that. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
