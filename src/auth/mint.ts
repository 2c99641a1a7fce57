// New apps, keys and signing keys as rows of their tables: the one way they come to be, for the API and for an operator.
// A secret is returned beside its row and is in none.
import type { apps } from "../apps/table.ts";
import { mintId, type Random } from "../ids.ts";
import { seal } from "../sealing/sealing.ts";
import { generateSigningKeyPair } from "../webhooks/signature.ts";
import { hashKey, mintKey } from "./api-key.ts";
import type { Scope } from "./scope.ts";
import type { apiKeys, signingKeys } from "./table.ts";

export type AppRow = typeof apps.$inferSelect;
export type KeyRow = typeof apiKeys.$inferSelect;
export type SigningKeyRow = typeof signingKeys.$inferSelect;

/** Where ids, keys and times come from. `now` in Unix seconds. */
export interface Mint {
  random: Random;
  now: number;
}

export interface KeyWish {
  livemode: boolean;
  name: string;
  scopes: readonly Scope[];
  expiresAt?: number | null;
  allowedIps?: readonly string[] | null;
  createdBy?: string | null;
}

export interface MintedKey {
  /** The secret itself, shown once and stored nowhere. */
  key: string;
  row: KeyRow;
}

export interface MintedApp {
  row: AppRow;
  test: MintedKey;
  live: MintedKey;
  signingKeys: SigningKeyRow[];
}

/** Whether a name can be shown and told apart: 1 to 100 characters, not only spaces, none of them a control character. */
export function isName(name: string): boolean {
  return name.trim() !== "" && name.length <= 100 && !/\p{Cc}/u.test(name);
}

export async function mintKeyRow(app: string, wish: KeyWish, mint: Mint): Promise<MintedKey> {
  const key = mintKey(wish.livemode, mint.random);
  const id = mintId("apiKey", mint.random);
  const row = {
    hash: await hashKey(key),
    id,
    app,
    livemode: wish.livemode,
    name: wish.name,
    scopes: [...wish.scopes],
    created: mint.now,
    expiresAt: wish.expiresAt ?? null,
    revokedAt: null,
    createdBy: wish.createdBy ?? null,
    lastUsedAt: null,
    allowedIps: wish.allowedIps === undefined || wish.allowedIps === null ? null : [...wish.allowedIps],
    replacedBy: null,
  };
  return { key, row };
}

/** A new app with one key per mode, and per mode the RSA pair that signs its webhooks and answers, sealed. */
export async function mintApp(
  app: Pick<AppRow, "name" | "settings" | "parent">,
  firstKeys: Omit<KeyWish, "livemode" | "name">,
  masterKeys: string,
  mint: Mint,
): Promise<MintedApp> {
  const id = mintId("app", mint.random);
  return {
    row: { id, ...app, created: mint.now },
    test: await mintKeyRow(id, { ...firstKeys, livemode: false, name: "default" }, mint),
    live: await mintKeyRow(id, { ...firstKeys, livemode: true, name: "default" }, mint),
    signingKeys: [
      await mintSigningKey(id, false, masterKeys, mint),
      await mintSigningKey(id, true, masterKeys, mint),
    ],
  };
}

async function mintSigningKey(
  app: string,
  livemode: boolean,
  masterKeys: string,
  mint: Mint,
): Promise<SigningKeyRow> {
  const id = mintId("signingKey", mint.random);
  const pair = await generateSigningKeyPair();
  const context = { table: "signing_keys", row: id, app, livemode, field: "private_key" };
  const privateKey = await seal(masterKeys, context, pair.privateKey);
  return { id, app, livemode, publicKey: pair.publicKey, privateKey, created: mint.now };
}
