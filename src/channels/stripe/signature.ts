// `Stripe-Signature: t=…,v1=…`: an HMAC-SHA256, keyed with the endpoint's secret as it stands, over `t`, a full stop
// and the body's bytes as they came. There is one v1 for each secret that is live at Stripe.
import { BoundedMap } from "../../auth/bounded-map.ts";

const HMAC = { name: "HMAC", hash: "SHA-256" };
const TOLERANCE_MS = 300_000;
const HEADER_MAX = 4096;
const SIGNATURES_MAX = 8;

/** By secret, so that a rolled one is never taken for its successor. */
const keys = new BoundedMap<CryptoKey>(256);

/** Whether a body comes from Stripe, and is fresh; `now` in ms. */
export async function checkSignature(
  header: string | null,
  body: Uint8Array,
  secrets: readonly string[],
  now: number,
): Promise<"ok" | "malformed" | "stale" | "signature"> {
  const read = parseHeader(header);
  if (read === null) return "malformed";
  const prefix = new TextEncoder().encode(`${read.timestamp}.`);
  const signed = new Uint8Array(prefix.length + body.length);
  signed.set(prefix);
  signed.set(body, prefix.length);
  let isSigned = false;
  for (const secret of secrets) {
    const key = await imported(secret);
    for (const signature of read.signatures) {
      // `verify` compares in constant time.
      if (await crypto.subtle.verify(HMAC.name, key, signature, signed)) isSigned = true;
    }
  }
  if (!isSigned) return "signature";
  return Math.abs(now - Number(read.timestamp) * 1000) <= TOLERANCE_MS ? "ok" : "stale";
}

/** Schemes other than v1 are passed over: Stripe signs test events with a weaker one. */
function parseHeader(
  header: string | null,
): { timestamp: string; signatures: Uint8Array<ArrayBuffer>[] } | null {
  if (header === null || header.length > HEADER_MAX) return null;
  let timestamp: string | null = null;
  const signatures: Uint8Array<ArrayBuffer>[] = [];
  for (const part of header.split(",")) {
    const [, name, value = ""] = /^\s*([a-z0-9]+)=(.*?)\s*$/.exec(part) ?? [];
    if (name === "t") {
      if (timestamp !== null || !/^\d{1,12}$/.test(value)) return null;
      timestamp = value;
    } else if (name === "v1" && /^[0-9a-f]{64}$/i.test(value)) {
      signatures.push(Uint8Array.from(value.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16)));
    }
  }
  if (timestamp === null || signatures.length === 0 || signatures.length > SIGNATURES_MAX) return null;
  return { timestamp, signatures };
}

async function imported(secret: string): Promise<CryptoKey> {
  let key = keys.get(secret);
  if (key === undefined) {
    key = await crypto.subtle.importKey("raw", new TextEncoder().encode(secret), HMAC, false, ["verify"]);
    keys.set(secret, key);
  }
  return key;
}
