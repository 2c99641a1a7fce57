// Which requests are the same refund: by Idempotency-Key, by refund_no, and by what tells an SDK's own repeat.
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { hashKey, mintKey } from "../../src/auth/api-key.ts";
import { DEFAULT_SCOPES } from "../../src/auth/scope.ts";
import { mintId } from "../../src/ids.ts";
import type { RefundObject } from "../../src/refunds/schema.ts";
import { type Answer, type ErrorObject, eventually, random, TestApp } from "../harness.ts";

const NODE_SDK = { "User-Agent": "Pingpp/v1 NodeBindings/2.1.6" };
const REPLAYED = "Idempotent-Replayed";

const seconds = () => Math.floor(Date.now() / 1000);
const key = (value: string) => ({ headers: { "Idempotency-Key": value } });

async function shop(settings: Record<string, unknown> = {}) {
  const app = await TestApp.create({ settings });
  const charge = await app.charge();
  const refunds = async () => (await app.retrieveCharge(charge)).refunds.data;
  return { app, charge, refunds };
}

/** The second answer is the first one's refund, marked as a repeat. */
function expectReplay(first: Answer<RefundObject>, second: Answer<RefundObject>, mark = "true") {
  expect(first.headers.get(REPLAYED)).toBeNull();
  expect([second.status, second.headers.get(REPLAYED)]).toEqual([200, mark]);
  expect(second.body).toEqual(first.body);
}

/** Both made a refund of their own. */
function expectTwo(first: Answer<RefundObject>, second: Answer<RefundObject>) {
  expect([first.status, second.status]).toEqual([200, 200]);
  expect(second.headers.get(REPLAYED)).toBeNull();
  expect(second.body.id).not.toBe(first.body.id);
}

describe("a refund's keys", () => {
  it.each([
    ["the same Idempotency-Key", {}, key("k-1"), {}, key("k-1")],
    ["the same Idempotency-Key, quoted the second time", {}, key("k-1"), {}, key('"k-1"')],
    ["the same refund_no", { refund_no: "R-1" }, {}, { refund_no: "R-1" }, {}],
    ["both the same", { refund_no: "R-1" }, key("k"), { refund_no: "R-1" }, key("k")],
    [
      "the same refund_no under a new Idempotency-Key",
      { refund_no: "R-1" },
      key("k-1"),
      { refund_no: "R-1" },
      key("k-2"),
    ],
    [
      "the same refund_no without its Idempotency-Key",
      { refund_no: "R-1" },
      key("k-1"),
      { refund_no: "R-1" },
      {},
    ],
    [
      "the same parameters in another order and spelling",
      { amount: 100, metadata: { a: 1, b: true }, extra: { c: 1, d: 2 } },
      key("k"),
      { extra: { d: 2, c: 1 }, metadata: { b: "true", a: "1" }, amount: 100 },
      key("k"),
    ],
    ["the amount omitted both times", {}, key("k"), {}, key("k")],
    ["an unknown field more", { amount: 100 }, key("k"), { amount: 100, color: "red" }, key("k")],
  ])("find it again: %s", async (_, body, sent, again, sentAgain) => {
    const { app, charge, refunds } = await shop();
    const first = await app.refund(charge, body, sent);
    const second = await app.refund(charge, again, sentAgain);
    expectReplay(first, second);
    expect(await refunds()).toHaveLength(1);
  });

  it.each([
    ["amount", { amount: 100 }, { amount: 200 }],
    ["amount, omitted the second time", { amount: 10_000 }, {}],
    ["amount, spelt out the second time", {}, { amount: 10_000 }],
    ["description", { amount: 100 }, { amount: 100, description: "Broken" }],
    ["metadata", { amount: 100 }, { amount: 100, metadata: { color: "red" } }],
    ["extra", { amount: 100 }, { amount: 100, extra: { a: 1 } }],
    ["funding_source", { amount: 100 }, { amount: 100, funding_source: "recharge_funds" }],
  ])("with another %s are refused, and the message names the original (E12)", async (_, body, again) => {
    const { app, charge, refunds } = await shop();
    const first = await app.refund(charge, { ...body, refund_no: "R-1" }, key("k-1"));
    const byKey = await app.refund<ErrorObject>(charge, { ...again, refund_no: "R-1" }, key("k-1"));
    expect(byKey.status).toBe(400);
    expect(byKey.body.error.code).toBe("idempotency_key_reused");
    expect(byKey.body.error.message).toContain(first.body.id);
    const byNumber = await app.refund<ErrorObject>(charge, { ...again, refund_no: "R-1" });
    expect(byNumber.status).toBe(400);
    expect(byNumber.body.error).toMatchObject({ code: "refund_no_reused", param: "refund_no" });
    expect(byNumber.body.error.message).toContain(first.body.id);
    expect(await refunds()).toEqual([first.body]);
  });

  it("that belong to two different refunds are refused (E12)", async () => {
    const { app, charge, refunds } = await shop();
    const body = { amount: 100, refund_no: "R-1" };
    const first = await app.refund(charge, body, key("k-1"));
    const second = await app.refund(charge, { ...body, refund_no: "R-2" }, key("k-2"));
    const crossed = await app.refund<ErrorObject>(charge, body, key("k-2"));
    expect(crossed.status).toBe(400);
    expect(crossed.body.error).toMatchObject({ code: "idempotency_key_reused" });
    expect(await refunds()).toEqual([second.body, first.body]);
  });

  it("keep nothing of a refused request: the same key may try again (E32)", async () => {
    const { app, charge } = await shop();
    const refused = await app.refund<ErrorObject>(charge, { amount: 10_001, refund_no: "R-1" }, key("k-1"));
    expect(refused.body.error.code).toBe("refund_amount_exceeded");
    const answer = await app.refund(charge, { amount: 10_000, refund_no: "R-1" }, key("k-1"));
    expect(answer.body).toMatchObject({ amount: 10_000, status: "succeeded" });
    expect(answer.headers.get(REPLAYED)).toBeNull();
  });

  it("find the refund as it now stands, also when it has failed or nothing is left", async () => {
    const { app, charge, refunds } = await shop();
    const failing = { amount: 100, description: "[sandbox:declined]" };
    expectReplay(
      await app.refund(charge, failing, key("k-1")),
      await app.refund(charge, failing, key("k-1")),
    );
    const whole = await app.refund(charge, {}, key("k-2"));
    expectReplay(whole, await app.refund(charge, {}, key("k-2")));
    const pending = await app.post<RefundObject>(`/v1/test_helpers/refunds/${whole.body.id}/reverse`, {});
    expect(pending.body.status).toBe("failed");
    const now = await app.refund(charge, {}, key("k-2"));
    expect(now.body).toMatchObject({ id: whole.body.id, status: "failed" });
    expect(await refunds()).toHaveLength(2);
  });

  it("make one refund of twins that race, ten wide (E2)", async () => {
    const { app, charge, refunds } = await shop();
    const body = { amount: 100, description: "[sandbox:slow:50]" };
    const answers = await Promise.all(Array.from({ length: 10 }, () => app.refund(charge, body, key("k"))));
    expect(new Set(answers.map((answer) => answer.text)).size).toBe(1);
    expect(answers.map(({ headers }) => headers.get(REPLAYED)).sort()).toEqual(
      [null, ...Array.from({ length: 9 }, () => "true")].sort(),
    );
    expect(await refunds()).toMatchObject([{ status: "succeeded", amount: 100 }]);
  });

  it.each(["a", "x".repeat(255), '"quoted"', "!~", "8e03978e-40d5-43dd-bc93-6894a57f9324"])(
    "may be an Idempotency-Key like %s",
    async (value) => {
      const { app, charge } = await shop();
      const first = await app.refund(charge, { amount: 1 }, key(value));
      expectReplay(first, await app.refund(charge, { amount: 1 }, key(value)));
    },
  );

  it.each(["", '""', "x".repeat(256), "a b", '"a b"', "clé", "a\tb"])(
    "may not be an Idempotency-Key like %o",
    async (value) => {
      const { app, charge, refunds } = await shop();
      const { status, body } = await app.refund<ErrorObject>(charge, { amount: 1 }, key(value));
      expect(status).toBe(400);
      expect(body.error.param).toBe("Idempotency-Key");
      expect(await refunds()).toEqual([]);
    },
  );

  it("are apart for each charge and each app (E36)", async () => {
    const { app, charge } = await shop();
    const other = await shop();
    const first = await app.refund(charge, { amount: 100, refund_no: "R-1" }, key("k"));
    const elsewhere = await app.refund(await app.charge(), { amount: 200, refund_no: "R-1" }, key("k"));
    expectTwo(first, elsewhere);
    expectTwo(first, await other.app.refund(other.charge, { amount: 300, refund_no: "R-1" }, key("k")));
  });

  it("are apart for the same charge id in two apps and in two modes (E36)", async () => {
    const { app, charge } = await shop();
    const { app: other } = await shop();
    const first = await app.refund(charge, { amount: 100, refund_no: "R-1" }, key("k"));
    await other.charge({ id: charge.id });
    await app.charge({ id: charge.id }, { live: true });
    const body = { amount: 200, refund_no: "R-1" };
    expectTwo(first, await other.refund(charge, body, key("k")));
    // No live channel can be asked here; were the keys shared, the answer would be that they are used.
    const live = await app.refund<ErrorObject>(charge, body, { live: true, ...key("k") });
    expect(live.body.error.code).toBe("channel_not_configured");
  });
});

describe("metadata.refund_no", () => {
  it("is a refund_no for apps that have set so", async () => {
    const { app, charge, refunds } = await shop({ metadata_refund_no: true });
    const body = { amount: 100, metadata: { refund_no: "R-1" } };
    const first = await app.refund(charge, body);
    expect(first.body).toMatchObject({ refund_no: "R-1", metadata: { refund_no: "R-1" } });
    expectReplay(first, await app.refund(charge, body));
    const other = await app.refund<ErrorObject>(charge, { ...body, amount: 200 });
    expect(other.body.error.code).toBe("refund_no_reused");
    expect(await refunds()).toHaveLength(1);
  });

  it("must then be one", async () => {
    const { app, charge, refunds } = await shop({ metadata_refund_no: true });
    const { status, body } = await app.refund<ErrorObject>(charge, { metadata: { refund_no: "R 1" } });
    expect({ status, param: body.error.param }).toEqual({ status: 400, param: "metadata" });
    expect(await refunds()).toEqual([]);
  });

  it("gives way to a refund_no of the body", async () => {
    const { app, charge } = await shop({ metadata_refund_no: true });
    const { body } = await app.refund(charge, { refund_no: "R-2", metadata: { refund_no: "R-1" } });
    expect(body.refund_no).toBe("R-2");
  });

  it("is metadata like any other unless the app has set so", async () => {
    const { app, charge } = await shop();
    const body = { amount: 100, metadata: { refund_no: "R-1" } };
    const first = await app.refund(charge, body);
    expect(first.body).not.toHaveProperty("refund_no");
    expectTwo(first, await app.refund(charge, body));
  });
});

describe("equal refunds without keys", () => {
  it("are two, unless something tells that an SDK repeats itself (E3)", async () => {
    const { app, charge } = await shop();
    expectTwo(await app.refund(charge, { amount: 100 }), await app.refund(charge, { amount: 100 }));
  });

  it("from a Pingpp agent within the window of its answer are one (E3b)", async () => {
    const { app, charge, refunds } = await shop();
    const sent = { headers: NODE_SDK };
    const first = await app.refund(charge, { amount: 100 }, sent);
    expectReplay(first, await app.refund(charge, { amount: 100 }, sent), "inferred");
    expect(await refunds()).toHaveLength(1);
  });

  it("from a Pingpp agent while the first still runs are one, whatever the window (E3b)", async () => {
    const { app, charge, refunds } = await shop({ duplicate_window_seconds: 0 });
    const send = () =>
      app.refund(charge, { amount: 100, description: "[sandbox:slow:100]" }, { headers: NODE_SDK });
    const answers = await Promise.all([send(), send(), send()]);
    expect(new Set(answers.map((answer) => answer.text)).size).toBe(1);
    expect(answers.filter(({ headers }) => headers.get(REPLAYED) === "inferred")).toHaveLength(2);
    expect(await refunds()).toHaveLength(1);
  });

  it("from a Pingpp agent are two once its window is over (E3d)", async () => {
    const { app, charge } = await shop({ duplicate_window_seconds: 0 });
    const first = await app.refund(charge, { amount: 100 }, { headers: NODE_SDK });
    const answeredAt = Date.now();
    await eventually(async () => Date.now() > answeredAt + 2);
    expectTwo(first, await app.refund(charge, { amount: 100 }, { headers: NODE_SDK }));
  });

  it.each([
    ["curl", "curl/8.5.0"],
    ["one whose name only begins so", "PingppClone/1.0"],
    ["one that only mentions it", "Mozilla/5.0 (like Pingpp/v1)"],
  ])("from other agents are two: %s (E3b)", async (_, agent) => {
    const { app, charge } = await shop({ duplicate_window_seconds: 600 });
    const sent = { headers: { "User-Agent": agent } };
    expectTwo(
      await app.refund(charge, { amount: 100 }, sent),
      await app.refund(charge, { amount: 100 }, sent),
    );
  });

  it.each([
    ["another refund_no", { refund_no: "R-1" }, { refund_no: "R-2" }],
    ["a refund_no only the second time", {}, { refund_no: "R-2" }],
    ["another amount", { amount: 100 }, { amount: 101 }],
    ["another description", { description: "A" }, { description: "B" }],
  ])("that differ are two, always: %s (E3c)", async (_, one, other) => {
    const { app, charge } = await shop({ duplicate_window_seconds: 600 });
    const sent = { headers: { ...NODE_SDK, "Pingplusplus-Request-Timestamp": String(seconds()) } };
    expectTwo(
      await app.refund(charge, { amount: 100, ...one }, sent),
      await app.refund(charge, { amount: 100, ...other }, sent),
    );
  });

  it("of the same body and request timestamp are one (E3a)", async () => {
    const { app, charge, refunds } = await shop({ duplicate_window_seconds: 0 });
    const sent = { headers: { "Pingplusplus-Request-Timestamp": String(seconds()) } };
    const first = await app.refund(charge, { amount: 100 }, sent);
    expectReplay(first, await app.refund(charge, { amount: 100 }, sent), "inferred");
    expect(await refunds()).toHaveLength(1);
  });

  it.each([
    ["another timestamp", (now: number) => [now, now - 5]],
    ["no timestamp the second time", (now: number) => [now, null]],
    ["a timestamp more than 300 s old", (now: number) => [now - 310, now - 310]],
    ["a timestamp more than 300 s ahead", (now: number) => [now + 310, now + 310]],
    ["a timestamp that is none", () => ["now", "now"]],
  ] as [string, (now: number) => [number | string, number | string | null]][])(
    "with %s are two (E3d)",
    async (_, timestamps) => {
      const { app, charge } = await shop();
      const send = (timestamp: number | string | null) =>
        app.refund(
          charge,
          { amount: 100 },
          timestamp === null ? {} : { headers: { "Pingplusplus-Request-Timestamp": String(timestamp) } },
        );
      const [first, second] = timestamps(seconds());
      expectTwo(await send(first), await send(second));
    },
  );

  it("of two API keys of the same app are two (E3)", async () => {
    const { app, charge } = await shop({ duplicate_window_seconds: 600 });
    const otherKey = mintKey(false, random);
    await env.DB.prepare(
      "INSERT INTO api_keys (hash, id, app, livemode, name, scopes, created) VALUES (?, ?, ?, 0, 'other', ?, 0)",
    )
      .bind(await hashKey(otherKey), mintId("apiKey", random), app.id, JSON.stringify(DEFAULT_SCOPES))
      .run();
    const first = await app.refund(charge, { amount: 100 }, { headers: NODE_SDK });
    const Authorization = `Bearer ${otherKey}`;
    expectTwo(first, await app.refund(charge, { amount: 100 }, { headers: { ...NODE_SDK, Authorization } }));
  });
});
