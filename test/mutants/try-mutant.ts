// Tries a mutant at one layer, in a process of its own, and says whether it was found out and after how much.
import { type ChildProcess, fork } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Layer, Mutant } from "./mutant.ts";
import { runTests } from "./run-tests.ts";
import type { Trial, TrialEnd, TrialNews } from "./trial.ts";

export interface Outcome {
  /** `crashed`: it broke down, which says nothing about the checker. */
  verdict: "caught" | "survived" | "crashed";
  /** How many seeds, kills or tests it took. */
  after: string;
  words: string;
  /** The last seed that was tried; 0 for tests. */
  seed: number;
}

/** Seeds a mutant has in the short form, which has about a minute for all of them. */
export const QUICK_SEEDS = 16;

/** A seed that runs longer hangs. */
const SEED_TIMEOUT_MS = { L2: 90_000, L3: 300_000 };
const MEMORY_MB = 700;
/** Saves a third of what a trial takes to start; kept by the text of each module, so a patched one is another. */
const COMPILE_CACHE = join(tmpdir(), "edge-refunds-compile-cache");
/** A storm is as long as many seeds. */
const STORMS_MAX = 2;
const PROJECTS = { L0: "domain", L1: "worker" } as const;

/** Whether the short form has time for it: the simulations have; tests and the real runtime take seconds to start. */
export function isQuick({ slow }: Mutant, layer: Layer): boolean {
  return !slow && layer.startsWith("L2");
}

export async function tryMutant(
  mutant: Pick<Mutant, "patches" | "dies" | "test">,
  layer: Layer,
  seeds: number,
): Promise<Outcome> {
  if (layer === "L0" || layer === "L1") return await tryTests(mutant, PROJECTS[layer]);
  const { patches } = mutant;
  const end = await runTrial({ patches, layer, seeds: layer === "L3" ? Math.min(seeds, STORMS_MAX) : seeds });
  const after = countedOf(end);
  const { seed } = end;
  switch (end.kind) {
    case "caught":
      return { verdict: "caught", after, words: end.words, seed };
    case "survived":
      return {
        verdict: "survived",
        after,
        words: end.reached ? "nobody noticed" : "the patched code never ran",
        seed,
      };
    case "crashed":
      return { verdict: mutant.dies ? "caught" : "crashed", after, words: `crashed: ${end.words}`, seed };
  }
}

/** Works on two items at a time, in order; gives each outcome as a promise. */
export function inPairs<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): Promise<Result>[] {
  const jobs = items.map((item) => ({ item, ...Promise.withResolvers<Result>() }));
  // Whoever waits for a later one must not miss an earlier one's failure.
  for (const { promise } of jobs) promise.catch(() => {});
  const waiting = jobs.values();
  const lane = async () => {
    for (const { item, resolve, reject } of waiting) await work(item).then(resolve, reject);
  };
  void lane();
  void lane();
  return jobs.map(({ promise }) => promise);
}

async function tryTests(
  { test, patches }: Pick<Mutant, "patches" | "test">,
  project: string,
): Promise<Outcome> {
  if (test === undefined) throw new Error("a mutant for tests names a test file");
  const news = await runTests(project, test, patches);
  if ("failed" in news) return { verdict: "caught", after: "1 file", words: news.failed, seed: 0 };
  if ("broke" in news) return { verdict: "crashed", after: "1 file", words: news.broke, seed: 0 };
  return { verdict: "survived", after: `${news.passed} tests`, words: `${test} noticed nothing`, seed: 0 };
}

function countedOf(end: TrialEnd): string {
  if (end.kind === "caught" && end.kills !== undefined) return `${end.kills} kills`;
  return end.seed === 1 ? "1 seed" : `${end.seed} seeds`;
}

async function runTrial(trial: Trial): Promise<TrialEnd> {
  const child = fork(join(import.meta.dirname, "trial.ts"), [JSON.stringify(trial)], {
    execArgv: [`--max-old-space-size=${MEMORY_MB}`],
    env: { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE },
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  return await endOf(child, SEED_TIMEOUT_MS[trial.layer === "L3" ? "L3" : "L2"]);
}

async function endOf(child: ChildProcess, seedTimeoutMs: number): Promise<TrialEnd> {
  let seed = 0;
  let end: TrialEnd | undefined;
  let complaint = "";
  child.stderr?.on("data", (chunk) => {
    complaint = (complaint + chunk).slice(0, 4000);
  });
  let hangs = false;
  const hang = () => {
    hangs = true;
    child.kill("SIGKILL");
  };
  let watchdog = setTimeout(hang, seedTimeoutMs);
  child.on("message", (news: TrialNews) => {
    clearTimeout(watchdog);
    watchdog = setTimeout(hang, seedTimeoutMs);
    if (news.kind === "begun") seed = news.seed;
    else end = news;
  });
  await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  clearTimeout(watchdog);
  if (end !== undefined) return end;
  if (hangs) return { kind: "crashed", words: "it hangs", seed };
  // Before the first seed it is the patch, or the runner, that is wrong.
  if (seed === 0) throw new Error(complaint.trim() || "the trial did not begin");
  const outOfMemory = complaint.includes("heap out of memory");
  const words = outOfMemory ? "it uses ever more memory" : complaint.trim().split("\n")[0];
  return { kind: "crashed", words: words || "the process died", seed };
}
