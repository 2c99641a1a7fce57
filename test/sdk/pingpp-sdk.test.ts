// Ping++'s own Node SDK, unmodified, against the Worker under wrangler dev: the acid test of the wire contract.
import { generateKeyPairSync } from "node:crypto";
import { createServer, type IncomingMessage, request, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Charge,
  openShop,
  pemOf,
  type Refund,
  type Sdk,
  type SdkError,
  type Shop,
  type ShopName,
  signatureOf,
  token,
} from "./shop.ts";

let shop: Shop;

beforeAll(async () => {
  shop = await openShop();
});

afterAll(async () => {
  await shop?.close();
});

const errorOf = (promise: Promise<unknown>): Promise<SdkError> =>
  promise.then(
    () => Promise.reject(new Error("it was answered")),
    (error: SdkError) => error,
  );

/** Asks until an answer satisfies; the deadline is the test's. */
async function until<Value>(ask: () => Promise<Value>, satisfies: (value: Value) => boolean): Promise<Value> {
  for (;;) {
    const value = await ask();
    if (satisfies(value)) return value;
  }
}

describe("an app with its public key on file", () => {
  let sdk: Sdk;
  let charge: Charge;
  let refund: Refund;

  beforeAll(async () => {
    sdk = shop.client("signing");
    charge = await sdk.charges.create(shop.payment("signing", { metadata: { color: "红" } }));
    refund = await sdk.charges.createRefund(charge.id, {
      amount: 100,
      description: "Refund Description 退款",
      metadata: { reason: "size" },
    });
  });

  test("records a charge", () => {
    expect(charge).toMatchObject({
      object: "charge",
      livemode: false,
      paid: true,
      refunded: false,
      app: shop.apps.signing.app,
      amount: 10_000,
      metadata: { color: "红" },
      amount_refunded: 0,
      refunds: { object: "list", url: `/v1/charges/${charge.id}/refunds`, has_more: false, data: [] },
    });
    expect(charge.id).toMatch(/^ch_[0-9A-Za-z]{24}$/);
  });

  test("creates a refund and reads it back", async () => {
    expect(refund).toMatchObject({
      object: "refund",
      amount: 100,
      succeed: true,
      status: "succeeded",
      description: "Refund Description 退款",
      failure_code: null,
      failure_msg: null,
      metadata: { reason: "size" },
      charge: charge.id,
      charge_order_no: charge.order_no,
      app: shop.apps.signing.app,
    });
    expect(refund.id).toBe(`re_${refund.order_no}`);
    expect(await sdk.charges.retrieveRefund(charge.id, refund.id)).toEqual(refund);
  });

  test("lists its refunds page by page", async () => {
    const second = await sdk.charges.createRefund(charge.id, { amount: 200, description: "second" });
    const newest = await sdk.charges.listRefunds(charge.id, { limit: 1 });
    expect(newest).toEqual({
      object: "list",
      url: `/v1/charges/${charge.id}/refunds`,
      has_more: true,
      data: [second],
    });
    const rest = await sdk.charges.listRefunds(charge.id, { limit: 1, starting_after: second.id });
    expect(rest).toMatchObject({ has_more: false, data: [{ id: refund.id }] });
    const all = await sdk.charges.listRefunds(charge.id);
    expect(all.data.map(({ id }) => id)).toEqual([second.id, refund.id]);
  });

  test("retrieves a charge with its refunds, and finds it among its charges", async () => {
    const read = await sdk.charges.retrieve(charge.id);
    expect(read).toMatchObject({ id: charge.id, refunded: true });
    expect(read.refunds.data.map(({ id }) => id)).toContain(refund.id);
    const listed = await until(
      () => sdk.charges.list({ app: { id: shop.apps.signing.app }, limit: 100 }),
      ({ data }) => data.some(({ id }) => id === charge.id),
    );
    expect(listed).toMatchObject({ object: "list", url: "/v1/charges" });
  });

  test("retrieves the event of a refund", async () => {
    interface Listed {
      id: string;
      type: string;
      data: { object: Refund };
    }
    const headers = { Authorization: `Bearer ${shop.apps.signing.testKey}` };
    const listed = await until(
      async () => {
        const answer = await fetch(`${shop.url}/v1/events?type=refund.succeeded`, { headers });
        return ((await answer.json()) as { data: Listed[] }).data;
      },
      (events) => events.some(({ data }) => data.object.id === refund.id),
    );
    const event = listed.find(({ data }) => data.object.id === refund.id);
    expect(await sdk.events.retrieve(event?.id ?? "")).toMatchObject({
      object: "event",
      id: event?.id,
      type: "refund.succeeded",
      livemode: false,
      data: { object: refund },
    });
  });

  test("refunds what is left when no amount is given, and then nothing more", async () => {
    const paid = await sdk.charges.create(shop.payment("signing"));
    expect(await sdk.charges.createRefund(paid.id, { description: "everything" })).toMatchObject({
      amount: 10_000,
    });
    const error = await errorOf(sdk.charges.createRefund(paid.id, { description: "more" }));
    expect(error).toMatchObject({
      type: "PingppInvalidRequest",
      message: `不能对订单号 ${paid.order_no} 发起退款，因为已经全额退款了。Charge id: ${paid.id}。`,
    });
    expect(error.code).toBeUndefined();
  });

  test("is told of refusals in the SDK's own error types", async () => {
    const paid = await sdk.charges.create(shop.payment("signing"));
    const refuse = (body: Record<string, unknown>) => errorOf(sdk.charges.createRefund(paid.id, body));
    expect(await refuse({ amount: 10_001, description: "too much" })).toMatchObject({
      type: "PingppInvalidRequest",
      rawType: "invalid_request_error",
      code: "refund_amount_exceeded",
    });
    expect(await refuse({ amount: "100", description: "a string" })).toMatchObject({
      type: "PingppInvalidRequest",
      param: "amount",
    });
    expect(await refuse({ amount: 100 })).toMatchObject({
      type: "PingppInvalidRequest",
      param: "description",
    });
    const unknown = `ch_${token()}`;
    expect(await errorOf(sdk.charges.retrieve(unknown))).toMatchObject({
      type: "PingppInvalidRequest",
      param: "id",
      message: `未找到 charge : ${unknown}。`,
    });
  });

  test("reverses a charge with charges.reverse: once, and nothing can be refunded after it", async () => {
    const whole = await sdk.charges.create(shop.payment("signing"));
    const reversed = await sdk.charges.reverse(whole.id);
    expect(reversed).toMatchObject({
      id: whole.id,
      object: "charge",
      reversed: true,
      refunded: true,
      amount_refunded: 10_000,
      refunds: { data: [{ amount: 10_000, status: "succeeded", charge: whole.id }] },
    });
    expect(await sdk.charges.reverse(whole.id)).toEqual(reversed);
    expect(await sdk.charges.retrieve(whole.id)).toEqual(reversed);
    const late = await errorOf(sdk.charges.createRefund(whole.id, { amount: 1, description: "late" }));
    expect(late).toMatchObject({ rawType: "invalid_request_error", code: "charge_reversed" });
    const [refund] = reversed.refunds.data;
    expect(await sdk.charges.retrieveRefund(whole.id, refund?.id ?? "")).toEqual(refund);
  });

  test("is told why a charge cannot be reversed", async () => {
    const part = await sdk.charges.create(shop.payment("signing"));
    await sdk.charges.createRefund(part.id, { amount: 1, description: "part" });
    expect(await errorOf(sdk.charges.reverse(part.id))).toMatchObject({
      rawType: "invalid_request_error",
      code: "charge_not_reversible",
    });
    expect(await sdk.charges.retrieve(part.id)).toMatchObject({ reversed: false, amount_refunded: 1 });
  });

  test("cannot use a wrong key, or sign with a wrong one, or not at all", async () => {
    const wrongKey = await errorOf(sdk.charges.retrieve(charge.id, `sk_test_${token()}`));
    expect(wrongKey).toMatchObject({
      type: "PingppAuthenticationError",
      message: "提供了无效的 API KEY: sk_test_*************************。",
    });
    const stranger = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
    for (const pem of [pemOf(stranger), null]) {
      const other = shop.client("signing");
      other.setPrivateKey(pem);
      const refused = await errorOf(other.charges.createRefund(charge.id, { amount: 1, description: "x" }));
      expect(refused).toMatchObject({ type: "PingppAuthenticationError", code: "signature_invalid" });
    }
  });

  test("is told when the channel cannot be asked", async () => {
    const live = shop.payment("signing", { paid: true, transaction_no: token() });
    const paid = await sdk.charges.create(live, shop.apps.signing.liveKey);
    const body = { amount: 100, description: "no account" };
    expect(await errorOf(sdk.charges.createRefund(paid.id, body, shop.apps.signing.liveKey))).toMatchObject({
      type: "PingppChannelError",
      code: "channel_not_configured",
    });
  });
});

describe("behind a proxy that swaps an answer for an HTML 502", () => {
  const proxies: Server[] = [];

  afterAll(() => {
    for (const proxy of proxies) proxy.close();
  });

  /** Passes requests on as they are; the first POST of a refund gets an HTML 502, before or after it was answered. */
  async function proxied(moment: "before" | "after"): Promise<{ at: number; repeats: () => number }> {
    let refunds = 0;
    const proxy = createServer(async (incoming, outgoing) => {
      const isRefund = incoming.method === "POST" && /\/refunds$/.test(incoming.url ?? "");
      if (isRefund) refunds++;
      const spoiled = isRefund && refunds === 1;
      const badGateway = () => {
        outgoing.writeHead(502, { "Content-Type": "text/html" });
        outgoing.end("<html><body><h1>502 Bad Gateway</h1></body></html>");
      };
      const body = await buffer(incoming);
      if (spoiled && moment === "before") badGateway();
      const { method, url: path, headers } = incoming;
      const answer = await new Promise<IncomingMessage>((resolve, reject) => {
        request({ port: shop.port, host: "127.0.0.1", method, path, headers }, resolve)
          .on("error", reject)
          .end(body);
      });
      const bytes = await buffer(answer);
      if (spoiled) {
        if (moment === "after") badGateway();
        return;
      }
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers).end(bytes);
    });
    proxies.push(proxy);
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    return { at: (proxy.address() as AddressInfo).port, repeats: () => refunds - 1 };
  }

  describe.each(["before", "after"] as const)("put in %s the real one", (moment) => {
    test.each<[string, ShopName]>([
      ["a signed request", "signing"],
      ["an unsigned request, told by its body and timestamp,", "unsigned"],
    ])("E3 (a): %s that the SDK repeats is one refund", async (_, name) => {
      const direct = shop.client(name);
      const charge = await direct.charges.create(shop.payment(name));
      const { at, repeats } = await proxied(moment);
      const refund = await shop.client(name, at).charges.createRefund(charge.id, {
        amount: 100,
        description: "once",
      });
      expect(repeats()).toBe(1);
      expect(refund).toMatchObject({ amount: 100, charge: charge.id });
      const { data } = await direct.charges.listRefunds(charge.id);
      expect(data.map(({ id }) => id)).toEqual([refund.id]);
    });
  });
});

describe("repeats of other SDKs, which sign anew each time", () => {
  let clock = Math.floor(Date.now() / 1000);

  /** A refund as Ping++'s Java SDK sends it, at another second than any before. */
  async function post(
    name: ShopName,
    charge: string,
    body: Record<string, unknown>,
    agent = "Pingpp Java SDK",
  ) {
    const uri = `/v1/charges/${charge}/refunds`;
    const text = JSON.stringify(body);
    const timestamp = String(--clock);
    const headers: Record<string, string> = {
      Authorization: `Basic ${btoa(`${shop.apps[name].testKey}:`)}`,
      "Content-Type": "application/json; charset=UTF-8",
      "User-Agent": agent,
      "Pingplusplus-Request-Timestamp": timestamp,
    };
    if (name === "signing") {
      headers["Pingplusplus-Signature"] = signatureOf(text + uri + timestamp);
    }
    const answer = await fetch(shop.url + uri, { method: "POST", headers, body: text });
    expect(answer.status).toBe(200);
    return { id: ((await answer.json()) as Refund).id, replayed: answer.headers.get("Idempotent-Replayed") };
  }

  const body = { amount: 100, description: "again" };
  const paid = async (name: ShopName) => (await shop.client(name).charges.create(shop.payment(name))).id;

  test("E3 (a): the same body with the same timestamp is one refund, whoever sends it", async () => {
    const charge = await paid("unwindowed");
    const first = await post("unwindowed", charge, body, "curl/8");
    clock++; // The same second once more.
    const second = await post("unwindowed", charge, body, "curl/8");
    expect(second).toEqual({ id: first.id, replayed: "inferred" });
  });

  test("E3 (b): from a Pingpp agent within the duplicate window they are one refund", async () => {
    const charge = await paid("signing");
    const first = await post("signing", charge, body, "Pingpp/v1 JavaBindings/2.1.6");
    const second = await post("signing", charge, body, "Pingpp/v1 JavaBindings/2.1.6");
    expect(first.replayed).toBeNull();
    expect(second).toEqual({ id: first.id, replayed: "inferred" });
  });

  test("E3 (b): from others they are two", async () => {
    const charge = await paid("signing");
    const first = await post("signing", charge, body, "okhttp/4");
    const second = await post("signing", charge, body, "okhttp/4");
    expect(second.id).not.toBe(first.id);
  });

  test("E3 (c): with different refund_no they are two, always", async () => {
    const charge = await paid("signing");
    const agent = "Pingpp/v1 JavaBindings/2.1.6";
    const first = await post("signing", charge, { ...body, refund_no: "a" }, agent);
    clock++; // The same second once more.
    const second = await post("signing", charge, { ...body, refund_no: "b" }, agent);
    expect(second.id).not.toBe(first.id);
    const { data } = await shop.client("signing").charges.listRefunds(charge);
    expect(data.map(({ id }) => id)).toEqual([second.id, first.id]);
  });

  test("E3 (d): after the duplicate window they are two", async () => {
    const charge = await paid("unwindowed");
    const agent = "Pingpp/v1 JavaBindings/2.1.6";
    const first = await post("unwindowed", charge, body, agent);
    const second = await post("unwindowed", charge, body, agent);
    expect(second.id).not.toBe(first.id);
  });
});

test("a signature covers the path as it was sent, with its bare question mark and its case of escapes", async () => {
  const charge = (await shop.client("signing").charges.create(shop.payment("signing"))).id;
  const uri = `/v1/charges/${charge}?expand%5b%5d=app&x=%E9%80%80+&`;
  const timestamp = String(Math.floor(Date.now() / 1000));
  const get = (signedUri: string) => {
    return statusOf(uri, [
      `Authorization: Bearer ${shop.apps.signing.testKey}`,
      `Pingplusplus-Signature: ${signatureOf(signedUri + timestamp)}`,
      `Pingplusplus-Request-Timestamp: ${timestamp}`,
    ]);
  };
  expect(await get(uri)).toBe(200);
  expect(await get(uri.toUpperCase())).toBe(401);
});

/** The status of a GET written by hand: a client library might normalise the path. */
function statusOf(uri: string, headers: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(shop.port, "127.0.0.1", () => {
      const lines = [`GET ${uri} HTTP/1.1`, "Host: 127.0.0.1", "Connection: close", ...headers, "", ""];
      socket.write(lines.join("\r\n"));
    });
    socket.once("data", (bytes) => {
      resolve(Number(bytes.toString("latin1").split(" ")[1]));
      socket.destroy();
    });
    socket.once("error", reject);
  });
}
