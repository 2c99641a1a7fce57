// The connector as it stands before the emulator: one account, and a payment of its own for every order.
import type { ChannelAccount, ConnectorPorts, RefundOrder, Verdict } from "../../src/channels/channel.ts";
import { stripe } from "../../src/channels/stripe/stripe.ts";
import type { StripeEmulator, StripePaymentBook } from "../emulators/stripe.ts";
import { anAccount } from "./refund-fixture.ts";

export const HOUR = 3_600_000;

/** Talks to the emulator over HTTP; what one test is about is changed in `changes`. */
export function connectorFor(
  emulator: Pick<StripeEmulator, "url" | "credentials">,
  changes: Partial<ConnectorPorts> = {},
) {
  return stripe({
    baseUrl: emulator.url,
    fetch: globalThis.fetch,
    random: (count) => new Uint8Array(count),
    credentials: async () => emulator.credentials,
    notifyUrl: async () => null,
    ...changes,
  });
}

export const account: ChannelAccount = anAccount({ channel: "stripe" });

export const never = () => new AbortController().signal;

let serial = 0;

/** A number nobody has used. */
export function aNumber(): string {
  return `stripe${String(serial++).padStart(18, "0")}`;
}

/** Puts a payment of 100.00 on Stripe's books, and asks for 40.00 of it back. */
export function anOrder(
  emulator: StripeEmulator,
  changes: Partial<RefundOrder> = {},
  payment: Partial<StripePaymentBook> = {},
): RefundOrder {
  const transactionNo = changes.transactionNo ?? `ch_3Pay${serial++}`;
  emulator.pay({ transactionNo, orderNo: transactionNo, amount: 10_000, currency: "usd", ...payment });
  return {
    number: aNumber(),
    amount: 4000,
    currency: "usd",
    chargeAmount: 10_000,
    charge: "ch_0123456789ABCDEFGHIJKLMN",
    chargeOrderNo: "order-1",
    transactionNo,
    channel: "stripe",
    livemode: true,
    description: "The shoes do not fit.",
    fundingSource: null,
    attempt: 1,
    submittedAt: Date.now(),
    created: Math.floor(Date.now() / 1000),
    memory: null,
    ...changes,
  };
}

/** The order as it stands so long after its first submission, and what was remembered. */
export function later(order: RefundOrder, ageMs: number, memory: string | null = order.memory): RefundOrder {
  return { ...order, attempt: 2, submittedAt: Date.now() - ageMs, memory };
}

/** The part of a verdict that says something; amounts are asserted on their own. */
export function said(verdict: Verdict): Partial<Verdict> {
  const { number: _number, amount: _amount, currency: _currency, askedAt: _askedAt, ...rest } = verdict;
  return rest;
}
