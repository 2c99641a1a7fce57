// Alipay's signatures, all RSASSA-PKCS1-v1_5 with SHA-256: of our requests, of its v3 answers, and of the notices,
// which still sign their sorted form parameters as v1 did.
// https://opendocs.alipay.com/open-v3/054oog (requests), https://opendocs.alipay.com/open-v3/054d0z (answers)
import { fromBase64, toBase64 } from "../../base64.ts";

export const RSA = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };

/** Who asks. `appCertSn` only in certificate mode. */
export interface Asker {
  appId: string;
  appCertSn: string | null;
  privateKey: CryptoKey;
}

/** The header `Authorization`. `pathAndQuery` and `body` as they are sent; `now` in ms. */
export async function authorization(
  asker: Asker,
  method: string,
  pathAndQuery: string,
  body: string,
  nonce: string,
  now: number,
): Promise<string> {
  const certificate = asker.appCertSn === null ? "" : `,app_cert_sn=${asker.appCertSn}`;
  const authString = `app_id=${asker.appId}${certificate},nonce=${nonce},timestamp=${now}`;
  const message = `${authString}\n${method}\n${pathAndQuery}\n${body}\n`;
  const signature = await crypto.subtle.sign(RSA.name, asker.privateKey, new TextEncoder().encode(message));
  return `ALIPAY-SHA256withRSA ${authString},sign=${toBase64(new Uint8Array(signature))}`;
}

/** `absent` when the answer claims no signature at all. */
export type SignatureCheck = "good" | "bad" | "absent";

/** Checks an answer against every live key of Alipay's, over the bytes that came. */
export async function checkAnswer(
  keys: readonly CryptoKey[],
  headers: Headers,
  body: Uint8Array,
): Promise<SignatureCheck> {
  const signature = headers.get("alipay-signature");
  // Alipay's gateway writes the word where it has no signature.
  if (signature === null || signature === "" || signature === "null") return "absent";
  const head = `${headers.get("alipay-timestamp") ?? ""}\n${headers.get("alipay-nonce") ?? ""}\n`;
  const message = concatenated(new TextEncoder().encode(head), body, new Uint8Array([0x0a]));
  return (await isSigned(keys, signature, message)) ? "good" : "bad";
}

/** Whether a notice's parameters, but for `sign` and `sign_type`, are signed by Alipay. */
export function isNoticeSigned(
  keys: readonly CryptoKey[],
  parameters: ReadonlyMap<string, string>,
): Promise<boolean> {
  const message = new TextEncoder().encode(noticeMessage(parameters));
  return isSigned(keys, parameters.get("sign") ?? "", message);
}

/** What a notice's signature is made over. */
export function noticeMessage(parameters: ReadonlyMap<string, string>): string {
  return [...parameters]
    .filter(([name]) => name !== "sign" && name !== "sign_type")
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

async function isSigned(
  keys: readonly CryptoKey[],
  signature: string,
  message: Uint8Array,
): Promise<boolean> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = fromBase64(signature);
  } catch {
    return false;
  }
  for (const key of keys) {
    if (await crypto.subtle.verify(RSA.name, key, bytes, message)) return true;
  }
  return false;
}

function concatenated(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
