// Statements whose text never changes: Drizzle builds it once from the tables, and each use only brings parameters.
// Building takes longer than D1 needs to carry most statements out. Rows travel as one parameter, however many they are:
// a JSON list of lists, each in the order of the table's columns.
import { fillPlaceholders, getTableColumns, type SQL, sql } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";
import type { Database } from "./client.ts";

/** Characters of one parameter: at three bytes each that is below the 2 MB that D1 takes. */
const PARAMETER_MAX = 500_000;

interface Built {
  sql: string;
  params: unknown[];
}

export class FixedStatement<Name extends string = "rows"> {
  readonly #build: (db: Database) => { toSQL(): Built };
  #built: Built | null = null;

  /** `build` names its parameters by `sql.placeholder`. */
  constructor(build: (db: Database) => { toSQL(): Built }) {
    this.#build = build;
  }

  bind(db: Database, values: Record<Name, string | number | null>): D1PreparedStatement {
    this.#built ??= this.#build(db).toSQL();
    const { sql: text, params } = this.#built;
    return db.$client.prepare(text).bind(...fillPlaceholders(params, values));
  }
}

/** What an insert of the parameter `rows` selects: every column, in the order of the table. */
export function rowsOf(table: SQLiteTable): SQL {
  const columns = Object.keys(getTableColumns(table)).map((_, i) => sql.raw(`value ->> ${i}`));
  return sql`select ${sql.join(columns, sql`, `)} from json_each(${sql.placeholder("rows")}) where true`;
}

/** The columns of a row that was there already, as they would have been inserted. */
export function excluded(table: SQLiteTable, keys: readonly string[]): Record<string, SQL> {
  const columns = getTableColumns(table);
  return Object.fromEntries(keys.map((key) => [key, sql.raw(`excluded.${columns[key]?.name}`)]));
}

/** Rows as parameters `rows`: none, one as a rule, more when they are long. */
export function parametersOf<Table extends SQLiteTable>(
  table: Table,
  rows: readonly Table["$inferSelect"][],
): string[] {
  return pagesOf(rows.map((row) => valuesOf(table, row)));
}

/** A row's values as D1 stores them, in the order of the columns. */
function valuesOf<Table extends SQLiteTable>(table: Table, row: Table["$inferSelect"]): unknown[] {
  return Object.entries(getTableColumns(table)).map(([key, column]) => {
    const value = (row as Record<string, unknown>)[key] ?? null;
    return value === null ? null : column.mapToDriverValue(value);
  });
}

/** Lists of values as JSON texts, as few as their length allows. */
export function pagesOf(values: readonly unknown[]): string[] {
  const pages: string[] = [];
  let page: string[] = [];
  let size = 0;
  for (const value of values) {
    const text = JSON.stringify(value);
    if (page.length > 0 && size + text.length > PARAMETER_MAX) {
      pages.push(`[${page.join()}]`);
      page = [];
      size = 0;
    }
    page.push(text);
    size += text.length + 1;
  }
  if (page.length > 0) pages.push(`[${page.join()}]`);
  return pages;
}
