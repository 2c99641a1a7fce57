// The commands of npm run keys that rotate the master key. The deployed Worker's keys come from the environment and
// go to stdout, for `wrangler secret put`; those of a local one stay in its file of secrets.
import { relative } from "node:path";
import { SEALED_COLUMNS, type SealedColumn } from "../src/sealing/sealed-columns.ts";
import { masterKeyIds } from "../src/sealing/sealing.ts";
import { AdminError } from "./admin-sql.ts";
import { queryAll, type Target } from "./d1.ts";
import { localMasterKeys, newMasterKeys, replaceMasterKeys } from "./dev-vars.ts";
import { type KeyUse, listUses, type RunStatements, reseal } from "./reseal.ts";
import { print } from "./terminal.ts";

/** A database, and the file with the secrets of the Worker on it when that is a local one. */
export interface Place {
  target: Target;
  devVars: string;
}

/** Both keys are live for as long as a rotation takes. */
const LIVE_KEYS_MAX = 2;
const NOTHING = "nothing is sealed";

/** Locally the server's own file comes first: it does not listen to the environment. */
export function findMasterKeys({ target, devVars }: Place): string {
  const given = process.env.MASTER_KEYS ?? null;
  const masterKeys = target.remote ? given : (localMasterKeys(devVars) ?? given);
  if (masterKeys !== null) return masterKeys;
  throw new AdminError(
    target.remote
      ? "MASTER_KEYS must be in the environment: the same text as the Worker's secret of that name"
      : `there are no MASTER_KEYS in the environment or in ${nameOf(devVars)} (npm start writes them)`,
  );
}

/** Master keys with a fresh one in front. */
export async function withNewMasterKey(masterKeys: string): Promise<string> {
  const ids = await masterKeyIds(masterKeys);
  if (ids.length >= LIVE_KEYS_MAX) {
    throw new AdminError(
      `there are ${ids.length} master keys already (${ids.join(", ")}): reseal, then drop-old-master-keys`,
    );
  }
  return JSON.stringify({ ...JSON.parse(newMasterKeys()), ...JSON.parse(masterKeys) });
}

/** The newest master key alone. Refuses while a text in `uses` needs another of the keys. */
export async function withoutOldMasterKeys(masterKeys: string, uses: readonly KeyUse[]): Promise<string> {
  const [newest, ...old] = await masterKeyIds(masterKeys);
  if (newest === undefined || old.length === 0) throw new AdminError("there is no old master key");
  const needed = old.filter((id) => uses.some(({ key }) => key === id));
  if (needed.length > 0) throw new AdminError(`${needed.join(", ")} is still needed: reseal first`);
  return JSON.stringify({ [newest]: JSON.parse(masterKeys)[newest] });
}

export async function newMasterKey(place: Place): Promise<void> {
  await replace(place, await withNewMasterKey(findMasterKeys(place)));
}

export async function dropOldMasterKeys(place: Place): Promise<void> {
  const masterKeys = findMasterKeys(place);
  await replace(place, await withoutOldMasterKeys(masterKeys, await listUses(databaseOf(place))));
}

async function replace({ target, devVars }: Place, masterKeys: string): Promise<void> {
  if (target.remote) {
    process.stdout.write(`${masterKeys}\n`);
    return;
  }
  replaceMasterKeys(masterKeys, devVars);
  const ids = await masterKeyIds(masterKeys);
  process.stdout.write(`${nameOf(devVars)} holds ${ids.join(", then ")}. Start the server anew.\n`);
}

export async function printSealed(place: Place): Promise<void> {
  const uses = await listUses(databaseOf(place));
  const keys = [...new Set(uses.map(({ key }) => key ?? "none"))];
  print(
    SEALED_COLUMNS.map((column) => [nameOfColumn(column), textsOf(column, uses)]),
    `Keys in use: ${keys.length === 0 ? "none" : keys.join(", ")}.`,
  );
}

export async function resealAll(place: Place): Promise<void> {
  const { newest, anew, unopened, uses } = await reseal(databaseOf(place), findMasterKeys(place));
  print(
    SEALED_COLUMNS.map((column) => {
      const now = textsOf(column, uses);
      return [nameOfColumn(column), now === NOTHING ? now : `${anew.get(column)} sealed anew; now ${now}`];
    }),
  );
  for (const reason of unopened) process.stderr.write(`${reason}\n`);
  const left = uses.filter(({ key }) => key !== newest).reduce((sum, { texts }) => sum + texts, 0);
  if (unopened.length > 0 || left > 0) {
    const again = unopened.length > 0 ? "" : "; they changed meanwhile: reseal once more";
    throw new AdminError(`${left} not sealed with ${newest}${again}`);
  }
  const nothing = [...anew.values()].every((count) => count === 0);
  process.stdout.write(
    `${nothing ? "Nothing was left to do: everything" : "Everything"} is sealed with ${newest}.\n`,
  );
}

function databaseOf({ target }: Place): RunStatements {
  return (statements) => queryAll(target, statements);
}

function textsOf(column: SealedColumn, uses: readonly KeyUse[]): string {
  const own = uses.filter((use) => use.column === column);
  if (own.length === 0) return NOTHING;
  return own
    .map(({ key, texts }) => (key === null ? `${texts} not sealed` : `${texts} with ${key}`))
    .join(", ");
}

function nameOfColumn({ table, field }: SealedColumn): string {
  return `${table}.${field}`;
}

function nameOf(file: string): string {
  return relative(process.cwd(), file);
}
