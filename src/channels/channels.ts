// Which connector speaks for a channel name. In test mode every name is the sandbox; in live mode the sandbox is
// never reached, and a name without a connector is null: its charges can be recorded, not refunded.
import { type Env, isLocalDevelopment } from "../env.ts";
import { alipay } from "./alipay/client.ts";
import type { Channel, ConnectorPorts } from "./channel.ts";
import { connectorPorts } from "./connector-ports.ts";
import { manual } from "./manual/manual.ts";
import { sandboxOverHttp } from "./sandbox/client.ts";
import { sandbox } from "./sandbox/sandbox.ts";
import { stripe } from "./stripe/stripe.ts";
import { wechatpay } from "./wechatpay/client.ts";

export type ChannelEnv = Pick<
  Env,
  "LOCAL_DEV" | "SANDBOX_URL" | "ALIPAY_URL" | "STRIPE_URL" | "WECHATPAY_URL" | "PUBLIC_URL" | "MASTER_KEYS"
>;

interface Connector {
  name: string;
  connect(ports: ConnectorPorts): Channel;
  baseUrl: string;
  /** The variable that names an emulator in its place; in local development only. */
  emulator: "ALIPAY_URL" | "STRIPE_URL" | "WECHATPAY_URL" | null;
}

/** Live connectors by the beginning of the channel's name: the first that fits. */
const CONNECTORS: readonly (readonly [prefix: string, connector: Connector])[] = [
  [
    "alipay",
    { name: "alipay", connect: alipay, baseUrl: "https://openapi.alipay.com", emulator: "ALIPAY_URL" },
  ],
  [
    "wx",
    {
      name: "wechatpay",
      connect: wechatpay,
      baseUrl: "https://api.mch.weixin.qq.com",
      emulator: "WECHATPAY_URL",
    },
  ],
  ["stripe", { name: "stripe", connect: stripe, baseUrl: "https://api.stripe.com", emulator: "STRIPE_URL" }],
  ["manual", { name: "manual", connect: manual, baseUrl: "", emulator: null }],
];

const inProcess = sandbox((ms) => new Promise((resolve) => setTimeout(resolve, ms)));

function find(name: string): Connector | null {
  return CONNECTORS.find(([prefix]) => name.startsWith(prefix))?.[1] ?? null;
}

/** The connector a channel name belongs to; null when there is none. */
export function connectorOf(name: string): string | null {
  return find(name)?.name ?? null;
}

export function channelFor(name: string, livemode: boolean, env: ChannelEnv): Channel | null {
  if (!livemode) {
    return env.SANDBOX_URL ? sandboxOverHttp(loopback("SANDBOX_URL", env.SANDBOX_URL, env)) : inProcess;
  }
  const connector = find(name);
  if (connector === null) return null;
  const emulated = connector.emulator === null ? undefined : env[connector.emulator];
  const baseUrl = emulated ? loopback(String(connector.emulator), emulated, env) : connector.baseUrl;
  return connector.connect(connectorPorts(env, baseUrl));
}

/** What stands in for a channel would see its data, so its address must be this machine's, and the Worker a developer's. */
function loopback(variable: string, address: string, env: ChannelEnv): string {
  if (!isLocalDevelopment(env)) {
    throw new Error(`${variable} is for local development: LOCAL_DEV is not "true"`);
  }
  const url = new URL(address);
  const isLoopback = ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname);
  if (url.protocol !== "http:" || !isLoopback) {
    throw new Error(`${variable} must be an http address on loopback`);
  }
  return address.replace(/\/+$/, "");
}
