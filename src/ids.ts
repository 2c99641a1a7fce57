// Every identifier this service mints: a prefix from one table and 24 characters of [0-9A-Za-z].
// Dice are an argument, so that a simulation can replay them.

/** Returns `count` random bytes. */
export type Random = (count: number) => Uint8Array;

export const PREFIXES = {
  app: "app",
  charge: "ch",
  refund: "re",
  event: "evt",
  request: "iar",
  apiKey: "key",
  endpoint: "we",
  delivery: "dlv",
  signingKey: "sgk",
  deadLetter: "dl",
  channelAccount: "ca",
  batch: "br",
} as const;

export type IdKind = keyof typeof PREFIXES;

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const LENGTH = 24;

/** 24 characters, each equally likely: bytes of 248 and above would favour the first letters and are thrown again. */
export function randomToken(random: Random): string {
  let token = "";
  while (token.length < LENGTH) {
    for (const byte of random(32)) {
      if (byte < 248 && token.length < LENGTH) token += ALPHABET[byte % 62];
    }
  }
  return token;
}

/** `re_…`, `ch_…`: the prefix of its kind, an underscore and 24 random characters. */
export function mintId(kind: IdKind, random: Random): string {
  return `${PREFIXES[kind]}_${randomToken(random)}`;
}

/** The same id for the same bytes: for objects whose identity follows from their facts. Needs 32 bytes. */
export function derivedId(kind: IdKind, digest: Uint8Array): string {
  let number = 0n;
  for (const byte of digest) number = (number << 8n) | BigInt(byte);
  let token = "";
  for (let i = 0; i < LENGTH; i++) {
    token += ALPHABET[Number(number % 62n)];
    number /= 62n;
  }
  return `${PREFIXES[kind]}_${token}`;
}

/** Whether a string has the shape of an id of that kind; costs no I/O, so that a guess is refused before any. */
export function isId(kind: IdKind, value: string): boolean {
  const prefix = PREFIXES[kind];
  return (
    value.length === prefix.length + 1 + LENGTH &&
    value.startsWith(prefix) &&
    value[prefix.length] === "_" &&
    /^[0-9A-Za-z]+$/.test(value.slice(prefix.length + 1))
  );
}
