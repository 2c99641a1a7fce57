// A WeChat Pay account at the emulator, with the connector over real HTTP and a payment of 100 yuan on the books.
import { afterEach } from "vitest";
import type { Channel, ChannelAccount, ConnectorPorts, RefundOrder } from "../../src/channels/channel.ts";
import { wechatpay } from "../../src/channels/wechatpay/client.ts";
import { randomToken } from "../../src/ids.ts";
import type { EmulatedPayment, FaultRates } from "../emulators/channel-emulator.ts";
import { startWechatpayEmulator, type WechatpayEmulator } from "../emulators/wechatpay.ts";

export const listening = new AbortController().signal;
export const random = (count: number) => crypto.getRandomValues(new Uint8Array(count));
export const token = () => randomToken(random);

const opened: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});

/** Closed when the test is over. */
export function closing<T extends { close(): Promise<unknown> }>(one: T): T {
  opened.push(one);
  return one;
}

/** An account of its own: keys are remembered by account and revision. */
export function account(): ChannelAccount {
  return {
    app: "app_1",
    livemode: true,
    channel: "wx",
    id: `ca_${token()}`,
    merchant: "1900000109",
    revision: 1,
    credentials: "sealed",
  };
}

/** What a connector stands on, reaching nobody unless the test says so. */
export function portsOf(changes: Partial<ConnectorPorts>): ConnectorPorts {
  return {
    baseUrl: "http://127.0.0.1:9",
    fetch: (url, init) => globalThis.fetch(url, init),
    random,
    credentials: async () => {
      throw new Error("sealed for good");
    },
    notifyUrl: async () => null,
    ...changes,
  };
}

export interface Merchant {
  emulator: WechatpayEmulator;
  channel: Channel;
  account: ChannelAccount;
  payment: EmulatedPayment;
  /** An order for ten yuan of the payment, with a number of its own. */
  order(changes?: Partial<RefundOrder>): RefundOrder;
  refund(order: RefundOrder): ReturnType<Channel["refund"]>;
  query(order: RefundOrder): ReturnType<Channel["query"]>;
}

export async function openMerchant(
  options: { seed?: number; faults?: Partial<FaultRates>; ports?: Partial<ConnectorPorts> } = {},
): Promise<Merchant> {
  const emulator = closing(await startWechatpayEmulator(options));
  const credentials = async () => emulator.credentials;
  const channel = wechatpay(portsOf({ baseUrl: emulator.url, credentials, ...options.ports }));
  const payment = emulator.pay({
    transactionNo: `42000${Math.floor(Math.random() * 1e15)}`,
    orderNo: `order${token().slice(0, 8)}`,
    amount: 10_000,
    currency: "cny",
  });
  const own = account();
  return {
    emulator,
    channel,
    account: own,
    payment,
    order: (changes) => ({
      number: token(),
      amount: 1000,
      currency: "cny",
      chargeAmount: payment.amount,
      charge: "ch_1",
      chargeOrderNo: payment.orderNo,
      transactionNo: payment.transactionNo,
      channel: "wx",
      livemode: true,
      description: "商品已售完",
      fundingSource: null,
      attempt: 1,
      submittedAt: null,
      created: Math.floor(Date.now() / 1000),
      memory: null,
      ...changes,
    }),
    refund: (order) => channel.refund(order, own, Date.now(), listening),
    query: (order) => channel.query(order, own, Date.now(), listening),
  };
}
