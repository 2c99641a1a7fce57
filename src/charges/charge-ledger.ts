// The Durable Object around a charge's ledger: a shell that gives the logic its storage, its timers and its ways out.
import { DurableObject } from "cloudflare:workers";
import type { Env } from "../env.ts";
import { Ledger } from "./ledger.ts";
import type {
  ApplyCall,
  ClaimCall,
  CreateCall,
  DecideCall,
  DisputeCall,
  LedgerSurface,
  PokeCall,
  ReadCall,
  RecordCall,
  ResolveCall,
  SyncCall,
  UpdateCall,
} from "./ledger-calls.ts";
import { portsOf } from "./ledger-platform.ts";

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

  sync(call: SyncCall) {
    return this.#ledger.sync(call);
  }

  claim(call: ClaimCall) {
    return this.#ledger.claim(call);
  }

  resolve(call: ResolveCall) {
    return this.#ledger.resolve(call);
  }

  decide(call: DecideCall) {
    return this.#ledger.decide(call);
  }

  update(call: UpdateCall) {
    return this.#ledger.update(call);
  }

  dispute(call: DisputeCall) {
    return this.#ledger.dispute(call);
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
