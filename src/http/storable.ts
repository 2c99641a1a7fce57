// Which texts and objects come back from storage as they were given, and how long a text is: lengths count Unicode code
// points, not UTF-16 units.

/** How deep objects and arrays may nest inside a field. */
const LEVELS_MAX = 100;

export function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** Whether storage keeps the text as it is. */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/**
 * Whether every string and key anywhere inside comes back from storage as it is, no number is past what JSON can say
 * (`1e309` is read as Infinity and would be kept as null), and nothing nests deeper than whoever walks it can follow:
 * SQLite reads 1000 levels of JSON, and a stack holds a few thousand.
 */
export function isStorableDeep(value: unknown, levels = LEVELS_MAX): boolean {
  if (typeof value === "string") return isStorable(value);
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null) return true;
  if (levels === 0) return false;
  if (Array.isArray(value)) return value.every((inner) => isStorableDeep(inner, levels - 1));
  return Object.entries(value).every(
    ([key, inner]) => key !== "__proto__" && isStorable(key) && isStorableDeep(inner, levels - 1),
  );
}
