// API keys over the API: a key makes narrower ones, rotates and ends them, and never reaches beyond itself.
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { SCOPES } from "../../src/auth/scope.ts";
import { liveKeyOf } from "../exam.ts";
import { type ErrorObject, eventually, TestApp } from "../harness.ts";

interface Key {
  id: string;
  key: string;
  livemode: boolean;
  scopes: string[];
  created_by: string | null;
  expires_at: number | null;
  revoked_at: number | null;
  replaced_by: string | null;
  last_used_at: number | null;
  allowed_ips: string[] | null;
}

const DAY = 86_400;
const now = () => Math.floor(Date.now() / 1000);
const from = (address: string) => ({ "CF-Connecting-IP": address });
const as = (key: string, headers: Record<string, string> = {}) => ({
  headers: { Authorization: `Bearer ${key}`, ...headers },
});

let app: TestApp;
let path: string;

beforeAll(async () => {
  app = await TestApp.create({ scopes: SCOPES });
  path = `/v1/apps/${app.id}/keys`;
});

async function mint(body: Record<string, unknown> = {}, sent = as(app.liveKey)): Promise<Key> {
  const answer = await app.post<Key>(path, { name: "till", scopes: ["admin"], ...body }, sent);
  expect([answer.status, answer.text]).toEqual([200, answer.text]);
  return answer.body;
}

async function refusal(body: Record<string, unknown>, sent: ReturnType<typeof as>, at = path) {
  const { status, body: answer } = await app.post<ErrorObject>(
    at,
    { name: "x", scopes: ["admin"], ...body },
    sent,
  );
  return [status, answer.error.code, answer.error.param];
}

const statusOf = async (key: string, headers = {}) => (await app.get("/v1/apps", as(key, headers))).status;

describe("a minted key", () => {
  it("has the scopes that it was given and no others, and its secret is shown once", async () => {
    const made = await mint({ scopes: ["refunds:read"], livemode: false });
    expect(made).toMatchObject({
      object: "api_key",
      app: app.id,
      livemode: false,
      name: "till",
      scopes: ["refunds:read"],
      created_by: await liveKeyOf(app),
      revoked_at: null,
      replaced_by: null,
    });
    expect(made.key).toMatch(/^sk_test_[0-9A-Za-z]{24}$/);
    expect((await app.get("/v1/public_keys", as(made.key))).status).toBe(200);
    expect(await statusOf(made.key)).toBe(401);
    const shown = await app.get(`${path}/${made.id}`, as(app.liveKey));
    const list = await app.get(path, as(app.liveKey));
    for (const { status, text } of [shown, list]) {
      expect(status).toBe(200);
      expect(text).toContain(made.id);
      expect(text).not.toContain(made.key);
    }
  });

  it("cannot be broader than its minter in scopes, mode, end or addresses", async () => {
    const end = now() + DAY;
    const minter = await mint({
      scopes: ["admin", "webhooks"],
      expires_at: end,
      allowed_ips: ["10.0.0.0/8"],
    });
    const sent = as(minter.key, from("10.1.2.3"));
    expect(await refusal({ scopes: ["refunds:read"] }, sent)).toEqual([401, "key_too_broad", "scopes"]);
    expect(await refusal({ expires_at: end + 1 }, sent)).toEqual([401, "key_too_broad", "expires_at"]);
    expect(await refusal({ allowed_ips: ["10.0.0.0/7"] }, sent)).toEqual([
      401,
      "key_too_broad",
      "allowed_ips",
    ]);
    expect(await refusal({ allowed_ips: ["10.1.0.0/16", "::/0"] }, sent)).toEqual([
      401,
      "key_too_broad",
      "allowed_ips",
    ]);
    expect(await refusal({ livemode: true }, as(app.testKey))).toEqual([401, "live_key_required", undefined]);
    expect(await mint({}, sent)).toMatchObject({ expires_at: end, allowed_ips: ["10.0.0.0/8"] });
    expect(await mint({ expires_at: end - 1, allowed_ips: ["10.9.9.9/16"] }, sent)).toMatchObject({
      expires_at: end - 1,
      allowed_ips: ["10.9.0.0/16"],
    });
  });

  it("cannot change or rotate a broader one, and can revoke it", async () => {
    const narrow = await mint({ scopes: ["admin"] });
    const broad = await mint({ scopes: ["admin", "webhooks"] });
    const at = `${path}/${broad.id}`;
    for (const [to, body] of [
      [at, { name: "mine" }],
      [`${at}/rotate`, {}],
    ] as const) {
      const answer = await app.post(to, body, as(narrow.key));
      expect([answer.status, answer.body.error.code]).toEqual([401, "key_too_broad"]);
    }
    const revoked = await app.send<Key>("DELETE", at, as(narrow.key));
    expect(revoked.body.revoked_at).toBeGreaterThan(0);
    expect(await statusOf(broad.key)).toBe(401);
  });

  it("that was revoked or narrowed elsewhere a moment ago makes no keys, though it is still remembered", async () => {
    const [revoked, narrowed] = [await mint(), await mint()];
    expect([await statusOf(revoked.key), await statusOf(narrowed.key)]).toEqual([200, 200]);
    await env.DB.batch([
      env.DB.prepare("UPDATE api_keys SET revoked_at = 1 WHERE id = ?").bind(revoked.id),
      env.DB.prepare("UPDATE api_keys SET expires_at = ? WHERE id = ?").bind(now() + DAY, narrowed.id),
    ]);
    expect(await statusOf(revoked.key)).toBe(200);
    expect(await refusal({}, as(revoked.key))).toEqual([401, undefined, undefined]);
    const wish = { expires_at: now() + 2 * DAY };
    expect(await refusal(wish, as(narrowed.key))).toEqual([401, "key_too_broad", "expires_at"]);
  });

  it("of live mode is not there for a test key", async () => {
    const live = await mint();
    const list = await app.get<{ data: Key[] }>(`${path}?limit=100`);
    expect(list.body.data.length).toBeGreaterThan(0);
    expect(list.body.data.filter(({ livemode }) => livemode)).toEqual([]);
    expect((await app.get(`${path}/${live.id}`)).status).toBe(404);
    expect((await app.send("DELETE", `${path}/${live.id}`)).status).toBe(404);
    expect(await statusOf(live.key)).toBe(200);
  });

  it.each([
    { name: "" },
    { name: "a\nb" },
    { scopes: [] },
    { scopes: ["root"] },
    { expires_at: 1 },
    { allowed_ips: [] },
    { allowed_ips: ["example.com"] },
    { allowed_ips: ["10.0.0.0/33"] },
    { allowed_ips: ["010.0.0.1"] },
    { allowed_ips: ["fe80::1%eth0"] },
  ])("is refused with %j", async (body) => {
    expect(await refusal(body, as(app.liveKey))).toEqual([400, undefined, Object.keys(body)[0]]);
  });

  it("is one of at most 100 in use", async () => {
    const full = await TestApp.create({ scopes: SCOPES });
    const insert = env.DB.prepare(
      "INSERT INTO api_keys (hash, id, app, livemode, name, scopes, created) VALUES (?1, ?1, ?2, 0, 'x', '[]', 1)",
    );
    await env.DB.batch(Array.from({ length: 97 }, (_, i) => insert.bind(`${full.id}${i}`, full.id)));
    const at = `/v1/apps/${full.id}/keys`;
    const body = { name: "x", scopes: ["admin"] };
    const answers = await Promise.all(Array.from({ length: 4 }, () => full.post(at, body)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400]);
    expect(answers.find(({ status }) => status === 400)?.body.error.code).toBe("key_limit");
  });
});

describe("a rotated key", () => {
  const rotate = (key: Key, body = {}) => app.post<Key>(`${path}/${key.id}/rotate`, body, as(app.liveKey));

  it("works beside its replacement until it ends", async () => {
    const old = await mint({ scopes: ["admin", "webhooks"] });
    const { body: made } = await rotate(old, { expires_in: 3600 });
    expect(made).toMatchObject({ scopes: old.scopes, livemode: true, name: "till", expires_at: null });
    expect(made.key).not.toBe(old.key);
    const { body: shown } = await app.get<Key>(`${path}/${old.id}`, as(app.liveKey));
    expect(shown.replaced_by).toBe(made.id);
    expect(Math.abs((shown.expires_at ?? 0) - now() - 3600)).toBeLessThan(60);
    expect([await statusOf(old.key), await statusOf(made.key)]).toEqual([200, 200]);
    const later = Date.now() + 3_700_000;
    vi.spyOn(Date, "now").mockReturnValue(later);
    try {
      expect([await statusOf(old.key), await statusOf(made.key)]).toEqual([401, 200]);
    } finally {
      vi.restoreAllMocks();
    }
  });

  it("ends at once with expires_in 0, and never later than it would have", async () => {
    const [first, second] = [await mint(), await mint({ expires_at: now() + 60 })];
    expect(await statusOf(first.key)).toBe(200);
    await rotate(first, { expires_in: 0 });
    expect(await statusOf(first.key)).toBe(401);
    expect((await rotate(second)).body.expires_at).toBe(second.expires_at);
    const { body } = await app.get<Key>(`${path}/${second.id}`, as(app.liveKey));
    expect(body.expires_at).toBe(second.expires_at);
  });

  it("has one replacement, however many ask at once or later, and a revoked one has none", async () => {
    const old = await mint();
    const answers = await Promise.all(Array.from({ length: 10 }, () => rotate(old)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const late = await app.post(`${path}/${old.id}/rotate`, {}, as(app.liveKey));
    expect([late.status, late.body.error.code]).toEqual([400, "key_ended"]);
    const revoked = await mint();
    await app.send("DELETE", `${path}/${revoked.id}`, as(app.liveKey));
    expect((await rotate(revoked)).status).toBe(400);
  });

  it("may rotate itself", async () => {
    const old = await mint();
    const { status, body } = await app.post<Key>(`${path}/${old.id}/rotate`, { expires_in: 0 }, as(old.key));
    expect(status).toBe(200);
    expect([await statusOf(old.key), await statusOf(body.key)]).toEqual([401, 200]);
  });
});

describe("an allow-list", () => {
  it.each([
    [["192.0.2.7"], ["192.0.2.7", "::ffff:192.0.2.7"], ["192.0.2.8", "::1", ""]],
    [["198.51.100.0/24"], ["198.51.100.255"], ["198.51.101.0"]],
    [["2001:db8::/33"], ["2001:db8:7fff::1"], ["2001:db8:8000::1", "192.0.2.7"]],
    [
      ["2001:db8::1", "::ffff:10.0.0.0/104"],
      ["2001:DB8:0::1", "10.255.0.1"],
      ["2001:db8::2", "11.0.0.1"],
    ],
    [["::/0"], ["2001:db8::1"], ["192.0.2.7"]],
  ])("of %j lets in %j and not %j", async (list, inside, outside) => {
    const { key } = await mint({ allowed_ips: list });
    for (const address of inside)
      expect([address, await statusOf(key, from(address))]).toEqual([address, 200]);
    for (const address of outside) {
      const answer = await app.get("/v1/apps", as(key, from(address)));
      expect([address, answer.status, answer.body.error?.code]).toEqual([address, 401, "ip_not_allowed"]);
    }
    expect(await statusOf(key)).toBe(401);
  });

  it("can be changed, and null lifts it", async () => {
    const { id, key } = await mint({ allowed_ips: ["192.0.2.7"] });
    const set = (allowed_ips: unknown) => app.post<Key>(`${path}/${id}`, { allowed_ips }, as(app.liveKey));
    expect((await set(["192.0.2.8/32"])).body.allowed_ips).toEqual(["192.0.2.8"]);
    expect(await statusOf(key, from("192.0.2.7"))).toBe(401);
    expect((await app.post(`${path}/${id}`, { allowed_ips: null }, as(key, from("192.0.2.8")))).status).toBe(
      401,
    );
    expect((await set(null)).body.allowed_ips).toBeNull();
    expect(await statusOf(key)).toBe(200);
  });
});

describe("a key", () => {
  it("that ends does not open one that outlives it to more addresses, and may close it", async () => {
    const ends = await mint({ expires_at: now() + DAY });
    const lasting = await mint({ allowed_ips: ["192.0.2.0/24"] });
    const set = (allowed_ips: unknown) => ({ allowed_ips, scopes: undefined, name: undefined });
    const at = `${path}/${lasting.id}`;
    expect(await refusal(set(null), as(ends.key), at)).toEqual([401, "key_too_broad", "expires_at"]);
    const closer = await app.post<Key>(at, { allowed_ips: ["192.0.2.7"] }, as(ends.key));
    expect(closer.body.allowed_ips).toEqual(["192.0.2.7"]);
  });

  it("ends earlier when it is told so, and never later", async () => {
    const key = await mint({ expires_at: now() + DAY });
    const set = (expires_at: number) => app.post(`${path}/${key.id}`, { expires_at }, as(app.liveKey));
    expect((await set(now() + 2 * DAY)).body.error.param).toBe("expires_at");
    expect((await set(now() - 1)).body.error.param).toBe("expires_at");
    expect((await set(now() + 60)).status).toBe(200);
    const later = Date.now() + 61_000;
    vi.spyOn(Date, "now").mockReturnValue(later);
    try {
      expect(await statusOf(key.key)).toBe(401);
    } finally {
      vi.restoreAllMocks();
    }
  });

  it("says when it was last used, once a request of it was let in", async () => {
    const [used, kept] = [await mint(), await mint({ allowed_ips: ["192.0.2.7"] })];
    expect(await statusOf(kept.key)).toBe(401);
    expect(await statusOf(used.key)).toBe(200);
    const shown = async ({ id }: Key) =>
      (await app.get<Key>(`${path}/${id}`, as(app.liveKey))).body.last_used_at;
    const at = await eventually(() => shown(used));
    expect(Math.abs(at - now())).toBeLessThan(60);
    expect(await shown(kept)).toBeNull();
  });
});
