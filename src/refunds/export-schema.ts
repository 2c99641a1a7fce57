// What an export is asked for: the refunds of a search, in its words, as a file.
import * as z from "zod";
import { invalid, ProblemError } from "../http/problem.ts";
import type { RawQuery } from "../search/query.ts";
import { sortQuery } from "../search/query.ts";
import { FORMATS } from "./export-format.ts";
import { refundFilterQuery } from "./search-query.ts";

/**
 * Of one export. A Worker may ask D1 a thousand questions for one request, and an export asks one for each page of
 * 250 refunds.
 */
export const EXPORTED_MAX = 100_000;

export const exportQuery = z.object({
  ...refundFilterQuery,
  sort: sortQuery.sort.unwrap().default("created"),
  format: z.enum(FORMATS).default("ndjson"),
  bom: z.enum(["true", "false"]).default("false"),
  limit: z
    .string()
    .regex(/^\d{1,9}$/)
    .transform(Number)
    .pipe(z.int().min(1).max(EXPORTED_MAX))
    .default(EXPORTED_MAX),
  starting_after: z.string().min(1).max(64).optional(),
});

/** Refuses what is misspelt: a filter that is passed over would let everything through. Throws a problem. */
export function refuseUnknownNames(raw: RawQuery): void {
  for (const [name, values] of Object.entries(raw)) {
    if (name === "metadata" || name.startsWith("metadata[")) continue;
    if (!Object.hasOwn(exportQuery.shape, name))
      throw new ProblemError({ code: "unknown_parameter", param: name });
    if (values.length > 1) throw invalid(name, "只能出现一次", "it may be given once");
  }
}
