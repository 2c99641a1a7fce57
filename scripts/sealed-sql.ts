// Sealed columns (src/sealing/sealed-columns.ts) as SQL: what is not sealed with the newest key, what takes its place,
// and how much is sealed with which key.
import type { SealedColumn } from "../src/sealing/sealed-columns.ts";
import { sealedPrefix } from "../src/sealing/sealing.ts";
import { literal } from "./admin-sql.ts";
import type { Row } from "./d1.ts";

/** Rows in the order of their key, after `after`, with a text that was not sealed with the key `newest`. */
export function listStale(column: SealedColumn, newest: string, after: Row | null, limit: number): string {
  const { table, field, key, holds } = column;
  const names = [...new Set([...key, "app", "livemode"])].join(", ");
  const prefix = sealedPrefix(newest);
  const stale = (text: string) => `coalesce(substr(${text}, 1, ${prefix.length}), '') <> ${literal(prefix)}`;
  const anyStale =
    holds === "text"
      ? stale(field)
      : `exists (select 1 from ${itemsOf(column)} where ${stale(itemOf(column))})`;
  const rest = after === null ? "" : `(${key.join(", ")}) > (${keyOf(column, after).join(", ")}) and `;
  return `select ${names}, ${field} as text from ${table}
    where ${rest}${anyStale} order by ${key.join(", ")} limit ${limit}`;
}

/** Changes nothing and returns no row when the row does not hold `row.text` any more. */
export function replaceText(column: SealedColumn, row: Row, text: string): string {
  const { table, field, key } = column;
  return `update ${table} set ${field} = ${literal(text)}
    where (${key.join(", ")}) = (${keyOf(column, row).join(", ")}) and ${field} = ${literal(String(row.text))}
    returning 1 as replaced`;
}

/** How many texts are sealed with which key; null for what is no sealed text. */
export function countByKey(column: SealedColumn): string {
  const { table, field, holds } = column;
  const texts =
    holds === "text"
      ? `select ${field} as text from ${table}`
      : `select ${itemOf(column)} as text from ${table}, ${itemsOf(column)}`;
  const key = `case when text glob 'v1.?*.*' then substr(text, 4, instr(substr(text, 4), '.') - 1) end`;
  return `select ${key} as key, count(*) as texts from (${texts}) group by 1 order by 1`;
}

/** What is no JSON counts as a list with one thing that is not sealed, instead of failing the whole statement. */
function listOf({ table, field }: SealedColumn): string {
  return `iif(json_valid(${table}.${field}), ${table}.${field}, '[{}]')`;
}

function itemsOf(column: SealedColumn): string {
  return `json_each(${listOf(column)}) as item`;
}

function itemOf(column: SealedColumn): string {
  return `json_extract(${listOf(column)}, item.fullkey || '.sealed')`;
}

function keyOf({ key }: SealedColumn, row: Row): string[] {
  return key.map((name) => literal(row[name] ?? null));
}
