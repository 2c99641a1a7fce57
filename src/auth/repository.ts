// Keys and what hangs on them, in D1. The request path asks once, by the key's hash, and gets everything it will need.
import { lt, sql } from "drizzle-orm";
import { type AppSettings, appSettingsSchema, DEFAULT_SETTINGS } from "../apps/schema.ts";
import type { ChannelAccount } from "../channels/channel.ts";
import type { Database } from "../db/client.ts";
import { isSameDigest } from "./digest.ts";
import type { Principal } from "./principal.ts";
import { SCOPES } from "./scope.ts";
import { usedSignatures } from "./table.ts";

/** A key's principal and when the key ends (Unix seconds; null for never): a remembered key must end too. */
export interface KnownKey {
  principal: Principal;
  expiresAt: number | null;
  /** As D1 had it when it was asked, Unix seconds. */
  lastUsedAt: number | null;
}

interface KeyRow {
  hash: string;
  id: string;
  app: string;
  livemode: number;
  scopes: string;
  expires_at: number | null;
  last_used_at: number | null;
  allowed_ips: string | null;
  settings: string;
  accounts: string;
  signing_key: string | null;
  ledger_namespace: string | null;
}

/** The key with that hash; null when it is unknown, revoked or past its end. `now` in ms since the epoch. */
export async function findKey(db: Database, hash: string, now: number): Promise<KnownKey | null> {
  const [row] = await db.all<KeyRow>(sql`
    select k.hash, k.id, k.app, k.livemode, k.scopes, k.expires_at, k.last_used_at, k.allowed_ips,
      a.settings,
      (select json_group_array(json_object(
          'channel', channel, 'id', id, 'revision', revision, 'merchant', merchant, 'credentials', credentials))
        from (select c.channel, c.id, c.revision, c.merchant, c.credentials,
            row_number() over (partition by c.channel order by c.created desc, c.revision desc, c.id desc) as age
          from channel_accounts c
          where c.app = k.app and c.livemode = k.livemode and c.retired_at is null)
        where age = 1) as accounts,
      (select json_object('id', s.id, 'publicKey', s.public_key, 'privateKey', s.private_key)
        from signing_keys s where s.app = k.app and s.livemode = k.livemode
        order by s.created desc, s.id desc limit 1) as signing_key,
      (select fingerprint from ledger_namespaces order by id desc limit 1) as ledger_namespace
    from api_keys k join apps a on a.id = k.app
    where k.hash = ${hash} and k.revoked_at is null
      and (k.expires_at is null or k.expires_at > ${Math.floor(now / 1000)})`);
  // The index found the row; what grants access is this comparison, whose duration tells nothing.
  if (row === undefined || !isSameDigest(row.hash, hash)) return null;
  return { principal: toPrincipal(row), expiresAt: row.expires_at, lastUsedAt: row.last_used_at };
}

/** Takes a signature for good; false when it was taken before. `expiresAt` in ms since the epoch. */
export async function claimSignature(db: Database, hash: string, expiresAt: number): Promise<boolean> {
  const result = await db.insert(usedSignatures).values({ hash, expiresAt }).onConflictDoNothing();
  return result.meta.changes > 0;
}

/** Removes signatures whose timestamps are stale by now. `now` in ms since the epoch. */
export async function forgetUsedSignatures(db: Database, now: number): Promise<void> {
  await db.delete(usedSignatures).where(lt(usedSignatures.expiresAt, now));
}

function toPrincipal(row: KeyRow): Principal {
  const accounts: Omit<ChannelAccount, "app" | "livemode">[] = JSON.parse(row.accounts);
  const livemode = row.livemode === 1;
  const scopes: string[] = JSON.parse(row.scopes);
  return {
    apiKey: row.id,
    app: row.app,
    livemode,
    scopes: SCOPES.filter((scope) => scopes.includes(scope)),
    expiresAt: row.expires_at,
    allowedIps: row.allowed_ips === null ? null : JSON.parse(row.allowed_ips),
    settings: storedSettings(JSON.parse(row.settings)),
    accounts: Object.fromEntries(
      accounts.map((account) => [account.channel, { ...account, app: row.app, livemode }]),
    ),
    signingKey: row.signing_key === null ? null : JSON.parse(row.signing_key),
    ledgerNamespace: row.ledger_namespace,
  };
}

/**
 * An app's settings with the defaults filled in. A stored value that no longer parses gives way to its default, so that
 * a narrower rule in a new version does not take the app down. The public key is the exception: an unreadable one
 * stays and lets nothing pass, because its default would switch signatures off.
 */
export function storedSettings(stored: unknown): AppSettings {
  const whole = appSettingsSchema.safeParse(stored);
  if (whole.success) return whole.data;
  const fields = typeof stored === "object" && stored !== null ? (stored as Record<string, unknown>) : {};
  const settings: Record<string, unknown> = { ...DEFAULT_SETTINGS };
  for (const [name, schema] of Object.entries(appSettingsSchema.shape)) {
    const field = schema.safeParse(fields[name]);
    if (field.success) settings[name] = field.data;
    else if (name === "public_key") settings[name] = "unreadable";
  }
  return settings as AppSettings;
}
