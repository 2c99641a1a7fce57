// The secret a caller shows: `sk_test_` or `sk_live_` and 24 alphanumerics, 32 characters in all because
// Ping++'s Node SDK tells a key from other arguments by that length. Nothing here keeps a key.
import { type Random, randomToken } from "../ids.ts";
import { sha256Hex } from "./digest.ts";

const SHAPE = /^sk_(test|live)_[0-9A-Za-z]{24}$/;
const MASK = "*".repeat(25);

/** Longer headers carry no key of ours; not decoding them bounds the work a guess can cause. */
const AUTHORIZATION_MAX = 1024;

/**
 * The key in an `Authorization` header: the user name of Basic, or the token of Bearer. Null when there is none.
 * SDKs send an empty password; whatever else stands there is ignored.
 */
export function presentedKey(authorization: string | null): string | null {
  if (authorization === null || authorization.length > AUTHORIZATION_MAX) return null;
  const match = /^(basic|bearer) +(\S+) *$/i.exec(authorization);
  const [, scheme, credentials] = match ?? [];
  if (scheme === undefined || credentials === undefined) return null;
  if (scheme.toLowerCase() === "bearer") return credentials;
  const userName = decodeBase64(credentials)?.split(":", 1)[0];
  return userName === undefined || userName === "" ? null : userName;
}

/** Whether a string could be a key at all; costs no I/O, so that most guesses end here. */
export function isApiKey(presented: string): boolean {
  return SHAPE.test(presented);
}

/** The prefix decides the mode. */
export function isLiveKey(key: string): boolean {
  return key.startsWith("sk_live_");
}

/** What an error may say of a key: its known prefix at most, and 25 asterisks whatever its length was. */
export function maskKey(presented: string): string {
  const prefix = ["sk_test_", "sk_live_"].find((known) => presented.startsWith(known)) ?? "";
  return `${prefix}${MASK}`;
}

/** SHA-256 of the whole key, hex: all that is stored of it. A key has 143 random bits, so no salt is needed. */
export function hashKey(key: string): Promise<string> {
  return sha256Hex(new TextEncoder().encode(key));
}

export function mintKey(livemode: boolean, random: Random): string {
  return `sk_${livemode ? "live" : "test"}_${randomToken(random)}`;
}

function decodeBase64(text: string): string | undefined {
  try {
    return atob(text);
  } catch {
    return undefined;
  }
}
