// Which connector speaks for a channel name. In test mode every name is the sandbox; in live mode the sandbox is
// never reached, and a name without a connector is null: its charges can be recorded, not refunded. The code of a live
// connector is loaded by the first question to its channel.
import { type Env, isLocalDevelopment } from "../env.ts";
import type { Lazy } from "../lazy.ts";
import * as parts from "../parts.ts";
import { alipayFacts } from "./alipay/facts.ts";
import type { Channel, ConnectorPorts } from "./channel.ts";
import { connectorPorts } from "./connector-ports.ts";
import { manual } from "./manual/manual.ts";
import { sandboxOverHttp } from "./sandbox/client.ts";
import { sandbox } from "./sandbox/sandbox.ts";
import { stripeFacts } from "./stripe/facts.ts";
import { wechatpayFacts } from "./wechatpay/facts.ts";

export type ChannelEnv = Pick<
  Env,
  "LOCAL_DEV" | "SANDBOX_URL" | "ALIPAY_URL" | "STRIPE_URL" | "WECHATPAY_URL" | "PUBLIC_URL" | "MASTER_KEYS"
>;

interface Connector {
  name: string;
  facts: Channel["facts"];
  part: Lazy<(ports: ConnectorPorts) => Channel>;
  baseUrl: string;
  /** The variable that names an emulator in its place; in local development only. */
  emulator: "ALIPAY_URL" | "STRIPE_URL" | "WECHATPAY_URL" | null;
}

/** Live connectors by the beginning of the channel's name: the first that fits. */
const CONNECTORS: readonly (readonly [prefix: string, connector: Connector])[] = [
  [
    "alipay",
    {
      name: "alipay",
      facts: alipayFacts,
      part: parts.alipay,
      baseUrl: "https://openapi.alipay.com",
      emulator: "ALIPAY_URL",
    },
  ],
  [
    "wx",
    {
      name: "wechatpay",
      facts: wechatpayFacts,
      part: parts.wechatpay,
      baseUrl: "https://api.mch.weixin.qq.com",
      emulator: "WECHATPAY_URL",
    },
  ],
  [
    "stripe",
    {
      name: "stripe",
      facts: stripeFacts,
      part: parts.stripe,
      baseUrl: "https://api.stripe.com",
      emulator: "STRIPE_URL",
    },
  ],
];

const inProcess = sandbox((ms) => new Promise((resolve) => setTimeout(resolve, ms)));

function find(name: string): Connector | null {
  return CONNECTORS.find(([prefix]) => name.startsWith(prefix))?.[1] ?? null;
}

function isManual(name: string): boolean {
  return name.startsWith("manual");
}

/** The connector a channel name belongs to; null when there is none. */
export function connectorOf(name: string): string | null {
  return isManual(name) ? "manual" : (find(name)?.name ?? null);
}

/** What a ledger asks, and goes by. */
export function channelFor(name: string, livemode: boolean, env: ChannelEnv): Channel | null {
  if (!livemode) {
    return env.SANDBOX_URL ? sandboxOverHttp(loopback("SANDBOX_URL", env.SANDBOX_URL, env)) : inProcess;
  }
  if (isManual(name)) return manual(connectorPorts(env, ""));
  const connector = find(name);
  if (connector === null) return null;
  const { facts, part } = connector;
  const ports = portsFor(connector, env);
  return {
    facts,
    refund: async (...asked) => await part.use((connect) => connect(ports).refund(...asked)),
    query: async (...asked) => await part.use((connect) => connect(ports).query(...asked)),
    verifyPayment: async (...asked) =>
      (await part.use((connect) => connect(ports).verifyPayment?.(...asked))) ?? { kind: "unknown" },
    check: async (...asked) =>
      (await part.use((connect) => connect(ports).check?.(...asked))) ?? { kind: "unknown", words: "" },
  };
}

/** The channel with all that its connector can do. */
export async function wholeChannel(
  name: string,
  livemode: boolean,
  env: ChannelEnv,
): Promise<Channel | null> {
  const connector = livemode && !isManual(name) ? find(name) : null;
  if (connector === null) return channelFor(name, livemode, env);
  return await connector.part.use((connect) => connect(portsFor(connector, env)));
}

function portsFor({ baseUrl, emulator }: Connector, env: ChannelEnv): ConnectorPorts {
  const emulated = emulator === null ? undefined : env[emulator];
  return connectorPorts(env, emulated ? loopback(String(emulator), emulated, env) : baseUrl);
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
