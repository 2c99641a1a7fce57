// The short form: what the simulations find out within a few seeds, two mutants at a time. Those that take many seeds,
// tests of their own or the real runtime are in the long form, npm run mutants.
import { beforeAll, describe, expect, it } from "vitest";
import { MUTANTS } from "./mutants.ts";
import { applyPatches, type Patch } from "./patch.ts";
import { checkPatches } from "./patched-modules.ts";
import { inPairs, isQuick, type Outcome, QUICK_SEEDS, tryMutant } from "./try-mutant.ts";

const REFUND = "src/refunds/refund.ts";
const TIMEOUT_MS = 240_000;

const trials = MUTANTS.flatMap((mutant) => mutant.layers.map((layer) => ({ mutant, layer }))).filter(
  ({ mutant, layer }) => isQuick(mutant, layer),
);
const outcomes: Promise<Outcome>[] = [];

describe("a service", () => {
  beforeAll(() => {
    outcomes.push(...inPairs(trials, ({ mutant, layer }) => tryMutant(mutant, layer, QUICK_SEEDS)));
  });

  const cases = trials.map(({ mutant, layer }, index) => [mutant.name, layer, index] as const);
  it.each(cases)("that %s is found out (%s)", { timeout: TIMEOUT_MS }, async (_name, _layer, index) => {
    const outcome = await outcomes[index];
    expect(outcome?.verdict, outcome?.words).toBe("caught");
  });
});

describe("the runner of mutants", () => {
  it.each([
    ["L2", QUICK_SEEDS],
    ["L2 deliveries", 3],
    ["L2 channels", 2],
  ] as const)("finds nothing in the unchanged product: %s", async (layer, seeds) => {
    const outcome = await tryMutant({ patches: [] }, layer, seeds);
    expect(outcome.verdict, outcome.words).toBe("survived");
    expect(outcome.after).toBe(`${seeds} seeds`);
  });

  it("tells a mutant whose code never runs from one that nobody notices", async () => {
    const find = "export function isFinal(";
    const never = { file: REFUND, find, replace: `export function never() { return "never"; }\n${find}` };
    const harmless = { file: REFUND, find: "return id.slice(", replace: "return String(id).slice(" };
    const words = async (patch: Patch) => (await tryMutant({ patches: [patch] }, "L2", 1)).words;
    expect(await words(never)).toBe("the patched code never ran");
    expect(await words(harmless)).toBe("nobody noticed");
  });

  it("does not take a breakdown for a finding, unless it is what is wrong", async () => {
    const find = "export function isFinal(";
    const patches = [{ file: REFUND, find, replace: `throw new Error("broken");\n${find}` }];
    await expect(tryMutant({ patches }, "L2", 1)).rejects.toThrow("broken");
    const late = [{ file: REFUND, find: "return id.slice(", replace: "process.exit(3); return id.slice(" }];
    expect(await tryMutant({ patches: late }, "L2", 1)).toMatchObject({ verdict: "crashed" });
    expect(await tryMutant({ patches: late, dies: true }, "L2", 1)).toMatchObject({ verdict: "caught" });
  });

  it("says so when a patch no longer applies", async () => {
    const patches = [{ file: "src/charges/balance.ts", find: "what nobody wrote", replace: "" }];
    await expect(tryMutant({ patches }, "L2", 1)).rejects.toThrow("no longer in src/charges/balance.ts");
    await expect(tryMutant({ patches, test: "x" }, "L0", 1)).rejects.toThrow("no longer in");
  });

  it("says so when it is not clear which text a patch means", () => {
    const patch = { file: "a.ts", find: "x", replace: "y" };
    expect(() => applyPatches("a.ts", "x x", [patch])).toThrow("2 times in a.ts");
    expect(applyPatches("a.ts", "x", [patch])).toBe("y");
    expect(applyPatches("b.ts", "x x", [patch])).toBe("x x");
  });

  it("has one name for each mutant, and every patch applies", () => {
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
    for (const { patches } of MUTANTS) checkPatches(patches);
  });
});
