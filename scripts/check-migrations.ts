// Fails when the tables in src have moved on without a migration: generates into a copy and looks whether one came out.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PROJECT } from "./wrangler.ts";

const copy = mkdtempSync(join(tmpdir(), "edge-refunds-migrations-"));
try {
  cpSync(join(PROJECT, "migrations"), copy, { recursive: true });
  const before = readdirSync(copy).length;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      join(PROJECT, "node_modules/drizzle-kit/bin.cjs"),
      "generate",
      "--dialect=sqlite",
      "--schema=./src/db/schema.ts",
      `--out=${copy}`,
    ],
    { cwd: PROJECT, encoding: "utf8" },
  );
  if (status !== 0) {
    console.error(`${stdout}${stderr}`.trim());
    process.exitCode = 1;
  } else if (readdirSync(copy).length !== before) {
    console.error(
      "The tables in src differ from the migrations: run `npm run db:generate` and commit what it writes.",
    );
    process.exitCode = 1;
  } else {
    console.log("The migrations are up to date.");
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}
