// A signed request is good for what it says and nothing else (S4): bent in any one way, it is refused and stores nothing.
// A Ping++ route takes the same request again and does nothing twice; a route of ours takes it once.
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { mintId } from "../../src/ids.ts";
import { generateSigningKeyPair, pingppSignature } from "../../src/webhooks/signature.ts";
import { storedRows } from "../books.ts";
import { Dice } from "../emulators/dice.ts";
import { expectError } from "../exam.ts";
import { type Answer, type ErrorObject, random, TestApp } from "../harness.ts";

const SEED = 1;
const BENT = 400;

interface Signed {
  method: string;
  path: string;
  body: string;
  timestamp: string;
  signature: string;
  by: TestApp;
  live: boolean;
}

let app: TestApp;
/** Has the same key pair on file: only the app is another. */
let twin: TestApp;
/** Has a key pair of its own. */
let stranger: TestApp;
let privateKey: string;
let charge: { id: string };
let twinsCharge: { id: string };
let endpoint: { id: string };

const seconds = () => Math.floor(Date.now() / 1000);

async function signed(
  method: string,
  path: string,
  body: string,
  options: { own?: boolean; timestamp?: number } = {},
): Promise<Signed> {
  const timestamp = String(options.timestamp ?? seconds());
  const text = `${body}${path}${timestamp}${options.own ? method : ""}`;
  return {
    method,
    path,
    body,
    timestamp,
    signature: await pingppSignature(privateKey, text),
    by: app,
    live: false,
  };
}

function send({ method, path, body, timestamp, signature, by, live }: Signed) {
  return by.send(method, path, {
    body: method === "GET" ? undefined : body,
    live,
    headers: { "Pingplusplus-Request-Timestamp": timestamp, "Pingplusplus-Signature": signature },
  });
}

const refundBody = () => JSON.stringify({ amount: 1, description: mintId("refund", random) });
const endpointBody = () =>
  JSON.stringify({ url: `https://shop.example.com/${mintId("endpoint", random)}`, status: "disabled" });

beforeAll(async () => {
  const [pair, theirs] = [await generateSigningKeyPair(), await generateSigningKeyPair()];
  privateKey = pair.privateKey;
  // Their keys are put on file once their charges are recorded, which needs no signature.
  app = await TestApp.create({ settings: { public_key: pair.publicKey } });
  twin = await TestApp.create({ settings: { public_key: pair.publicKey } });
  stranger = await TestApp.create({ settings: { public_key: theirs.publicKey } });
  const order = JSON.stringify({ order_no: mintId("charge", random), channel: "wx", amount: 1_000_000 });
  const recording = await signed("POST", "/v1/charges", order);
  charge = (await send(recording)).body as unknown as { id: string };
  twinsCharge = (await send({ ...recording, by: twin })).body as unknown as { id: string };
  const made = await send(await signed("POST", "/v1/webhook_endpoints", endpointBody(), { own: true }));
  expect(made.status).toBe(200);
  endpoint = made.body as unknown as { id: string };
});

afterAll(() => void vi.restoreAllMocks());

/** One thing changed about a request after it was signed. */
const BENDS: Record<string, (request: Signed, dice: Dice) => Signed> = {
  "another method": (request, dice) => ({
    ...request,
    method: dice.pick(["POST", "DELETE"].filter((method) => method !== request.method)),
  }),
  "another route": (request, dice) => ({
    ...request,
    method: "POST",
    path: dice.pick(
      [
        "/v1/charges",
        `/v1/charges/${charge.id}`,
        `/v1/charges/${charge.id}/disputes`,
        "/v1/webhook_endpoints",
        `/v1/webhook_endpoints/${endpoint.id}`,
        `/v1/webhook_endpoints/${endpoint.id}/roll_secret`,
      ].filter((path) => path !== request.path),
    ),
  }),
  "a query added": (request, dice) => ({
    ...request,
    path: request.path + dice.pick(["?", "?a=b", "?limit=1", "?%20"]),
  }),
  "an escape in the path": (request) => ({
    ...request,
    path: request.path.replace("/v1/c", "/v1/%63").replace("/v1/w", "/v1/%77"),
  }),
  "another charge": (request) => ({
    ...request,
    path: request.path.includes("/charges/") ? `/v1/charges/${twinsCharge.id}/refunds` : `${request.path}/x`,
  }),
  "another body": (request, dice) => ({
    ...request,
    body: dice.pick(
      [
        request.body.replace('"amount":1', '"amount":100'),
        `${request.body} `,
        ` ${request.body}`,
        request.body.replace("}", ',"color":1}'),
        "",
        "{}",
        "{",
      ].filter((body) => body !== request.body),
    ),
  }),
  "bytes moved from the body to the path": (request) => ({
    ...request,
    body: request.body.slice(0, -1),
    path: `/}${request.path}`,
  }),
  "a digit moved from the timestamp to the path": (request) => ({
    ...request,
    path: request.path + request.timestamp.slice(0, 1),
    timestamp: request.timestamp.slice(1),
  }),
  "another timestamp": (request, dice) => ({
    ...request,
    timestamp: String(Number(request.timestamp) + dice.pick([-1, 1, 299, -299, 301, -301])),
  }),
  "a timestamp spelt otherwise": (request, dice) => ({
    ...request,
    timestamp: dice.pick([
      `0${request.timestamp}`,
      `${request.timestamp}.0`,
      `+${request.timestamp}`,
      "",
      "1e9",
    ]),
  }),
  "a byte of the signature": (request, dice) => {
    const at = dice.between(0, 300);
    const other = request.signature[at] === "A" ? "B" : "A";
    return {
      ...request,
      signature: request.signature.slice(0, at) + other + request.signature.slice(at + 1),
    };
  },
  "a signature cut or doubled": (request, dice) => ({
    ...request,
    signature: dice.pick([
      request.signature.slice(0, 200),
      request.signature + request.signature,
      "",
      "AAAA",
    ]),
  }),
  "another app with another key": (request) => ({ ...request, by: stranger }),
};

it(`of ${BENT} signed requests that were bent, none is believed and none stores anything (S4)`, {
  timeout: 120_000,
}, async () => {
  const dice = new Dice(SEED);
  const before = await storedRows();
  for (let i = 0; i < BENT; i++) {
    const own = dice.chance(0.5);
    const request = own
      ? await signed("POST", "/v1/webhook_endpoints", endpointBody(), { own })
      : await signed("POST", `/v1/charges/${charge.id}/refunds`, refundBody());
    const name = dice.pick(Object.keys(BENDS));
    const answer = await send((BENDS[name] as (request: Signed, dice: Dice) => Signed)(request, dice));
    // A path or a method that there is not is refused before anybody looks at a signature.
    expect([401, 404, 405], `${name} of seed ${SEED}, index ${i}: ${answer.text}`).toContain(answer.status);
    expectError(answer, answer.status);
    if (answer.status === 401) expect(answer.body.error.code).toBe("signature_invalid");
  }
  expect(await storedRows()).toEqual(before);
});

it.each([-310, -3600, 310, 3600, -1_000_000_000])(
  "a request that was signed %d s from now is refused, however true its signature (S4, E41)",
  async (shift) => {
    const before = await storedRows();
    const stale = await signed("POST", `/v1/charges/${charge.id}/refunds`, refundBody(), {
      timestamp: seconds() + shift,
    });
    expectError(await send(stale), 401);
    expect(await storedRows()).toEqual(before);
  },
);

it("a signed refund of one app is not taken for another app's that has the same key on file (S4)", async () => {
  const before = await storedRows();
  const request = await signed("POST", `/v1/charges/${charge.id}/refunds`, refundBody());
  expectError(await send({ ...request, by: twin }), 404);
  expectError(await send({ ...request, live: true }), 404);
  expect(await storedRows()).toEqual(before);
});

it("a signed refund that is sent ten times at once is one refund", async () => {
  const request = await signed("POST", `/v1/charges/${charge.id}/refunds`, refundBody());
  const answers = (await Promise.all(Array.from({ length: 10 }, () => send(request)))) as unknown as Answer<
    ErrorObject & { id: string }
  >[];
  expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
});

it("a signature of ours is used up by the first request, whatever spelling of it comes next (S4)", async () => {
  const request = await signed("POST", "/v1/webhook_endpoints", endpointBody(), { own: true });
  expect((await send(request)).status).toBe(200);
  const { signature } = request;
  // Other texts for the same bytes: no padding, and white space, which base64 here reads over.
  for (const spelt of [
    signature,
    signature.replace(/=+$/, ""),
    `${signature.slice(0, 9)} ${signature.slice(9)}`,
  ]) {
    expectError(await send({ ...request, signature: spelt }), 401);
  }
});
