// How much room D1 takes, table by table.
import type { DatabaseSync } from "node:sqlite";
import type { TableSize } from "./figures.ts";

/** Every table of ours with rows, and the pages that it and its indexes take; largest first. */
export function tableSizes(db: DatabaseSync): TableSize[] {
  const sizes = db
    .prepare(`select m.tbl_name as "table", sum(s.pgsize) as bytes from dbstat s
      join sqlite_master m on m.name = s.name group by m.tbl_name order by bytes desc`)
    .all() as { table: string; bytes: number }[];
  return sizes
    .filter(({ table }) => !/^(sqlite|_cf)_/.test(table))
    .map(({ table, bytes }) => {
      const { rows } = db.prepare(`select count(*) as rows from "${table}"`).get() as { rows: number };
      return { table, rows, bytes };
    })
    .filter(({ rows }) => rows > 0);
}
