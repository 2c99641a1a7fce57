import { env } from "cloudflare:workers";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  deliveriesTo,
  happens,
  NOW,
  newDelivery,
  newEndpoint,
  newShop,
  newTenant,
  readEndpoint,
  World,
} from "./webhook-fixture.ts";

const OK = new Response("thanks");
const DAY_SECONDS = 86_400;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: NOW });
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** An endpoint that is enabled, its first secret, and what rolls it. */
async function newRolled(world: World) {
  const shop = await newShop(world);
  await world.run();
  const roll = (body?: Record<string, unknown>) => shop.api("POST", `${shop.path}/roll_secret`, body);
  /** Which of the secrets verify what is sent now. */
  const signing = async (...secrets: string[]) => {
    const { event, message } = await newDelivery(shop.tenant, shop, { dueAt: world.now });
    await world.consume([message]);
    const headers = world.requests.at(-1)?.headers ?? {};
    const verifies = secrets.map((secret) => {
      try {
        return new Webhook(secret).verify(event.body, headers) !== undefined;
      } catch {
        return false;
      }
    });
    return { verifies, signatures: headers["webhook-signature"]?.split(" ").length };
  };
  return { ...shop, roll, signing, first: shop.created.secret as string };
}

describe("rolling a secret", () => {
  test("shows the new one once; both sign for a day, and then the new one alone", async () => {
    const world = new World(OK);
    const { api, path, show, roll, signing, first } = await newRolled(world);
    const before = await show();
    const { status, json } = await roll();
    expect(status).toBe(200);
    const { secret, ...endpoint } = json;
    expect(endpoint).toEqual(before);
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(secret).not.toBe(first);
    expect((await api("GET", path)).json).toEqual(before);

    expect(await signing(first, secret)).toEqual({ verifies: [true, true], signatures: 2 });
    world.at(NOW + DAY_SECONDS * 1000 - 1);
    expect(await signing(first, secret)).toEqual({ verifies: [true, true], signatures: 2 });
    world.at(NOW + DAY_SECONDS * 1000);
    expect(await signing(first, secret)).toEqual({ verifies: [false, true], signatures: 1 });
  });

  test.each([
    [60, 60],
    [604_800, 604_800],
  ])("with expires_in %i keeps the old one for that long", async (expires_in, seconds) => {
    const world = new World(OK);
    const { roll, signing, first } = await newRolled(world);
    const { secret } = (await roll({ expires_in })).json;
    world.at(NOW + seconds * 1000 - 1);
    expect(await signing(first, secret)).toMatchObject({ verifies: [true, true] });
    world.at(NOW + seconds * 1000);
    expect(await signing(first, secret)).toMatchObject({ verifies: [false, true] });
  });

  test("with expires_in 0 ends the old ones at once", async () => {
    const world = new World(OK);
    const { roll, signing, first } = await newRolled(world);
    const second = (await roll()).json.secret;
    const third = (await roll({ expires_in: 0 })).json.secret;
    expect(await signing(first, second, third)).toEqual({ verifies: [false, false, true], signatures: 1 });
  });

  test("never lets an earlier one live longer than the newest roll allows, nor longer than before", async () => {
    const world = new World(OK);
    const { roll, signing, first } = await newRolled(world);
    const second = (await roll({ expires_in: 600 })).json.secret;
    const third = (await roll({ expires_in: 60 })).json.secret;
    world.at(NOW + 60_000);
    expect(await signing(first, second, third)).toMatchObject({ verifies: [false, false, true] });
    const fourth = (await roll({ expires_in: 60 })).json.secret;
    const fifth = (await roll({ expires_in: 600 })).json.secret;
    world.at(NOW + 120_000);
    expect(await signing(third, fourth, fifth)).toMatchObject({ verifies: [false, true, true] });
  });

  test("is refused while three sign, and says when the next of them ends", async () => {
    const world = new World(OK);
    const { roll, signing, first, id } = await newRolled(world);
    const second = (await roll({ expires_in: 7200 })).json.secret;
    world.at(NOW + 1000);
    const third = (await roll({ expires_in: 7200 })).json.secret;
    expect(await signing(first, second, third)).toEqual({ verifies: [true, true, true], signatures: 3 });
    const before = await readEndpoint(id);

    const { status, json } = await roll({ expires_in: 7200 });
    expect(status).toBe(400);
    expect(json.error).toMatchObject({ code: "too_many_secrets", param: "expires_in" });
    expect(json.error.message).toContain("2026-11-05T10:00:00.000Z");
    expect((await readEndpoint(id)).secrets).toEqual(before.secrets);

    world.at(NOW + 7_200_000);
    const fourth = (await roll()).json.secret;
    expect(await signing(first, second, third, fourth)).toEqual({
      verifies: [false, true, true, true],
      signatures: 3,
    });
  });

  test("works in an emergency however many sign", async () => {
    const world = new World(OK);
    const { roll, signing } = await newRolled(world);
    const second = (await roll()).json.secret;
    const third = (await roll()).json.secret;
    const { status, json } = await roll({ expires_in: 0 });
    expect(status).toBe(200);
    expect(await signing(second, third, json.secret)).toEqual({
      verifies: [false, false, true],
      signatures: 1,
    });
  });

  test.each<[string, unknown]>([
    ["less than nothing", -1],
    ["more than seven days", 604_801],
    ["half a second", 0.5],
    ["null", null],
  ])("with expires_in of %s is refused, and nothing changes", async (_case, expires_in) => {
    const { roll, id } = await newRolled(new World(OK));
    const before = await readEndpoint(id);
    const { status, json } = await roll({ expires_in });
    expect([status, json.error.param]).toEqual([400, "expires_in"]);
    expect((await readEndpoint(id)).secrets).toEqual(before.secrets);
  });

  test("is possible while the endpoint is disabled", async () => {
    const world = new World(OK);
    const { api, path, roll, signing, first } = await newRolled(world);
    await api("POST", `${path}/disable`);
    const { secret, status } = (await roll({ expires_in: 0 })).json;
    expect(status).toBe("disabled");
    await api("POST", `${path}/enable`);
    await world.run();
    expect(await signing(first, secret)).toMatchObject({ verifies: [false, true] });
  });
});

describe("of ten racing rolls", () => {
  test("with an overlap two are made, and every secret that was handed out signs", async () => {
    const world = new World(OK);
    const { roll, signing, first } = await newRolled(world);
    const answers = await Promise.all(Array.from({ length: 10 }, () => roll()));
    const made = answers.filter(({ status }) => status === 200).map(({ json }) => json.secret as string);
    expect(made).toHaveLength(2);
    for (const { status, json } of answers) {
      if (status !== 200) expect([status, json.error.code]).toEqual([400, "too_many_secrets"]);
    }
    expect(await signing(first, ...made)).toEqual({ verifies: [true, true, true], signatures: 3 });
  });

  test("without one the last is the one that signs, and none is handed out that was never kept", async () => {
    const world = new World(OK);
    const { roll, signing, first } = await newRolled(world);
    const answers = await Promise.all(Array.from({ length: 10 }, () => roll({ expires_in: 0 })));
    const made = answers.filter(({ status }) => status === 200).map(({ json }) => json.secret as string);
    expect(made.length).toBeGreaterThan(0);
    for (const { status } of answers) expect([200, 503]).toContain(status);
    const { verifies, signatures } = await signing(first, ...made);
    expect([verifies.filter((one) => one).length, signatures, verifies[0]]).toEqual([1, 1, false]);
  });
});

test("no answer but those of create and roll, no event, no row and no log line contains a secret", async () => {
  const said: string[] = [];
  for (const method of ["log", "info", "warn", "error", "debug"] as const) {
    vi.spyOn(console, method).mockImplementation((...words) => {
      said.push(JSON.stringify(words));
    });
  }
  const world = new World(OK);
  const { tenant, api, id, path, roll, first } = await newRolled(world);
  const texts: string[] = [];
  const secrets = [first, (await roll()).json.secret as string];
  const see = async (method: string, at: string, body?: unknown) => {
    texts.push((await api(method, at, body)).text);
  };
  vi.spyOn(globalThis, "fetch").mockImplementation(async () => new Response("pong"));
  await happens(tenant, NOW);
  await see("POST", `${path}/ping`);
  await see("POST", path, { description: "x", rate_limit: 3 });
  await see("POST", path, { secret: "mine" });
  await see("POST", `${path}/disable`);
  await see("POST", `${path}/enable`);
  await see("POST", `${path}/recover`, { since: NOW / 1000 });
  await see("POST", `${path}/roll_secret`, { expires_in: -1 });
  secrets.push((await roll()).json.secret as string);
  await see("POST", `${path}/roll_secret`);
  const [event] = (await api("GET", "/v1/events")).json.data;
  await see("POST", `/v1/events/${event.id}/resend`, { endpoint: id, force: true });
  for (const at of [path, "/v1/webhook_endpoints", "/v1/events", "/v1/deliveries", `${path}/stats`]) {
    await see("GET", at);
  }
  // A key that is lost, and a row that was tampered with, are told of without what they kept.
  const lost = { bindings: { MASTER_KEYS: JSON.stringify({ other: btoa("8".repeat(32)) }) } };
  await world.consume(
    (await deliveriesTo(id)).map(({ message }) => message),
    lost,
  );
  await see("DELETE", path);
  for (const table of ["webhook_endpoints", "events", "deliveries", "delivery_attempts"]) {
    texts.push(JSON.stringify((await env.DB.prepare(`SELECT * FROM ${table}`).all()).results));
  }
  texts.push(...said);

  expect(secrets.every((secret) => /^whsec_.{44}$/.test(secret))).toBe(true);
  expect(said.length).toBeGreaterThan(0);
  for (const secret of secrets) {
    for (const text of texts) expect(text).not.toContain(secret.slice("whsec_".length));
  }
});

test("a secret of another endpoint, put into a row, signs nothing", async () => {
  const tenant = await newTenant();
  const victim = await newEndpoint(tenant);
  const { secrets } = await readEndpoint((await newEndpoint(await newTenant())).id);
  await env.DB.prepare("UPDATE webhook_endpoints SET secrets = ? WHERE id = ?")
    .bind(JSON.stringify(secrets), victim.id)
    .run();
  vi.spyOn(console, "error").mockImplementation(() => {});
  const world = new World(OK);
  const delivery = await newDelivery(tenant, victim);
  await world.consume([delivery.message]);
  expect(world.requests).toEqual([]);
});
