// A Worker around the product's, in one module, bundled once for all lives of a runtime. Patches change the product's own files on
// their way into it; one whose file was never read has not been applied, and that is an error.
import { readFile } from "node:fs/promises";
import { relative } from "node:path";
import { build, type Loader } from "esbuild";
import { PROJECT } from "../../scripts/wrangler.ts";
import { applyPatches, type Patch } from "../mutants/patch.ts";

/** `entry`: its file, below the project. */
export async function bundleWorker(entry: string, patches: readonly Patch[] = []): Promise<string> {
  const left = new Set(patches.map(({ file }) => file));
  const { outputFiles } = await build({
    absWorkingDir: PROJECT,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2024",
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*"],
    logLevel: "error",
    plugins: [
      {
        name: "patches",
        setup({ onLoad }) {
          onLoad({ filter: /\.ts$/ }, async ({ path }) => {
            const file = relative(PROJECT, path);
            if (!left.has(file)) return null;
            const contents = applyPatches(file, await readFile(path, "utf8"), [...patches]);
            left.delete(file);
            return { contents, loader: "ts" satisfies Loader };
          });
        },
      },
    ],
  });
  if (left.size > 0) throw new Error(`patched and not part of the Worker: ${[...left].join(", ")}`);
  return outputFiles[0]?.text ?? "";
}
