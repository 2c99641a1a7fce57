// What the Worker's figures are compared with, and how far they may lie above.
import { type Spread, spreadOf } from "./measure.ts";
import { CPU_LEVEL, type Level, type Measured, type SubjectName } from "./rounds.ts";

export interface Comparison {
  of: SubjectName;
  over: SubjectName;
  /** Processor time per request when left out. */
  figure?: "perSecond";
  /** The target; a comparison without one only tells. */
  atMost?: number;
  atLeast?: number;
}

export const COMPARISONS: readonly Comparison[] = [
  // Until the answer.
  { of: "create, answered", over: "ledger", atMost: 2.2 },
  { of: "create, answered", over: "safe" },
  { of: "create-hot, answered", over: "ledger-hot" },
  { of: "respond-async, answered", over: "ledger", atMost: 1.5 },
  // With all that follows.
  { of: "create", over: "full", atMost: 1.3 },
  { of: "create-hot", over: "full-hot", atMost: 0.7 },
  { of: "respond-async", over: "full" },
  { of: "record", over: "full" },
  { of: "create-hot", over: "ledger-hot", figure: "perSecond", atLeast: 0.7 },
  { of: "retrieve", over: "page", atMost: 0.6 },
  { of: "list", over: "page", atMost: 0.6 },
  { of: "charge", over: "page" },
  { of: "replay", over: "create", atMost: 0.3 },
  { of: "invalid", over: "create", atMost: 0.3 },
  { of: "refused", over: "create", atMost: 0.3 },
  { of: "replay", over: "ledger" },
  { of: "refused", over: "ledger" },
  { of: "invalid", over: "noop", atMost: 2 },
  { of: "unauthenticated", over: "noop", atMost: 2 },
];

/** The ratio of each round, both figures being of that round. */
export function ratioOf(
  { of, over, figure }: Comparison,
  measured: Map<SubjectName, Measured>,
): Spread | null {
  const [ours, theirs] = [measured.get(of), measured.get(over)];
  if (ours === undefined || theirs === undefined) return null;
  const values = (one: Measured) => (figure === "perSecond" ? rates(one, CPU_LEVEL) : one.cpuMs);
  const others = values(theirs);
  return spreadOf(values(ours).map((value, round) => value / (others[round] ?? Number.NaN)));
}

export function rates({ levels }: Measured, level: Level): readonly number[] {
  return levels.get(level)?.perSecond ?? [];
}

/** The target of a comparison, and whether it is met. */
export function targetOf({ atMost, atLeast }: Comparison, { median }: Spread): [target: string, met: string] {
  if (atMost !== undefined) return [`≤ ${atMost}`, median <= atMost ? "meets" : "misses"];
  if (atLeast !== undefined) return [`≥ ${atLeast}`, median >= atLeast ? "meets" : "misses"];
  return ["", ""];
}

/** The subjects that are needed to compare some. */
export function withTheirFloors(names: readonly SubjectName[]): SubjectName[] {
  const wanted = new Set(names);
  for (const { of, over } of COMPARISONS) if (names.includes(of)) wanted.add(over);
  return [...wanted];
}
