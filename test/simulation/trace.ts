// What happened, line by line: its hash tells whether two runs were the same, its end tells how a violation came about.
import { createHash } from "node:crypto";

export class Trace {
  readonly #hash = createHash("sha256");
  readonly lines: string[] = [];
  /** How many lines are kept. */
  readonly keep: number;

  constructor(keep: number) {
    this.keep = keep;
  }

  add(line: string): void {
    this.#hash.update(line).update("\n");
    if (this.lines.length < this.keep) this.lines.push(line);
  }

  digest(): string {
    return this.#hash.copy().digest("hex");
  }
}

/** The lines about what a violation speaks of: its refund or ledger, and whatever else befell that charge. */
export function storyOf(violation: string, lines: readonly string[]): string[] {
  const named = new Set(violation.match(/(?<![0-9A-Za-z])[0-9A-Za-z]{24}(?![0-9A-Za-z])/g) ?? []);
  for (const line of lines) {
    const charge = /\bch_([0-9A-Za-z]{24})\b/.exec(line)?.[1];
    if (charge !== undefined && [...named].some((name) => line.includes(name))) named.add(charge);
  }
  const words = [...named, "killed", "healed", "D1 ", "wiped", "rolled back", "keys", "clock", "machine"];
  return lines.filter((line) => words.some((word) => line.includes(word)));
}
