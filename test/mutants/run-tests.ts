// Runs one test file against a mutant, in a Vitest of its own, and tells which test found it out.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Patch } from "./patch.ts";
import { checkPatches, ROOT } from "./patched-modules.ts";
import { PATCHES_VARIABLE } from "./vite-plugin.ts";

const TIMEOUT_MS = 180_000;
const VITEST = join(ROOT, "node_modules/vitest/vitest.mjs");

export type TestsNews = { failed: string } | { passed: number } | { broke: string };

/** `project` as in vitest.config.ts. */
export async function runTests(project: string, file: string, patches: Patch[]): Promise<TestsNews> {
  checkPatches(patches);
  const folder = await mkdtemp(join(tmpdir(), "edge-refunds-mutant-"));
  const report = join(folder, "report.json");
  try {
    const child = spawn(
      process.execPath,
      [VITEST, "run", "--project", project, file, "--reporter=json", `--outputFile=${report}`],
      {
        cwd: ROOT,
        env: { ...process.env, [PATCHES_VARIABLE]: JSON.stringify(patches) },
        stdio: "ignore",
        timeout: TIMEOUT_MS,
      },
    );
    await new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", resolve);
    });
    return read(JSON.parse(await readFile(report, "utf8").catch(() => '{"testResults":[]}')));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface VitestReport {
  testResults: { message?: string; assertionResults: { status: string; fullName: string }[] }[];
}

function read({ testResults }: VitestReport): TestsNews {
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = tests.find(({ status }) => status === "failed");
  if (failed !== undefined) return { failed: failed.fullName };
  const passed = tests.filter(({ status }) => status === "passed").length;
  // A file that could not even be loaded has found out nothing.
  if (passed === 0) return { broke: testResults[0]?.message?.split("\n")[0] ?? "no test has run" };
  return { passed };
}
