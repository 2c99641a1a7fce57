// The Worker itself, with counters where it leaves its own code: calls of ledgers, commits and rows in them, alarms, calls
// and rows of D1, queue messages. Counts have no noise: they are the same on every machine, and a change of one is a change
// of the code. So that no clock decides what comes first, time stands still but for alarms, which ring when they are told
// to, and what ledgers send to D1 and to the queues can be held back: whatever is answered meanwhile did not wait for it.
import type { Env } from "../src/env.ts";
import worker, { ChargeLedger as Ledger, RefundBudget } from "../src/index.ts";
import { COUNTERS, type Control, type Controlled, type Counter, type Counts, HEADER } from "./counters.ts";
import { withMethods } from "./with-methods.ts";

class Tally {
  #counts = new Map<Counter, number>();
  /** They go on counting while they are read. */
  #cursors: SqlStorageCursor<Record<string, SqlStorageValue>>[] = [];

  add(counter: Counter, by = 1): void {
    if (isMuted) return;
    this.#counts.set(counter, (this.#counts.get(counter) ?? 0) + by);
  }

  follow(cursor: SqlStorageCursor<Record<string, SqlStorageValue>>): void {
    if (isMuted) return;
    this.#cursors.push(cursor);
    this.add("ledger rows written", cursor.rowsWritten);
  }

  of(counter: Counter): number {
    if (counter !== "ledger rows read") return this.#counts.get(counter) ?? 0;
    return this.#cursors.reduce((sum, { rowsRead }) => sum + rowsRead, 0);
  }

  clear(): void {
    this.#counts.clear();
    this.#cursors = [];
  }
}

/** Worker and ledgers share an isolate on one machine, and so these. */
const tallies = { worker: new Tally(), ledger: new Tally() };
/** The ledgers' part of an answer: what they had done when their calls returned. */
let returned = new Map<Counter, number>();
let isHeld = false;
/** While a ledger is only looked at. */
let isMuted = false;
let travelling = 0;

const HELD_LOOK_MS = 1;

async function letGo(): Promise<void> {
  while (isHeld) await scheduler.wait(HELD_LOOK_MS);
}

let stoppedAt: number | null = null;
const realNow = Date.now;

/** An isolate does not know the time before its first request. */
function stopClock(): void {
  stoppedAt ??= realNow();
  Date.now = () => stoppedAt as number;
}

type Sends<Message> = Queue<Message>["send"];
type SendsMany<Message> = Queue<Message>["sendBatch"];

function countedQueue<Message>(queue: Queue<Message>, tally: Tally, gate: () => Promise<void>) {
  const sending = (messages: number) => {
    tally.add("queue sends");
    tally.add("queue messages", messages);
    travelling += messages;
  };
  return withMethods(queue, {
    send: async (...args: Parameters<Sends<Message>>) => {
      sending(1);
      await gate();
      return await queue.send(...args);
    },
    sendBatch: async (...args: Parameters<SendsMany<Message>>) => {
      const messages = [...args[0]];
      sending(messages.length);
      await gate();
      return await queue.sendBatch(messages, args[1]);
    },
  });
}

type Metered = { meta: { rows_read?: number; rows_written?: number } };

const bare = new WeakMap<D1PreparedStatement, D1PreparedStatement>();

function countedDatabase(db: D1Database, tally: Tally, gate: () => Promise<void>): D1Database {
  const begin = async (statements: number) => {
    tally.add("D1 calls");
    tally.add("D1 statements", statements);
    await gate();
  };
  const metered = <Result extends Metered>(result: Result): Result => {
    tally.add("D1 rows read", result.meta.rows_read ?? 0);
    tally.add("D1 rows written", result.meta.rows_written ?? 0);
    return result;
  };
  const counted = (statement: D1PreparedStatement): D1PreparedStatement => {
    /** Answers that come without figures are asked for a second time, when the rows are as they were. */
    const twice = async <Result>(run: () => Promise<Result>): Promise<Result> => {
      await begin(1);
      metered(await statement.all());
      return await run();
    };
    const wrapped = withMethods(statement, {
      bind: (...values: unknown[]) => counted(statement.bind(...values)),
      all: () => begin(1).then(async () => metered(await statement.all())),
      run: () => begin(1).then(async () => metered(await statement.run())),
      first: (column: string) => twice(() => statement.first(column)),
      raw: (options: { columnNames: true }) => twice(() => statement.raw(options)),
    });
    bare.set(wrapped, statement);
    return wrapped;
  };
  return withMethods(db, {
    prepare: (query: string) => counted(db.prepare(query)),
    batch: async (statements: D1PreparedStatement[]) => {
      await begin(statements.length);
      return (await db.batch(statements.map((statement) => bare.get(statement) ?? statement))).map(metered);
    },
  });
}

const seen = { worker: new WeakMap<Env, Env>(), ledger: new WeakMap<Env, Env>() };

/** One per environment: the Worker keeps what belongs to a binding by its identity. */
function countedEnv(env: Env, whose: keyof typeof tallies): Env {
  const known = seen[whose].get(env);
  if (known !== undefined) return known;
  const tally = tallies[whose];
  const gate = whose === "ledger" ? letGo : async () => {};
  const counted: Env = {
    ...env,
    DB: countedDatabase(env.DB, tally, gate),
    DELIVERIES: countedQueue(env.DELIVERIES, tally, gate),
    DELIVERIES_SLOW: countedQueue(env.DELIVERIES_SLOW, tally, gate),
    COMMANDS: countedQueue(env.COMMANDS, tally, gate),
  };
  seen[whose].set(env, counted);
  return counted;
}

/**
 * The storage's own methods are replaced: the runtime does not take a proxy for an object's state. A commit is a
 * transaction that wrote something, or a write outside of any. Alarms are only written down.
 */
function countStorage(storage: DurableObjectStorage, setAlarm: (at: number | null) => void): void {
  const { ledger } = tallies;
  const { transactionSync } = storage;
  const { exec } = storage.sql;
  let depth = 0;
  let wrote = false;
  const writing = () => {
    if (depth === 0) ledger.add("ledger commits");
    wrote = true;
  };
  Object.defineProperties(storage, {
    transactionSync: {
      value: (work: () => unknown) => {
        if (depth === 0) wrote = false;
        depth++;
        try {
          return transactionSync.call(storage, work);
        } finally {
          depth--;
          if (depth === 0 && wrote) ledger.add("ledger commits");
        }
      },
    },
    setAlarm: {
      value: async (at: number) => {
        ledger.add("alarms set");
        writing();
        setAlarm(at);
      },
    },
    deleteAlarm: {
      value: async () => {
        ledger.add("alarms deleted");
        writing();
        setAlarm(null);
      },
    },
  });
  Object.defineProperty(storage.sql, "exec", {
    value: (query: string, ...values: SqlStorageValue[]) => {
      const cursor = exec.call(storage.sql, query, ...values);
      ledger.add("ledger statements");
      ledger.follow(cursor);
      if (cursor.rowsWritten > 0) writing();
      return cursor;
    },
  });
}

export class ChargeLedger extends Ledger {
  #alarmAt: number | null = null;
  readonly #bytes: () => number;

  constructor(ctx: DurableObjectState, env: Env) {
    let armed: (at: number | null) => void = () => {};
    countStorage(ctx.storage, (at) => armed(at));
    super(ctx, countedEnv(env, "ledger"));
    armed = (at) => {
      this.#alarmAt = at;
    };
    this.#bytes = () => ctx.storage.sql.databaseSize;
  }

  override create(...args: Parameters<Ledger["create"]>) {
    return this.#counted(() => super.create(...args));
  }

  override record(...args: Parameters<Ledger["record"]>) {
    return this.#counted(() => super.record(...args));
  }

  override read(...args: Parameters<Ledger["read"]>) {
    return this.#counted(() => super.read(...args));
  }

  async #counted<Answer>(call: () => Promise<Answer>): Promise<Answer> {
    const { ledger } = tallies;
    const before = new Map(COUNTERS.map((counter) => [counter, ledger.of(counter)]));
    ledger.add("ledger calls");
    const answer = await call();
    // Still within the turn in which the call returned: nothing that comes after the answer has begun.
    for (const counter of COUNTERS) {
      const added = ledger.of(counter) - (before.get(counter) ?? 0);
      returned.set(counter, (returned.get(counter) ?? 0) + added);
    }
    return answer;
  }

  async ring(): Promise<void> {
    if (this.#alarmAt === null) return;
    stoppedAt = Math.max(stoppedAt ?? 0, this.#alarmAt);
    this.#alarmAt = null;
    tallies.ledger.add("alarm runs");
    await super.alarm();
  }

  async evict(): Promise<void> {
    this.ctx.abort();
  }

  async look(): Promise<{ told: boolean; bytes: number }> {
    isMuted = true;
    // All of it happens within the call; only its answer comes later.
    const exported = super.export();
    isMuted = false;
    const book = await exported;
    const told =
      "ok" in book &&
      book.ok.undelivered.length === 0 &&
      book.ok.refunds.every(({ version, synced }) => version <= synced);
    return { told, bytes: this.#bytes() };
  }
}

export { RefundBudget };

function countsNow(ledgerOf: (counter: Counter) => number): Counts {
  const entries = COUNTERS.map((counter) => [counter, tallies.worker.of(counter) + ledgerOf(counter)]);
  return Object.fromEntries(entries) as Counts;
}

async function control(env: Env, { hold, clear, ring, evict, look }: Control): Promise<Controlled> {
  type Counting = {
    ring(): Promise<void>;
    evict(): Promise<void>;
    look(): Promise<{ told: boolean; bytes: number }>;
  };
  const ledger = (name: string) => env.LEDGERS.getByName(name) as unknown as Counting;
  if (hold !== undefined) isHeld = hold;
  if (ring !== undefined) await ledger(ring).ring();
  // Whoever asks for it is broken off with it.
  if (evict !== undefined)
    await ledger(evict)
      .evict()
      .catch(() => {});
  const counts = countsNow((counter) => tallies.ledger.of(counter));
  const found = look === undefined ? { told: true, bytes: 0 } : await ledger(look).look();
  if (clear) {
    tallies.worker.clear();
    tallies.ledger.clear();
  }
  return { counts, travelling, ...found };
}

export default {
  async fetch(request, env, ctx) {
    stopClock();
    if (new URL(request.url).pathname === "/counts") {
      return Response.json(await control(env, await request.json()));
    }
    returned = new Map();
    const answer = await worker.fetch(request, countedEnv(env, "worker"), ctx);
    const counted = new Response(answer.body, answer);
    counted.headers.set(HEADER, JSON.stringify(countsNow((counter) => returned.get(counter) ?? 0)));
    return counted;
  },

  async queue(batch, env) {
    stopClock();
    tallies.worker.add("queue consumer runs");
    await worker.queue(batch, countedEnv(env, "worker"));
    travelling -= batch.messages.length;
  },
} satisfies ExportedHandler<Env, unknown>;
