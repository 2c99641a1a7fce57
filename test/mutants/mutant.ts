// A mutant: the product made wrong in one way, by small patches of its own source, and the layers that must find it out.
// A checker that never failed proves nothing.
import type { Patch } from "./patch.ts";

/** As in the design: domain tests, tests in workerd, simulations, and the real runtime under `kill -9`. */
export const LAYERS = ["L0", "L1", "L2", "L2 deliveries", "L2 channels", "L3"] as const;
export type Layer = (typeof LAYERS)[number];

export interface Mutant {
  /** What the product does wrong, as the end of a sentence: "a ledger that …". */
  name: string;
  /** What it costs whom. */
  why: string;
  patches: Patch[];
  /** Each of them finds it out. */
  layers: Layer[];
  /** For L0 and L1: the test file that does. */
  test?: string;
  /** That it throws or never comes to an end is what is wrong with it; elsewhere that finds out nothing. */
  dies?: true;
  /** Takes too long for the short form. */
  slow?: true;
}
