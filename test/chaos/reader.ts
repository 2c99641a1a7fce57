// How the shops' programs call the API and read what is there: one refund, one charge, lists page by page, and what is
// none of their business. Everything they saw is kept, with the time at which they began to look.
import type { Dice } from "../emulators/dice.ts";
import { type Call, callApi } from "./api.ts";
import type { Surroundings } from "./clients.ts";
import {
  type Attempt,
  answersOf,
  type Reading,
  type RecordedCharge,
  type RefundWish,
  type Shop,
} from "./records.ts";

const PAGE = 3;
const CHARGES_PAGE = 50;
const PAGES_MAX = 100;

export class Reader {
  readonly readings: Reading[] = [];
  readonly counts = { attempts: 0, unanswered: 0 };
  readonly #around: Surroundings;

  constructor(around: Surroundings) {
    this.#around = around;
  }

  async readRefund(wish: RefundWish | undefined): Promise<void> {
    const known = wish === undefined ? undefined : answersOf(wish)[0]?.refund;
    if (wish === undefined || known === undefined) return;
    const path = `/charges/${wish.charge}/refunds/${known.id}`;
    const { status, ...rest } = await this.attempt(wish.shop, { method: "GET", path });
    if (status === null) return;
    const { charge, shop } = wish;
    this.readings.push({ ...rest, shop, kind: "refund", charge, refund: known.id, status });
  }

  /** Whether it was answered. */
  async readCharge(charge: RecordedCharge | undefined): Promise<boolean> {
    if (charge === undefined) return true;
    const shop = this.shopOf(charge);
    const { status, ...rest } = await this.attempt(shop, { method: "GET", path: `/charges/${charge.id}` });
    if (status !== null) this.readings.push({ ...rest, shop, kind: "charge", charge: charge.id, status });
    return status !== null && status < 500;
  }

  /** Turns all pages; gives up when one is not answered. */
  async readPages(
    charge: RecordedCharge | undefined,
    from: "newest" | "oldest",
    limit = PAGE,
  ): Promise<boolean> {
    if (charge === undefined) return true;
    const shop = this.shopOf(charge);
    const path = `/charges/${charge.id}/refunds`;
    let cursor: string | null = null;
    if (from === "oldest") {
      const first = this.readings.findLast(
        (reading) => reading.kind === "pages" && reading.charge === charge.id && reading.ids.length > 0,
      );
      if (first?.kind !== "pages") return true;
      cursor = first.ids.at(-1) ?? null;
    }
    const read = await this.#turn(
      shop,
      path,
      limit,
      from === "oldest" ? "ending_before" : "starting_after",
      cursor,
    );
    if (read === null) return false;
    const ids = from === "oldest" && cursor !== null ? [...read.ids, cursor] : read.ids;
    this.readings.push({ ...read, shop, kind: "pages", charge: charge.id, from, ids });
    return true;
  }

  async readCharges(shop: Shop): Promise<boolean> {
    const read = await this.#turn(shop, "/charges", CHARGES_PAGE, "starting_after", null);
    if (read !== null) this.readings.push({ ...read, shop, kind: "charges" });
    return read !== null;
  }

  async #turn(
    shop: Shop,
    path: string,
    limit: number,
    direction: "starting_after" | "ending_before",
    start: string | null,
  ): Promise<{ ids: string[]; begunAt: number; endedAt: number; ledgersFail: boolean } | null> {
    const begunAt = Date.now();
    let ids: string[] = [];
    let cursor = start;
    let ledgersFail = false;
    for (let page = 0; page < PAGES_MAX; page++) {
      const query = new URLSearchParams({
        limit: String(limit),
        ...(cursor === null ? {} : { [direction]: cursor }),
      });
      const attempt: Attempt = await this.attempt(shop, { method: "GET", path: `${path}?${query}` });
      ledgersFail ||= attempt.ledgersFail;
      if (attempt.status !== 200) {
        this.refused(shop, path, attempt);
        return null;
      }
      const list = attempt.body as { data: { id: string }[]; has_more: boolean };
      const found = list.data.map(({ id }) => id);
      ids = direction === "starting_after" ? [...ids, ...found] : [...found, ...ids];
      cursor = (direction === "starting_after" ? found.at(-1) : found[0]) ?? cursor;
      if (!list.has_more || found.length === 0) return { ids, begunAt, endedAt: Date.now(), ledgersFail };
    }
    return null;
  }

  /** Keeps what was heard instead of what was wanted. */
  refused(shop: Shop, path: string, { status, ...rest }: Attempt): void {
    if (status !== null) this.readings.push({ ...rest, shop, kind: "refused", path, status });
  }

  /** Has the channel asked now; whether that was answered. */
  async sync(shop: Shop, charge: string, refund: string): Promise<boolean> {
    const path = `/charges/${charge}/refunds/${refund}/sync`;
    const { status } = await this.attempt(shop, { method: "POST", path, body: {} });
    return status !== null && status < 500;
  }

  /** Reads what is another shop's, or the same shop's in the other mode. */
  async trespass(wish: RefundWish | undefined, dice: Dice): Promise<void> {
    if (wish === undefined) return;
    const { test, live } = this.#around.scene.shops;
    const shop = dice.pick([...test, ...live].filter((one) => one !== wish.shop));
    const refund = answersOf(wish)[0]?.refund.id;
    const path =
      refund === undefined ? `/charges/${wish.charge}` : `/charges/${wish.charge}/refunds/${refund}`;
    const { status, ...rest } = await this.attempt(shop, { method: "GET", path });
    if (status !== null) this.readings.push({ ...rest, shop, kind: "foreign", path, status });
  }

  async attempt(shop: Shop, call: Call): Promise<Attempt> {
    this.counts.attempts++;
    const before = this.#around.ledgersFail();
    const answer = await callApi(this.#around.url, shop, call);
    if (answer.status === null) this.counts.unanswered++;
    return { ...answer, ledgersFail: before || this.#around.ledgersFail() };
  }

  shopOf({ app, livemode }: RecordedCharge): Shop {
    const { test, live } = this.#around.scene.shops;
    const shop = [...test, ...live].find((one) => one.app === app && one.livemode === livemode);
    if (shop === undefined) throw new Error("a charge of no shop's");
    return shop;
  }
}
