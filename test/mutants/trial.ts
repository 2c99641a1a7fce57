// One process, one mutant: patches the product while it is loaded, simulates seed after seed until something is found
// out, and tells the parent. Started by `try-mutant.ts` with a trial as its argument.
import type { Layer } from "./mutant.ts";
import type { Patch } from "./patch.ts";
import { checkPatches, patchModules } from "./patched-modules.ts";
import { isReached } from "./reach.ts";

export interface Trial {
  patches: Patch[];
  layer: Extract<Layer, `L2${string}` | "L3">;
  seeds: number;
}

export type TrialEnd =
  | { kind: "caught"; words: string; seed: number; kills?: number }
  | { kind: "crashed"; words: string; seed: number }
  | { kind: "survived"; reached: boolean; seed: number };
export type TrialNews = TrialEnd | { kind: "begun"; seed: number };

interface Finding {
  words: string;
  /** Where the runtime is killed: how often until then. */
  kills?: number;
}

/** Seeds that are run once more to see whether the patched code runs at all. */
const REACH_SEEDS = 5;
const CONNECTORS = ["wechatpay", "alipay", "stripe"] as const;
const CHANNEL_REFUNDS = 40;
const STORM_SECONDS = 45;

const trial = JSON.parse(process.argv[2] ?? "") as Trial;
// Alerts and warnings are part of what happens in there.
console.error = console.warn = () => {};
tell(await run(trial));
process.disconnect?.();

function tell(news: TrialNews): void {
  process.send?.(news);
}

async function run({ patches, layer, seeds }: Trial): Promise<TrialEnd> {
  checkPatches(patches);
  // The storm's runtime is a process of its own, which brings its patches in while it is bundled.
  if (layer !== "L3") patchModules(patches);
  const simulate = await simulator(layer, patches);
  for (let seed = 1; seed <= seeds; seed++) {
    tell({ kind: "begun", seed });
    try {
      const found = await simulate(seed);
      if (found !== null) return { kind: "caught", ...found, seed };
    } catch (error) {
      return { kind: "crashed", words: String(error), seed };
    }
  }
  if (layer === "L3" || patches.length === 0) return { kind: "survived", reached: true, seed: seeds };
  const reached = await isReached(patches, async () => {
    for (let seed = 1; seed <= Math.min(seeds, REACH_SEEDS); seed++) {
      tell({ kind: "begun", seed });
      await simulate(seed);
    }
  });
  return { kind: "survived", reached, seed: seeds };
}

/** Loads a simulation, and with it the patched product. Answers what a seed finds out first. */
async function simulator(
  layer: Trial["layer"],
  patches: Patch[],
): Promise<(seed: number) => Promise<Finding | null>> {
  switch (layer) {
    case "L2": {
      const { simulate } = await import("../simulation/simulation.ts");
      return async (seed) => first((await simulate(seed)).violations);
    }
    case "L2 deliveries": {
      const { simulateDeliveries } = await import("../simulation/deliveries/simulation.ts");
      return async (seed) => first((await simulateDeliveries(seed)).violations);
    }
    case "L2 channels": {
      const channels = await import("../channels/run.ts");
      return async (seed) => {
        const connector = CONNECTORS[seed % CONNECTORS.length] as (typeof CONNECTORS)[number];
        return first((await channels.run(connector, { refunds: CHANNEL_REFUNDS, seed })).violations);
      };
    }
    case "L3": {
      const { runChaos } = await import("../chaos/chaos.ts");
      return async (seed) => {
        const storm = { seconds: STORM_SECONDS, seed, patches, stopAtFirstViolation: true };
        const { violations, kills } = await runChaos(storm);
        const [violation] = violations;
        return violation === undefined ? null : { words: wordsOf(violation), kills };
      };
    }
  }
}

function first([words]: string[]): Finding | null {
  return words === undefined ? null : { words };
}

function wordsOf(violation: { rule: string; words: string }): string {
  return `${violation.rule}: ${violation.words}`;
}
