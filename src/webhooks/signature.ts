// The two signatures of every webhook: Standard Webhooks v1 (https://www.standardwebhooks.com, one HMAC per live
// secret) and Ping++'s RSA over the raw body. Also makes what they need: secrets and RSA key pairs.
import { BoundedMap } from "../auth/bounded-map.ts";
import { fromBase64, toBase64 } from "../base64.ts";
import type { Random } from "../ids.ts";

const SECRET_PREFIX = "whsec_";
const SECRET_BYTES = 32;
const HMAC = { name: "HMAC", hash: "SHA-256" };
const RSA = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };

/** Importing a key costs more than signing with it. Bounded: one isolate may serve any number of endpoints. */
const hmacKeys = new BoundedMap<CryptoKey>(512);
const rsaKeys = new BoundedMap<CryptoKey>(128);

/** A new endpoint secret, `whsec_` and base64 of 32 random bytes. */
export function newSecret(random: Random): string {
  return SECRET_PREFIX + toBase64(random(SECRET_BYTES));
}

/**
 * The header `webhook-signature`: one `v1,<base64>` for each live secret, separated by spaces, so that a receiver
 * may hold either half of a roll. `timestamp` in Unix seconds; `body` is signed as it is sent.
 */
export async function standardSignature(
  secrets: readonly string[],
  id: string,
  timestamp: number,
  body: string,
): Promise<string> {
  const signed = new TextEncoder().encode(`${id}.${timestamp}.${body}`);
  const signatures = await Promise.all(
    secrets.map(async (secret) => {
      const key = await imported(hmacKeys, secret, importSecret);
      return `v1,${toBase64(new Uint8Array(await crypto.subtle.sign(HMAC.name, key, signed)))}`;
    }),
  );
  return signatures.join(" ");
}

/** The header `X-Pingplusplus-Signature`: base64 of the signature over the raw body. The key is PKCS #8, PEM. */
export async function pingppSignature(privateKey: string, body: string): Promise<string> {
  const key = await imported(rsaKeys, privateKey, importPrivateKey);
  const signature = await crypto.subtle.sign(RSA.name, key, new TextEncoder().encode(body));
  return toBase64(new Uint8Array(signature));
}

/** A new RSA pair of 2048 bits: SPKI and PKCS #8, both PEM. */
export async function generateSigningKeyPair(): Promise<{ publicKey: string; privateKey: string }> {
  const pair = (await crypto.subtle.generateKey(
    { ...RSA, modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
    true,
    ["sign", "verify"],
  )) as CryptoKeyPair;
  return {
    publicKey: pem("PUBLIC KEY", await crypto.subtle.exportKey("spki", pair.publicKey)),
    privateKey: pem("PRIVATE KEY", await crypto.subtle.exportKey("pkcs8", pair.privateKey)),
  };
}

async function imported(
  keys: BoundedMap<CryptoKey>,
  material: string,
  load: (material: string) => Promise<CryptoKey>,
): Promise<CryptoKey> {
  let key = keys.get(material);
  if (key === undefined) {
    key = await load(material);
    keys.set(material, key);
  }
  return key;
}

function importSecret(secret: string): Promise<CryptoKey> {
  const bytes = fromBase64(secret.slice(SECRET_PREFIX.length));
  return crypto.subtle.importKey("raw", bytes, HMAC, false, ["sign"]);
}

function importPrivateKey(privateKey: string): Promise<CryptoKey> {
  const bytes = fromBase64(privateKey.replace(/-----[A-Z ]+-----|\s/g, ""));
  return crypto.subtle.importKey("pkcs8", bytes, RSA, false, ["sign"]);
}

function pem(label: string, der: ArrayBuffer | JsonWebKey): string {
  const lines = toBase64(new Uint8Array(der as ArrayBuffer)).match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
