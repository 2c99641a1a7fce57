import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { CredentialsError } from "../../src/channels/channel.ts";
import { wechatpay } from "../../src/channels/wechatpay/client.ts";
import type { Answer } from "../emulators/channel-emulator.ts";
import { wechatpayError } from "../emulators/wechatpay.ts";
import { account, listening, type Merchant, openMerchant, portsOf } from "./channels-wechatpay-fixture.ts";

describe("credentials", () => {
  type Credentials = Merchant["emulator"]["credentials"];
  const readerOf = ({ channel }: Merchant) => {
    if (channel.readCredentials === undefined) throw new Error("it reads no credentials");
    return channel.readCredentials;
  };

  it("that are good tell the merchant and the names of the keys, never a key", async () => {
    const merchant = await openMerchant();
    expect(await readerOf(merchant)(merchant.emulator.credentials)).toEqual({
      merchant: "1900000109",
      noticeKeys: [
        "PUB_KEY_ID_0116000000012024101100397200000006",
        "5157F09EFDC096DE15EBE81A47057A7232F1B8E1",
      ],
    });
  });

  const short = generateKeyPairSync("rsa", {
    modulusLength: 1024,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const curve = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  const platform = (change: object) => (good: Credentials) => ({
    ...good,
    platform_keys: [{ ...good.platform_keys[0], ...change }],
  });

  const mutations: [field: string, what: string, mutate: (good: Credentials) => unknown][] = [
    ["credentials", "nothing", () => null],
    ["credentials", "a list", () => []],
    ["mchid", "missing", ({ mchid, ...rest }) => rest],
    ["mchid", "a number", (good) => ({ ...good, mchid: 1_900_000_109 })],
    ["mchid", "with a quote", (good) => ({ ...good, mchid: '19000"' })],
    ["serial_no", "missing", ({ serial_no, ...rest }) => rest],
    ["serial_no", "no hex", (good) => ({ ...good, serial_no: "PUB_KEY_ID_1" })],
    ["private_key", "no PEM", (good) => ({ ...good, private_key: "secret" })],
    ["private_key", "a public key", (good) => ({ ...good, private_key: good.platform_keys[0]?.public_key })],
    ["private_key", "too short", (good) => ({ ...good, private_key: short.privateKey })],
    ["private_key", "of a curve", (good) => ({ ...good, private_key: curve.privateKey })],
    [
      "private_key",
      "PKCS #1",
      (good) => ({ ...good, private_key: good.private_key.replaceAll("PRIVATE", "RSA PRIVATE") }),
    ],
    ["private_key", "cut", (good) => ({ ...good, private_key: good.private_key.replace(/\n.{64}\n/, "\n") })],
    ["api_v3_key", "16 bytes", (good) => ({ ...good, api_v3_key: "x".repeat(16) })],
    ["api_v3_key", "31 bytes", (good) => ({ ...good, api_v3_key: "x".repeat(31) })],
    ["api_v3_key", "33 bytes in 31 characters", (good) => ({ ...good, api_v3_key: `${"x".repeat(30)}退` })],
    ["platform_keys", "none", (good) => ({ ...good, platform_keys: [] })],
    [
      "platform_keys",
      "three",
      (good) => ({ ...good, platform_keys: [...good.platform_keys, good.platform_keys[0]] }),
    ],
    ["platform_keys.0.serial", "strange", platform({ serial: "my key" })],
    ["platform_keys.0.public_key", "a private key", platform({ public_key: short.privateKey })],
    ["platform_keys.0.public_key", "too short", platform({ public_key: short.publicKey })],
    ["platform_keys.0.public_key", "of a curve", platform({ public_key: curve.publicKey })],
    [
      "platform_keys.1.serial",
      "twice the same",
      (good) => ({ ...good, platform_keys: [good.platform_keys[0], good.platform_keys[0]] }),
    ],
    ["appid", "a number", (good) => ({ ...good, appid: 1 })],
    ["private_kay", "a field nobody knows", (good) => ({ ...good, private_kay: "x" })],
  ];

  it.each(mutations)("name the field %s when it is %s, and never a value", async (field, _what, mutate) => {
    const merchant = await openMerchant();
    const good = merchant.emulator.credentials;
    const bad = mutate(good);
    const failure = await readerOf(merchant)(bad).then(
      () => null,
      (error: unknown) => error,
    );
    if (!(failure instanceof CredentialsError)) throw new Error("they were taken", { cause: failure });
    expect(failure.field).toBe(field);
    const told = [failure.message, ...failure.reason, String(failure.cause)].join("\n");
    for (const secret of [good.private_key.slice(40, 80), good.api_v3_key, short.privateKey.slice(40, 80)]) {
      expect(told).not.toContain(secret);
    }
  });

  it("may have an APIv3 key whose 32 bytes are fewer characters", async () => {
    const merchant = await openMerchant();
    const api_v3_key = `${"x".repeat(29)}退`;
    await expect(readerOf(merchant)({ ...merchant.emulator.credentials, api_v3_key })).resolves.toBeDefined();
  });

  it("are opened once for a revision, and anew for the next", async () => {
    let opened = 0;
    const merchant = await openMerchant();
    const credentials = async () => {
      opened += 1;
      return merchant.emulator.credentials;
    };
    const channel = wechatpay(portsOf({ baseUrl: merchant.emulator.url, credentials }));
    const own = account();
    for (const revision of [1, 1, 2, 2]) {
      const verdict = await channel.refund(merchant.order(), { ...own, revision }, Date.now(), listening);
      expect(verdict.kind).toBe("succeeded");
    }
    expect(opened).toBe(2);
  });
});

describe("a check of an account", () => {
  const checked = ({ channel, account }: Merchant) => channel.check?.(account, Date.now(), listening);

  it("is passed when WeChat does not know a refund that cannot be", async () => {
    const merchant = await openMerchant();
    expect(await checked(merchant)).toEqual({ kind: "ok" });
    expect(merchant.emulator.requests[0]?.url).toMatch(/^\/v3\/refund\/domestic\/refunds\/check_\w{24}$/);
    expect(merchant.emulator.books.numbers.size).toBe(0);
  });

  it("is refused for another private key, another certificate and another merchant", async () => {
    const { privateKey } = generateKeyPairSync("rsa", {
      modulusLength: 2048,
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
    });
    for (const change of [{ private_key: privateKey }, { serial_no: "00" }, { mchid: "1900000110" }]) {
      const merchant = await openMerchant();
      const credentials = async () => ({ ...merchant.emulator.credentials, ...change });
      const channel = wechatpay(portsOf({ baseUrl: merchant.emulator.url, credentials }));
      expect(await checked({ ...merchant, channel })).toMatchObject({ kind: "refused", code: "SIGN_ERROR" });
      // A submission is not sent either, as far as money is concerned.
      const verdict = await channel.refund(merchant.order(), merchant.account, Date.now(), listening);
      expect(verdict).toMatchObject({ kind: "notSent", reason: "configuration" });
    }
  });

  it("is refused when WeChat signs with a key that the account does not have", async () => {
    const merchant = await openMerchant();
    const { platform_keys, ...rest } = merchant.emulator.credentials;
    const credentials = async () => ({ ...rest, platform_keys: platform_keys.slice(0, 1) });
    const channel = wechatpay(portsOf({ baseUrl: merchant.emulator.url, credentials }));
    merchant.emulator.signWith(1);
    const check = await checked({ ...merchant, channel });
    expect(check).toMatchObject({ kind: "refused", code: "PLATFORM_KEY_UNKNOWN" });
  });

  it("is refused without a permission, and open when WeChat cannot say", async () => {
    const merchant = await openMerchant();
    const answers: [Answer | "drop", string][] = [
      [wechatpayError("NO_AUTH"), "refused"],
      [wechatpayError("SYSTEM_ERROR"), "unknown"],
      [wechatpayError("FREQUENCY_LIMITED"), "unknown"],
      [{ status: 404, body: "" }, "unknown"],
      [{ status: 200, body: "{}" }, "unknown"],
      ["drop", "unknown"],
    ];
    for (const [answer, kind] of answers) {
      merchant.emulator.faults.next(answer === "drop" ? { does: "dropBefore" } : { does: "answer", answer });
      expect((await checked(merchant))?.kind).toBe(kind);
    }
  });

  it("is refused when the credentials cannot be opened", async () => {
    const merchant = await openMerchant();
    const channel = wechatpay(portsOf({}));
    expect(await checked({ ...merchant, channel, account: account() })).toMatchObject({ kind: "refused" });
  });
});

describe("a payment", () => {
  const verified = ({ channel, account, payment }: Merchant, changes: object = {}) =>
    channel.verifyPayment?.({ ...payment, ...changes }, account, Date.now(), listening);

  it("is confirmed by WeChat's number or by the merchant's, before and after a refund", async () => {
    const merchant = await openMerchant();
    const paid = { kind: "paid", transactionNo: merchant.payment.transactionNo };
    expect(await verified(merchant)).toEqual(paid);
    expect(await verified(merchant, { transactionNo: null })).toEqual(paid);
    const [byId, byOrder] = merchant.emulator.requests.map(({ url }) => url);
    expect(byId).toBe(`/v3/pay/transactions/id/${merchant.payment.transactionNo}?mchid=1900000109`);
    expect(byOrder).toBe(`/v3/pay/transactions/out-trade-no/${merchant.payment.orderNo}?mchid=1900000109`);
    await merchant.refund(merchant.order());
    expect(await verified(merchant)).toEqual(paid);
  });

  it.each([
    ["amount", { amount: 9999 }],
    ["currency", { currency: "usd" }],
    ["number", { orderNo: "another" }],
    ["not_found", { transactionNo: "4200000000000000000000000000" }],
    ["not_found", { transactionNo: null, orderNo: "order|*@?/ 退" }],
  ])("differs in its %s", async (fact, changes) => {
    const merchant = await openMerchant();
    expect(await verified(merchant, changes)).toEqual({ kind: "mismatch", fact });
  });

  it.each(["NOTPAY", "CLOSED", "REVOKED", "USERPAYING", "PAYERROR"])(
    "that is %s is unpaid",
    async (trade_state) => {
      const merchant = await openMerchant();
      const body = { mchid: "1900000109", out_trade_no: merchant.payment.orderNo, trade_state };
      merchant.emulator.faults.next({ does: "answer", answer: { status: 200, body: JSON.stringify(body) } });
      const mismatch = await verified(merchant, { transactionNo: null });
      expect(mismatch).toEqual({ kind: "mismatch", fact: "unpaid" });
    },
  );

  it.each([
    ["another merchant", { mchid: "1900000110" }],
    ["another payment", { transaction_id: "4200000000000000000000000000" }],
    ["no payment", { transaction_id: null }],
  ])("that WeChat answers with the number of %s is not the one asked for", async (_whose, change) => {
    const merchant = await openMerchant();
    const { transactionNo: transaction_id, orderNo: out_trade_no } = merchant.payment;
    const amount = { total: 10_000, currency: "CNY" };
    const said = { mchid: "1900000109", out_trade_no, transaction_id, trade_state: "SUCCESS", amount };
    const body = JSON.stringify({ ...said, ...change });
    merchant.emulator.faults.next({ does: "answer", answer: { status: 200, body } });
    expect(await verified(merchant)).toEqual({ kind: "mismatch", fact: "number" });
  });

  it("that was not paid is so at the emulator too", async () => {
    const merchant = await openMerchant();
    merchant.payment.paid = false;
    expect(await verified(merchant, { transactionNo: null })).toEqual({ kind: "mismatch", fact: "unpaid" });
  });

  it("stays unknown when WeChat fails, signs badly or says something new", async () => {
    const merchant = await openMerchant();
    const { next } = merchant.emulator.faults;
    const strange = (trade_state: string, amount?: object) => ({
      status: 200,
      body: JSON.stringify({
        mchid: "1900000109",
        out_trade_no: merchant.payment.orderNo,
        transaction_id: merchant.payment.transactionNo,
        trade_state,
        amount,
      }),
    });
    const answers = [
      wechatpayError("SYSTEM_ERROR"),
      wechatpayError("NO_AUTH"),
      { status: 404, body: "" },
      { status: 200, body: "{}" },
      strange("ACCEPT", { total: 10_000 }),
      strange("SUCCESS"),
    ];
    for (const answer of answers) {
      next.call(merchant.emulator.faults, { does: "answer", answer });
      expect(await verified(merchant)).toEqual({ kind: "unknown" });
    }
    merchant.emulator.faults.next({ does: "dropBefore" });
    expect(await verified(merchant)).toEqual({ kind: "unknown" });
    merchant.emulator.faults.next({ does: "rewrite", rewrite: (answer) => ({ ...answer, headers: {} }) });
    expect(await verified(merchant)).toEqual({ kind: "unknown" });
    const sealed = { ...merchant, channel: wechatpay(portsOf({})), account: account() };
    expect(await verified(sealed)).toEqual({ kind: "unknown" });
  });
});
