// The Worker itself, whose ledgers tell D1 by one of two ways: straight, as the product's do, or, where the queue
// PROJECTIONS is bound, by a message with the batch in it. A consumer then tells D1 of up to fifty ledgers at once and
// confirms to each of them. A ledger keeps its outbox until its confirmation comes; if none does, its alarm sends again.
// What is too large for a message goes straight.
// Both ways are counted alike. The rest is the product's own, without webhooks, which need no ledger.
import { DurableObject } from "cloudflare:workers";
import { flushToD1 } from "../src/charges/flush.ts";
import { Ledger } from "../src/charges/ledger.ts";
import type { CreateCall, ReadCall, RecordCall } from "../src/charges/ledger-calls.ts";
import { portsOf } from "../src/charges/ledger-platform.ts";
import type { FlushBatch, FlushReceipt } from "../src/charges/ledger-ports.ts";
import { database } from "../src/db/client.ts";
import { patient } from "../src/db/patience.ts";
import type { Env } from "../src/env.ts";
import worker from "../src/index.ts";
import { wakeDeliveries } from "../src/webhooks/wake.ts";
import type { OutboxControl, OutboxTally } from "./outbox-tally.ts";
import { withMethods } from "./with-methods.ts";

export { RefundBudget } from "../src/budgets/refund-budget.ts";

type QueuedEnv = Env & { PROJECTIONS?: Queue<string> };

interface Projection {
  /** The ledger's object. */
  ledger: string;
  /** Which of the ledger's sendings this is; another instance of it knows nothing of it. */
  sending: string;
  batch: FlushBatch;
}

type Confirmed = { told(sending: string, receipt: FlushReceipt): Promise<void> };

const noTally = (): OutboxTally => ({
  ledgerCalls: 0,
  alarms: 0,
  alerts: 0,
  d1Batches: 0,
  d1RowsRead: 0,
  d1RowsWritten: 0,
  messages: 0,
  tooLarge: 0,
  consumerRuns: 0,
  toldAt: {},
});

/** What a queue takes in a message, a little less: it counts bytes, and the texts of the benchmark have one a character. */
const MESSAGE_MAX = 127_000;

/** Worker and ledgers share an isolate on one machine, and so these. */
let tally = noTally();
/** So many of the next messages never arrive. */
let toLose = 0;

const counted = new WeakMap<D1Database, D1Database>();

/** One per binding: clients of the database are kept by binding. */
function countedDatabase(db: D1Database): D1Database {
  let outer = counted.get(db);
  if (outer === undefined) {
    outer = withMethods(db, {
      batch: async (statements: D1PreparedStatement[]) => {
        const results = await db.batch(statements);
        tally.d1Batches++;
        for (const { meta } of results) {
          tally.d1RowsRead += meta.rows_read;
          tally.d1RowsWritten += meta.rows_written;
        }
        return results;
      },
    });
    counted.set(db, outer);
  }
  return outer;
}

function noteTold(batches: readonly FlushBatch[]): void {
  const now = Date.now();
  for (const { refunds } of batches) for (const { id } of refunds) tally.toldAt[id] ??= now;
}

export class ChargeLedger extends DurableObject<QueuedEnv> {
  readonly #ledger: Ledger;
  readonly #sent = new Map<string, (receipt: FlushReceipt) => void>();

  constructor(ctx: DurableObjectState, env: QueuedEnv) {
    super(ctx, env);
    const outer = { ...env, DB: countedDatabase(env.DB) };
    const ports = portsOf(ctx, () => outer);
    const { PROJECTIONS: queue } = env;
    const straight = async (batch: FlushBatch) => {
      const receipt = await ports.flush(batch);
      noteTold([batch]);
      return receipt;
    };
    this.#ledger = new Ledger({
      ...ports,
      alert: () => {
        tally.alerts++;
      },
      flush: queue === undefined ? straight : (batch) => this.#send(queue, batch, straight),
    });
  }

  create(call: CreateCall) {
    tally.ledgerCalls++;
    return this.#ledger.create(call);
  }

  record(call: RecordCall) {
    tally.ledgerCalls++;
    return this.#ledger.record(call);
  }

  read(call: ReadCall) {
    tally.ledgerCalls++;
    return this.#ledger.read(call);
  }

  /** D1 has what was sent. */
  async told(sending: string, receipt: FlushReceipt): Promise<void> {
    tally.ledgerCalls++;
    this.#sent.get(sending)?.(receipt);
  }

  override alarm() {
    tally.alarms++;
    return this.#ledger.alarm();
  }

  /** Resolves with the confirmation. The projector waits for it no longer than for D1 itself. */
  async #send(
    queue: Queue<string>,
    batch: FlushBatch,
    straight: (batch: FlushBatch) => Promise<FlushReceipt>,
  ): Promise<FlushReceipt> {
    const projection: Projection = {
      ledger: this.ctx.id.toString(),
      sending: crypto.randomUUID(),
      batch,
    };
    const text = JSON.stringify(projection);
    if (text.length > MESSAGE_MAX) {
      tally.tooLarge++;
      return await straight(batch);
    }
    const confirmed = Promise.withResolvers<FlushReceipt>();
    // One sending at a time: whatever the ledger waited for before, it has given up.
    this.#sent.clear();
    this.#sent.set(projection.sending, confirmed.resolve);
    tally.messages++;
    if (toLose > 0) toLose--;
    else await queue.send(text, { contentType: "text" });
    const receipt = await confirmed.promise;
    this.#sent.delete(projection.sending);
    return receipt;
  }
}

/** Throws when D1 could not be told: the messages come again. A confirmation that is lost is the alarm's to heal. */
async function project(messages: readonly Message<string>[], env: QueuedEnv): Promise<void> {
  tally.consumerRuns++;
  const newest = new Map<string, Projection>();
  for (const { body } of messages) {
    const projection = JSON.parse(body) as Projection;
    const other = newest.get(projection.ledger);
    // What a ledger sends holds all that was not confirmed before, so its newest sending is enough.
    if (other === undefined || projection.batch.version >= other.batch.version) {
      newest.set(projection.ledger, projection);
    }
  }
  const projections = [...newest.values()];
  const batches = projections.map(({ batch }) => batch);
  const [first] = batches;
  if (first === undefined) return;
  const db = database({ DB: countedDatabase(env.DB) }, first.charge.app, first.charge.livemode);
  const { receipts, deliveries } = await flushToD1(db, batches);
  noteTold(batches);
  void wakeDeliveries(env, deliveries);
  await Promise.allSettled(
    projections.map(({ ledger, sending }, i) => {
      const stub = env.LEDGERS.get(env.LEDGERS.idFromString(ledger)) as unknown as Confirmed;
      return stub.told(sending, receipts[i] as FlushReceipt);
    }),
  );
}

export default {
  async fetch(request, env, ctx) {
    if (new URL(request.url).pathname !== "/outbox") return await worker.fetch(request, env, ctx);
    const { lose = 0 } = await request.json<OutboxControl>();
    toLose = lose;
    const before = tally;
    tally = noTally();
    return Response.json(before);
  },

  async queue(batch, env) {
    if (batch.queue !== "projections") return await worker.queue(batch, env);
    await project(batch.messages as readonly Message<string>[], patient(env) as QueuedEnv);
  },
} satisfies ExportedHandler<QueuedEnv, unknown>;
