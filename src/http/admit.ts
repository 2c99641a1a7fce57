// What every request to a route passes, in this order: size, key, its addresses and rate, signature over the raw bytes, scope,
// decoding. Validation comes after it. Nothing here looks into a body before its signature holds.
import type { Context, MiddlewareHandler } from "hono";
import { isAllowedFrom } from "../auth/addresses.ts";
import { authenticate, requireScope } from "../auth/authenticate.ts";
import { isUseDue, markUsed } from "../auth/key-repository.ts";
import type { Principal } from "../auth/principal.ts";
import { RateLimiter, rateLimitedStatus } from "../auth/rate-limit.ts";
import { claimSignature, type KnownKey } from "../auth/repository.ts";
import { checkSignature } from "../auth/request-signature.ts";
import { tellBudget } from "../budgets/take-allowance.ts";
import { isOwnNamespace } from "../charges/ledger-namespace.ts";
import { database, keyDatabase } from "../db/client.ts";
import type { Env } from "../env.ts";
import { decodeBody, readBody } from "./decode-body.ts";
import { preferredLanguage } from "./language.ts";
import { ProblemError } from "./problem.ts";
import type { AppEnv, Route } from "./registry.ts";

const EMPTY = new Uint8Array();

/** The isolate's count of requests. */
const rateLimiter = new RateLimiter();

export function admit(route: Route): MiddlewareHandler<AppEnv> {
  const reads = route.method === "GET";
  return async (c, next) => {
    const request = c.req.raw;
    const now = Date.now();
    const rawBody = reads ? EMPTY : await readBody(request);
    let read: KnownKey | null = null;
    const onRead = (key: KnownKey) => {
      read = key;
    };
    // What a key makes of others lasts: it may have been revoked or narrowed a moment ago.
    const anew = !reads && route.scope === "admin";
    const principal = await authenticate(request, c.env, now, undefined, onRead, anew);
    const { livemode, settings } = principal;
    c.set("principal", principal);
    c.set("language", preferredLanguage(request.headers.get("Accept-Language"), settings.language));

    // Set by the platform, which lets no caller set it.
    const address = request.headers.get("CF-Connecting-IP");
    if (!isAllowedFrom(address, principal.allowedIps)) throw new ProblemError({ code: "ip_not_allowed" });

    const { admitted, ...rate } = rateLimiter.admit(principal.apiKey, settings.rate_limit, now);
    c.set("rate", rate);
    if (!admitted) {
      const status = rateLimitedStatus(request.headers.get("User-Agent") ?? "");
      throw new ProblemError({ code: "rate_limited", status, perSecond: settings.rate_limit });
    }
    const signature = await signatureOf(c, principal, route, rawBody, now);
    requireScope(principal, route.scope);
    if (!reads && livemode && !route.foreign) refuseForeignLedgers(c.env, principal.ledgerNamespace);

    const decoded = decodeBody(rawBody, request.headers.get("Content-Type"));
    c.set("signature", signature);
    c.set("rawBody", rawBody);
    c.set("body", decoded.value);
    c.set("form", decoded.form);
    // The body has been read; whatever asks Hono for it again is told so instead of reading a spent stream.
    c.req.bodyCache.text = Promise.resolve("{}") as never;
    const using = noteUse(c.env, read, now);
    if (using !== null) c.executionCtx.waitUntil(using);
    c.set("admittedAt", Date.now());
    try {
      await next();
    } finally {
      const telling = tellBudget(c.env, principal);
      if (telling !== null) c.executionCtx.waitUntil(telling);
    }
  };
}

/** The verified signature of a request, if it carries one and the app has a key to verify it with. */
async function signatureOf(
  c: Context<AppEnv>,
  { app, livemode, settings }: Principal,
  route: Route,
  rawBody: Uint8Array,
  now: number,
): Promise<string | null> {
  if (settings.public_key === null) return null;
  const { method, url, headers } = c.req.raw;
  const check = await checkSignature(
    { method, url, headers, rawBody },
    {
      publicKey: settings.public_key,
      own: route.own,
      // Two apps may share a key pair, and both modes do: each has its own use of a signature.
      claim: (hash, expiresAt) => {
        const owned = `${app}/${livemode ? "live" : "test"}/${hash}`;
        return claimSignature(database(c.env, app, livemode), owned, expiresAt);
      },
    },
    now,
  );
  if ("refused" in check) throw new ProblemError({ code: "signature_invalid", reason: check.refused });
  return check.ok;
}

/** Writes down that a key is in use, at most once an hour and only beside a read that was needed anyway. */
function noteUse(env: Env, read: KnownKey | null, now: number): Promise<void> | null {
  const seconds = Math.floor(now / 1000);
  if (read === null || !isUseDue(read.lastUsedAt, seconds)) return null;
  const { apiKey: id, app, livemode } = read.principal;
  // While D1 is away nothing is written; the next read of the key makes up for it.
  return markUsed(keyDatabase(env), { app, livemode, id }, seconds).catch(() => undefined);
}

/** A renamed Worker, or staging pointed at production's database, would move live money with empty ledgers. */
function refuseForeignLedgers(env: Env, recorded: string | null): void {
  if (!isOwnNamespace(env, recorded)) throw new ProblemError({ code: "wrong_namespace" });
}
