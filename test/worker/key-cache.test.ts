import { env } from "cloudflare:workers";
import { sql } from "drizzle-orm";
import { afterEach, describe, expect, test, vi } from "vitest";
import { DEFAULT_SETTINGS } from "../../src/apps/schema.ts";
import { apps } from "../../src/apps/table.ts";
import { hashKey, isLiveKey, mintKey } from "../../src/auth/api-key.ts";
import { authenticate, requireScope } from "../../src/auth/authenticate.ts";
import { KeyCache } from "../../src/auth/key-cache.ts";
import type { Principal } from "../../src/auth/principal.ts";
import { claimSignature, findKey, forgetUsedSignatures } from "../../src/auth/repository.ts";
import { signAnswer } from "../../src/auth/response-signature.ts";
import { DEFAULT_SCOPES } from "../../src/auth/scope.ts";
import { apiKeys, signingKeys, usedSignatures } from "../../src/auth/table.ts";
import { fromBase64 } from "../../src/base64.ts";
import { channelAccounts } from "../../src/channels/table.ts";
import { ledgerNamespaces } from "../../src/charges/table.ts";
import { keyDatabase } from "../../src/db/client.ts";
import { ProblemError } from "../../src/http/problem.ts";
import { mintId } from "../../src/ids.ts";
import { seal } from "../../src/sealing/sealing.ts";
import { generateSigningKeyPair } from "../../src/webhooks/signature.ts";

const T = 1_766_000_000_000;
const SECOND = 1_000;
const HOUR = 3_600_000;
const db = keyDatabase(env);
const random = (count: number) => crypto.getRandomValues(new Uint8Array(count));

async function plant(
  change: Partial<typeof apiKeys.$inferInsert> & { settings?: Record<string, unknown> } = {},
): Promise<{ app: string; key: string; id: string }> {
  const { settings = {}, ...row } = change;
  const app = mintId("app", random);
  const id = mintId("apiKey", random);
  const key = mintKey(row.livemode ?? false, random);
  await db.insert(apps).values({ id: app, name: "Shop", settings: settings as never, created: T / 1000 });
  await db.insert(apiKeys).values({
    hash: await hashKey(key),
    id,
    app,
    livemode: false,
    name: "default",
    scopes: [...DEFAULT_SCOPES],
    created: T / 1000,
    ...row,
  });
  return { app, key, id };
}

const revoke = (id: string) =>
  db
    .update(apiKeys)
    .set({ revokedAt: T / 1000 })
    .where(sql`id = ${id}`);

function asking(key: string): Request {
  return new Request("https://api.example.com/v1/charges", { headers: { Authorization: `Bearer ${key}` } });
}

/** The app's id, or the problem that was thrown instead. */
async function outcome(key: string, now: number, cache: KeyCache): Promise<string> {
  try {
    return (await authenticate(asking(key), env, now, cache)).app;
  } catch (error) {
    if (error instanceof ProblemError) return error.problem.code;
    throw error;
  }
}

const principalOf = (key: string, now = T) => authenticate(asking(key), env, now, new KeyCache());

function failD1() {
  return vi.spyOn(env.DB, "prepare").mockImplementation(() => {
    throw new Error("D1_ERROR: the database is away");
  });
}

/** A statement that never answers, whatever is asked of it. */
function hangD1() {
  const statement: unknown = new Proxy(
    {},
    { get: (_, name) => (name === "bind" ? () => statement : () => new Promise(() => {})) },
  );
  return vi.spyOn(env.DB, "prepare").mockReturnValue(statement as D1PreparedStatement);
}

afterEach(() => vi.restoreAllMocks());

describe("a key in the isolate's memory", () => {
  test("costs D1 one query in 30 seconds", async () => {
    const { app, key } = await plant();
    const cache = new KeyCache();
    const prepare = vi.spyOn(env.DB, "prepare");
    expect(await outcome(key, T, cache)).toBe(app);
    expect(await outcome(key, T + 29_999, cache)).toBe(app);
    expect(prepare).toHaveBeenCalledTimes(1);
    expect(await outcome(key, T + 30_000, cache)).toBe(app);
    expect(prepare).toHaveBeenCalledTimes(2);
  });

  test("works 30 seconds after it was revoked, and no longer", async () => {
    const { app, key, id } = await plant();
    const cache = new KeyCache();
    expect(await outcome(key, T, cache)).toBe(app);
    await revoke(id);
    expect(await outcome(key, T + 29_999, cache)).toBe(app);
    expect(await outcome(key, T + 30_000, cache)).toBe("bad_key");
  });

  test("ends when the key does, also from memory", async () => {
    const { app, key } = await plant({ expiresAt: T / 1000 + 10 });
    const cache = new KeyCache();
    expect(await outcome(key, T, cache)).toBe(app);
    expect(await outcome(key, T + 9_999, cache)).toBe(app);
    expect(await outcome(key, T + 10_000, cache)).toBe("bad_key");
    expect(await outcome(key, T + 10_000, new KeyCache())).toBe("bad_key");
  });

  test("is used for 24 hours while D1 fails, and D1 is asked again every 5 seconds", async () => {
    const { app, key } = await plant();
    const cache = new KeyCache();
    await outcome(key, T, cache);
    const prepare = failD1();
    for (const after of [30, 31, 34.999]) expect(await outcome(key, T + after * SECOND, cache)).toBe(app);
    expect(prepare).toHaveBeenCalledTimes(1);
    expect(await outcome(key, T + 35 * SECOND, cache)).toBe(app);
    expect(prepare).toHaveBeenCalledTimes(2);
    expect(await outcome(key, T + 24 * HOUR - 1, cache)).toBe(app);
    expect(await outcome(key, T + 24 * HOUR + 5 * SECOND, cache)).toBe("unavailable");
    prepare.mockRestore();
    expect(await outcome(key, T + 25 * HOUR, cache)).toBe(app);
  });

  test("is used when D1 does not answer in time", async () => {
    const { app, key } = await plant();
    const cache = new KeyCache(20);
    await outcome(key, T, cache);
    hangD1();
    expect(await outcome(key, T + 30 * SECOND, cache)).toBe(app);
  });

  test("gone stale, is asked for once by ten who come together, and nobody waits for another's question", async () => {
    const { app, key } = await plant();
    const cache = new KeyCache();
    await outcome(key, T, cache);
    const prepare = vi.spyOn(env.DB, "prepare");
    const later = T + 31 * SECOND;
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => outcome(key, later, cache)));
    expect(outcomes).toEqual(Array(10).fill(app));
    expect(prepare).toHaveBeenCalledTimes(1);
  });

  test("is known to ten who come together to an isolate that has never seen it", async () => {
    const { app, key } = await plant();
    const cache = new KeyCache();
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => outcome(key, T, cache)));
    expect(outcomes).toEqual(Array(10).fill(app));
  });
});

describe("an isolate that has not seen the key", () => {
  test("says 503 while D1 fails, or does not answer in time", async () => {
    const { app, key } = await plant();
    const cache = new KeyCache(20);
    failD1();
    expect(await outcome(key, T, cache)).toBe("unavailable");
    vi.restoreAllMocks();
    hangD1();
    expect(await outcome(key, T, cache)).toBe("unavailable");
    vi.restoreAllMocks();
    expect(await outcome(key, T, cache)).toBe(app);
  });
});

describe("an unknown key", () => {
  test("costs D1 one query in 5 seconds", async () => {
    const key = mintKey(false, random);
    const cache = new KeyCache();
    const prepare = vi.spyOn(env.DB, "prepare");
    expect(await outcome(key, T, cache)).toBe("bad_key");
    expect(await outcome(key, T + 4_999, cache)).toBe("bad_key");
    expect(prepare).toHaveBeenCalledTimes(1);
    expect(await outcome(key, T + 5_000, cache)).toBe("bad_key");
    expect(prepare).toHaveBeenCalledTimes(2);
  });

  test("cannot push known keys out, however many are tried", async () => {
    const { app, key } = await plant();
    const cache = new KeyCache();
    await outcome(key, T, cache);
    for (let i = 0; i < 1_500; i++) await cache.find(`guess ${i}`, T, async () => null);
    failD1();
    expect(await outcome(key, T, cache)).toBe(app);
  });

  test.each([
    ["no header", null, null],
    ["an empty Basic", "Basic Og==", null],
    ["another shape", "Bearer pk_test_secret", "*".repeat(25)],
    ["a key too short", "Bearer sk_live_secret", `sk_live_${"*".repeat(25)}`],
  ])("%s is refused without a query, and not echoed", async (_, authorization, masked) => {
    const prepare = vi.spyOn(env.DB, "prepare");
    const headers: Record<string, string> = authorization === null ? {} : { Authorization: authorization };
    const request = new Request("https://api.example.com/v1/charges", { headers });
    const refused = await authenticate(request, env, T).catch((error: ProblemError) => error.problem);
    expect(refused).toEqual({ code: "bad_key", key: masked });
    expect(prepare).not.toHaveBeenCalled();
  });

  test("a revoked key, and one whose row claims the other mode, are unknown", async () => {
    const revoked = await plant({ revokedAt: T / 1000 });
    expect(await outcome(revoked.key, T, new KeyCache())).toBe("bad_key");
    const { key, id } = await plant();
    await db.update(apiKeys).set({ livemode: true }).where(sql`id = ${id}`);
    expect(isLiveKey(key)).toBe(false);
    expect(await outcome(key, T, new KeyCache())).toBe("bad_key");
  });
});

describe("the principal", () => {
  test("of a new app has the defaults and nothing else", async () => {
    const { app, key, id } = await plant();
    expect(await principalOf(key)).toEqual({
      apiKey: id,
      app,
      livemode: false,
      scopes: DEFAULT_SCOPES,
      expiresAt: null,
      allowedIps: null,
      settings: DEFAULT_SETTINGS,
      accounts: {},
      signingKey: null,
      ledgerNamespace: null,
    } satisfies Principal);
  });

  test("has the account of each channel that is not retired, of its own app and mode", async () => {
    const { app, key } = await plant({ livemode: true });
    const account = { app, livemode: true, channel: "wx", id: "ca_a", created: 10, credentials: "sealed" };
    await db.insert(channelAccounts).values([
      { ...account, revision: 1, retiredAt: 11 },
      { ...account, revision: 2, merchant: "m1", credentials: "sealed again" },
      { ...account, channel: "alipay", id: "ca_b", revision: 1, retiredAt: 12 },
      { ...account, channel: "alipay", id: "ca_c", revision: 1, created: 12 },
      { ...account, channel: "upacp", revision: 1, retiredAt: 11 },
      { ...account, revision: 9, livemode: false },
      { ...account, revision: 9, app: mintId("app", random) },
    ]);
    const { accounts } = await principalOf(key);
    expect(accounts).toEqual({
      wx: {
        app,
        livemode: true,
        channel: "wx",
        id: "ca_a",
        revision: 2,
        merchant: "m1",
        credentials: "sealed again",
      },
      alipay: {
        app,
        livemode: true,
        channel: "alipay",
        id: "ca_c",
        revision: 1,
        merchant: "",
        credentials: "sealed",
      },
    });
    // It travels to the ledger, and RPC takes no objects without a prototype.
    expect(Object.getPrototypeOf(accounts)).toBe(Object.prototype);
  });

  test("has the newest signing key of its app and mode, and the ledgers of the database", async () => {
    const { app, key } = await plant();
    const row = { app, livemode: false, publicKey: "PEM\n", privateKey: "sealed", created: 10 };
    await db.insert(signingKeys).values([
      { ...row, id: mintId("signingKey", random) },
      { ...row, id: "sgk_newest", created: 11 },
      { ...row, id: mintId("signingKey", random), created: 12, livemode: true },
    ]);
    await db.insert(ledgerNamespaces).values({ id: 1, fingerprint: "here" });
    const { signingKey, ledgerNamespace } = await principalOf(key);
    expect(signingKey).toEqual({ id: "sgk_newest", publicKey: "PEM\n", privateKey: "sealed" });
    expect(ledgerNamespace).toBe("here");
    await db.delete(ledgerNamespaces);
  });

  test("has its settings over the defaults, whatever else is stored", async () => {
    const settings = { language: "en", refunds_max: -1, refund_windows: { wx: 30 }, setting_of_tomorrow: 1 };
    const { key } = await plant({ settings });
    expect((await principalOf(key)).settings).toEqual({
      ...DEFAULT_SETTINGS,
      language: "en",
      refund_windows: { wx: 30 },
    });
  });

  test("still demands signatures when its public key cannot be read", async () => {
    const { key } = await plant({ settings: { public_key: 7 } });
    expect((await principalOf(key)).settings.public_key).not.toBeNull();
  });

  test("has only scopes that exist, and no more than its key", async () => {
    const { key } = await plant({ scopes: ["refunds:read", "scope_of_yesterday" as never] });
    const principal = await principalOf(key);
    expect(principal.scopes).toEqual(["refunds:read"]);
    expect(() => requireScope(principal, "refunds:read")).not.toThrow();
    expect(() => requireScope(principal, "refunds:write")).toThrow("scope_missing");
  });

  test("is found by one query that uses the hash's index", async () => {
    const { key } = await plant();
    const prepare = vi.spyOn(env.DB, "prepare");
    await findKey(db, await hashKey(key), T);
    expect(prepare).toHaveBeenCalledTimes(1);
    const [text = ""] = prepare.mock.calls[0] ?? [];
    vi.restoreAllMocks();
    const plan = await env.DB.prepare(`explain query plan ${text}`).bind("hash", 0).all<{ detail: string }>();
    const scans = plan.results
      .map(({ detail }) => detail)
      .filter((detail) => /^SCAN (k|a|c|s)\b/.test(detail));
    expect(scans).toEqual([]);
  });
});

describe("a used signature", () => {
  test("is taken once of ten times at once, and forgotten when its timestamp is stale", async () => {
    const claims = await Promise.all(Array.from({ length: 10 }, () => claimSignature(db, "a hash", T)));
    expect(claims.filter(Boolean)).toHaveLength(1);
    await claimSignature(db, "a later hash", T + 1);
    await forgetUsedSignatures(db, T + 1);
    expect(await db.select().from(usedSignatures)).toEqual([{ hash: "a later hash", expiresAt: T + 1 }]);
  });
});

describe("a signed answer", () => {
  async function principalWith(settings: Record<string, unknown>, corrupt = "") {
    const { app, key } = await plant({ settings });
    const { publicKey, privateKey } = await generateSigningKeyPair();
    const id = mintId("signingKey", random);
    const context = { table: "signing_keys", row: id, app, livemode: false, field: "private_key" };
    const sealed = await seal(env.MASTER_KEYS, context, privateKey);
    const row = { id, app, livemode: false, publicKey, privateKey: sealed + corrupt, created: 1 };
    await db.insert(signingKeys).values(row);
    return { principal: await principalOf(key), publicKey };
  }

  test("verifies with the app's public key over the exact body", async () => {
    const { principal, publicKey } = await principalWith({ response_signing: true });
    const signature = (await signAnswer(principal, '{"退":1}', env.MASTER_KEYS)) ?? "";
    const spki = fromBase64(publicKey.replace(/-----[A-Z ]+-----|\s/g, ""));
    const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("spki", spki, algorithm, false, ["verify"]);
    const verify = (body: string) =>
      crypto.subtle.verify(algorithm.name, key, fromBase64(signature), new TextEncoder().encode(body));
    expect(await verify('{"退":1}')).toBe(true);
    expect(await verify('{"退":2}')).toBe(false);
  });

  test("is given to apps that want one, and its failure does not cost the answer", async () => {
    const unwanted = await principalWith({});
    expect(await signAnswer(unwanted.principal, "{}", env.MASTER_KEYS)).toBeNull();
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    const broken = await principalWith({ response_signing: true }, "A");
    expect(await signAnswer(broken.principal, "{}", env.MASTER_KEYS)).toBeNull();
    const keyless = { ...broken.principal, signingKey: null };
    expect(await signAnswer(keyless, "{}", env.MASTER_KEYS)).toBeNull();
    expect(logged).toHaveBeenCalledTimes(2);
  });
});
