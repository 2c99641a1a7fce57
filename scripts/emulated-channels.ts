// The emulators of the payment channels, as a person at a terminal drives them: one shape for all three, with what only
// one of them has left out of the others.
import { error as alipayError, startAlipayEmulator } from "../test/emulators/alipay.ts";
import type {
  Answer,
  BookedRefund,
  Books,
  ChannelRequest,
  EmulatedPayment,
  Faults,
  NoticeKind,
  NoticeSender,
  PostedNotice,
  RefundStatus,
} from "../test/emulators/channel-emulator.ts";
import { startStripeEmulator, stripeError } from "../test/emulators/stripe.ts";
import { startWechatpayEmulator, wechatpayError } from "../test/emulators/wechatpay.ts";
import { UsageError } from "./terminal.ts";

export interface Channel {
  /** A channel name that this emulator's accounts and charges can have. */
  name: string;
  variable: string;
  port: number;
  courses: readonly RefundStatus[];
  transactionNo(): string;
  decline(code: string): Answer;
  start(port: number): Promise<Emulator>;
}

export interface Emulator {
  url: string;
  credentials: object;
  books: Books<unknown>;
  faults: Faults;
  notices: NoticeSender;
  requests: ChannelRequest[];
  pay(payment: EmulatedPayment): unknown;
  /** What the channel tells by itself about a refund. */
  notice?(refund: BookedRefund<unknown>, kind: NoticeKind): PostedNotice;
  notify?(url: string): void;
  elsewhere?(transactionNo: string, amount: number): void;
  dispute?(transactionNo: string, amount: number, status: string): PostedNotice;
  close(): Promise<void>;
}

export const STATUSES: Record<string, RefundStatus> = {
  processing: "processing",
  abnormal: "stuck",
  succeeded: "succeeded",
  failed: "failed",
  returned: "returned",
};

export const CHANNELS: Record<string, Channel> = {
  wechatpay: {
    name: "wx_pub",
    variable: "WECHATPAY_URL",
    port: 9101,
    courses: ["processing", "stuck", "failed"],
    transactionNo: () => `4200000${Date.now()}`,
    decline: wechatpayError,
    async start(port) {
      const emulator = await startWechatpayEmulator({ port });
      const notice = ({ number }: { number: string }, kind: NoticeKind) => {
        const refund = emulator.books.numbers.get(number);
        if (!refund?.order.notifyUrl) throw new UsageError("the API gave it no notify_url: set PUBLIC_URL");
        return emulator.notice(refund, kind);
      };
      return { ...emulator, notice };
    },
  },
  alipay: {
    name: "alipay",
    variable: "ALIPAY_URL",
    port: 9102,
    courses: ["processing", "failed"],
    transactionNo: () => `2026${Date.now()}`,
    // Codes of the gateway have no prefix.
    decline: (code) => alipayError(400, /^[A-Z_]+$/.test(code) ? `ACQ.${code}` : code),
    start: (port) => startAlipayEmulator({ port }),
  },
  stripe: {
    name: "stripe",
    variable: "STRIPE_URL",
    port: 9103,
    courses: ["processing", "stuck", "failed"],
    transactionNo: () => `ch_3${Date.now()}`,
    decline: (code) => stripeError(400, { code }),
    async start(port) {
      const emulator = await startStripeEmulator({ port });
      const event = (type: string, object: object, kind: NoticeKind = "good") => {
        const url = emulator.notifyUrl;
        if (url === null) throw new UsageError("where to? notify URL, with the account's notice_url");
        return { url, ...emulator.event(type, object, kind) };
      };
      return Object.assign(emulator, {
        notice: ({ number }: { number: string }, kind: NoticeKind) =>
          event("refund.updated", emulator.render(number), kind),
        notify: (url: string) => {
          emulator.notifyUrl = url;
        },
        elsewhere: (transactionNo: string, amount: number) => {
          emulator.refundElsewhere(transactionNo, amount);
        },
        dispute: (charge: string, amount: number, status: string) => {
          const currency = emulator.books.findPayment(charge)?.currency ?? "usd";
          const type = `charge.dispute.${status === "needs_response" ? "created" : "closed"}`;
          return event(type, { id: `dp_${charge}`, object: "dispute", amount, charge, currency, status });
        },
      });
    },
  },
};
