// What a budget stands on in a Worker: the Durable Object's storage, the clock and D1.
import { database } from "../db/client.ts";
import { sleep } from "../deadline.ts";
import type { Env } from "../env.ts";
import { Budget } from "./budget.ts";
import { readUsage } from "./usage.ts";

/** `env` is asked for at each use: a test may exchange a binding while the object lives. */
export function openBudget({ storage }: DurableObjectState, env: () => Env): Budget {
  return new Budget({
    storage: { sql: storage.sql, transactionSync: (work) => storage.transactionSync(work) },
    now: () => Date.now(),
    sleep,
    usage: (owner, since, refunds) =>
      readUsage(database(env(), owner.app, owner.livemode), owner, since, refunds),
  });
}
