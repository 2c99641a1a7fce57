// The way between the connectors and a channel, which loses things in its own manner: a submission that the sender has
// given up may still arrive, up to nearly twice the settling time later. It also remembers with which revision of the
// account each number was asked about.
import type { Dice } from "../emulators/dice.ts";
import type { ChannelClock } from "./clock.ts";

export interface NetworkFaults {
  /** How often a submission arrives only after its sender has given up. */
  late: number;
  lateMs: number;
}

export class Network {
  readonly #clock: ChannelClock;
  readonly #dice: Dice;
  faults: NetworkFaults = { late: 0, lateMs: 0 };
  /** Called once for every key a submission carries, the first time. */
  onKey: (key: string) => void = () => {};
  readonly #keys = new Set<string>();
  /** Bodies of submissions that are still on their way without anybody waiting for them. */
  readonly #underWay = new Set<string>();
  late = 0;

  constructor(clock: ChannelClock, dice: Dice) {
    this.#clock = clock;
    this.#dice = dice;
  }

  /** Whether a submission that names this number may still arrive. */
  carries(number: string): boolean {
    return [...this.#underWay].some((body) => body.includes(number));
  }

  async fetch(url: string, init: RequestInit): Promise<Response> {
    const key = new Headers(init.headers).get("idempotency-key");
    if (key !== null && !this.#keys.has(key)) {
      this.#keys.add(key);
      this.onKey(key);
    }
    const isSubmission = init.method === "POST" && /\/refunds?$/.test(url);
    if (!isSubmission || !this.#dice.chance(this.faults.late)) return await fetch(url, init);
    this.late += 1;
    const body = `${init.body}`;
    this.#underWay.add(body);
    this.#clock.after(this.#dice.between(this.faults.lateMs / 4, this.faults.lateMs), () => {
      void this.#clock.busy(async () => {
        const answer = await fetch(url, { ...init, signal: undefined }).catch(() => null);
        await answer?.body?.cancel();
        this.#underWay.delete(body);
      });
    });
    // Its sender hears of a broken connection, or nothing at all.
    if (this.#dice.chance(0.5)) throw new TypeError("fetch failed");
    return await new Promise((_, reject) => {
      init.signal?.addEventListener("abort", () => reject(init.signal?.reason), { once: true });
    });
  }
}
