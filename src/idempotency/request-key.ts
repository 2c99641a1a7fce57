// The caller's own key for a request: `Idempotency-Key`, as the IETF draft spells it (quotes optional).

/** The key without its quotes; null when there is none, `"malformed"` wrapped when it cannot be one. */
export function readIdempotencyKey(header: string | undefined): { key: string | null } | { malformed: true } {
  if (header === undefined) return { key: null };
  const quoted = /^"(.*)"$/.exec(header);
  const key = quoted?.[1] ?? header;
  return /^[\x21-\x7e]{1,255}$/.test(key) ? { key } : { malformed: true };
}
