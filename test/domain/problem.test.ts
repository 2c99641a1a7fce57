// Every error a client can get: its status, type, code and param, and the texts that clients match.
import { describe, expect, it } from "vitest";
import { type Code, SAMPLES } from "../../scripts/openapi/problem-samples.ts";
import { type Problem, ProblemError, refusalText, renderProblem } from "../../src/http/problem.ts";
import { channelRefusalText } from "../../src/refunds/refund.ts";

const refund = "re_0123456789ABCDEFGHIJKLMN";

const ALL: Problem[] = Object.values(SAMPLES).flat();

interface Body {
  error: { type: string; message: string; code?: string; param?: string };
}
const render = (problem: Problem, language: "zh" | "en" = "zh") => {
  const { status, body, headers } = renderProblem(problem, language);
  return { status, headers, error: (JSON.parse(body) as Body).error };
};

const INVALID = "invalid_request_error";

/** Status, type, code and param; `-` where the field is left out. */
const TABLE: Record<Code, [status: number, type: string, code: string, param: string]> = {
  unsupported: [503, "api_error", "-", "-"],
  unknown_refund: [404, INVALID, "-", "id"],
  request_keys_disagree: [400, INVALID, "idempotency_key_reused", "-"],
  idempotency_key_reused: [400, INVALID, "idempotency_key_reused", "-"],
  refund_no_reused: [400, INVALID, "refund_no_reused", "refund_no"],
  charge_frozen: [400, INVALID, "charge_frozen", "-"],
  charge_not_frozen: [400, INVALID, "charge_not_frozen", "-"],
  refund_outcome_unknown: [400, INVALID, "refund_outcome_unknown", "-"],
  charge_not_paid: [400, INVALID, "charge_not_paid", "-"],
  charge_reversed: [400, INVALID, "charge_reversed", "-"],
  fully_refunded: [400, INVALID, "-", "-"],
  refund_window_closed: [400, INVALID, "-", "Refund_time"],
  too_many_refunds: [400, INVALID, "too_many_refunds", "-"],
  charge_disputed: [400, INVALID, "charge_disputed", "-"],
  partial_refund_unsupported: [400, INVALID, "partial_refund_unsupported", "amount"],
  refund_amount_exceeded: [400, INVALID, "refund_amount_exceeded", "amount"],
  channel_not_configured: [402, "channel_error", "channel_not_configured", "-"],
  charge_not_reversible: [400, INVALID, "charge_not_reversible", "-"],
  refund_already_sent: [400, INVALID, "refund_already_sent", "-"],
  refund_not_awaiting_approval: [400, INVALID, "refund_not_awaiting_approval", "-"],
  approval_by_creator: [400, INVALID, "approval_by_creator", "-"],
  too_many_changes: [503, "api_error", "too_many_changes", "-"],
  allowance_exceeded: [503, "api_error", "-", "-"],
  charge_facts_final: [400, INVALID, "-", "time_paid"],
  another_payment: [400, INVALID, "-", "transaction_no"],
  illegal_transition: [400, INVALID, "-", "id"],
  invalid_parameter: [400, INVALID, "-", "amount"],
  unknown_parameter: [400, INVALID, "-", "amout"],
  malformed_body: [400, INVALID, "-", "-"],
  body_too_large: [413, INVALID, "-", "-"],
  unsupported_media_type: [415, INVALID, "-", "-"],
  bad_key: [401, INVALID, "-", "-"],
  signature_invalid: [401, INVALID, "signature_invalid", "-"],
  scope_missing: [401, INVALID, "scope_missing", "-"],
  ip_not_allowed: [401, INVALID, "ip_not_allowed", "-"],
  live_key_required: [401, INVALID, "live_key_required", "-"],
  key_too_broad: [401, INVALID, "key_too_broad", "scopes"],
  key_limit: [400, INVALID, "key_limit", "-"],
  key_ended: [400, INVALID, "key_ended", "-"],
  not_found: [404, INVALID, "-", "id"],
  no_such_route: [404, INVALID, "-", "-"],
  method_not_allowed: [405, INVALID, "-", "-"],
  transaction_no_used: [400, INVALID, "transaction_no_used", "transaction_no"],
  daily_limit_exceeded: [400, INVALID, "daily_limit_exceeded", "amount"],
  rate_limited: [429, INVALID, "rate_limited", "-"],
  batch_no_used: [400, INVALID, "batch_no_used", "batch_no"],
  batch_refused: [400, INVALID, "refund_amount_exceeded", "charges"],
  checkout_call: [400, INVALID, "-", "paid"],
  endpoint_limit: [400, INVALID, "-", "-"],
  refund_claimed: [400, INVALID, "refund_claimed", "-"],
  refund_not_claimed: [400, INVALID, "refund_not_claimed", "-"],
  channel_processing: [400, INVALID, "channel_processing", "-"],
  channel_unreachable: [503, "api_error", "channel_unreachable", "-"],
  dispute_amount_missing: [400, INVALID, "-", "amount"],
  too_many_disputes: [400, INVALID, "too_many_disputes", "-"],
  channel_account_exists: [400, INVALID, "channel_account_exists", "channel"],
  channel_account_retired: [400, INVALID, "channel_account_retired", "-"],
  channel_account_merchant: [400, INVALID, "channel_account_merchant", "credentials"],
  endpoint_disabled: [400, INVALID, "endpoint_disabled", "-"],
  too_many_secrets: [400, INVALID, "too_many_secrets", "expires_in"],
  delivery_not_resendable: [400, INVALID, "delivery_not_resendable", "-"],
  dead_letter_unreadable: [400, INVALID, "dead_letter_unreadable", "id"],
  too_many_charges_of_order: [400, INVALID, "-", "order_no"],
  unavailable: [503, "api_error", "-", "-"],
  wrong_namespace: [503, "api_error", "-", "-"],
  internal: [500, "api_error", "-", "-"],
};

describe("a problem", () => {
  it.each(Object.entries(TABLE) as [Code, (typeof TABLE)[Code]][])("%s is %j", (code, row) => {
    const { status, error } = render(SAMPLES[code][0]);
    expect([status, error.type, error.code ?? "-", error.param ?? "-"]).toEqual(row);
  });

  it.each(ALL)(
    "has a type and a text in both languages, and neither code nor param is null: %j",
    (problem) => {
      const texts = (["zh", "en"] as const).map((language) => {
        const { error } = render(problem, language);
        expect(Object.keys(error)).toEqual(
          ["type", "message", "code", "param"].filter((key) => key in error),
        );
        for (const value of Object.values(error)) expect(value).toMatch(/\S/);
        expect([INVALID, "api_error", "channel_error"]).toContain(error.type);
        return error.message;
      });
      expect(texts[0]).toMatch(/\p{Script=Han}/u);
      expect(texts[1]).not.toMatch(/\p{Script=Han}/u);
      for (const text of texts) expect(text).not.toMatch(/undefined|null|\[object|NaN/);
    },
  );

  it("is the same error in both languages but for its text", () => {
    for (const problem of ALL) {
      const [zh, en] = [render(problem, "zh"), render(problem, "en")];
      expect({ ...en, error: { ...en.error, message: "" } }).toEqual({
        ...zh,
        error: { ...zh.error, message: "" },
      });
      expect(en.error.message).not.toBe(zh.error.message);
    }
  });

  it("is never a status that SDKs mis-handle", () => {
    for (const problem of ALL) expect([408, 409, 502]).not.toContain(render(problem).status);
  });

  it("of ours is an api_error, and only those of a bad moment ask to come back", () => {
    for (const problem of ALL) {
      const { status, headers, error } = render(problem);
      expect(status >= 500).toBe(error.type === "api_error");
      const passes = status === 503 || problem.code === "rate_limited";
      expect("Retry-After" in headers).toBe(passes);
      if (passes) expect(headers["Retry-After"]).toMatch(/^[1-9]\d*$/);
    }
  });

  it("of a lost ledger is ours, of a conflict the caller's", () => {
    const [conflict, lost] = SAMPLES.charge_frozen.map((problem) => render(problem));
    expect([conflict?.status, conflict?.error.code]).toEqual([400, "charge_frozen"]);
    expect([lost?.status, lost?.error.type, lost?.error.code]).toEqual([503, "api_error", "charge_frozen"]);
  });

  it("says how long to wait, which methods there are, and how to authenticate", () => {
    expect(render(SAMPLES.unavailable[0]).headers).toEqual({ "Retry-After": "2" });
    expect(render(SAMPLES.method_not_allowed[0]).headers).toEqual({ Allow: "GET, HEAD, POST" });
    expect(render(SAMPLES.bad_key[0]).headers).toHaveProperty("WWW-Authenticate");
  });

  it("names the refundable amount where it was too much", () => {
    for (const language of ["zh", "en"] as const) {
      expect(render(SAMPLES.refund_amount_exceeded[0], language).error.message).toContain("1234");
      expect(render(SAMPLES.charge_disputed[0], language).error.message).toContain("40");
    }
  });

  it("names the original refund where a key was reused", () => {
    for (const problem of [SAMPLES.idempotency_key_reused[0], SAMPLES.refund_no_reused[0]]) {
      expect(render(problem).error.message).toContain(refund);
      expect(render(problem, "en").error.message).toContain(refund);
    }
  });

  it("thrown as an error tells its code and no more: messages end up in logs", () => {
    const error = new ProblemError({ code: "bad_key", key: "sk_test_secret" });
    expect(error.message).toBe("bad_key");
    expect(error.problem).toEqual({ code: "bad_key", key: "sk_test_secret" });
  });

  it("of a promise that could not be kept has the same words as the refusal", () => {
    const refusal = SAMPLES.charge_not_paid[0];
    expect(refusalText(refusal, "zh")).toBe(render(refusal).error.message);
    expect(refusalText(refusal, "en")).toBe(render(refusal, "en").error.message);
  });
});

describe("the texts that clients match (contract.md §5)", () => {
  const zh = (problem: Problem) => render(problem).error.message;

  it("already fully refunded", () => {
    expect(zh(SAMPLES.fully_refunded[0])).toBe(
      "不能对订单号 order-1 发起退款，因为已经全额退款了。Charge id: ch_0123456789ABCDEFGHIJKLMN。",
    );
  });

  it("unknown charge and unknown refund", () => {
    expect(SAMPLES.not_found.slice(0, 2).map(zh)).toEqual([
      "未找到 charge : ch_0123456789ABCDEFGHIJKLMN。",
      "未找到 refund : re_0123456789ABCDEFGHIJKLMN。",
    ]);
    expect(zh(SAMPLES.unknown_refund[0])).toBe("未找到 refund : re_0123456789ABCDEFGHIJKLMN。");
  });

  it("bad key", () => {
    expect(zh(SAMPLES.bad_key[0])).toBe("提供了无效的 API KEY: sk_test_*************************。");
  });

  it("past the window", () => {
    expect(zh(SAMPLES.refund_window_closed[0])).toBe("退款时间超出渠道 alipay 允许的最晚退款时间");
  });

  it("the channel's refusal", () => {
    expect(channelRefusalText("alipay", "NOT_ENOUGH: 余额不足", "zh")).toBe(
      "退款 alipay 已被支付渠道拒绝。来自渠道的信息：NOT_ENOUGH: 余额不足",
    );
  });
});

describe("what a request said is given back", () => {
  const named = (param: string) => renderProblem({ code: "unknown_parameter", param }, "en").body;

  it("only so far: an error is short, however long the name, the path or the id was", () => {
    const long = "\u0001".repeat(60_000);
    for (const problem of [
      { code: "unknown_parameter", param: long },
      { code: "no_such_route", path: long },
      { code: "not_found", object: "charge", id: long },
    ] as Problem[]) {
      expect(renderProblem(problem, "zh").body.length).toBeLessThan(8192);
    }
  });

  it("as text that every parser of JSON reads, also where it is cut", () => {
    expect(named("a\ud800")).toContain('"param":"a\ufffd"');
    expect(named("😀".repeat(500))).not.toContain("\\ud8");
    expect(named("amout")).toContain('"param":"amout"');
  });
});
