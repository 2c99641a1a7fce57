// Sends hostile requests and says what came of them: npm run fuzz -- --requests 100000 --seed 7. A seed breaks the same things
// every time; --index sends one of its requests alone. FUZZ_REQUESTS, FUZZ_SEED and FUZZ_INDEX are the same as the options.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { PROJECT } from "./wrangler.ts";

const { requests, seed, index } = options();
for (const value of [requests, seed, index ?? "0"]) if (!/^\d{1,9}$/.test(value)) usage();

const vitest = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");
const child = spawn(
  process.execPath,
  // What is set here becomes part of the transformed test, which another run must not find again.
  [vitest, "run", "--fsModuleCache=false", "--project", "hostile", "test/hostile/fuzz.test.ts"],
  {
    cwd: PROJECT,
    stdio: "inherit",
    env: {
      ...process.env,
      VITE_FUZZ_REQUESTS: requests,
      VITE_FUZZ_SEED: seed,
      ...(index === undefined ? {} : { VITE_FUZZ_INDEX: index }),
    },
  },
);
child.once("error", (error) => {
  console.error(error.message);
  process.exit(1);
});
child.once("exit", (code) => process.exit(code ?? 1));

function options(): { requests: string; seed: string; index: string | undefined } {
  const { FUZZ_REQUESTS, FUZZ_SEED, FUZZ_INDEX } = process.env;
  try {
    const { values } = parseArgs({
      options: {
        requests: { type: "string", default: FUZZ_REQUESTS ?? "20000" },
        seed: { type: "string", default: FUZZ_SEED ?? "1" },
        index: { type: "string" },
      },
    });
    return { requests: values.requests, seed: values.seed, index: values.index ?? FUZZ_INDEX };
  } catch {
    return usage();
  }
}

function usage(): never {
  console.error("Usage: npm run fuzz -- [--requests N] [--seed S] [--index I]");
  process.exit(2);
}
