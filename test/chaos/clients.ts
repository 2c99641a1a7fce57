// The shops' programs: they record payments, refund them in every way the API knows, ask again under the same key for
// whatever was not answered, race each other for the last of a balance, and read while all of it goes on. Everything
// they asked and heard is kept. A wish that was begun is repeated until its answer is definite, also after the storm.
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Dice } from "../emulators/dice.ts";
import { LIVE, type LiveChannel, type Outside, pay } from "./outside.ts";
import { Reader } from "./reader.ts";
import { answersOf, isDefinite, type RecordedCharge, type RefundWish, type Shop } from "./records.ts";
import type { Scene } from "./scene.ts";

/** What a sandbox refund meets, and how often: nothing special for the rest. */
const TRIGGERS: [share: number, trigger: string][] = [
  [0.05, "pending:1"],
  [0.04, "pending_fails:1"],
  [0.04, "declined"],
  [0.02, "balance_too_small"],
  [0.06, "timeout_succeeded"],
  [0.05, "timeout_lost"],
  [0.04, "error:1"],
  [0.03, "late_landing"],
  [0.03, "throttled:1"],
  [0.03, "slow:400"],
  [0.02, "late_failure:2"],
  [0.005, "pending_forever"],
];
/** Everybody uses these, until they are used up. */
const HOT = 2;
const HOT_AMOUNT = 20_000;
const BURST = 10;
const BURST_AMOUNT = 1_000;
const BURST_EACH = 300;
/** The API's own limit of refunds of a charge is near. */
const REFUNDS_MAX = 45;

export interface Surroundings {
  url: string;
  scene: Scene;
  outside: Outside;
  /** Whether ledgers fail in the present life. */
  ledgersFail(): boolean;
  /** Whether the storm still blows; afterwards only what was begun is ended. */
  isStormy(): boolean;
  /** Fires when patience has ended. */
  enough: AbortSignal;
}

export class Clients {
  readonly charges: RecordedCharge[] = [];
  readonly wishes: RefundWish[] = [];
  readonly reader: Reader;
  retries = 0;
  readonly #around: Surroundings;
  readonly #dice: Dice;
  /** Charges to be refunded, by shop; the first ones are hot. */
  readonly #open = new Map<Shop, RecordedCharge[]>();

  constructor(around: Surroundings, dice: Dice) {
    this.#around = around;
    this.reader = new Reader(around);
    this.#dice = dice;
  }

  /** Each works until the storm is over and its last wish has been answered. */
  async run(count: number): Promise<void> {
    const workers = Array.from({ length: count }, () => this.#work(this.#dice.fork()));
    await Promise.all(workers);
  }

  async #work(dice: Dice): Promise<void> {
    while (this.#around.isStormy()) {
      const shop = this.#shop(dice);
      const roll = dice.next();
      if (roll < 0.62) await this.#refundSomething(shop, dice);
      else if (roll < 0.65) await this.#burst(shop, dice);
      else if (roll < 0.7) await this.#addCharge(shop, dice);
      else if (roll < 0.74) await this.#misuseKey(dice);
      else if (roll < 0.84) await this.reader.readRefund(dice.pick(this.wishes.slice(-200)));
      else if (roll < 0.89) await this.reader.readCharge(dice.pick(this.charges.slice(-30)));
      else if (roll < 0.93)
        await this.reader.readPages(dice.pick(this.#known(shop)), dice.pick(["newest", "oldest"]));
      else if (roll < 0.94) await this.reader.readCharges(shop);
      else if (roll < 0.97) await this.#sync(dice);
      else await this.reader.trespass(dice.pick(this.wishes.slice(-100)), dice);
      await this.#pause(dice.between(0, 30));
    }
  }

  #shop(dice: Dice): Shop {
    const { test, live } = this.#around.scene.shops;
    return dice.chance(0.3) ? dice.pick(live) : dice.pick(test);
  }

  async #refundSomething(shop: Shop, dice: Dice): Promise<void> {
    const charge = await this.#charge(shop, dice);
    if (charge === null) return;
    const amount = dice.chance(0.03) ? null : dice.between(1, dice.chance(0.2) ? 2_000 : 300);
    const wish = this.wish(charge, amount, dice);
    // An impatient program asks twice at once.
    if (dice.chance(0.05))
      await Promise.all([this.#fulfil(wish, dice.fork()), this.#fulfil(wish, dice.fork())]);
    else await this.#fulfil(wish, dice);
    const refusal = wish.attempts.at(-1)?.status === 400;
    const used = this.wishes.filter((one) => one.charge === charge.id).length >= REFUNDS_MAX;
    if (refusal || used) this.#forget(charge);
  }

  /** Ten at once, of which three fit. */
  async #burst(shop: Shop, dice: Dice): Promise<void> {
    const charge = await this.#addCharge(shop, dice, BURST_AMOUNT);
    if (charge === null) return;
    const wishes = Array.from({ length: BURST }, () => this.wish(charge, BURST_EACH, dice, false));
    await Promise.all(wishes.map((wish) => this.#fulfil(wish, dice.fork())));
    this.#forget(charge);
  }

  /** The key of another refund, and another amount. */
  async #misuseKey(dice: Dice): Promise<void> {
    const earlier = dice.pick(this.wishes.slice(-50));
    if (earlier === undefined || earlier.reuses !== null || answersOf(earlier).length === 0) return;
    const { refundNo, idempotencyKey, shop, charge, token } = earlier;
    if (refundNo === null && idempotencyKey === null) return;
    const wish: RefundWish = {
      ...this.#words(dice, false),
      shop,
      charge,
      amount: (earlier.amount ?? 0) + 1,
      refundNo,
      idempotencyKey,
      reuses: token,
      attempts: [],
    };
    this.wishes.push(wish);
    await this.#fulfil(wish, dice);
  }

  wish(charge: RecordedCharge, amount: number | null, dice: Dice, triggers = !charge.livemode): RefundWish {
    const roll = dice.next();
    const shop = this.reader.shopOf(charge);
    const wish: RefundWish = {
      ...this.#words(dice, triggers && !charge.livemode),
      shop,
      charge: charge.id,
      amount,
      refundNo: roll < 0.45 ? randomUUID() : null,
      idempotencyKey: roll > 0.4 && roll < 0.75 ? randomUUID() : null,
      reuses: null,
      attempts: [],
    };
    this.wishes.push(wish);
    return wish;
  }

  #words(dice: Dice, triggers: boolean): Pick<RefundWish, "token" | "description"> {
    const token = `#${this.wishes.length}#`;
    let roll = triggers ? dice.next() : 1;
    for (const [share, trigger] of TRIGGERS) {
      if (roll < share) return { token, description: `${token} [sandbox:${trigger}]` };
      roll -= share;
    }
    return { token, description: token };
  }

  /** Asks until there is a definite answer. */
  async #fulfil(wish: RefundWish, dice: Dice): Promise<void> {
    const { refundNo, idempotencyKey, amount, description, charge, shop } = wish;
    // Without a key of its own the request is told by its body and this moment.
    const timestamp = String(Math.floor((wish.attempts[0]?.begunAt ?? Date.now()) / 1000));
    const headers: Record<string, string> = {
      Prefer: dice.chance(0.2) ? "respond-async" : "wait=1",
      ...(idempotencyKey === null ? {} : { "Idempotency-Key": idempotencyKey }),
      ...(idempotencyKey === null && refundNo === null
        ? { "Pingplusplus-Request-Timestamp": timestamp }
        : {}),
    };
    const body = {
      description,
      ...(amount === null ? {} : { amount }),
      ...(refundNo === null ? {} : { refund_no: refundNo }),
    };
    const path = `/charges/${charge}/refunds`;
    for (let tries = 0; !this.#around.enough.aborted; tries++) {
      if (tries > 0) this.retries++;
      const stormy = this.#around.isStormy();
      // Some leave before they have heard the answer.
      const patienceMs = stormy && dice.chance(0.05) ? dice.between(5, 100) : undefined;
      const attempt = await this.reader.attempt(shop, { method: "POST", path, body, headers, patienceMs });
      wish.attempts.push(attempt);
      if (isDefinite(attempt)) return;
      await this.#pause(dice.between(20, stormy ? 150 : 400));
    }
  }

  /** A charge of the shop's that can still be refunded; often a hot one. */
  async #charge(shop: Shop, dice: Dice): Promise<RecordedCharge | null> {
    const open = this.#open.get(shop) ?? [];
    if (open.length < HOT || dice.chance(0.15)) return await this.#addCharge(shop, dice);
    return dice.chance(0.4) ? dice.pick(open.slice(0, HOT)) : dice.pick(open);
  }

  async #addCharge(shop: Shop, dice: Dice, amount?: number): Promise<RecordedCharge | null> {
    const hot = (this.#open.get(shop) ?? []).length < HOT;
    const facts = {
      app: shop.app,
      livemode: shop.livemode,
      amount: amount ?? (hot ? HOT_AMOUNT : dice.between(500, 10_000)),
      orderNo: randomUUID().replaceAll("-", ""),
      acknowledgedAt: null,
      id: "",
    };
    let charge: RecordedCharge;
    if (shop.livemode) {
      // The second shop has no account at Stripe.
      const channels = shop === this.#around.scene.shops.live[0] ? LIVE : LIVE.slice(0, 2);
      const channel: LiveChannel = dice.pick(channels);
      const transactionNo = `${channel.prefix}${randomUUID().replaceAll("-", "").slice(0, 24)}`;
      const { currency } = channel;
      charge = { ...facts, channel: channel.name, currency, transactionNo };
      pay(this.#around.outside, channel, { ...charge, transactionNo });
    } else {
      const transactionNo = dice.chance(0.5) ? randomUUID() : null;
      charge = { ...facts, channel: dice.pick(["alipay", "wx", "upacp"]), currency: "cny", transactionNo };
    }
    return (await this.#record(charge, shop, dice)) ? charge : null;
  }

  async #record(charge: RecordedCharge, shop: Shop, dice: Dice): Promise<boolean> {
    const { orderNo, transactionNo, channel, amount, currency } = charge;
    const body = {
      order_no: orderNo,
      channel,
      amount,
      currency,
      subject: "Tea",
      body: "Two tins",
      ...(shop.livemode ? { paid: true } : {}),
      ...(transactionNo === null ? {} : { transaction_no: transactionNo }),
    };
    while (!this.#around.enough.aborted) {
      const attempt = await this.reader.attempt(shop, { method: "POST", path: "/charges", body });
      if (attempt.status === 200) {
        charge.id = (attempt.body as { id: string }).id;
        charge.acknowledgedAt = attempt.endedAt;
        this.charges.push(charge);
        this.#open.set(shop, [...(this.#open.get(shop) ?? []), charge]);
        return true;
      }
      if (isDefinite(attempt)) {
        this.reader.refused(shop, "/charges", attempt);
        return false;
      }
      await this.#pause(dice.between(20, 150));
    }
    return false;
  }

  #forget(charge: RecordedCharge): void {
    const shop = this.reader.shopOf(charge);
    this.#open.set(
      shop,
      (this.#open.get(shop) ?? []).filter((one) => one !== charge),
    );
  }

  #known(shop: Shop): (RecordedCharge | undefined)[] {
    return this.charges
      .filter((charge) => charge.app === shop.app && charge.livemode === shop.livemode)
      .slice(-20);
  }

  async #sync(dice: Dice): Promise<void> {
    const wish = dice.pick(this.wishes.slice(-200));
    const known = wish === undefined ? undefined : answersOf(wish)[0]?.refund;
    if (wish !== undefined && known !== undefined) await this.reader.sync(wish.shop, wish.charge, known.id);
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#around.enough }).catch(() => {});
  }
}
