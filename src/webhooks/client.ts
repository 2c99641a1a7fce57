// The outgoing call: one POST to an endpoint, and what came back as data. It never throws.
// Redirects are answers like any other, so that a receiver cannot send us somewhere its address was not checked for.

import { sleep, within } from "../deadline.ts";

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Why no HTTP status came. */
export type PostFailure = "timeout" | "connection_failed";

export interface PostAnswer {
  status: number | null;
  failure: PostFailure | null;
  retryAfter: string | null;
  /** The first bytes of a 2xx answer. What others say may come from behind the merchant's address: it is not read. */
  text: string | null;
}

/** Shorter than the lease of a delivery. */
export const POST_TIMEOUT_MS = 15_000;
const ANSWER_BYTES_MAX = 1024;
const ANSWER_MS = 1000;

export async function post(
  fetch: Fetch,
  url: string,
  headers: Record<string, string>,
  body: string,
): Promise<PostAnswer> {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers,
      body,
      redirect: "manual",
      cache: "no-store",
      signal: AbortSignal.timeout(POST_TIMEOUT_MS),
    });
    const text = response.ok ? await firstBytes(response) : null;
    if (!response.ok) drop(response.body);
    return { status: response.status, failure: null, retryAfter: response.headers.get("Retry-After"), text };
  } catch (error) {
    const name = error instanceof Error ? error.name : "";
    const failure = name === "TimeoutError" || name === "AbortError" ? "timeout" : "connection_failed";
    return { status: null, failure, retryAfter: null, text: null };
  }
}

/** At most 1 KiB, and a second. The status was the receipt: a body that breaks off or hangs changes nothing. */
async function firstBytes(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  const read = { text: "" };
  await within(sleep, readInto(read, reader), ANSWER_MS);
  reader?.cancel().catch(() => {});
  return read.text.replaceAll("\0", "");
}

async function readInto(
  read: { text: string },
  reader: ReadableStreamDefaultReader<Uint8Array> | undefined,
): Promise<void> {
  const decoder = new TextDecoder();
  let left = ANSWER_BYTES_MAX;
  try {
    while (reader !== undefined && left > 0) {
      const { done, value } = await reader.read();
      if (done) break;
      read.text += decoder.decode(value.subarray(0, left), { stream: true });
      left -= value.byteLength;
    }
  } catch {
    // What came until then is kept.
  }
}

function drop(body: ReadableStream | null): void {
  body?.cancel().catch(() => {});
}
