// From bytes to an object: what cannot be read is refused, never taken for an empty body.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BODY_BYTES_MAX, type Decoded, decodeBody, readBody } from "../../src/http/decode-body.ts";
import { type Problem, ProblemError, renderProblem } from "../../src/http/problem.ts";
import { isStorableDeep } from "../../src/http/storable.ts";

const JSON_TYPE = "application/json";
const FORM_TYPE = "application/x-www-form-urlencoded";
const bytes = (text: string) => new TextEncoder().encode(text);

/** What was decoded, or the problem. Anything else that is thrown fails the test. */
function decode(body: string | Uint8Array, type: string | null = JSON_TYPE): Decoded | Problem {
  try {
    return decodeBody(typeof body === "string" ? bytes(body) : body, type);
  } catch (error) {
    if (error instanceof ProblemError) return error.problem;
    throw error;
  }
}

const json = (text: string) => decode(text, JSON_TYPE);
const form = (text: string) => decode(text, FORM_TYPE);
const asForm = (value: unknown) => ({ value, form: true });
const malformed = (reason: string) => ({ code: "malformed_body", reason });

describe("a JSON body", () => {
  it.each([
    "application/json",
    "Application/JSON",
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    " application/json ",
  ])("is one under the content type %j", (type) => {
    expect(decode('{"amount":1}', type)).toEqual({ value: { amount: 1 }, form: false });
  });

  it("E23: keeps its types: nothing is coerced", () => {
    expect(json('{"amount":"100","a":1.5,"b":true,"c":null}')).toEqual({
      value: { amount: "100", a: 1.5, b: true, c: null },
      form: false,
    });
  });

  it("is empty as PHP's [] and as no bytes at all", () => {
    expect(json("[]")).toEqual({ value: {}, form: false });
    expect(json("[ ]")).toEqual({ value: {}, form: false });
    expect(decode("", null)).toEqual({ value: {}, form: false });
  });

  it.each(["", "text/plain", "application/jsonx", "multipart/form-data", "text/json", "application/x-json"])(
    "S1: is not read under the content type %j",
    (type) => {
      expect(decode('{"amount":1}', type)).toEqual({ code: "unsupported_media_type" });
      expect(decode('{"amount":1}', null)).toEqual({ code: "unsupported_media_type" });
    },
  );

  it.each(["[1]", '"text"', "1", "null", "true", "[{}]"])("is refused when it is %s", (text) => {
    expect(json(text)).toEqual(malformed("not_an_object"));
  });

  it.each(["{", "{}x", " ", "{'a':1}", "NaN", '{"amount":NaN}', "amount=1"])(
    "is refused when it is %j",
    (text) => {
      expect(json(text)).toEqual(malformed("json"));
    },
  );

  it("is refused when it is not UTF-8", () => {
    expect(decode(Uint8Array.of(0x7b, 0xff, 0x7d))).toEqual(malformed("utf8"));
  });

  it.each([
    ["NUL in a value", '{"a":"x\\u0000"}'],
    ["NUL in a nested key", '{"a":{"x\\u0000":1}}'],
    ["a lone surrogate", '{"a":"\\ud800"}'],
    ["a lone surrogate in a list", '{"a":["\\udc00"]}'],
    ["__proto__ further in", '{"a":{"__proto__":1}}'],
    ["101 levels", `{"a":${"[".repeat(101)}${"]".repeat(101)}}`],
  ])("is refused for %s, naming the field", (_, text) => {
    expect(json(text)).toMatchObject({ code: "invalid_parameter", param: "a" });
  });

  it("is refused for __proto__ as a field", () => {
    expect(json('{"__proto__":{"amount":1}}')).toMatchObject({ code: "invalid_parameter" });
  });

  it("may nest 100 levels and hold any storable character", () => {
    const deep = `{"a":${"[".repeat(100)}${"]".repeat(100)},"b":"订单 😀"}`;
    expect(json(deep)).toMatchObject({ value: { b: "订单 😀" } });
  });

  it("of 64 KiB of brackets is refused without exhausting the stack", () => {
    expect(json("[".repeat(BODY_BYTES_MAX))).toEqual(malformed("json"));
    const half = BODY_BYTES_MAX / 2 - 3;
    expect(json(`{"a":${"[".repeat(half)}${"]".repeat(half)}}`)).toMatchObject({ code: "invalid_parameter" });
  });
});

describe("a form", () => {
  it("nests by brackets, its values strings", () => {
    expect(form("amount=100&metadata[color]=red&metadata[size]=42&extra[a][b]=c")).toEqual(
      asForm({ amount: "100", metadata: { color: "red", size: "42" }, extra: { a: { b: "c" } } }),
    );
  });

  it("repeats a list by empty brackets", () => {
    expect(form("a[]=1&a[]=2")).toEqual(asForm({ a: ["1", "2"] }));
  });

  it("decodes plus and percent, in names as in values", () => {
    expect(form("description=not+a%26b%3D%E8%AE%A2&metadata%5Ba+b%5D=%2B")).toEqual(
      asForm({ description: "not a&b=订", metadata: { "a b": "+" } }),
    );
  });

  it("takes a name without a value for an empty one, and forgives empty pairs", () => {
    expect(form("a&b=&&c=1&")).toEqual(asForm({ a: "", b: "", c: "1" }));
  });

  it("keeps what stands after the first equals sign", () => {
    expect(form("a=b=c")).toEqual(asForm({ a: "b=c" }));
  });

  it.each([
    ["the same name twice", "amount=1&amount=2"],
    ["the same nested name twice", "m[a]=1&m[a]=2"],
    ["a value where a hash is", "m[a]=1&m=2"],
    ["a hash where a value is", "m=1&m[a]=2"],
    ["a list that is a hash", "m[]=1&m[a]=2"],
    ["a hash that is a list", "m[a]=1&m[]=2"],
    ["a list of hashes", "m[][a]=1"],
    ["no name", "=1"],
    ["a bracket that is not closed", "m[a=1"],
    ["a bracket that was not opened", "ma]=1"],
    ["text after a bracket", "m[a]b=1"],
    ["brackets alone", "[a]=1"],
    ["a bad percent", "a=%zz"],
    ["a percent that is no UTF-8", "a=%ff"],
    ["__proto__", "__proto__=1"],
    ["__proto__ further in", "m[__proto__]=1"],
    ["six levels", "a[b][c][d][e][f]=1"],
  ])("is refused for %s", (_, text) => {
    expect(form(text)).toEqual(malformed("form"));
  });

  it("may go five levels deep", () => {
    expect(form("a[b][c][d][e]=1")).toEqual(asForm({ a: { b: { c: { d: { e: "1" } } } } }));
  });

  it("takes names of an object's own properties for plain names", () => {
    expect(form("constructor=1&toString[a]=2&hasOwnProperty=3")).toEqual(
      asForm({ constructor: "1", toString: { a: "2" }, hasOwnProperty: "3" }),
    );
  });

  it("is refused for NUL, naming the field", () => {
    expect(form("a=%00")).toMatchObject({ code: "invalid_parameter", param: "a" });
  });

  const text = fc
    .string({ unit: "binary", maxLength: 12 })
    .filter((value) => value.isWellFormed() && !value.includes("\0"));
  const name = text.filter((value) => value !== "" && value !== "__proto__" && !/[[\]]/.test(value));
  const hash = (levels: number): fc.Arbitrary<Record<string, unknown>> =>
    fc.dictionary(
      name,
      levels === 1
        ? text
        : fc.oneof(text, fc.array(text, { minLength: 1, maxLength: 3 }), hashNotEmpty(levels - 1)),
      { maxKeys: 4, noNullPrototype: true },
    );
  const hashNotEmpty = (levels: number) => hash(levels).filter((value) => Object.keys(value).length > 0);

  function encode(value: unknown, path: string): string[] {
    if (typeof value === "string") return [`${encodeURIComponent(path)}=${encodeURIComponent(value)}`];
    if (Array.isArray(value)) return value.flatMap((inner) => encode(inner, `${path}[]`));
    return Object.entries(value as object).flatMap(([key, inner]) =>
      encode(inner, path === "" ? key : `${path}[${key}]`),
    );
  }

  it("round trip: every nested hash comes back as it was sent", () => {
    fc.assert(
      fc.property(hashNotEmpty(4), (value) => {
        expect(form(encode(value, "").join("&"))).toEqual(asForm(value));
      }),
      { numRuns: 500 },
    );
  });
});

describe("S2: whatever bytes come", () => {
  const types = fc.constantFrom(JSON_TYPE, FORM_TYPE, "text/plain", null);
  const jsonish = fc.oneof(
    fc.json(),
    fc.json().map((value) => `{"a":${value}}`),
    fc.string({ unit: "binary" }),
  );
  const formish = fc
    .array(fc.constantFrom("a", "b", "[", "]", "=", "&", "%", "%41", "+", "__proto__", "1", "\0"), {
      maxLength: 30,
    })
    .map((parts) => parts.join(""));
  const bodies = fc.oneof(fc.uint8Array({ maxLength: 200 }), jsonish.map(bytes), formish.map(bytes));

  it("there is an object that storage keeps as it is, or a problem that can be told", () => {
    fc.assert(
      fc.property(bodies, types, (body, type) => {
        const outcome = decode(body, type);
        if ("code" in outcome) {
          expect(renderProblem(outcome, "zh").status).toBeLessThan(500);
          return;
        }
        expect(typeof outcome.value).toBe("object");
        expect(Array.isArray(outcome.value)).toBe(false);
        expect(isStorableDeep(outcome.value)).toBe(true);
        expect(Object.getPrototypeOf(outcome.value)).toBe(Object.prototype);
        expect(outcome.form).toBe(type === FORM_TYPE && body.byteLength > 0);
      }),
      { numRuns: 5000 },
    );
  });
});

describe("reading a body", () => {
  const request = (chunks: number[], headers: Record<string, string> = {}) =>
    new Request("http://localhost/", {
      method: "POST",
      headers,
      body: new ReadableStream<Uint8Array>({
        start(controller) {
          for (const size of chunks) controller.enqueue(new Uint8Array(size).fill(0x61));
          controller.close();
        },
      }),
      duplex: "half",
    } as RequestInit);
  const refusal = (incoming: Request) =>
    readBody(incoming).then(
      (body) => body.byteLength,
      (error) => (error instanceof ProblemError ? error.problem.code : error),
    );

  it("takes 64 KiB in any number of chunks", async () => {
    expect(await refusal(request([BODY_BYTES_MAX]))).toBe(BODY_BYTES_MAX);
    expect(await refusal(request([BODY_BYTES_MAX - 1, 0, 1]))).toBe(BODY_BYTES_MAX);
    expect(await refusal(request([]))).toBe(0);
  });

  it("S2: refuses one that breaks off or comes in chunks that are none; that is no failure of ours", async () => {
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(bytes('{"amount":'));
        controller.error(new Error("the peer sent an invalid chunk"));
      },
    });
    const init = { method: "POST", body, duplex: "half" };
    const incoming = new Request("http://localhost/", init as RequestInit);
    await expect(readBody(incoming)).rejects.toMatchObject({ problem: malformed("cut_off") });
  });

  it("S1: refuses one byte more, counted while it streams, without any length given", async () => {
    expect(await refusal(request([BODY_BYTES_MAX, 1]))).toBe("body_too_large");
  });

  it("S1: refuses a length that is too large before it reads a byte", async () => {
    expect(await refusal(request([1], { "Content-Length": String(BODY_BYTES_MAX + 1) }))).toBe(
      "body_too_large",
    );
  });

  it("keeps the bytes in their order", async () => {
    const body = await readBody(new Request("http://localhost/", { method: "POST", body: "订单 1" }));
    expect(new TextDecoder().decode(body)).toBe("订单 1");
  });
});
