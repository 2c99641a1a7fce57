// From a request to the principal behind it, before anything else of the request is looked at.
import { keyDatabase } from "../db/client.ts";
import type { Env } from "../env.ts";
import { ProblemError } from "../http/problem.ts";
import { hashKey, isApiKey, isLiveKey, maskKey, presentedKey } from "./api-key.ts";
import { KeyCache, KeysUnavailableError } from "./key-cache.ts";
import type { Principal } from "./principal.ts";
import { findKey, type KnownKey } from "./repository.ts";
import type { Scope } from "./scope.ts";

/** The isolate's memory of keys. */
const keyCache = new KeyCache();

/**
 * Whose request this is. `now` in ms since the epoch. Throws the problems `bad_key` and, when D1 cannot answer and this
 * isolate has not seen the key lately, `unavailable`. `onRead` is told of the key when D1 was asked about it, which happens
 * in any case with `anew`.
 */
export async function authenticate(
  request: Request,
  env: Pick<Env, "DB">,
  now: number,
  cache: KeyCache = keyCache,
  onRead: (key: KnownKey) => void = () => undefined,
  anew = false,
): Promise<Principal> {
  const key = presentedKey(request.headers.get("Authorization"));
  if (key === null) throw new ProblemError({ code: "bad_key", key: null });
  if (!isApiKey(key)) throw badKey(key);

  const hash = await hashKey(key);
  const principal = await cache
    .find(
      hash,
      now,
      async () => {
        const key = await findKey(keyDatabase(env), hash, now);
        if (key !== null) onRead(key);
        return key;
      },
      anew,
    )
    .catch((error: unknown) => {
      if (!(error instanceof KeysUnavailableError)) throw error;
      throw new ProblemError({ code: "unavailable", retryAfterSeconds: 5 });
    });
  if (principal === null || principal.livemode !== isLiveKey(key)) throw badKey(key);
  return principal;
}

/**
 * Has this isolate ask D1 anew about the key of a request that changed what the key stands for; others follow within 33
 * seconds.
 */
export async function forgetKey(request: Request, cache: KeyCache = keyCache): Promise<void> {
  const key = presentedKey(request.headers.get("Authorization"));
  if (key !== null) cache.forget(await hashKey(key));
}

/** Has this isolate ask D1 anew about keys that were changed; others follow within 33 seconds. */
export function forgetHashes(hashes: readonly string[], cache: KeyCache = keyCache): void {
  for (const hash of hashes) cache.forget(hash);
}

function badKey(key: string): ProblemError {
  return new ProblemError({ code: "bad_key", key: maskKey(key) });
}

/** Throws the problem `scope_missing`. */
export function requireScope(principal: Principal, scope: Scope): void {
  if (!principal.scopes.includes(scope)) throw new ProblemError({ code: "scope_missing", scope });
}
