// Which connector speaks for a channel name. In test mode every name is the sandbox; in live mode the sandbox is
// never reached, and a name without a connector is null: its charges can be recorded, not refunded.
import { type Env, isLocalDevelopment } from "../env.ts";
import type { Channel } from "./channel.ts";
import { sandboxOverHttp } from "./sandbox/client.ts";
import { sandbox } from "./sandbox/sandbox.ts";

type ChannelEnv = Pick<Env, "LOCAL_DEV" | "SANDBOX_URL">;

/** Live connectors by the beginning of the channel's name: the first that fits. */
const CONNECTORS: readonly { prefix: string; connect(env: ChannelEnv): Channel }[] = [];

const inProcess = sandbox((ms) => new Promise((resolve) => setTimeout(resolve, ms)));

export function channelFor(name: string, livemode: boolean, env: ChannelEnv): Channel | null {
  if (livemode) return CONNECTORS.find(({ prefix }) => name.startsWith(prefix))?.connect(env) ?? null;
  return env.SANDBOX_URL ? sandboxOverHttp(loopback(env.SANDBOX_URL, env)) : inProcess;
}

/** A sandbox elsewhere would see test data, so its address must be this machine's, and the Worker a developer's. */
function loopback(address: string, env: ChannelEnv): string {
  if (!isLocalDevelopment(env))
    throw new Error('SANDBOX_URL is for local development: LOCAL_DEV is not "true"');
  const url = new URL(address);
  const isLoopback = ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname);
  if (url.protocol !== "http:" || !isLoopback)
    throw new Error("SANDBOX_URL must be an http address on loopback");
  return address.replace(/\/+$/, "");
}
