// Recognises the same request by its parameters, for callers that bring a key of their own.
import { sha256Hex } from "../auth/digest.ts";

/** JSON with the keys of every object sorted, so that equal parameters give equal text. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const pairs = Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`);
    return `{${pairs.join(",")}}`;
  }
  return JSON.stringify(value) ?? "null";
}

/** SHA-256 of validated parameters. An omitted amount stays omitted: it means "what is left", not a number. */
export function fingerprintOf(parameters: Record<string, unknown>): Promise<string> {
  return sha256Hex(new TextEncoder().encode(canonicalJson(parameters)));
}
