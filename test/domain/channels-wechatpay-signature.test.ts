import { createPublicKey, createSign, createVerify, generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RefundOrder } from "../../src/channels/channel.ts";
import { wechatpay } from "../../src/channels/wechatpay/client.ts";
import { cutReason, refundPath, submissionOf } from "../../src/channels/wechatpay/order.ts";
import {
  authorization,
  decrypt,
  importApiKey,
  importPrivateKey,
  importPublicKey,
  signatureFault,
} from "../../src/channels/wechatpay/signature.ts";
import vectors from "../vectors/connector_vectors.json" with { type: "json" };
import { account, portsOf } from "./channels-wechatpay-fixture.ts";

const { wechat_request: request, wechat_query: query, wechat_notify: notify } = vectors;
const signer = {
  mchid: "1900000100",
  serial: "1DDE55AD98ED71D6EDD4A4A16996DE7B47773A8C",
  privateKey: await importPrivateKey(vectors.private_key_pkcs8_pem),
};
const publicKey = await importPublicKey(vectors.public_key_spki_pem);
const keys = new Map([["PUB_KEY_ID_TEST", publicKey]]);
const bytes = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text));
const signedAt = Number(notify.headers["Wechatpay-Timestamp"]) * 1000;

const order: RefundOrder = {
  number: "re_test_0001",
  amount: 888,
  currency: "cny",
  chargeAmount: 888,
  charge: "ch_1",
  chargeOrderNo: "1217752501201407033233368018",
  transactionNo: null,
  channel: "wx",
  livemode: true,
  description: "test",
  fundingSource: null,
  attempt: 1,
  submittedAt: null,
  created: 1_554_208_460,
  memory: null,
};

describe("the vectors", () => {
  it("a submission has their body, byte for byte", () => {
    expect(submissionOf(order, "https://example.com/notify")).toBe(request.body);
  });

  it.each([
    ["submission", "POST", request.canonical_url, request.body, request.signature],
    ["query", "GET", refundPath("re_test_0001"), "", query.signature],
  ])("a %s is signed as they say", async (_asked, method, path, body, signature) => {
    const header = await authorization(signer, {
      method,
      path,
      body,
      seconds: Number(request.timestamp),
      nonce: request.nonce_str,
    });
    expect(header).toBe(
      `WECHATPAY2-SHA256-RSA2048 mchid="1900000100",nonce_str="${request.nonce_str}",` +
        `timestamp="${request.timestamp}",serial_no="${signer.serial}",signature="${signature}"`,
    );
  });

  it("a notice is verified and decrypted as they say, also without associated data", async () => {
    expect(await signatureFault(new Headers(notify.headers), bytes(notify.body), keys, signedAt)).toBeNull();
    const key = await importApiKey(notify.apiv3_key);
    const { resource } = JSON.parse(notify.body);
    expect(await decrypt(key, resource)).toBe(notify.plaintext);
    const ciphertext = notify.ciphertext_with_empty_aad;
    for (const associated_data of ["", null, undefined]) {
      expect(await decrypt(key, { ...resource, ciphertext, associated_data })).toBe(notify.plaintext);
    }
  });

  it("a notice is read as a success with its number, amount and time", async () => {
    const credentials = async () => ({
      mchid: "1900000100",
      serial_no: signer.serial,
      private_key: vectors.private_key_pkcs8_pem,
      api_v3_key: notify.apiv3_key,
      platform_keys: [{ serial: "PUB_KEY_ID_TEST", public_key: vectors.public_key_spki_pem }],
    });
    const channel = wechatpay(portsOf({ credentials }));
    const heard = { headers: new Headers(notify.headers), body: bytes(notify.body) };
    expect(await channel.readNotice?.(heard, account(), signedAt)).toEqual({
      kind: "verdict",
      verdict: {
        kind: "succeeded",
        number: "re_test_0001",
        amount: 999,
        currency: null,
        askedAt: signedAt,
        transactionNo: "50200207182018070300011301001",
        succeededAt: Date.UTC(2018, 5, 8, 2, 34, 56) / 1000,
      },
    });
  });
});

describe("a signature", () => {
  it("of any request is one that an independent implementation verifies", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "grapheme" }), fc.webPath(), async (body, path) => {
        const nonce = "593BEC0C930BF1AFEB40B4A08C8FB242";
        const header = await authorization(signer, { method: "POST", path, body, seconds: 1, nonce });
        const signature = /signature="([^"]+)"/.exec(header)?.[1] ?? "";
        const message = `POST\n${path}\n1\n${nonce}\n${body}\n`;
        const key = createPublicKey(vectors.public_key_spki_pem);
        expect(createVerify("RSA-SHA256").update(message).verify(key, signature, "base64")).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  const faultOf = (headers: Record<string, string>, body = notify.body, now = signedAt) =>
    signatureFault(new Headers({ ...notify.headers, ...headers }), bytes(body), keys, now);
  const without = (name: string) =>
    signatureFault(
      new Headers(Object.entries(notify.headers).filter(([key]) => key !== name)),
      bytes(notify.body),
      keys,
      signedAt,
    );

  it("does not cover a body that differs in one byte", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(bytes(notify.body).length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (at, by) => {
          const body = bytes(notify.body);
          body[at] = (body[at] ?? 0) ^ by;
          expect(await signatureFault(new Headers(notify.headers), body, keys, signedAt)).toBe("signature");
        },
      ),
      { numRuns: 50 },
    );
    expect(await faultOf({}, `${notify.body}\n`)).toBe("signature");
    expect(await faultOf({}, "")).toBe("signature");
  });

  it("E41: that is a probe, stale, of an unknown serial or not whole is not believed", async () => {
    const signature = notify.headers["Wechatpay-Signature"];
    expect(await faultOf({ "Wechatpay-Signature": `WECHATPAY/SIGNTEST/${signature}` })).toBe("signature");
    expect(await faultOf({ "Wechatpay-Signature": signature.slice(4) })).toBe("signature");
    expect(await faultOf({ "Wechatpay-Signature": "no base64!" })).toBe("signature");
    expect(await faultOf({ "Wechatpay-Nonce": "another" })).toBe("signature");
    expect(await faultOf({ "Wechatpay-Serial": "PUB_KEY_ID_OTHER" })).toBe("serial");
    expect(await faultOf({ "Wechatpay-Timestamp": "tomorrow" })).toBe("malformed");
    for (const name of Object.keys(notify.headers)) expect(await without(name), name).toBe("malformed");
  });

  it("E41: counts for five minutes, forwards and backwards", async () => {
    for (const seconds of [-300, 0, 300]) {
      expect(await faultOf({}, notify.body, signedAt + seconds * 1000), String(seconds)).toBeNull();
    }
    for (const seconds of [-301, 301, 86_400]) {
      expect(await faultOf({}, notify.body, signedAt + seconds * 1000), String(seconds)).toBe("stale");
    }
  });

  it("of either of two keys counts, and of one by the other's name does not", async () => {
    const other = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const spki = other.publicKey.export({ type: "spki", format: "pem" }).toString();
    const both = new Map([...keys, ["5157F09E", await importPublicKey(spki)]]);
    const signature = createSign("RSA-SHA256").update("1\nn\n{}\n").sign(other.privateKey, "base64");
    const headers = (serial: string) =>
      new Headers({
        "Wechatpay-Timestamp": "1",
        "Wechatpay-Nonce": "n",
        "Wechatpay-Serial": serial,
        "Wechatpay-Signature": signature,
      });
    expect(await signatureFault(headers("5157F09E"), bytes("{}"), both, 1000)).toBeNull();
    expect(await signatureFault(headers("PUB_KEY_ID_TEST"), bytes("{}"), both, 1000)).toBe("signature");
  });
});

describe("E39: a description", () => {
  const size = (text: string) => bytes(text).byteLength;

  it("is cut to 80 bytes between characters", () => {
    expect(cutReason("退".repeat(26))).toBe("退".repeat(26));
    expect(cutReason("退".repeat(27))).toBe("退".repeat(26));
    expect(cutReason(`ab${"退".repeat(26)}`)).toBe(`ab${"退".repeat(26)}`);
    expect(cutReason(`abc${"退".repeat(26)}`)).toBe(`abc${"退".repeat(25)}`);
    expect(cutReason("a".repeat(81))).toBe("a".repeat(80));
    // A family of four is one character of 25 bytes: it comes whole or not at all.
    const family = "👨‍👩‍👧‍👦";
    expect(cutReason(family.repeat(4))).toBe(family.repeat(3));
    // One "character" longer than all that fits: code points are left whole.
    expect(cutReason(`e${"\u0301".repeat(100)}`)).toBe(`e${"\u0301".repeat(39)}`);
    expect(cutReason("\ud83d")).toBe("\ufffd");
  });

  it("of any kind is cut to a beginning of itself that fits", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1, maxLength: 255 }), (description) => {
        const reason = cutReason(description);
        expect(size(reason)).toBeLessThanOrEqual(80);
        expect(description.startsWith(reason)).toBe(true);
        expect(reason.isWellFormed()).toBe(true);
        if (size(description) <= 80) expect(reason).toBe(description);
        else expect(size(reason)).toBeGreaterThan(0);
      }),
      { numRuns: 300 },
    );
  });
});
