// Notices to addresses that were really given out, with bodies no channel sends: unsigned they are refused and nothing is
// kept; even signed, what cannot be read is refused, and no failure of ours comes of it (S2, E41). What is kept of a signed
// one is at most an orphan for a person to look at.
import { env, exports } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { toBase64 } from "../../src/base64.ts";
import { notifyUrl } from "../../src/channels/notify-url.ts";
import { mintId, randomToken } from "../../src/ids.ts";
import { generateSigningKeyPair, pingppSignature } from "../../src/webhooks/signature.ts";
import { storedRows } from "../books.ts";
import { Dice } from "../emulators/dice.ts";
import { BASE, random, TestApp } from "../harness.ts";
import { BODY_BREAKS } from "./break-body.ts";
import { type Draft, requestOf } from "./draft.ts";
import { formOf, nodeOf } from "./json-text.ts";

const SEED = 3;
const NOTICES = 400;

const token = () => randomToken(random);
const seconds = () => Math.floor(Date.now() / 1000);
/** `2026-10-01 08:00:00` */
const inBeijing = () => new Date(Date.now() + 8 * 3_600_000).toISOString().slice(0, 19).replace("T", " ");
const bytesOf = (text: string) => new Uint8Array(new TextEncoder().encode(text));
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** The channel's side of an account: how it speaks, and how it signs. */
interface Speaker {
  channel: string;
  credentials: Record<string, unknown>;
  /** What it would say, to be broken. */
  says(): unknown;
  /** The body and headers as they are sent; broken bytes stand where its words would. */
  signed(
    broken: Uint8Array<ArrayBuffer>,
  ): Promise<{ body: Uint8Array<ArrayBuffer>; headers: Record<string, string> }>;
}

const stripeSecret = `whsec_${token()}`;

const stripe = (): Speaker => ({
  channel: "stripe",
  credentials: { secret_key: `sk_live_${token()}`, webhook_secrets: [stripeSecret] },
  says: () => ({
    object: "event",
    id: `evt_${token()}`,
    type: "charge.refund.updated",
    livemode: true,
    created: seconds(),
    data: {
      object: {
        object: "refund",
        id: `re_${token()}`,
        amount: 100,
        currency: "cny",
        status: "succeeded",
        created: seconds(),
        metadata: { refund_id: mintId("refund", random), charge_id: mintId("charge", random) },
      },
    },
  }),
  async signed(body) {
    const key = await crypto.subtle.importKey(
      "raw",
      bytesOf(stripeSecret),
      { name: "HMAC", hash: "SHA-256" },
      false,
      ["sign"],
    );
    const timestamp = seconds();
    const message = new Uint8Array([...bytesOf(`${timestamp}.`), ...body]);
    const mac = new Uint8Array(await crypto.subtle.sign("HMAC", key, message));
    const hex = [...mac].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return { body, headers: { "Stripe-Signature": `t=${timestamp},v1=${hex}` } };
  },
});

const wechatpay = (pair: { publicKey: string; privateKey: string }): Speaker => {
  const apiKey = token() + token().slice(0, 8);
  return {
    channel: "wx",
    credentials: {
      mchid: "1900000109",
      serial_no: "0A",
      private_key: pair.privateKey,
      api_v3_key: apiKey,
      platform_keys: [{ serial: "0B", public_key: pair.publicKey }],
    },
    says: () => ({
      mchid: "1900000109",
      out_refund_no: token(),
      refund_id: token(),
      refund_status: "SUCCESS",
      success_time: new Date().toISOString(),
      amount: { refund: 100, currency: "CNY" },
    }),
    // Half of the time the envelope itself is what is broken.
    async signed(broken) {
      const nonce = token().slice(0, 12);
      const key = await crypto.subtle.importKey("raw", bytesOf(apiKey), "AES-GCM", false, ["encrypt"]);
      const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv: bytesOf(nonce) }, key, broken);
      const resource = {
        algorithm: "AEAD_AES_256_GCM",
        ciphertext: toBase64(new Uint8Array(sealed)),
        nonce,
        associated_data: "",
      };
      const whole = bytesOf(JSON.stringify({ event_type: "REFUND.SUCCESS", resource }));
      const body = broken.length % 2 === 0 ? broken : whole;
      const timestamp = String(seconds());
      return {
        body,
        headers: {
          "Wechatpay-Timestamp": timestamp,
          "Wechatpay-Nonce": nonce,
          "Wechatpay-Serial": "0B",
          "Wechatpay-Signature": await pingppSignature(
            pair.privateKey,
            `${timestamp}\n${nonce}\n${textOf(body)}\n`,
          ),
        },
      };
    },
  };
};

const alipay = (pair: { publicKey: string; privateKey: string }): Speaker => ({
  channel: "alipay",
  credentials: {
    app_id: "2021000000000001",
    private_key: pair.privateKey,
    alipay_public_keys: [pair.publicKey],
  },
  says: () => ({
    app_id: "2021000000000001",
    notify_time: inBeijing(),
    trade_no: token(),
    out_biz_no: token(),
    charset: "utf-8",
  }),
  async signed(broken): ReturnType<Speaker["signed"]> {
    let pairs: [string, string][] = [["app_id", "1"]];
    try {
      pairs = [...new URLSearchParams(formOf(nodeOf(JSON.parse(textOf(broken)))))];
    } catch {
      return { body: broken, headers: {} };
    }
    const message = pairs
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, value]) => `${name}=${value}`)
      .join("&");
    const sign = await pingppSignature(pair.privateKey, message);
    const form = new URLSearchParams([...pairs, ["sign", sign], ["sign_type", "RSA2"]]);
    return {
      body: bytesOf(form.toString()),
      headers: { "Content-Type": "application/x-www-form-urlencoded" },
    };
  },
});

let app: TestApp;
const speakers: Speaker[] = [];

beforeAll(async () => {
  app = await TestApp.create();
  const pair = await generateSigningKeyPair();
  speakers.push(stripe(), wechatpay(pair), alipay(pair));
  for (const { channel, credentials } of speakers) {
    const made = await app.post("/v1/channel_accounts", { channel, credentials }, { live: true });
    if (made.status !== 200) throw new Error(made.text);
  }
});

async function addressOf({ channel }: Speaker, charge: string | null): Promise<string> {
  return await notifyUrl(env.MASTER_KEYS, BASE, { channel, app: app.id, livemode: true }, charge);
}

/** Its words with one to three things broken. */
function brokenBody(speaker: Speaker, dice: Dice): { body: Uint8Array<ArrayBuffer>; breaks: string[] } {
  const draft: Draft = {
    route: null,
    caller: "live",
    method: "POST",
    path: "",
    query: [],
    headers: [],
    contentType: null,
    tree: nodeOf(speaker.says()),
    form: false,
    texts: [],
    bytes: [],
  };
  const breaks = Array.from({ length: dice.between(1, 3) }, () => dice.pick(Object.keys(BODY_BREAKS)));
  for (const name of breaks) BODY_BREAKS[name]?.(draft, dice);
  return { body: requestOf(draft).body ?? new Uint8Array(), breaks };
}

async function post(url: string, body: Uint8Array<ArrayBuffer>, headers: Record<string, string>) {
  const response = await exports.default.fetch(url, { method: "POST", body, headers });
  return { status: response.status, text: await response.text() };
}

/** Every table but the inbox of what nobody knows. */
async function rowsButOrphans() {
  const { orphan_notices: orphans = [], ...others } = await storedRows();
  return { orphans: orphans.length, others };
}

describe.each(["stripe", "wx", "alipay"])("hostile notices of %s", (channel) => {
  const speaker = () => speakers.find((one) => one.channel === channel) as Speaker;

  it(`unsigned, ${NOTICES} of them are refused and leave nothing`, { timeout: 60_000 }, async () => {
    const dice = new Dice(SEED);
    const before = await rowsButOrphans();
    for (let i = 0; i < NOTICES; i++) {
      const { body, breaks } = brokenBody(speaker(), dice);
      const { headers } = await speaker().signed(bytesOf("{}"));
      // The headers of another notice, or none.
      const sent = dice.chance(0.5) ? headers : {};
      const url = await addressOf(speaker(), dice.chance(0.5) ? mintId("charge", random) : null);
      const { status, text } = await post(url, body, sent);
      expect([401, 413], `${breaks.join(" + ")} (seed ${SEED}, index ${i}): ${text}`).toContain(status);
    }
    expect(await rowsButOrphans()).toEqual(before);
  });

  it(`signed, ${NOTICES} of them are never a failure of ours, and change nothing but the inbox of orphans`, {
    timeout: 60_000,
  }, async () => {
    const dice = new Dice(SEED + 1);
    const before = await rowsButOrphans();
    const statuses = new Set<number>();
    for (let i = 0; i < NOTICES; i++) {
      const { body: broken, breaks } = brokenBody(speaker(), dice);
      const { body, headers } = await speaker().signed(broken);
      const url = await addressOf(speaker(), dice.chance(0.5) ? mintId("charge", random) : null);
      const { status, text } = await post(url, body, headers);
      expect([200, 204, 401, 413], `${breaks.join(" + ")} (seed ${SEED + 1}, index ${i}): ${text}`).toContain(
        status,
      );
      statuses.add(status);
    }
    // Some were read, some were not: both ways were gone.
    expect(statuses.has(401) && (statuses.has(200) || statuses.has(204))).toBe(true);
    expect((await rowsButOrphans()).others).toEqual(before.others);
  });
});
