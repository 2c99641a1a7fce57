// The documents are true: every route is brought to give every answer that is documented of it, and each is what its
// schema says, without a field more. A route or a status that nothing here brings about fails.
import { env } from "cloudflare:workers";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { errorsOf } from "../../scripts/openapi/problems.ts";
import { SCOPES } from "../../src/auth/scope.ts";
import type { ChargeObject } from "../../src/charges/schema.ts";
import type { Route } from "../../src/http/registry.ts";
import { mintId } from "../../src/ids.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { routes } from "../../src/routes.ts";
import {
  addBatch,
  addDelivery,
  addKey,
  bodyOf,
  expectError,
  GUESSES,
  nameOf,
  type Objects,
  paramsOf,
  pathOf,
} from "../exam.ts";
import {
  type Answer,
  type ErrorObject,
  eventually,
  random,
  type Sent,
  shareOneKeyPair,
  TestApp,
} from "../harness.ts";
import { d1, endOutages } from "../scenarios/outage.ts";

type Given = Answer<unknown>;

const cases = routes.map((route) => [nameOf(route), route] as const);
const live = { live: true };
const PENDING = { description: "[sandbox:pending:600]" };

let shop: TestApp;
let limited: TestApp;
let objects: Objects;

const send = (route: Route, sent: Sent = {}, by = shop, of = objects): Promise<Given> =>
  by.send(route.method, pathOf(route, of), { body: bodyOf(route), ...sent }) as Promise<Given>;

/** Like `send`, about a thing of its own. */
const about =
  (own: (route: Route) => Promise<Objects>, sent: Sent = {}) =>
  async (route: Route) =>
    await send(route, sent, shop, { ...objects, ...(await own(route)) });

beforeAll(async () => {
  putBack = await shareOneKeyPair();
  shop = await TestApp.create({ scopes: SCOPES });
  limited = await TestApp.create({ scopes: SCOPES, settings: { rate_limit: 1 } });
  const charge = await shop.charge();
  const { body: refund } = await shop.refund(charge, { amount: 100 });
  const event = await eventually(
    async () => (await shop.get<{ data: { id: string }[] }>("/v1/events?type=refund.succeeded")).body.data[0],
  );
  const endpoint = await newEndpoint();
  const { delivery, letter } = await addDelivery(shop, event.id, endpoint);
  objects = {
    charge: charge.id,
    refund: refund.id,
    event: event.id,
    endpoint,
    delivery,
    dead_letter: letter,
    batch: await addBatch(shop, charge.id, refund.id),
    app: shop.id,
    key: await newKey(),
    account: await newAccount(),
  };
});

let putBack = () => {};
afterAll(() => putBack());

afterEach(() => {
  endOutages();
  vi.restoreAllMocks();
});

async function newEndpoint(): Promise<string> {
  const { body } = await shop.post<{ id: string }>("/v1/webhook_endpoints", {
    url: "https://shop.example.com/hooks",
  });
  return body.id;
}

async function newKey(): Promise<string> {
  const body = { name: "till", scopes: ["refunds:read"] };
  return (await shop.post<{ id: string }>(`/v1/apps/${shop.id}/keys`, body)).body.id;
}

async function newAccount(): Promise<string> {
  const body = { channel: "manual", credentials: { note: "by hand" } };
  const { body: account } = await shop.post<{ id: string }>("/v1/channel_accounts", body, live);
  return account.id;
}

/** An account is one of a channel: what is made anew takes the old one's place. */
const ownAccount = about(async () => {
  await env.DB.prepare("DELETE FROM channel_accounts WHERE app = ?").bind(shop.id).run();
  const account = await newAccount();
  objects = { ...objects, account };
  return { account };
}, live);

async function newRefund(body: Record<string, unknown> = {}, by = shop): Promise<RefundObject> {
  return (await by.refund(await by.charge(), { amount: 100, ...body })).body;
}

const refundOf = (body: Record<string, unknown> = {}) =>
  about(async () => {
    const { id, charge } = await newRefund(body);
    return { refund: id, charge };
  });

/** Does something to a refund of an app that holds refunds back. */
const held = (settings: Record<string, unknown>) => async (route: Route) => {
  const careful = await TestApp.create({ settings });
  const { id, charge } = await newRefund({}, careful);
  const headers = { Authorization: `Bearer ${await addKey(careful, {})}` };
  return await send(route, { headers }, careful, { ...objects, charge, refund: id });
};

/** A refund that needs a person. */
async function abnormal(): Promise<RefundObject> {
  const refund = await newRefund(PENDING);
  await shop.post(`/v1/test_helpers/refunds/${refund.id}/abnormal`, {});
  return await eventually(async () => {
    const read = await shop.retrieveRefund(refund);
    return read.attention !== undefined && read;
  });
}

/** A charge whose refund the channel takes for paid after its money went another way. */
async function frozenCharge(): Promise<string> {
  const charge = await shop.charge();
  const { body: first } = await shop.refund(charge, { amount: 10_000, refund_no: "F1" });
  await shop.post(`/v1/test_helpers/refunds/${first.id}/reverse`, {});
  await eventually(async () => (await shop.retrieveRefund(first)).status === "failed");
  await shop.refund(charge, { amount: 10_000, description: "Elsewhere" });
  await shop.post(`/v1/test_helpers/refunds/${first.id}/succeed`, {});
  await eventually(async () => (await shop.retrieveRefund(first)).attention === "conflict");
  return charge.id;
}

const inLive = (route: Route) => send(route, live);

/** Where the exam's body, in test mode and about objects that are there, does not do. */
const DONE: Record<string, (route: Route) => Promise<Given>> = {
  "POST /v1/charges/:charge/adopt": about(async () => ({ charge: await frozenCharge() })),
  "POST /v1/ledgers/adopt": inLive,
  "POST /v1/charges/:charge/reverse": about(async () => ({ charge: (await shop.charge()).id })),
  "POST /v1/charges/:charge/refunds/:refund/cancel": held({ delay_seconds: 600 }),
  "POST /v1/charges/:charge/refunds/:refund/approve": held({ approval_limit: { cny: 1 } }),
  "POST /v1/charges/:charge/refunds/:refund/reject": held({ approval_limit: { cny: 1 } }),
  "POST /v1/charges/:charge/refunds/:refund/claim": about(async () => {
    const { id, charge } = await abnormal();
    return { refund: id, charge };
  }),
  "POST /v1/charges/:charge/refunds/:refund/resolve": about(async () => {
    const { id, charge } = await abnormal();
    await shop.post(`/v1/charges/${charge}/refunds/${id}/claim`, { by: "Li" });
    return { refund: id, charge };
  }),
  "POST /v1/batch_refunds": async (route) => {
    const { id } = await shop.charge();
    return await send(route, {
      body: { batch_no: "answers1", charges: [{ charge: id, amount: 1 }], description: "Returned" },
    });
  },
  "POST /v1/test_helpers/refunds/:refund/succeed": refundOf(PENDING),
  "POST /v1/test_helpers/refunds/:refund/fail": refundOf(PENDING),
  "POST /v1/test_helpers/refunds/:refund/abnormal": refundOf(PENDING),
  "POST /v1/test_helpers/refunds/:refund/reverse": refundOf(),
  "POST /v1/events/:event/resend": async (route) => send(route, { body: { endpoint: await newEndpoint() } }),
  "POST /v1/channel_accounts": async (route) => {
    await env.DB.prepare("DELETE FROM channel_accounts WHERE app = ?").bind(shop.id).run();
    const answer = await inLive(route);
    objects = { ...objects, account: (answer.body as { id: string }).id };
    return answer;
  },
  "GET /v1/channel_accounts": inLive,
  "GET /v1/channel_accounts/:account": inLive,
  "POST /v1/channel_accounts/:account": (route) =>
    send(route, { ...live, body: { credentials: { note: "by another hand" } } }),
  "DELETE /v1/channel_accounts/:account": ownAccount,
  "POST /v1/channel_accounts/:account/check": ownAccount,
  "POST /v1/webhook_endpoints/:endpoint/recover": (route) =>
    send(route, { body: { since: Math.floor(Date.now() / 1000) - 60 } }),
  "DELETE /v1/webhook_endpoints/:endpoint": about(async () => ({ endpoint: await newEndpoint() })),
  "POST /v1/webhook_endpoints/:endpoint/disable": about(async () => ({ endpoint: await newEndpoint() })),
  "POST /v1/apps": inLive,
  "POST /v1/apps/:app": inLive,
  "DELETE /v1/apps/:app/keys/:key": about(async () => ({ key: await newKey() })),
  "POST /v1/apps/:app/keys/:key/rotate": about(async () => ({ key: await newKey() })),
};

describe("every route answers 200 as it is documented", () => {
  it.each(cases)("%s", async (name, route) => {
    const answer = await (DONE[name] ?? send)(route);
    expect([answer.status, answer.text]).toEqual([200, answer.text]);
    expectAsDeclared(route, answer);
  });
});

/** What is read by the schema is the whole answer: a field that the schema does not know would be missing from it. */
function expectAsDeclared(route: Route, { status, body, text }: Given): void {
  const schema = route.answers[status] ?? errorSchema();
  const answer = body ?? text;
  expect(schema.parse(answer)).toEqual(answer);
}

/** Errors are the same everywhere; routes need not declare those that any of them can give. */
function errorSchema() {
  const [schema] = routes.flatMap(({ answers }) => answers[404] ?? []);
  if (schema === undefined) throw new Error("no route declares an error");
  return schema;
}

/** A charge that no account of the app could refund. */
async function unservedCharge(): Promise<ChargeObject> {
  return await shop.charge({ channel: "wx", transaction_no: mintId("refund", random) }, live);
}

/** How a channel comes not to be asked, by route. */
const NOT_ASKED: Record<string, (route: Route) => Promise<Given>> = {
  "POST /v1/charges/:charge/refunds": async (route) =>
    send(route, live, shop, { charge: (await unservedCharge()).id }),
  "POST /v1/charges/:charge/reverse": async (route) =>
    send(route, live, shop, { charge: (await unservedCharge()).id }),
  "POST /v1/charges/:charge/refunds/:refund/approve": async (route) => {
    const careful = await TestApp.create({ settings: { approval_limit: { cny: 1 } } });
    const account = { channel: "manual", credentials: { note: "by hand" } };
    await careful.post("/v1/channel_accounts", account, live);
    const charge = await careful.charge({ channel: "manual", transaction_no: `m-${careful.id}` }, live);
    const { body: refund } = await careful.refund(charge, { amount: 100 }, live);
    await env.DB.prepare("DELETE FROM channel_accounts WHERE app = ?").bind(careful.id).run();
    return await send(route, { headers: await otherLiveKey(careful) }, careful, {
      charge: charge.id,
      refund: refund.id,
    });
  },
};

/** Not the key that made it. */
async function otherLiveKey(app: TestApp): Promise<Record<string, string>> {
  const admin = await TestApp.create();
  await env.DB.prepare("UPDATE api_keys SET app = ? WHERE app = ? AND livemode = 1")
    .bind(app.id, admin.id)
    .run();
  return { Authorization: `Bearer ${admin.liveKey}` };
}

/** How any route comes to give an error, by status. */
const REFUSED: Record<number, (route: Route) => Promise<Given>> = {
  400: (route) =>
    route.method === "GET"
      ? shop.send(route.method, `${pathOf(route, objects)}?limit=0&created=x`, isLive(route) ? live : {})
      : send(route, { body: "{", ...(isLive(route) ? live : {}) }),
  401: (route) => send(route, { headers: { Authorization: "" } }),
  402: async (route) => {
    const elicit = NOT_ASKED[nameOf(route)];
    if (elicit === undefined)
      throw new Error(`how does the channel of ${nameOf(route)} come not to be asked?`);
    return await elicit(route);
  },
  403: (route) => tooOften(route, "Pingpp/v1 NodeBindings/2.2.5"),
  404: async (route) => {
    const guesses = Object.fromEntries(Object.entries(GUESSES).map(([name, guess]) => [name, guess()]));
    return await send(route, {}, shop, guesses);
  },
  413: (route) => send(route, { body: " ".repeat(64 * 1024 + 1) }),
  415: (route) => send(route, { body: "{}", headers: { "Content-Type": "text/plain" } }),
  429: (route) => tooOften(route, "curl/8.9.1"),
  503: async (route) => {
    const headers = { Authorization: `Bearer ${await addKey(shop, { scopes: SCOPES })}` };
    d1("throws");
    return await send(route, { headers });
  },
};

const isLive = (route: Route) => route.path.startsWith("/v1/channel_accounts");

/** Asks when its key has nothing left. No time passes meanwhile: a slow machine would give it something back. */
async function tooOften(route: Route, agent: string): Promise<Given> {
  const now = Date.now();
  vi.spyOn(Date, "now").mockReturnValue(now);
  for (let i = 0; i < 3; i++) if ((await limited.get("/v1/public_keys")).status === 429) break;
  return await send(route, { headers: { "User-Agent": agent } }, limited);
}

describe("every route answers every error that is documented of it", () => {
  it.each(cases)("%s", async (_, route) => {
    const statuses = new Set([...errorsOf(route).keys(), ...Object.keys(route.answers).map(Number)]);
    statuses.delete(200);
    for (const status of statuses) {
      const elicit = REFUSED[status];
      if (elicit === undefined) throw new Error(`how does a route come to answer ${status}?`);
      const answer = await elicit(route);
      endOutages();
      vi.restoreAllMocks();
      expectError(answer as Answer<ErrorObject>, status);
      expectAsDeclared(route, answer);
      expect(answer.headers.has("Retry-After")).toBe([403, 429, 503].includes(status));
    }
  });

  it.each(cases)(
    "%s documents no status that it does not declare, but for those of any route",
    (_, route) => {
      const declared = [...Object.keys(route.answers).map(Number), 400, 401, 403, 413, 415, 429, 503];
      for (const status of errorsOf(route).keys()) expect(declared).toContain(status);
      expect(errorsOf(route).has(404)).toBe(404 in route.answers);
      if (paramsOf(route).length > 0) expect(route.answers).toHaveProperty("404");
    },
  );
});
