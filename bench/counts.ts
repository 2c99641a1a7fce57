// What one request does, counted exactly: see counting-worker.ts.
import type { Bundle } from "./bundle.ts";
import { CASES, type CaseName, measureCase } from "./cases.ts";
import { Merchant } from "./merchant.ts";

const REQUESTS = 20;

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
    for (const name of Object.keys(CASES).filter((known): known is CaseName =>
      names.includes(known as CaseName),
    )) {
      const size = { requests: REQUESTS, warmUp: 0, concurrency: 1 };
      await measureCase(name, merchant, size, async (_, work) => {
        await merchant.rest();
        await read();
        const figure = await work();
        const counted = await read();
        told.set(
          name,
          Object.fromEntries(Object.entries(counted).map(([what, count]) => [what, count / REQUESTS])),
        );
        return figure;
      });
    }
    await merchant.verify();
    return told;
  } finally {
    await merchant.runtime.stop();
  }
}
