// Patches the product on its way through Vite, for the tests of the layers L0 and L1; does nothing in every other run.
import { relative, sep } from "node:path";
import type { Plugin } from "vitest/config";
import { applyPatches, type Patch } from "./patch.ts";
import { ROOT } from "./patched-modules.ts";

/** The patches as JSON; set by `run-tests.ts` alone. */
export const PATCHES_VARIABLE = "EDGE_REFUNDS_MUTANT";

export function mutantPlugins(): Plugin[] {
  const given = process.env[PATCHES_VARIABLE];
  if (given === undefined) return [];
  const patches: Patch[] = JSON.parse(given);
  return [
    {
      name: "mutant",
      enforce: "pre",
      // Vitest would give the patched modules to the next run, whose patches are others.
      config: () => ({ test: { fsModuleCache: false } }),
      transform(code, id) {
        const file = relative(ROOT, id.split("?")[0] ?? id)
          .split(sep)
          .join("/");
        if (!patches.some((patch) => patch.file === file)) return null;
        return { code: applyPatches(file, code, patches), map: null };
      },
    },
  ];
}
