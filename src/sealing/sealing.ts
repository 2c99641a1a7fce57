// Seals secrets before they are stored: AES-256-GCM under a master key that is no part of the database.
// A sealed text opens only in the place it was sealed for (table, row, app, mode, field), so that a copied or
// swapped column does not open. New texts use the first master key; older keys stay listed until nothing needs them.
import { fromBase64, fromBase64Url, toBase64Url } from "../base64.ts";
import { isSealedColumn } from "./sealed-columns.ts";

/** Where a sealed text is kept. */
export interface SealingContext {
  table: string;
  row: string;
  app: string;
  livemode: boolean;
  field: string;
}

/** A sealed text or the master keys cannot be used. The message names key ids and places, never a secret. */
export class SealingError extends Error {}

const ALGORITHM = "AES-GCM";
const KEY_BYTES = 32;
/** The nonce size AES-GCM is specified for; random nonces are safe for 2^32 texts under one key. */
const IV_BYTES = 12;

/** `v1.<key id>.<iv>.<ciphertext and tag>`. `masterKeys` is JSON: key id → base64 of 32 bytes, newest first. */
export async function seal(masterKeys: string, context: SealingContext, plaintext: string): Promise<string> {
  if (!isSealedColumn(context.table, context.field)) {
    throw new SealingError(
      `${context.table}.${context.field} is not in sealed-columns.ts: a rotation of the master key would miss it`,
    );
  }
  const [newest] = await keysOf(masterKeys);
  if (newest === undefined) throw new SealingError("there is no master key");
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const ciphertext = await crypto.subtle.encrypt(
    { name: ALGORITHM, iv, additionalData: bytesOf(context) },
    newest[1],
    new TextEncoder().encode(plaintext),
  );
  return ["v1", newest[0], toBase64Url(iv), toBase64Url(new Uint8Array(ciphertext))].join(".");
}

/** Opens what `seal` made. Throws SealingError for an unknown key id, another place or a changed text. */
export async function unseal(masterKeys: string, context: SealingContext, sealed: string): Promise<string> {
  const match = /^v1\.([\w-]+)\.([\w-]{16})\.([\w-]+)$/.exec(sealed);
  if (match === null) throw new SealingError(`${placeOf(context)} does not hold a sealed text`);
  const [, id = "", iv = "", ciphertext = ""] = match;
  const key = (await keysOf(masterKeys)).get(id);
  if (key === undefined) throw new SealingError(`${placeOf(context)} is sealed with the unknown key "${id}"`);
  try {
    const plaintext = await crypto.subtle.decrypt(
      { name: ALGORITHM, iv: fromBase64Url(iv), additionalData: bytesOf(context) },
      key,
      fromBase64Url(ciphertext),
    );
    return new TextDecoder().decode(plaintext);
  } catch {
    throw new SealingError(`${placeOf(context)} was changed or sealed for another place`);
  }
}

/** The key id a sealed text was made with: what a rotation looks for. */
export function sealingKeyOf(sealed: string): string | null {
  return /^v1\.([\w-]+)\./.exec(sealed)?.[1] ?? null;
}

/** How every text begins that was sealed with a key. */
export function sealedPrefix(key: string): string {
  return `v1.${key}.`;
}

/** The ids of the master keys, newest first. Throws SealingError when one of the keys cannot be used. */
export async function masterKeyIds(masterKeys: string): Promise<string[]> {
  return [...(await keysOf(masterKeys)).keys()];
}

/** 32 bytes for another purpose from each master key, newest first (HKDF with SHA-256): no key serves two algorithms. */
export async function derivedSecrets(
  masterKeys: string,
  purpose: string,
): Promise<Uint8Array<ArrayBuffer>[]> {
  await keysOf(masterKeys);
  const info = new TextEncoder().encode(purpose);
  const derivation = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info };
  return await Promise.all(
    Object.values(parse(masterKeys)).map(async (key) => {
      const material = await crypto.subtle.importKey("raw", fromBase64(String(key)), "HKDF", false, [
        "deriveBits",
      ]);
      return new Uint8Array(await crypto.subtle.deriveBits(derivation, material, KEY_BYTES * 8));
    }),
  );
}

function placeOf(context: SealingContext): string {
  return `${context.table}.${context.field} of ${context.row}`;
}

/** The context in one spelling: an array, because the order of an object's keys is the caller's. */
function bytesOf({ table, row, app, livemode, field }: SealingContext): Uint8Array {
  return new TextEncoder().encode(JSON.stringify([table, row, app, livemode, field]));
}

type MasterKeys = Map<string, CryptoKey>;

/**
 * The keys imported last, by their text: a Worker has one such text, a rotation two. Keys are kept, never a promise of
 * them, which would die with the request that began it.
 */
const imported = new Map<string, MasterKeys>();
const IMPORTED_MAX = 4;

async function keysOf(masterKeys: string): Promise<MasterKeys> {
  const known = imported.get(masterKeys);
  if (known !== undefined) return known;
  const keys = await importKeys(masterKeys);
  if (imported.size >= IMPORTED_MAX) imported.clear();
  imported.set(masterKeys, keys);
  return keys;
}

async function importKeys(masterKeys: string): Promise<MasterKeys> {
  const keys: MasterKeys = new Map();
  for (const [id, key] of Object.entries(parse(masterKeys))) {
    // JSON objects list number-like names first, whatever their order in the text, and order decides here.
    if (!/^[\w-]{1,32}$/.test(id) || /^\d+$/.test(id)) {
      throw new SealingError(`"${id}" cannot be the id of a master key: use letters, digits, - and _`);
    }
    keys.set(id, await importKey(id, key));
  }
  return keys;
}

async function importKey(id: string, key: unknown): Promise<CryptoKey> {
  try {
    const bytes = fromBase64(String(key));
    if (bytes.length === KEY_BYTES) {
      return await crypto.subtle.importKey("raw", bytes, ALGORITHM, false, ["encrypt", "decrypt"]);
    }
  } catch {
    // Not base64: said below, without the text.
  }
  throw new SealingError(`master key "${id}" is not the base64 of ${KEY_BYTES} bytes`);
}

function parse(masterKeys: string): Record<string, unknown> {
  try {
    const keys: unknown = JSON.parse(masterKeys);
    if (typeof keys === "object" && keys !== null && !Array.isArray(keys)) {
      return keys as Record<string, unknown>;
    }
  } catch {
    // The parser's own message would quote the keys.
  }
  throw new SealingError("the master keys are not a JSON object of key id → base64");
}
