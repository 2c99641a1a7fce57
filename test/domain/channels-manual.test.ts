// The channel that is a person: it waits, and says so, until somebody records what was done.
import { describe, expect, it } from "vitest";
import { type ConnectorPorts, CredentialsError } from "../../src/channels/channel.ts";
import { manual } from "../../src/channels/manual/manual.ts";
import { orderOf } from "../../src/refunds/drive-refund.ts";
import { settleRefund } from "../../src/refunds/settle-refund.ts";
import { aCharge, anAccount, aRefund, NOW } from "./refund-fixture.ts";

const DAY = 86_400_000;
/** Whoever reaches for anything outside fails. */
const nothing = new Proxy({} as ConnectorPorts, {
  get: (_target, name) => {
    throw new Error(`the manual channel reaches for ${String(name)}`);
  },
});
const channel = manual(nothing);
const charge = aCharge({ channel: "manual", livemode: true });
const account = anAccount({ channel: "manual" });
const { signal } = new AbortController();

describe("a refund by hand", () => {
  it.each(["refund", "query"] as const)("waits for a person, asked by %s", async (asked) => {
    const order = orderOf(aRefund("submitting"), charge);
    expect(await channel[asked](order, account, NOW, signal)).toEqual({
      kind: "accepted",
      attention: "operator_url",
      number: order.number,
      amount: 4000,
      currency: "cny",
      askedAt: NOW,
      askAgainAt: NOW + DAY,
    });
  });

  it("holds its money, raises attention once, and is looked at once a day", async () => {
    const at = { now: NOW, channel: "manual", currency: "cny", fits: true, settlingMs: 0 };
    const sent = aRefund("submitting");
    const first = await channel.refund(orderOf(sent, charge), account, NOW, signal);
    const waits = settleRefund(sent, first, { ...at, asked: "submit" });
    expect(waits?.refund).toMatchObject({ state: "accepted", attention: "operator_url", dueAt: NOW + DAY });
    expect(waits?.events).toEqual(["refund.updated"]);
    const next = { ...at, now: NOW + DAY, asked: "query" } as const;
    const order = orderOf(waits?.refund ?? sent, charge);
    const again = await channel.query(order, account, next.now, signal);
    const still = settleRefund(waits?.refund ?? sent, again, next);
    expect(still?.refund).toMatchObject({ state: "accepted", dueAt: NOW + 2 * DAY });
    expect(still?.events).toEqual([]);
  });

  it("is done by hand, in any part, with no gap", () => {
    expect(channel.facts({ channel: "manual", description: "" })).toEqual({
      fullRefundOnly: false,
      windowSeconds: 365 * 86_400,
      spacingMs: 0,
      settlingMs: 0,
      byHand: true,
    });
  });

  it("hears no notices and confirms no payments: there is nobody to ask", () => {
    expect(channel.readNotice).toBeUndefined();
    expect(channel.verifyPayment).toBeUndefined();
  });
});

describe("its account", () => {
  it("is a note for those who pay", async () => {
    const facts = { merchant: "manual", noticeKeys: [] };
    expect(await channel.readCredentials?.({ note: "Finance, account 4711" })).toEqual(facts);
    expect(await channel.check?.(account, NOW, signal)).toEqual({ kind: "ok" });
  });

  it.each([[{}], [{ note: " " }], [{ note: "x".repeat(201) }], [{ note: "x", password: "hunter2" }], [null]])(
    "is refused with %o, naming the note",
    async (credentials) => {
      const error = await Promise.resolve(channel.readCredentials?.(credentials)).catch((thrown) => thrown);
      expect(error).toBeInstanceOf(CredentialsError);
      expect(error).toMatchObject({ field: "note" });
      expect(String(error)).not.toContain("hunter2");
    },
  );
});
