// What Stripe's connector knows without asking for a refund: amounts, texts, credentials, payments.
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CredentialsError } from "../../src/channels/channel.ts";
import { fromStripeAmount, toStripeAmount } from "../../src/channels/stripe/amount.ts";
import { cut, numberIn, paymentIn, refundForm, refundIdOf } from "../../src/channels/stripe/refund-form.ts";
import { type StripeEmulator, startStripeEmulator, stripeError } from "../emulators/stripe.ts";
import { account, anOrder, connectorFor, never } from "./channels-stripe-fixture.ts";

let emulator: StripeEmulator;
beforeAll(async () => {
  emulator = await startStripeEmulator();
});
afterAll(() => emulator.close());

describe("an amount in Stripe's minor units (E26)", () => {
  it.each([
    ["usd", 1099, 1099],
    ["cny", 20012, 20012],
    ["jpy", 500, 500],
    ["krw", 500, 500],
    ["vnd", 500, 500],
    ["xof", 500, 500],
    // Two decimals in ISO 4217, none at Stripe.
    ["mga", 500, 5],
    ["mga", 550, null],
    // No decimals in ISO 4217, two zeros at Stripe.
    ["isk", 5, 500],
    ["ugx", 5, 500],
    // Three decimals, of which the last must be zero.
    ["kwd", 5120, 5120],
    ["kwd", 5124, null],
    ["jod", 10, 10],
    // Whole only where money is paid out: refunds keep their two decimals.
    ["huf", 1045, 1045],
    ["twd", 80045, 80045],
  ])("of %s %i is %s", (currency, amount, expected) => {
    expect(toStripeAmount(amount, currency)).toBe(expected);
    if (expected !== null) expect(fromStripeAmount(expected, currency)).toBe(amount);
  });

  it("comes back as it went, or does not go: nothing is rounded", () => {
    const currency = fc.constantFrom("usd", "jpy", "mga", "isk", "ugx", "kwd", "bhd", "tnd", "clp", "huf");
    fc.assert(
      fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), currency, (amount, name) => {
        const there = toStripeAmount(amount, name);
        if (there === null) return;
        expect(Number.isSafeInteger(there)).toBe(true);
        expect(fromStripeAmount(there, name)).toBe(amount);
      }),
    );
  });

  it("that Stripe breaks finer than the currency does equals no amount of ours", () => {
    expect(Number.isInteger(fromStripeAmount(550, "isk"))).toBe(false);
  });
});

describe("a description (E39)", () => {
  it("is cut at 500, never inside a character or what a reader takes for one", () => {
    const family = "👨‍👩‍👧‍👦";
    expect(cut("a".repeat(500), 500)).toHaveLength(500);
    expect(cut(`${"a".repeat(499)}é!`, 500)).toBe(`${"a".repeat(499)}é`);
    expect(cut(`${"a".repeat(499)}e\u0301`, 500)).toBe("a".repeat(499));
    expect(cut(`${"a".repeat(495)}${family}`, 500)).toBe("a".repeat(495));
    expect(cut(`😀${"\u0301".repeat(600)}`, 500)).toBe(`😀${"\u0301".repeat(498)}`);
  });

  it("of any text is its longest beginning that fits, and whole characters", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme", maxLength: 40 }),
        fc.integer({ min: 4, max: 30 }),
        (text, max) => {
          const short = cut(text, max);
          expect(text.startsWith(short)).toBe(true);
          expect(short.length).toBeLessThanOrEqual(max);
          expect(short.isWellFormed()).toBe(true);
          expect(short === text).toBe(text.length <= max);
        },
      ),
    );
  });

  it("that is empty is left out, because an empty value would mean something else", () => {
    const order = anOrder(emulator, { description: "" });
    const form = refundForm(order, { name: "charge", id: "ch_1" }, 4000);
    expect(form).not.toHaveProperty("metadata[description]");
  });
});

describe("the number at Stripe", () => {
  it("is our refund id, one to one (E44)", () => {
    const order = anOrder(emulator);
    expect(numberIn(refundIdOf(order.number))).toBe(order.number);
    for (const other of ["", "re_", "re_3NZtiZ2eZvKYlo2C0", ` re_${order.number}`, `re_${order.number}\n`]) {
      expect(numberIn(other)).toBe(null);
    }
  });

  it("of a payment says by which parameter it is known", () => {
    expect(paymentIn("ch_3Abc")).toEqual({ name: "charge", id: "ch_3Abc" });
    expect(paymentIn("py_3Abc")).toEqual({ name: "charge", id: "py_3Abc" });
    expect(paymentIn("pi_3Abc")).toEqual({ name: "payment_intent", id: "pi_3Abc" });
    for (const other of [null, "", "ch_", "re_3Abc", "ch_3Abc&amount=1", "ch_3Abc\n"]) {
      expect(paymentIn(other)).toBe(null);
    }
  });
});

describe("credentials", () => {
  const read = (credentials: unknown) => connectorFor(emulator).readCredentials?.(credentials);
  const secret_key = "sk_live_0123456789abcdef";

  it("of a secret or a restricted key are enough", async () => {
    expect(await read({ secret_key })).toEqual({ merchant: "stripe", noticeKeys: [] });
    expect(await read({ secret_key: "rk_live_0123456789abcdef" })).toMatchObject({ merchant: "stripe" });
  });

  it("name the connected account, and tell two webhook secrets apart without telling them", async () => {
    const webhook_secrets = ["whsec_0123456789", "whsec_9876543210"];
    const facts = await read({ secret_key, webhook_secrets, account: "acct_1Mine" });
    expect(facts).toEqual({ merchant: "acct_1Mine", noticeKeys: [expect.any(String), expect.any(String)] });
    expect(new Set(facts?.noticeKeys).size).toBe(2);
    for (const name of facts?.noticeKeys ?? []) expect(name).toMatch(/^[0-9a-f]{8}$/);
  });

  it.each([
    ["secret_key", {}],
    ["secret_key", { secret_key: "sk_test_0123456789abcdef" }],
    ["secret_key", { secret_key: "pk_live_0123456789abcdef" }],
    ["secret_key", { secret_key: `${secret_key}\r\nX: y` }],
    ["webhook_secrets", { secret_key, webhook_secrets: "whsec_0123456789" }],
    ["webhook_secrets", { secret_key, webhook_secrets: ["0123456789"] }],
    ["webhook_secrets", { secret_key, webhook_secrets: ["whsec_aaaaaaaa", "whsec_aaaaaaaa"] }],
    [
      "webhook_secrets",
      { secret_key, webhook_secrets: ["whsec_aaaaaaaa", "whsec_bbbbbbbb", "whsec_cccccccc"] },
    ],
    ["account", { secret_key, account: "1Mine" }],
    ["sekret_key", { secret_key, sekret_key: "x" }],
    ["credentials", null],
    ["credentials", "sk_live_0123456789abcdef"],
  ])("are refused by the field %s of %o, without a value", async (field, credentials) => {
    const error = await Promise.resolve(read(credentials)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CredentialsError);
    expect((error as CredentialsError).field).toBe(field);
    expect((error as CredentialsError).message).not.toContain("0123456789");
  });
});

describe("a payment", () => {
  const verify = (changes: object = {}, payment: object = {}) => {
    const { transactionNo } = anOrder(emulator, changes, payment);
    const recorded = { transactionNo, orderNo: "order-1", amount: 10_000, currency: "usd", ...changes };
    return connectorFor(emulator).verifyPayment?.(recorded, account, Date.now(), never());
  };

  it.each(["ch_3Paid", "pi_3Paid"])("%s that was taken is confirmed", async (transactionNo) => {
    expect(await verify({ transactionNo })).toEqual({ kind: "paid", transactionNo });
  });

  it("is compared in Stripe's minor units (E26)", async () => {
    const changes = { amount: 5, currency: "isk" };
    expect(await verify(changes, { amount: 500, currency: "isk" })).toMatchObject({ kind: "paid" });
    expect(await verify(changes, { amount: 550, currency: "isk" })).toMatchObject({ fact: "amount" });
  });

  it.each([
    ["amount", {}, { amount: 9999 }],
    ["currency", {}, { currency: "eur" }],
    ["unpaid", {}, { paid: false }],
    ["unpaid", {}, { captured: false }],
    ["unpaid", { transactionNo: "pi_3Authorised" }, { captured: false }],
    ["number", { transactionNo: "4200001234" }, {}],
  ])("that differs in %s is a mismatch", async (fact, changes, payment) => {
    expect(await verify(changes, payment)).toEqual({ kind: "mismatch", fact });
  });

  it("that Stripe does not have is a mismatch; one it does not speak of is open", async () => {
    const ask = (transactionNo: string) => {
      const recorded = { transactionNo, orderNo: "order-1", amount: 10_000, currency: "usd" };
      return connectorFor(emulator).verifyPayment?.(recorded, account, Date.now(), never());
    };
    expect(await ask("ch_3Nowhere")).toEqual({ kind: "mismatch", fact: "not_found" });
    for (const does of ["dropBefore", "errorBefore", "throttle"] as const) {
      emulator.faults.next({ does });
      expect(await ask("ch_3Nowhere")).toEqual({ kind: "unknown" });
    }
    emulator.faults.next({ does: "answer", answer: { status: 200, body: "{}" } });
    expect(await ask("ch_3Nowhere")).toEqual({ kind: "unknown" });
  });
});

describe("a check of the account", () => {
  const check = () => connectorFor(emulator).check?.(account, Date.now(), never());

  it("asks for what a refund needs, and moves nothing", async () => {
    expect(await check()).toEqual({ kind: "ok" });
    expect(emulator.requests.at(-1)).toMatchObject({ method: "GET", url: "/v1/refunds?limit=1" });
  });

  it("tells a refused key from silence", async () => {
    for (const status of [401, 403]) {
      emulator.faults.next({ does: "answer", answer: stripeError(status, { code: "api_key_expired" }) });
      expect(await check()).toMatchObject({ kind: "refused", code: "api_key_expired" });
    }
    for (const does of ["dropBefore", "errorBefore", "throttle"] as const) {
      emulator.faults.next({ does });
      expect(await check()).toMatchObject({ kind: "unknown" });
    }
  });

  it("shows no key to anybody", async () => {
    const credentials = { ...emulator.credentials, secret_key: "sk_live_0123456789abcdef" };
    const connector = connectorFor(emulator, { credentials: async () => credentials });
    const answer = await connector.check?.(account, Date.now(), never());
    expect(answer).toMatchObject({ kind: "refused" });
    expect(JSON.stringify(answer)).not.toContain("0123456789abcdef");
  });
});

describe("the facts", () => {
  it("are Stripe's: no gap between refunds, any part of the amount", () => {
    expect(connectorFor(emulator).facts({ channel: "stripe", description: "" })).toEqual({
      fullRefundOnly: false,
      windowSeconds: 365 * 86_400,
      spacingMs: 0,
      settlingMs: 10_000,
    });
  });
});
