// API keys on the wire. A secret is in the answer that mints it and in no other.
import * as z from "zod";
import { pageQuery } from "../http/pagination.ts";
import { formatRange, parseRange } from "./addresses.ts";
import { isName, type KeyRow } from "./mint.ts";
import { SCOPES } from "./scope.ts";

const ADDRESSES_MAX = 100;
/** How long a rotated key may live on, seconds. */
const OVERLAP_MAX = 30 * 86_400;
/** Unix seconds up to the year 9999. */
const TIME_MAX = 253_402_300_799;

export const keySchema = z.object({
  id: z.string(),
  object: z.literal("api_key"),
  app: z.string(),
  livemode: z.boolean(),
  name: z.string(),
  scopes: z.array(z.enum(SCOPES)),
  created: z.int(),
  created_by: z.string().nullable(),
  expires_at: z.int().nullable(),
  revoked_at: z.int().nullable(),
  replaced_by: z.string().nullable(),
  last_used_at: z.int().nullable(),
  allowed_ips: z.array(z.string()).nullable(),
  key: z.string().optional(),
});

export function keyObject(row: KeyRow, key?: string): z.infer<typeof keySchema> {
  return {
    id: row.id,
    object: "api_key",
    app: row.app,
    livemode: row.livemode,
    name: row.name,
    scopes: SCOPES.filter((scope) => row.scopes.includes(scope)),
    created: row.created,
    created_by: row.createdBy,
    expires_at: row.expiresAt,
    revoked_at: row.revokedAt,
    replaced_by: row.replacedBy,
    last_used_at: row.lastUsedAt,
    allowed_ips: row.allowedIps,
    ...(key === undefined ? {} : { key }),
  };
}

/** The name of an app or a key. */
export const nameSchema = z.string().refine(isName, { error: "length:1-100" });

const addressSchema = z.string().refine((text) => parseRange(text) !== null, { error: "address" });

/** Addresses in the one spelling that is stored, each once. */
const addressesSchema = z
  .array(addressSchema)
  .min(1)
  .max(ADDRESSES_MAX)
  .transform((list) => {
    const ranges = list.map(parseRange).filter((range) => range !== null);
    return [...new Set(ranges.map(formatRange))];
  });

const timeSchema = z.int().min(1).max(TIME_MAX);

export const createKeySchema = z.strictObject({
  name: nameSchema,
  livemode: z.boolean().nullish(),
  scopes: z.array(z.enum(SCOPES)).min(1).max(100),
  expires_at: timeSchema.nullish(),
  allowed_ips: addressesSchema.nullish(),
});

export const updateKeySchema = z.strictObject({
  name: nameSchema.optional(),
  expires_at: timeSchema.optional(),
  allowed_ips: addressesSchema.nullable().optional(),
});

export const rotateKeySchema = z.strictObject({
  expires_in: z.int().min(0).max(OVERLAP_MAX).default(86_400),
});

export const keyListQuery = z.strictObject(pageQuery(100, 20));
