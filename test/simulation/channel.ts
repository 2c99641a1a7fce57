// A payment channel that really moves money in its books, and that is as unreliable as real ones: submissions get lost,
// arrive late or are answered too late, queries miss what is there, notices come twice, late and out of order, and now
// and then a final word turns out to be wrong. It never refuses more than was paid: that must not be what saves us.
import type {
  Channel,
  ChannelAccount,
  Payment,
  PaymentCheck,
  RefundOrder,
  Verdict,
} from "../../src/channels/channel.ts";
import type { Dice } from "../emulators/dice.ts";
import { type Book, facts, say, truth } from "./channel-words.ts";
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
  /** A question about what has ended long ago is answered with the opposite, once for each number. */
  misread: number;
  /** An answer is about something else. */
  garbled: number;
  /** A refund takes the channel more than a week. */
  weeks: number;
  /** A payment cannot be confirmed now, or only slowly. */
  blurred: number;
  slow: number;
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
  misread: 0,
  garbled: 0,
  weeks: 0,
  blurred: 0,
  slow: 0,
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

/** A notice heard once at most, one repeated until it is taken, and one that is simply wrong. */
export type NoticeKind = "once" | "until_taken" | "wrong";

/** Names that the product knows a connector by; here this one channel speaks for both. */
export const CHANNEL = "wx";
/** Refunds through it are paid by a person. */
export const BY_HAND = "manual";

/** How late anything may arrive; shorter than the settling time even when clocks jump. */
const LATENESS_MS = 35_000;
/** A first submission may even outlast its settling time: by then a second one has been made, whose "no" is in doubt. */
const FIRST_LATENESS_MS = [60_000, 95_000] as const;
const VISIBILITY_MS = 10_000;
const DAY_MS = 86_400_000;
export const SETTLING_MS = 60_000;

export class SimulatedChannel {
  readonly books = new Map<string, Book>();
  faults: ChannelFaults = HEALTHY;
  /** What one charge's refunds must keep between them, ms. */
  spacingMs = 0;
  /** Later revisions of an account do not see what was sent with earlier ones. */
  blind = false;
  /** What was really paid, by the merchant's order_no; `fits`: as it was recorded. */
  readonly payments = new Map<string, { transactionNo: string; fits: boolean }>();
  /** Whether a ledger holds a number for ended. */
  isBooked: (number: string) => boolean = () => false;
  /** Whether more may move for an order than was paid: its ledger forgot what it had done. */
  isExcused: (orderNo: string) => boolean = () => false;
  /** Which live charge refunds a payment. */
  readonly #payers = new Map<string, string>();
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
    facts: ({ channel }) => ({
      fullRefundOnly: false,
      windowSeconds: 365 * 86_400,
      spacingMs: this.spacingMs,
      settlingMs: SETTLING_MS,
      ...(channel === BY_HAND ? { byHand: true as const } : {}),
    }),
    refund: (order, account, now) => this.#ask("refund", order, account, now),
    query: (order, account, now) => this.#ask("query", order, account, now),
    verifyPayment: (payment) => this.#verify(payment),
  };

  /** Money that moved and did not come back; what moved against the channel's own word counts only if asked for. */
  moved(orderNo: string, lies: boolean): number {
    let sum = 0;
    for (const book of this.books.values()) {
      if (book.orderNo === orderNo && book.state === "succeeded" && (lies || !book.lied)) sum += book.amount;
    }
    return sum;
  }

  /** Whether a submission is still to land that could move money. */
  mayStillMove(number: string): boolean {
    return this.#isUnderWay(number) && this.books.get(number)?.taken !== true;
  }

  #isUnderWay(number: string): boolean {
    return (this.#underWay.get(number) ?? 0) > 0;
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

  /** Somebody at the channel decides what is stuck, and every open refund ends but those that people must end. */
  heal(): void {
    this.faults = HEALTHY;
    for (const book of this.books.values()) {
      if (book.state !== "abnormal" || book.leftToPerson) continue;
      this.#end(book, this.#dice.chance(0.5) ? "succeeded" : "declined");
    }
  }

  /** After people had to decide, the channel comes to a word of its own; it may keep that to itself. */
  overrule(number: string, inMs: number): void {
    this.#later(inMs, () => {
      const book = this.books.get(number);
      if (book?.state !== "abnormal") return;
      this.#end(book, this.#dice.chance(0.5) ? "succeeded" : "declined", this.#dice.chance(0.5));
    });
  }

  async #verify({ orderNo }: Payment): Promise<PaymentCheck> {
    const { faults } = this;
    const dice = this.#dice;
    await this.#clock.sleep(dice.chance(faults.slow) ? dice.between(1000, 20_000) : dice.between(1, 200));
    if (dice.chance(faults.error / 4)) throw new Error("the connector broke");
    const payment = this.payments.get(orderNo);
    if (dice.chance(faults.blurred) || payment === undefined) return { kind: "unknown" };
    if (!payment.fits) return { kind: "mismatch", fact: "amount" };
    return { kind: "paid", transactionNo: payment.transactionNo };
  }

  /** No live submission leaves for a payment that was recorded wrongly, or that is another charge's. */
  #checkPayment({ livemode, charge, chargeOrderNo }: RefundOrder): void {
    const payment = this.payments.get(chargeOrderNo);
    if (!livemode || payment === undefined) return;
    if (!payment.fits) this.#violation(`${charge} was refunded although its payment was recorded wrongly`);
    const payer = this.#payers.get(payment.transactionNo) ?? charge;
    this.#payers.set(payment.transactionNo, payer);
    if (payer !== charge) this.#violation(`I2: ${payer} and ${charge} refund one payment`);
  }

  async #ask(
    asked: "refund" | "query",
    order: RefundOrder,
    account: ChannelAccount | null,
    askedAt: number,
  ): Promise<Verdict> {
    const { faults } = this;
    const dice = this.#dice;
    const revision = account?.revision ?? 1;
    this.calls += 1;
    if (asked === "refund") this.#checkPayment(order);
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
        verdict =
          asked === "refund" ? this.#land(order, revision, askedAt) : this.#look(order, revision, askedAt);
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
    return dice.chance(faults.garbled) ? garble(verdict, dice) : verdict;
  }

  /** A submission arrives. The same number is the same refund. */
  #land(order: RefundOrder, revision: number, askedAt: number): Verdict {
    const dice = this.#dice;
    const book = this.#open(order);
    book.landings += 1;
    // A number that was only turned away may be submitted again; one that was taken and ended stays as it is.
    if (!book.taken) {
      // Most dangerous while another submission of the number is still to land.
      const risk = this.#isUnderWay(order.number) ? 3 : 1;
      if (dice.chance(this.faults.transientNo * risk)) {
        if (dice.chance(0.5)) {
          book.state = "declined";
          // Told late, it contradicts what came of it: a question answered wrongly would confirm that.
          book.misread = true;
          this.#tell(book, "once");
        }
        return say("declined", order, askedAt, book);
      }
      const visible = dice.chance(this.faults.miss) ? dice.between(1, VISIBILITY_MS) : 0;
      book.visibleAt = this.#clock.time + visible;
      book.revision = revision;
      const byHand = order.channel === BY_HAND;
      this.#begin(book, byHand || dice.chance(this.faults.stuck) ? "abnormal" : dice.pick(FATES));
      if (book.state === "abnormal") book.leftToPerson = byHand || dice.chance(0.6);
    }
    return truth(book, order, askedAt);
  }

  #count(number: string, change: number): void {
    this.#underWay.set(number, (this.#underWay.get(number) ?? 0) + change);
  }

  #look(order: RefundOrder, revision: number, askedAt: number): Verdict {
    const book = this.books.get(order.number);
    const unseen = this.blind && book?.taken && revision > book.revision;
    if (book === undefined || unseen || book.state === "nothing" || this.#clock.time < book.visibleAt) {
      return say("notFound", order, askedAt);
    }
    const ended = book.state === "succeeded" || book.state === "declined";
    if (ended && !book.misread && this.isBooked(book.number) && this.#dice.chance(this.faults.misread)) {
      book.misread = true;
      return say(book.state === "succeeded" ? "declined" : "succeeded", order, askedAt);
    }
    return truth(book, order, askedAt);
  }

  #open(order: RefundOrder): Book {
    let book = this.books.get(order.number);
    if (book === undefined) {
      book = {
        number: order.number,
        orderNo: order.chargeOrderNo,
        amount: order.amount,
        chargeAmount: order.chargeAmount,
        currency: order.currency,
        state: "nothing",
        effects: 0,
        landings: 0,
        visibleAt: 0,
        taken: false,
        lied: false,
        leftToPerson: false,
        wasStuck: false,
        misread: false,
        revision: 1,
      };
      this.books.set(order.number, book);
    }
    const same =
      book.amount === order.amount &&
      book.orderNo === order.chargeOrderNo &&
      book.currency === order.currency;
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
        book.wasStuck = true;
        this.#tell(book, "once");
        if (dice.chance(0.3)) this.overrule(book.number, dice.between(1000, 600_000));
        break;
      case "pending_success":
      case "pending_failure":
        book.state = "processing";
        this.#tell(book, "once");
        this.#later(this.#takes(), () =>
          this.#end(book, fate === "pending_success" ? "succeeded" : "declined"),
        );
    }
  }

  /** How long a refund is under way, ms. */
  #takes(): number {
    const dice = this.#dice;
    return dice.chance(this.faults.weeks)
      ? dice.between(8 * DAY_MS, 12 * DAY_MS)
      : dice.between(100, 120_000);
  }

  #end(book: Book, state: "succeeded" | "declined", tells = true): void {
    const dice = this.#dice;
    // A person may have decided that it failed, and what was given back may have been taken again.
    if (state === "succeeded" && book.state === "abnormal") book.lied = true;
    if (state === "succeeded") this.#move(book);
    book.state = state;
    if (tells) this.#tell(book, "once");
    if (dice.chance(this.faults.wrong))
      this.#later(dice.between(1000, 300_000), () => this.#tell(book, "wrong"));
    if (!dice.chance(this.faults.lie)) return;
    this.#later(dice.between(1000, 300_000), () => {
      // A second chance may have ended it otherwise meanwhile.
      if (book.state !== state) return;
      book.misread = true;
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
    const moved = this.moved(book.orderNo, false) + book.amount;
    if (moved > book.chargeAmount && !this.isExcused(book.orderNo)) {
      this.#violation(`I2: ${moved} of ${book.chargeAmount} moved for ${book.orderNo}`);
    }
  }

  /** A notice, as early, late and often as it comes. It tells how things stood when it was written. */
  #tell(book: Book, kind: NoticeKind): void {
    const dice = this.#dice;
    const order = { number: book.number, amount: book.amount, currency: book.currency };
    const written = truth(book, order, this.#clock.now());
    const copies = kind === "once" ? dice.pick([0, 0, 1, 2]) : 1;
    for (let copy = 0; copy < copies; copy++) {
      const late = dice.chance(0.3) ? dice.between(1, 400_000) : dice.between(1, 500);
      this.#later(late, () => {
        const now = this.#clock.now();
        const opposite = book.state === "succeeded" ? "declined" : "succeeded";
        // Two wrong words about one refund are believed, and should be.
        if (kind === "wrong" && book.misread) return;
        if (kind === "wrong") book.misread = true;
        if (kind === "wrong") this.#notify(say(opposite, order, now), kind);
        else this.#notify(kind === "once" ? written : truth(book, order, now), kind);
      });
    }
  }
}

/** An answer that is about another refund: another amount, currency or number, and the opposite outcome. */
function garble(verdict: Verdict, dice: Dice): Verdict {
  if (verdict.amount === null || verdict.currency === null) return verdict;
  const { number, amount, currency, askedAt } = verdict;
  const other = dice.pick([{ amount: amount + 1 }, { currency: "usd" }, { number: "another" }]);
  return say(
    verdict.kind === "succeeded" ? "declined" : "succeeded",
    { number, amount, currency, ...other },
    askedAt,
  );
}
