// Signed requests: Ping++'s RSASSA-PKCS1-v1_5 with SHA-256 over the raw body, the request's URI and its timestamp,
// put together without separators. Our own mutating routes add the method, and there a signature works once:
// a signed GET must not become a DELETE, nor a DELETE happen again.
import { fromBase64, toBase64 } from "../base64.ts";
import type { Problem } from "../http/problem.ts";
import { BoundedMap } from "./bounded-map.ts";
import { sha256Hex } from "./digest.ts";

export const SIGNATURE_HEADER = "Pingplusplus-Signature";
export const TIMESTAMP_HEADER = "Pingplusplus-Request-Timestamp";

/** How far a timestamp may be from now, either way. */
export const TOLERANCE_SECONDS = 300;

export type SignatureRefusal = Extract<Problem, { code: "signature_invalid" }>["reason"];

export interface SignedRequest {
  method: string;
  /** `request.url`, never rebuilt from a URL object. */
  url: string;
  headers: Headers;
  /** The exact bytes of the body. */
  rawBody: Uint8Array;
}

export interface SignatureRules {
  /** SPKI, PEM; null when the app has none on file, and then a signature is ignored. */
  publicKey: string | null;
  /** Whether the route is ours, beyond Ping++. */
  own: boolean;
  /** Takes a signature (its SHA-256) for good; false when it was taken before. `expiresAt` in ms. */
  claim: (hash: string, expiresAt: number) => Promise<boolean>;
}

/** The verified signature in canonical base64, null where none was needed; or why the request is refused. */
export type SignatureCheck = { ok: string | null } | { refused: SignatureRefusal };

/** Path and query exactly as sent. A URL's `search` would lose a trailing bare `?`, which the SDKs send and sign. */
export function requestUri(url: string): string {
  const path = url.indexOf("/", url.indexOf("://") + 3);
  return path === -1 ? "/" : url.slice(path);
}

/** The bytes that are signed; `method` only for own mutating routes. */
export function signedBytes(
  rawBody: Uint8Array,
  uri: string,
  timestamp: string,
  method = "",
): Uint8Array<ArrayBuffer> {
  const tail = new TextEncoder().encode(`${uri}${timestamp}${method}`);
  const bytes = new Uint8Array(rawBody.length + tail.length);
  bytes.set(rawBody);
  bytes.set(tail, rawBody.length);
  return bytes;
}

/**
 * Checks a request's signature before anything is parsed. Enforced on requests that change something once the app has
 * a key on file; on others checked only when sent. `now` in ms since the epoch. A claim that fails, throws.
 */
export async function checkSignature(
  request: SignedRequest,
  rules: SignatureRules,
  now: number,
): Promise<SignatureCheck> {
  if (rules.publicKey === null) return { ok: null };
  const mutating = request.method !== "GET" && request.method !== "HEAD";
  const presented = request.headers.get(SIGNATURE_HEADER);
  if (presented === null) return mutating ? { refused: "missing" } : { ok: null };

  const timestamp = request.headers.get(TIMESTAMP_HEADER);
  const signature = decodeBase64(presented);
  if (timestamp === null || !/^\d{1,12}$/.test(timestamp) || signature === null) {
    return { refused: "malformed" };
  }
  const signedAt = Number(timestamp);
  if (Math.abs(now / 1000 - signedAt) > TOLERANCE_SECONDS) return { refused: "stale" };

  const once = mutating && rules.own;
  const bytes = signedBytes(
    request.rawBody,
    requestUri(request.url),
    timestamp,
    once ? request.method : undefined,
  );
  if (!(await verify(rules.publicKey, signature, bytes))) return { refused: "mismatch" };
  // The bytes are what was used, not their spelling in base64, of which there are several.
  if (once && !(await rules.claim(await sha256Hex(signature), (signedAt + TOLERANCE_SECONDS + 1) * 1000))) {
    return { refused: "used" };
  }
  return { ok: toBase64(signature) };
}

const ALGORITHM = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };

/**
 * Imports a merchant's RSA public key: PEM with `BEGIN PUBLIC KEY` (SPKI, what `openssl rsa -pubout` writes).
 * Throws for anything else, a PKCS #1 `BEGIN RSA PUBLIC KEY` included.
 */
export async function importPublicKey(pem: string): Promise<CryptoKey> {
  const match = /^\s*-----BEGIN PUBLIC KEY-----([\sA-Za-z0-9+/=]+)-----END PUBLIC KEY-----\s*$/.exec(pem);
  const der = match?.[1] === undefined ? null : decodeBase64(match[1].replace(/\s+/g, ""));
  if (der === null) throw new TypeError("not an RSA public key in PEM (BEGIN PUBLIC KEY)");
  return await crypto.subtle.importKey("spki", der, ALGORITHM, false, ["verify"]);
}

/** Importing costs more than verifying. Bounded, because one isolate may serve any number of apps. */
const importedKeys = new BoundedMap<CryptoKey>(256);

async function verify(
  publicKey: string,
  signature: Uint8Array<ArrayBuffer>,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  let key = importedKeys.get(publicKey);
  if (key === undefined) {
    try {
      key = await importPublicKey(publicKey);
    } catch {
      // A key on file that cannot be read was meant to protect the app: nothing passes until it is replaced.
      return false;
    }
    importedKeys.set(publicKey, key);
  }
  return await crypto.subtle.verify(ALGORITHM.name, key, signature, bytes);
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return fromBase64(text);
  } catch {
    return null;
  }
}
