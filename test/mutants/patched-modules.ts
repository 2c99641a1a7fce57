// Patches modules of this repository while Node loads them: what runs is the product's own code but for the patch.
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { join, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { applyPatches, type Patch } from "./patch.ts";

export const ROOT = join(import.meta.dirname, "../..");

/** From here on; modules that are loaded already stay as they are. */
export function patchModules(patches: readonly Patch[]): void {
  const files = new Set(patches.map(({ file }) => file));
  registerHooks({
    load(url, context, nextLoad) {
      const file = fileOf(url);
      const loaded = nextLoad(url, context);
      if (file === null || !files.has(file)) return loaded;
      return { ...loaded, source: applyPatches(file, String(loaded.source), patches) };
    },
  });
}

/** Fails when a patch does not apply, also one of a file that nothing loads. */
export function checkPatches(patches: readonly Patch[]): void {
  for (const file of new Set(patches.map(({ file }) => file))) {
    applyPatches(file, readFileSync(join(ROOT, file), "utf8"), patches);
  }
}

/** Where the text of a patch stands in its patched file; null when it left none. */
export function placeOf(patch: Patch, patches: readonly Patch[]): { url: string; offset: number } | null {
  if (patch.replace === "") return null;
  const source = readFileSync(join(ROOT, patch.file), "utf8");
  const offset = applyPatches(patch.file, source, patches).indexOf(patch.replace);
  return { url: pathToFileURL(join(ROOT, patch.file)).href, offset };
}

function fileOf(url: string): string | null {
  if (!url.startsWith("file:")) return null;
  return relative(ROOT, fileURLToPath(url)).split(sep).join("/");
}
