// How a request is read: bodies by their Content-Type, sizes, text that storage would change, methods, languages.
import { exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { BASE, type ErrorObject, TestApp } from "../harness.ts";

const JSON_TYPE = "application/json";
const FORM = "application/x-www-form-urlencoded";
const LIMIT = 64 * 1024;

async function shop(settings: Record<string, unknown> = {}) {
  const app = await TestApp.create({ settings });
  const charge = await app.charge();
  const path = `/v1/charges/${charge.id}/refunds`;
  /** Sends a refund's body exactly as given. */
  async function create(body: BodyInit | null, type: string | null) {
    const headers: Record<string, string> = { Authorization: `Bearer ${app.testKey}` };
    if (type !== null) headers["Content-Type"] = type;
    const response = await exports.default.fetch(`${BASE}${path}`, { method: "POST", headers, body });
    return { status: response.status, body: (await response.json()) as RefundObject & ErrorObject };
  }
  /** The charge is as it was recorded: nothing was refunded, nothing is held. */
  const untouched = async () => expect(await app.retrieveCharge(charge)).toEqual(charge);
  return { app, charge, path, create, untouched };
}

const bytes = (...parts: (string | number[])[]) =>
  new Uint8Array(
    parts.flatMap((part) => (typeof part === "string" ? [...new TextEncoder().encode(part)] : part)),
  );

describe("a body", () => {
  it.each([
    ["JSON", JSON_TYPE],
    ["JSON in capitals", "APPLICATION/JSON"],
    ["JSON with a charset", "application/json; charset=utf-8"],
    ["JSON with a charset and without a space", "Application/Json;Charset=UTF-8"],
    ["JSON with a space before the semicolon", "application/json ; charset=utf-8"],
  ])("is read as %s", async (_, type) => {
    const { create } = await shop();
    const answer = await create(JSON.stringify({ amount: 100, description: "退货" }), type);
    expect(answer).toMatchObject({ status: 200, body: { amount: 100, description: "退货" } });
  });

  it.each([
    ["a form", FORM],
    ["a form with a charset", "application/x-www-form-urlencoded; charset=UTF-8"],
    ["a form in capitals", "APPLICATION/X-WWW-FORM-URLENCODED"],
  ])("is read as %s: numbers as text, hashes in brackets", async (_, type) => {
    const { create } = await shop();
    const form =
      "amount=100&description=%E9%80%80%E8%B4%A7+now&metadata[color]=red&metadata%5Bsize%5D=42&extra[reason]=a%26b&refund_no=R-1&";
    expect(await create(form, type)).toMatchObject({
      status: 200,
      body: {
        amount: 100,
        description: "退货 now",
        metadata: { color: "red", size: "42" },
        extra: { reason: "a&b" },
        refund_no: "R-1",
      },
    });
  });

  it("may begin with a byte order mark", async () => {
    const { create } = await shop();
    const body = bytes([0xef, 0xbb, 0xbf], '{"amount":100,"description":"Returned"}');
    expect(await create(body, JSON_TYPE)).toMatchObject({ status: 200, body: { amount: 100 } });
  });

  it("of a whole `[]` stands for an empty object, not for a full refund", async () => {
    const { app, charge, create, untouched } = await shop();
    expect(await create("[]", JSON_TYPE)).toMatchObject({
      status: 400,
      body: { error: { param: "description" } },
    });
    await untouched();
    expect((await app.post(`/v1/charges/${charge.id}`, [])).status).toBe(200);
  });

  it.each([
    ["text/plain", "text/plain"],
    ["multipart", "multipart/form-data; boundary=x"],
    ["XML", "application/xml"],
    ["JSON's relatives", "application/json-patch+json"],
    ["no type at all", null],
    ["a type that only begins like JSON", "application/jsonp"],
    ["an empty type", ""],
  ])("of type %s is refused with 415", async (_, type) => {
    const { create, untouched } = await shop();
    const answer = await create(bytes('{"description":"Returned"}'), type);
    expect(answer).toMatchObject({ status: 415, body: { error: { type: "invalid_request_error" } } });
    await untouched();
  });

  it.each([
    ["cut off JSON", JSON_TYPE, '{"description":"Returned"'],
    ["white space for JSON", JSON_TYPE, " "],
    ["JSON with a comma too many", JSON_TYPE, '{"description":"Returned",}'],
    ["a form that says it is JSON", JSON_TYPE, "description=Returned"],
    ["an array", JSON_TYPE, '[{"description":"Returned"}]'],
    ["a string", JSON_TYPE, '"Returned"'],
    ["null", JSON_TYPE, "null"],
    ["NaN for an amount", JSON_TYPE, '{"amount":NaN,"description":"Returned"}'],
    ["bytes that are not UTF-8", JSON_TYPE, bytes('{"description":"', [0xff, 0xfe], '"}')],
    ["a surrogate in UTF-8", JSON_TYPE, bytes('{"description":"', [0xed, 0xa0, 0x80], '"}')],
    ["GBK", "application/json; charset=gbk", bytes('{"description":"', [0xcd, 0xcb, 0xbb, 0xf5], '"}')],
    ["a form with a broken escape", FORM, "description=Returned%zz"],
    ["a form that escapes bytes that are not UTF-8", FORM, "description=%ff"],
    ["a form that says a name twice", FORM, "amount=1&amount=100&description=Returned"],
    ["a form that uses a name both ways", FORM, "metadata=a&metadata[b]=c&description=Returned"],
    ["a form with an open bracket", FORM, "metadata[a=b&description=Returned"],
    ["a form that reaches for a prototype", FORM, "metadata[__proto__][a]=b&description=Returned"],
    ["a form that nests without end", FORM, `extra${"[a]".repeat(50)}=b&description=Returned`],
  ] as [string, string, BodyInit][])("that is %s is refused with 400", async (_, type, body) => {
    const { create, untouched } = await shop();
    const answer = await create(body, type);
    expect(answer).toMatchObject({ status: 400, body: { error: { type: "invalid_request_error" } } });
    await untouched();
  });

  describe.each([
    ["extra", (deep: string) => `{"amount":100,"description":"Returned","extra":{"a":${deep}}}`],
    ["metadata", (deep: string) => `{"amount":100,"description":"Returned","metadata":{"a":${deep}}}`],
    ["color", (deep: string) => `{"amount":100,"description":"Returned","color":${deep}}`],
    [
      "extra",
      (deep: string) => `{"description":"x","metadata":{"a":${"9".repeat(19)}},"extra":{"a":${deep}}}`,
    ],
  ])("whose %s nests", (param, around) => {
    it.each([30_000, 1_500, 101])("%d levels deep is refused with 400", async (levels) => {
      const { create, untouched } = await shop();
      const answer = await create(around("[".repeat(levels) + "]".repeat(levels)), JSON_TYPE);
      expect(answer).toMatchObject({ status: 400, body: { error: { param } } });
      await untouched();
    });
  });

  it("whose extra nests 99 levels deep is stored as it is", async () => {
    const { app, create } = await shop();
    const deep = "[".repeat(99) + "]".repeat(99);
    const { body } = await create(`{"description":"Returned","extra":{"a":${deep}}}`, JSON_TYPE);
    expect(JSON.stringify((await app.retrieveRefund(body)).extra)).toBe(`{"a":${deep}}`);
  });
});

describe("text that storage would change", () => {
  const refund = (fields: string) => `{"amount":100,"description":"Returned",${fields}}`;
  it.each([
    ["NUL in the description", '{"amount":100,"description":"a\\u0000b"}', "description"],
    ["a lone high surrogate in the description", '{"amount":100,"description":"a\\ud83d"}', "description"],
    ["a lone low surrogate in the description", '{"amount":100,"description":"\\ude00a"}', "description"],
    ["NUL in a value of metadata", refund('"metadata":{"a":"\\u0000"}'), "metadata"],
    ["a lone surrogate in a key of metadata", refund('"metadata":{"\\ud800":"a"}'), "metadata"],
    ["NUL in a nested key of extra", refund('"extra":{"a":[{"b\\u0000":1}]}'), "extra"],
    ["a lone surrogate in a nested value of extra", refund('"extra":{"a":{"b":["\\udc00"]}}'), "extra"],
    ["a number that is read as Infinity in extra", refund('"extra":{"a":[1e309]}'), "extra"],
    ["a number that is read as Infinity in metadata", refund('"metadata":{"a":-1e309}'), "metadata"],
    ["an amount that is read as Infinity", '{"amount":1e400,"description":"Returned"}', "amount"],
    ["a prototype in extra", refund('"extra":{"__proto__":{"a":1}}'), "extra"],
    ["NUL in the refund_no", refund('"refund_no":"R\\u0000"'), "refund_no"],
    ["NUL in a field that nobody reads", refund('"color":"\\u0000"'), "color"],
  ])("is refused: %s", async (_, body, param) => {
    const { create, untouched } = await shop();
    const answer = await create(body, JSON_TYPE);
    expect(answer).toMatchObject({ status: 400, body: { error: { type: "invalid_request_error", param } } });
    await untouched();
  });

  it("is refused in a form as well", async () => {
    const { create, untouched } = await shop();
    const answer = await create("amount=100&description=a%00b", FORM);
    expect(answer).toMatchObject({ status: 400, body: { error: { param: "description" } } });
    await untouched();
  });

  it("is refused in the name of a field too", async () => {
    const { create, untouched } = await shop();
    expect((await create(refund('"a\\ud800":1'), JSON_TYPE)).status).toBe(400);
    await untouched();
  });
});

describe("64 KiB", () => {
  const filled = (size: number) => `{"amount":100,"description":"Returned"}`.padEnd(size, " ");

  function streamed(size: number): ReadableStream {
    const whole = bytes(filled(size));
    let sent = 0;
    return new ReadableStream({
      pull(controller) {
        if (sent >= whole.byteLength) return controller.close();
        controller.enqueue(whole.slice(sent, sent + 10_000));
        sent += 10_000;
      },
    });
  }

  it("is the largest body, with a length announced", async () => {
    const { create } = await shop();
    expect(await create(filled(LIMIT), JSON_TYPE)).toMatchObject({ status: 200, body: { amount: 100 } });
  });

  it("is the largest body, streamed without a length", async () => {
    const { create } = await shop();
    expect(await create(streamed(LIMIT), JSON_TYPE)).toMatchObject({ status: 200, body: { amount: 100 } });
  });

  it.each([
    ["with a length announced", () => filled(LIMIT + 1)],
    ["streamed without a length", () => streamed(LIMIT + 1)],
    ["many times over", () => streamed(20 * LIMIT)],
  ])("and one byte more is refused with 413, %s", async (_, body) => {
    const { create, untouched } = await shop();
    const answer = await create(body(), JSON_TYPE);
    expect(answer).toMatchObject({ status: 413, body: { error: { type: "invalid_request_error" } } });
    await untouched();
  });

  it("is checked before the key", async () => {
    const { path } = await shop();
    const response = await exports.default.fetch(`${BASE}${path}`, {
      method: "POST",
      headers: { "Content-Type": JSON_TYPE },
      body: filled(LIMIT + 1),
    });
    expect(response.status).toBe(413);
  });
});

describe("a read", () => {
  it("may end in a bare ? and carry a form content type", async () => {
    const { app, charge, path } = await shop();
    await app.refund(charge, { amount: 100 });
    for (const address of [`/v1/charges/${charge.id}`, path, "/v1/charges", "/v1/events"]) {
      const plain = await app.get(address);
      const asSent = await app.get(`${address}?`, { headers: { "Content-Type": FORM } });
      expect([asSent.status, asSent.text]).toEqual([200, plain.text]);
    }
  });

  it("ignores query parameters it does not know", async () => {
    const { app, charge } = await shop();
    const { status, body } = await app.get(`/v1/charges/${charge.id}?expand[]=app&color=red&color=blue`);
    expect({ status, body }).toEqual({ status: 200, body: charge });
  });

  it("with HEAD answers like GET, without the body", async () => {
    const { app, charge, path } = await shop();
    for (const address of [`/v1/charges/${charge.id}`, path, "/v1/charges"]) {
      const answer = await app.send("HEAD", address);
      expect([answer.status, answer.text]).toEqual([200, ""]);
      expect(answer.headers.get("Content-Type")).toMatch(/^application\/json/);
      expect(answer.headers.get("Request-Id")).toMatch(/^iar_[0-9A-Za-z]{24}$/);
      expect(answer.headers.get("Cache-Control")).toBe("no-store");
    }
    expect((await app.send("HEAD", "/v1/charges/ch_000000000000000000000000")).status).toBe(404);
  });
});

describe("a method or a path that there is not", () => {
  it.each([
    ["OPTIONS", "/v1/charges", ["GET", "HEAD", "POST"]],
    ["PUT", "/v1/charges", ["GET", "HEAD", "POST"]],
    ["PATCH", "/v1/charges/ch_000000000000000000000000", ["GET", "HEAD", "POST"]],
    ["DELETE", "/v1/charges/ch_000000000000000000000000", ["GET", "HEAD", "POST"]],
    ["OPTIONS", "/v1/charges/ch_000000000000000000000000/refunds", ["GET", "HEAD", "POST"]],
    [
      "PUT",
      "/v1/charges/ch_000000000000000000000000/refunds/re_000000000000000000000000",
      ["GET", "HEAD", "POST"],
    ],
    ["POST", "/v1/refunds/summary", ["GET", "HEAD"]],
    ["POST", "/v1/events", ["GET", "HEAD"]],
    ["GET", "/v1/test_helpers/refunds/re_000000000000000000000000/succeed", ["POST"]],
  ])("%s %s is answered with 405 and Allow", async (method, path, allow) => {
    const app = await TestApp.create();
    const answer = await app.send(method, path);
    expect(answer.status).toBe(405);
    expect(answer.body.error.type).toBe("invalid_request_error");
    expect(answer.headers.get("Allow")?.split(", ").sort()).toEqual(allow);
    expect(answer.headers.has("Access-Control-Allow-Origin")).toBe(false);
  });

  it.each([
    ["GET", "/v1/refund"],
    ["POST", "/v1/charges/"],
    ["GET", "/v1/charges/ch_000000000000000000000000/refunds/"],
    ["GET", "/v2/charges"],
    ["GET", "/"],
    ["DELETE", "/v1/no/such/place"],
    ["GET", "/v1/%E0%A4%A"],
  ])("%s %s is answered with 404", async (method, path) => {
    const app = await TestApp.create();
    const { status, body } = await app.send(method, path);
    expect(status).toBe(404);
    expect(Object.keys(body.error)).toEqual(["type", "message"]);
    expect(body.error.type).toBe("invalid_request_error");
  });

  it("is answered with 404 where only the id cannot be one", async () => {
    const app = await TestApp.create();
    for (const id of [
      "ch_short",
      "re_000000000000000000000000",
      "%E0%A4%A",
      "%00",
      "退款",
      "ch_00000000000000000000000%0a",
    ]) {
      const { status, body } = await app.get(`/v1/charges/${id}`);
      expect({ id, status, param: body.error.param }).toEqual({ id, status: 404, param: "id" });
    }
  });
});

describe("a message", () => {
  const unknown = "ch_000000000000000000000000";
  const zh = `未找到 charge : ${unknown}。`;
  const en = `No such charge: ${unknown}.`;

  it.each([
    ["Chinese unless somebody says otherwise", "zh", undefined, zh],
    ["English where Accept-Language asks for it", "zh", "en-US,en;q=0.9", en],
    ["Chinese where it is liked better", "zh", "en;q=0.5, zh-CN", zh],
    ["English where Chinese is liked less", "zh", "zh;q=0.1, en;q=0.2", en],
    ["Chinese for readers of neither", "zh", "fr-FR, de;q=0.5", zh],
    ["English where the app has set so", "en", undefined, en],
    ["Chinese on request where the app has set English", "en", "zh-TW", zh],
    ["not in a language that is refused", "zh", "en;q=0", zh],
  ])("is %s", async (_, language, header, text) => {
    const app = await TestApp.create({ settings: { language } });
    const headers: Record<string, string> = header === undefined ? {} : { "Accept-Language": header };
    const { status, body } = await app.get(`/v1/charges/${unknown}`, { headers });
    expect({ status, body }).toEqual({
      status: 404,
      body: { error: { type: "invalid_request_error", message: text, param: "id" } },
    });
  });

  it("names an unknown refund in the words that clients match", async () => {
    const { app, path } = await shop();
    const refund = "re_000000000000000000000000";
    expect((await app.get(`${path}/${refund}`)).body).toEqual({
      error: { type: "invalid_request_error", message: `未找到 refund : ${refund}。`, param: "id" },
    });
  });

  it.each([
    ["sk_test_000000000000000000000000", "提供了无效的 API KEY: sk_test_*************************。"],
    ["sk_live_000000000000000000000000", "提供了无效的 API KEY: sk_live_*************************。"],
    ["sk_test_tooshort", "提供了无效的 API KEY: sk_test_*************************。"],
    ["whatever", "提供了无效的 API KEY: *************************。"],
  ])("of a bad key masks it: %s", async (key, message) => {
    const app = await TestApp.create();
    for (const scheme of [`Bearer ${key}`, `Basic ${btoa(`${key}:`)}`]) {
      const { status, body } = await app.get("/v1/charges", { headers: { Authorization: scheme } });
      expect({ status, body }).toEqual({
        status: 401,
        body: { error: { type: "invalid_request_error", message } },
      });
    }
  });
});

describe("a key", () => {
  it("opens the door as the user name of Basic and as a Bearer token", async () => {
    const app = await TestApp.create();
    for (const Authorization of [
      `Bearer ${app.testKey}`,
      `bearer ${app.testKey}`,
      `Basic ${btoa(`${app.testKey}:`)}`,
      `Basic ${btoa(app.testKey)}`,
    ]) {
      expect((await app.get("/v1/charges", { headers: { Authorization } })).status).toBe(200);
    }
  });

  it("works with the version headers of every SDK, Go's misspelling included", async () => {
    const app = await TestApp.create();
    const headers = { "Pingplusplus-Version": "2015-10-10", "Pingpluspplus-Version": "2015-10-10" };
    expect((await app.get("/v1/charges", { headers })).status).toBe(200);
  });
});
