// The channels on the other side: what the emulators have in common for a run, and what differs between them.

import { alipay } from "../../src/channels/alipay/client.ts";
import type { Channel, ConnectorPorts } from "../../src/channels/channel.ts";
import { stripe } from "../../src/channels/stripe/stripe.ts";
import { wechatpay } from "../../src/channels/wechatpay/client.ts";
import type { Charge } from "../../src/charges/charge.ts";
import { error as alipayError, startAlipayEmulator } from "../emulators/alipay.ts";
import type {
  Books,
  ChannelRequest,
  FaultRates,
  Faults,
  NoticeSender,
  RefundStatus,
  Strike,
} from "../emulators/channel-emulator.ts";
import type { Clock } from "../emulators/clock.ts";
import { type StripeRefundBook, startStripeEmulator, stripeError } from "../emulators/stripe.ts";
import { startWechatpayEmulator, wechatpayError } from "../emulators/wechatpay.ts";

export const CONNECTORS = ["wechatpay", "alipay", "stripe"] as const;
export type ConnectorName = (typeof CONNECTORS)[number];

export interface Counterpart {
  name: ConnectorName;
  /** The charges' channel. */
  channel: string;
  currency: string;
  url: string;
  urlVariable: "WECHATPAY_URL" | "ALIPAY_URL" | "STRIPE_URL";
  connect(ports: ConnectorPorts): Channel;
  books: Books<unknown>;
  faults: Faults;
  notices: NoticeSender;
  requests: ChannelRequest[];
  /** What our account knows before and after its keys are rotated. */
  credentials: { before: unknown; after: unknown };
  /** The channel goes over to its other key: what the old credentials hear from now on may prove nothing. */
  rotate(): void;
  /** One address for everything, where the channel does not take one with each refund. */
  notifyAt(url: string): void;
  /** Serial number of a payment. */
  transactionNo(serial: number): string;
  /** The next submission hears a definite no. */
  refusal: Strike;
  /** The code of it. */
  refusalCode: string;
  /** What else this channel cannot do. */
  unable: Partial<FaultRates>;
  /** What was asked for under a number, as the channel has it; null when it never heard of it. */
  find(number: string): { status: RefundStatus; amount: number; effects: number; wasPaid: boolean } | null;
  /** A stuck refund ends, by the hand of somebody at the channel; null: it stays as it is. */
  unstick: ((number: string, status: "succeeded" | "failed") => void) | null;
  /** A refund that somebody makes at the channel, past us. */
  refundElsewhere: ((charge: Charge, amount: number) => void) | null;
  /** A key of a submission is a day old. */
  forgetKey: ((key: string) => void) | null;
  close(): Promise<void>;
}

type Options = { seed: number; clock: Clock };

export function startCounterpart(name: ConnectorName, options: Options): Promise<Counterpart> {
  return { wechatpay: startWechatpay, alipay: startAlipay, stripe: startStripe }[name](options);
}

/** By the books of a channel where a number is one refund. */
function findIn(books: Books<unknown>, now: () => number): Counterpart["find"] {
  return (number) => {
    const refund = books.numbers.get(number);
    if (refund === undefined) return null;
    const wasPaid = refund.course.some(({ status, at }) => status === "succeeded" && at <= now());
    return { status: books.status(refund), amount: refund.amount, effects: refund.effects, wasPaid };
  };
}

async function startWechatpay(options: Options): Promise<Counterpart> {
  const emulator = await startWechatpayEmulator(options);
  const [publicKey, certificate] = emulator.credentials.platform_keys;
  return {
    ...emulator,
    name: "wechatpay",
    channel: "wx_pub",
    currency: "cny",
    urlVariable: "WECHATPAY_URL",
    connect: wechatpay,
    // WeChat's answers are signed with the key that the asker knows, and its notices with either, until the change is over.
    credentials: {
      before: { ...emulator.credentials, platform_keys: [certificate] },
      after: { ...emulator.credentials, platform_keys: [publicKey] },
    },
    rotate: () => emulator.signWith(0),
    notifyAt() {},
    transactionNo: (serial) => `42000000${String(serial).padStart(20, "0")}`,
    refusal: { at: "refund", does: "answer", answer: wechatpayError("NOT_ENOUGH") },
    refusalCode: "NOT_ENOUGH",
    unable: {},
    find: findIn(emulator.books, options.clock.now),
    unstick: emulator.move,
    refundElsewhere: null,
    forgetKey: null,
  };
}

async function startAlipay(options: Options): Promise<Counterpart> {
  let address = "";
  const emulator = await startAlipayEmulator({
    ...options,
    notifyUrl: () => address,
    // A submission that comes late may come at any time; what is sent too soon is seen where it is sent.
    minds3Seconds: false,
  });
  const [oldKey, newKey] = emulator.credentials.alipay_public_keys;
  return {
    ...emulator,
    name: "alipay",
    channel: "alipay",
    currency: "cny",
    urlVariable: "ALIPAY_URL",
    connect: alipay,
    credentials: {
      before: { ...emulator.credentials, alipay_public_keys: [oldKey] },
      after: { ...emulator.credentials, alipay_public_keys: [newKey] },
    },
    rotate: () => emulator.signWith(1),
    notifyAt(url) {
      address = url;
    },
    transactionNo: (serial) => `20270115220014${String(serial).padStart(14, "0")}`,
    refusal: { at: "refund", does: "answer", answer: alipayError(400, "ACQ.SELLER_BALANCE_NOT_ENOUGH") },
    refusalCode: "ACQ.SELLER_BALANCE_NOT_ENOUGH",
    // Alipay has no words for either.
    unable: { sticks: 0, reverses: 0 },
    find: findIn(emulator.books, options.clock.now),
    unstick: null,
    refundElsewhere: null,
    forgetKey: null,
  };
}

async function startStripe(options: Options): Promise<Counterpart> {
  const emulator = await startStripeEmulator(options);
  const { books } = emulator;
  const before = { ...emulator.credentials, webhook_secrets: [...emulator.credentials.webhook_secrets] };
  const secret = "whsec_of_the_rotated_endpoint_0123456789";
  /** Refunds at Stripe that bear our number, also those somebody else made. */
  function* bearing(number: string) {
    for (const refund of books.numbers.values()) {
      for (const object of refund.order) {
        if (object.metadata.refund_id === `re_${number}`) yield { refund, object };
      }
    }
  }
  return {
    ...emulator,
    name: "stripe",
    channel: "stripe",
    currency: "usd",
    urlVariable: "STRIPE_URL",
    connect: stripe,
    credentials: { before, after: { ...before, webhook_secrets: [secret, ...before.webhook_secrets] } },
    // For a while Stripe signs with both secrets of an endpoint, then with the new one alone.
    rotate: () => void emulator.credentials.webhook_secrets.splice(0, 1, secret),
    notifyAt(url) {
      emulator.notifyUrl = url;
    },
    transactionNo: (serial) => `${serial % 2 === 0 ? "pi" : "ch"}_3Run${String(serial).padStart(20, "0")}`,
    refusal: {
      at: "refund",
      does: "answer",
      answer: stripeError(400, { code: "balance_insufficient" }),
    },
    refusalCode: "balance_insufficient",
    unable: {},
    find(number) {
      const found = [...bearing(number)];
      const [first] = found;
      if (first === undefined) return null;
      const { refund } = first;
      const status = books.status(refund);
      const wasPaid = refund.course.some(
        ({ status, at }) => status === "succeeded" && at <= options.clock.now(),
      );
      return { status, amount: refund.amount, effects: found.length, wasPaid };
    },
    unstick(number, status) {
      const refund = books.numbers.get(number);
      if (refund !== undefined) moveOn(refund, status, options.clock.now());
    },
    refundElsewhere: ({ transactionNo }, amount) => {
      const payment = books.findPayment(transactionNo ?? "");
      const left = payment === undefined ? 0 : payment.amount - books.held(payment);
      if (payment !== undefined && left > 0)
        emulator.refundElsewhere(payment.transactionNo, Math.min(amount, left));
    },
    forgetKey: emulator.expireKeys,
  };
}

function moveOn(
  refund: { course: { status: RefundStatus; at: number }[]; order: StripeRefundBook[] },
  status: RefundStatus,
  at: number,
): void {
  refund.course = [...refund.course.filter((step) => step.at <= at), { status, at }];
}
