// WeChat Pay's cryptography (APIv3): RSA with SHA-256 over lines of text, and AES-256-GCM for what a notice carries.
import { fromBase64, toBase64 } from "../../base64.ts";

const RSA = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
const SCHEME = "WECHATPAY2-SHA256-RSA2048";
/** WeChat signs some messages wrongly on purpose, to see whether anybody looks: these must fail, whatever follows. */
const PROBE = "WECHATPAY/SIGNTEST/";
const TOLERANCE_SECONDS = 300;
const RSA_BITS_MIN = 2048;
const NONCE_BYTES = 12;

const encoder = new TextEncoder();

/** Who signs our requests. */
export interface Signer {
  mchid: string;
  /** Of our API certificate. */
  serial: string;
  privateKey: CryptoKey;
}

/** The header `Authorization`. `path` with its query; `body` as it is sent, empty for a GET; `seconds` Unix. */
export async function authorization(
  signer: Signer,
  request: { method: string; path: string; body: string; seconds: number; nonce: string },
): Promise<string> {
  const { method, path, body, seconds, nonce } = request;
  const message = encoder.encode(`${method}\n${path}\n${seconds}\n${nonce}\n${body}\n`);
  const signature = toBase64(new Uint8Array(await crypto.subtle.sign(RSA.name, signer.privateKey, message)));
  const values = {
    mchid: signer.mchid,
    nonce_str: nonce,
    timestamp: String(seconds),
    serial_no: signer.serial,
    signature,
  };
  const pairs = Object.entries(values).map(([name, value]) => `${name}="${value}"`);
  return `${SCHEME} ${pairs.join(",")}`;
}

/** What is wrong with a message's signature. */
export type SignatureFault = "malformed" | "serial" | "stale" | "signature";

/** Verifies an answer or a notice over its raw bytes; null when it is WeChat's. `keys` by their serials. */
export async function signatureFault(
  headers: Headers,
  body: Uint8Array,
  keys: ReadonlyMap<string, CryptoKey>,
  now: number,
): Promise<SignatureFault | null> {
  const [timestamp, nonce, serial, signature] = ["Timestamp", "Nonce", "Serial", "Signature"].map((name) =>
    headers.get(`Wechatpay-${name}`),
  );
  if (!timestamp || !nonce || !serial || !signature) return "malformed";
  if (!/^\d{1,12}$/.test(timestamp)) return "malformed";
  const key = keys.get(serial);
  if (key === undefined) return "serial";
  if (Math.abs(now / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) return "stale";
  if (signature.startsWith(PROBE)) return "signature";
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = fromBase64(signature);
  } catch {
    return "signature";
  }
  const message = joined(encoder.encode(`${timestamp}\n${nonce}\n`), body, encoder.encode("\n"));
  return (await crypto.subtle.verify(RSA.name, key, bytes, message)) ? null : "signature";
}

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

/** What a notice carries, as text. Throws when it was not encrypted with this key, or is not what was encrypted. */
export async function decrypt(
  key: CryptoKey,
  resource: { ciphertext: string; nonce: string; associated_data?: string | null },
): Promise<string> {
  const iv = encoder.encode(resource.nonce);
  if (iv.byteLength !== NONCE_BYTES) throw new Error("the nonce has another length");
  const additionalData = encoder.encode(resource.associated_data ?? "");
  const sealed = fromBase64(resource.ciphertext);
  const plain = await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData }, key, sealed);
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(plain);
}

/** PKCS #8, PEM. Throws for anything else, and for keys too short to trust. */
export function importPrivateKey(pem: string): Promise<CryptoKey> {
  return importRsa("pkcs8", "PRIVATE KEY", pem, "sign");
}

/** SPKI, PEM. Throws for anything else, and for keys too short to trust. */
export function importPublicKey(pem: string): Promise<CryptoKey> {
  return importRsa("spki", "PUBLIC KEY", pem, "verify");
}

/** The 32 bytes of the APIv3 key. */
export function importApiKey(text: string): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", encoder.encode(text), "AES-GCM", false, ["decrypt"]);
}

async function importRsa(
  format: "pkcs8" | "spki",
  label: string,
  pem: string,
  usage: "sign" | "verify",
): Promise<CryptoKey> {
  const lines = new RegExp(`^\\s*-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----\\s*$`);
  const base64 = lines.exec(pem)?.[1];
  if (base64 === undefined) throw new Error(`not a PEM ${label}`);
  const der = fromBase64(base64.replaceAll(/\s/g, ""));
  const key = await crypto.subtle.importKey(format, der, RSA, false, [usage]);
  const { modulusLength } = key.algorithm as unknown as { modulusLength: number };
  if (modulusLength < RSA_BITS_MIN) throw new Error("the key is too short");
  return key;
}
