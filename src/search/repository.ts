// Search terms in D1: written beside the object they are of, and asked for. A term counts while its `described` is the
// object's: an update brings a new one, and what only the old text had is passed over.
import { type AnyColumn, and, type SQL, sql } from "drizzle-orm";
import type { Database } from "../db/client.ts";
import { FixedStatement, pagesOf } from "../db/fixed-statement.ts";
import type { Tenant } from "../db/tenant.ts";
import type { Condition } from "./search.ts";
import { type Searched, searchTerms } from "./table.ts";
import { isWhole, pairTerm, termsOf } from "./terms.ts";

/** The table of what is searched, with the columns it shares with its terms. */
export interface SearchedTable {
  object: Searched;
  /** Its name, and the index of its ids. */
  name: SQL;
  ids: SQL;
  app: AnyColumn;
  livemode: AnyColumn;
  id: AnyColumn;
  created: AnyColumn;
  seq: AnyColumn;
  described: AnyColumn;
  doc: AnyColumn;
}

interface Described {
  id: string;
  description: string | null;
  metadata: Readonly<Record<string, string>>;
  described?: number | undefined;
}

/**
 * One statement for the terms of objects, or none: for the batch that writes the objects, behind them. The terms of a text
 * that D1 no longer has, or not yet, are left out, so it may run twice and late. `when` narrows it to rows of the table.
 */
export function insertTerms(
  db: Database,
  table: SearchedTable,
  tenant: Tenant,
  objects: readonly Described[],
  when: SQL = sql`true`,
) {
  const texts = textsOf(objects.map((object) => ({ tenant, object })));
  return texts.length === 0 ? [] : [insertFrom(db, table, sql`${JSON.stringify(texts)}`, when)];
}

/** As `insertTerms`, for a table and objects of anybody, with a text that never changes. */
export class TermsInsert {
  readonly #insert: FixedStatement<"texts">;

  constructor(table: SearchedTable) {
    this.#insert = new FixedStatement((db) =>
      insertFrom(db, table, sql`${sql.placeholder("texts")}`, sql`true`),
    );
  }

  bind(db: Database, objects: readonly { tenant: Tenant; object: Described }[]): D1PreparedStatement[] {
    return pagesOf(textsOf(objects)).map((texts) => this.#insert.bind(db, { texts }));
  }
}

function textsOf(objects: readonly { tenant: Tenant; object: Described }[]) {
  return objects.flatMap(({ tenant: { app, livemode }, object }) => {
    const terms = termsOf(object);
    const text = { app, livemode, id: object.id, described: object.described ?? 1, terms };
    return terms.length === 0 ? [] : [text];
  });
}

function insertFrom(db: Database, table: SearchedTable, texts: SQL, when: SQL) {
  return db
    .insert(searchTerms)
    .select(
      sql`select ${table.app}, ${table.livemode}, ${sql.raw(`'${table.object}'`)}, term.value, ${table.created},
        ${table.seq}, ${table.id}, ${table.described}
      from json_each(${texts}) as text
      cross join ${table.name} indexed by ${table.ids} on ${table.app} = text.value ->> 'app'
        and ${table.livemode} = text.value ->> 'livemode' and ${table.id} = text.value ->> 'id'
        and ${table.described} = text.value ->> 'described'
      cross join json_each(text.value, '$.terms') as term
      where ${when}`,
    )
    .onConflictDoUpdate({
      target: [
        searchTerms.app,
        searchTerms.livemode,
        searchTerms.object,
        searchTerms.term,
        searchTerms.created,
        searchTerms.seq,
        searchTerms.id,
      ],
      set: { described: sql`excluded.described` },
    });
}

/** What an object must be described by. */
export interface Description {
  words: readonly string[];
  pairs: readonly (readonly [key: string, value: string])[];
}

/**
 * The condition that objects carry all these words and pairs; null when there are none. Of several terms the rarest leads
 * the way, as far as their numbers are told within a bound.
 */
export async function describedBy(
  db: Database,
  table: SearchedTable,
  { app, livemode }: { app: string; livemode: boolean },
  { words, pairs }: Description,
): Promise<Condition | null> {
  const terms = [...new Set([...pairs.map(([key, value]) => pairTerm(key, value)), ...words])];
  if (terms.length === 0) return null;
  const mode = livemode ? 1 : 0;
  const leading = terms.length === 1 ? terms[0] : await rarestOf(db, table.object, app, mode, terms);
  const long = pairs.filter(([key, value]) => !isWhole(key, value)).map((pair) => hasPair(table, pair));
  const isOfTable = sql`${table.app} = ${searchTerms.app} and ${table.livemode} = ${searchTerms.livemode}
    and ${table.id} = ${searchTerms.id} and ${table.seq} = ${searchTerms.seq}
    and ${table.described} = ${searchTerms.described}`;
  const { created, seq, id } = searchTerms;
  return {
    where: and(hasAll(table, terms), ...long) as SQL,
    way: {
      from: sql`search_terms cross join ${table.name} indexed by ${table.ids} on ${isOfTable}`,
      where: and(
        sql`${searchTerms.app} = ${app} and ${searchTerms.livemode} = ${mode}`,
        sql`${searchTerms.object} = ${table.object} and ${searchTerms.term} = ${leading}`,
        hasAll(
          table,
          terms.filter((term) => term !== leading),
        ),
        ...long,
      ) as SQL,
      sorted: { by: "created", order: { created, seq, id } },
    },
  };
}

/** Whether an object carries each of the terms: one probe for each, with all that the key has. */
function hasAll(table: SearchedTable, terms: readonly string[]): SQL | undefined {
  if (terms.length === 0) return undefined;
  return sql`not exists (select 1 from json_each(${JSON.stringify(terms)}) as wanted where not exists (
    select 1 from search_terms as carried
    where carried.app = ${table.app} and carried.livemode = ${table.livemode} and carried.object = ${table.object}
      and carried.term = wanted.value and carried.created = ${table.created} and carried.seq = ${table.seq}
      and carried.id = ${table.id} and carried.described = ${table.described}))`;
}

/** A long pair is found by its beginning; the object itself tells it from others that begin so. */
function hasPair(table: SearchedTable, [key, value]: readonly [string, string]): SQL {
  return sql`exists (select 1 from json_each(${table.doc}, '$.metadata') as pair
    where pair.key = ${key} and pair.value = ${value})`;
}

const COUNTED_MAX = 1000;

async function rarestOf(
  db: Database,
  object: Searched,
  app: string,
  mode: number,
  terms: readonly string[],
): Promise<string> {
  const counts = await db.all<{ term: string; count: number }>(
    sql`select wanted.value as term, (select count(*) from (select 1 from search_terms as carried
        where carried.app = ${app} and carried.livemode = ${mode} and carried.object = ${object}
          and carried.term = wanted.value limit ${COUNTED_MAX})) as count
      from json_each(${JSON.stringify(terms)}) as wanted`,
  );
  // Pairs come first, and of words the longer ones say more: that decides between terms that are both common.
  const says = ({ term }: { term: string }) =>
    term.startsWith("[") ? Number.POSITIVE_INFINITY : term.length;
  return counts.sort((a, b) => a.count - b.count || says(b) - says(a))[0]?.term ?? (terms[0] as string);
}
