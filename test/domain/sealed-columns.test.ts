import { is } from "drizzle-orm";
import { getTableConfig, SQLiteTable } from "drizzle-orm/sqlite-core";
import { describe, expect, test } from "vitest";
import * as schema from "../../src/db/schema.ts";
import { isSealedColumn, SEALED_COLUMNS, sealedRow } from "../../src/sealing/sealed-columns.ts";

const tables = Object.values(schema)
  .filter((value) => is(value, SQLiteTable))
  .map((table) => getTableConfig(table));

/** What a column may be called that holds something to seal. */
const SECRET = /secret|private|credential|password|passphrase|token|sealed/;

describe("the sealed columns", () => {
  test("are all columns whose name sounds like a secret", () => {
    const secrets = tables.flatMap(({ name, columns }) =>
      columns.filter((column) => SECRET.test(column.name)).map((column) => `${name}.${column.name}`),
    );
    expect(secrets.sort()).toEqual(SEALED_COLUMNS.map(({ table, field }) => `${table}.${field}`).sort());
    expect(isSealedColumn("signing_keys", "public_key")).toBe(false);
  });

  test.each(SEALED_COLUMNS)("$table.$field has an app, a mode and the table's primary key", (column) => {
    const table = tables.find(({ name }) => name === column.table);
    const names = table?.columns.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["app", "livemode", column.field]));
    const keys = table?.primaryKeys.map((key) => key.columns.map(({ name }) => name)) ?? [];
    const alone = table?.columns.filter(({ primary }) => primary).map(({ name }) => name) ?? [];
    expect(keys[0] ?? alone).toEqual(column.key);
  });

  test("name a row by what its key has beside app and mode", () => {
    const values = { app: "app_1", livemode: 1, channel: "alipay", id: "ca_1", revision: 3 };
    expect(SEALED_COLUMNS.map((column) => sealedRow(column, values))).toEqual([
      "ca_1",
      "ca_1",
      "alipay/ca_1/3",
    ]);
  });
});
