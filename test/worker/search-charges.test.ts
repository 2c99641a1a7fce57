// The search for charges, against a plain filter of the same charges.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { wordsOf } from "../../src/search/terms.ts";
import { TestApp } from "../harness.ts";
import {
  addCharges,
  CHANNELS,
  COLOURS,
  CURRENCIES,
  DESCRIPTIONS,
  KEYS,
  type MadeCharge,
  nth,
  page,
  pairs,
  queryOf,
  T,
  walk,
} from "./search-fixture.ts";

/** What each filter means. */
const FILTERS: Record<string, (made: MadeCharge, value: string) => boolean> = {
  channel: ({ charge }, value) => charge.channel === value,
  currency: ({ charge }, value) => charge.currency === value,
  paid: ({ charge }, value) => charge.paid === (value === "true"),
  refunded: ({ refunded }, value) => refunded === (value === "true"),
  frozen: ({ freeze }, value) => (freeze !== null) === (value === "true"),
  amount: ({ charge }, value) => charge.amount === Number(value),
  "amount[gte]": ({ charge }, value) => charge.amount >= Number(value),
  "amount[lt]": ({ charge }, value) => charge.amount < Number(value),
  "created[gt]": ({ charge }, value) => charge.created > Number(value),
  "created[lte]": ({ charge }, value) => charge.created <= Number(value),
  order_no: ({ charge }, value) => charge.orderNo === value,
  transaction_no: ({ charge }, value) => charge.transactionNo === value,
  description: ({ charge }, value) => {
    const words = wordsOf(charge.description ?? "");
    return wordsOf(value).every((word) => words.includes(word));
  },
  "metadata[colour]": ({ charge }, value) => charge.metadata.colour === value,
  "metadata['; --]": ({ charge }, value) => charge.metadata["'; --"] === value,
};

function expected(all: readonly MadeCharge[], filters: Record<string, string>, sort: string): string[] {
  const by = (a: MadeCharge, b: MadeCharge) =>
    (sort.endsWith("amount") ? a.charge.amount - b.charge.amount : 0) ||
    a.charge.created - b.charge.created ||
    a.seq - b.seq;
  const found = all.filter((made) =>
    Object.entries(filters).every(([name, value]) => FILTERS[name]?.(made, value)),
  );
  const sorted = found.sort(sort.startsWith("-") ? (a, b) => by(b, a) : by);
  return sorted.map(({ charge }) => charge.id);
}

function pastCharges(app: TestApp): Promise<MadeCharge[]> {
  const facts = Array.from({ length: 40 }, (_, n) => ({
    channel: nth(CHANNELS, n),
    currency: nth(CURRENCIES, n * 3),
    paid: n % 4 !== 0,
    refunded: n % 3 === 0,
    freeze: n % 8 === 1 ? nth(["lost", "conflict"] as const, n) : null,
    amount: 100 * (1 + (n % 5)),
    created: T + (n % 6),
    orderNo: `order-${n % 20}`,
    transactionNo: n % 5 === 0 ? null : `T-${n}`,
    description: n % 7 === 0 ? null : nth(DESCRIPTIONS, n),
    metadata: n % 2 === 0 ? {} : pairs([nth(KEYS, n), nth(COLOURS, n)]),
  }));
  return addCharges({ app: app.id, livemode: false }, facts);
}

const flag = fc.constantFrom("true", "false");
const amounts = fc.constantFrom("100", "300", "350");
const times = fc.integer({ min: T, max: T + 6 }).map(String);
const filterArbitrary = fc.record(
  {
    channel: fc.constantFrom(...CHANNELS),
    currency: fc.constantFrom(...CURRENCIES),
    paid: flag,
    refunded: flag,
    frozen: flag,
    amount: amounts,
    "amount[gte]": amounts,
    "amount[lt]": amounts,
    "created[gt]": times,
    "created[lte]": times,
    order_no: fc.constantFrom("order-1", "order-7"),
    transaction_no: fc.constantFrom("T-1", "T-21"),
    description: fc.constantFrom("returned", "质量", "wrong size"),
    "metadata[colour]": fc.constantFrom(...COLOURS),
    "metadata['; --]": fc.constantFrom(...COLOURS),
  },
  { requiredKeys: [] },
);

describe("a search for charges", () => {
  it("finds by each filter alone exactly what meets it, and counts it", async () => {
    const app = await TestApp.create();
    const all = await pastCharges(app);
    const values = [...CHANNELS, ...CURRENCIES, ...COLOURS, "100", "300", String(T + 2), "order-7", "T-21"];
    const words = ["true", "false", "returned", "质量 wrong"];
    for (const name of Object.keys(FILTERS)) {
      const isFlag = ["paid", "refunded", "frozen"].includes(name);
      const isNumber = /^(amount|created)/.test(name);
      const ofName = [...values, ...words]
        .filter((value) => !isFlag || value === "true" || value === "false")
        .filter((value) => !isNumber || /^\d+$/.test(value))
        .filter((value) => name !== "currency" || /^[a-z]{3}$/.test(value))
        .filter((value) => name !== "transaction_no" || /^[\x21-\x7e]+$/.test(value));
      for (const value of ofName) {
        const wanted = expected(all, { [name]: value }, "-created");
        const query = queryOf({ [name]: value, limit: "100", include: "total_count" });
        const { ids, total } = await page(app, `/v1/charges${query}`);
        expect([query, ids, total]).toEqual([query, wanted, wanted.length]);
      }
    }
  });

  it("finds by any filters together, in any sort, page by page in both directions, ties included", async () => {
    const app = await TestApp.create();
    const all = await pastCharges(app);
    await fc.assert(
      fc.asyncProperty(
        filterArbitrary,
        fc.integer({ min: 0, max: 3 }),
        fc.nat(20),
        fc.constantFrom("-created", "created", "-amount", "amount"),
        fc.integer({ min: 3, max: 15 }),
        async (given, count, from, sort, limit) => {
          const entries = Object.entries(given) as [string, string][];
          const turned = entries.map((_, i) => entries[(i + from) % entries.length] as [string, string]);
          const filters = Object.fromEntries(turned.slice(0, count));
          const path = `/v1/charges${queryOf({ ...filters, sort })}`;
          expect([path, await walk(app, path, limit)]).toEqual([path, expected(all, filters, sort)]);
        },
      ),
      { numRuns: 50 },
    );
  }, 60_000);

  it("finds nothing of another app or of the other mode", async () => {
    const app = await TestApp.create();
    const other = await TestApp.create();
    const facts = {
      orderNo: "order-1",
      transactionNo: "T-1",
      description: "Tea",
      metadata: { colour: "red" },
      freeze: "lost",
    } as const;
    const [mine] = await addCharges({ app: app.id, livemode: false }, [facts]);
    const [live] = await addCharges({ app: app.id, livemode: true }, [facts]);
    await addCharges({ app: other.id, livemode: false }, [facts]);
    for (const query of [
      "",
      "order_no=order-1",
      "transaction_no=T-1",
      "description=tea",
      "metadata[colour]=red",
      "frozen=true",
      "channel=alipay",
      "currency=cny",
      "amount=10000",
      "sort=amount",
    ]) {
      expect([query, (await page(app, `/v1/charges?${query}`)).ids]).toEqual([query, [mine?.charge.id]]);
      expect([query, (await page(app, `/v1/charges?${query}`, true)).ids]).toEqual([
        query,
        [live?.charge.id],
      ]);
    }
  });

  it.each([
    ["amount[gte]=x", "amount[gte]"],
    ["currency=1", "currency"],
    ["frozen=yes", "frozen"],
    ["description=%E9%80%80", "description"],
    ["metadata[", "metadata["],
    ["order_no=", "order_no"],
    ["sort=paid", "sort"],
    ["include=x", "include"],
  ])("?%s is refused, naming %s", async (query, param) => {
    const app = await TestApp.create();
    const { status, body } = await app.get(`/v1/charges?${query}`);
    expect([status, body.error.param]).toEqual([400, param]);
  });
});
