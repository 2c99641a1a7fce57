// A part of the Worker that is loaded by the first call that needs it. What came of loading is kept and never the promise
// of it, because requests share no promise: those that come meanwhile load for themselves, and the runtime sees to it that
// the code of a part runs once.
export class Lazy<Part> {
  readonly #load: () => Promise<Part>;
  #part: Part | null = null;

  constructor(load: () => Promise<Part>) {
    this.#load = load;
  }

  /** Does the work with the part: at once when it is loaded, and else as soon as it is. */
  use<Result>(work: (part: Part) => Result | Promise<Result>): Result | Promise<Result> {
    if (this.#part !== null) return work(this.#part);
    return this.#load().then((part) => {
      this.#part ??= part;
      return work(this.#part);
    });
  }
}
