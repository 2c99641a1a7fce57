// Live refunds from end to end: the Worker under wrangler dev, and each channel as its emulator beside it. The merchant
// speaks HTTP alone, the channels send their notices to the Worker's own address, and the emulators' books say how
// often money moved.
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type NewApp, newApp, newKey } from "../../scripts/admin-sql.ts";
import { execute } from "../../scripts/d1.ts";
import { DevServer, freePort } from "../../scripts/dev-server.ts";
import { newMasterKeys } from "../../scripts/dev-vars.ts";
import { DEFAULT_SCOPES } from "../../src/auth/scope.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { startAlipayEmulator } from "../emulators/alipay.ts";
import type {
  Books,
  ChannelRequest,
  EmulatedPayment,
  Faults,
  NoticeSender,
} from "../emulators/channel-emulator.ts";
import { startStripeEmulator } from "../emulators/stripe.ts";
import { startWechatpayEmulator } from "../emulators/wechatpay.ts";
import { type Charge, pemOf, token } from "./shop.ts";

const WAIT = { timeout: 30_000, interval: 50 };

interface Account {
  id: string;
  connector: string;
  merchant: string;
  notice_url: string | null;
}

/** What all emulators have. */
interface Emulator {
  url: string;
  credentials: Record<string, unknown>;
  books: Books<unknown>;
  faults: Faults;
  notices: NoticeSender;
  requests: ChannelRequest[];
  pay(payment: EmulatedPayment): unknown;
  close(): Promise<void>;
}

const CHANNELS = [
  { kind: "wechatpay", name: "wx_pub", other: "wx_lite", currency: "cny", prefix: "4200", tells: true },
  { kind: "alipay", name: "alipay_wap", other: "alipay", currency: "cny", prefix: "2026", tells: false },
  { kind: "stripe", name: "stripe", other: "stripe_eu", currency: "usd", prefix: "ch_3", tells: true },
] as const;
type Kind = (typeof CHANNELS)[number]["kind"];

const state = mkdtempSync(join(tmpdir(), "edge-refunds-live-"));
let server: DevServer;
let app: NewApp;
/** A key that is first used when the accounts are there: what a Worker knows of a key it may know for half a minute. */
let shopKey: string;
let emulators: Record<Kind, Emulator>;
let accounts: Record<Kind | "manual", Account>;

async function ask<Body>(
  method: string,
  path: string,
  body?: object,
  key = shopKey,
): Promise<{ status: number; body: Body }> {
  const response = await fetch(`${server.url}/v1${path}`, {
    method,
    headers: { Authorization: `Bearer ${key}`, Connection: "close", "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Body };
}

async function call<Body>(method: string, path: string, body?: object, key = shopKey): Promise<Body> {
  const answer = await ask<Body>(method, path, body, key);
  if (answer.status !== 200) throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

function addAccount(channel: string, credentials: object): Promise<Account> {
  return call("POST", "/channel_accounts", { channel, credentials }, app.liveKey);
}

function check(account: Account): Promise<{ status: string; code: string | null }> {
  return call("POST", `/channel_accounts/${account.id}/check`, {}, app.liveKey);
}

/** A payment of 10000 on the channel's books, recorded here. */
async function paidCharge(channel: (typeof CHANNELS)[number], recorded: object = {}): Promise<Charge> {
  const { name, kind, prefix, currency } = channel;
  const payment = { transactionNo: `${prefix}${token()}`, orderNo: token(), amount: 10_000, currency };
  emulators[kind].pay(payment);
  return await call("POST", "/charges", {
    channel: name,
    order_no: payment.orderNo,
    transaction_no: payment.transactionNo,
    amount: payment.amount,
    currency,
    paid: true,
    subject: "Tea",
    body: "Two tins",
    ...recorded,
  });
}

function refund(charge: { id: string }, amount: number): Promise<RefundObject> {
  return call("POST", `/charges/${charge.id}/refunds`, { amount, description: "Returned" });
}

/** Waits until a refund is what it is expected to be, and returns it. */
async function becoming(made: RefundObject, status: RefundObject["status"]): Promise<RefundObject> {
  const path = `/charges/${made.charge}/refunds/${made.id}`;
  await expect.poll(async () => (await call<RefundObject>("GET", path)).status, WAIT).toBe(status);
  return await call("GET", path);
}

/** What the emulator has done for a number. */
function booked({ books }: Emulator, { order_no }: RefundObject) {
  const { amount, submissions, effects } = books.numbers.get(order_no) ?? {};
  return { amount, submissions, effects, violations: books.violations };
}

beforeAll(async () => {
  const [wechatpay, alipay, stripe] = await Promise.all([
    startWechatpayEmulator(),
    startAlipayEmulator(),
    startStripeEmulator(),
  ]);
  emulators = { wechatpay, alipay, stripe };
  const masterKeys = newMasterKeys();
  const mint = {
    random: (count: number) => crypto.getRandomValues(new Uint8Array(count)),
    now: Math.floor(Date.now() / 1000),
  };
  app = await newApp("Live", masterKeys, mint);
  const shop = await newKey(app.app, { livemode: true, name: "shop", scopes: DEFAULT_SCOPES }, mint);
  shopKey = shop.key;
  const port = await freePort();
  server = new DevServer({
    port,
    state,
    vars: {
      LOCAL_DEV: "true",
      PUBLIC_URL: `http://127.0.0.1:${port}`,
      WECHATPAY_URL: wechatpay.url,
      ALIPAY_URL: alipay.url,
      STRIPE_URL: stripe.url,
    },
    secrets: { MASTER_KEYS: masterKeys },
  });
  await server.migrate();
  await execute(server.target, [...app.statements, ...shop.statements]);
  await server.start();
  const add = (place: 0 | 1 | 2) =>
    addAccount(CHANNELS[place].name, emulators[CHANNELS[place].kind].credentials);
  accounts = {
    wechatpay: await add(0),
    alipay: await add(1),
    stripe: await add(2),
    manual: await addAccount("manual", { note: "Paid by the accounts desk" }),
  };
  // Stripe is told in its dashboard; the others are told with every refund, or tell nothing.
  stripe.notifyUrl = accounts.stripe.notice_url;
});

afterAll(async () => {
  await server?.stop();
  await Promise.all(Object.values(emulators ?? {}).map((emulator) => emulator.close()));
  rmSync(state, { recursive: true, force: true });
});

describe.each(CHANNELS)("$kind", (channel) => {
  const { kind, other, tells } = channel;

  it("has an account whose credentials are proven and never shown", async () => {
    expect(accounts[kind]).toMatchObject({ connector: kind, livemode: true, revision: 1 });
    expect(await check(accounts[kind])).toMatchObject({ status: "ok", code: null });
    const shown = JSON.stringify(await call("GET", "/channel_accounts", undefined, app.liveKey));
    for (const field of ["private_key", "api_v3_key", "secret_key"] as const) {
      const secret = emulators[kind].credentials[field];
      if (typeof secret === "string") expect(shown).not.toContain(JSON.stringify(secret).slice(1, -1));
    }
  });

  it("refuses wrong credentials: by check, and as what a refund waits for", async () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const wrong =
      kind === "stripe" ? { secret_key: `sk_live_${token()}` } : { private_key: pemOf(privateKey) };
    const account = await addAccount(other, { ...emulators[kind].credentials, ...wrong });
    expect(await check(account)).toMatchObject({ status: "refused", code: expect.any(String) });
    // By the key that added the account: others see it within 33 seconds.
    const charge = await paidCharge(channel, { channel: other });
    const body = { amount: 100, description: "Returned" };
    const made = await call<RefundObject>("POST", `/charges/${charge.id}/refunds`, body, app.liveKey);
    const path = `/charges/${charge.id}/refunds/${made.id}`;
    const seen = async () => (await call<RefundObject>("GET", path, undefined, app.liveKey)).attention;
    await expect.poll(seen, WAIT).toBe("configuration");
    expect(emulators[kind].books.numbers.has(made.order_no)).toBe(false);
    // That its signature was wrong is noted against whoever asked: here, on purpose.
    emulators[kind].books.violations.splice(0);
  });

  it("refunds a part of a payment once, and hears how it ended", async () => {
    const emulator = emulators[kind];
    const charge = await paidCharge(channel);
    const before = emulator.notices.sent.length;
    emulator.faults.set({ processing: 1, processingMs: 300, noticeForged: 1 });
    // Where the channel tells, nothing else may: its first answers to queries do not arrive.
    if (tells) emulator.faults.next(...[1, 2].map(() => ({ at: "query", does: "dropBefore" }) as const));
    const made = await refund(charge, 2_500);
    emulator.faults.set({});
    const ended = await becoming(made, "succeeded");
    await emulator.notices.settled();
    while (emulator.faults.strikes("query") !== null);

    expect(ended).toMatchObject({ amount: 2_500, failure_code: null, transaction_no: expect.any(String) });
    expect(booked(emulator, made)).toEqual({ amount: 2_500, submissions: 1, effects: 1, violations: [] });
    const answers = emulator.notices.sent.slice(before).map(({ kind, status }) => `${kind} ${status}`);
    const receipt = kind === "wechatpay" ? "good 204" : "good 200";
    expect(new Set(answers)).toEqual(new Set(tells ? [receipt, "forged 401"] : []));
    expect(await call("GET", `/charges/${charge.id}`)).toMatchObject({
      amount_refunded: 2_500,
      amount_refundable: 7_500,
    });
  });

  it("brings home a refund whose answer was lost after the money had moved", async () => {
    const emulator = emulators[kind];
    const charge = await paidCharge(channel);
    emulator.faults.next({ at: "refund", does: "dropAfter" });
    emulator.faults.set({ noticeLost: 1 });
    const made = await refund(charge, 100);
    expect(made).toMatchObject({ status: "pending", failure_code: null });
    const ended = await becoming(made, "succeeded");
    emulator.faults.set({});
    expect(ended).toMatchObject({ amount: 100, succeed: true });
    expect(booked(emulator, made)).toEqual({ amount: 100, submissions: 1, effects: 1, violations: [] });
  });

  it("sends nothing for a payment that the channel knows otherwise", async () => {
    const emulator = emulators[kind];
    const charge = await paidCharge(channel, { amount: 20_000 });
    const made = await refund(charge, 100);
    expect(made).toMatchObject({
      status: "failed",
      failure_code: "refund_refused",
      extra: { channel_code: "payment_mismatch", channel_message: expect.stringContaining("amount") },
    });
    expect(booked(emulator, made)).toMatchObject({ effects: undefined, violations: [] });
  });

  it("says of a refund that has ended the same when it is asked again", async () => {
    const charge = await paidCharge(channel);
    const made = await becoming(await refund(charge, 300), "succeeded");
    const path = `/charges/${charge.id}/refunds/${made.id}/sync`;
    expect(await call("POST", path, {})).toEqual(made);
  });
});

describe("manual", () => {
  it("waits for the person who has claimed the refund, and takes nobody else's word", async () => {
    expect(await check(accounts.manual)).toMatchObject({ status: "ok" });
    const charge = await call<Charge>("POST", "/charges", {
      channel: "manual",
      order_no: token(),
      transaction_no: token(),
      amount: 5_000,
      paid: true,
      subject: "Tea",
      body: "Two tins",
    });
    const made = await refund(charge, 2_000);
    const waiting = { status: "pending", failure_code: "refund_wait_operation", attention: "operator_url" };
    expect(made).toMatchObject(waiting);
    const path = `/charges/${charge.id}/refunds/${made.id}`;
    const end = (by: string) =>
      ask("POST", `${path}/resolve`, { outcome: "succeeded", by, reason: "paid", transaction_no: "T-1" });

    expect(await end("ann")).toMatchObject({ status: 400, body: { error: { code: "refund_not_claimed" } } });
    expect(await call("POST", `${path}/claim`, { by: "ann" })).toMatchObject(waiting);
    const second = await ask("POST", `${path}/claim`, { by: "bob" });
    expect(second).toMatchObject({ status: 400, body: { error: { code: "refund_claimed" } } });
    expect(await end("bob")).toMatchObject({ status: 400, body: { error: { code: "refund_claimed" } } });
    expect(await end("ann")).toMatchObject({
      status: 200,
      body: {
        status: "succeeded",
        transaction_no: "T-1",
        failure_code: null,
        extra: { claimed_by: "ann", resolution: { outcome: "succeeded", by: "ann", reason: "paid" } },
      },
    });
    expect(await call("GET", `/charges/${charge.id}`)).toMatchObject({
      amount_refunded: 2_000,
      amount_refundable: 3_000,
    });
  });
});
