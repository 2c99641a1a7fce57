// Requests signed the way Ping++ signs them: what passes, what does not, and what a signature tells of repeats.
import { describe, expect, it } from "vitest";
import { mintId } from "../../src/ids.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { generateSigningKeyPair, pingppSignature } from "../../src/webhooks/signature.ts";
import { random, TestApp } from "../harness.ts";

const REPLAYED = "Idempotent-Replayed";
const seconds = () => Math.floor(Date.now() / 1000);

describe("signed requests", () => {
  const pair = generateSigningKeyPair();

  async function signingShop() {
    const { publicKey, privateKey } = await pair;
    const app = await TestApp.create({ settings: { public_key: publicKey, duplicate_window_seconds: 0 } });
    const sign = async (path: string, body: string, timestamp: number) => ({
      "Pingplusplus-Request-Timestamp": String(timestamp),
      "Pingplusplus-Signature": await pingppSignature(privateKey, `${body}${path}${timestamp}`),
    });
    /** Sends a signed POST of exactly that body. */
    async function post<Body>(path: string, body: string, timestamp = seconds()) {
      return app.post<Body>(path, body, { headers: await sign(path, body, timestamp) });
    }
    const order = JSON.stringify({ order_no: mintId("charge", random), channel: "wx", amount: 10_000 });
    const { body: charge } = await post<{ id: string }>("/v1/charges", order);
    return { app, charge, path: `/v1/charges/${charge.id}/refunds`, sign, post };
  }

  it("with the same signature are one refund (E3a)", async () => {
    const { path, post } = await signingShop();
    const body = JSON.stringify({ amount: 100, description: "Returned" });
    const timestamp = seconds();
    const first = await post<RefundObject>(path, body, timestamp);
    const second = await post<RefundObject>(path, body, timestamp);
    expect([first.headers.get(REPLAYED), second.headers.get(REPLAYED)]).toEqual([null, "inferred"]);
    expect(second.body).toEqual(first.body);
  });

  it("signed anew a second later are two refunds (E3d)", async () => {
    const { path, post } = await signingShop();
    const body = JSON.stringify({ amount: 100, description: "Returned" });
    const timestamp = seconds();
    const first = await post<RefundObject>(path, body, timestamp);
    const second = await post<RefundObject>(path, body, timestamp - 1);
    expect([first.status, second.status, second.headers.get(REPLAYED)]).toEqual([200, 200, null]);
    expect(second.body.id).not.toBe(first.body.id);
  });

  it.each([
    ["no signature at all", () => ({})],
    ["a signature that is not base64", (sent) => ({ ...sent, "Pingplusplus-Signature": "%%%" })],
    ["no timestamp", ({ "Pingplusplus-Signature": signature }) => ({ "Pingplusplus-Signature": signature })],
    [
      "a timestamp that was not signed",
      (sent) => ({ ...sent, "Pingplusplus-Request-Timestamp": String(seconds() - 1) }),
    ],
  ] as [string, (sent: Record<string, string>) => Record<string, string | undefined>][])(
    "with %s are refused before anything is read (E41)",
    async (_, change) => {
      const { app, charge, path, sign } = await signingShop();
      const body = JSON.stringify({ amount: 100, description: "Returned" });
      const headers = change(await sign(path, body, seconds())) as Record<string, string>;
      for (const sent of [body, "{"]) {
        const answer = await app.post(path, sent, { headers });
        expect(answer.status).toBe(401);
        expect(answer.body.error).toMatchObject({
          type: "invalid_request_error",
          code: "signature_invalid",
        });
      }
      expect((await app.retrieveCharge(charge)).refunds.data).toEqual([]);
    },
  );

  it.each([
    ["another body", (path: string) => [path, '{"amount":101,"description":"Returned"}', 0] as const],
    [
      "another address",
      (path: string) => [`${path}?`, '{"amount":100,"description":"Returned"}', 0] as const,
    ],
    ["a stale timestamp", (path: string) => [path, '{"amount":100,"description":"Returned"}', -310] as const],
    [
      "a timestamp from the future",
      (path: string) => [path, '{"amount":100,"description":"Returned"}', 310] as const,
    ],
  ])("for %s are refused (E41)", async (_, signed) => {
    const { app, path, sign } = await signingShop();
    const [signedPath, signedBody, shift] = signed(path);
    const headers = await sign(signedPath, signedBody, seconds() + shift);
    const answer = await app.post(path, '{"amount":100,"description":"Returned"}', { headers });
    expect([answer.status, answer.body.error.code]).toEqual([401, "signature_invalid"]);
  });

  it("may end in a bare ?, which is signed with the rest", async () => {
    const { path, post } = await signingShop();
    const answer = await post<RefundObject>(`${path}?`, '{"amount":100,"description":"Returned"}');
    expect([answer.status, answer.body.amount]).toEqual([200, 100]);
  });

  it("need no signature to read, but a wrong one is refused", async () => {
    const { app, charge, sign } = await signingShop();
    const path = `/v1/charges/${charge.id}`;
    expect((await app.get(path)).status).toBe(200);
    expect((await app.get(path, { headers: await sign(path, "", seconds()) })).status).toBe(200);
    const wrong = await app.get(path, { headers: await sign("/v1/charges", "", seconds()) });
    expect([wrong.status, wrong.body.error.code]).toEqual([401, "signature_invalid"]);
  });
});
