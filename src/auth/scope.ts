/** What a key may do. `admin` is for the API of apps and keys; a seeded key has every scope but that. */
export const SCOPES = [
  "refunds:read",
  "refunds:write",
  "refunds:approve",
  "refunds:resolve",
  "charges:read",
  "charges:write",
  "webhooks",
  "channels",
  "export",
  "admin",
] as const;
export type Scope = (typeof SCOPES)[number];

export const DEFAULT_SCOPES: readonly Scope[] = SCOPES.filter((scope) => scope !== "admin");
