// npm run openapi: writes the OpenAPI documents and the typed client's types from the route registry. With --check it
// writes nothing, and fails when what is there is not what the registry says.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { routes } from "../../src/routes.ts";
import { PROJECT } from "../wrangler.ts";
import { clientTypes } from "./client-types.ts";
import { buildDocument } from "./document.ts";

const english = buildDocument(routes, "en");
const FILES: Record<string, string> = {
  "public/openapi.json": written(english),
  "public/openapi.zh.json": written(buildDocument(routes, "zh")),
  "client/api.ts": await clientTypes(english),
};

function written(document: unknown): string {
  return `${JSON.stringify(document, null, 1)}\n`;
}

const check = process.argv.includes("--check");
for (const [file, text] of Object.entries(FILES)) {
  const path = join(PROJECT, file);
  if (!check) await writeFile(path, text);
  else if ((await readFile(path, "utf8").catch(() => "")) !== text) {
    process.stderr.write(`${file} is not what the registry says: npm run openapi writes it anew\n`);
    process.exitCode = 1;
  }
}
