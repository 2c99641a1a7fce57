// The Worker itself, with counters where it leaves its own code: calls of ledgers, transactions and statements in them,
// alarms, calls of D1, queue sends. `GET /counts` tells them and starts again at zero. Counts have no noise: they are
// the same on every machine, and a change of one is a change of the code.
import type { Env } from "../src/env.ts";
import worker, { ChargeLedger as Ledger, RefundBudget } from "../src/index.ts";
import { withMethods } from "./with-methods.ts";

export const COUNTERS = [
  "ledger calls",
  "ledger transactions",
  "ledger statements",
  "ledger rows written",
  "alarms set",
  "alarm runs",
  "D1 calls",
  "D1 statements",
  "queue sends",
] as const;
type Counter = (typeof COUNTERS)[number];

/** Worker and ledgers share an isolate on one machine, and so these. */
const counts = new Map<Counter, number>();

function count(counter: Counter, by = 1): void {
  counts.set(counter, (counts.get(counter) ?? 0) + by);
}

function countedQueue<Message>(queue: Queue<Message>): Queue<Message> {
  return withMethods(queue, {
    send: (...args: Parameters<Queue<Message>["send"]>) => {
      count("queue sends");
      return queue.send(...args);
    },
    sendBatch: (...args: Parameters<Queue<Message>["sendBatch"]>) => {
      count("queue sends");
      return queue.sendBatch(...args);
    },
  });
}

const bare = new WeakMap<D1PreparedStatement, D1PreparedStatement>();

function countedStatement(statement: D1PreparedStatement): D1PreparedStatement {
  const call = <Result>(run: () => Result): Result => {
    count("D1 calls");
    count("D1 statements");
    return run();
  };
  const counted = withMethods(statement, {
    bind: (...values: unknown[]) => countedStatement(statement.bind(...values)),
    all: () => call(() => statement.all()),
    run: () => call(() => statement.run()),
    first: (column: string) => call(() => statement.first(column)),
    raw: (options: { columnNames: true }) => call(() => statement.raw(options)),
  });
  bare.set(counted, statement);
  return counted;
}

function countedDatabase(db: D1Database): D1Database {
  return withMethods(db, {
    prepare: (query: string) => countedStatement(db.prepare(query)),
    batch: (statements: D1PreparedStatement[]) => {
      count("D1 calls");
      count("D1 statements", statements.length);
      return db.batch(statements.map((statement) => bare.get(statement) ?? statement));
    },
  });
}

const seen = new WeakMap<Env, Env>();

/** One per environment: the Worker keeps what belongs to a binding by its identity. */
function countedEnv(env: Env): Env {
  const known = seen.get(env);
  if (known !== undefined) return known;
  const counted: Env = {
    ...env,
    DB: countedDatabase(env.DB),
    DELIVERIES: countedQueue(env.DELIVERIES),
    DELIVERIES_SLOW: countedQueue(env.DELIVERIES_SLOW),
    COMMANDS: countedQueue(env.COMMANDS),
  };
  seen.set(env, counted);
  return counted;
}

/** The storage's own methods are replaced: the runtime does not take a proxy for an object's state. */
function countStorage(storage: DurableObjectStorage): void {
  const { transactionSync, setAlarm } = storage;
  const { exec } = storage.sql;
  Object.defineProperties(storage, {
    transactionSync: {
      value: (work: () => unknown) => {
        count("ledger transactions");
        return transactionSync.call(storage, work);
      },
    },
    setAlarm: {
      value: (at: number) => {
        count("alarms set");
        return setAlarm.call(storage, at);
      },
    },
  });
  Object.defineProperty(storage.sql, "exec", {
    value: (query: string, ...values: SqlStorageValue[]) => {
      count("ledger statements");
      const cursor = exec.call(storage.sql, query, ...values);
      count("ledger rows written", cursor.rowsWritten);
      return cursor;
    },
  });
}

export class ChargeLedger extends Ledger {
  constructor(ctx: DurableObjectState, env: Env) {
    countStorage(ctx.storage);
    super(ctx, countedEnv(env));
  }

  override create(...args: Parameters<Ledger["create"]>) {
    count("ledger calls");
    return super.create(...args);
  }

  override record(...args: Parameters<Ledger["record"]>) {
    count("ledger calls");
    return super.record(...args);
  }

  override read(...args: Parameters<Ledger["read"]>) {
    count("ledger calls");
    return super.read(...args);
  }

  override alarm() {
    count("alarm runs");
    return super.alarm();
  }
}

export { RefundBudget };

export default {
  fetch(request, env, ctx) {
    if (new URL(request.url).pathname !== "/counts") return worker.fetch(request, countedEnv(env), ctx);
    const told = Object.fromEntries(COUNTERS.map((counter) => [counter, counts.get(counter) ?? 0]));
    counts.clear();
    return Response.json(told);
  },
  queue: (batch, env) => worker.queue(batch, countedEnv(env)),
} satisfies ExportedHandler<Env, unknown>;
