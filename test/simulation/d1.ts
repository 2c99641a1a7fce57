// D1 on `node:sqlite`, as much of it as drizzle uses: prepared statements, atomic batches, and the ways it fails. A call
// may fail before anything happened or after it was committed, may take long, or may never answer.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import type { Dice } from "../emulators/dice.ts";
import type { VirtualClock } from "./virtual-clock.ts";

export interface D1Faults {
  /** Nothing gets through. */
  down: boolean;
  failBefore: number;
  failAfter: number;
  hang: number;
  /** Longest delay in each direction. */
  delayMs: number;
}

const MIGRATIONS = join(import.meta.dirname, "../../migrations");

export class SimulatedD1 {
  readonly #db = new DatabaseSync(":memory:");
  readonly #prepared = new Map<string, StatementSync>();
  readonly #clock: VirtualClock;
  readonly #dice: Dice;
  faults: D1Faults = { down: false, failBefore: 0, failAfter: 0, hang: 0, delayMs: 0 };
  calls = 0;
  /** Called right after every call that was carried out. */
  afterCommit: () => void = () => {};

  constructor(clock: VirtualClock, dice: Dice) {
    this.#clock = clock;
    this.#dice = dice;
    for (const file of readdirSync(MIGRATIONS).sort()) {
      if (!file.endsWith(".sql")) continue;
      const sql = readFileSync(join(MIGRATIONS, file), "utf8");
      this.#db.exec(sql.replaceAll("--> statement-breakpoint", ""));
    }
  }

  /** The binding, as far as it is built. */
  get binding(): D1Database {
    return this.bindingOf((call) => call());
  }

  /** The binding of one machine, which every call has to go through. */
  bindingOf(machine: Passage): D1Database {
    const binding = {
      prepare: (query: string) => this.#prepare(query, [], machine),
      batch: (statements: Statement[]) =>
        this.#call(machine, () => {
          this.#db.exec("BEGIN");
          try {
            const results = statements.map((statement) => statement.execute());
            this.#db.exec("COMMIT");
            return results;
          } catch (error) {
            this.#db.exec("ROLLBACK");
            throw error;
          }
        }),
    };
    return binding as unknown as D1Database;
  }

  /** Looks at the rows past all faults. */
  rows(query: string, ...bindings: SQLInputValue[]): Record<string, unknown>[] {
    return this.#statement(query).all(...bindings) as Record<string, unknown>[];
  }

  exec(sql: string): void {
    this.#db.exec(sql);
  }

  /** All rows of the product's tables, to be put back later. */
  snapshot(): D1Snapshot {
    return new Map(this.#tables().map((table) => [table, this.rows(`SELECT * FROM ${table}`)]));
  }

  /** Goes back to what it was then: what was written since is gone. */
  restore(snapshot: D1Snapshot): void {
    for (const table of this.#tables()) {
      this.#db.exec(`DELETE FROM ${table}`);
      for (const row of snapshot.get(table) ?? []) {
        const columns = Object.keys(row).map((column) => `"${column}"`);
        const insert = `INSERT INTO ${table} (${columns.join()}) VALUES (${columns.map(() => "?").join()})`;
        this.#statement(insert).run(...(Object.values(row) as SQLInputValue[]));
      }
    }
  }

  #tables(): string[] {
    const tables = this.rows(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    );
    return tables.map(({ name }) => String(name)).filter((name) => !name.startsWith("simulated_"));
  }

  #statement(query: string): StatementSync {
    let statement = this.#prepared.get(query);
    if (statement === undefined) {
      statement = this.#db.prepare(query);
      this.#prepared.set(query, statement);
    }
    return statement;
  }

  #totalChanges(): number {
    return Number(this.#statement("SELECT total_changes() AS n").get()?.n);
  }

  #changes(): number {
    return Number(this.#statement("SELECT changes() AS n").get()?.n);
  }

  #prepare(query: string, bindings: SQLInputValue[], machine: Passage): Statement {
    const execute = (): Result => {
      const before = this.#totalChanges();
      const results = this.#statement(query).all(...bindings) as Record<string, unknown>[];
      // What triggers wrote beside is not counted.
      const changes = this.#totalChanges() === before ? 0 : this.#changes();
      return { success: true, results, meta: { changes, duration: 0, rows_read: 0, rows_written: changes } };
    };
    return {
      execute,
      bind: (...values) => this.#prepare(query, values.map(bindable), machine),
      all: () => this.#call(machine, execute),
      run: () => this.#call(machine, execute),
      first: async (column) => {
        const [row] = (await this.#call(machine, execute)).results;
        if (row === undefined) return null;
        return column === undefined ? row : (row[column] ?? null);
      },
      raw: () =>
        this.#call(machine, () => {
          const statement = this.#statement(query);
          statement.setReturnArrays(true);
          const rows = statement.all(...bindings) as unknown as unknown[][];
          statement.setReturnArrays(false);
          return rows;
        }),
    };
  }

  #call<T>(machine: Passage, work: () => T): Promise<T> {
    return machine(async () => {
      const { delayMs } = this.faults;
      this.calls += 1;
      await this.#clock.sleep(this.#dice.between(1, 1 + delayMs));
      if (this.faults.down || this.#dice.chance(this.faults.failBefore))
        throw new Error("D1_ERROR: unreachable");
      const result = work();
      this.afterCommit();
      await this.#clock.sleep(this.#dice.between(1, 1 + delayMs));
      if (this.#dice.chance(this.faults.failAfter)) throw new Error("D1_ERROR: connection lost");
      if (this.#dice.chance(this.faults.hang)) await new Promise(() => {});
      return result;
    });
  }
}

export type D1Snapshot = ReadonlyMap<string, Record<string, unknown>[]>;

/** What stands between a caller and D1. */
export type Passage = <T>(call: () => Promise<T>) => Promise<T>;

interface Result {
  success: true;
  results: Record<string, unknown>[];
  meta: { changes: number; duration: number; rows_read: number; rows_written: number };
}

interface Statement {
  execute(): Result;
  bind(...values: unknown[]): Statement;
  all(): Promise<Result>;
  run(): Promise<Result>;
  first(column?: string): Promise<unknown>;
  raw(): Promise<unknown[][]>;
}

/** D1 stores booleans as numbers and refuses `undefined`. */
function bindable(value: unknown): SQLInputValue {
  if (typeof value === "boolean") return value ? 1 : 0;
  if (value === undefined) throw new Error("D1_TYPE_ERROR: undefined");
  return value as SQLInputValue;
}
