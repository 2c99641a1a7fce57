// A machine that runs one call of the Worker's. At any of its awaits it may die, after which nothing of it happens any
// more, though what it had sent still arrives; or it may freeze and go on much later, as if no time had passed.
import type { Dice } from "../emulators/dice.ts";
import type { VirtualClock } from "./virtual-clock.ts";

export interface MachineFaults {
  /** At every await, before and after the call. */
  crash: number;
  freeze: number;
}

export class Machine {
  readonly #clock: VirtualClock;
  readonly #dice: Dice;
  readonly #faults: MachineFaults;
  readonly #leave = Promise.withResolvers<void>();
  #dead = false;
  /** Settles when the platform believes that the machine is gone: rightly, or because it froze. */
  readonly gone = this.#leave.promise;
  /** Whether the platform still listens to it. */
  believed = true;
  frozen = false;

  constructor(clock: VirtualClock, dice: Dice, faults: MachineFaults) {
    this.#clock = clock;
    this.#dice = dice;
    this.#faults = faults;
  }

  get dead(): boolean {
    return this.#dead;
  }

  die(): void {
    this.#dead = true;
    this.#abandon();
  }

  /** Makes a call, unless the machine does not live to make it or to see its answer. */
  async through<T>(call: () => Promise<T>): Promise<T> {
    await this.#liveOn();
    const settled = await call().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    await this.#liveOn();
    if ("error" in settled) throw settled.error;
    return settled.value;
  }

  async #liveOn(): Promise<void> {
    if (!this.#dead && this.#dice.chance(this.#faults.crash)) this.die();
    if (!this.#dead && this.#dice.chance(this.#faults.freeze)) {
      this.frozen = true;
      if (this.#dice.chance(0.7)) this.#abandon();
      await this.#clock.sleep(this.#dice.between(5_000, 200_000));
    }
    if (this.#dead) await new Promise(() => {});
  }

  #abandon(): void {
    this.believed = false;
    this.#leave.resolve();
  }
}
