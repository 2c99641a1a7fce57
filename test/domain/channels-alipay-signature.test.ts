import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { alipay } from "../../src/channels/alipay/client.ts";
import { accessOf } from "../../src/channels/alipay/credentials.ts";
import {
  REFUND_PATH,
  REFUND_QUERY_PATH,
  refundQueryOf,
  submissionOf,
} from "../../src/channels/alipay/order.ts";
import { authorization, checkAnswer } from "../../src/channels/alipay/signature.ts";
import { CredentialsError } from "../../src/channels/channel.ts";
import { generateSigningKeyPair } from "../../src/webhooks/signature.ts";
import vectors from "../vectors/connector_vectors.json" with { type: "json" };
import { newAccount, orderOf, portsOf } from "./channels-alipay-fixture.ts";

const { alipay_v3_refund: refund, alipay_v3_query: query, alipay_v3_response: response } = vectors;
const NONCE = "5f9f1b6e-7c0d-4f5e-9a0b-0d1e2f3a4b5c";
const TIMESTAMP = 1770000000123;

/** Valid, one mutation per refusal. */
const CREDENTIALS = {
  app_id: "2021000000000001",
  private_key: vectors.private_key_pkcs8_pem,
  alipay_public_keys: [vectors.public_key_spki_pem],
};
const access = await accessOf(portsOf({ credentials: async () => CREDENTIALS }), newAccount());
const bytes = (text: string) => new TextEncoder().encode(text);
const order = orderOf({
  number: "y1u944PmfnrTHyvnL0nD0iD1",
  amount: 20012,
  chargeOrderNo: "1217752501201407033233368018",
  transactionNo: null,
  description: "test",
});

describe("a request", () => {
  it("is the vectors' to the byte", async () => {
    const body = submissionOf(order) ?? "";
    expect(body).toBe(refund.body);
    expect(REFUND_PATH).toBe(refund.url);
    expect(await authorization(access, "POST", REFUND_PATH, body, NONCE, TIMESTAMP)).toBe(
      refund.authorization,
    );
  });

  it("for a query is the vectors' to the byte", async () => {
    expect(refundQueryOf(order)).toBe(query.body);
    expect(REFUND_QUERY_PATH).toBe(query.url);
    const header = await authorization(access, "POST", REFUND_QUERY_PATH, query.body, NONCE, TIMESTAMP);
    expect(header.split(",sign=")[1]).toBe(query.signature);
  });

  it("names the app's certificate in certificate mode", async () => {
    const certified = { ...access, appCertSn: "50fa7bc5" };
    expect(await authorization(certified, "POST", REFUND_PATH, "", NONCE, TIMESTAMP)).toMatch(
      /^ALIPAY-SHA256withRSA app_id=2021000000000001,app_cert_sn=50fa7bc5,nonce=[^,]+,timestamp=\d+,sign=/,
    );
  });

  it("asks by Alipay's own number of the trade where it is known", () => {
    const { transactionNo } = orderOf();
    const body = JSON.parse(submissionOf(orderOf()) ?? "");
    expect(body).toMatchObject({ trade_no: transactionNo });
    expect(body).not.toHaveProperty("out_trade_no");
  });
});

describe("an answer", () => {
  const headers = () => new Headers(response.headers);

  it("of the vectors is signed", async () => {
    expect(await checkAnswer(access.alipayKeys, headers(), bytes(response.body))).toBe("good");
  });

  it("is signed by whichever of two live keys", async () => {
    const { publicKey } = await generateSigningKeyPair();
    const credentials = async () => ({
      ...CREDENTIALS,
      alipay_public_keys: [publicKey, vectors.public_key_spki_pem],
    });
    const both = await accessOf(portsOf({ credentials }), newAccount());
    expect(await checkAnswer(both.alipayKeys, headers(), bytes(response.body))).toBe("good");
  });

  it.each(["alipay-timestamp", "alipay-nonce"])("with another %s is not", async (name) => {
    const changed = headers();
    changed.set(name, "1770000002");
    expect(await checkAnswer(access.alipayKeys, changed, bytes(response.body))).toBe("bad");
    changed.delete(name);
    expect(await checkAnswer(access.alipayKeys, changed, bytes(response.body))).toBe("bad");
  });

  it.each([response.body.replace("200.12", "200.13"), `${response.body} `, `\ufeff${response.body}`, ""])(
    "with another body is not",
    async (body) => {
      expect(await checkAnswer(access.alipayKeys, headers(), bytes(body))).toBe("bad");
    },
  );

  it.each([
    [null, "absent"],
    ["", "absent"],
    ["null", "absent"],
    ["%%%", "bad"],
    ["AAAA", "bad"],
  ] as const)("whose signature is %j is %s", async (signature, check) => {
    const changed = headers();
    if (signature === null) changed.delete("alipay-signature");
    else changed.set("alipay-signature", signature);
    expect(await checkAnswer(access.alipayKeys, changed, bytes(response.body))).toBe(check);
  });
});

describe("credentials", () => {
  const read = alipay(portsOf()).readCredentials;
  const bare = (pem: string) => pem.replace(/-----[A-Z ]+-----|\s/g, "");

  it("tell who the merchant is and give each key of Alipay's a name", async () => {
    const { publicKey } = await generateSigningKeyPair();
    const keys = [vectors.public_key_spki_pem, publicKey];
    const facts = await read?.({ ...CREDENTIALS, alipay_public_keys: keys, seller_id: "2088123456789012" });
    expect(facts?.merchant).toBe("2088123456789012");
    expect(facts?.noticeKeys).toHaveLength(2);
    expect(new Set(facts?.noticeKeys).size).toBe(2);
    expect((await read?.(CREDENTIALS))?.merchant).toBe(CREDENTIALS.app_id);
  });

  it("take keys as Alipay's tools save them, and name them alike", async () => {
    const asSaved = {
      ...CREDENTIALS,
      private_key: bare(CREDENTIALS.private_key),
      alipay_public_keys: [bare(vectors.public_key_spki_pem)],
    };
    expect(await read?.(asSaved)).toEqual(await read?.(CREDENTIALS));
  });

  const short = shortKey();
  it.each<[field: string, mutation: object]>([
    ["app_id", { app_id: undefined }],
    ["app_id", { app_id: "app=1,nonce" }],
    ["app_id", { app_id: 2021 }],
    ["private_key", { private_key: undefined }],
    ["private_key", { private_key: "secret words" }],
    ["private_key", { private_key: vectors.public_key_spki_pem }],
    ["private_key", { private_key: vectors.private_key_pkcs8_pem.replaceAll("PRIVATE", "RSA PRIVATE") }],
    ["private_key", { private_key: short.privateKey }],
    ["alipay_public_keys", { alipay_public_keys: [] }],
    ["alipay_public_keys", { alipay_public_keys: Array(3).fill(vectors.public_key_spki_pem) }],
    ["alipay_public_keys.0", { alipay_public_keys: [vectors.private_key_pkcs8_pem] }],
    ["alipay_public_keys.1", { alipay_public_keys: [vectors.public_key_spki_pem, "secret words"] }],
    ["alipay_public_keys.0", { alipay_public_keys: [short.publicKey] }],
    ["alipay_root_cert_sn", { app_cert_sn: "50fa7bc5" }],
    ["app_cert_sn", { alipay_root_cert_sn: "687b5919_02941eef" }],
    ["app_cert_sn", { app_cert_sn: "a,nonce=1", alipay_root_cert_sn: "687b5919" }],
    ["seller_id", { seller_id: "2088" }],
    ["password", { password: "secret words" }],
  ])("are refused for their %s and do not show it", async (field, mutation) => {
    const refusal = await read?.({ ...CREDENTIALS, ...mutation }).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(CredentialsError);
    expect((refusal as CredentialsError).field).toBe(field);
    expect(JSON.stringify([refusal, String(refusal), (refusal as CredentialsError).reason])).not.toContain(
      "secret",
    );
    expect((refusal as CredentialsError).cause).toBeUndefined();
  });

  it.each([null, "text", 1, []])("are not %j", async (credentials) => {
    await expect(read?.(credentials)).rejects.toThrow(CredentialsError);
  });
});

function shortKey(): { publicKey: string; privateKey: string } {
  return generateKeyPairSync("rsa", {
    modulusLength: 1024,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
}
