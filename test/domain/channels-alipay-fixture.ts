// An account at Alipay's emulator, with the connector over real HTTP and a payment of 200.12 yuan on the books.
import { afterEach } from "vitest";
import { alipay } from "../../src/channels/alipay/client.ts";
import type { Channel, ChannelAccount, ConnectorPorts, RefundOrder } from "../../src/channels/channel.ts";
import { randomToken } from "../../src/ids.ts";
import { type AlipayOptions, startAlipayEmulator } from "../emulators/alipay.ts";
import type { Answer, EmulatedPayment } from "../emulators/channel-emulator.ts";

export const listening = new AbortController().signal;
export const random = (count: number) => crypto.getRandomValues(new Uint8Array(count));
export const token = () => randomToken(random);

const opened: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});

/** An account of its own: keys are remembered by account and revision. */
export function newAccount(): ChannelAccount {
  return {
    app: "app_1",
    livemode: true,
    channel: "alipay",
    id: `ca_${token()}`,
    revision: 1,
    merchant: "2088000000000001",
    credentials: "sealed",
  };
}

/** What a connector stands on, reaching nobody unless the test says so. */
export function portsOf(changes: Partial<ConnectorPorts> = {}): ConnectorPorts {
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

export function orderOf(changes: Partial<RefundOrder> = {}): RefundOrder {
  return {
    number: token(),
    amount: 1000,
    currency: "cny",
    chargeAmount: 20012,
    charge: "ch_1",
    chargeOrderNo: "order1",
    transactionNo: "2014112611001004680073956707",
    channel: "alipay",
    livemode: true,
    description: "商品已售完",
    fundingSource: null,
    attempt: 1,
    submittedAt: null,
    created: Math.floor(Date.now() / 1000),
    memory: null,
    ...changes,
  };
}

export type Merchant = Awaited<ReturnType<typeof openMerchant>>;

export async function openMerchant(options: AlipayOptions & { ports?: Partial<ConnectorPorts> } = {}) {
  const emulator = await startAlipayEmulator(options);
  opened.push(emulator);
  const credentials = async () => emulator.credentials;
  const channel: Channel = alipay(portsOf({ baseUrl: emulator.url, credentials, ...options.ports }));
  const payment: EmulatedPayment = emulator.pay({
    transactionNo: `20141126${token()}`,
    orderNo: `order${token().slice(0, 8)}`,
    amount: 20012,
    currency: "cny",
  });
  const account = newAccount();
  return {
    emulator,
    channel,
    account,
    payment,
    /** For ten yuan of the payment, with a number of its own. */
    order: (changes: Partial<RefundOrder> = {}): RefundOrder =>
      orderOf({ chargeOrderNo: payment.orderNo, transactionNo: payment.transactionNo, ...changes }),
    refund: (order: RefundOrder, signal = listening) => channel.refund(order, account, Date.now(), signal),
    query: (order: RefundOrder, signal = listening) => channel.query(order, account, Date.now(), signal),
    /** The next answer, whatever was asked, comes back changed after it has been signed. */
    rewritten(rewrite: (answer: Answer) => Answer): void {
      emulator.faults.next({ does: "rewrite", rewrite });
    },
    /** The next answer is this one, signed. */
    answered(answer: Answer): void {
      emulator.faults.next({ does: "answer", answer });
    },
  };
}

/** The same answer as nobody signed it. */
export function unsigned(answer: Answer): Answer {
  return { status: answer.status, body: answer.body };
}
