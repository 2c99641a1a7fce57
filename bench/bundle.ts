// Workers as they are deployed: bundled and minified by wrangler, which uploads nothing.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { PROJECT, runWrangler } from "../scripts/wrangler.ts";

export interface Bundle {
  /** wrangler.toml of this Worker. */
  config: string;
  /** The bundled module. */
  file: string;
  code: string;
}

export interface BundleOptions {
  /** Instead of the project's own wrangler.toml. */
  config?: string;
  /** Instead of the configuration's `main`. */
  main?: string;
  /** Names stay readable in profiles. */
  readable?: boolean;
}

/** Bundles into a directory that nothing else is in. */
export async function bundle(directory: string, options: BundleOptions = {}): Promise<Bundle> {
  const config = options.config ?? join(PROJECT, "wrangler.toml");
  const main = options.main ?? /^main = "(.+)"$/m.exec(await readFile(config, "utf8"))?.[1] ?? "index.ts";
  await runWrangler([
    "deploy",
    ...(options.main === undefined ? [] : [options.main]),
    ...["--config", config, "--dry-run", "--metafile", "--outdir", directory],
    ...(options.readable ? [] : ["--minify"]),
  ]);
  const file = join(directory, main.replace(/^.*\//, "").replace(/\.ts$/, ".js"));
  return { config, file, code: await readFile(file, "utf8") };
}

/** What is uploaded, and what of it counts towards the limit. */
export function sizeOf({ code }: Bundle): { bytes: number; gzip: number } {
  return { bytes: Buffer.byteLength(code), gzip: gzipSync(code).byteLength };
}

/** Bytes of the bundle, largest first: by the package they come from, and our own by the folder of `src`. */
export async function sharesOf(directory: string): Promise<{ packages: Share[]; folders: Share[] }> {
  const meta: unknown = JSON.parse(await readFile(join(directory, "bundle-meta.json"), "utf8"));
  const { outputs } = meta as {
    outputs: Record<string, { inputs: Record<string, { bytesInOutput: number }> }>;
  };
  const [packages, folders] = [new Map<string, number>(), new Map<string, number>()];
  const add = (shares: Map<string, number>, name: string, bytes: number) =>
    shares.set(name, (shares.get(name) ?? 0) + bytes);
  for (const { inputs } of Object.values(outputs)) {
    for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
      const name = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1];
      add(packages, name ?? "src", bytesInOutput);
      if (name === undefined) add(folders, /src\/([^/]+)\//.exec(path)?.[1] ?? "the rest", bytesInOutput);
    }
  }
  return { packages: sorted(packages), folders: sorted(folders) };
}

export type Share = [name: string, bytes: number];

function sorted(shares: Map<string, number>): Share[] {
  return [...shares].filter(([, bytes]) => bytes > 0).sort((a, b) => b[1] - a[1]);
}
