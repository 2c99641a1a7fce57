// The same security exam for every route (S1): it reads the routes from the app, so that a new one is examined without
// being named here. Then guesses (S3) and replays (S4).
import { exports } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { mintKey } from "../src/auth/api-key.ts";
import { SCOPES, type Scope } from "../src/auth/scope.ts";
import type { ChargeObject } from "../src/charges/schema.ts";
import type { Route } from "../src/http/registry.ts";
import { mintId } from "../src/ids.ts";
import type { RefundObject } from "../src/refunds/schema.ts";
import { routes } from "../src/routes.ts";
import { generateSigningKeyPair, pingppSignature } from "../src/webhooks/signature.ts";
import { inLedger, ledgersInUse, storedRows } from "./books.ts";
import {
  addBatch,
  addDelivery,
  addKey,
  bodyOf,
  expectError,
  expectNothingStored,
  GUESSES,
  liveKeyOf,
  nameOf,
  type Objects,
  paramsOf,
  pathOf,
} from "./exam.ts";
import {
  type Answer,
  BASE,
  type ErrorObject,
  eventually,
  random,
  shareOneKeyPair,
  TestApp,
} from "./harness.ts";

const LIMIT = 64 * 1024;
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

const cases = routes.map((route) => [nameOf(route), route] as const);
const changing = cases.filter(([, route]) => route.method !== "GET");
const ofObjects = cases.filter(([, route]) => paramsOf(route).length > 0);

/** Whose objects the owner has in live mode. */
const isLive = (route: Route) => /^\/v1\/(channel_accounts|apps)/.test(route.path);
/** Apps are the same in both modes; their keys are not. */
const isOfBothModes = (route: Route) => /^\/v1\/apps($|\/:app$|\/:app\/keys$)/.test(route.path);

/** The exam's two tenants, the first of which owns one object of each kind. */
let owner: TestApp;
let stranger: TestApp;
let objects: Objects;
let expired: string;
let revoked: string;
const without = new Map<Scope, string>();

beforeAll(async () => {
  await shareOneKeyPair();
  owner = await TestApp.create({ scopes: SCOPES });
  stranger = await TestApp.create({ scopes: SCOPES });
  const charge = await owner.charge({ transaction_no: "T1" });
  const { body: refund } = await owner.refund(charge, { amount: 100 });
  const event = await eventually(async () => {
    const { body } = await owner.get<{ data: { id: string }[] }>("/v1/events?type=refund.succeeded");
    return body.data[0];
  });
  // Disabled: no ping is on its way to it while the exam counts what is stored.
  const { body: endpoint } = await owner.post<{ id: string }>("/v1/webhook_endpoints", {
    url: "https://shop.example.com/hooks",
    status: "disabled",
  });
  const { delivery, letter } = await addDelivery(owner, event.id, endpoint.id);
  // In live mode, where alone there are accounts.
  const { body: account } = await owner.post<{ id: string }>(
    "/v1/channel_accounts",
    { channel: "manual", credentials: { note: "the exam's" } },
    { live: true },
  );
  objects = {
    account: account.id,
    app: owner.id,
    key: await liveKeyOf(owner),
    batch: await addBatch(owner, charge.id, refund.id),
    charge: charge.id,
    refund: refund.id,
    event: event.id,
    endpoint: endpoint.id,
    delivery,
    dead_letter: letter,
  };
  const now = Math.floor(Date.now() / 1000);
  expired = await addKey(stranger, { expires: now - 1 });
  revoked = await addKey(stranger, { revoked: now - 1 });
  for (const scope of SCOPES) {
    without.set(scope, await addKey(stranger, { scopes: SCOPES.filter((other) => other !== scope) }));
  }
});

it("the exam sees what is stored: a charge and a refund in D1 and in a ledger", async () => {
  const rows = await storedRows();
  expect(rows.charges).toHaveLength(1);
  expect(rows.refunds).toHaveLength(1);
  expect(rows.webhook_endpoints).toHaveLength(1);
  expect(rows.deliveries).toHaveLength(1);
  expect(rows.dead_letters).toHaveLength(1);
  expect(await ledgersInUse()).toHaveLength(1);
  expect(routes.length).toBeGreaterThan(10);
});

describe.each(cases)("%s (S1)", (_, route) => {
  const send = (sent: { headers?: Record<string, string>; live?: boolean }, by = stranger, of = objects) =>
    by.send(route.method, pathOf(route, of), { body: bodyOf(route), ...sent });

  it.each([
    ["no key", () => ""],
    ["an unknown key", () => `Bearer ${mintKey(false, random)}`],
    ["an unknown live key", () => `Basic ${btoa(`${mintKey(true, random)}:`)}`],
    ["a revoked key", () => `Bearer ${revoked}`],
    ["an expired key", () => `Bearer ${expired}`],
    ["a key without its prefix", () => `Bearer ${owner.testKey.slice("sk_test_".length)}`],
    ["a test key under the live prefix", () => `Bearer ${owner.testKey.replace("test", "live")}`],
    ["a scheme alone", () => "Basic"],
    ["Basic that is not base64", () => "Basic !!!!"],
    ["Basic with the key as the password", () => `Basic ${btoa(`:${owner.testKey}`)}`],
    ["another scheme", () => `Digest ${owner.testKey}`],
    ["a key without a scheme", () => owner.testKey],
    ["an endless header", () => `Bearer ${"x".repeat(5000)}`],
  ])("answers %s with 401", async (_, authorization) => {
    await expectNothingStored(async () => {
      const answer = await send({ headers: { Authorization: authorization() } });
      expectError(answer, 401);
      expect(answer.body.error).not.toHaveProperty("code");
    });
  });

  it("answers a request without any Authorization with 401", async () => {
    await expectNothingStored(async () => {
      const body = bodyOf(route);
      const response = await exports.default.fetch(`${BASE}${pathOf(route, objects)}`, {
        method: route.method,
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
      });
      const text = await response.text();
      expectError({ status: response.status, headers: response.headers, text, body: JSON.parse(text) }, 401);
    });
  });

  it("answers a key that lacks its scope with 401, which names the scope", async () => {
    await expectNothingStored(async () => {
      const answer = await send({ headers: { Authorization: `Bearer ${without.get(route.scope)}` } });
      expectError(answer, 401);
      expect(answer.body.error.code).toBe("scope_missing");
      expect(answer.body.error.message).toContain(route.scope);
    });
  });

  it("answers methods that it does not support with 405", async () => {
    const path = pathOf(route, objects);
    const supported = routes.filter(({ path }) => path === route.path).map(({ method }) => method as string);
    await expectNothingStored(async () => {
      for (const method of METHODS.filter((method) => !supported.includes(method))) {
        for (const headers of [{}, { Authorization: "" }] as Record<string, string>[]) {
          const answer = await owner.send(method, path, { headers });
          expectError(answer, 405);
          const allow = supported.includes("GET") ? [...supported, "HEAD"] : supported;
          expect(answer.headers.get("Allow")?.split(", ").sort()).toEqual([...new Set(allow)].sort());
        }
      }
    });
  });
});

describe.each(ofObjects)("%s (S1)", (_, route) => {
  const send = (by: TestApp, of: Objects, live = false) =>
    by.send(route.method, pathOf(route, of), { body: bodyOf(route), live });

  it("answers 404 to another app for what it does not own", async () => {
    await expectNothingStored(async () => expectError(await send(stranger, objects), 404));
    await expectNothingStored(async () => expectError(await send(stranger, objects, true), 404));
  });

  it.skipIf(isOfBothModes(route))("answers 404 in the other mode of the same app", async () => {
    await expectNothingStored(async () => {
      const answer = await send(owner, objects, !isLive(route));
      expectError(answer, 404);
      expect(answer.body.error.param).toBe("id");
    });
  });

  it("answers 404 for ids that are guessed, of another kind, or no ids at all", async () => {
    const guesses = Object.fromEntries(Object.entries(GUESSES).map(([name, guess]) => [name, guess()]));
    const others = Object.fromEntries(Object.keys(GUESSES).map((name) => [name, mintId("app", random)]));
    const shapeless = ["..%2F..%2Fetc", "%00", "%E0%A4%A", "'%20OR%201=1--", "constructor", "x".repeat(2000)];
    await expectNothingStored(async () => {
      expectError(await send(owner, guesses), 404);
      expectError(await send(owner, others), 404);
      for (const text of shapeless) {
        const ids = Object.fromEntries(Object.keys(GUESSES).map((name) => [name, text]));
        expectError(await send(owner, ids), 404);
      }
    });
  });
});

it.each(ofObjects.filter(([, route]) => paramsOf(route).length > 1))(
  "%s answers 404 when only its charge is one's own (S1)",
  async (_, route) => {
    const own = await stranger.charge();
    const path = pathOf(route, { ...objects, charge: own.id });
    await expectNothingStored(async () => {
      expectError(await stranger.send(route.method, path, { body: bodyOf(route) }), 404);
    });
  },
);

describe.each(changing)("%s (S1)", (_, route) => {
  const send = (body: string, headers: Record<string, string>) =>
    owner.send(route.method, pathOf(route, objects), { body, headers });

  it.each(["text/plain", "multipart/form-data; boundary=x", "application/octet-stream", "application/jsonp"])(
    "answers a body of %s with 415",
    async (type) => {
      await expectNothingStored(async () =>
        expectError(await send(JSON.stringify(bodyOf(route)), { "Content-Type": type }), 415),
      );
    },
  );

  it("answers a body of more than 64 KiB with 413, with and without a key", async () => {
    const body = JSON.stringify(bodyOf(route)).padEnd(LIMIT + 1, " ");
    await expectNothingStored(async () => {
      expectError(await send(body, {}), 413);
      expectError(await send(body, { Authorization: "" }), 413);
    });
  });

  it.each(["{", "[1]", "null", '"a"', "\u0000", '{"a":"\\ud800"}'])(
    "answers the body %o with 400",
    async (body) => {
      await expectNothingStored(async () => expectError(await send(body, {}), 400));
    },
  );
});

describe.each(changing.filter(([, route]) => route.own && route.body !== undefined))("%s", (_, route) => {
  it("refuses a field that it does not know, by name", async () => {
    await expectNothingStored(async () => {
      const body = { ...(bodyOf(route) as object), no_such_field: 1 };
      const answer = await owner.send(route.method, pathOf(route, objects), { body });
      expectError(answer, 400);
      expect(answer.body.error.param).toBe("no_such_field");
    });
  });
});

it.each(cases.filter(([, route]) => route.method === "GET" && paramsOf(route).length === 0))(
  "%s shows nothing of another app or of the other mode (S1)",
  async (_, route) => {
    const whole = await owner.get(route.path);
    expect(whole.status).toBe(200);
    for (const answer of [
      await stranger.get(route.path),
      await stranger.get(route.path, { live: true }),
      ...(isOfBothModes(route) ? [] : [await owner.get(route.path, { live: !isLive(route) })]),
    ]) {
      expect(answer.status).toBe(200);
      for (const id of [owner.id, ...Object.values(objects)]) expect(answer.text).not.toContain(id);
    }
  },
);

it.each(cases)("%s declares the answers that it gives, so that they can be documented", (_, route) => {
  expect(Object.keys(route.answers)).toContain("200");
  expect(route.summary).not.toBe("");
  expect(SCOPES).toContain(route.scope);
});

describe("a signed request (S4)", () => {
  /** Another body each time: within a second, equal requests have equal signatures. */
  const hook = () =>
    JSON.stringify({ url: `https://shop.example.com/${mintId("endpoint", random)}`, status: "disabled" });

  // Made once: making a pair takes longer than most tests.
  const mine = generateSigningKeyPair();
  const theirs = generateSigningKeyPair();

  async function signingApp(keys = mine) {
    const pair = await keys;
    const app = await TestApp.create({ settings: { public_key: pair.publicKey } });
    /** `method` only where the route is ours. */
    const sign = async (path: string, body = "", method = "") => {
      const timestamp = Math.floor(Date.now() / 1000);
      return {
        "Pingplusplus-Request-Timestamp": String(timestamp),
        "Pingplusplus-Signature": await pingppSignature(
          pair.privateKey,
          `${body}${path}${timestamp}${method}`,
        ),
      };
    };
    const endpoints = async () =>
      (await app.get<{ data: { id: string }[] }>("/v1/webhook_endpoints")).body.data;
    const create = async (body = hook()) => {
      const path = "/v1/webhook_endpoints";
      const headers = await sign(path, body, "POST");
      return { headers, answer: await app.post<{ id: string }>(path, body, { headers }) };
    };
    return { app, sign, endpoints, create };
  }

  function expectSignatureRefused(answer: Answer<unknown>) {
    expectError(answer as Answer<ErrorObject>, 401);
    expect((answer.body as ErrorObject).error.code).toBe("signature_invalid");
  }

  it("to read an endpoint does not delete it when replayed as DELETE", async () => {
    const { app, sign, endpoints, create } = await signingApp();
    const { answer } = await create();
    const path = `/v1/webhook_endpoints/${answer.body.id}`;
    const headers = await sign(path);
    expect((await app.get(path, { headers })).status).toBe(200);
    expectSignatureRefused(await app.send("DELETE", path, { headers }));
    expect(await endpoints()).toHaveLength(1);
  });

  it("to make an endpoint makes one, however often it is replayed, also ten at once", async () => {
    const { app, sign, endpoints } = await signingApp();
    const path = "/v1/webhook_endpoints";
    const body = hook();
    const headers = await sign(path, body, "POST");
    const answers = await Promise.all(Array.from({ length: 10 }, () => app.post(path, body, { headers })));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    for (const answer of answers.filter(({ status }) => status !== 200)) expectSignatureRefused(answer);
    expectSignatureRefused(await app.post(path, body, { headers }));
    expect(await endpoints()).toHaveLength(1);
  });

  it("to delete an endpoint works once", async () => {
    const { app, sign, endpoints, create } = await signingApp();
    const { answer } = await create();
    const path = `/v1/webhook_endpoints/${answer.body.id}`;
    const headers = await sign(path, "", "DELETE");
    expect((await app.send("DELETE", path, { headers })).status).toBe(200);
    expectSignatureRefused(await app.send("DELETE", path, { headers }));
    expect(await endpoints()).toEqual([]);
  });

  it("of one app is none of another's", async () => {
    const { sign } = await signingApp();
    const { app: other, endpoints } = await signingApp(theirs);
    const body = hook();
    const headers = await sign("/v1/webhook_endpoints", body, "POST");
    expectSignatureRefused(await other.post("/v1/webhook_endpoints", body, { headers }));
    expect(await endpoints()).toEqual([]);
  });

  it.each(changing)("is what %s asks for once the app has a key on file", async (_, route) => {
    const { app } = await signingApp();
    const ids = Object.fromEntries(Object.entries(GUESSES).map(([name, guess]) => [name, guess()]));
    await expectNothingStored(async () =>
      expectSignatureRefused(await app.send(route.method, pathOf(route, ids), { body: bodyOf(route) })),
    );
  });

  it.each(changing.filter(([, route]) => route.own))(
    "without the method in it is refused by %s",
    async (_, route) => {
      const { app, sign } = await signingApp();
      const ids = Object.fromEntries(Object.entries(GUESSES).map(([name, guess]) => [name, guess()]));
      const path = pathOf(route, ids);
      const body = JSON.stringify(bodyOf(route));
      await expectNothingStored(async () =>
        expectSignatureRefused(await app.send(route.method, path, { body, headers: await sign(path, body) })),
      );
    },
  );
});

it("300 guessed charges are 404 each, and their ledgers hold no table and no alarm (S3)", async () => {
  const guesses = Array.from({ length: 300 }, () => mintId("charge", random));
  const reaching = routes.filter((route) => paramsOf(route).includes("charge"));
  await expectNothingStored(async () => {
    for (const [i, charge] of guesses.entries()) {
      const route = reaching[i % reaching.length] as Route;
      const path = pathOf(route, { ...objects, charge });
      expectError(await owner.send(route.method, path, { body: bodyOf(route) }), 404);
    }
  });
  for (const id of guesses) {
    const inside = await inLedger(owner.ledger({ id }) as unknown as DurableObjectStub);
    expect(inside).toEqual({ tables: [], alarm: false });
  }
});

it("what the exam left of the owner's objects is what there was", async () => {
  const { body: charge } = await owner.get<ChargeObject>(`/v1/charges/${objects.charge}`);
  expect(charge).toMatchObject({ amount_refunded: 100, amount_pending_refund: 0 });
  const { body: refund } = await owner.get<RefundObject>(
    `/v1/charges/${objects.charge}/refunds/${objects.refund}`,
  );
  expect(refund.status).toBe("succeeded");
});
