import { describe, expect, it } from "vitest";
import { importPublicKey } from "../../src/auth/request-signature.ts";
import { fromBase64 } from "../../src/base64.ts";
import { type Answer, TestApp } from "../harness.ts";

/** Verifies an answer as Ping++'s Java SDK does: RSA with SHA-256 over the exact body. */
async function holds(app: TestApp, answer: Answer<unknown>): Promise<boolean> {
  const signature = answer.headers.get("X-Pingplusplus-Signature");
  if (signature === null) return false;
  const { body } = await app.get<{ data: { public_key: string }[] }>("/v1/public_keys");
  const key = await importPublicKey(body.data[0]?.public_key ?? "");
  return crypto.subtle.verify(
    "RSASSA-PKCS1-v1_5",
    key,
    fromBase64(signature),
    new TextEncoder().encode(answer.text),
  );
}

describe("answers to an app that wants them signed", () => {
  it("carry a signature over their exact bytes, refusals and 404s too", async () => {
    const app = await TestApp.create({ settings: { response_signing: true } });
    const charge = await app.charge({ subject: "茶叶" });
    expect(await holds(app, await app.refund(charge, { amount: 1, description: "退货" }))).toBe(true);
    expect(await holds(app, await app.get(`/v1/charges/${charge.id}`))).toBe(true);
    const refused = await app.refund(charge, { amount: 99_999 });
    expect(refused.status).toBe(400);
    expect(await holds(app, refused)).toBe(true);
    const missing = await app.get("/v1/charges/ch_000000000000000000000000");
    expect(missing.status).toBe(404);
    expect(await holds(app, missing)).toBe(true);
    const elsewhere = await app.get(`/v1/charges/${charge.id}`);
    expect(await holds(app, { ...elsewhere, text: `${elsewhere.text} ` })).toBe(false);
  });

  it("are not signed for an app that did not ask, nor before the key is known", async () => {
    const app = await TestApp.create();
    expect((await app.get("/v1/charges")).headers.get("X-Pingplusplus-Signature")).toBeNull();
    const wanting = await TestApp.create({ settings: { response_signing: true } });
    const unknown = await wanting.get("/v1/charges", {
      headers: { Authorization: "Bearer sk_test_unknown" },
    });
    expect(unknown.status).toBe(401);
    expect(unknown.headers.get("X-Pingplusplus-Signature")).toBeNull();
  });
});
