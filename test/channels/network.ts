// The way between the connectors and a channel, which loses things in its own manner: a submission that the sender has
// given up may still arrive, up to nearly twice the settling time later. It also remembers with which revision of the
// account each number was asked about.
import type { ChannelRequest } from "../emulators/channel-emulator.ts";
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
  /** What the channel has received, in order. */
  readonly #received: readonly ChannelRequest[];
  /** Submissions that nobody waits for any more; `from`: how much the channel had received when they were let go. */
  readonly #underWay = new Set<{ body: string; from: number | null }>();
  late = 0;

  constructor(clock: ChannelClock, dice: Dice, received: readonly ChannelRequest[]) {
    this.#clock = clock;
    this.#received = received;
    this.#dice = dice;
  }

  /** Whether a late submission that names this number has not been answered yet. */
  isLate(number: string): boolean {
    return [...this.#underWay].some(({ body }) => body.includes(number));
  }

  /** Whether one may still arrive. */
  carries(number: string): boolean {
    for (const { body, from } of this.#underWay) {
      if (!body.includes(number)) continue;
      const hasArrived = from !== null && this.#received.slice(from).some((request) => request.body === body);
      if (!hasArrived) return true;
    }
    return false;
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
    const late = { body: `${init.body}`, from: null as number | null };
    this.#underWay.add(late);
    this.#clock.after(this.#dice.between(this.faults.lateMs / 4, this.faults.lateMs), () => {
      late.from = this.#received.length;
      void this.#clock.busy(async () => {
        const answer = await fetch(url, { ...init, signal: undefined }).catch(() => null);
        await answer?.body?.cancel();
        this.#underWay.delete(late);
      });
    });
    // Its sender hears of a broken connection, or nothing at all.
    if (this.#dice.chance(0.5)) throw new TypeError("fetch failed");
    return await new Promise((_, reject) => {
      init.signal?.addEventListener("abort", () => reject(init.signal?.reason), { once: true });
    });
  }
}
