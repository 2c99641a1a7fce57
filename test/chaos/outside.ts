// The world around the runtime, which lives through all of its deaths: the channels with their books, faulty on every
// way, and the merchants' receivers, good and bad. `heal` makes all of it well.

import { startAlipayEmulator } from "../emulators/alipay.ts";
import type { Books, EmulatedPayment, FaultRates } from "../emulators/channel-emulator.ts";
import type { Dice } from "../emulators/dice.ts";
import {
  type Behaviour,
  busy,
  hang,
  ok,
  Receiver,
  redirect,
  reset,
  slow,
  status,
} from "../emulators/receiver.ts";
import { type SandboxServer, startSandboxServer } from "../emulators/sandbox-server.ts";
import { startStripeEmulator } from "../emulators/stripe.ts";
import { startWechatpayEmulator } from "../emulators/wechatpay.ts";
import type { BookedNumber, Receipt } from "./records.ts";

const SANDBOX_FAULTS = {
  dropAfter: 0.05,
  errorAfter: 0.05,
  errorBefore: 0.05,
  throttle: 0.03,
  delay: 0.2,
  delayMs: 400,
};

/** `hiddenMs` stays below the settling time of every channel: a channel that hides for longer cannot be refunded at all. */
const CHANNEL_FAULTS: Partial<FaultRates> = {
  dropBefore: 0.03,
  dropAfter: 0.04,
  errorBefore: 0.03,
  errorAfter: 0.04,
  throttle: 0.02,
  delay: 0.1,
  delayMs: 400,
  processing: 0.3,
  processingMs: 1_500,
  fails: 0.06,
  hides: 0.1,
  hiddenMs: 800,
  noticeLost: 0.3,
  noticeLate: 0.2,
  noticeLateMs: 1_500,
  noticeTwice: 0.2,
  noticeEarly: 0.2,
  noticeForged: 0.05,
  noticeStale: 0.05,
  noticeProbe: 0.05,
};

/** How many requests a flaky receiver has its moods for. */
const MOODS = 2_000;

export const LIVE = [
  { kind: "wechatpay", name: "wx_pub", currency: "cny", prefix: "4200" },
  { kind: "alipay", name: "alipay_wap", currency: "cny", prefix: "2026" },
  { kind: "stripe", name: "stripe", currency: "usd", prefix: "ch_3" },
] as const;
export type LiveChannel = (typeof LIVE)[number];

export interface Outside {
  sandbox: SandboxServer;
  emulators: {
    wechatpay: Awaited<ReturnType<typeof startWechatpayEmulator>>;
    alipay: Awaited<ReturnType<typeof startAlipayEmulator>>;
    stripe: Awaited<ReturnType<typeof startStripeEmulator>>;
  };
  receiver: Receiver;
  /** Nothing is well from now on; before, everything is. */
  rage(): void;
  /** Everything is well again, but for the receiver that never is. */
  heal(): void;
  /** Until the channels have said what they had to say. */
  settled(): Promise<void>;
  booked(now?: number): BookedNumber[];
  violations(): string[];
  receipts(): Receipt[];
  close(): Promise<void>;
}

/** Paths of the receiver that behave badly, and how. */
export const MOODY = ["/flaky", "/sleepy", "/gone"] as const;
/** Answers 500 for ever. */
export const NEVER = "/never";

export async function openOutside(dice: Dice): Promise<Outside> {
  const seed = () => dice.between(1, 1_000_000);
  const sandbox = await startSandboxServer({ seed: seed() });
  const [wechatpay, alipay, stripe, receiver] = await Promise.all([
    startWechatpayEmulator({ seed: seed() }),
    // The gap between refunds of a trade is shortened with all other times.
    startAlipayEmulator({ seed: seed(), minds3Seconds: false }),
    startStripeEmulator({ seed: seed() }),
    Receiver.open(),
  ]);
  const emulators = { wechatpay, alipay, stripe };
  const moods = (list: readonly Behaviour[]) =>
    Array.from({ length: MOODS }, () => dice.pick(list)) as [Behaviour, ...Behaviour[]];
  return {
    sandbox,
    emulators,
    receiver,
    rage() {
      sandbox.setFaults(SANDBOX_FAULTS);
      for (const { faults } of Object.values(emulators)) faults.set(CHANNEL_FAULTS);
      const elsewhere = redirect(receiver.url("/stolen"));
      receiver.behave(
        "/flaky",
        ...moods([ok(), ok(), ok(), status(500), reset, elsewhere, busy(503, 1), slow(300)]),
      );
      receiver.behave("/sleepy", ...moods([ok(), slow(600), hang, busy(429, 1)]));
      receiver.behave("/gone", ...moods([ok(), ok(), ok(), status(500), status(410)]));
      receiver.behave(NEVER, status(500));
    },
    heal() {
      sandbox.setFaults({});
      for (const { faults } of Object.values(emulators)) faults.set({});
      for (const path of MOODY) receiver.behave(path, ok());
    },
    async settled() {
      await Promise.all(Object.values(emulators).map(({ notices }) => notices.settled()));
    },
    booked(now = Date.now()) {
      return [
        ...bookedAtSandbox(sandbox, now),
        ...LIVE.flatMap(({ kind }) => bookedAt(kind, emulators[kind].books as Books<unknown>, now)),
      ];
    },
    violations: () => [
      ...sandbox.books.violations,
      ...Object.values(emulators).flatMap(({ books }) => books.violations),
      ...receiver.at("/stolen").map(() => "a redirect of a receiver was followed"),
    ],
    receipts: () =>
      receiver.book.map(({ path, headers, body }) => ({
        path,
        id: headers["webhook-id"] ?? "",
        body: body.toString("utf8"),
      })),
    async close() {
      await Promise.all([
        sandbox.close(),
        receiver.close(),
        ...Object.values(emulators).map((emulator) => emulator.close()),
      ]);
    },
  };
}

/** A payment on a live channel's books. */
export function pay(outside: Outside, { kind }: LiveChannel, payment: EmulatedPayment): void {
  outside.emulators[kind].pay(payment);
}

/** The path at the receiver, which tells whose deliveries arrive there. */
export function pathOf(url: string): string {
  return new URL(url).pathname;
}

function bookedAtSandbox({ books }: SandboxServer, now: number): BookedNumber[] {
  return [...books.numbers.values()]
    .filter(({ submissions }) => submissions > 0)
    .map(({ number, charge, amount, effects, order }) => {
      const moved = books.hasMoved(number, now);
      const open = /\[sandbox:pending_forever\]/.test(order.description);
      return { channel: "sandbox", number, payment: charge, amount, effects, moved, open };
    });
}

function bookedAt(channel: string, books: Books<unknown>, now: number): BookedNumber[] {
  return [...books.numbers.values()].map((refund) => {
    const said = books.status(refund, now);
    const { number, payment, amount, effects } = refund;
    const open = said === "processing" || said === "stuck";
    return {
      channel,
      number,
      payment: payment.transactionNo,
      amount,
      effects,
      moved: said === "succeeded",
      open,
    };
  });
}
