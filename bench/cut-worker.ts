// The Worker itself, in which nothing happens that follows an answer: what it takes until then is all that it takes. D1
// is never told and no alarm fires; they are written, an hour ahead. With `Prefer: respond-async` the channel is asked,
// which the answer does not wait for, and never says anything. Timers run an hour too: none ends while it is looked at.
// The rest is the product's own. Its state is good for nothing.
import { DurableObject } from "cloudflare:workers";
import type { Channel } from "../src/channels/channel.ts";
import { Ledger } from "../src/charges/ledger.ts";
import type { CreateCall, ReadCall, RecordCall } from "../src/charges/ledger-calls.ts";
import { portsOf } from "../src/charges/ledger-platform.ts";
import type { LedgerPorts } from "../src/charges/ledger-ports.ts";
import { sleep } from "../src/deadline.ts";
import type { Env } from "../src/env.ts";

export { RefundBudget } from "../src/budgets/refund-budget.ts";
export { default } from "../src/index.ts";

const HOUR_MS = 3_600_000;

const never = <T>() => new Promise<T>(() => undefined);

export class ChargeLedger extends DurableObject<Env> {
  readonly #ledger: Ledger;
  #isAnswered = false;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#ledger = new Ledger(this.#portsOf(ctx));
  }

  create(call: CreateCall) {
    this.#isAnswered = call.command.waitMs === 0;
    return this.#ledger.create(call);
  }

  record(call: RecordCall) {
    return this.#ledger.record(call);
  }

  read(call: ReadCall) {
    return this.#ledger.read(call);
  }

  override async alarm() {}

  #portsOf(ctx: DurableObjectState): LedgerPorts {
    const ports = portsOf(ctx, () => this.env);
    return {
      ...ports,
      storage: { ...ports.storage, setAlarm: () => ports.storage.setAlarm(Date.now() + HOUR_MS) },
      sleep: (_, stop) => sleep(HOUR_MS, stop),
      channel: (name, livemode) => {
        const channel = ports.channel(name, livemode);
        return channel === null || !this.#isAnswered ? channel : silent(channel);
      },
      flush: () => never(),
    };
  }
}

function silent(channel: Channel): Channel {
  return { ...channel, refund: () => never() };
}
