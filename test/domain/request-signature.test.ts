import { createSign, generateKeyPairSync, sign } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  checkSignature,
  importPublicKey,
  requestUri,
  type SignatureRules,
  type SignedRequest,
} from "../../src/auth/request-signature.ts";

const merchant = generateKeyPairSync("rsa", { modulusLength: 2048 });
const other = generateKeyPairSync("rsa", { modulusLength: 2048 });
const publicKey = merchant.publicKey.export({ type: "spki", format: "pem" }).toString();

const NOW = 1_766_000_000_000;
const TIMESTAMP = String(NOW / 1000);
const URL_SENT = "https://api.example.com/v1/charges/ch_1/refunds?";
const URI_SENT = "/v1/charges/ch_1/refunds?";
const BODY = '{"description":"退款","amount":100}';

const bytes = (text: string) => new TextEncoder().encode(text);
const signed = (text: string, key = merchant.privateKey) =>
  sign("sha256", bytes(text), key).toString("base64");

function request(
  change: Partial<SignedRequest> & { signature?: string | null; timestamp?: string | null } = {},
) {
  const { signature = signed(BODY + URI_SENT + TIMESTAMP), timestamp = TIMESTAMP, ...rest } = change;
  const headers = new Headers();
  if (signature !== null) headers.set("Pingplusplus-Signature", signature);
  if (timestamp !== null) headers.set("Pingplusplus-Request-Timestamp", timestamp);
  return { method: "POST", url: URL_SENT, headers, rawBody: bytes(BODY), ...rest };
}

function rules(change: Partial<SignatureRules> = {}): SignatureRules {
  const taken = new Set<string>();
  const claim = async (hash: string) => !taken.has(hash) && taken.add(hash) !== undefined;
  return { publicKey, own: false, claim, ...change };
}

const check = (sent: SignedRequest, rule = rules(), now = NOW) => checkSignature(sent, rule, now);

describe("the request's URI", () => {
  test.each([
    ["https://api.example.com/v1/charges", "/v1/charges"],
    ["https://api.example.com/v1/charges?", "/v1/charges?"],
    ["http://127.0.0.1:8787/v1/charges?app%5Bid%5D=app_1&limit=3", "/v1/charges?app%5Bid%5D=app_1&limit=3"],
    ["https://api.example.com/v1/charges?next=https://a/b?", "/v1/charges?next=https://a/b?"],
    ["https://api.example.com/", "/"],
    ["https://api.example.com", "/"],
  ])("of %s is %s", (url, uri) => {
    expect(requestUri(url)).toBe(uri);
  });

  test("is the text after the origin, whatever it holds", () => {
    fc.assert(
      fc.property(fc.webUrl({ withQueryParameters: true }), (url) => {
        const { origin } = new URL(url);
        fc.pre(url.startsWith(`${origin}/`));
        expect(origin + requestUri(url)).toBe(url);
      }),
      { numRuns: 30 },
    );
  });
});

describe("with a public key on file", () => {
  test("what Ping++'s SDK signs is let through and named", async () => {
    const text = BODY + URI_SENT + TIMESTAMP;
    const signature = createSign("RSA-SHA256").update(text, "utf8").sign(merchant.privateKey, "base64");
    expect(await check(request({ signature }))).toEqual({ ok: signature });
  });

  test("a body that is not UTF-8 is signed byte for byte", async () => {
    const rawBody = Uint8Array.of(0xff, 0x00, 0xfe);
    const text = Buffer.concat([rawBody, bytes(URI_SENT + TIMESTAMP)]);
    const signature = sign("sha256", text, merchant.privateKey).toString("base64");
    expect(await check(request({ rawBody, signature }))).toEqual({ ok: signature });
  });

  test.each<[string, SignedRequest]>([
    ["another body", request({ rawBody: bytes(BODY.replace("100", "900")) })],
    ["an empty body", request({ rawBody: bytes("") })],
    ["another charge", request({ url: URL_SENT.replace("ch_1", "ch_2") })],
    ["a query without its question mark", request({ url: URL_SENT.slice(0, -1) })],
    ["a query that grew", request({ url: `${URL_SENT}x=1` })],
    ["another timestamp", request({ timestamp: String(NOW / 1000 - 1) })],
    ["another key", request({ signature: signed(BODY + URI_SENT + TIMESTAMP, other.privateKey) })],
    ["a signature of the body alone", request({ signature: signed(BODY) })],
    ["an empty signature", request({ signature: "" })],
    ["a short signature", request({ signature: btoa("short") })],
  ])("%s does not match", async (_, sent) => {
    expect(await check(sent)).toEqual({ refused: "mismatch" });
  });

  test("one flipped bit anywhere does not match", async () => {
    const { rawBody } = request();
    await fc.assert(
      fc.asyncProperty(fc.nat(rawBody.length - 1), fc.nat(7), async (at, bit) => {
        const tampered = Uint8Array.from(rawBody);
        tampered[at] = (tampered[at] ?? 0) ^ (1 << bit);
        expect(await check(request({ rawBody: tampered }))).toEqual({ refused: "mismatch" });
      }),
    );
  });

  test.each(["POST", "PUT", "DELETE", "PATCH"])("an unsigned %s is refused", async (method) => {
    expect(await check(request({ method, signature: null }))).toEqual({ refused: "missing" });
  });

  test.each(["GET", "HEAD"])("an unsigned %s passes, a signed one must be right", async (method) => {
    const read = { method, rawBody: bytes("") };
    expect(await check(request({ ...read, signature: null }))).toEqual({ ok: null });
    expect(await check(request(read))).toEqual({ refused: "mismatch" });
    const signature = signed(URI_SENT + TIMESTAMP);
    expect(await check(request({ ...read, signature }))).toEqual({ ok: signature });
  });

  test.each([null, "", "now", "-1", "1e9", "1766000000.5", " ", "1".repeat(13)])(
    "the timestamp %j is malformed",
    async (timestamp) => {
      const signature = signed(BODY + URI_SENT + timestamp);
      expect(await check(request({ timestamp, signature }))).toEqual({ refused: "malformed" });
    },
  );

  test("a signature that is not base64 is malformed", async () => {
    expect(await check(request({ signature: "%%%" }))).toEqual({ refused: "malformed" });
  });

  test.each([
    [-301, "stale"],
    [-300, "ok"],
    [300, "ok"],
    [301, "stale"],
  ])("a timestamp %d seconds off is %s", async (offset, outcome) => {
    const timestamp = String(NOW / 1000 + offset);
    const signature = signed(BODY + URI_SENT + timestamp);
    const answer = await check(request({ timestamp, signature }));
    expect(answer).toEqual(outcome === "ok" ? { ok: signature } : { refused: "stale" });
  });

  test("on a route of Ping++ the same signature passes again: an SDK's repeat is told by it", async () => {
    const rule = rules();
    expect(await check(request(), rule)).toEqual(await check(request(), rule));
  });
});

describe("on our own mutating routes", () => {
  const signature = signed(`${BODY}${URI_SENT}${TIMESTAMP}DELETE`);
  const sent = request({ method: "DELETE", signature });

  test("the method is signed", async () => {
    expect(await check(sent, rules({ own: true }))).toEqual({ ok: signature });
    expect(await check({ ...sent, method: "POST" }, rules({ own: true }))).toEqual({ refused: "mismatch" });
  });

  test("S4: a signed GET replayed as DELETE is refused", async () => {
    const read = request({ method: "GET" });
    expect(await check(read, rules({ own: true }))).toHaveProperty("ok", expect.any(String));
    expect(await check({ ...read, method: "DELETE" }, rules({ own: true }))).toEqual({ refused: "mismatch" });
  });

  test("S4: a signature works once, however it is spelt in base64", async () => {
    const rule = rules({ own: true });
    expect(await check(sent, rule)).toEqual({ ok: signature });
    expect(await check(sent, rule)).toEqual({ refused: "used" });
    const respelt = `${signature.slice(0, 40)} ${signature.slice(40).replace(/=+$/, "")}`;
    expect(await check(request({ method: "DELETE", signature: respelt }), rule)).toEqual({ refused: "used" });
  });

  test("only a signature that holds is remembered, until its timestamp is stale", async () => {
    const claims: number[] = [];
    const rule = rules({ own: true, claim: async (_, expiresAt) => claims.push(expiresAt) > 0 });
    await check(request({ method: "DELETE", signature: btoa("wrong") }), rule);
    await check(sent, rule);
    expect(claims).toHaveLength(1);
    expect(await check(sent, rule, claims[0])).toEqual({ refused: "stale" });
  });

  test("reading takes no signature", async () => {
    const claim = () => Promise.reject(new Error("claimed"));
    expect(await check(request({ method: "GET" }), rules({ own: true, claim }))).toHaveProperty("ok");
  });
});

test("without a public key on file a signature is ignored", async () => {
  expect(await check(request({ signature: "%%%" }), rules({ publicKey: null }))).toEqual({ ok: null });
});

test("a public key on file that cannot be read lets nothing pass", async () => {
  expect(await check(request(), rules({ publicKey: "unreadable" }))).toEqual({ refused: "mismatch" });
});

test.each([
  ["nothing", ""],
  ["PKCS #1", merchant.publicKey.export({ type: "pkcs1", format: "pem" }).toString()],
  ["a private key", merchant.privateKey.export({ type: "pkcs8", format: "pem" }).toString()],
  [
    "an elliptic curve",
    generateKeyPairSync("ec", { namedCurve: "P-256" })
      .publicKey.export({ type: "spki", format: "pem" })
      .toString(),
  ],
  ["damaged base64", publicKey.replace("MII", "%II")],
])("%s is no public key", async (_, pem) => {
  await expect(importPublicKey(pem)).rejects.toThrow();
});

test("a public key may have Windows line ends, or none", async () => {
  const oneLine = publicKey.replace(/\n/g, "");
  for (const pem of [publicKey.replace(/\n/g, "\r\n"), oneLine]) {
    expect(await check(request(), rules({ publicKey: pem }))).toHaveProperty("ok", expect.any(String));
  }
});
