import { createHmac, createPublicKey, verify } from "node:crypto";
import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { describe, expect, test } from "vitest";
import {
  generateSigningKeyPair,
  newSecret,
  pingppSignature,
  standardSignature,
} from "../../src/webhooks/signature.ts";

const random = (count: number) => crypto.getRandomValues(new Uint8Array(count));

describe("Standard Webhooks", () => {
  test("the published vector is reproduced", async () => {
    const header = await standardSignature(
      ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
      "msg_p5jXN8AQM9LWM0D4loKWxJek",
      1_614_265_330,
      '{"test": 2432232314}',
    );
    expect(header).toBe("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  });

  test("any body is signed as an independent HMAC signs it", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "grapheme" }), fc.nat(), async (body, timestamp) => {
        const secret = newSecret(random);
        const header = await standardSignature([secret], "evt_1", timestamp, body);
        const key = Buffer.from(secret.slice("whsec_".length), "base64");
        const expected = createHmac("sha256", key).update(`evt_1.${timestamp}.${body}`).digest("base64");
        expect(header).toBe(`v1,${expected}`);
      }),
      { numRuns: 50 },
    );
  });

  test("each of several live secrets verifies the same header, another secret does not", async () => {
    const secrets = [newSecret(random), newSecret(random), newSecret(random)];
    const timestamp = Math.floor(Date.now() / 1000);
    const body = '{"description":"退款"}';
    const headers = {
      "webhook-id": "evt_1",
      "webhook-timestamp": String(timestamp),
      "webhook-signature": await standardSignature(secrets, "evt_1", timestamp, body),
    };
    expect(headers["webhook-signature"].split(" ")).toHaveLength(3);
    for (const secret of secrets) {
      expect(new Webhook(secret).verify(body, headers)).toEqual({ description: "退款" });
    }
    expect(() => new Webhook(newSecret(random)).verify(body, headers)).toThrow();
    expect(() => new Webhook(secrets[0] as string).verify(`${body} `, headers)).toThrow();
  });

  test("a new secret is whsec_ and 32 random bytes", () => {
    const secret = newSecret(random);
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(newSecret(random)).not.toBe(secret);
  });
});

describe("Ping++'s signature", () => {
  test("the public half verifies the raw body and nothing else", async () => {
    const { publicKey, privateKey } = await generateSigningKeyPair();
    const body = '{"id":"evt_1","description":"退款"}';
    const signature = Buffer.from(await pingppSignature(privateKey, body), "base64");
    expect(verify("sha256", Buffer.from(body), publicKey, signature)).toBe(true);
    expect(verify("sha256", Buffer.from(`${body}\n`), publicKey, signature)).toBe(false);
    expect(createPublicKey(publicKey).asymmetricKeyDetails?.modulusLength).toBe(2048);
    expect(publicKey).toMatch(/^-----BEGIN PUBLIC KEY-----\n[\s\S]+\n-----END PUBLIC KEY-----\n$/);
    expect(privateKey).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
  });

  test("a body has one signature: a repeat of an event carries the same", async () => {
    const { privateKey } = await generateSigningKeyPair();
    expect(await pingppSignature(privateKey, "{}")).toBe(await pingppSignature(privateKey, "{}"));
  });
});
