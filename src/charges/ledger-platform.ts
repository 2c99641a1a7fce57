// What a ledger stands on in a Worker: the Durable Object's storage and timers, the channels, D1 and the queues.
import { channelFor, connectorOf } from "../channels/channels.ts";
import { claimChannelPayment, findAccount } from "../channels/repository.ts";
import { database } from "../db/client.ts";
import { sleep } from "../deadline.ts";
import type { Env } from "../env.ts";
import { log } from "../log.ts";
import type { BatchMessage } from "../reconciliation/command.ts";
import { wakeBatches } from "../reconciliation/wake-commands.ts";
import { isFinal } from "../refunds/refund.ts";
import { wakeDeliveries } from "../webhooks/wake.ts";
import { flushToD1 } from "./flush.ts";
import { Ledger } from "./ledger.ts";
import type { FlushBatch, FlushReceipt, LedgerPorts } from "./ledger-ports.ts";
import { findHydration } from "./repository.ts";

/** The ledger of the charge that an object is for. */
export function openLedger(ctx: DurableObjectState, env: () => Env): Ledger {
  return new Ledger(portsOf(ctx, env));
}

/** `env` is asked for at each use: a test may exchange a binding while the object lives. */
export function portsOf(ctx: DurableObjectState, env: () => Env): LedgerPorts {
  const { storage } = ctx;
  return {
    storage: {
      sql: storage.sql,
      transactionSync: (work) => storage.transactionSync(work),
      // Its promise only says that the write is durable, which the output gate waits for anyway.
      setAlarm: (at) => void storage.setAlarm(at),
      deleteAlarm: () => void storage.deleteAlarm(),
    },
    now: () => Date.now(),
    random: (count) => crypto.getRandomValues(new Uint8Array(count)),
    sleep,
    channel: (name, livemode) => channelFor(name, livemode, env()),
    account: (charge, pinned, newest) =>
      findAccount(database(env(), charge.app, charge.livemode), charge, pinned, newest),
    claimPayment: async (charge, { merchant }, transactionNo) => {
      const connector = connectorOf(charge.channel);
      // What a person pays has no number that means anything to another app.
      if (connector === null || connector === "manual") return true;
      const db = database(env(), charge.app, charge.livemode);
      return await claimChannelPayment(db, connector, merchant, transactionNo, charge);
    },
    mayCall: async ({ id }, again) => {
      const budget = again ? env().CHANNEL_RETRIES : env().CHANNEL_CALLS;
      return budget === undefined || (await budget.limit({ key: id })).success;
    },
    flush: async (batch) => {
      const { app, livemode } = batch.charge;
      const { receipts, deliveries } = await flushToD1(database(env(), app, livemode), [batch]);
      // Wake-up calls only: the rows are written, and the cron finds whatever is not woken.
      void wakeDeliveries(env(), deliveries);
      void wakeBatches(env(), batchesToWake(batch));
      return receipts[0] as FlushReceipt;
    },
    projection: (charge) =>
      findHydration(database(env(), charge.app, charge.livemode), charge.app, charge.livemode, charge.id),
    alert: (kind, facts) => log("error", { alert: kind, ...facts }),
  };
}

/** The batches of refunds that have ended: one of them may be the last of its batch. */
function batchesToWake({ charge: { app, livemode }, refunds }: FlushBatch): BatchMessage[] {
  const ended = refunds.flatMap((refund) =>
    refund.batch === undefined || !isFinal(refund) ? [] : [refund.batch],
  );
  return [...new Set(ended)].map((batch) => ({ app, livemode, batch }));
}
