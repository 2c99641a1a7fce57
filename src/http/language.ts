import type { Language } from "../refunds/refund.ts";

/** The language of messages: the better liked of Chinese and English in `Accept-Language`, else the app's own. */
export function preferredLanguage(header: string | null, fallback: Language): Language {
  if (header === null) return fallback;
  let best: { language: Language; quality: number } | null = null;
  for (const part of header.split(",")) {
    const [tag = "", ...parameters] = part.trim().toLowerCase().split(";");
    const primary = tag.split("-", 1)[0]?.trim();
    if (primary !== "zh" && primary !== "en") continue;
    const q = parameters
      .map((parameter) => /^\s*q=([\d.]+)\s*$/.exec(parameter)?.[1])
      .find((v) => v !== undefined);
    const quality = q === undefined ? 1 : Number(q);
    if (quality > (best?.quality ?? 0)) best = { language: primary, quality };
  }
  return best?.language ?? fallback;
}
