// Who installs without what development needs has the command line, the client and the Worker all the same.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const { dependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

/** The packages that a file imports, and the files it imports do. */
function packagesOf(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file) || !file.endsWith(".ts")) return new Set();
  seen.add(file);
  const text = readFileSync(file, "utf8");
  const imports = [...text.matchAll(/^(?:import|export)(?! type)[^;]*? from "([^"]+)"/gm)];
  const later = [...text.matchAll(/\bimport\("([^"]+)"\)/g)];
  const found = [...imports, ...later].map((match) => match[1] as string);
  const inner = found
    .filter((path) => path.startsWith("."))
    .flatMap((path) => [...packagesOf(join(dirname(file), path), seen)]);
  const packages = found
    .filter((name) => !/^(?:\.|node:|cloudflare:)/.test(name))
    .map((name) =>
      name
        .split("/")
        .slice(0, name.startsWith("@") ? 2 : 1)
        .join("/"),
    );
  return new Set([...packages, ...inner]);
}

it.each(["cli/main.ts", "client/client.ts", "src/index.ts"])("%s needs no package of development", (file) => {
  const needed = [...packagesOf(join(ROOT, file))];
  expect(needed.length).toBeGreaterThan(0);
  expect(needed.filter((name) => !(name in dependencies))).toEqual([]);
});
