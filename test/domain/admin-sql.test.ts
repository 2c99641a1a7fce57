import { generateKeyPairSync } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  changeSetting,
  findApp,
  listApps,
  listKeys,
  literal,
  newApp,
  newKey,
  parseAddresses,
  parseDays,
  parseScopes,
  parseSetting,
  revokeKey,
} from "../../scripts/admin-sql.ts";
import { newMasterKeys } from "../../scripts/dev-vars.ts";
import { hashKey, isApiKey, isLiveKey } from "../../src/auth/api-key.ts";
import { DEFAULT_SCOPES, SCOPES } from "../../src/auth/scope.ts";
import { unseal } from "../../src/sealing/sealing.ts";
import { freshDatabase } from "./database.ts";

const masterKeys = newMasterKeys();
const mint = { random: (count: number) => crypto.getRandomValues(new Uint8Array(count)), now: 1_766_000_000 };

async function withApp() {
  const database = freshDatabase();
  const app = await newApp("Shop '; drop table apps; --", masterKeys, mint);
  for (const statement of app.statements) database.exec(statement);
  const settings = () => JSON.parse(String(database.prepare(findApp(app.app)).get()?.settings));
  const set = async (name: string, text: string) =>
    database.prepare(await changeSetting(app.app, name, text)).all();
  return { database, app, settings, set };
}

test("a literal is the value itself to SQLite, whatever is in it", () => {
  const database = new DatabaseSync(":memory:");
  const read = (value: string | number | null) => database.prepare(`select ${literal(value)} as v`).get()?.v;
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.maxSafeInteger(), (text, number) => {
      expect(read(text)).toBe(text);
      if (Math.abs(number) < 2 ** 31) expect(read(number)).toBe(number);
    }),
  );
  for (const text of ["'", "a'b", "''", "--", "v1.k-1.--_a", "; drop table x", "\n", "退款", '"', ""])
    expect(read(text)).toBe(text);
  expect(read(null)).toBeNull();
  expect(() => literal(1.5)).toThrow(RangeError);
});

describe("a new app", () => {
  test("has a key of each mode, of which only the hash is stored", async () => {
    const { database, app } = await withApp();
    expect([isApiKey(app.testKey), isLiveKey(app.testKey)]).toEqual([true, false]);
    expect([isApiKey(app.liveKey), isLiveKey(app.liveKey)]).toEqual([true, true]);
    expect(app.statements.join()).not.toContain(app.testKey);
    expect(app.statements.join()).not.toContain(app.liveKey);
    const rows = database.prepare("select hash, livemode, scopes from api_keys order by livemode").all();
    const scopes = JSON.stringify(DEFAULT_SCOPES);
    expect(rows.map((row) => ({ ...row }))).toEqual([
      { hash: await hashKey(app.testKey), livemode: 0, scopes },
      { hash: await hashKey(app.liveKey), livemode: 1, scopes },
    ]);
    expect(scopes).not.toContain("admin");
    expect(database.prepare(listApps()).all()).toMatchObject([{ id: app.app, keys: 2 }]);
  });

  test("has a signing pair of each mode, its private half sealed for its row", async () => {
    const { database, app } = await withApp();
    const rows = database.prepare("select * from signing_keys order by livemode").all();
    expect(rows.map((row) => row.livemode)).toEqual([0, 1]);
    for (const row of rows) {
      expect(row.public_key).toMatch(/^-----BEGIN PUBLIC KEY-----/);
      const place = { table: "signing_keys", row: String(row.id), app: app.app, field: "private_key" };
      const sealed = String(row.private_key);
      const livemode = row.livemode === 1;
      expect(await unseal(masterKeys, { ...place, livemode }, sealed)).toMatch(
        /^-----BEGIN PRIVATE KEY-----/,
      );
      await expect(unseal(masterKeys, { ...place, livemode: !livemode }, sealed)).rejects.toThrow();
    }
  });

  test.each(["", "  ", "a\nb", "a".repeat(101)])("is not named %j", async (name) => {
    await expect(newApp(name, masterKeys, mint)).rejects.toThrow("name");
  });
});

describe("a key", () => {
  test("is ended once", async () => {
    const { database, app } = await withApp();
    const key = await newKey(app.app, { livemode: true, name: "ro", scopes: ["refunds:read"] }, mint);
    for (const statement of key.statements) database.exec(statement);
    expect(database.prepare(revokeKey(key.id, mint.now + 1)).all()).toEqual([{ id: key.id }]);
    expect(database.prepare(revokeKey(key.id, mint.now + 2)).all()).toEqual([]);
    const listed = database.prepare(listKeys(app.app)).all();
    expect(listed.filter((row) => row.revoked_at !== null).map((row) => row.id)).toEqual([key.id]);
  });

  test("has scopes that exist", () => {
    expect(parseScopes("export, refunds:read")).toEqual(["refunds:read", "export"]);
    expect(() => parseScopes("refunds:read,refund:write")).toThrow('there is no scope "refund:write"');
    expect(() => parseScopes("")).toThrow("no scope");
  });
});

describe("a setting", () => {
  test("is stored only while it differs from its default", async () => {
    const { settings, set } = await withApp();
    await set("language", "en");
    await set("require_amount", "true");
    await set("refund_windows", '{"wx":30,"o\'x":1}');
    expect(settings()).toEqual({
      language: "en",
      require_amount: true,
      refund_windows: { wx: 30, "o'x": 1 },
    });
    await set("language", "zh");
    await set("require_amount", "false");
    await set("refund_windows", "{}");
    expect(settings()).toEqual({});
  });

  test("changes nothing of an app that does not exist", async () => {
    const { database } = await withApp();
    expect(database.prepare(await changeSetting("app_nobody", "language", "en")).all()).toEqual([]);
  });

  test.each([
    ["nonsense", "1", "there is no setting"],
    ["constructor", "1", "there is no setting"],
    ["refunds_max", "0", "refunds_max"],
    ["refunds_max", "ten", "refunds_max"],
    ["require_amount", '"true"', "require_amount"],
    ["language", "fr", "language"],
    ["public_key", "not a key", "BEGIN PUBLIC KEY"],
  ])("%s is not set to %s", async (name, text, reason) => {
    await expect(parseSetting(name, text)).rejects.toThrow(reason);
  });

  test("may be a public key, and be taken away again", async () => {
    const { settings, set } = await withApp();
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
    await set("public_key", pem);
    expect(settings()).toEqual({ public_key: pem });
    await set("public_key", "null");
    expect(settings()).toEqual({});
  });
});

test("a key's scopes, days and addresses are read as typed, and what is wrong with them is said", () => {
  expect(parseScopes("all")).toEqual(SCOPES);
  expect(parseDays("30", 1000)).toBe(1000 + 30 * 86_400);
  for (const text of ["0", "1.5", "-1", "soon", "36501"]) expect(() => parseDays(text, 0)).toThrow("days");
  expect(parseAddresses("10.1.2.3/8, ::1,10.0.0.0/8")).toEqual(["10.0.0.0/8", "::1"]);
  for (const text of ["", "localhost", "10.0.0.0/33", "1.2.3.4,,"]) {
    expect(() => parseAddresses(text)).toThrow("CIDR");
  }
});

test("a currency in capitals is refused for what it is", async () => {
  await expect(parseSetting("daily_amount_max", '{"CNY": 1}')).rejects.toThrow(
    "CNY: not a currency in lower case",
  );
});
