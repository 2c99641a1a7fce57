// What the body of a refund may say, field by field: contract.md §1, §2 and §6 over HTTP.
import { describe, expect, it } from "vitest";
import type { ChargeObject } from "../../src/charges/schema.ts";
import { storedRefunds } from "../books.ts";
import { type ErrorObject, TestApp } from "../harness.ts";

const EMOJI = "😀";
const PENDING = "[sandbox:pending_forever]";
const DECLINED = "[sandbox:declined]";

async function shop(settings: Record<string, unknown> = {}, facts: Record<string, unknown> = {}) {
  const app = await TestApp.create({ settings });
  const charge = await app.charge(facts);
  return { app, charge };
}

/** The refund was refused with that error, and neither the ledger nor D1 has kept anything of it. */
async function expectRefused(
  { app, charge }: { app: TestApp; charge: ChargeObject },
  answer: { status: number; body: unknown },
  error: Partial<ErrorObject["error"]> = {},
) {
  expect(answer).toMatchObject({ status: 400, body: { error: { type: "invalid_request_error", ...error } } });
  expect(await app.retrieveCharge(charge)).toEqual(charge);
  expect(await storedRefunds(app.id)).toEqual({ refunds: 0, events: 0 });
}

describe("an amount", () => {
  it.each([
    ['"100"', "text"],
    ['"NaN"', "no number"],
    ["1.5", "a fraction"],
    ["0.1", "less than the smallest unit"],
    ["true", "true"],
    ["null", "null"],
    ["[]", "an empty array"],
    ["{}", "an object"],
    ["[100]", "an array"],
    ["1e400", "infinite"],
    ["-1", "negative"],
    ["-0", "negative zero"],
    ["0", "zero"],
    ["9007199254740992", "2^53"],
    ["1e300", "huge"],
  ])("of %s is refused and leaves nothing behind (E23, E25): it is %s", async (amount) => {
    const { app, charge } = await shop();
    const body = `{"amount":${amount},"description":"Returned"}`;
    const answer = await app.post(`/v1/charges/${charge.id}/refunds`, body);
    await expectRefused({ app, charge }, answer, { param: "amount" });
    expect(answer.body.error).not.toHaveProperty("code");
  });

  it.each(["1.5", "-1", "0", "", "NaN", "1e2", "0x64", "+100", "100 ", "１００", "true", "9007199254740992"])(
    "of %o in a form is refused and leaves nothing behind (E23, E25)",
    async (amount) => {
      const { app, charge } = await shop();
      const form = `description=Returned&amount=${encodeURIComponent(amount)}`;
      const headers = { "Content-Type": "application/x-www-form-urlencoded" };
      const answer = await app.post(`/v1/charges/${charge.id}/refunds`, form, { headers });
      await expectRefused({ app, charge }, answer, { param: "amount" });
    },
  );

  it("of 2^53 - 1 is a number like any other", async () => {
    const { app, charge } = await shop(
      { charge_amount_max: Number.MAX_SAFE_INTEGER },
      { amount: Number.MAX_SAFE_INTEGER },
    );
    const { body } = await app.refund(charge, { amount: Number.MAX_SAFE_INTEGER });
    expect(body).toMatchObject({ status: "succeeded", amount: Number.MAX_SAFE_INTEGER });
    expect(await app.retrieveCharge(charge)).toMatchObject({
      amount_refunded: Number.MAX_SAFE_INTEGER,
      amount_refundable: 0,
    });
  });

  it("above what is left is refused, and the message names what is left", async () => {
    const { app, charge } = await shop();
    const answer = await app.refund<ErrorObject>(charge, { amount: 10_001 });
    await expectRefused({ app, charge }, answer, {
      code: "refund_amount_exceeded",
      param: "amount",
      message: "退款金额超出可退款金额，当前可退款金额为 10000。",
    });
  });

  it("of 3333, 3333 and 3334 leaves exactly nothing (E23)", async () => {
    const { app, charge } = await shop();
    for (const amount of [3333, 3333, 3334]) {
      expect((await app.refund(charge, { amount })).body).toMatchObject({ amount, status: "succeeded" });
    }
    expect(await app.retrieveCharge(charge)).toMatchObject({ amount_refunded: 10_000, amount_refundable: 0 });
  });

  it.each([1, 2, 3, 7, 99, 10_007])(
    "can always bring a charge of %d to exactly zero: no residue stays (E24)",
    async (amount) => {
      const { app, charge } = await shop({ duplicate_window_seconds: 0 }, { amount });
      let left = amount;
      while (left > 1) {
        const part = Math.ceil(left / 3);
        expect((await app.refund(charge, { amount: part })).status).toBe(200);
        left -= part;
        expect((await app.retrieveCharge(charge)).amount_refundable).toBe(left);
      }
      expect((await app.refund(charge, {})).body).toMatchObject({ amount: 1 });
      expect(await app.retrieveCharge(charge)).toMatchObject({
        amount_refunded: amount,
        amount_refundable: 0,
        amount_pending_refund: 0,
      });
    },
  );
});

describe("an omitted amount", () => {
  it("after a partial refund takes everything left (E22)", async () => {
    const { app, charge } = await shop();
    await app.refund(charge, { amount: 3000 });
    expect((await app.refund(charge, {})).body).toMatchObject({ amount: 7000, status: "succeeded" });
  });

  it("leaves alone what pending refunds hold, and takes what failed ones gave back (E22, E14)", async () => {
    const { app, charge } = await shop();
    await app.refund(charge, { amount: 2000, description: PENDING });
    await app.refund(charge, { amount: 5000, description: DECLINED });
    expect((await app.refund(charge, {})).body).toMatchObject({ amount: 8000 });
    expect(await app.retrieveCharge(charge)).toMatchObject({
      amount_refunded: 8000,
      amount_pending_refund: 2000,
      amount_refundable: 0,
    });
  });

  it.each([{}, { amount: 1 }, { amount: 10_000 }])(
    "or any other is refused as already fully refunded when all has succeeded, in the words that clients match (E22): %o",
    async (fields) => {
      const { app, charge } = await shop();
      await app.refund(charge, { description: "All of it" });
      const { status, body } = await app.refund<ErrorObject>(charge, fields);
      expect({ status, body }).toEqual({
        status: 400,
        body: {
          error: {
            type: "invalid_request_error",
            message: `不能对订单号 ${charge.order_no} 发起退款，因为已经全额退款了。Charge id: ${charge.id}。`,
          },
        },
      });
    },
  );

  it("is refused as too much, not as fully refunded, while the rest is pending (E22)", async () => {
    const { app, charge } = await shop();
    await app.refund(charge, { amount: 4000 });
    await app.refund(charge, { amount: 6000, description: PENDING });
    const { status, body } = await app.refund<ErrorObject>(charge, {});
    expect({ status, body }).toEqual({
      status: 400,
      body: {
        error: {
          type: "invalid_request_error",
          message: "退款金额超出可退款金额，当前可退款金额为 0。",
          code: "refund_amount_exceeded",
          param: "amount",
        },
      },
    });
  });

  it("is refused by apps that require one, and only by those", async () => {
    const { app, charge } = await shop({ require_amount: true });
    await expectRefused({ app, charge }, await app.refund(charge, {}), { param: "amount" });
    expect((await app.refund(charge, { amount: 10_000 })).status).toBe(200);
  });

  it("is never a misspelt one: without amount, a field that nobody knows is refused by name", async () => {
    const { app, charge } = await shop();
    for (const field of ["amout", "Amount", "currency", "charge"]) {
      await expectRefused({ app, charge }, await app.refund(charge, { [field]: 100 }), { param: field });
    }
    const form = { headers: { "Content-Type": "application/x-www-form-urlencoded" } };
    const answer = await app.post(`/v1/charges/${charge.id}/refunds`, "amout=100&description=Returned", form);
    await expectRefused({ app, charge }, answer, { param: "amout" });
  });
});

it("with an amount, fields that nobody knows are ignored", async () => {
  const { app, charge } = await shop();
  const { status, body } = await app.refund(charge, { amount: 100, amout: 5, color: { deep: ["red"] } });
  expect({ status, amount: body.amount }).toEqual({ status: 200, amount: 100 });
  expect(Object.keys(body)).not.toContain("color");
});

describe("a description", () => {
  it.each([
    ["of one character", "x"],
    ["of 255 letters", "x".repeat(255)],
    ["of 255 Chinese characters", "退".repeat(255)],
    ["of 255 emoji, which are 510 UTF-16 units", EMOJI.repeat(255)],
    ["with quotes and line breaks", "\"a\"\n\t'b' \\"],
  ])("%s is stored whole (E39)", async (_, description) => {
    const { app, charge } = await shop();
    const { status, body } = await app.refund(charge, { amount: 100, description });
    expect({ status, description: body.description }).toEqual({ status: 200, description });
    expect((await app.retrieveRefund(body)).description).toBe(description);
  });

  it.each([
    ["that is missing", undefined],
    ["that is empty", ""],
    ["of 256 letters", "x".repeat(256)],
    ["of 256 emoji", EMOJI.repeat(256)],
    ["that is a number", 1],
    ["that is null", null],
    ["that is an array", ["Returned"]],
  ])("%s is refused (E32)", async (_, description) => {
    const { app, charge } = await shop();
    const answer = await app.refund(charge, { amount: 100, description });
    await expectRefused({ app, charge }, answer, { param: "description" });
  });
});

const pairs = (count: number, value = "v") =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, value]));

describe("metadata", () => {
  it.each([
    [
      "numbers and booleans as their JSON text",
      { a: 42, b: 1.5, c: true, d: false, e: "x" },
      { a: "42", b: "1.5", c: "true", d: "false", e: "x" },
    ],
    ["20 pairs", pairs(20), pairs(20)],
    ["1000 characters, keys included", { k: "v".repeat(999) }, { k: "v".repeat(999) }],
    ["1000 characters that are emoji", { [EMOJI]: EMOJI.repeat(999) }, { [EMOJI]: EMOJI.repeat(999) }],
    ["an empty value", { a: "" }, { a: "" }],
    ["null as empty", null, {}],
    ["PHP's [] as empty", [], {}],
    ["{} as empty", {}, {}],
    [
      "keys that objects have by nature",
      { constructor: "a", toString: "b" },
      { constructor: "a", toString: "b" },
    ],
  ])("keeps %s", async (_, metadata, kept) => {
    const { app, charge } = await shop();
    const { body } = await app.refund(charge, { amount: 100, metadata });
    expect(body.metadata).toEqual(kept);
    expect((await app.retrieveRefund(body)).metadata).toEqual(kept);
  });

  it.each([
    ["21 pairs", pairs(21)],
    ["1001 characters", { k: "v".repeat(1000) }],
    ["1001 characters in several pairs", { ...pairs(9, "v".repeat(98)), abcdefghi: "v".repeat(92) }],
    ["an empty key", { "": "v" }],
    ["a nested object", { a: { b: "c" } }],
    ["an array for a value", { a: ["b"] }],
    ["null for a value", { a: null }],
    ["text instead of a hash", "a=b"],
    ["a number", 1],
    ["a list", ["a"]],
  ])("is refused with %s", async (_, metadata) => {
    const { app, charge } = await shop();
    await expectRefused({ app, charge }, await app.refund(charge, { amount: 100, metadata }), {
      param: "metadata",
    });
  });

  it("keeps numbers of 19 digits as they were written, as the SDKs of Java and Go send them", async () => {
    const { app, charge } = await shop();
    const body =
      '{"amount":100,"description":"Returned","metadata":{"order":9223372036854775807,"a":-9007199254740993,"b":1234567890123456,"c":0.5,"d":"1"}}';
    const { status, text } = await app.post(`/v1/charges/${charge.id}/refunds`, body);
    expect(status).toBe(200);
    expect(JSON.parse(text).metadata).toEqual({
      order: "9223372036854775807",
      a: "-9007199254740993",
      b: "1234567890123456",
      c: "0.5",
      d: "1",
    });
  });

  it.each(["1e400", "-1e400", `1${"0".repeat(400)}`])("is refused with the number %s", async (number) => {
    const { app, charge } = await shop();
    const body = `{"amount":100,"description":"Returned","metadata":{"a":${number}}}`;
    const answer = await app.post(`/v1/charges/${charge.id}/refunds`, body);
    await expectRefused({ app, charge }, answer, { param: "metadata" });
  });

  it("is not inherited from the charge", async () => {
    const { app, charge } = await shop({}, { metadata: { color: "red" } });
    expect((await app.refund(charge, { amount: 100 })).body.metadata).toEqual({});
  });
});

describe("extra", () => {
  /** An object whose JSON takes that many bytes. */
  const ofBytes = (size: number) => ({ a: "退".repeat(10) + "x".repeat(size - 30 - 8) });

  it.each([
    ["null as empty", null, {}],
    ["PHP's [] as empty", [], {}],
    ["whatever it holds", { a: [1, { b: null }], c: true }, { a: [1, { b: null }], c: true }],
    ["4 KiB", ofBytes(4096), ofBytes(4096)],
  ])("keeps %s", async (_, extra, kept) => {
    const { app, charge } = await shop();
    const { body } = await app.refund(charge, { amount: 100, extra });
    expect((await app.retrieveRefund(body)).extra).toEqual(kept);
  });

  it.each([
    ["more than 4 KiB", ofBytes(4097)],
    ["text", "a"],
    ["a list", [1]],
  ])("is refused with %s", async (_, extra) => {
    const { app, charge } = await shop();
    await expectRefused({ app, charge }, await app.refund(charge, { amount: 100, extra }), {
      param: "extra",
    });
  });
});

describe("what a refund may carry besides", () => {
  it.each([
    ["funding_source", "unsettled_funds"],
    ["funding_source", "recharge_funds"],
    ["refund_no", "R"],
    ["refund_no", "09azAZ_-|*@"],
    ["refund_no", "x".repeat(64)],
  ] as const)("is a %s of %s", async (field, value) => {
    const { app, charge } = await shop({}, { channel: "wx" });
    const { body } = await app.refund(charge, { amount: 100, [field]: value });
    expect(body[field]).toBe(value);
    expect(await app.retrieveRefund(body)).toEqual(body);
  });

  it("is left out when it was not given", async () => {
    const { app, charge } = await shop();
    const { body } = await app.refund(charge, { amount: 100 });
    expect(Object.keys(body)).toEqual(
      "id object order_no amount created succeed status time_succeed description failure_code failure_msg metadata charge charge_order_no transaction_no extra app".split(
        " ",
      ),
    );
  });

  it.each([
    ["funding_source", "my_funds"],
    ["funding_source", ""],
    ["funding_source", 1],
    ["refund_no", ""],
    ["refund_no", "x".repeat(65)],
    ["refund_no", "a b"],
    ["refund_no", "a/b"],
    ["refund_no", "退"],
    ["refund_no", "R\n"],
    ["refund_no", 17],
  ])("is refused by name: %s of %o", async (field, value) => {
    const { app, charge } = await shop();
    const answer = await app.refund(charge, { amount: 100, [field]: value });
    await expectRefused({ app, charge }, answer, { param: field });
  });
});
