// The pieces that wire schemas share. Lengths count Unicode code points, not UTF-16 units. What storage would change
// (NUL, lone surrogates) is refused for whole bodies where they are decoded, before any schema sees them.
import * as z from "zod";
import { codePoints } from "./storable.ts";

export const METADATA_PAIRS_MAX = 20;
export const METADATA_CHARACTERS_MAX = 1000;
export const EXTRA_BYTES_MAX = 4096;

/** A string of `min` to `max` code points. */
export function plainText(min: number, max: number) {
  return z
    .string()
    .refine((text) => codePoints(text) >= min && codePoints(text) <= max, { error: `length:${min}-${max}` });
}

/** PHP sends an empty hash as `[]`, and absent as null. */
function absentHash(value: unknown): unknown {
  return value === null || (Array.isArray(value) && value.length === 0) ? {} : value;
}

const pairsSchema = z
  .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
  .transform((pairs) => Object.fromEntries(Object.entries(pairs).map(([key, value]) => [key, String(value)])))
  .refine((pairs) => Object.keys(pairs).length <= METADATA_PAIRS_MAX, { error: "metadata_pairs" })
  .refine((pairs) => !Object.hasOwn(pairs, ""), { error: "metadata_empty_key" })
  .refine(
    (pairs) =>
      Object.entries(pairs).reduce((sum, [key, value]) => sum + codePoints(key) + codePoints(value), 0) <=
      METADATA_CHARACTERS_MAX,
    { error: "metadata_characters" },
  );

/** For an update: what is absent, null or `[]` stays as it is, and `{}` empties it. */
export const givenMetadataSchema = z.preprocess(
  (value) => (value === null || (Array.isArray(value) && value.length === 0) ? undefined : value),
  pairsSchema.optional(),
);

/** Flat pairs, empty when absent; numbers and booleans are kept as their JSON text. */
export const metadataSchema = z.preprocess(absentHash, pairsSchema.default({}));

/** An object kept as it is, up to 4 KiB of JSON. */
export const hashSchema = z.preprocess(
  absentHash,
  z
    .record(z.string(), z.unknown())
    .refine((hash) => new TextEncoder().encode(JSON.stringify(hash)).byteLength <= EXTRA_BYTES_MAX, {
      error: "extra_bytes",
    })
    .default({}),
);

/** A list object around any schema. */
export function listSchema<Item extends z.ZodType>(item: Item) {
  return z.object({ object: z.literal("list"), url: z.string(), has_more: z.boolean(), data: z.array(item) });
}

/** Renders a list object. */
export function listObject<Item>(url: string, data: Item[], hasMore: boolean) {
  return { object: "list" as const, url, has_more: hasMore, data };
}

export const errorSchema = z.object({
  error: z.object({
    type: z.enum(["invalid_request_error", "api_error", "channel_error"]),
    message: z.string(),
    code: z.string().optional(),
    param: z.string().optional(),
  }),
});
