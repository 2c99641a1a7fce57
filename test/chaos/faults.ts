// What goes wrong inside the runtime during one of its lives: drawn anew at each start, from the run's seed. A life
// without faults is what most of production is, and what heals; the others each have a weather of their own.
import type { Dice } from "../emulators/dice.ts";

/** How often each fault strikes, from 0 to 1, and times in ms. */
export interface Life {
  seed: number;
  d1: {
    before: number;
    after: number;
    slow: number;
    slowMs: number;
    /** From then on nothing works, until the runtime's end; null: no outage. */
    downAfterMs: number | null;
  };
  queue: { before: number; after: number; hang: number };
  /** Calls of ledgers that fail before or after they took effect. */
  ledger: { before: number; after: number };
}

export const CALM: Life = {
  seed: 0,
  d1: { before: 0, after: 0, slow: 0, slowMs: 0, downAfterMs: null },
  queue: { before: 0, after: 0, hang: 0 },
  ledger: { before: 0, after: 0 },
};

/**
 * Ledger and D1 never fail in the same life: then the queue alone keeps what a client was promised, and the local
 * queue, unlike the deployed one, forgets everything when it is killed.
 */
export function drawLife(dice: Dice): Life {
  const seed = dice.between(1, 2 ** 31);
  const calm = { ...CALM, seed };
  const queue = dice.chance(0.4)
    ? dice.pick([
        { before: 0.3, after: 0.3, hang: 0.1 },
        { before: 1, after: 0, hang: 0 },
        { before: 0, after: 0, hang: 1 },
        { before: 0, after: 1, hang: 0 },
      ])
    : CALM.queue;
  const roll = dice.next();
  if (roll < 0.4) return { ...calm, queue };
  if (roll < 0.65) {
    const d1 = { ...CALM.d1, before: 0.1, after: 0.1, slow: 0.1, slowMs: 800 };
    return { ...calm, d1, queue };
  }
  // Keys must have been read before: a Worker that starts in an outage knows nobody.
  if (roll < 0.85) return { ...calm, d1: { ...CALM.d1, downAfterMs: dice.between(50, 700) }, queue };
  return {
    ...calm,
    queue,
    ledger: dice.pick([
      { before: 0.5, after: 0.3 },
      { before: 0.1, after: 0.8 },
      { before: 1, after: 0 },
    ]),
  };
}
