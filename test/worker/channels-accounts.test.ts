import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { AccountObject } from "../../src/channels/schema.ts";
import { storedRows } from "../books.ts";
import { type Answer, type ErrorObject, TestApp } from "../harness.ts";
import { failure, stripeInTheTest } from "./stripe-books.ts";
import { credentials, StripeMerchant } from "./stripe-merchant.ts";

stripeInTheTest();

const ACCOUNTS = "/v1/channel_accounts";
const LIVE = { live: true };
const TEN = Array.from({ length: 10 }, (_, i) => i);

type Account = AccountObject & ErrorObject;

const add = (app: TestApp, body: Record<string, unknown> = {}): Promise<Answer<Account>> =>
  app.post<Account>(ACCOUNTS, { channel: "stripe", credentials: credentials(), ...body }, LIVE);

const rotate = (app: TestApp, { id }: { id: string }, body: unknown = { credentials: credentials() }) =>
  app.post<Account>(`${ACCOUNTS}/${id}`, body, LIVE);

const retire = (app: TestApp, { id }: { id: string }) =>
  app.send<Account>("DELETE", `${ACCOUNTS}/${id}`, { ...LIVE, body: {} });

const statuses = (answers: Answer<unknown>[]) => answers.map(({ status }) => status).sort();

interface Row {
  revision: number;
  retired_at: number | null;
  credentials: string;
}

async function rowsOf(app: TestApp): Promise<Row[]> {
  const { results } = await env.DB.prepare(
    "SELECT revision, retired_at, credentials FROM channel_accounts WHERE app = ? ORDER BY created, revision",
  )
    .bind(app.id)
    .all<Row>();
  return results;
}

const current = (rows: Row[]) => rows.filter(({ retired_at }) => retired_at === null);

afterEach(() => {
  vi.useRealTimers();
});

describe("accounts at channels", () => {
  it("an account shows everything but its credentials", async () => {
    const app = await TestApp.create();
    const { status, body } = await add(app, { description: "Main shop" });
    expect(status).toBe(200);
    expect(Object.keys(body)).toEqual([
      "id",
      "object",
      "channel",
      "connector",
      "livemode",
      "revision",
      "merchant",
      "notice_keys",
      "notice_url",
      "description",
      "created",
      "retired_at",
    ]);
    expect(body).toMatchObject({
      object: "channel_account",
      channel: "stripe",
      connector: "stripe",
      livemode: true,
      revision: 1,
      description: "Main shop",
      retired_at: null,
    });
    expect(body.notice_url).toMatch(
      new RegExp(`^https://refunds\\.example\\.com/notify/stripe/${app.id}/live/[0-9a-f]{16}$`),
    );
    expect((await app.get(`${ACCOUNTS}/${body.id}`, LIVE)).body).toEqual(body);
    expect((await app.get(ACCOUNTS, LIVE)).body).toMatchObject({ object: "list", data: [body] });
  });

  it("credentials are in no answer, in no log and nowhere in D1, also after a rotation, a refusal and a check", async () => {
    const logged: unknown[] = [];
    const spies = (["log", "info", "warn", "error", "debug"] as const).map((level) =>
      vi.spyOn(console, level).mockImplementation((...words) => void logged.push(words)),
    );
    const shop = await StripeMerchant.create();
    const first = shop.credentials;
    const other = credentials();
    shop.books.onQuestion(() => failure(401, "api_key_expired"));
    const answers = [
      await rotate(shop.app, shop.account, { credentials: other }),
      await rotate(shop.app, shop.account, { credentials: { ...other, secret_key: `${other.secret_key}!` } }),
      await rotate(shop.app, shop.account, { credentials: { ...other, account: "acct_1" } }),
      await add(shop.app, { credentials: first }),
      await add(shop.app, { credentials: { secrets: [first.secret_key] } }),
      await shop.app.post(`${ACCOUNTS}/${shop.account.id}/check`, {}, LIVE),
      await shop.app.get(ACCOUNTS, LIVE),
      await shop.app.get(`${ACCOUNTS}/${shop.account.id}`, LIVE),
      await retire(shop.app, shop.account),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 400, 400, 400, 400, 200, 200, 200, 200]);
    for (const spy of spies) spy.mockRestore();
    const everything = JSON.stringify([answers, logged, await storedRows()]);
    for (const secret of [first, other].flatMap(({ secret_key, webhook_secrets }) => [
      secret_key,
      ...webhook_secrets,
    ])) {
      expect(everything).not.toContain(secret);
      expect(everything).not.toContain(secret.slice(secret.indexOf("_") + 1));
      expect(everything).not.toContain(btoa(secret).slice(0, 20));
    }
    const rows = await rowsOf(shop.app);
    expect(rows.map((row) => row.credentials)).toEqual([
      expect.stringMatching(/^v1\.test\./),
      expect.stringMatching(/^v1\.test\./),
    ]);
  });

  it.each([
    ["a key of test mode", { secret_key: "sk_test_0123456789" }, "credentials[secret_key]"],
    ["a key that is no text", { secret_key: 7 }, "credentials[secret_key]"],
    ["no key", { secret_key: undefined }, "credentials[secret_key]"],
    ["a malformed webhook secret", { webhook_secrets: ["wh_0123456789"] }, "credentials[webhook_secrets]"],
    [
      "three webhook secrets",
      { webhook_secrets: [1, 2, 3].map((n) => `whsec_0123456${n}`) },
      "credentials[webhook_secrets]",
    ],
    ["an unknown field", { secret: "x" }, "credentials[secret]"],
  ])("credentials with %s are refused, and the field is named, never its value", async (_, change, param) => {
    const app = await TestApp.create();
    const sent = { ...credentials(), ...change };
    const { status, text, body } = await add(app, { credentials: sent });
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ type: "invalid_request_error", param });
    for (const value of [...Object.values(sent), ...sent.webhook_secrets]) {
      if (typeof value === "string" && value.length > 3) expect(text).not.toContain(value);
    }
    expect(await rowsOf(app)).toEqual([]);
  });

  it.each([
    ["a channel without a connector", { channel: "upacp" }, "channel"],
    ["a malformed channel", { channel: "Stripe!" }, "channel"],
    ["credentials that are no object", { credentials: "sk_live_0123456789" }, "credentials"],
    ["an unknown field", { livemode: true }, "livemode"],
  ])("%s is refused", async (_, change, param) => {
    const app = await TestApp.create();
    const { status, body } = await add(app, change);
    expect(status).toBe(400);
    expect(body.error.param).toBe(param);
    expect(await rowsOf(app)).toEqual([]);
  });

  it("test mode has no accounts: a test key is told so", async () => {
    const app = await TestApp.create();
    const body = { channel: "stripe", credentials: credentials() };
    const answer = await app.post(ACCOUNTS, body);
    expect(answer).toMatchObject({ status: 400, body: { error: { param: "livemode" } } });
    expect(await rowsOf(app)).toEqual([]);
  });

  it("another app's account and another mode's do not exist", async () => {
    const app = await TestApp.create();
    const stranger = await TestApp.create();
    const { body: account } = await add(app);
    const path = `${ACCOUNTS}/${account.id}`;
    for (const [who, sent] of [
      [stranger, LIVE],
      [app, {}],
    ] as const) {
      const answers = [
        await who.get(path, sent),
        await who.post(path, { credentials: credentials() }, sent),
        await who.post(`${path}/check`, {}, sent),
        await who.send("DELETE", path, { ...sent, body: {} }),
      ];
      for (const answer of answers) {
        expect(answer).toMatchObject({ status: 404, body: { error: { param: "id" } } });
      }
      expect((await who.get<{ data: unknown[] }>(ACCOUNTS, sent)).body.data).toEqual([]);
    }
    expect((await app.get(path, LIVE)).body).toEqual(account);
  });

  it("a channel has one current account; a retired one makes room for another and stays in the list", async () => {
    const app = await TestApp.create();
    const { body: first } = await add(app);
    expect((await add(app)).body.error).toMatchObject({ code: "channel_account_exists", param: "channel" });
    expect((await retire(app, first)).body.retired_at).toEqual(expect.any(Number));
    expect((await retire(app, first)).status).toBe(200);
    expect((await rotate(app, first)).body.error.code).toBe("channel_account_retired");
    const { status, body: second } = await add(app);
    expect(status).toBe(200);
    const { body: list } = await app.get<{ data: AccountObject[] }>(ACCOUNTS, LIVE);
    expect(list.data.map(({ id }) => id).sort()).toEqual([first.id, second.id].sort());
  });

  it("a rotation is a new revision of the same account, and the old one stays for the refunds it sent", async () => {
    const app = await TestApp.create();
    const { body: first } = await add(app, { description: "Main" });
    const { body: second } = await rotate(app, first);
    expect(second).toMatchObject({ id: first.id, revision: 2, description: "Main", retired_at: null });
    expect(second.notice_keys).not.toEqual(first.notice_keys);
    const rows = await rowsOf(app);
    expect(rows.map(({ revision }) => revision)).toEqual([1, 2]);
    expect(current(rows).map(({ revision }) => revision)).toEqual([2]);
    expect((await app.get<{ data: unknown[] }>(ACCOUNTS, LIVE)).body.data).toEqual([second]);
  });

  it("the merchant of an account never changes", async () => {
    const app = await TestApp.create();
    const { body: account } = await add(app, { credentials: { ...credentials(), account: "acct_1A" } });
    expect(account.merchant).toBe("acct_1A");
    const other = await rotate(app, account, { credentials: { ...credentials(), account: "acct_2B" } });
    expect(other.body.error).toMatchObject({ code: "channel_account_merchant", param: "credentials" });
    const same = await rotate(app, account, { credentials: { ...credentials(), account: "acct_1A" } });
    expect(same.body).toMatchObject({ merchant: "acct_1A", revision: 2 });
    expect(current(await rowsOf(app))).toHaveLength(1);
  });

  it("the description changes alone, without a revision, and can be taken away", async () => {
    const app = await TestApp.create();
    const { body: account } = await add(app);
    const path = `${ACCOUNTS}/${account.id}`;
    expect((await app.post(path, { description: "Shop 2" }, LIVE)).body).toEqual({
      ...account,
      description: "Shop 2",
    });
    expect((await app.get(path, LIVE)).body).toMatchObject({ description: "Shop 2", revision: 1 });
    expect((await app.post(path, { description: null }, LIVE)).body).toEqual(account);
  });
});

describe("races about accounts", () => {
  it("of ten accounts added at once for a channel, one is", async () => {
    const app = await TestApp.create();
    const answers = await Promise.all(TEN.map(() => add(app)));
    expect(statuses(answers)).toEqual([200, ...Array(9).fill(400)]);
    const [made] = answers.filter(({ status }) => status === 200);
    const rows = await rowsOf(app);
    expect(rows).toHaveLength(1);
    expect((await app.get<{ data: unknown[] }>(ACCOUNTS, LIVE)).body.data).toEqual([made?.body]);
  });

  it("of ten rotations at once each that is acknowledged is a revision of its own, and the last one is current", async () => {
    const app = await TestApp.create();
    const { body: account } = await add(app);
    const answers = await Promise.all(TEN.map(() => rotate(app, account)));
    for (const { status } of answers) expect([200, 503]).toContain(status);
    const revisions = answers.filter(({ status }) => status === 200).map(({ body }) => body.revision);
    expect(new Set(revisions).size).toBe(revisions.length);
    const rows = await rowsOf(app);
    expect(rows).toHaveLength(1 + revisions.length);
    expect(current(rows).map(({ revision }) => revision)).toEqual([Math.max(...revisions)]);
  });

  it("of ten rotations and a retirement at once nothing brings the account back to life", async () => {
    for (let round = 0; round < 5; round++) {
      const app = await TestApp.create();
      const { body: account } = await add(app);
      const [retired, ...rotated] = await Promise.all([
        retire(app, account),
        ...TEN.map(() => rotate(app, account)),
      ]);
      expect(retired?.status).toBe(200);
      const done = rotated.filter(({ status }) => status === 200);
      const rows = await rowsOf(app);
      expect(rows).toHaveLength(1 + done.length);
      expect(current(rows)).toEqual([]);
      expect((await app.get(`${ACCOUNTS}/${account.id}`, LIVE)).body).toMatchObject({
        retired_at: expect.any(Number),
      });
    }
  });

  it("ten retirements and ten additions at once leave at most one account in use", async () => {
    const app = await TestApp.create();
    const { body: account } = await add(app);
    const answers = await Promise.all([...TEN.map(() => retire(app, account)), ...TEN.map(() => add(app))]);
    const added = answers.slice(10).filter(({ status }) => status === 200);
    expect(added.length).toBeLessThanOrEqual(1);
    expect(statuses(answers.slice(0, 10))).toEqual(Array(10).fill(200));
    const rows = await rowsOf(app);
    expect(rows).toHaveLength(1 + added.length);
    expect(current(rows)).toHaveLength(added.length);
  });
});

describe("the check of an account", () => {
  const check = (shop: StripeMerchant) =>
    shop.app.post<Record<string, unknown>>(`${ACCOUNTS}/${shop.account.id}/check`, {}, LIVE);

  it("proves the credentials at the channel without moving money", async () => {
    const shop = await StripeMerchant.create();
    expect((await check(shop)).body).toEqual({
      object: "channel_account_check",
      account: shop.account.id,
      status: "ok",
      code: null,
      message: null,
    });
    expect(shop.books.submissions).toEqual([]);
    expect(shop.books.questions.map(({ bearer }) => bearer)).toEqual([shop.credentials.secret_key]);
  });

  it("tells a refusal with the channel's code, and silence as unknown", async () => {
    const shop = await StripeMerchant.create();
    shop.books.onQuestion(() => failure(401, "api_key_expired"));
    expect((await check(shop)).body).toMatchObject({ status: "refused", code: "api_key_expired" });
    shop.books.onQuestion(() => "reset");
    expect((await check(shop)).body).toMatchObject({ status: "unknown", code: null });
  });

  it("uses the newest revision", async () => {
    const shop = await StripeMerchant.create();
    await shop.rotate();
    expect((await check(shop)).body.status).toBe("ok");
    expect(shop.books.questions.at(-1)?.bearer).toBe(shop.credentials.secret_key);
  });
});
