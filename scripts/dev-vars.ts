// The secrets of a local Worker, in the file where wrangler looks for them.
import { randomBytes } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { PROJECT } from "./wrangler.ts";

export const DEV_VARS = join(PROJECT, ".dev.vars");

/** Master keys for a new place: one key of 32 random bytes. The id tells apart what was sealed when. */
export function newMasterKeys(): string {
  const id = `k${randomBytes(4).toString("hex")}`;
  return JSON.stringify({ [id]: randomBytes(32).toString("base64") });
}

/** The master keys of local development; null when there are none yet. */
export function localMasterKeys(file = DEV_VARS): string | null {
  return parseEnv(read(file)).MASTER_KEYS ?? null;
}

/** Adds master keys where there are none; what the file holds already stays as it is. Returns whether it added any. */
export function ensureMasterKeys(file = DEV_VARS): boolean {
  if (localMasterKeys(file) !== null) return false;
  const text = read(file);
  const separator = text === "" || text.endsWith("\n") ? "" : "\n";
  writeFileSync(file, `${separator}MASTER_KEYS='${newMasterKeys()}'\n`, { flag: "a", mode: 0o600 });
  return true;
}

const MASTER_KEYS_LINE = /^[ \t]*(?:export[ \t]+)?MASTER_KEYS[ \t]*=[ \t]*(?:'[^']*'|"[^"]*"|.*)/gm;

/** Puts other master keys in the place of those the file holds. It holds the old ones or the new ones, never none. */
export function replaceMasterKeys(masterKeys: string, file = DEV_VARS): void {
  const text = read(file).replaceAll(MASTER_KEYS_LINE, () => `MASTER_KEYS='${masterKeys}'`);
  if (parseEnv(text).MASTER_KEYS !== masterKeys) throw new Error(`${file} holds no MASTER_KEYS to replace`);
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}
