// How far an import is, drawn on standard error when that is a terminal, with the lines logged above the bar.
import { fstatSync } from "node:fs";
import { SingleBar } from "cli-progress";

export interface ProgressCounts {
  lines: number;
  failed: number;
}

export class Progress {
  #bar: SingleBar | null = null;
  readonly #wanted: boolean;

  constructor(wanted: boolean) {
    this.#wanted = wanted && process.stderr.isTTY === true;
  }

  /** Begins to follow a file; without its size there is nothing to be a part of. */
  start(descriptor: number): void {
    const { size } = fstatSync(descriptor);
    if (!this.#wanted || size === 0) return;
    this.#bar = new SingleBar({
      format: "[{bar}] {percentage}%  {lines} lines, {failed} bad  {duration_formatted}",
      stream: process.stderr,
      hideCursor: true,
      // Its own way would take Ctrl-C for itself, and let the run go on.
      gracefulExit: false,
    });
    this.#bar.start(size, 0, { lines: 0, failed: 0 });
  }

  bytes(count: number): void {
    this.#bar?.increment(count);
  }

  lines({ lines, failed }: ProgressCounts): void {
    this.#bar?.update({ lines, failed });
  }

  log(text: string): void {
    if (this.#bar !== null) process.stderr.write("\r\u001b[K");
    process.stderr.write(`${text}\n`);
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = null;
  }
}
