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
