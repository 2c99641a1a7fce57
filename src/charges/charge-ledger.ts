// The Durable Object around a charge's ledger: a shell that gives the logic its storage, its timers and its ways out.
import { DurableObject } from "cloudflare:workers";
import { channelFor } from "../channels/channels.ts";
import { findAccount } from "../channels/repository.ts";
import { database } from "../db/client.ts";
import { sleep } from "../deadline.ts";
import type { Env } from "../env.ts";
import { wakeDeliveries } from "../webhooks/wake.ts";
import { flushToD1 } from "./flush.ts";
import { Ledger } from "./ledger.ts";
import type { ApplyCall, CreateCall, LedgerSurface, PokeCall, ReadCall, RecordCall } from "./ledger-calls.ts";
import type { LedgerPorts } from "./ledger-ports.ts";
import { findHydration } from "./repository.ts";

export class ChargeLedger extends DurableObject<Env> implements LedgerSurface {
  readonly #ledger: Ledger;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#ledger = new Ledger(portsOf(ctx, () => this.env));
  }

  create(call: CreateCall) {
    return this.#ledger.create(call);
  }

  record(call: RecordCall) {
    return this.#ledger.record(call);
  }

  read(call: ReadCall) {
    return this.#ledger.read(call);
  }

  apply(call: ApplyCall) {
    return this.#ledger.apply(call);
  }

  poke(call: PokeCall) {
    return this.#ledger.poke(call);
  }

  export() {
    return this.#ledger.export();
  }

  override alarm() {
    return this.#ledger.alarm();
  }
}

/** `env` is asked for at each use: a test may exchange a binding while the object lives. */
function portsOf(ctx: DurableObjectState, env: () => Env): LedgerPorts {
  const { storage } = ctx;
  return {
    storage: {
      sql: storage.sql,
      transactionSync: (work) => storage.transactionSync(work),
      // Its promise only says that the write is durable, which the output gate waits for anyway.
      setAlarm: (at) => void storage.setAlarm(at),
    },
    now: () => Date.now(),
    random: (count) => crypto.getRandomValues(new Uint8Array(count)),
    sleep,
    channel: (name, livemode) => channelFor(name, livemode, env()),
    account: (charge, pinned) => findAccount(database(env(), charge.app, charge.livemode), charge, pinned),
    flush: async (batch) => {
      const { app, livemode } = batch.charge;
      const { receipt, deliveries } = await flushToD1(database(env(), app, livemode), batch);
      // Wake-up calls only: the rows are written, and the cron finds whatever is not woken.
      void wakeDeliveries(env(), deliveries);
      return receipt;
    },
    projection: (charge) =>
      findHydration(database(env(), charge.app, charge.livemode), charge.app, charge.livemode, charge.id),
    alert: (kind, facts) => console.error(JSON.stringify({ alert: kind, ...facts })),
  };
}
