// What one request does, counted exactly: see counting-worker.ts.
import type { Bundle } from "./bundle.ts";
import { type CaseName, prepare } from "./cases.ts";
import { Merchant } from "./merchant.ts";
import { Receiver } from "./receiver.ts";

const REFUNDS = 20;

export type Counts = Record<string, number>;

/**
 * Per case, how often a request does what is counted; background work included. `webhooks` is what an endpoint adds to
 * `create`: a delivery.
 */
export async function countWork(
  bundle: Bundle,
  names: readonly (CaseName | "webhooks")[],
  state: string,
): Promise<Map<string, Counts>> {
  const merchant = await Merchant.open(bundle, { state, concurrency: 1, loopbackWebhooks: true });
  const { url } = merchant.runtime;
  const read = async (): Promise<Counts> => (await fetch(`${url}/counts`)).json();
  const countCase = async (name: CaseName, receiver: Receiver | null = null): Promise<Counts> => {
    const { requests, judge } = await prepare(name, merchant, REFUNDS);
    await merchant.rest();
    await read();
    await merchant.send(requests, judge);
    await receiver?.until(requests.length);
    await merchant.rest();
    const counted = Object.entries(await read());
    return Object.fromEntries(counted.map(([what, count]) => [what, count / requests.length]));
  };
  const receiver = await Receiver.open("answers");
  try {
    const told = new Map<string, Counts>();
    // An endpoint would add to all that come after it.
    for (const name of names) if (name !== "webhooks") told.set(name, await countCase(name));
    if (names.includes("webhooks")) {
      const without = told.get("create") ?? (await countCase("create"));
      await merchant.openEndpoint(receiver.url);
      const withIt = Object.entries(await countCase("create", receiver));
      const added = withIt.map(([what, count]) => [what, count - (without[what] ?? 0)]);
      told.set("webhooks", Object.fromEntries(added));
    }
    await merchant.verify();
    return told;
  } finally {
    receiver.close();
    await merchant.runtime.stop();
  }
}
