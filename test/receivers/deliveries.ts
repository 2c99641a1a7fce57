// Deliveries as a receiver may get them, genuine and not, and what it must say to each. Signed by the code that signs
// ours, at a frozen time.
import { createHmac } from "node:crypto";
import {
  generateSigningKeyPair,
  newSecret,
  pingppSignature,
  standardSignature,
} from "../../src/webhooks/signature.ts";

export interface Received {
  /** A claim: "accepts …" or "refuses …". */
  claim: string;
  scheme: "standard" | "pingpp";
  body: string;
  headers: Record<string, string>;
  /** The endpoint's secret, or the public key as PEM. */
  key: string;
  /** Unix seconds. */
  now: number;
  /** What the snippet must say. */
  verdict: RegExp;
}

/** The vector that Standard Webhooks' own libraries are tested with. */
export const VECTOR = {
  secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
  timestamp: 1_614_265_330,
  body: '{"test": 2432232314}',
  signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
};

export const NOW = 1_795_386_853;
const ID = "evt_4q5LVs2cP6n8uYdBWyxRjZ0K";
export const BODY = `{"id":"${ID}","type":"refund.succeeded","data":{"object":{"description":"退款 ✓"}}}`;

const ACCEPTED = /^accepted$/;
const REFUSED = /^refused:/;
const WRONG = /^refused: the webhook's signature is wrong$/;
const STALE = /^refused: the webhook is too old, or this clock is wrong$/;
const NO_SECRET = /^refused: the webhook secret is missing$/;

/** Every delivery of the Standard Webhooks scheme that a receiver is asked about. */
export async function standardDeliveries(): Promise<Received[]> {
  const [secret, rolled, oldest, foreign] = [1, 2, 3, 4].map((seed) =>
    newSecret((count) => new Uint8Array(count).fill(seed)),
  ) as [string, string, string, string];
  const signed = async (secrets: string[], timestamp = NOW, body = BODY) => ({
    "webhook-id": ID,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": await standardSignature(secrets, ID, timestamp, body),
  });
  const headers = await signed([secret]);
  const signature = headers["webhook-signature"];
  const without = (name: keyof typeof headers) => {
    const { [name]: _, ...rest } = headers;
    return rest;
  };
  const delivery = (claim: string, verdict: RegExp, change: Partial<Received> = {}): Received => ({
    claim,
    scheme: "standard",
    body: BODY,
    headers,
    key: secret,
    now: NOW,
    verdict,
    ...change,
  });
  const refusedHeader = (name: string, value: string, verdict = REFUSED) =>
    delivery(`refuses ${name}: ${JSON.stringify(value)}`, verdict, {
      headers: { ...headers, [name]: value },
    });
  // What whoever knows that a secret was never configured would sign.
  const unkeyed = createHmac("sha256", "").update(`${ID}.${NOW}.${BODY}`).digest("base64");

  return [
    delivery("accepts a genuine delivery", ACCEPTED),
    delivery("accepts the published vector", ACCEPTED, {
      body: VECTOR.body,
      headers: {
        "webhook-id": VECTOR.id,
        "webhook-timestamp": String(VECTOR.timestamp),
        "webhook-signature": VECTOR.signature,
      },
      key: VECTOR.secret,
      now: VECTOR.timestamp + 1,
    }),
    delivery("accepts the older of two secrets", ACCEPTED, { headers: await signed([rolled, secret]) }),
    delivery("accepts the newer of two secrets", ACCEPTED, { headers: await signed([secret, rolled]) }),
    delivery("accepts the oldest of three secrets", ACCEPTED, {
      headers: await signed([oldest, rolled, secret]),
    }),
    delivery("accepts a signature after one of an unknown scheme", ACCEPTED, {
      headers: { ...headers, "webhook-signature": `v1a,Zm9v ${signature}` },
    }),
    delivery("accepts a delivery five minutes old", ACCEPTED, { now: NOW + 300 }),
    delivery("accepts a delivery from a clock five minutes ahead", ACCEPTED, { now: NOW - 300 }),
    delivery("refuses a delivery older than five minutes", STALE, { now: NOW + 301 }),
    delivery("refuses a delivery from more than five minutes ahead", STALE, { now: NOW - 301 }),
    delivery("refuses a changed body", WRONG, { body: BODY.replace("退款", "付款") }),
    delivery("refuses a body with a byte more", WRONG, { body: `${BODY}\n` }),
    delivery("refuses an empty body", WRONG, { body: "" }),
    delivery("refuses another secret", WRONG, { key: foreign }),
    delivery("refuses two other secrets", WRONG, { headers: await signed([foreign, rolled]) }),
    delivery("refuses an old delivery with a new timestamp", WRONG, {
      headers: { ...(await signed([secret], NOW - 3600)), "webhook-timestamp": String(NOW) },
    }),
    refusedHeader("webhook-id", "evt_another", WRONG),
    delivery("refuses a delivery without webhook-id", REFUSED, { headers: without("webhook-id") }),
    delivery("refuses a delivery without webhook-timestamp", REFUSED, {
      headers: without("webhook-timestamp"),
    }),
    delivery("refuses a delivery without webhook-signature", REFUSED, {
      headers: without("webhook-signature"),
    }),
    delivery("refuses a delivery without any header", REFUSED, { headers: {} }),
    ...["", "yesterday", "-1", "1e9", "0x6B034665", "9".repeat(40), `${NOW}.5`, "١٧٩٥٣٨٦٨٥٣"].map((value) =>
      refusedHeader("webhook-timestamp", value),
    ),
    ...["", "garbage", "v1", "v1,", ",", "v1,%%%", "v1,é退", "   "].map((value) =>
      refusedHeader("webhook-signature", value),
    ),
    refusedHeader("webhook-signature", signature.replace("v1,", "v2,"), WRONG),
    refusedHeader("webhook-signature", signature.slice("v1,".length), WRONG),
    refusedHeader("webhook-signature", signature.slice(0, -4), WRONG),
    ...["", "whsec_", "whsec_Zm9v"].map((key) =>
      delivery(`refuses everything while its secret is ${JSON.stringify(key)}`, NO_SECRET, {
        headers: { ...headers, "webhook-signature": `v1,${unkeyed}` },
        key,
      }),
    ),
  ];
}

/** Every delivery of Ping++'s scheme that a receiver is asked about. */
export async function pingppDeliveries(): Promise<Received[]> {
  const { publicKey, privateKey } = await generateSigningKeyPair();
  const other = await generateSigningKeyPair();
  const signature = await pingppSignature(privateKey, BODY);
  const header = (value: string) => ({ "X-Pingplusplus-Signature": value });
  const delivery = (claim: string, verdict: RegExp, change: Partial<Received> = {}): Received => ({
    claim,
    scheme: "pingpp",
    body: BODY,
    headers: header(signature),
    key: publicKey,
    now: NOW,
    verdict,
    ...change,
  });
  return [
    delivery("accepts a genuine delivery", ACCEPTED),
    delivery("accepts any case of the header's name", ACCEPTED, {
      headers: { "x-pingplusplus-signature": signature },
    }),
    delivery("refuses a changed body", REFUSED, { body: BODY.replace("退款", "付款") }),
    delivery("refuses an empty body", REFUSED, { body: "" }),
    delivery("refuses another key's signature", REFUSED, {
      headers: header(await pingppSignature(other.privateKey, BODY)),
    }),
    delivery("refuses every signature but its own key's", REFUSED, { key: other.publicKey }),
    delivery("refuses a delivery without the signature", REFUSED, { headers: {} }),
    delivery("refuses a signature cut short", REFUSED, { headers: header(signature.slice(4)) }),
    delivery("refuses a signature of zeros", REFUSED, { headers: header(btoa("\0".repeat(256))) }),
    ...["", "garbage", "%%%", btoa("short")].map((value) =>
      delivery(`refuses the signature ${JSON.stringify(value)}`, REFUSED, { headers: header(value) }),
    ),
  ];
}
