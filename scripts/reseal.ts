// Seals every sealed text of a database anew with the newest master key, beside running Workers: a text is replaced
// only where it still is what was read, and a row that changed meanwhile is done in another pass. Ended anywhere, the
// next run goes on. What cannot be opened stays as it is and is named. Texts in the clear never leave this process.
import { SEALED_COLUMNS, type SealedColumn, sealedRow } from "../src/sealing/sealed-columns.ts";
import {
  masterKeyIds,
  type SealingContext,
  SealingError,
  seal,
  sealingKeyOf,
  unseal,
} from "../src/sealing/sealing.ts";
import { QUERY_BYTES_MAX, type Row } from "./d1.ts";
import { countByKey, listStale, replaceText } from "./sealed-sql.ts";

/** Runs statements and returns the rows of each. Every call is slow, whatever is in it. */
export type RunStatements = (statements: readonly string[]) => Promise<Row[][]>;

/** Texts of a column that one key sealed. `key` is null for what is no sealed text. */
export interface KeyUse {
  column: SealedColumn;
  key: string | null;
  texts: number;
}

export interface Resealed {
  /** The key that everything is to be sealed with. */
  newest: string;
  /** How many texts of a column were sealed anew. */
  anew: Map<SealedColumn, number>;
  /** What could not be opened, by table and row, and why. */
  unopened: string[];
  /** What is sealed with which key afterwards. */
  uses: KeyUse[];
}

const ROWS_PER_PAGE = 200;
/** A row that changes under every one of these is left for the next run. */
const PASSES_MAX = 5;

export async function reseal(run: RunStatements, masterKeys: string): Promise<Resealed> {
  const [newest] = await masterKeyIds(masterKeys);
  if (newest === undefined) throw new SealingError("there is no master key");
  const anew = new Map<SealedColumn, number>(SEALED_COLUMNS.map((column) => [column, 0]));
  for (let pass = 1; ; pass++) {
    const { unopened, overtaken } = await resealOnce(run, masterKeys, newest, anew);
    if (!overtaken || pass === PASSES_MAX) return { newest, anew, unopened, uses: await listUses(run) };
  }
}

export async function listUses(run: RunStatements): Promise<KeyUse[]> {
  const counts = await run(SEALED_COLUMNS.map(countByKey));
  return SEALED_COLUMNS.flatMap((column, i) =>
    (counts[i] ?? []).map(({ key, texts }) => ({
      column,
      key: key == null ? null : String(key),
      texts: Number(texts),
    })),
  );
}

/** A row with the text that takes the place of its own, in which `count` texts are sealed anew. */
interface Replacement {
  column: SealedColumn;
  statement: string;
  count: number;
}

/** Once through all columns, side by side: a page of each is one statement of the same call. */
async function resealOnce(
  run: RunStatements,
  masterKeys: string,
  newest: string,
  anew: Map<SealedColumn, number>,
): Promise<{ unopened: string[]; overtaken: boolean }> {
  const unopened: string[] = [];
  let overtaken = false;
  let scans = SEALED_COLUMNS.map((column) => ({ column, after: null as Row | null }));
  while (scans.length > 0) {
    const pages = await run(
      scans.map(({ column, after }) => listStale(column, newest, after, ROWS_PER_PAGE)),
    );
    const replacements: Replacement[] = [];
    for (const [i, { column }] of scans.entries()) {
      for (const row of pages[i] ?? []) {
        const { text, count } = await sealAnew(column, row, masterKeys, newest, unopened);
        if (count > 0) replacements.push({ column, statement: replaceText(column, row, text), count });
      }
    }
    for (const batch of inBatches(replacements)) {
      const replaced = await run(batch.map(({ statement }) => statement));
      for (const [i, { column, count }] of batch.entries()) {
        if (replaced[i]?.length === 0) overtaken = true;
        else anew.set(column, (anew.get(column) ?? 0) + count);
      }
    }
    scans = scans.flatMap(({ column }, i) => {
      const page = pages[i] ?? [];
      return page.length < ROWS_PER_PAGE ? [] : [{ column, after: page.at(-1) ?? null }];
    });
  }
  return { unopened, overtaken };
}

/** The row's text, in which everything that opens is sealed with the newest key. */
async function sealAnew(
  column: SealedColumn,
  row: Row,
  masterKeys: string,
  newest: string,
  unopened: string[],
): Promise<{ text: string; count: number }> {
  const { table, field } = column;
  const [app, livemode] = [String(row.app), row.livemode === 1];
  const context: SealingContext = { table, row: sealedRow(column, row), app, livemode, field };
  const text = String(row.text);
  const sealed = column.holds === "text" ? [text] : sealedIn(text);
  const owner = `(app ${app}, ${livemode ? "live" : "test"})`;
  if (sealed === null) {
    unopened.push(`${table}.${field} of ${context.row} does not hold a list of sealed texts ${owner}`);
    return { text, count: 0 };
  }
  let count = 0;
  const anew: string[] = [];
  for (const old of sealed) {
    try {
      const current = sealingKeyOf(old) === newest;
      anew.push(current ? old : await seal(masterKeys, context, await unseal(masterKeys, context, old)));
      if (!current) count++;
    } catch (error) {
      if (!(error instanceof SealingError)) throw error;
      unopened.push(`${error.message} ${owner}`);
      anew.push(old);
    }
  }
  if (column.holds === "text") return { text: anew[0] ?? text, count };
  const list = (JSON.parse(text) as object[]).map((item, i) => ({ ...item, sealed: anew[i] }));
  return { text: JSON.stringify(list), count };
}

/** The sealed texts of a list; null when it is not one. */
function sealedIn(text: string): string[] | null {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return null;
  }
  const texts = Array.isArray(list) ? list.map((item) => item?.sealed) : [null];
  return texts.every((one) => typeof one === "string") ? texts : null;
}

/** As many at once as the database takes; at least one. */
function inBatches(replacements: readonly Replacement[]): Replacement[][] {
  const batches: Replacement[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const replacement of replacements) {
    const more = Buffer.byteLength(replacement.statement) + 2;
    bytes += more;
    if (bytes > QUERY_BYTES_MAX) {
      batches.push([]);
      bytes = more;
    }
    batches.at(-1)?.push(replacement);
  }
  return batches;
}
