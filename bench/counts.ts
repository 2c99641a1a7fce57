// What one request does, counted exactly: see counting-worker.ts.
import type { Bundle } from "./bundle.ts";
import { type CaseName, prepare } from "./cases.ts";
import { Merchant } from "./merchant.ts";

const REFUNDS = 20;

/** Per case, how often a request does what is counted; background work included. */
export async function countWork(
  bundle: Bundle,
  names: readonly CaseName[],
  state: string,
): Promise<Map<CaseName, Record<string, number>>> {
  const merchant = await Merchant.open(bundle, { state, concurrency: 1 });
  const { url } = merchant.runtime;
  const read = async (): Promise<Record<string, number>> => (await fetch(`${url}/counts`)).json();
  try {
    const told = new Map<CaseName, Record<string, number>>();
    for (const name of names) {
      const { requests, judge } = await prepare(name, merchant, REFUNDS);
      await merchant.rest();
      await read();
      await merchant.send(requests, judge);
      await merchant.rest();
      const counted = Object.entries(await read());
      told.set(name, Object.fromEntries(counted.map(([what, count]) => [what, count / requests.length])));
    }
    await merchant.verify();
    return told;
  } finally {
    await merchant.runtime.stop();
  }
}
