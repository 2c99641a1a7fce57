// Makes the product wrong on purpose, in one way after the other, and shows that each is found out: by which layer, after
// how much, and in whose words. npm run mutants -- [--seeds N] [--layer L2] [--quick] [name…]; a name may be a part of one.
import { parseArgs } from "node:util";
import { LAYERS, type Layer } from "../test/mutants/mutant.ts";
import { MUTANTS } from "../test/mutants/mutants.ts";
import { inPairs, isQuick, QUICK_SEEDS, tryMutant } from "../test/mutants/try-mutant.ts";

const { values, positionals } = options();
const seeds = Number(values.seeds ?? (values.quick ? QUICK_SEEDS : 100));
const isUsable = Number.isSafeInteger(seeds) && seeds > 0;
if (!isUsable || (values.layer !== undefined && !LAYERS.some((layer) => layer === values.layer))) usage();

const started = performance.now();
const trials = MUTANTS.filter(isNamed)
  .flatMap((mutant) => mutant.layers.map((layer) => ({ mutant, layer })))
  .filter(({ mutant, layer }) => !values.quick || isQuick(mutant, layer))
  .filter(({ layer }) => values.layer === undefined || values.layer === layer);
if (trials.length === 0) {
  console.error("no mutant is called so");
  process.exit(2);
}

const width = Math.max(...trials.map(({ mutant }) => mutant.name.length));
const counts = { caught: 0, survived: 0, crashed: 0 };
/** By layer, the highest seed that found something out. */
const highest = new Map<Layer, number>();
const outcomes = inPairs(trials, ({ mutant, layer }) => tryMutant(mutant, layer, seeds));
for (const [index, outcome] of outcomes.entries()) {
  const { mutant, layer } = trials[index] as (typeof trials)[number];
  const { verdict, after, words, seed } = await outcome;
  if (verdict === "caught" && layer.startsWith("L2"))
    highest.set(layer, Math.max(highest.get(layer) ?? 0, seed));
  counts[verdict] += 1;
  const by = verdict === "caught" ? layer : `${verdict.toUpperCase()} ${layer}`;
  console.log(`${mutant.name.padEnd(width)}  ${by.padEnd(13)}  ${after.padEnd(9)}  ${words}`);
}

// What the unchanged product does not survive says nothing about a mutant.
let isSound = true;
for (const [layer, upTo] of highest) {
  const { verdict, after, words } = await tryMutant({ patches: [] }, layer, upTo);
  const found = verdict === "survived" ? "nothing found" : `UNSOUND: ${words}`;
  console.log(`${"the unchanged product".padEnd(width)}  ${layer.padEnd(13)}  ${after.padEnd(9)}  ${found}`);
  isSound &&= verdict === "survived";
}

const seconds = ((performance.now() - started) / 1000).toFixed(0);
const crashed = counts.crashed === 0 ? "" : `, ${counts.crashed} crashed`;
console.log(`\n${counts.caught} caught, ${counts.survived} survived${crashed} in ${seconds} s`);
process.exit(isSound && counts.caught === trials.length ? 0 : 1);

function isNamed({ name }: { name: string }): boolean {
  return positionals.length === 0 || positionals.some((part) => name.includes(part));
}

function options() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        seeds: { type: "string" },
        layer: { type: "string" },
        quick: { type: "boolean", default: false },
      },
    });
  } catch {
    return usage();
  }
}

function usage(): never {
  const layers = LAYERS.map((layer) => (layer.includes(" ") ? `"${layer}"` : layer)).join("|");
  console.error(`Usage: npm run mutants -- [--seeds N] [--layer ${layers}] [--quick] [name…]`);
  process.exit(2);
}
