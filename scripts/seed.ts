// The app that `npm start` makes once for its state directory, and the payment it refunds in its example.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { newApp } from "./admin-sql.ts";
import { execute } from "./d1.ts";

const seedSchema = z.object({ app: z.string(), testKey: z.string(), liveKey: z.string() });
export type Seed = z.infer<typeof seedSchema>;

/** The one place where the seeded keys are kept in the clear; it goes when the state goes. */
const fileIn = (state: string) => join(state, "edge-refunds-seed.json");

/** The seed of an earlier start; null when there was none. */
export function readSeed(state: string): Seed | null {
  let text: string;
  try {
    text = readFileSync(fileIn(state), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  return seedSchema.parse(JSON.parse(text));
}

/** Makes an app with a test key and a live key. The tables must be there. */
export async function plantSeed(state: string, masterKeys: string): Promise<Seed> {
  const created = await newApp("Local development", masterKeys, {
    random: (count) => crypto.getRandomValues(new Uint8Array(count)),
    now: Math.floor(Date.now() / 1000),
  });
  await execute({ remote: false, state }, created.statements);
  const seed: Seed = { app: created.app, testKey: created.testKey, liveKey: created.liveKey };
  writeFileSync(fileIn(state), `${JSON.stringify(seed, null, 2)}\n`, { mode: 0o600 });
  return seed;
}

const chargeSchema = z.object({ id: z.string(), amount_refundable: z.int() });

/**
 * Records a paid charge of 10000 through the API. Recording is repeatable, so every start gets the same one, until
 * half of it is refunded: a charge takes 50 refunds, and the example asks for 100 each time.
 */
export async function recordPayment(url: string, seed: Seed): Promise<string> {
  for (let number = 1; number <= 1000; number++) {
    const answer = await fetch(`${url}/v1/charges`, {
      method: "POST",
      headers: { Authorization: `Bearer ${seed.testKey}`, "Content-Type": "application/json" },
      body: JSON.stringify({
        order_no: `demo${String(number).padStart(4, "0")}`,
        app: { id: seed.app },
        channel: "alipay",
        amount: 10_000,
        currency: "cny",
        client_ip: "127.0.0.1",
        subject: "Demo",
        body: "A payment to refund",
        paid: true,
      }),
    });
    const text = await answer.text();
    if (answer.status === 401) {
      throw new Error(
        "the key of this state has been revoked: remove .wrangler (or PERSIST_TO) to begin again",
      );
    }
    if (!answer.ok)
      throw new Error(`recording a charge was answered ${answer.status}: ${text.slice(0, 500)}`);
    const charge = chargeSchema.parse(JSON.parse(text));
    if (charge.amount_refundable > 5_000) return charge.id;
  }
  throw new Error("every demo charge is refunded: remove .wrangler to begin again");
}
