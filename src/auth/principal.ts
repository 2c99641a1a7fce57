// Who is asking: an API key resolved to its app, mode, scopes and everything the request path needs to know of the app.
import type { AppSettings } from "../apps/schema.ts";
import type { ChannelAccount } from "../channels/channel.ts";
import type { Scope } from "./scope.ts";

export interface Principal {
  /** The key's id, never the key. */
  apiKey: string;
  app: string;
  livemode: boolean;
  scopes: readonly Scope[];
  /** When the key ends, Unix seconds; null for never. */
  expiresAt: number | null;
  /** Addresses and CIDR ranges the key may be used from; null for anywhere. */
  allowedIps: readonly string[] | null;
  settings: AppSettings;
  /** The current account of each channel of this app and mode. */
  accounts: Readonly<Record<string, ChannelAccount>>;
  /** The newest signing key of this app and mode: id, public half (PEM) and sealed private half. */
  signingKey: { id: string; publicKey: string; privateKey: string } | null;
  /** The ledgers this database says it belongs to; null before any live charge was recorded. */
  ledgerNamespace: string | null;
}
