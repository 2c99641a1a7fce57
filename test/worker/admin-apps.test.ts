// Apps over the API: their settings, and apps that belong to another without sharing what they own.
import { beforeAll, describe, expect, it } from "vitest";
import { DEFAULT_SETTINGS } from "../../src/apps/schema.ts";
import { SCOPES } from "../../src/auth/scope.ts";
import { type ErrorObject, TestApp } from "../harness.ts";

interface AppObject {
  id: string;
  name: string;
  parent: string | null;
  settings: Record<string, unknown>;
  test_key: { key: string; scopes: string[]; livemode: boolean };
  live_key: { key: string };
}

const as = (key: string) => ({ headers: { Authorization: `Bearer ${key}` } });
const live = { live: true };

let app: TestApp;

beforeAll(async () => {
  app = await TestApp.create({ scopes: SCOPES });
});

const change = (body: unknown, sent = {}) =>
  app.post<AppObject>(`/v1/apps/${app.id}`, body, { ...live, ...sent });

describe("an app's settings", () => {
  it("are shown with their defaults, changed one by one, and reset with null", async () => {
    const { body: before } = await app.get<AppObject>(`/v1/apps/${app.id}`);
    expect(before.settings).toEqual({ ...DEFAULT_SETTINGS, rate_limit: 10_000 });
    const first = await change({ name: "茶店", settings: { list_limit_max: 5, refund_windows: { wx: 30 } } });
    expect(first.body).toMatchObject({ object: "app", name: "茶店", parent: null });
    const second = await change({ settings: { list_limit_max: null, language: "en" } });
    expect(second.body.settings).toEqual({
      ...before.settings,
      refund_windows: { wx: 30 },
      language: "en",
    });
    const reset = await change({ settings: { refund_windows: null, language: "zh" } });
    expect(reset.body.settings).toEqual(before.settings);
    expect((await app.get<AppObject>(`/v1/apps/${app.id}`)).body).toEqual(reset.body);
  });

  it("take effect in both modes", async () => {
    const shop = await TestApp.create({ scopes: SCOPES });
    const charge = await shop.charge();
    const answer = await shop.post(`/v1/apps/${shop.id}`, { settings: { require_amount: true } }, live);
    expect(answer.status).toBe(200);
    const refused = await shop.refund<ErrorObject>(charge, {});
    expect([refused.status, refused.body.error.param]).toEqual([400, "amount"]);
    expect((await shop.refund(charge, { amount: 1 })).status).toBe(200);
  });

  it.each([
    [{ no_such: 1 }, "no_such"],
    [{ list_limit_max: 101 }, "settings"],
    [{ require_amount: "yes" }, "settings"],
    [{ public_key: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----" }, "public_key"],
  ])("refuse %j", async (settings, param) => {
    const answer = await app.post(`/v1/apps/${app.id}`, { settings }, live);
    expect([answer.status, answer.body.error.param]).toEqual([400, param]);
    expect((await app.post("/v1/apps", { name: "x", settings }, live)).status).toBe(400);
  });

  it("and new apps need a live key", async () => {
    for (const [path, body] of [
      [`/v1/apps/${app.id}`, { settings: {} }],
      ["/v1/apps", { name: "x" }],
    ] as const) {
      const answer = await app.post(path, body);
      expect([answer.status, answer.body.error.code]).toEqual([401, "live_key_required"]);
    }
  });
});

it("an app made by another has keys that work, and neither touches what the other owns", async () => {
  const { body: child } = await app.post<AppObject>(
    "/v1/apps",
    { name: "Branch", settings: { language: "en", list_limit_max: 20 } },
    live,
  );
  expect(child).toMatchObject({
    parent: app.id,
    name: "Branch",
    settings: { ...DEFAULT_SETTINGS, language: "en" },
  });
  expect(child.test_key).toMatchObject({ livemode: false, scopes: [...SCOPES] });
  const { body: listed } = await app.get<{ data: AppObject[] }>("/v1/apps");
  expect(listed.data.map(({ id }) => id).sort()).toEqual([app.id, child.id].sort());
  expect(JSON.stringify(listed)).not.toContain(child.live_key.key);

  const { body: signing } = await app.get<{ data: unknown[] }>("/v1/public_keys", as(child.test_key.key));
  expect(signing.data).toHaveLength(1);
  const charge = await app.charge({}, as(child.test_key.key));
  expect((await app.get(`/v1/charges/${charge.id}`)).status).toBe(404);
  expect((await app.get(`/v1/charges/${charge.id}`, as(child.test_key.key))).status).toBe(200);

  const ofParent = as(child.live_key.key);
  expect((await app.get(`/v1/apps/${app.id}`, ofParent)).status).toBe(404);
  expect((await app.get(`/v1/apps/${app.id}/keys`, ofParent)).status).toBe(404);
  const { body: own } = await app.get<{ data: AppObject[] }>("/v1/apps", ofParent);
  expect(own.data.map(({ id }) => id)).toEqual([child.id]);

  const minted = await app.post<{ key: string }>(
    `/v1/apps/${child.id}/keys`,
    { name: "by the parent", scopes: ["charges:read"], livemode: false },
    live,
  );
  expect((await app.get(`/v1/charges/${charge.id}`, as(minted.body.key))).status).toBe(200);

  const stranger = await TestApp.create({ scopes: SCOPES });
  for (const path of [`/v1/apps/${child.id}`, `/v1/apps/${child.id}/keys`]) {
    expect((await stranger.get(path, live)).status).toBe(404);
  }
});
