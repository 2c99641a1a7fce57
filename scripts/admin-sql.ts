// What an operator changes in the database: apps, keys and settings, as SQL text. Pure but for WebCrypto.
import { getTableColumns, getTableName } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";
import { type AppSettings, appSettingsSchema, DEFAULT_SETTINGS } from "../src/apps/schema.ts";
import { apps } from "../src/apps/table.ts";
import { formatRange, parseRange } from "../src/auth/addresses.ts";
import { isName, type KeyWish, type Mint, mintApp, mintKeyRow } from "../src/auth/mint.ts";
import { importPublicKey } from "../src/auth/request-signature.ts";
import { DEFAULT_SCOPES, SCOPES, type Scope } from "../src/auth/scope.ts";
import { apiKeys, signingKeys } from "../src/auth/table.ts";

const DAYS_MAX = 36_500;

/** What was asked for cannot be done; the message is for the person at the terminal. */
export class AdminError extends Error {}

export interface NewKey {
  id: string;
  /** The secret itself, shown once and stored nowhere. */
  key: string;
  statements: string[];
}

export interface NewApp {
  app: string;
  testKey: string;
  liveKey: string;
  statements: string[];
}

/** An SQL literal. Text of any but the plainest characters is written in hex: no quoting rule can be got around. */
export function literal(value: string | number | boolean | null): string {
  if (value === null) return "null";
  if (typeof value === "boolean") return value ? "1" : "0";
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no integer`);
    return String(value);
  }
  return /^[\w.-]*$/.test(value)
    ? `'${value}'`
    : `cast(x'${Buffer.from(value, "utf8").toString("hex")}' as text)`;
}

/** A new app with one key per mode, and per mode the RSA pair that signs its webhooks and answers, sealed. */
export async function newApp(name: string, masterKeys: string, mint: Mint): Promise<NewApp> {
  if (!isName(name)) throw new AdminError("an app's name has 1 to 100 characters");
  const app = { name, settings: {}, parent: null };
  const minted = await mintApp(app, { scopes: DEFAULT_SCOPES }, masterKeys, mint);
  return {
    app: minted.row.id,
    testKey: minted.test.key,
    liveKey: minted.live.key,
    statements: [
      insert(apps, minted.row),
      insert(apiKeys, minted.test.row),
      insert(apiKeys, minted.live.row),
      ...minted.signingKeys.map((row) => insert(signingKeys, row)),
    ],
  };
}

/** A new key of an app. The app must exist: ask before. */
export async function newKey(
  app: string,
  options: Pick<KeyWish, "livemode" | "name" | "scopes" | "expiresAt" | "allowedIps">,
  mint: Mint,
): Promise<NewKey> {
  if (!isName(options.name)) throw new AdminError("a key's name has 1 to 100 characters");
  const { key, row } = await mintKeyRow(app, options, mint);
  return { id: row.id, key, statements: [insert(apiKeys, row)] };
}

/** Scopes from a list with commas; `all` is every one. */
export function parseScopes(list: string): Scope[] {
  if (list.trim() === "all") return [...SCOPES];
  const names = list.split(",").map((name) => name.trim());
  const unknown = names.find((name) => !SCOPES.some((scope) => scope === name));
  if (unknown !== undefined) {
    throw new AdminError(
      `there is no scope "${unknown}"; there are ${SCOPES.join(", ")}, or all of them: all`,
    );
  }
  return SCOPES.filter((scope) => names.includes(scope));
}

/** Addresses and CIDR ranges from a list with commas, in the spelling that is stored. */
export function parseAddresses(list: string): string[] {
  const ranges = list.split(",").map((text) => {
    const range = parseRange(text.trim());
    if (range === null) throw new AdminError(`"${text.trim()}" is no IP address or CIDR range`);
    return formatRange(range);
  });
  return [...new Set(ranges)];
}

/** When a key ends that is to live for so many days, Unix seconds. */
export function parseDays(text: string, now: number): number {
  const days = Number(text);
  if (!/^\d{1,5}$/.test(text) || days < 1 || days > DAYS_MAX) {
    throw new AdminError(`--expires-in is a whole number of days from 1 to ${DAYS_MAX}, not "${text}"`);
  }
  return now + days * 86_400;
}

/** A setting's value as typed: JSON where that fits the setting, else the text itself. */
export async function parseSetting(name: string, text: string): Promise<AppSettings[keyof AppSettings]> {
  const schema = Object.entries(appSettingsSchema.shape).find(([known]) => known === name)?.[1];
  if (schema === undefined) {
    throw new AdminError(
      `there is no setting "${name}"; there are ${Object.keys(DEFAULT_SETTINGS).join(", ")}`,
    );
  }
  const parsed = [...jsonOf(text), text].map((value) => schema.safeParse(value));
  const value = parsed.find((attempt) => attempt.success);
  if (value === undefined) {
    const reasons = parsed[0]?.error?.issues.map(reasonOf) ?? [];
    throw new AdminError(`${name}: ${reasons.join("; ")}`);
  }
  if (name === "public_key" && typeof value.data === "string") {
    await importPublicKey(value.data).catch(() => {
      throw new AdminError("public_key: not an RSA public key in PEM that begins with BEGIN PUBLIC KEY");
    });
  }
  return value.data;
}

/** Sets one setting and returns the app's id, or nothing when there is no such app. A default is not stored. */
export async function changeSetting(app: string, name: string, text: string): Promise<string> {
  const value = JSON.stringify(await parseSetting(name, text));
  const isDefault = value === JSON.stringify(DEFAULT_SETTINGS[name as keyof AppSettings]);
  const path = literal(`$.${name}`);
  const settings = isDefault
    ? `json_remove(settings, ${path})`
    : `json_set(settings, ${path}, json(${literal(value)}))`;
  return `update apps set settings = ${settings} where id = ${literal(app)} returning id`;
}

/** Ends a key and returns its id, or nothing when it is unknown or ended before. */
export function revokeKey(id: string, now: number): string {
  return `update api_keys set revoked_at = ${literal(now)} where id = ${literal(id)} and revoked_at is null returning id`;
}

export function listApps(): string {
  return `select a.id, a.name, a.created,
    (select count(*) from api_keys k where k.app = a.id and k.revoked_at is null) as keys
    from apps a order by a.created, a.id`;
}

export function findApp(app: string): string {
  return `select id, name, created, settings from apps where id = ${literal(app)}`;
}

export function listKeys(app: string): string {
  return `select id, livemode, name, scopes, created, expires_at, revoked_at, last_used_at, allowed_ips, replaced_by
    from api_keys where app = ${literal(app)} order by livemode, created, id`;
}

function insert<Table extends SQLiteTable>(table: Table, row: Table["$inferSelect"]): string {
  const columns = Object.entries(getTableColumns(table));
  const values = columns.map(([name, column]) => {
    const value = (row as Record<string, unknown>)[name] ?? null;
    return literal(value === null ? null : (column.mapToDriverValue(value) as string | number));
  });
  return `insert into ${getTableName(table)} (${columns.map(([, { name }]) => name).join(", ")}) values (${values.join(", ")})`;
}

type Issue = NonNullable<ReturnType<(typeof appSettingsSchema)["safeParse"]>["error"]>["issues"][number];

function reasonOf(issue: Issue): string {
  const at = issue.path.length === 0 ? "" : `${issue.path.join(".")}: `;
  return issue.code === "invalid_key"
    ? `${at}not a currency in lower case, such as cny, nor * for every other`
    : `${at}${issue.message}`;
}

function jsonOf(text: string): unknown[] {
  try {
    return [JSON.parse(text)];
  } catch {
    return [];
  }
}
