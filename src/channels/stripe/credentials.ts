// The credentials of an account at Stripe: a secret or restricted key of live mode, at most two secrets of the webhook
// endpoint (two while one is rolled), and the connected account to act for, if any.
import * as z from "zod";
import { type AccountFacts, CredentialsError } from "../channel.ts";

const NOT_AN_OBJECT = ["必须是一个对象", "must be an object"] as const;
const FIELDS: Record<string, readonly [zh: string, en: string]> = {
  secret_key: [
    "必须是 sk_live_ 或 rk_live_ 开头的密钥",
    "must be a key that begins with sk_live_ or rk_live_",
  ],
  webhook_secrets: [
    "必须是 0 至 2 个不同的 whsec_ 开头的密钥",
    "must be a list of 0 to 2 different secrets that begin with whsec_",
  ],
  account: ["必须是 acct_ 开头的账户", "must be an account that begins with acct_"],
};
const UNKNOWN_FIELD = ["不是已知字段", "is not a known field"] as const;

const credentialsSchema = z.strictObject({
  secret_key: z.string().regex(/^(sk|rk)_live_[0-9A-Za-z]{8,247}$/),
  webhook_secrets: z
    .array(z.string().regex(/^whsec_[0-9A-Za-z+/=_-]{8,250}$/))
    .max(2)
    .refine((secrets) => new Set(secrets).size === secrets.length)
    .default([]),
  account: z
    .string()
    .regex(/^acct_[0-9A-Za-z]{1,250}$/)
    .optional(),
});
export type StripeCredentials = z.infer<typeof credentialsSchema>;

/** Throws a `CredentialsError`. */
export function parseCredentials(credentials: unknown): StripeCredentials {
  const read = credentialsSchema.safeParse(credentials);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  const unknownField = issue?.code === "unrecognized_keys" ? issue.keys[0] : undefined;
  if (unknownField !== undefined) throw new CredentialsError(unknownField.slice(0, 64), ...UNKNOWN_FIELD);
  const field = String(issue?.path[0] ?? "credentials");
  throw new CredentialsError(field, ...(FIELDS[field] ?? NOT_AN_OBJECT));
}

/** Stripe's ids of payments are unique among all its merchants, so an account need not say whose it is. */
const ANY_MERCHANT = "stripe";

/** Throws a `CredentialsError`. */
export async function readCredentials(credentials: unknown): Promise<AccountFacts> {
  const { account, webhook_secrets } = parseCredentials(credentials);
  return { merchant: account ?? ANY_MERCHANT, noticeKeys: await Promise.all(webhook_secrets.map(nameOf)) };
}

/** The first digits of a secret's SHA-256: tells secrets apart, and nothing else. */
async function nameOf(secret: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(secret));
  return [...new Uint8Array(digest).subarray(0, 4)]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}
