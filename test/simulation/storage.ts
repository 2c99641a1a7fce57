// A ledger's disk on `node:sqlite`: what outlives its instances. Storage handed to an instance stops working when the
// instance is gone, so a zombie can still talk to the channel but can no longer write.
import { DatabaseSync, type StatementSync } from "node:sqlite";
import type { LedgerStorage, SqlValue } from "../../src/charges/ledger-ports.ts";

export class Disk {
  readonly name: string;
  #db = new DatabaseSync(":memory:");
  #statements = new Map<string, StatementSync>();
  /** The one alarm, ms on the clocks of the machines. */
  alarmAt: number | null = null;
  alarmRunning = false;
  /** It was set during a run of the alarm: a dead man's switch may stand in its place for a while. */
  alarmSetInRun = false;
  /** Something was done in the run of the alarm that is on. */
  usedInRun = false;
  /** How often in a row a run of it died, and how many runs there were in this minute. */
  alarmFailures = 0;
  alarmMinute = 0;
  alarmsInMinute = 0;
  /** The platform lost an alarm, and no other has been set since. */
  alarmLost = false;
  /** When, ms on the clocks of the machines. */
  alarmLostAt = 0;
  transactions = 0;

  constructor(name: string) {
    this.name = name;
  }

  exec(query: string, bindings: SqlValue[]): Record<string, SqlValue>[] {
    let statement = this.#statements.get(query);
    if (statement === undefined) {
      statement = this.#db.prepare(query);
      this.#statements.set(query, statement);
    }
    return statement.all(...bindings) as Record<string, SqlValue>[];
  }

  run(command: string): void {
    this.#db.exec(command);
  }

  /** Whether anything was ever stored: a guessed id must leave nothing behind. */
  isEmpty(): boolean {
    return this.#db.prepare("SELECT 1 FROM sqlite_master").all().length === 0;
  }

  /** Loses everything. */
  wipe(): void {
    this.#db.close();
    this.#db = new DatabaseSync(":memory:");
    this.#statements = new Map();
    this.transactions += 1;
    this.alarmAt = null;
    this.alarmLost = false;
  }

  /** All that is on it, to be put back later. */
  snapshot(): DiskSnapshot {
    const rows = (table: string) => this.#db.prepare(`SELECT * FROM ${table}`).all() as Row[];
    return { alarmAt: this.alarmAt, refunds: rows("refunds"), outbox: rows("outbox") };
  }

  /** Goes back to what it was then. */
  restore({ alarmAt, refunds, outbox }: DiskSnapshot): void {
    const put = (table: string, rows: Row[]) => {
      this.#db.exec(`DELETE FROM ${table}`);
      for (const row of rows) {
        const columns = Object.keys(row);
        const marks = columns.map(() => "?").join();
        this.#db
          .prepare(`INSERT INTO ${table} (${columns.join()}) VALUES (${marks})`)
          .run(...Object.values(row));
      }
    };
    put("refunds", refunds);
    put("outbox", outbox);
    this.transactions += 1;
    this.alarmAt = alarmAt;
  }
}

type Row = Record<string, SqlValue>;

export interface DiskSnapshot {
  alarmAt: number | null;
  refunds: Row[];
  outbox: Row[];
}

/** What happens around an instance's use of its disk. Each may throw. */
export interface StorageHooks {
  /** Throws once the instance is gone. */
  check(): void;
  beforeCommit(): void;
  afterCommit(): void;
  /** The alarm that is set once everything before it is durable. */
  alarmSet(): void;
  violation(words: string): void;
}

const WRITES = /^\s*(INSERT|UPDATE|DELETE|REPLACE|CREATE|DROP|ALTER)\b/i;

export function openStorage(disk: Disk, hooks: StorageHooks): LedgerStorage {
  let depth = 0;
  return {
    sql: {
      exec(query, ...bindings) {
        hooks.check();
        if (depth === 0 && WRITES.test(query)) hooks.violation(`write outside a transaction: ${query}`);
        const rows = disk.exec(query, bindings);
        return { toArray: () => rows };
      },
    },
    setAlarm(at) {
      hooks.check();
      if (!Number.isFinite(at)) hooks.violation(`an alarm at ${at}`);
      disk.alarmAt = at;
      disk.alarmSetInRun = disk.alarmRunning;
      disk.alarmLost = false;
      if (depth === 0) hooks.alarmSet();
    },
    deleteAlarm() {
      hooks.check();
      disk.alarmAt = null;
      disk.alarmSetInRun = false;
      disk.alarmLost = false;
    },
    transactionSync<T>(work: () => T): T {
      hooks.check();
      const alarm = { at: disk.alarmAt, lost: disk.alarmLost };
      const level = depth;
      disk.run(level === 0 ? "BEGIN" : `SAVEPOINT s${level}`);
      depth += 1;
      let result: T;
      try {
        result = work();
        if (result instanceof Promise) hooks.violation("a transaction that awaits");
        if (level === 0) hooks.beforeCommit();
        disk.run(level === 0 ? "COMMIT" : `RELEASE s${level}`);
      } catch (error) {
        disk.run(level === 0 ? "ROLLBACK" : `ROLLBACK TO s${level}; RELEASE s${level}`);
        disk.alarmAt = alarm.at;
        disk.alarmLost = alarm.lost;
        throw error;
      } finally {
        depth = level;
      }
      if (level === 0) {
        disk.transactions += 1;
        disk.usedInRun = disk.alarmRunning;
        if (disk.alarmAt !== alarm.at) hooks.alarmSet();
        hooks.afterCommit();
      }
      return result;
    },
  };
}
