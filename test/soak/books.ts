// What the shops know: the charges they recorded, the refunds they wanted and what they were told. At the end the
// ledgers, D1 and the channel are held against it.
import type { Dice } from "../emulators/dice.ts";
import type { Shop } from "./ask.ts";

export type Status = "pending" | "succeeded" | "failed";

/** A refund that somebody wanted. Its description begins with its token, which no other has. */
export interface Wish {
  token: string;
  charge: Charge;
  /** Null: everything that is left. */
  amount: number | null;
  body: string;
  headers: Record<string, string>;
  /** Has a key, so that it can be asked for again. */
  isKeyed: boolean;
  /** Null while nobody said that it exists. */
  refund: Told | null;
}

/** A refund as it was told last. */
export interface Told {
  id: string;
  wish: Wish;
  amount: number;
  status: Status;
}

export interface Charge {
  id: string;
  shop: Shop;
  amount: number;
  orderNo: string;
  /** Everything asked for, whatever became of it: as long as it fits, no refusal can be true. */
  asked: number;
  /** How many more refunds of it are wanted. */
  wanted: number;
  told: Told[];
}

const HOT = 4;
const HOT_AMOUNT = 1_000_000;
const AMOUNT = 10_000;
/** The API's own limit. */
const REFUNDS_MAX = 50;
const RECENT = 300;

export class Books {
  readonly charges: Charge[] = [];
  readonly refunds: Told[] = [];
  readonly wishes = new Map<string, Wish>();
  /** Keyed wishes whose fate is not known. */
  readonly unsettled: Wish[] = [];
  /** Charges that were asked for and not answered: they may exist. */
  readonly lostOrders = new Set<string>();
  readonly #shops: readonly Shop[];
  readonly #open: Charge[] = [];
  readonly #hot: Charge[] = [];
  #orders = 0;

  constructor(shops: readonly Shop[]) {
    this.#shops = shops;
  }

  /** A payment that nobody has recorded yet. */
  newCharge(dice: Dice): Charge {
    const isHot = this.#hot.length < HOT;
    const roll = dice.next();
    const wanted = isHot ? REFUNDS_MAX : roll < 0.7 ? 1 : roll < 0.9 ? dice.between(2, 3) : 10;
    const shop = dice.chance(0.8) ? this.#shops[0] : dice.pick(this.#shops);
    const charge: Charge = {
      id: "",
      shop: shop as Shop,
      amount: isHot ? HOT_AMOUNT : AMOUNT,
      orderNo: `order${++this.#orders}`,
      asked: 0,
      wanted,
      told: [],
    };
    // At once, or those that are recorded at the same time would all be hot.
    if (isHot) this.#hot.push(charge);
    return charge;
  }

  recorded(charge: Charge, id: string): void {
    charge.id = id;
    this.charges.push(charge);
    if (charge.amount !== HOT_AMOUNT) this.#open.push(charge);
  }

  unrecorded(charge: Charge): void {
    this.lostOrders.add(charge.orderNo);
    this.#forget(charge);
  }

  /** One of which refunds are wanted; often a hot one. Null when there is none. */
  takeOpen(dice: Dice): Charge | null {
    const hot = this.#hot.filter(({ id }) => id !== "");
    const from = hot.length > 0 && dice.chance(0.3) ? hot : this.#open;
    if (from.length === 0) return null;
    const charge = dice.pick(from);
    if (--charge.wanted === 0) this.#forget(charge);
    return charge;
  }

  /** Old ones too, whose ledgers have left memory. */
  anyCharge(dice: Dice): Charge | undefined {
    return anyOf(this.charges, dice);
  }

  anyRefund(dice: Dice): Told | undefined {
    return anyOf(this.refunds, dice);
  }

  foreignShop({ shop }: Charge): Shop {
    return this.#shops.find((one) => one !== shop) as Shop;
  }

  #forget(charge: Charge): void {
    for (const list of [this.#open, this.#hot]) {
      const place = list.indexOf(charge);
      if (place >= 0) list.splice(place, 1);
    }
  }
}

function anyOf<T>(list: readonly T[], dice: Dice): T | undefined {
  if (list.length === 0) return undefined;
  const first = dice.chance(0.5) ? Math.max(0, list.length - RECENT) : 0;
  return list[dice.between(first, list.length - 1)];
}
