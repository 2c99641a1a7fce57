/** A map that forgets what was longest not used once it is full: nothing a caller sends can make it grow for ever. */
export class BoundedMap<Value> {
  readonly #limit: number;
  // A Map keeps the order of insertion, so the first key is the one longest not used.
  readonly #values = new Map<string, Value>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#values.size;
  }

  get(key: string): Value | undefined {
    const value = this.#values.get(key);
    if (value !== undefined) {
      this.#values.delete(key);
      this.#values.set(key, value);
    }
    return value;
  }

  set(key: string, value: Value): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    if (this.#values.size > this.#limit) {
      for (const oldest of this.#values.keys()) {
        this.#values.delete(oldest);
        break;
      }
    }
  }

  delete(key: string): void {
    this.#values.delete(key);
  }
}
