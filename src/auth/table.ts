import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { Scope } from "./scope.ts";

/** API keys: only the hash of the secret is kept. */
export const apiKeys = sqliteTable(
  "api_keys",
  {
    /** SHA-256 of the whole key, hex. */
    hash: text().primaryKey(),
    id: text().notNull().unique(),
    app: text().notNull(),
    livemode: integer({ mode: "boolean" }).notNull(),
    name: text().notNull(),
    scopes: text({ mode: "json" }).$type<Scope[]>().notNull(),
    /** Unix seconds. */
    created: integer().notNull(),
    expiresAt: integer("expires_at"),
    revokedAt: integer("revoked_at"),
    /** The key that minted it; null when an operator did. */
    createdBy: text("created_by"),
    /** Unix seconds; at most an hour behind. */
    lastUsedAt: integer("last_used_at"),
    /** Addresses and CIDR ranges it may be used from; null for anywhere. */
    allowedIps: text("allowed_ips", { mode: "json" }).$type<string[]>(),
    /** The key that took its place by rotation. */
    replacedBy: text("replaced_by"),
  },
  (t) => [index("api_keys_app").on(t.app, t.livemode)],
);

/** RSA pairs that sign webhooks and answers, one per app and mode. The private half is sealed. */
export const signingKeys = sqliteTable(
  "signing_keys",
  {
    id: text().primaryKey(),
    app: text().notNull(),
    livemode: integer({ mode: "boolean" }).notNull(),
    /** SPKI, PEM. */
    publicKey: text("public_key").notNull(),
    /** PKCS #8, PEM, sealed. */
    privateKey: text("private_key").notNull(),
    /** Unix seconds. */
    created: integer().notNull(),
  },
  (t) => [index("signing_keys_app").on(t.app, t.livemode)],
);

/** Signatures already used on our own mutating routes, where each works once. */
export const usedSignatures = sqliteTable(
  "used_signatures",
  {
    /** `{app}/{test|live}/{SHA-256 of the signature, hex}`. */
    hash: text().primaryKey(),
    /** ms since the epoch; past it the signature's timestamp is stale anyway. */
    expiresAt: integer("expires_at").notNull(),
  },
  (t) => [index("used_signatures_expires").on(t.expiresAt)],
);
