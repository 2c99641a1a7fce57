// Signs requests for an app that has a public_key on file: RSA-SHA256 over the body's bytes, path and query, and the
// time. On our own routes the method is signed, too, and a signature works once.
import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { SIGNATURE_HEADER, signedBytes, TIMESTAMP_HEADER } from "../src/auth/request-signature.ts";
import { UsageError } from "./outcome.ts";

/** The writing routes that speak Ping++'s protocol; every other one is our own. */
const PINGPP_ROUTES = [
  /^\/v1\/charges$/,
  /^\/v1\/charges\/[^/]+\/(refunds|reverse)$/,
  /^\/v1\/batch_refunds$/,
];

export function isOwnRoute(path: string): boolean {
  return !PINGPP_ROUTES.some((route) => route.test(path));
}

/** Reads an RSA private key in PEM. */
export function readPrivateKey(file: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(readFileSync(file));
  } catch (error) {
    const reason = error instanceof Error ? error.message : error;
    throw new UsageError(`--private-key: ${file} is no private key in PEM without a passphrase: ${reason}`);
  }
  if (key.asymmetricKeyType !== "rsa") throw new UsageError(`--private-key: ${file} is not an RSA key`);
  return key;
}

/** The headers that sign a request. `timestamp` in Unix seconds. */
export function signatureHeaders(
  key: KeyObject,
  request: { method: string; url: URL; body: string | undefined; timestamp: number },
): Record<string, string> {
  const { method, url, body = "", timestamp } = request;
  const bytes = signedBytes(
    Buffer.from(body),
    `${url.pathname}${url.search}`,
    String(timestamp),
    isOwnRoute(url.pathname) ? method : undefined,
  );
  return {
    [SIGNATURE_HEADER]: sign("RSA-SHA256", bytes, key).toString("base64"),
    [TIMESTAMP_HEADER]: String(timestamp),
  };
}
