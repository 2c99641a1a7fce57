// What an admin key may administer: its own app and those made with it, and never more than it is itself.
import { findAdministered } from "../apps/repository.ts";
import { keyDatabase } from "../db/client.ts";
import type { Env } from "../env.ts";
import { ProblemError } from "../http/problem.ts";
import { isId } from "../ids.ts";
import { isListWithin } from "./addresses.ts";
import type { AppRow, KeyRow } from "./mint.ts";
import type { Principal } from "./principal.ts";

/** The app that a path names. Throws the problem that there is none, also for one that is somebody else's. */
export async function getAdministered(env: Env, principal: Principal, id: string): Promise<AppRow> {
  const app = isId("app", id) ? await findAdministered(keyDatabase(env), principal.app, id) : null;
  if (app === null) throw new ProblemError({ code: "not_found", object: "app", id });
  return app;
}

/** Names, settings and new apps reach into live mode. Throws the problem `live_key_required`. */
export function requireLiveKey(principal: Principal): void {
  if (!principal.livemode) throw new ProblemError({ code: "live_key_required" });
}

/** What makes one key broader than another. */
export type Reach = Pick<KeyRow, "livemode" | "scopes" | "expiresAt" | "allowedIps">;

/** Throws the problem that a key would be more than the one that asks for it. */
export function refuseBroader(principal: Principal, key: Reach): void {
  refuseStronger(principal, key);
  const { expiresAt, allowedIps } = principal;
  if (expiresAt !== null && (key.expiresAt === null || key.expiresAt > expiresAt)) {
    throw new ProblemError({ code: "key_too_broad", param: "expires_at" });
  }
  if (!isListWithin(key.allowedIps, allowedIps)) {
    throw new ProblemError({ code: "key_too_broad", param: "allowed_ips" });
  }
}

/** Throws the problem that a key can do what the one that asks cannot. */
export function refuseStronger(principal: Principal, key: Pick<Reach, "livemode" | "scopes">): void {
  if (key.livemode && !principal.livemode) throw new ProblemError({ code: "live_key_required" });
  if (!key.scopes.every((scope) => principal.scopes.includes(scope))) {
    throw new ProblemError({ code: "key_too_broad", param: "scopes" });
  }
}
