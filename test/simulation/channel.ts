// A payment channel that really moves money in its books, and that is as unreliable as real ones: submissions get lost,
// arrive late or are answered too late, queries miss what is there, notices come twice, late and out of order, and now
// and then a final word turns out to be wrong. It never refuses more than was paid: that must not be what saves us.
import type { Channel, RefundOrder, Verdict } from "../../src/channels/channel.ts";
import type { Dice } from "../emulators/dice.ts";
import type { VirtualClock } from "./virtual-clock.ts";

export interface ChannelFaults {
  /** A submission or query never arrives. */
  lost: number;
  /** It arrives late, by up to `latenessMs`. */
  late: number;
  /** The answer never arrives, or after the time-out. */
  mute: number;
  /** An error instead of the answer. */
  error: number;
  throttle: number;
  /** A query does not find what is there, for up to `latenessMs` after it landed. */
  miss: number;
  /** A "no" that holds for this submission alone. */
  transientNo: number;
  /** A final word that turns out to be wrong. */
  lie: number;
  /** A refund gets stuck until somebody acts. */
  stuck: number;
  /** A notice contradicts what really happened. */
  wrong: number;
}

export const HEALTHY: ChannelFaults = {
  lost: 0,
  late: 0,
  mute: 0,
  error: 0,
  throttle: 0,
  miss: 0,
  transientNo: 0,
  lie: 0,
  stuck: 0,
  wrong: 0,
};

/** What becomes of a number that lands. */
type Fate = "success" | "pending_success" | "pending_failure" | "no" | "abnormal";
const FATES: readonly Fate[] = [
  "success",
  "success",
  "success",
  "pending_success",
  "pending_success",
  "pending_failure",
  "no",
];

export interface Book {
  number: string;
  charge: string;
  amount: number;
  chargeAmount: number;
  currency: string;
  state: "nothing" | "processing" | "abnormal" | "succeeded" | "declined" | "returned";
  /** How often money moved: never more than once for a number. */
  effects: number;
  landings: number;
  /** From when on queries find it, ms of real time. */
  visibleAt: number;
  /** A submission was taken: every later one of the number is the same refund. */
  taken: boolean;
  /** The channel moved money after it had said a final no. */
  lied: boolean;
}

/** A notice heard once at most, one repeated until it is taken, and one that is simply wrong. */
export type NoticeKind = "once" | "until_taken" | "wrong";

/** How late anything may arrive; shorter than the settling time even when clocks jump. */
const LATENESS_MS = 35_000;
/** A first submission may even outlast its settling time: by then a second one has been made, whose "no" is in doubt. */
const FIRST_LATENESS_MS = [60_000, 95_000] as const;
const VISIBILITY_MS = 10_000;
export const SETTLING_MS = 60_000;

export class SimulatedChannel {
  readonly books = new Map<string, Book>();
  faults: ChannelFaults = HEALTHY;
  /** What one charge's refunds must keep between them, ms. */
  spacingMs = 0;
  readonly #clock: VirtualClock;
  readonly #dice: Dice;
  readonly #violation: (words: string) => void;
  readonly #notify: (verdict: Verdict, kind: NoticeKind) => void;
  calls = 0;
  /** Submissions and turns of fate that are still to come. */
  #coming = 0;
  /** Submissions on their way, by number. */
  readonly #underWay = new Map<string, number>();
  /** Notices nobody has taken yet. */
  notices = 0;

  constructor(
    clock: VirtualClock,
    dice: Dice,
    violation: (words: string) => void,
    notify: (verdict: Verdict, kind: NoticeKind) => void,
  ) {
    this.#clock = clock;
    this.#dice = dice;
    this.#violation = violation;
    this.#notify = notify;
  }

  /** The port a ledger is given. */
  readonly port: Channel = {
    facts: () => ({
      fullRefundOnly: false,
      windowSeconds: 365 * 86_400,
      spacingMs: this.spacingMs,
      settlingMs: SETTLING_MS,
    }),
    refund: (order, _account, now) => this.#ask("refund", order, now),
    query: (order, _account, now) => this.#ask("query", order, now),
  };

  /** Money that moved and did not come back; what moved against the channel's own word counts only if asked for. */
  moved(charge: string, lies: boolean): number {
    let sum = 0;
    for (const book of this.books.values()) {
      if (book.charge === charge && book.state === "succeeded" && (lies || !book.lied)) sum += book.amount;
    }
    return sum;
  }

  /** Nothing more will come from here unless somebody asks. */
  isQuiet(): boolean {
    return this.#coming === 0 && this.notices === 0;
  }

  #later(ms: number, work: () => void): void {
    this.#coming += 1;
    this.#clock.after(ms, () => {
      this.#coming -= 1;
      work();
    });
  }

  /** Somebody at the channel decides what is stuck, and every open refund ends. */
  heal(): void {
    this.faults = HEALTHY;
    for (const book of this.books.values()) {
      if (book.state === "abnormal") this.#end(book, this.#dice.chance(0.5) ? "succeeded" : "declined");
    }
  }

  async #ask(asked: "refund" | "query", order: RefundOrder, askedAt: number): Promise<Verdict> {
    const { faults } = this;
    const dice = this.#dice;
    this.calls += 1;
    const speak = (verdict: Verdict["kind"], book?: Book) => say(verdict, order, askedAt, book);
    if (dice.chance(faults.throttle)) {
      await this.#clock.sleep(dice.between(1, 50));
      if (asked === "query") return speak("unknown");
      return {
        ...facts(order, askedAt),
        kind: "notSent",
        reason: "throttled",
        retryAt: askedAt + dice.between(1, 5000),
      };
    }
    const late = dice.chance(faults.late);
    const outlasts = late && asked === "refund" && order.attempt === 1 && dice.chance(0.5);
    const arrivesIn = outlasts
      ? dice.between(...FIRST_LATENESS_MS)
      : dice.between(1, late ? LATENESS_MS : 200);
    const arrives = !dice.chance(faults.lost);
    let verdict = speak("unknown");
    const arrived = new Promise<void>((resolve) => {
      if (!arrives) return;
      if (asked === "refund") this.#count(order.number, 1);
      this.#later(arrivesIn, () => {
        if (asked === "refund") this.#count(order.number, -1);
        verdict = asked === "refund" ? this.#land(order, askedAt) : this.#look(order, askedAt);
        resolve();
      });
    });
    // The caller may stop listening while the submission is still on its way.
    const patience = dice.chance(0.3) ? dice.between(100, 20_000) : 60_000;
    await Promise.race([arrived, this.#clock.sleep(patience)]);
    if (dice.chance(faults.mute))
      await this.#clock.sleep(dice.chance(0.5) ? 10 ** 9 : dice.between(100, 40_000));
    await this.#clock.sleep(dice.between(1, 100));
    if (dice.chance(faults.error)) return speak("unknown");
    return verdict;
  }

  /** A submission arrives. The same number is the same refund. */
  #land(order: RefundOrder, askedAt: number): Verdict {
    const dice = this.#dice;
    const book = this.#open(order);
    book.landings += 1;
    // A number that was only turned away may be submitted again; one that was taken and ended stays as it is.
    if (!book.taken) {
      // Most dangerous while another submission of the number is still to land.
      const risk = (this.#underWay.get(order.number) ?? 0) > 0 ? 3 : 1;
      if (dice.chance(this.faults.transientNo * risk)) {
        if (dice.chance(0.5)) {
          book.state = "declined";
          this.#tell(book, "once");
        }
        return say("declined", order, askedAt, book);
      }
      const visible = dice.chance(this.faults.miss) ? dice.between(1, VISIBILITY_MS) : 0;
      book.visibleAt = this.#clock.time + visible;
      this.#begin(book, dice.chance(this.faults.stuck) ? "abnormal" : dice.pick(FATES));
    }
    return truth(book, order, askedAt);
  }

  #count(number: string, change: number): void {
    this.#underWay.set(number, (this.#underWay.get(number) ?? 0) + change);
  }

  #look(order: RefundOrder, askedAt: number): Verdict {
    const book = this.books.get(order.number);
    if (book === undefined || book.state === "nothing" || this.#clock.time < book.visibleAt) {
      return say("notFound", order, askedAt);
    }
    return truth(book, order, askedAt);
  }

  #open(order: RefundOrder): Book {
    let book = this.books.get(order.number);
    if (book === undefined) {
      book = {
        number: order.number,
        charge: order.charge,
        amount: order.amount,
        chargeAmount: order.chargeAmount,
        currency: order.currency,
        state: "nothing",
        effects: 0,
        landings: 0,
        visibleAt: 0,
        taken: false,
        lied: false,
      };
      this.books.set(order.number, book);
    }
    const same =
      book.amount === order.amount && book.charge === order.charge && book.currency === order.currency;
    if (!same) this.#violation(`I12: number ${order.number} was used for two refunds`);
    return book;
  }

  #begin(book: Book, fate: Fate): void {
    book.taken = true;
    const dice = this.#dice;
    switch (fate) {
      case "success":
        this.#end(book, "succeeded");
        break;
      case "no":
        this.#end(book, "declined");
        break;
      case "abnormal":
        book.state = "abnormal";
        this.#tell(book, "once");
        break;
      case "pending_success":
      case "pending_failure":
        book.state = "processing";
        this.#tell(book, "once");
        this.#later(dice.between(100, 120_000), () =>
          this.#end(book, fate === "pending_success" ? "succeeded" : "declined"),
        );
    }
  }

  #end(book: Book, state: "succeeded" | "declined"): void {
    const dice = this.#dice;
    if (state === "succeeded") this.#move(book);
    book.state = state;
    this.#tell(book, "once");
    if (dice.chance(this.faults.wrong))
      this.#later(dice.between(1000, 300_000), () => this.#tell(book, "wrong"));
    if (!dice.chance(this.faults.lie)) return;
    this.#later(dice.between(1000, 300_000), () => {
      // A second chance may have ended it otherwise meanwhile.
      if (book.state !== state) return;
      if (state === "succeeded") {
        book.state = "returned";
      } else {
        book.lied = true;
        this.#move(book);
        book.state = "succeeded";
      }
      this.#tell(book, "until_taken");
    });
  }

  #move(book: Book): void {
    book.effects += 1;
    if (book.effects > 1) this.#violation(`I2: money moved twice for ${book.number}`);
    if (book.lied) return;
    const moved = this.moved(book.charge, false) + book.amount;
    if (moved > book.chargeAmount) {
      this.#violation(`I2: ${moved} of ${book.chargeAmount} moved for ${book.charge}`);
    }
  }

  /** A notice, as early, late and often as it comes. It tells how things stood when it was written. */
  #tell(book: Book, kind: NoticeKind): void {
    const dice = this.#dice;
    const order = { number: book.number, amount: book.amount, currency: book.currency };
    const written = truth(book, order, this.#clock.now());
    const copies = kind === "once" ? dice.between(0, 2) : 1;
    for (let copy = 0; copy < copies; copy++) {
      const late = dice.chance(0.3) ? dice.between(1, 400_000) : dice.between(1, 500);
      this.#later(late, () => {
        const now = this.#clock.now();
        const opposite = book.state === "succeeded" ? "declined" : "succeeded";
        if (kind === "wrong") this.#notify(say(opposite, order, now), kind);
        else this.#notify(kind === "once" ? written : truth(book, order, now), kind);
      });
    }
  }
}

type Named = Pick<RefundOrder, "number" | "amount" | "currency">;

function facts(order: Named, askedAt: number) {
  return { number: order.number, amount: order.amount, currency: order.currency, askedAt };
}

function truth(book: Book, order: Named, askedAt: number): Verdict {
  switch (book.state) {
    case "nothing":
      return say("notFound", order, askedAt);
    case "processing":
    case "abnormal":
      return say("accepted", order, askedAt, book);
    case "succeeded":
      return say("succeeded", order, askedAt);
    case "declined":
    case "returned":
      return say("declined", order, askedAt);
  }
}

function say(kind: Verdict["kind"], order: Named, askedAt: number, book?: Book): Verdict {
  const about = facts(order, askedAt);
  switch (kind) {
    case "succeeded":
      return { ...about, kind, transactionNo: `t${order.number}` };
    case "declined":
      return { ...about, kind, code: "NO", words: "no" };
    case "accepted":
      return { ...about, kind, ...(book?.state === "abnormal" ? { attention: "channel_abnormal" } : {}) };
    case "notFound":
      return { ...about, kind, amount: null, currency: null };
    default:
      return { ...about, kind: "unknown", amount: null, currency: null };
  }
}
