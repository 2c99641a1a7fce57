// The merchants' receivers: each address behaves in its own way, differently at different times, and keeps a book of all
// that came. The book is what the service's own story is held against.
import type { PostAnswer } from "../../../src/webhooks/client.ts";
import type { Dice } from "../../emulators/dice.ts";
import type { VirtualClock } from "../virtual-clock.ts";

/** How an address answers. */
export type Behaviour =
  | { does: "ok" }
  /** Some requests fail, in all the ways there are. */
  | { does: "flaky"; failing: number }
  | { does: "down"; refuses: boolean }
  /** Answers well, after 3 to 14 s. */
  | { does: "slow" }
  /** Takes the request and says nothing. */
  | { does: "hang" }
  | { does: "busy"; status: 429 | 503; seconds: number; asDate: boolean }
  | { does: "gone" }
  | { does: "redirect" }
  /** Takes the event and loses the connection before it has said so. */
  | { does: "mute" };

/** One request, as the receiver saw it. */
export interface Receipt {
  delivery: string;
  /** Which attempt of the delivery it is, counted from 1. */
  number: number;
  url: string;
  event: string;
  body: string;
  signature: string;
  from: number;
  /** The machine that makes it was frozen before. */
  isFrozen: boolean;
  /** When the caller had its answer; null while it waits. */
  until: number | null;
  answer: PostAnswer | null;
}

export const TIMEOUT_MS = 15_000;

export class Receivers {
  readonly #clock: VirtualClock;
  readonly #dice: Dice;
  /** By address: from when on it behaves how; in order. */
  readonly #behaviours = new Map<string, { from: number; behaviour: Behaviour }[]>();
  readonly book: Receipt[] = [];
  /** The same, by delivery. */
  readonly receipts = new Map<string, Receipt[]>();
  /** After this everybody is well. */
  wellFrom = Number.POSITIVE_INFINITY;

  constructor(clock: VirtualClock, dice: Dice) {
    this.#clock = clock;
    this.#dice = dice;
  }

  behave(url: string, from: number, behaviour: Behaviour): void {
    const known = this.#behaviours.get(url) ?? [];
    known.push({ from, behaviour });
    this.#behaviours.set(url, known);
  }

  behaviourOf(url: string): Behaviour {
    if (this.#clock.time >= this.wellFrom) return { does: "ok" };
    const past = this.#behaviours.get(url)?.filter(({ from }) => from <= this.#clock.time);
    return past?.at(-1)?.behaviour ?? { does: "ok" };
  }

  /** Whether it has answered well all its life. */
  isWell(url: string): boolean {
    return (this.#behaviours.get(url) ?? []).every(({ behaviour }) => behaviour.does === "ok");
  }

  async post(
    url: string,
    headers: Record<string, string>,
    body: string,
    attempt: Pick<Receipt, "delivery" | "number" | "isFrozen">,
    arrived: (receipt: Receipt) => void,
  ): Promise<PostAnswer> {
    const receipt: Receipt = {
      ...attempt,
      url,
      event: headers["webhook-id"] ?? "",
      signature: headers["webhook-signature"] ?? "",
      body,
      from: this.#clock.time,
      until: null,
      answer: null,
    };
    this.book.push(receipt);
    const ofDelivery = this.receipts.get(attempt.delivery);
    if (ofDelivery === undefined) this.receipts.set(attempt.delivery, [receipt]);
    else ofDelivery.push(receipt);
    arrived(receipt);
    const answer = await this.#answer(this.behaviourOf(url));
    receipt.until = this.#clock.time;
    receipt.answer = answer;
    return answer;
  }

  async #answer(behaviour: Behaviour): Promise<PostAnswer> {
    const { does } = behaviour;
    const after = (low: number, high: number) => this.#clock.sleep(this.#dice.between(low, high));
    switch (does) {
      case "ok":
        await after(20, 800);
        return status(200);
      case "flaky": {
        if (!this.#dice.chance(behaviour.failing)) return await this.#answer({ does: "ok" });
        return await this.#answer(this.#dice.pick(FAILURES));
      }
      case "down":
        await after(5, 500);
        return behaviour.refuses ? failed("connection_failed") : status(this.#dice.pick([500, 502, 404]));
      case "slow":
        await after(3_100, 14_000);
        return status(200);
      case "hang":
        await this.#clock.sleep(TIMEOUT_MS);
        return failed("timeout");
      case "busy": {
        await after(20, 300);
        const asked = new Date(this.#clock.now() + behaviour.seconds * 1000).toUTCString();
        return status(behaviour.status, behaviour.asDate ? asked : String(behaviour.seconds));
      }
      case "gone":
        await after(20, 300);
        return status(410);
      case "redirect":
        await after(20, 300);
        return status(302);
      case "mute":
        await after(20, 3_000);
        return failed("connection_failed");
    }
  }
}

const FAILURES: readonly Behaviour[] = [
  { does: "down", refuses: true },
  { does: "down", refuses: false },
  { does: "hang" },
  { does: "busy", status: 429, seconds: 30, asDate: false },
  { does: "busy", status: 503, seconds: 600, asDate: true },
  { does: "redirect" },
  { does: "mute" },
];

function status(code: number, retryAfter: string | null = null): PostAnswer {
  return { status: code, failure: null, retryAfter, text: code < 300 ? "ok" : null };
}

function failed(failure: "timeout" | "connection_failed"): PostAnswer {
  return { status: null, failure, retryAfter: null, text: null };
}

export function isGood(answer: PostAnswer | null): boolean {
  return answer?.status != null && answer.status >= 200 && answer.status < 300;
}
