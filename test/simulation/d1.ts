// D1 on `node:sqlite`, as much of it as drizzle uses: prepared statements, atomic batches, and the ways it fails. A call
// may fail before anything happened or after it was committed, may take long, or may never answer.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
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
  readonly #clock: VirtualClock;
  readonly #dice: Dice;
  faults: D1Faults = { down: false, failBefore: 0, failAfter: 0, hang: 0, delayMs: 0 };
  calls = 0;

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
    const binding = {
      prepare: (query: string) => this.#prepare(query, []),
      batch: (statements: Statement[]) =>
        this.#call(() => {
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
    return this.#db.prepare(query).all(...bindings) as Record<string, unknown>[];
  }

  exec(sql: string): void {
    this.#db.exec(sql);
  }

  #prepare(query: string, bindings: SQLInputValue[]): Statement {
    const execute = (): Result => {
      const statement = this.#db.prepare(query);
      const before = Number(this.#db.prepare("SELECT total_changes() AS n").get()?.n);
      const results = statement.all(...bindings) as Record<string, unknown>[];
      const changes = Number(this.#db.prepare("SELECT total_changes() AS n").get()?.n) - before;
      return { success: true, results, meta: { changes, duration: 0, rows_read: 0, rows_written: changes } };
    };
    return {
      execute,
      bind: (...values) => this.#prepare(query, values.map(bindable)),
      all: () => this.#call(execute),
      run: () => this.#call(execute),
      first: async (column) => {
        const [row] = (await this.#call(execute)).results;
        if (row === undefined) return null;
        return column === undefined ? row : (row[column] ?? null);
      },
      raw: () =>
        this.#call(() => {
          const statement = this.#db.prepare(query);
          statement.setReturnArrays(true);
          return statement.all(...bindings) as unknown as unknown[][];
        }),
    };
  }

  async #call<T>(work: () => T): Promise<T> {
    const { delayMs } = this.faults;
    this.calls += 1;
    await this.#clock.sleep(this.#dice.between(1, 1 + delayMs));
    if (this.faults.down || this.#dice.chance(this.faults.failBefore))
      throw new Error("D1_ERROR: unreachable");
    const result = work();
    await this.#clock.sleep(this.#dice.between(1, 1 + delayMs));
    if (this.#dice.chance(this.faults.failAfter)) throw new Error("D1_ERROR: connection lost");
    if (this.#dice.chance(this.faults.hang)) await new Promise(() => {});
    return result;
  }
}

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
