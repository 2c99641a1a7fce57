// The Durable Object around a charge's ledger: a shell that gives the logic its storage. No call comes before that is loaded.
import { DurableObject } from "cloudflare:workers";
import type { Env } from "../env.ts";
import { ledgers } from "../parts.ts";
import type { Ledger } from "./ledger.ts";
import type * as Calls from "./ledger-calls.ts";

export class ChargeLedger extends DurableObject<Env> implements Calls.LedgerSurface {
  #ledger!: Ledger;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const opened = ledgers.use(({ openLedger }) => {
      this.#ledger = openLedger(ctx, () => this.env);
    });
    if (opened !== undefined) ctx.blockConcurrencyWhile(() => opened);
  }

  create(call: Calls.CreateCall) {
    return this.#ledger.create(call);
  }

  record(call: Calls.RecordCall) {
    return this.#ledger.record(call);
  }

  read(call: Calls.ReadCall) {
    return this.#ledger.read(call);
  }

  apply(call: Calls.ApplyCall) {
    return this.#ledger.apply(call);
  }

  sync(call: Calls.SyncCall) {
    return this.#ledger.sync(call);
  }

  claim(call: Calls.ClaimCall) {
    return this.#ledger.claim(call);
  }

  resolve(call: Calls.ResolveCall) {
    return this.#ledger.resolve(call);
  }

  decide(call: Calls.DecideCall) {
    return this.#ledger.decide(call);
  }

  update(call: Calls.UpdateCall) {
    return this.#ledger.update(call);
  }

  dispute(call: Calls.DisputeCall) {
    return this.#ledger.dispute(call);
  }

  adopt(call: Calls.AdoptCall) {
    return this.#ledger.adopt(call);
  }

  retell(call: Calls.RetellCall) {
    return this.#ledger.retell(call);
  }

  poke(call: Calls.PokeCall) {
    return this.#ledger.poke(call);
  }

  export() {
    return this.#ledger.export();
  }

  override alarm() {
    return this.#ledger.alarm();
  }
}
